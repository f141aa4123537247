"""Payment card numbers: issuer ranges with their lengths (ISO/IEC 7812), and the check digit.

The trap: one number in ten passes the check digit. Issuer and length keep order numbers out,
and a longer row of groups is only taken apart where its groups are those printed on cards.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from federation.guardrails.checksums import all_equal, luhn
from federation.guardrails.row_shapes import LONGEST, REMEMBERED, shape_of

_RANGES: Final = (
    ("4", "4", (13, 16, 19)),
    ("51", "55", (16,)),
    ("2221", "2720", (16,)),
    ("34", "34", (15,)),
    ("37", "37", (15,)),
    ("300", "305", (14,)),
    ("3095", "3095", (14,)),
    ("36", "36", (14,)),
    ("38", "39", (14,)),
    ("6011", "6011", (16, 19)),
    ("644", "649", (16, 19)),
    ("65", "65", (16, 19)),
    ("60", "60", (16,)),
    ("62", "62", (16, 17, 18, 19)),
    ("3528", "3589", (16, 19)),
    ("2131", "2131", (15,)),
    ("1800", "1800", (15,)),
    ("2200", "2205", (16,)),
    ("9792", "9792", (16,)),
    ("508", "508", (16,)),
    ("81", "82", (16,)),
    ("50", "50", (16, 18, 19)),
    ("56", "58", (16, 18, 19)),
    ("63", "63", (16, 18, 19)),
    ("67", "68", (16, 18, 19)),
)
_BARE_SHORT: Final = ((b"50", b"50"), (b"56", b"58"), (b"63", b"63"), (b"67", b"67"))
"""Debit cards of twelve to fifteen digits: only where the text speaks of a card."""
_SHAPES: Final = frozenset(
    {
        (4, 4, 4, 4),
        (4, 6, 5),
        (4, 6, 4),
        (4, 4, 4, 4, 3),
        (4, 4, 4, 1),
        (6, 13),
        (8, 8),
        (6, 10),
        (4, 12),
        (12, 4),
        (4, 4, 8),
        (4, 8, 4),
        (8, 4, 4),
        (4, 4, 5),
        (4, 5, 6),
        (5, 5, 5),
        (4, 4, 4, 2),
        (4, 4, 4, 3),
    }
)
_FIRST: Final = frozenset(shape[0] for shape in _SHAPES)
_MOST_GROUPS: Final = max(map(len, _SHAPES))
_SHORTEST, _LONGEST = 12, 19
"""Digits: ISO/IEC 7812."""
_PRINTED: Final = 12
"""Digits from which a group can be a whole number."""
_PRINTED_GROUP: Final = 4
_BEFORE_NOUGHT: Final = (b".", *(b"%d" % digit for digit in range(10)))
"""After these a nought and a point begin no fraction: 10.4539..., 1.0.4539..."""
_PREFIX_SIZES: Final = (1, 2, 3, 4)
_DIGITS: Final = re.compile(rb"[0-9]+")
_SIGNS: Final = bytes(sign for sign in range(256) if chr(sign) not in "0123456789")


def _prefixes() -> dict[bytes, tuple[int, ...]]:
    """Lengths by prefix, each range written out."""
    return {
        str(prefix).encode(): lengths
        for low, high, lengths in _RANGES
        for prefix in range(int(low), int(high) + 1)
    }


_LENGTHS: Final = _prefixes()


def is_card(digits: bytes, *, context: bool = False) -> bool:
    """Whether the digits are a card number; `context`: the text speaks of a card."""
    length = len(digits)
    if not luhn(digits) or all_equal(digits):
        return False
    for size in _PREFIX_SIZES:
        if length in _LENGTHS.get(digits[:size], ()):
            return True
    return context and _is_short_debit(digits)


def _is_short_debit(digits: bytes) -> bool:
    return _SHORTEST <= len(digits) <= _LONGEST and any(
        low <= digits[:2] <= high for low, high in _BARE_SHORT
    )


@dataclass(frozen=True, slots=True)
class _Plan:
    """What a row of one shape can hold: places of `whole` first, then `parts` by their start,
    the longest of each first."""

    whole: tuple[int, int] | None
    parts: tuple[tuple[tuple[int, int], ...], ...]


_NOTHING: Final = _Plan(None, ())


def in_run(run: bytes, *, context: bool = False) -> list[tuple[int, int]]:
    """Places of card numbers in a row of digits and separators."""
    plan = _plan(shape_of(run)) if len(run) <= LONGEST else _planned(run)
    if plan.whole is not None:
        low, high = plan.whole
        if is_card(run[low:high].translate(None, _SIGNS), context=context):
            return [plan.whole]
    found: list[tuple[int, int]] = []
    done = 0
    for places in plan.parts:
        for low, high in places:
            if low < done:
                break
            if is_card(run[low:high].translate(None, _SIGNS), context=context) and not _is_fraction(
                run, low, high
            ):
                found.append((low, high))
                done = high
                break
    return found


def _planned(shape: bytes) -> _Plan:
    if shape.isdigit():
        known = _SHORTEST <= len(shape) <= _LONGEST
        return _Plan((0, len(shape)), ()) if known else _NOTHING
    groups = [match.span() for match in _DIGITS.finditer(shape)]
    sizes = [end - start for start, end in groups]
    whole = (groups[0][0], groups[-1][1]) if _is_whole(sizes) else None
    parts = [
        places
        for at, size in enumerate(sizes)
        if (size in _FIRST or size > _PRINTED) and (places := _places(groups, sizes, at))
    ]
    return _Plan(whole, tuple(parts)) if whole or parts else _NOTHING


_plan = functools.lru_cache(maxsize=REMEMBERED)(_planned)


def _is_fraction(data: bytes, low: int, high: int) -> bool:
    """Whether it is digits behind a point and nothing but a nought: 0.4539148803436467. Behind
    any other number they may be a list's: 1.4539148803436467."""
    if data[max(0, low - 2) : low] != b"0." or not data[low:high].isdigit():
        return False
    return data[max(0, low - 3) : max(0, low - 2)] not in _BEFORE_NOUGHT


