"""Regular expressions whose time is linear in the text, whatever the text: RE2.

The one module that knows the library. Patterns and texts are bytes, one byte a character
(Latin-1), so that offsets count characters. The trap: a set tells which patterns occur, not
where; each pattern that occurs is then run on its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import re2  # type: ignore[import-untyped]  # ships no types

_MEMORY: Final = 4 << 20
"""Bytes for the automaton of a pattern; a set's states are made anew when they are used up."""


def _options(*, ignore_case: bool) -> Any:
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.case_sensitive = not ignore_case
    options.max_mem = _MEMORY
    options.log_errors = False
    return options


class Pattern:
    """One compiled pattern."""

    __slots__ = ("_regexp",)

    def __init__(self, pattern: bytes, *, ignore_case: bool) -> None:
        self._regexp = re2.compile(pattern, _options(ignore_case=ignore_case))

    def spans(
        self, data: bytes, start: int = 0, end: int | None = None
    ) -> Iterator[tuple[int, int]]:
        """Where it occurs between two places, from left to right, without overlaps.

        A pattern with a group gives the place of the group.
        """
        regexp = self._regexp
        group = 1 if regexp.groups else 0
        for match in regexp.finditer(data, start, end):
            yield match.span(group)

    def occurs(self, data: bytes) -> bool:
        """Whether it occurs anywhere."""
        return self._regexp.search(data) is not None

    def first(self, data: bytes, start: int = 0) -> tuple[int, int] | None:
        """Where it occurs first: the whole match."""
        match = self._regexp.search(data, start)
        return None if match is None else match.span()

    def covers(self, data: bytes) -> bool:
        """Whether the whole of `data` is one match."""
        return self._regexp.fullmatch(data) is not None


def compiled(pattern: bytes, *, ignore_case: bool = False) -> Pattern:
    """A pattern; raises ValueError for one that RE2 cannot read (look-around, back-references)."""
    try:
        return Pattern(pattern, ignore_case=ignore_case)
    except re2.error as error:
        raise ValueError(f"not a pattern that runs in linear time: {error}") from error


class PatternSet:
    """Many short patterns in one scan: which of them occur."""

    __slots__ = ("_always", "_set")

    def __init__(self, patterns: Sequence[bytes]) -> None:
        """An empty pattern occurs everywhere."""
        self._set = re2.Set.SearchSet(_options(ignore_case=False))
        for pattern in patterns:
            self._set.Add(pattern)
        # RE2 says "none" also where its memory did not suffice. One that always occurs tells
        # these apart: a scan that failed must not read as a clean text.
        self._always = len(patterns)
        self._set.Add(b"")
        self._set.Compile()

    def occurring(self, data: bytes) -> list[int]:
        """Indexes of the patterns that occur, in order; raises MemoryError where the scan failed."""
        found: list[int] | None = self._set.Match(data)
        if not found:
            raise MemoryError("the scan's automaton has no room")
        found.sort()
        return found[:-1] if found[-1] == self._always else found
