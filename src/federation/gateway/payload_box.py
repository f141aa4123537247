"""Where a worker puts contents that are to be kept: sealed before they touch a disk.

The trap: control hands out the key, and control may be away. A call whose content must be kept
is refused while there is no key; it is never kept in the clear. Nor is a provider asked, and paid,
for answer after answer that a full disk then refuses: one call a second finds out whether it goes
again.
"""

from __future__ import annotations

import secrets
from typing import Final, Protocol

import msgspec

from federation.errors import EvidenceUnwritable
from federation.evidence.sealing import (
    MOST_USES,
    NONCE_BYTES,
    SALT_BYTES,
    Row,
    SealingKey,
    commitment,
    seal,
)
from federation.schema.payloads import Payload, Spooled

TABLE: Final = "spool"

_encode = msgspec.msgpack.Encoder().encode


class Spool(Protocol):
    """A file of our own that control reads."""

    def append(self, line: Spooled) -> None:
        """Write one line. Raises `EvidenceUnwritable`."""
        ...

    def look(self) -> None:
        """Leave a file that somebody removed."""
        ...


class NoSpool:
    """Where there is no data directory: nothing can be kept."""

    def append(self, line: Spooled) -> None:
        """Raise `EvidenceUnwritable`."""
        raise EvidenceUnwritable(f"there is no place for the content of {line.call}")

    def look(self) -> None:
        """There is none."""


class PayloadBox:
    """Seals contents and spools them; one for each worker."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._key: SealingKey | None = None
        self._left = 0
        self._refused = ""
        """Why the last content was, where it was."""
        self._again = False
        """One call may find out whether it still is."""

    def look(self) -> None:
        """See to the spool; to be called once a second."""
        self._spool.look()
        self._again = True

    def use(self, key: SealingKey) -> None:
        """Seal with this key from now on."""
        self._key, self._left = key, MOST_USES

    def check(self) -> None:
        """Raise `EvidenceUnwritable` where nothing can be sealed, or spooled, just now."""
        if self._refused and not self._again:
            raise EvidenceUnwritable(self._refused, retry_after_s=1.0)
        self._again = False
        self._check_key()

    def _check_key(self) -> None:
        if self._key is None or not self._left:
            raise EvidenceUnwritable(
                "the content of this call must be kept, and there is no key to seal it with. "
                "Try again in a few seconds",
                retry_after_s=5.0,
            )

    def keep(self, payload: Payload) -> str:
        """Spool a content and return what the record holds of it. Its salt is drawn here.
        Raises `EvidenceUnwritable`."""
        self._check_key()
        assert self._key is not None  # noqa: S101  just checked
        self._left -= 1
        salt = secrets.token_bytes(SALT_BYTES)
        content = _encode(msgspec.structs.replace(payload, salt=salt))
        row = Row(payload.tenant, TABLE, payload.call)
        sealed = seal(self._key, row, content, secrets.token_bytes(NONCE_BYTES))
        try:
            self._spool.append(Spooled(payload.call, payload.tenant, self._key.id, sealed))
        except EvidenceUnwritable as error:
            self._refused = error.message
            raise
        self._refused = ""
        return commitment(salt, content)
