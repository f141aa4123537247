"""Cuts a byte stream of server-sent events into whole events, without changing a byte.

Lines may end in LF, CR LF or CR, and a stream may mix them, so an event ends at a blank
line and not at two equal characters. A CR at the very end of what has arrived is left open:
its LF may still come, and cutting there would make the result depend on the network.

Reference: https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import re
from typing import Final

from federation.errors import UpstreamGarbled

EVENT_LIMIT: Final = 8 * 1024 * 1024
"""An event may hold a whole picture."""

LF: Final = 0x0A
CR: Final = 0x0D
"""A number is looked for ten times as fast as bytes, for which `in` makes an exception first."""
_EOL = rb"(?:\r\n|\n|\r(?![\n]|\Z))"
_BLANK_LINE: Final = re.compile(_EOL + _EOL)
_ENDED: Final = re.compile(rb"(?:\r\n|\n|\r(?!\n)){2}\Z")
_LINE_END: Final = re.compile(rb"\r\n|\n|\r")
MARK: Final = b"\xef\xbb\xbf"
"""The byte order mark, with which some hosts begin a body."""
_OVERLAP: Final = 3
"""A blank line is at most four bytes, so its start may lie this far back in what was held."""


class Opening:
    """A stream's first bytes, of which a byte order mark is no part; one for each stream."""

    __slots__ = ("_held", "over")

    def __init__(self) -> None:
        self._held = b""
        self.over = False
        """The stream has begun: nothing is held, and `after` need not be asked."""

    def after(self, data: bytes) -> bytes:
        """What may be read of the bytes so far; empty where they may still be the mark's."""
        data = self._held + data
        if len(data) < len(MARK) and MARK.startswith(data):
            self._held = data
            return b""
        self.over = True
        return data.removeprefix(MARK)


class EventCutter:
    """Holds back the event that is not whole yet; one for each stream."""

    __slots__ = ("_opening", "held")

    def __init__(self) -> None:
        self._opening = Opening()
        self.held = bytearray()
        """The beginning of an event that is not whole; read-only to others."""

    def feed(self, data: bytes) -> list[bytes]:
        """The events that are whole now, each with the blank line that ends it.

        Raises `UpstreamGarbled` for an event above `EVENT_LIMIT` bytes.
        """
        if not self._opening.over:
            data = self._opening.after(data)
        held = self.held
        if not held:
            if data.find(b"\n\n") == len(data) - 2 and CR not in data and len(data) > 1:
                return [data]
            return self._cut(data, 0)
        start = max(len(held) - _OVERLAP, 0)
        held += data
        self.held = bytearray()
        return self._cut(bytes(held), start) if _ends(held, start) else self._keep(held)

    def rest(self) -> bytes:
        """What was held back, when the stream is over."""
        held, self.held = bytes(self.held), bytearray()
        return held

    def _cut(self, data: bytes, start: int) -> list[bytes]:
        if CR not in data:
            *whole, last = data.split(b"\n\n")
            if last:
                self._keep(bytearray(last))
            return [event + b"\n\n" for event in whole]
        events: list[bytes] = []
        begin = 0
        while (match := _BLANK_LINE.search(data, start)) is not None:
            start = match.end()
            events.append(data[begin:start])
            begin = start
        if begin < len(data):
            self._keep(bytearray(data[begin:]))
        return events

    def _keep(self, held: bytearray) -> list[bytes]:
        if len(held) > EVENT_LIMIT:
            raise UpstreamGarbled(f"The provider sent an event of more than {EVENT_LIMIT} bytes.")
        self.held = held
        return []


def _ends(held: bytearray, start: int) -> bool:
    return _BLANK_LINE.search(held, start) is not None


def ended(event: bytes) -> bytes:
    """What a stream's last bytes are as a whole event: as they came where a blank line ends them.
    One of CRs alone is known as such only then."""
    return event if _ENDED.search(event) else event.rstrip(b"\r\n") + b"\n\n"


def event_name(event: bytes) -> str:
    """What a whole event is called in a line of its own; empty where it has no name, and where no
    blank line ends it: a torn event says nothing."""
    if b"event:" not in event or not _ENDED.search(event):
        return ""
    names = [line[6:] for line in _LINE_END.split(event) if line.startswith(b"event:")]
    return names[-1].strip().decode("utf-8", "replace") if names else ""


def event_data(event: bytes) -> bytes | None:
    """The joined `data` lines of an event; None where it has none (a comment, a keep-alive)."""
    if event.startswith(b"data: ") and event.endswith(b"\n\n"):
        data = event[6:-2]
        if LF not in data and CR not in data:
            return data
    if b"data:" not in event:
        return None  # a flood of comments must not cost more than this
    lines = [
        line[5:].removeprefix(b" ") for line in _LINE_END.split(event) if line.startswith(b"data:")
    ]
    return b"\n".join(lines) if lines else None
