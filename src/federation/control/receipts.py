"""Receipts of calls: with one, whoever has a content can show that a record is about it.

The trap: a salt lets its holder try out guesses. So it is told to the key that made the call, which
knows the content anyway, and to who may read contents that are kept. At an open gateway whoever
comes without a key is the same asker, so of their calls it is told to the latter alone.

Who is told the salt of another's call can find out what was said where it was short, so that goes
on record, and is done only for who asks for it: whoever looks at a call for its cost learns no
salt, and the log does not grow. What the calling key reads of its own calls tells it nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from federation.control.permissions import Permission, may
from federation.domain.access import VirtualKey
from federation.domain.asker import ANONYMOUS
from federation.domain.hands import own_ids
from federation.evidence.receipts import salt_of
from federation.schema.records import CallEnded


class Receipt(NamedTuple):
    """Hexadecimal, as `evidence.receipts` describes them; `output` is empty where the gateway
    refused the call. A hash that could not be made is empty, too, and `unproven` says why."""

    salt: str
    input: str
    output: str
    unproven: Mapping[str, str]


def is_own(asker: VirtualKey, record: CallEnded) -> bool:
    """Whether this is who made the call, and so knows what was said."""
    return record.key in own_ids(asker) and asker.id != ANONYMOUS.id


class ReceiptDesk:
    """Writes receipts; `key` is that of the workers."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def of(self, asker: VirtualKey, record: CallEnded) -> Receipt | None:
        """The receipt of a call; None for who may not have it, and for a call of an earlier
        version, which has none."""
        if not (record.input or record.unproven) or not (
            is_own(asker, record) or may(asker, Permission.READ_DATA)
        ):
            return None
        salt = salt_of(self._key, record.call).hex()
        return Receipt(salt, record.input, record.output, record.unproven)
