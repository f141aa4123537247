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
from federation.dialects.openai_responses.state import unkept, with_identity
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
    """Renames one stream's response and keeps back its end; one for each stream.

    Once the response has come (`final`), `feed` holds everything back: the caller has it
    kept, and gets the events that end the stream from `ending`.
    """

    def __init__(self, identity: str, previous: str = "") -> None:
        self._identity = identity
        self._previous = previous
        self._cutter = EventCutter()
        self._end = _Event()
        self._after: list[bytes] = []
        self._holding = False
        self.final = b""
        """The finished Response object under our id; empty until it came."""

    def feed(self, data: bytes) -> bytes:
        """The whole events of these bytes, those of the response under our id."""
        return self._told(self._cutter.feed(data))

    def close(self) -> bytes:
        """What was held back."""
        rest = self._cutter.rest()
        return self._told([rest]) if rest else b""

    def ending(self, *, kept: bool) -> bytes:
        """The event with the finished response, which says whether it is kept, and what came
        after it; once."""
        response = self.final if kept else unkept(self.final)
        out = _event(self._end, response) + b"".join(self._after)
        self._after.clear()
        self._holding = False
        return out

    def rest(self) -> bytes:
        """All that was held back, at the end of a stream; the response counts as kept."""
        out = self.close()
        return out + self.ending(kept=True) if self.final else out

    def _told(self, events: list[bytes]) -> bytes:
        out: list[bytes] = []
        for event in events:
            if self._holding:
                self._after.append(event)
            else:
                out.append(event if self.final else self._renamed(event))
        return b"".join(out)

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
            self._end, self.final, self._holding = found, response, True
            return b""
        return _event(found, response)


def _event(found: _Event, response: bytes) -> bytes:
    name = found.type.encode()
    return b'event: %b\ndata: {"type":"%b","sequence_number":%b,"response":%b}\n\n' % (
        name,
        name,
        bytes(found.sequence_number),
        on_one_line(response),
    )
