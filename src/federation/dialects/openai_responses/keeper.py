"""Puts our id into a stream of this API that goes to a client, and keeps the response it ends with.

A forwarded stream names the provider's response, which the client could never fetch. The id
stands only in the events that hold the response; all others pass as they are. A stream that
we render ourselves has our id already and is only listened to.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Raw

from federation.dialects.openai_responses.events import UNREADABLE, data_of, on_one_line
from federation.dialects.openai_responses.fields import NULL
from federation.dialects.openai_responses.state import with_identity
from federation.dialects.openai_responses.tap import ENDS
from federation.dialects.sse import EventCutter
from federation.errors import InvalidRequest

_LIFE: Final = ENDS | {
    "response.created",
    "response.queued",
    "response.in_progress",
    "response.cancelled",
}
_NAMED: Final = b"event: "
_LIFE_LINES: Final = frozenset(name.encode() for name in _LIFE)


class _Event(msgspec.Struct):
    type: str = ""
    sequence_number: Raw = Raw(b"0")
    response: Raw = NULL


_EVENT: Final = msgspec.json.Decoder(_Event)


class Keeper:
    """Renames one stream's response and remembers its end; one for each stream."""

    def __init__(self, identity: str, previous: str = "") -> None:
        self._identity = identity
        self._previous = previous
        self._cutter = EventCutter()
        self.final = b""
        """The finished Response object under our id; empty until it came."""

    def feed(self, data: bytes) -> bytes:
        """The whole events of these bytes, those of the response under our id."""
        return b"".join([self._renamed(event) for event in self._cutter.feed(data)])

    def close(self) -> bytes:
        """What was held back."""
        rest = self._cutter.rest()
        return self._renamed(rest) if rest else b""

    def _renamed(self, event: bytes) -> bytes:
        if event.startswith(_NAMED) and event[7 : event.find(b"\n")] not in _LIFE_LINES:
            return event
        data = data_of(event)
        if data is None:
            return event
        try:
            found = _EVENT.decode(data)
            if found.type not in _LIFE or found.response == NULL:
                return event
            response = with_identity(bytes(found.response), self._identity, self._previous)
        except (*UNREADABLE, InvalidRequest):
            return event
        if found.type in ENDS:
            self.final = response
        name = found.type.encode()
        return b'event: %b\ndata: {"type":"%b","sequence_number":%b,"response":%b}\n\n' % (
            name,
            name,
            bytes(found.sequence_number),
            on_one_line(response),
        )
