"""What an operator may write as a pattern of personal data: regular expressions with a bound.

A part of the common syntax: letters, classes, groups, alternatives, and repetitions that say how
often at most. Every such pattern runs in linear time, and its longest value is known, so that a
stream holds back no more than that. The trap: configuration may not ask the library that runs
patterns, so what is let through here must mean the same there; a test holds the two together.
"""

from __future__ import annotations

import re
from typing import Final

LONGEST: Final = 400
"""Characters of a pattern."""
WIDEST: Final = 64
"""Characters of a value."""
_ESCAPE: Final = re.compile(r"\\(?:[dDwWsS]|[nt]|x[0-9A-Fa-f]{2}|[^\w\s])")
_BORDER: Final = re.compile(r"\\[bB]")
_CLASS: Final = re.compile(r"\[\^?(?:\\(?:[dDwWsS]|[nt]|x[0-9A-Fa-f]{2}|[^\w\s])|[^\]\[\\])+\]")
_COUNT: Final = re.compile(r"\{([0-9]{1,3})(?:,([0-9]{1,3}))?\}")
_GROUP: Final = re.compile(r"\((?!\?)|\(\?:")
_SPECIAL: Final = "\\[](){}*+?|^$"


def checked(pattern: str) -> str:
    """The pattern. Raises ValueError, with the column, for what is no bounded pattern."""
    if not 0 < len(pattern) <= LONGEST:
        raise ValueError(f"should be a pattern of 1 to {LONGEST} characters")
    try:
        pattern.encode("latin-1")
    except UnicodeEncodeError:
        raise ValueError("should be of Latin letters: texts are folded to them first") from None
    reader = _Reader(pattern)
    least, most = reader.alternatives()
    if reader.at < len(pattern):
        raise reader.fault("closes a group that was not opened")
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"is no pattern: {error}") from None
    if not least:
        raise ValueError("should not match an empty text")
    if most > WIDEST:
        raise ValueError(
            f"may match {most} characters: {WIDEST} are the most that a value may have"
        )
    return pattern


class _Reader:
    """Reads from left to right; each function returns the least and the most characters."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self.at = 0

    def fault(self, what: str) -> ValueError:
        return ValueError(f"column {self.at + 1} {what}")

    def alternatives(self) -> tuple[int, int]:
        least, most = self._row()
        while self._next() == "|":
            self.at += 1
            low, high = self._row()
            least, most = min(least, low), max(most, high)
        return least, most

    def _next(self) -> str:
        return self._pattern[self.at : self.at + 1]

    def _takes(self, form: re.Pattern[str]) -> re.Match[str] | None:
        found = form.match(self._pattern, self.at)
        if found is not None:
            self.at = found.end()
        return found

    def _row(self) -> tuple[int, int]:
        least = most = 0
        while self._next() not in ("", "|", ")"):
            low, high = self._piece()
            fewest, often = self._times()
            least, most = least + low * fewest, most + high * often
        return least, most

    def _piece(self) -> tuple[int, int]:
        if self._takes(_BORDER):
            return 0, 0
        if self._takes(_ESCAPE) or self._takes(_CLASS):
            return 1, 1
        if self._takes(_GROUP):
            inside = self.alternatives()
            if self._next() != ")":
                raise self.fault("should close a group")
            self.at += 1
            return inside
        if self._next() in _SPECIAL:
            raise self.fault(
                "holds what is not read here: no look-around, no reference, no ^ and $, "
                "and repetitions only as ?, {n} or {n,m}"
            )
        self.at += 1
        return 1, 1

    def _times(self) -> tuple[int, int]:
        if self._next() == "?":
            self.at += 1
            return 0, 1
        if self._next() in ("*", "+"):
            raise self.fault("repeats without a bound: write {1,20} or the like")
        found = self._takes(_COUNT)
        if found is None:
            return 1, 1
        low = int(found[1])
        return low, int(found[2] or low)
