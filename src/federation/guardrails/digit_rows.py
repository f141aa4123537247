"""Where rows of digits stand in a text, and what a row of one shape may hold.

A row is six digits and more with signs between them, and a telephone extension after them. In a
text with many of them, stretches of the signs of rows are cut out of its shape in one go, and
which rows are in a stretch is told by the stretch's shape alone, which is remembered. The trap:
signs before a row and an extension behind it stand outside of such a stretch, so both are looked
for where it begins and ends.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from federation.guardrails import card_rows, cards, days, phone_parts, phone_rows, phones
from federation.guardrails.nearby import NUMERIC_IDS
from federation.guardrails.patterns import PatternSet, compiled
from federation.guardrails.row_shapes import ANY_DIGIT, LONGEST, REMEMBERED, loosened

MOST_IN_ONE: Final = 19
"""Digits of the longest value that is told by digits alone: a card's."""
_BETWEEN: Final = b"[^0-9A-Za-z\\x80-\\xFF\"'<>{}\\[\\]@%=&]"
_EXTENSION_OF_ROW: Final = rb"[ \t]?(?:[xX#]|(?:[eE]xt|EXT)[.:]?|extension)[ \t]?[0-9]{1,6}"
ROW: Final = compiled(
    rb"(?:\+|\(\+?)?[0-9](?:" + _BETWEEN + rb"{0,4}[0-9]){5,}(?:" + _EXTENSION_OF_ROW + rb")?"
)
"""Of the shape of a text, too: it asks for no digit but whether there is one."""
_EXTENSION: Final = re.compile(_EXTENSION_OF_ROW)
BEGIN_EXTENSION: Final = frozenset(b"xXeE")
"""A sharp sign and digits behind it are part of a row anyway."""
BLANKS: Final = frozenset(b" \t")
PREFIX_SIGNS: Final = frozenset(b"+(")
"""What may stand before the first digit and belong to the row."""
_PREFIX_IN_BRACKETS: Final = b"(+"
_IN_ROW: Final = re.compile(rb"[0-9]|" + _BETWEEN)
_SHAPES_OF_ROWS: Final = bytes(
    sign if _IN_ROW.match(bytes((sign,))) else ord("x") for sign in range(256)
).translate(ANY_DIGIT)
"""A nought for each digit, signs of rows as they are, and one letter for all others."""
_STRETCH: Final = re.compile(rb"(0[^x]{4,}0)")

_SSN_GAP: Final = b"(?: ?[-.\x80-\xff/_*~:] ?|[ |])"
"""As bytes, not as escapes: a class with digits in it would stand for any digit in a shape. No
comma, nor a bar between blanks: those stand between the numbers of a list and of a table."""
_SSN: Final = rb"[0-9]{3}" + _SSN_GAP + rb"[0-9]{2}" + _SSN_GAP + rb"[0-9]{4}"
_DASH: Final = rb" ?[-/_.] ?"
_SPACED_SSN: Final = (
    rb"[0-9][ .]?[0-9][ .]?[0-9]"
    + (_DASH + rb"[0-9][ .]?[0-9]")
    + (_DASH + rb"[0-9][ .]?[0-9][ .]?[0-9][ .]?[0-9]")
)
_ANY_SSN: Final = _SSN + rb"|" + _SPACED_SSN
# On a row of digits the standard library is faster to call than RE2, and linear: every
# repetition in these patterns has a small bound.
FORMS: Final = tuple(map(re.compile, (_ANY_SSN, *(row.pattern for row in NUMERIC_IDS))))
"""American numbers, and the others in the order of their table."""
SSN_FORMS: Final = 1
LIKE_FORMS: Final = PatternSet([loosened(form.pattern) for form in FORMS])
"""The shapes of these."""
_NOT_DIGITS: Final = bytes(sign for sign in range(256) if chr(sign) not in "0123456789")
_EXTENDED: Final = re.compile(rb"[ \t]?[A-Za-z].*\Z", re.DOTALL)
_PREFIXES: Final = frozenset((b"", b"+", b"(", b"(+"))
_GAPS: Final = bytes(
    ord("0" if sign == ord("0") else "x" if chr(sign).isalpha() else "-") for sign in range(256)
)
_WIDE_GAP, _LETTER = b"-----", b"x"
_SHORTEST_CARD: Final = 12
_LONGEST_DATE: Final = 8
_LEAST_NATIONAL: Final = 8


@dataclass(frozen=True, slots=True)
class LongRow:
    """What the shape of a row tells of it that has more digits than one value."""

    may_hold_card: bool
    forms: Sequence[int]
    """Forms of identity numbers that it may hold."""
    runs: Sequence[phone_rows.Run] | None
    """What may be telephone numbers in it; None where its digits must be asked."""
    may_be_parted: bool
    """Whether pieces of runs may be telephone numbers."""


@dataclass(frozen=True, slots=True)
class Row:
    """What the shape of a row of digits tells of it."""

    may_be_date: bool
    cards: cards.Plan | None
    told: tuple[int, ...]
    """Forms of identity numbers that it may hold, of those that need no word beside them."""
    named: tuple[int, ...]
    """The others."""
    called: phones.Form | None
    """The one form of a row that holds nothing but what a word beside it says that it is: a
    telephone number, all of it."""
    phones: tuple[phones.Form, ...]
    is_simple: bool
    """Whether no check digit tells what it holds without a word, and a telephone number is all of
    it; or, of a long row, its begin."""
    long: LongRow | None = None


Stretch: TypeAlias = tuple[tuple[int, int, Row | None], ...]
"""The rows of a stretch that may hold something, as places in it; None: a row of more digits than
one value has, and more signs than are remembered."""


