"""Cuts a byte stream of newline-delimited JSON into whole lines, without changing a byte.

A line feed inside a JSON text is always escaped, so every one of them ends a line.
"""

from __future__ import annotations

from typing import Final

from federation.dialects.sse import EVENT_LIMIT, Opening
from federation.dialects.whole import is_torn
from federation.errors import UpstreamGarbled

LINE_LIMIT: Final = EVENT_LIMIT


def is_torn_message(line: bytes) -> bool:
    """Whether a line that came to its end is no JSON, and may have held a message: all do."""
    return line.endswith(b"\n") and is_torn(line)


class LineCutter:
    """Holds back the line that is not whole yet; one for each stream."""

    __slots__ = ("_held", "_opening")

    def __init__(self) -> None:
        self._opening = Opening()
        self._held = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that are whole now, each with its line feed.

        Raises `UpstreamGarbled` for a line above `LINE_LIMIT` bytes.
        """
        if not self._opening.over:
            data = self._opening.after(data)
        held = self._held
        if held:
            held += data
            if b"\n" not in data:
                return self._checked([])
            data = bytes(held)
            self._held = bytearray()
        elif data.find(b"\n") == len(data) - 1 and data:
            return [data]
        lines = data.splitlines(keepends=True) if b"\r" not in data else _lines(data)
        if lines and not lines[-1].endswith(b"\n"):
            self._held = bytearray(lines.pop())
        return self._checked(lines)

    def rest(self) -> bytes:
        """What was held back, when the stream is over."""
        held, self._held = bytes(self._held), bytearray()
        return held

    def _checked(self, lines: list[bytes]) -> list[bytes]:
        if len(self._held) > LINE_LIMIT:
            raise UpstreamGarbled(f"The provider sent a line of more than {LINE_LIMIT} bytes.")
        return lines


def _lines(data: bytes) -> list[bytes]:
    """As `splitlines`, but a carriage return alone ends no line."""
    *whole, last = data.split(b"\n")
    lines = [line + b"\n" for line in whole]
    return [*lines, last] if last else lines
