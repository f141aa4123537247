"""Telephone numbers that share a run of digits with something else: the number of a line or a day
before them, a second number behind a slash.

The trap: blanks, dashes and slashes stand within a number, too. So a run is taken apart only where
a piece of it is told by its form, or where it has more digits than one number.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from federation.guardrails.nearby import Nearby
from federation.guardrails.patterns import compiled
from federation.guardrails.phone_rows import Place
from federation.guardrails.phones import EXTENSION_OF_RUN, GAP, MOST, RUN, Form, form_of, place
from federation.guardrails.row_shapes import shape_of

_RUN: Final = re.compile(RUN)
_AMERICAN: Final = (
    rb"((?:(?:\+?[0-9]|00[0-9])[-. ])?(?:\([0-9]{3}\) ?[0-9]{3}[-. ]|[0-9]{3}-[0-9]{3}-"
    rb"|[0-9]{3}\.[0-9]{3}\.)[0-9]{4}(?:" + EXTENSION_OF_RUN + rb")?)"
)
"""With blanks alone between its groups it could be three columns."""
_LIKE_AMERICAN: Final = re.compile(rb"(?:^|[ \t])" + _AMERICAN + rb"(?=$|[ \t])")
_AMERICANS: Final = compiled(rb"(?:^|[ \t\n,;])" + _AMERICAN)
_BESIDE_OTHERS: Final = compiled(
    rb"[0-9][.)]?[ ]{1,2}" + _AMERICAN + rb"|" + _AMERICAN + rb"[ ]{1,2}[0-9(]"
)
"""Most long rows are lists: what has no other number in its line is a run by itself."""
_CHAIN: Final = compiled(rb"(?:\+|\(\+?)?[0-9](?:" + GAP + rb"[0-9]){13,}")
_SLASH: Final = re.compile(rb"[ \t]+[-/][ \t]+")
_SLASHES: Final = (b" / ", b" - ")
_LEAST: Final = 7
"""Digits on each side of a slash that sets two numbers apart."""
_SIGNS: Final = bytes(sign for sign in range(256) if chr(sign) not in "0123456789")


def forms(shape: bytes) -> tuple[Form, ...]:
    """The numbers that a row of this shape may hold."""
    found: list[Form | None] = []
    for run in _RUN.finditer(shape):
        start, end = run.span()
        parts = _apart(shape, start, end)
        if not parts:
            found.append(form_of(shape, start, end))
            parts = [
                (start + low, start + high)
                for low, high in (each.span(1) for each in _LIKE_AMERICAN.finditer(run[0]))
                if high - low < end - start
            ]
        found += [form_of(shape, low, high) for low, high in parts]
    return tuple(form for form in found if form is not None)


def may_be_in(shape: bytes) -> bool:
    """Whether pieces of runs may be numbers in a long row of this shape."""
    return _BESIDE_OTHERS.occurs(shape) or any(slash in shape for slash in _SLASHES)


def in_long_row(near: Nearby, start: int, end: int) -> Iterator[Place]:
    """Numbers that are pieces of runs in a row of more digits than one value has."""
    data = near.data
    places: list[tuple[int, int]] = []
    if _BESIDE_OTHERS.occurs(data, start, end):
        places += _AMERICANS.spans(data, max(0, start - 1), end)
    if _has_slash(data, start, end):
        for low, high in _CHAIN.spans(data, start, end):
            if _has_slash(data, low, high):
                places += _apart(data, low, high)
    for low, high in places:
        form = form_of(shape_of(data[low:high]), 0, high - low)
        told = None if form is None else place(near, low, form)
        if told is not None:
            yield told


def _has_slash(data: bytes, start: int, end: int) -> bool:
    return any(data.find(slash, start, end) >= 0 for slash in _SLASHES)


def _apart(row: bytes, start: int, end: int) -> list[tuple[int, int]]:
    """The numbers of a run, where it is several with a slash or a dash between blanks."""
    parts: list[tuple[int, int]] = []
    at = start
    for slash in _SLASH.finditer(row, start, end):
        parts.append((at, slash.start()))
        at = slash.end()
    if not parts:
        return parts
    parts.append((at, end))
    sizes = [len(row[low:high].translate(None, _SIGNS)) for low, high in parts]
    return parts if min(sizes) >= _LEAST and sum(sizes) > MOST else []
