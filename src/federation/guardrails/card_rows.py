"""Card numbers in rows of more digits than one has: lists, tables, columns of ids.

The trap: such a row holds a card only as a number by itself, or in groups as they are printed, or
each list of numbers would hold one by chance.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from typing import Final

from federation.guardrails.cards import (
    DEBIT_HEADS,
    DIGITS,
    HEADS,
    LONGEST,
    LONGEST_CALLED,
    PLUS,
    SHAPES,
    SHORTEST,
    SIGNS,
    Context,
    is_card,
    is_fraction,
    is_printed,
    nowhere,
)
from federation.guardrails.groups_of_four import is_of_list
from federation.guardrails.patterns import Pattern, compiled

_PAIRS: Final = 100
_ANY_DIGIT: Final = frozenset(b"0123456789")
_GAP_OF_LIST: Final = 8


def _any_of(heads: Iterable[bytes]) -> bytes:
    """One of these rows of four digits, as a pattern."""
    behind: dict[bytes, set[bytes]] = {}
    for head in heads:
        behind.setdefault(head[:2], set()).add(head[2:])
    alike: dict[bytes, list[bytes]] = {}
    for first, rest in sorted(behind.items()):
        alike.setdefault(_either(rest), []).append(first)
    return b"|".join(_either(firsts) + rest for rest, firsts in sorted(alike.items()))


def _either(pairs: Collection[bytes]) -> bytes:
    """One of these pairs of digits, as a pattern."""
    if len(pairs) == _PAIRS:
        return b"[0-9]{2}"
    seconds: dict[bytes, set[bytes]] = {}
    for pair in pairs:
        seconds.setdefault(pair[:1], set()).add(pair[1:])
    parts = [
        first + b"[" + b"".join(sorted(rest)) + b"]" for first, rest in sorted(seconds.items())
    ]
    return b"(?:" + b"|".join(parts) + b")"


def _candidates(*, debit: bool) -> Pattern:
    """An issuer's digits, and behind them as many as its numbers have, bare or in groups as they
    are printed; one sign that is no digit before them. `debit`: the short ones, too."""
    forms: list[bytes] = []
    for length in range(SHORTEST, LONGEST + 1):
        heads = {head for head, lengths in HEADS.items() if length in lengths}
        if debit:
            heads.update(b"%s%02d" % (head, rest) for head in DEBIT_HEADS for rest in range(_PAIRS))
        shapes = [(length,), *(shape for shape in SHAPES if sum(shape) == length)]
        tails = [
            b"[^0-9]{1,4}".join(b"[0-9]{%d}" % size for size in (shape[0] - 4, *shape[1:]))
            for shape in shapes
        ]
        if heads:
            forms.append(b"(?:" + _any_of(heads) + b")(?:" + b"|".join(tails) + b")")
    return compiled(rb"(?:^|[^0-9])(?:" + b"|".join(forms) + rb")")


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


_CANDIDATE, _DEBIT_CANDIDATE = _candidates(debit=False), _candidates(debit=True)
_PRINTED_HERE: Final = re.compile(
    b"(?<![0-9])(?:[0-9]{%d,%d}(?![0-9])|" % (SHORTEST, LONGEST) + _printed(SHAPES) + b")"
)
"""A number by itself, or groups as they are printed."""
_BARE: Final = re.compile(rb"(?<![0-9])[0-9]{%d,%d}(?![0-9])" % (SHORTEST, LONGEST))
_COLUMN: Final = re.compile(
    rb"[0-9]{12,19}(?:[^0-9+]+[0-9]{12,19})*(?:[^0-9+]+(?:[0-9]{1,3}|[0-9]{5,11}))?"
)
"""Numbers by themselves, of which the last may be cut off: none is a group of what is printed."""
_APART: Final = re.compile(rb"[^0-9]+")
_FEWER: Final = tuple(
    re.compile(rb"[0-9]{4}(?:[^0-9]+[0-9]{4}){%d}(?![0-9])" % more) for more in (3, 2)
)
"""What may be a number where the digits that stand behind it are none of it."""


def may_stand_in(shape: bytes) -> bool:
    """Whether a long row of this shape may hold one."""
    return _PRINTED_HERE.search(shape) is not None


def in_long_row(
    data: bytes, start: int, end: int, *, called: Context, context: Context = nowhere
) -> Iterator[tuple[int, int]]:
    """Places of card numbers in a row of more digits than one has, from left to right. `called`
    tells whether the text before the row speaks of cards: then it is no list of other numbers."""
    if _COLUMN.fullmatch(data, start, end) is not None:
        for match in _BARE.finditer(data, start, end):
            number = match[0]
            is_issued = number[:4] in HEADS or number[:2] in DEBIT_HEADS
            if is_issued and is_card(number, context=context):
                low, high = match.span()
                if not is_fraction(data, low, high):
                    yield low, high
        return
    next_from = (_CANDIDATE if context is nowhere else _DEBIT_CANDIDATE).within
    at = max(0, start - 1)
    while (seen := next_from(data, at, end)) is not None:
        low = seen[0] + (data[seen[0]] not in _ANY_DIGIT)
        at = low + 1
        if is_fraction(data, low, low + SHORTEST):
            continue
        number = _number_at(data, low, end, called, context)
        if number and b"(" not in number and not is_fraction(data, low, low + len(number)):
            at = low + len(number)
            yield low, at


def _number_at(data: bytes, low: int, end: int, called: Context, context: Context) -> bytes:
    """The card number that begins at `low` in a row; empty where none does."""
    match = _PRINTED_HERE.match(data, low, end)
    if match is None:
        return b""
    digits = match[0].translate(None, SIGNS)
    if len(digits) <= LONGEST_CALLED and data[max(0, low - 1) : low] == PLUS:
        return b""
    if is_card(digits, context=context, in_groups=digits != match[0]):
        return match[0] if _is_one(data, low, match[0], called) else b""
    for fewer in _FEWER:
        part = fewer.match(match[0])
        if part is not None and is_card(part[0].translate(None, SIGNS), context=context):
            return part[0] if _is_one(data, low, part[0], called) else b""
    return b""


def _is_one(data: bytes, low: int, number: bytes, called: Context) -> bool:
    """Whether the groups of a number at `low` are set apart as a card's, and are none of a longer
    list that goes on before or behind them over a comma."""
    gaps = _APART.findall(number)
    if not gaps:
        return True
    if not is_printed(tuple(map(len, DIGITS.findall(number))), gaps):
        return False
    end = low + len(number)
    if b"," in gaps[0]:
        return not (
            data[end : end + 1] == b","
            or data[max(0, low - _GAP_OF_LIST) : low].rstrip().endswith(b",")
        )
    listed = is_of_list(data, low, end, gaps, is_number=lambda text: is_card(_bare(text)))
    return not listed or called()


def _bare(text: bytes) -> bytes:
    return text.translate(None, SIGNS)
