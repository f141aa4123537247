r"""Characters that a provider cut in two: half of a surrogate pair at the end of one event.

A host that streams UTF-16 units writes an emoji as `\ud83d` in one event and `\ude00` in the
next. Each is JSON by its grammar and no text, so both events would be unreadable and all
that they say lost. The first half waits here for the event that begins with the second.
"""

from __future__ import annotations

import re
from collections import deque
from typing import Final

_ESCAPE: Final = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}(\\u[dD][c-fC-F][0-9a-fA-F]{2})?"
    rb"|(\\u[dD][c-fC-F][0-9a-fA-F]{2})|\\.",
    re.DOTALL,
)
_HALF: Final = re.compile(rb"\\u[dD][89a-fA-F]")
_BACKSLASH: Final = 0x5C
"""As a number: whether bytes hold bytes is asked ten times more slowly."""
_QUOTE: Final = b'"'
_LOST: Final = rb"\ufffd"
"""What stands in place of a half whose other half never came."""
_MOST: Final = 64


def lone_half(text: bytes) -> int | None:
    """Where the first escape stands that is half of a character; None where there is none."""
    if not _HALF.search(text):
        return None
    found = (m for m in _ESCAPE.finditer(text) if m[0][1:3] in (b"ud", b"uD") and m[1] is None)
    return next((m.start() for m in found), None)


class Halves:
    """The halves that wait; one for each stream. Several parts may be told in turns: whose
    first half came first is completed first."""

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: deque[bytes] = deque(maxlen=_MOST)

    def mend(self, data: bytes) -> bytes:
        """The JSON of an event with whole characters only; nearly always the same object."""
        if _BACKSLASH not in data:
            return data
        return _ESCAPE.sub(self._whole, data) if _HALF.search(data) else data

    def _whole(self, found: re.Match[bytes]) -> bytes:
        text, data = found[0], found.string
        if text[1:3] not in (b"ud", b"uD") or found[1] is not None:
            return text
        if found[2] is not None:
            begins = data[found.start() - 1 : found.start()] == _QUOTE
            return self._waiting.popleft() + text if begins and self._waiting else _LOST
        if data[found.end() : found.end() + 1] != _QUOTE:
            return _LOST
        self._waiting.append(text)
        return b""