def _is_whole(sizes: list[int]) -> bool:
    """Groups as printed, or digits spread in groups that are no longer than those."""
    if not _SHORTEST <= sum(sizes) <= _LONGEST:
        return False
    return max(sizes) <= _PRINTED_GROUP or tuple(sizes) in _SHAPES


def _places(
    groups: list[tuple[int, int]], sizes: list[int], at: int
) -> tuple[tuple[int, int], ...]:
    """Places of groups from `at` on that may make a card number, the longest first."""
    places: list[tuple[int, int]] = []
    for count in range(min(_MOST_GROUPS, len(sizes) - at), 0, -1):
        shape = tuple(sizes[at : at + count])
        if shape in _SHAPES if count > 1 else _SHORTEST <= shape[0] <= _LONGEST:
            places.append((groups[at][0], groups[at + count - 1][1]))
    return tuple(places)


def _heads() -> bytes:
    """The first two digits of every issuer's numbers, as a pattern."""
    seconds: dict[bytes, set[bytes]] = {}
    for prefix in (*_LENGTHS, *(low for low, _ in _BARE_SHORT)):
        known = seconds.setdefault(prefix[:1], set())
        known.update([prefix[1:2]] if len(prefix) > 1 else (b"%d" % digit for digit in range(10)))
    return b"|".join(
        first + b"[" + b"".join(sorted(after)) + b"]" for first, after in sorted(seconds.items())
    )


def _printed(shapes: Iterable[tuple[int, ...]]) -> bytes:
    """Groups of one of these sizes, the longest that stand there, as a pattern."""
    tails: dict[int, list[tuple[int, ...]]] = {}
    for shape in shapes:
        tails.setdefault(shape[0], []).append(shape[1:])
    return b"|".join(
        b"[0-9]{%d}(?![0-9])" % size + _behind([tail for tail in rest if tail], ends=() in rest)
        for size, rest in sorted(tails.items())
    )


def _behind(tails: list[tuple[int, ...]], *, ends: bool) -> bytes:
    if not tails:
        return b""
    return b"(?:[^0-9]{1,4}(?:" + _printed(tails) + b"))" + (b"?" if ends else b"")


_BEGIN: Final = re.compile(
    rb"(?<![0-9])(?=" + _heads() + rb")(?=([0-9]{%d,%d}(?![0-9])|"
    % (_SHORTEST, _LONGEST) + _printed(_SHAPES) + rb"))"
)  # fmt: skip
"""Where a card number may stand in a row: an issuer's digits, and groups as they are printed."""
_FOURS: Final = re.compile(rb"[0-9]{4}(?:[^0-9]+[0-9]{4}){3}")
"""What may be a number where three more digits that stand behind it are none of it."""


def in_long_row(
    data: bytes, start: int, end: int, *, context: bool = False
) -> Iterator[tuple[int, int]]:
    """Places of card numbers in a row of more digits than one has, from left to right."""
    done = start
    for match in _BEGIN.finditer(data, start, end):
        low = match.start()
        if low < done:
            continue
        number = match[1]
        digits = number.translate(None, _SIGNS)
        if not is_card(digits, context=context):
            fours = _FOURS.match(number) if len(digits) == _LONGEST else None
            if fours is None or not is_card(fours[0].translate(None, _SIGNS), context=context):
                continue
            number = fours[0]
        if b"(" not in number and not _is_fraction(data, low, low + len(number)):
            done = low + len(number)
            yield low, done
