"""Regular expressions whose time is linear in the text, whatever the text: RE2.

The one module that knows the library. Patterns and texts are bytes, one byte a character
(Latin-1), so that offsets count characters. Two traps: a set tells which patterns occur, not
where, so each that occurs is then run on its own; and the library's own `re`-like wrapper
costs more than a short match, so its compiled class is called directly (the version is pinned).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

import re2  # type: ignore[import-untyped]  # ships no types
from re2 import _re2

_MEMORY: Final = 4 << 20
"""Bytes for the automaton of a pattern; a set's states are made anew when they are used up."""
_ANYWHERE: Final = _re2.RE2.Anchor.UNANCHORED
_HERE: Final = _re2.RE2.Anchor.ANCHOR_START
_NOWHERE: Final = (-1, -1)


def _options(*, ignore_case: bool) -> Any:
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.case_sensitive = not ignore_case
    options.max_mem = _MEMORY
    options.log_errors = False
    return options


class Pattern:
    """One compiled pattern."""

    __slots__ = ("_group", "_match", "_regexp", "_within")

    def __init__(self, pattern: bytes, *, ignore_case: bool, bounded: bool = False) -> None:
        self._regexp = _re2.RE2(pattern, _options(ignore_case=ignore_case))
        if not self._regexp.ok():
            raise ValueError(
                f"not a pattern that runs in linear time: {self._regexp.error()!r:.200}"
            )
        self._group = min(self._regexp.NumberOfCapturingGroups(), 1)
        self._match = self._regexp.Match
        self._within = _Within(pattern, ignore_case=ignore_case) if bounded else None

    def spans(
        self, data: bytes, start: int = 0, end: int | None = None
    ) -> Iterator[tuple[int, int]]:
        """Where it occurs between two places, from left to right, without overlaps.

        A pattern with a group gives the place of the group; one that matches nothing at a
        place, or whose group took no part, gives nothing there.
        """
        match, group = self._match, self._group
        if end is None:
            if self._within is not None and not start:
                yield from self._within.spans(match, data)
                return
            end = len(data)
        while start < end and not group:
            place = match(_ANYWHERE, data, start, end)[0]
            low, high = place
            if low < 0:
                return
            if high > low:
                yield place
                start = high
            else:
                start = high + 1
        while start < end:
            spans = match(_ANYWHERE, data, start, end)
            low, high = spans[0]
            if low < 0:
                return
            if high > low and spans[group] != _NOWHERE:
                yield spans[group]
            start = high if high > low else high + 1

    def occurs(self, data: bytes, start: int = 0, end: int | None = None) -> bool:
        """Whether it occurs between two places."""
        spans = self._match(_ANYWHERE, data, start, len(data) if end is None else end)
        return bool(spans[0][0] >= 0)

    def end_at(self, data: bytes, start: int) -> int:
        """Where the match that begins at `start` ends; `start` where none does."""
        low, high = self._match(_HERE, data, start, len(data))[0]
        return start if low < 0 else int(high)

    def within(self, data: bytes, start: int, end: int) -> tuple[int, int] | None:
        """Where it occurs first between two places: the whole match."""
        low, high = self._match(_ANYWHERE, data, start, end)[0]
        return None if low < 0 else (low, high)

    def first(self, data: bytes, start: int = 0) -> tuple[int, int] | None:
        """Where it occurs first: the whole match."""
        low, high = self._match(_ANYWHERE, data, start, len(data))[0]
        return None if low < 0 else (low, high)


class _Within:
    """Where the group of a pattern's matches is. RE2 goes over a match of a large pattern once for
    each of its states; the standard library reads it once, where what can stand there is bounded.
    Where the two differ, RE2 says what counts."""

    __slots__ = ("_match", "_whole")

    def __init__(self, pattern: bytes, *, ignore_case: bool) -> None:
        options = _options(ignore_case=ignore_case)
        options.never_capture = True
        self._whole = _re2.RE2(pattern, options).Match
        self._match = re.compile(pattern, re.IGNORECASE if ignore_case else 0).match

    def spans(self, match: Any, data: bytes) -> Iterator[tuple[int, int]]:
        """As `Pattern.spans`, over all of a text; `match` is that of the pattern with its group."""
        start, end = 0, len(data)
        while start < end:
            low, high = self._whole(_ANYWHERE, data, start, end)[0]
            if low < 0:
                return
            seen = self._match(data, low) if low > start or not low else None
            if seen is None or seen.end() != high:
                place = match(_ANYWHERE, data, start, end)[1]
            else:
                place = seen.span(1)
            if high > low and place != _NOWHERE:
                yield place
            start = high if high > low else high + 1


def compiled(pattern: bytes, *, ignore_case: bool = False, bounded: bool = False) -> Pattern:
    """A pattern; raises ValueError for one that RE2 cannot read (look-around, back-references).

    `bounded`: it has a group, and what it matches is so short that the standard library may look
    for the group in it. For patterns of this room alone.
    """
    return Pattern(pattern, ignore_case=ignore_case, bounded=bounded)


class PatternSet:
    """Many short patterns in one scan: which of them occur."""

    __slots__ = ("_always", "_match", "_set")

    def __init__(self, patterns: Sequence[bytes]) -> None:
        """An empty pattern occurs everywhere."""
        self._set = _re2.Set(_ANYWHERE, _options(ignore_case=False))
        for pattern in patterns:
            if self._set.Add(pattern) < 0:
                raise ValueError("not a pattern that runs in linear time")
        # RE2 says "none" also where its memory did not suffice. One that always occurs tells
        # these apart: a scan that failed must not read as a clean text. It occurs at the end
        # alone, for what occurs is noted at every byte.
        self._always = len(patterns)
        self._set.Add(rb"\z")
        if not self._set.Compile():
            raise ValueError("patterns that are too many for one scan")
        self._match = self._set.Match

    def occurring(self, data: bytes) -> list[int]:
        """Indexes of the patterns that occur, in order; MemoryError where the scan failed."""
        found: list[int] | None = self._match(data)
        if not found:
            raise MemoryError("the scan's automaton has no room")
        found.sort()
        return found[:-1] if found[-1] == self._always else found
