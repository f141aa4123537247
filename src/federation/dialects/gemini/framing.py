"""Cuts a provider's stream into its answers, in either of the two framings.

With `alt=sse` they are server-sent events; without, elements of one JSON array that is
written bit by bit. What came decides, not what was asked: a host that fails early may send a
bare object instead of either. Pieces put together again are the stream, byte for byte.

Reference: https://ai.google.dev/api/generate-content#method:-models.streamgeneratecontent
"""

from __future__ import annotations

import re
from typing import Final, TypeAlias

import msgspec

from federation.dialects.sse import EventCutter, Opening, event_data
from federation.errors import UpstreamGarbled

Piece: TypeAlias = tuple[bytes, bytes | None]
"""Bytes that may go on, and the JSON in them; None where they hold none."""

ELEMENT_LIMIT: Final = 32 * 1024 * 1024
"""An element may hold several pictures: whole answers come in this framing, too."""
_SPACE: Final = b" \t\r\n"
_BETWEEN: Final = b" \t\r\n,["
_OPENINGS: Final = b"[{"
_RAW: Final = msgspec.json.Decoder(msgspec.Raw)
_MARK: Final = re.compile(rb'["{}\]]')
_IN_STRING: Final = re.compile(rb'[^"\\]*(?:\\.[^"\\]*)*', re.DOTALL)
_QUOTE, _OPEN, _CLOSE = 0x22, 0x7B, 0x7D


class Framing:
    """Holds back the piece that is not whole yet; one for each stream.

    `ended`: the array was closed. `array`: the stream is one.
    """

    __slots__ = ("_array", "_events", "_opening", "_pending", "ended")

    def __init__(self) -> None:
        self._opening = Opening()
        self._pending = 0
        """Bytes that the event cutter holds."""
        self._events: EventCutter | None = None
        self._array: _ArrayCutter | None = None
        self.ended = False

    @property
    def array(self) -> bool:
        """Whether the stream is known to be an array."""
        return self._array is not None

    def feed(self, data: bytes) -> list[Piece]:
        """The pieces that are whole now. Raises `UpstreamGarbled` for one over the limit."""
        if self._events is not None:
            return self._feed_events(self._events, data)
        if self._array is None:
            if not self._opening.over:
                data = self._opening.after(data)
            return self._begin(data)
        pieces = self._array.feed(data)
        self.ended = self._array.ended
        return pieces

    def _begin(self, data: bytes) -> list[Piece]:
        """The pieces in the first bytes. White space that stands before anything else tells
        nothing of the framing: it goes on at once, however much of it a host sends."""
        start = data.lstrip(_SPACE)
        space = data[: len(data) - len(start)]
        lead: list[Piece] = [(space, None)] if space else []
        if not start:
            return lead
        if start[0] in _OPENINGS:
            self._array = _ArrayCutter()
        else:
            self._events = EventCutter()
        return lead + self.feed(start)

    def _feed_events(self, cutter: EventCutter, data: bytes) -> list[Piece]:
        if not self._pending:
            # What arrives is one whole event nearly always, and the vendor ends it with CR LF.
            text = _event_text(data)
            if text is not None:
                return [(data, text)]
        events = cutter.feed(data)
        self._pending += len(data) - sum([len(event) for event in events])
        return [(event, _event_text(event) or event_data(event)) for event in events]

    def rest(self) -> Piece:
        """What was held back when the bytes ended; a torn piece has no JSON."""
        if self._events is not None:
            event = self._events.rest()
            data = event_data(event)
            return event, data if data is not None and is_whole(data) else None
        return (self._array.rest() if self._array is not None else b""), None


def _event_text(event: bytes) -> bytes | None:
    """The data of an event in one line; None for one in any other form."""
    if event.startswith(b"data: ") and event.endswith(b"\r\n\r\n") and event.count(b"\n") == 2:
        return event[6:-4]
    return None


def is_whole(data: bytes) -> bool:
    """Whether bytes are one JSON value."""
    try:
        _RAW.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


class _ArrayCutter:
    """Cuts an array into elements, each with the bytes that stand before it."""

    __slots__ = ("_at", "_depth", "_held", "_start", "_string", "ended")

    def __init__(self) -> None:
        self._held = bytearray()
        self._start = 0
        """Where the element begins that is not whole yet."""
        self._at = 0
        """Up to where it was looked at."""
        self._depth = 0
        self._string = False
        self.ended = False

    def feed(self, data: bytes) -> list[Piece]:
        if not self._depth and self._at == len(self._held):
            # Most of what arrives is one whole element: one check instead of many tokens.
            element = data.strip(_BETWEEN)
            if element[:1] == b"{" and element[-1:] == b"}" and is_whole(element):
                piece = bytes(self._held) + data
                self._held.clear()
                self._at = 0
                return [(piece, element)]
        self._held += data
        if len(self._held) > ELEMENT_LIMIT:
            raise UpstreamGarbled(
                f"The provider sent an element of more than {ELEMENT_LIMIT} bytes."
            )
        return self._cut()

    def rest(self) -> bytes:
        """What was held back."""
        return bytes(self._held)

    def _cut(self) -> list[Piece]:
        pieces: list[Piece] = []
        begin = 0
        while (end := self._next()) is not None:
            piece = bytes(self._held[begin:end])
            pieces.append(
                (piece, None if self._depth < 0 else bytes(self._held[self._start : end]))
            )
            begin = end
            self._depth = max(self._depth, 0)
        if begin:
            del self._held[:begin]
            self._at -= begin
            self._start -= begin
        return pieces

    def _next(self) -> int | None:
        """Where the next element or the array ends; None where that has not come yet."""
        held = self._held
        while True:
            if self._string:
                at = _match_end(held, self._at)
                self._at = at
                if at >= len(held) or held[at] != _QUOTE:
                    return None
                self._string = False
                self._at += 1
            mark = _MARK.search(held, self._at)
            if mark is None:
                self._at = len(held)
                return None
            self._at = mark.end()
            what = held[mark.start()]
            if what == _QUOTE:
                self._string = True
            elif what == _OPEN:
                if not self._depth:
                    self._start = mark.start()
                self._depth += 1
            elif what == _CLOSE:
                self._depth -= 1
                if self._depth <= 0:
                    self._depth = 0
                    return self._at
            elif not self._depth:
                self.ended = True
                self._depth = -1
                return self._at


def _match_end(held: bytearray, at: int) -> int:
    """Up to where a string's inside goes on from a place."""
    found = _IN_STRING.match(held, at)
    return found.end() if found is not None else at