def is_named(form: int) -> bool:
    """Whether a word must stand before what has this form."""
    return form >= SSN_FORMS and bool(NUMERIC_IDS[form - SSN_FORMS].words)


def _shaped(shape: bytes) -> Row | None:
    """None where no row of the shape holds anything."""
    if is_long(shape):
        return _long_shaped(shape)
    count = len(shape.translate(None, _NOT_DIGITS))
    plan = _cards(shape) if count >= _SHORTEST_CARD else None
    found = LIKE_FORMS.occurring(shape) if count >= _LEAST_NATIONAL else []
    named = tuple(index for index in found if is_named(index))
    told = tuple(index for index in found if index not in named)
    numbers = phone_parts.forms(shape)
    if not (plan or found or numbers):
        return None
    called = None
    if len(numbers) == 1 and not (plan or found):
        form = numbers[0]
        if form.low == 0 and form.high == len(shape) and not form.may_tell:
            called = form
    may_be_date = count <= _LONGEST_DATE and days.may_be_date(shape)
    whole = all(form.low == 0 and form.high == len(shape) for form in numbers)
    is_simple = whole and not (plan or told)
    return Row(may_be_date, plan, told, named, called, numbers, is_simple)


def _long_shaped(shape: bytes) -> Row | None:
    """The same of a row of more digits than one value has."""
    if shape.isdigit():
        return None
    may_hold_card, forms = card_rows.may_stand_in(shape), tuple(LIKE_FORMS.occurring(shape))
    runs, may_be_parted = phone_rows.runs_of(shape), phone_parts.may_be_in(shape)
    if not (may_hold_card or forms or may_be_parted or runs or runs is None):
        return None
    called = () if runs is None else tuple(run.form for run in runs)
    is_simple = (
        not (may_hold_card or may_be_parted or runs is None)
        and all(map(is_named, forms))
        and len(called) <= 1
        and all(form.low == 0 and not form.may_tell for form in called)
    )
    long = LongRow(may_hold_card, forms, runs, may_be_parted)
    return Row(False, None, (), forms, None, called, is_simple, long)


def _cards(shape: bytes) -> cards.Plan | None:
    """What cards a row may hold: none with brackets in it, none of an extension's digits, and none
    behind a plus before no more digits than a telephone number has."""
    shape = _EXTENDED.sub(b"", shape)
    if shape.startswith(b"("):
        shape = shape.partition(b")")[0]
    count = len(shape.translate(None, _NOT_DIGITS))
    is_called = count <= cards.LONGEST_CALLED and shape.startswith((cards.PLUS, b"(+"))
    in_brackets = b"(" in shape[1:] or b")" in shape
    return None if is_called or count < _SHORTEST_CARD or in_brackets else cards.plan(shape)


def is_long(row: bytes) -> bool:
    """Whether a row, or one of its shape, has more digits than one value."""
    return len(row) > MOST_IN_ONE and len(row.translate(None, _NOT_DIGITS)) > MOST_IN_ONE


class _Shapes(dict[bytes, Row | None]):
    """What is remembered of the shapes of short rows."""

    def __missing__(self, shape: bytes) -> Row | None:
        row = _shaped(shape)
        if len(shape) <= LONGEST:
            if len(self) >= REMEMBERED:
                self.clear()
            self[shape] = row
        return row


SHAPES: Final = _Shapes()


class _Stretches(dict[bytes, Stretch | None]):
    """What is remembered of the shapes of short stretches."""

    def __missing__(self, shape: bytes) -> Stretch | None:
        made = _stretch(shape)
        if len(shape) <= LONGEST:
            if len(self) >= REMEMBERED:
                self.clear()
            self[shape] = made
        return made


def _stretch(shape: bytes) -> Stretch | None:
    rows: list[tuple[int, int, Row | None]] = []
    places = [(0, len(shape))] if _is_one_row(shape) else list(ROW.spans(shape))
    for low, high in places:
        row, own = None, shape[low:high]
        if (len(own) > LONGEST and is_long(own)) or (row := SHAPES[own]) is not None:
            rows.append((low, high, row))
    return tuple(rows) if places else None


def _is_one_row(shape: bytes) -> bool:
    """Whether a long stretch is one row, which its pattern would tell more slowly."""
    if len(shape) <= LONGEST or shape[: shape.find(b"0")] not in _PREFIXES:
        return False
    gaps = shape.translate(_GAPS)
    return _WIDE_GAP not in gaps and _LETTER not in gaps and gaps.endswith(b"0")


STRETCHES: Final = _Stretches()


def stretches(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Stretches of six signs of rows and more, from digit to digit: the shape of what stands before
    each, behind the one before it, and its own."""
    parts = _STRETCH.split(data.translate(_SHAPES_OF_ROWS))
    return zip(parts[0:-1:2], parts[1::2], strict=True)


def begins_before(before: bytes) -> int:
    """How many signs of a telephone number stand at the end of what is before a stretch."""
    if before and before[-1] in PREFIX_SIGNS:
        return 1 + before.endswith(_PREFIX_IN_BRACKETS)
    return 0


def end_of_extension(data: bytes, end: int, shape: bytes) -> int:
    """Where a telephone extension ends that begins at `end`, behind a stretch of this shape; 0
    where none does."""
    match = _EXTENSION.match(data, end)
    if match is None:
        return 0
    rows = STRETCHES[shape]
    if rows and rows[-1][1] == len(shape):
        return match.end()
    places = list(ROW.spans(shape))
    return match.end() if places and places[-1][1] == len(shape) else 0
