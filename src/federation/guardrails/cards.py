"""Payment card numbers: issuer ranges with their lengths (ISO/IEC 7812), and the check digit.

The trap: one number in ten passes the check digit. Issuer and length keep order numbers out,
and a longer row of groups is only taken apart where its groups are those printed on cards.
"""

from __future__ import annotations

import re
from typing import Final

from federation.guardrails.checksums import all_equal, luhn

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
_BARE_SHORT: Final = (
    ("50", "50"),
    ("56", "58"),
    ("63", "63"),
    ("67", "67"),
)
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
_LONGEST: Final = max(map(len, _SHAPES))
_DIGITS: Final = re.compile(rb"[0-9]+")


def _prefixes() -> dict[str, tuple[int, ...]]:
    """Lengths by prefix, each range written out."""
    return {
        str(prefix): lengths
        for low, high, lengths in _RANGES
        for prefix in range(int(low), int(high) + 1)
    }


_LENGTHS: Final = _prefixes()


def is_card(digits: str, *, context: bool = False) -> bool:
    """Whether the digits are a card number; `context`: the text speaks of a card."""
    length = len(digits)
    known = any(length in _LENGTHS.get(digits[:size], ()) for size in (1, 2, 3, 4))
    if not known and not (context and _is_short_debit(digits)):
        return False
    return luhn(digits) and not all_equal(digits[1:])


def _is_short_debit(digits: str) -> bool:
    return 12 <= len(digits) <= 19 and any(  # noqa: PLR2004 - ISO/IEC 7812
        low <= digits[:2] <= high for low, high in _BARE_SHORT
    )


def in_run(run: bytes, *, context: bool = False) -> list[tuple[int, int]]:
    """Places of card numbers in a row of digits and separators."""
    groups = [match.span() for match in _DIGITS.finditer(run)]
    sizes = [end - start for start, end in groups]
    if _is_whole(sizes):
        digits = b"".join(run[start:end] for start, end in groups).decode("ascii")
        if is_card(digits, context=context):
            return [(groups[0][0], groups[-1][1])]
    found: list[tuple[int, int]] = []
    at = 0
    while at < len(groups):
        count = _groups_from(run, groups, sizes, at, context=context)
        if count:
            found.append((groups[at][0], groups[at + count - 1][1]))
        at += count or 1
    return found


def _is_whole(sizes: list[int]) -> bool:
    """Groups as printed, or digits spread in groups that are no longer than those."""
    return 12 <= sum(sizes) <= 19 and (max(sizes) <= 4 or tuple(sizes) in _SHAPES)  # noqa: PLR2004


def _groups_from(
    run: bytes, groups: list[tuple[int, int]], sizes: list[int], at: int, *, context: bool
) -> int:
    """How many groups from `at` make a card number; 0 for none."""
    for count in range(_LONGEST, 0, -1):
        shape = tuple(sizes[at : at + count])
        if len(shape) < count or (count > 1 and shape not in _SHAPES):
            continue
        if count == 1 and not 12 <= shape[0] <= 19:  # noqa: PLR2004
            continue
        digits = b"".join(run[start:end] for start, end in groups[at : at + count])
        if is_card(digits.decode("ascii"), context=context):
            return count
    return 0
