"""Cursors of lists: where a page ended, sealed against another hand and another list.

The trap: a cursor comes back from a client. It is bound to the tenant, the kind and the
filters of its list, so one that somebody made up or took from another list is no page at all.
"""

from __future__ import annotations

import base64
import binascii
import hmac

import msgspec

from federation.errors import NotFound
from federation.storage.tenancy_entries import Place

_TAG = 16
_LIMIT = 1024
_place = msgspec.msgpack.Decoder(tuple[int | str, ...])


class Cursors:
    """Makes and reads cursors under one key."""

    def __init__(self, hash_key: bytes) -> None:
        self._key = hmac.digest(hash_key, b"federation/list-cursor/1", "sha256")

    def write(self, place: Place, *bound: str | None) -> str:
        """A cursor for the list that `bound` describes."""
        body = msgspec.msgpack.encode(place)
        sealed = self._tag(body, bound) + body
        return base64.urlsafe_b64encode(sealed).decode().rstrip("=")

    def read(self, cursor: str | None, *bound: str | None) -> Place | None:
        """Where the page before ended; None at the beginning. Raises `NotFound`."""
        if cursor is None:
            return None
        try:
            if len(cursor) > _LIMIT:
                raise ValueError
            sealed = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
            tag, body = sealed[:_TAG], sealed[_TAG:]
            if not hmac.compare_digest(tag, self._tag(body, bound)):
                raise ValueError
            return _place.decode(body)
        except (ValueError, binascii.Error, msgspec.DecodeError):
            message = "This list has no page at that cursor. Begin again without one."
            raise NotFound(message, param="cursor") from None

    def _tag(self, body: bytes, bound: tuple[str | None, ...]) -> bytes:
        message = msgspec.msgpack.encode((bound, body))
        return hmac.digest(self._key, message, "sha256")[:_TAG]
