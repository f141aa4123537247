"""Payment card numbers: issuer ranges with their lengths (ISO/IEC 7812), and the check digit.

The trap: one number in ten passes the check digit. Issuer and length keep order numbers out,
and a longer row of groups is only taken apart where its groups are those printed on cards.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, TypeAlias

from federation.guardrails.checksums import all_equal, gtin, luhn
from federation.guardrails.row_shapes import shape_of

_RANGES: Final = (
    ("4", "4", (13, 16, 19)),
    ("51", "55", (16,)),
    ("2221", "2720", (16,)),
    ("34", "34", (15,)),
    ("37", "37", (15,)),
    ("300", "305", (14, 16, 19)),
    ("3095", "3095", (14, 16, 19)),
    ("36", "36", (14, 16, 19)),
    ("38", "39", (14, 16, 19)),
    ("6011", "6011", (16, 19)),
    ("644", "649", (16, 19)),
    ("65", "65", (16, 19)),
    ("60", "60", (16,)),
    ("62", "62", (16, 17, 18, 19)),
    ("3528", "3589", (16, 19)),
    ("35", "35", (16,)),
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
    ("5018", "5018", (12,)),
    ("5020", "5020", (12,)),
    ("5038", "5038", (12,)),
    ("5893", "5893", (12,)),
    ("6304", "6304", (12,)),
    ("6390", "6390", (12,)),
    ("6759", "6759", (12,)),
    ("6761", "6763", (12,)),
    ("0604", "0604", (12,)),
)
_BARE_SHORT: Final = ((b"50", b"50"), (b"56", b"58"), (b"63", b"63"), (b"67", b"67"))
"""Debit cards of twelve to fifteen digits: only where the text speaks of a card."""
_USUAL: Final = frozenset({(4, 4, 4, 4), (4, 6, 5), (4, 6, 4), (4, 4, 4, 4, 3)})
"""Groups that are a card's whatever stands between them, where nothing else is in the row."""
SHAPES: Final = _USUAL | frozenset(
    {
        (4, 4, 4),
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
_FIRST: Final = frozenset(shape[0] for shape in SHAPES)
_MOST_GROUPS: Final = max(map(len, SHAPES))
SHORTEST, LONGEST = 12, 19
"""Digits: ISO/IEC 7812."""
PLUS: Final = b"+"
LONGEST_CALLED: Final = 13
"""Digits behind a plus that are a telephone number: one in ten of those would be a card's."""
_PRINTED: Final = 12
"""Digits from which a group can be a whole number."""
_PRINTED_GROUP: Final = 4
_BEFORE_NOUGHT: Final = (b".", *(b"%d" % digit for digit in range(10)))
"""After these a nought and a point begin no fraction: 10.4539..., 1.0.4539..."""
_MOST_SIGNS: Final = 2
_OF_COLUMNS: Final = frozenset({b"\t", b"\n", b","})
"""What stands between two values rather than within one that has other signs, too."""
_OF_COLUMN: Final = re.compile(rb"[\t\n]|   ")
"""The same in groups that are no card's."""
_OF_LISTS: Final = {b","}
"""What stands between the numbers of a list."""
_ARTICLE: Final = 13
DIGITS: Final = re.compile(rb"[0-9]+")
Context: TypeAlias = Callable[[], bool]
SIGNS: Final = bytes(sign for sign in range(256) if chr(sign) not in "0123456789")


def _prefixes() -> dict[bytes, tuple[int, ...]]:
    """Lengths by prefix, each range written out."""
    return {
        str(prefix).zfill(len(low)).encode(): lengths
        for low, high, lengths in _RANGES
        for prefix in range(int(low), int(high) + 1)
    }


_LENGTHS: Final = _prefixes()


def _heads_of(lengths: dict[bytes, tuple[int, ...]]) -> dict[bytes, frozenset[int]]:
    """Lengths by the first four digits, each written out."""
    heads: dict[bytes, set[int]] = {}
    for prefix, known in lengths.items():
        left = 4 - len(prefix)
        for rest in range(10**left):
            head = prefix + (b"%0*d" % (left, rest) if left else b"")
            heads.setdefault(head, set()).update(known)
    return {head: frozenset(known) for head, known in heads.items()}


HEADS: Final = _heads_of(_LENGTHS)
_NO_LENGTHS: Final[frozenset[int]] = frozenset()
DEBIT_HEADS: Final = frozenset(
    b"%d" % head for low, high in _BARE_SHORT for head in range(int(low), int(high) + 1)
)


def nowhere() -> bool:
    """The context of a number that stands nowhere: nothing is said of cards there."""
    return False


def is_nobodys(head: bytes) -> bool:
    """Whether no card number begins with these four signs, which may be other signs, too."""
    return head not in HEADS and head[:2] not in DEBIT_HEADS and head.isdigit()


def is_card(digits: bytes, *, context: Context = nowhere, in_groups: bool = False) -> bool:
    """Whether the digits are a card number; `context` tells whether the text speaks of one, where
    that decides. `in_groups`: they are written as a card's are, and no article's number is."""
    if len(digits) in HEADS.get(digits[:4], _NO_LENGTHS):
        return (
            luhn(digits)
            and not all_equal(digits)
            and (in_groups or not is_article(digits) or context())
        )
    if digits[:2] not in DEBIT_HEADS or not SHORTEST <= len(digits) <= LONGEST:
        return False
    return context is not nowhere and luhn(digits) and context()


def is_article(digits: bytes) -> bool:
    """Whether it is an article's number: those of Germany have as many digits as the oldest cards,
    and begin like them."""
    return len(digits) == _ARTICLE and gtin(digits)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a row of one shape can hold: places of `whole` first, then `parts` by their start,
    the longest of each first."""

    whole: tuple[int, int] | None
    """All groups of the row."""
    parts: tuple[tuple[tuple[int, int], ...], ...]
    is_bare: bool = False
    """Whether the row is digits alone."""


def in_run(run: bytes, *, context: Context = nowhere) -> list[tuple[int, int]]:
    """Places of card numbers in a row of digits and separators."""
    made = plan(shape_of(run))
    return [] if made is None else planned(made, run, context=context)


def planned(plan: Plan, run: bytes, *, context: Context = nowhere) -> list[tuple[int, int]]:
    """The same where the plan of the row's shape is known."""
    if plan.whole is not None:
        low, high = plan.whole
        if not is_nobodys(run[low : low + 4]):
            digits = run[low:high]
            in_groups = not digits.isdigit()
            if in_groups:
                digits = digits.translate(None, SIGNS)
            if is_card(digits, context=context, in_groups=in_groups):
                return [plan.whole]
    found: list[tuple[int, int]] = []
    done = 0
    for places in plan.parts:
        for low, high in places:
            if low < done or is_nobodys(run[low : low + 4]):
                break
            if is_card(run[low:high].translate(None, SIGNS), context=context) and not is_fraction(
                run, low, high
            ):
                found.append((low, high))
                done = high
                break
    return found


def plan(shape: bytes) -> Plan | None:
    """What a row of a shape can hold; None where it is nothing."""
    if shape.isdigit():
        known = SHORTEST <= len(shape) <= LONGEST
        return Plan((0, len(shape)), (), is_bare=True) if known else None
    groups = [match.span() for match in DIGITS.finditer(shape)]
    sizes = [end - start for start, end in groups]
    gaps = [shape[end:start] for (_, end), (start, _) in pairwise(groups)]
    whole = (groups[0][0], groups[-1][1]) if _is_whole(sizes, gaps) else None
    parts = [
        places
        for at, size in enumerate(sizes)
        if (size in _FIRST or size > _PRINTED) and (places := _places(groups, sizes, gaps, at))
    ]
    return Plan(whole, tuple(parts)) if whole or parts else None


def is_fraction(data: bytes, low: int, high: int) -> bool:
    """Whether it is digits behind a point and nothing but a nought: 0.4539148803436467. Behind
    any other number they may be a list's: 1.4539148803436467."""
    if data[max(0, low - 2) : low] != b"0." or not data[low:high].isdigit():
        return False
    return data[max(0, low - 3) : max(0, low - 2)] not in _BEFORE_NOUGHT


def _is_whole(sizes: list[int], gaps: list[bytes]) -> bool:
    """Groups as printed, or digits spread in groups that are no longer than those."""
    if not SHORTEST <= sum(sizes) <= LONGEST:
        return False
    if tuple(sizes) in _USUAL or max(sizes) > _PRINTED_GROUP:
        return tuple(sizes) in _USUAL or is_printed(tuple(sizes), gaps)
    signs = {gap.strip() for gap in gaps}
    if max(sizes) == 1:
        return len(signs) <= _MOST_SIGNS
    if len(set(gaps)) > 1 and any(map(_OF_COLUMN.search, gaps)):
        return False
    return len(signs) == 1 and signs != _OF_LISTS


def is_printed(sizes: tuple[int, ...], gaps: list[bytes]) -> bool:
    """Whether groups are those of a card: set apart alike, the usual ones also by any single sign.
    Columns of a table, a clock and its zone, and coordinates are set apart otherwise."""
    if sizes in _USUAL:
        return len(set(gaps)) == 1 or (max(map(len, gaps)) == 1 and _OF_COLUMNS.isdisjoint(gaps))
    return sizes in SHAPES and len(set(gaps)) == 1 == len(gaps[0]) and gaps[0] not in _OF_COLUMNS


def _places(
    groups: list[tuple[int, int]], sizes: list[int], gaps: list[bytes], at: int
) -> tuple[tuple[int, int], ...]:
    """Places of groups from `at` on that may make a card number, the longest first."""
    places: list[tuple[int, int]] = []
    for count in range(min(_MOST_GROUPS, len(sizes) - at), 0, -1):
        shape = tuple(sizes[at : at + count])
        between = gaps[at : at + count - 1]
        if is_printed(shape, between) if between else SHORTEST <= shape[0] <= LONGEST:
            places.append((groups[at][0], groups[at + count - 1][1]))
    return tuple(places)
