"""What an operator may write as a pattern of personal data: regular expressions with a bound.

A part of the common syntax: letters, classes, groups, alternatives, and repetitions that say how
often at most. Every such pattern runs in linear time, and its longest value is known, so that a
stream holds back no more than that. The trap: configuration may not ask the library that runs
patterns, so what is let through here must mean the same there; a test holds the two together.
Its borders know ASCII letters alone, and of a group that took no part it finds nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

LONGEST: Final = 400
"""Characters of a pattern."""
WIDEST: Final = 64
"""Characters of a value."""
_ESCAPED: Final = r"\\(?:[dDwWsS]|[nt]|x[0-9A-Fa-f]{2}|[!-/:-@\[-^`{-~])"
_ESCAPE: Final = re.compile(_ESCAPED)
_BORDER: Final = re.compile(r"\\[bB]")
_CLASS: Final = re.compile(r"\[\^?(?:" + _ESCAPED + r"|[^\]\[\\])+\]")
_ITEM: Final = re.compile(r"\\x([0-9A-Fa-f]{2})|\\?(.)", re.DOTALL)
_FOLDED: Final = "\xa0\xaa\xac\xad\xb2\xb3\xb4\xb7\xb9\xba"
"""Latin-1 signs that texts hold no more when they are searched."""
_COUNT: Final = re.compile(r"\{([0-9]{1,3})(?:,([0-9]{1,3}))?\}")
_GROUP: Final = re.compile(r"\((?!\?)|\(\?:")
_SPECIAL: Final = "\\[](){}*+?|^$"
_FOREIGN, _BORDERS = 1, 2
"""What stands at an end of a part: a letter beyond ASCII, a border of a word."""


def checked(pattern: str) -> str:
    """The pattern. Raises ValueError, with the column, for what is no bounded pattern."""
    if not 0 < len(pattern) <= LONGEST:
        raise ValueError(f"should be a pattern of 1 to {LONGEST} characters")
    try:
        pattern.encode("latin-1")
    except UnicodeEncodeError:
        raise ValueError("should be of Latin letters: texts are folded to them first") from None
    reader = _Reader(pattern)
    size = reader.alternatives()
    if reader.at < len(pattern):
        raise reader.fault("closes a group that was not opened")
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"is no pattern: {error}") from None
    if not size.least:
        raise ValueError("should not match an empty text")
    if size.most > WIDEST:
        raise ValueError(
            f"may match {size.most} characters: {WIDEST} are the most that a value may have"
        )
    return pattern


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of a pattern: the least and the most characters, and what may stand at its ends."""

    least: int = 0
    most: int = 0
    begins: int = 0
    ends: int = 0

    def then(self, other: _Part) -> _Part:
        """Both, one behind the other."""
        return _Part(
            self.least + other.least,
            self.most + other.most,
            self.begins if self.least else self.begins | other.begins,
            other.ends if other.least else self.ends | other.ends,
        )

    def or_else(self, other: _Part) -> _Part:
        """The one or the other."""
        return _Part(
            min(self.least, other.least),
            max(self.most, other.most),
            self.begins | other.begins,
            self.ends | other.ends,
        )

    def borders_on(self, other: _Part) -> bool:
        """Whether a border of a word is looked for beside a letter beyond ASCII."""
        met = (self.ends & _BORDERS and other.begins & _FOREIGN) or (
            self.ends & _FOREIGN and other.begins & _BORDERS
        )
        return bool(met)


class _Reader:
    """Reads from left to right; each function returns what it read."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._valued = False
        """Whether the group that is the value was read, which is the first."""
        self.at = 0

    def fault(self, what: str) -> ValueError:
        return ValueError(f"column {self.at + 1} {what}")

    def alternatives(self) -> _Part:
        valued = self._valued
        found = self._row()
        while self._next() == "|":
            self.at += 1
            found = found.or_else(self._row())
            if self._valued and not valued:
                raise self._no_value()
        return found

    def _no_value(self) -> ValueError:
        return self.fault(
            "follows a group that is the value and not in every match, once and not empty: "
            "write (?:...) for a group that is none, or put all alternatives into one group"
        )

    def _next(self) -> str:
        return self._pattern[self.at : self.at + 1]

    def _takes(self, form: re.Pattern[str]) -> re.Match[str] | None:
        found = form.match(self._pattern, self.at)
        if found is not None:
            self.at = found.end()
        return found

    def _row(self) -> _Part:
        row = _Part()
        while self._next() not in ("", "|", ")"):
            valued = self._valued
            part = self._piece()
            low, high = self._times()
            if (low, high) != (1, 1):
                if self._valued and not valued:
                    raise self._no_value()
                part = self._repeated(part, low, high)
            row = self._joined(row, part)
        return row

    def _repeated(self, part: _Part, low: int, high: int) -> _Part:
        if not part.most:
            raise self.fault("follows a repetition of what has no characters: leave that out")
        if high > 1:
            self._joined(part, part)
        return _Part(part.least * low, part.most * high, part.begins, part.ends)

    def _joined(self, row: _Part, part: _Part) -> _Part:
        if row.borders_on(part):
            raise self.fault(
                "follows \\b or \\B beside a letter beyond ASCII, where no border is known: "
                "leave it out"
            )
        return row.then(part)

    def _piece(self) -> _Part:
        if self._takes(_BORDER):
            return _Part(0, 0, _BORDERS, _BORDERS)
        found = self._takes(_ESCAPE) or self._takes(_CLASS)
        if found:
            return self._one(found[0])
        found = self._takes(_GROUP)
        if found:
            return self._inside(is_value=found[0] == "(" and not self._valued)
        if self._next() in _SPECIAL:
            raise self.fault(
                "holds what is not read here: no look-around, no reference, no ^ and $, "
                "and repetitions only as ?, {n} or {n,m}"
            )
        self.at += 1
        return self._one(self._pattern[self.at - 1])

    def _inside(self, *, is_value: bool) -> _Part:
        self._valued = self._valued or is_value
        inside = self.alternatives()
        if self._next() != ")":
            raise self.fault("should close a group")
        self.at += 1
        if is_value and not inside.least:
            raise self._no_value()
        return inside

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

    def _one(self, written: str) -> _Part:
        """One character, as it is written: itself, an escape, a class."""
        signs = [chr(int(code, 16)) if code else sign for code, sign in _ITEM.findall(written)]
        if len(signs) == 1 and signs[0] in _FOLDED:
            raise self.fault(
                "follows a sign that no text holds when it is searched: texts are folded first, "
                "so write the plain letter, digit or sign that it stands for"
            )
        kind = _FOREIGN if any(sign > "\x7f" and sign.isalpha() for sign in signs) else 0
        return _Part(1, 1, kind, kind)
