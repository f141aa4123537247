"""What a row of digits is: a card, an American or national number, a telephone number, or nothing.

All of these are read from the same rows, so the rows are found once and every form is tried
on a row, not on the text. The trap: a row may hold several values with little between them,
so each form is looked for inside it and the ranks decide between those that overlap.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from federation.guardrails import cards, context_rules, national, phone_rows, phones
from federation.guardrails import entities as kind
from federation.guardrails.entities import BESIDE, CHECKED, Span
from federation.guardrails.nearby import NUMERIC_IDS, WINDOW, Nearby
from federation.guardrails.patterns import PatternSet, compiled
from federation.guardrails.row_shapes import LONGEST, REMEMBERED, loosened

_LEAST_ROW: Final = 6
_ROW: Final = compiled(
    rb"(?:\+|\(\+?)?[0-9](?:[^0-9A-Za-z\x80-\xFF\"'<>{}\[\]@%=&]{0,4}[0-9]){5,}"
    rb"(?:[ \t]?(?:[xX#]|ext\.?|Ext\.?|extension)[ \t]?[0-9]{1,6})?"
)
"""Six digits and more with signs between them, and a telephone extension after them."""
_NOUGHTS: Final = bytes.maketrans(b"123456789", b"000000000")
DIGIT_LIKE: Final = rb"[0-9OoQIlSBZ]"
_SEPARATORS: Final = rb"[ \t\n.,_/|*:;~+-]"
_MORE: Final = rb"(?:" + _SEPARATORS + rb"{0,3}" + DIGIT_LIKE + rb")"
LIKE_CARD: Final = (rb"\b(?:[0-9]" + _MORE + rb"{11,18}") + (
    rb"|" + DIGIT_LIKE + rb"{4}" + _MORE + rb"{8,15})"
)
"""A letter begins it only where more follow at once: a word before a number is none of it."""
LIKE_SSN: Final = DIGIT_LIKE + rb"{3}-" + DIGIT_LIKE + rb"{2}-" + DIGIT_LIKE + rb"{4}"
SURELY_LIKE_SSN: Final = re.compile(
    rb"-(?<=" + DIGIT_LIKE + rb"{3}-)" + DIGIT_LIKE + rb"{2}-" + DIGIT_LIKE + rb"{4}"
    rb"(?<![0-9]{3}-[0-9]{2}-[0-9]{4})"
)
"""With a letter at least, and from a dash on, which the library finds quickly."""
_LIKE_DIGITS: Final = bytes.maketrans(b"OoQIlSBZ", b"00011582")
_SSN_GAP: Final = b"(?: ?[-.\x80-\xff/_*|~:,] ?| )"
"""As bytes, not as escapes: a class with digits in it would stand for any digit in a shape."""
_SSN: Final = rb"[0-9]{3}" + _SSN_GAP + rb"[0-9]{2}" + _SSN_GAP + rb"[0-9]{4}"
_DASH: Final = rb" ?[-/_.] ?"
_SPACED_SSN: Final = (
    rb"[0-9][ .]?[0-9][ .]?[0-9]"
    + (_DASH + rb"[0-9][ .]?[0-9]")
    + (_DASH + rb"[0-9][ .]?[0-9][ .]?[0-9][ .]?[0-9]")
)
_SIGNS: Final = bytes(sign for sign in range(256) if chr(sign) not in "0123456789")
_LEAST_REAL: Final = 9
_LEAST_REAL_SSN: Final = 5
_SHORTEST_CARD: Final = 12
_CARD_WORD: Final = compiled(
    rb"\b(?:card|visa|master ?card|maestro|credit|debit|kreditkarte|carte|tarjeta|amex|cc)\b",
    ignore_case=True,
)
_OTHER_NAME: Final = compiled(
    rb"\b(?:order|invoice|ticket|tracking|case|ref(?:erence)?|serial|batch|transaction|build|"
    rb"confirmation|booking|parcel|shipment|job|trace|span|request|session|message|event)"
    rb"[ _-]?(?:number|no|nr|num|id|code)?[\s.:#=\"'-]{0,4}(?:is )?$",
    ignore_case=True,
)
_SHORT_DEBIT: Final = b"56"

# On a row of digits the standard library is faster to call than RE2, and linear: every
# repetition in these patterns has a small bound.
_NATIONAL: Final = NUMERIC_IDS
_ANY_SSN: Final = _SSN + rb"|" + _SPACED_SSN
_FORMS: Final = tuple(map(re.compile, (_ANY_SSN, *(row.pattern for row in _NATIONAL))))
_FAR_FORMS: Final = tuple(compiled(form.pattern) for form in _FORMS)
"""For long rows, of which most hold none."""
_SSN_FORMS: Final = 1
_WORDS: Final = tuple(
    compiled(rb"(?:" + row.words + rb")[^\n]{0,40}$", ignore_case=True) if row.words else None
    for row in _NATIONAL
)
_Place = Callable[[bytes, int, int], tuple[int, int] | None]
_LIKE_FORMS: Final = PatternSet([loosened(form.pattern) for form in _FORMS])
_LONGEST_DATE: Final = 8
_LONGEST_ID: Final = 32
_NAUGHT, _NINE = b"09"
MOST_IN_ONE: Final = 19
"""Digits of the longest value that is told by digits alone: a card's."""
_LEAST_NATIONAL: Final = 9


@dataclass(frozen=True, slots=True)
class _Row:
    """What the shape of a row of digits tells of it."""

    may_be_date: bool
    cards: cards.Plan | None
    told: tuple[int, ...]
    """Forms of identity numbers that it may hold, of those that need no word beside them."""
    named: tuple[int, ...]
    """The others."""
    phones: tuple[phones.Form, ...]
    is_called: bool
    """Whether it holds nothing but what a word beside it says that it is: a telephone number, all
    of it."""


def _shaped(shape: bytes) -> _Row | None:
    """None where no row of the shape holds anything."""
    count = len(shape.translate(None, _SIGNS))
    if count < _LEAST_ROW:
        return None
    plan = cards.plan(shape) if count >= _SHORTEST_CARD and b"(" not in shape else None
    found = _LIKE_FORMS.occurring(shape) if count >= _LEAST_NATIONAL else []
    named = tuple(index for index in found if _is_named(index))
    told = tuple(index for index in found if index not in named)
    numbers = phones.forms(shape)
    if not (plan or found or numbers):
        return None
    is_called = not (plan or found) and all(
        form.low == 0 and form.high == len(shape) and not form.may_tell for form in numbers
    )
    may_be_date = count <= _LONGEST_DATE and phones.may_be_date(shape)
    return _Row(may_be_date, plan, told, named, numbers, is_called)


def _is_named(form: int) -> bool:
    """Whether a word must stand before what has this form."""
    return form >= _SSN_FORMS and _WORDS[form - _SSN_FORMS] is not None


class _Shapes(dict[bytes, _Row | None]):
    """What is remembered of the shapes of short rows."""

    def __missing__(self, shape: bytes) -> _Row | None:
        row = _shaped(shape)
        if len(shape) <= LONGEST:
            if len(self) >= REMEMBERED:
                self.clear()
            self[shape] = row
        return row


_SHAPES: Final = _Shapes()


def in_text(near: Nearby) -> list[Span]:
    """Everything that the rows of digits of a text hold."""
    data = near.data
    found: list[Span] = []
    for start, end in _ROW.spans(data):
        run = data[start:end]
        if len(run) > MOST_IN_ONE and len(run.translate(None, _SIGNS)) > MOST_IN_ONE:
            _long_row(near, start, end, found)
        else:
            row = _SHAPES[run.translate(_NOUGHTS)]
            if row is not None and not (
                row.is_called and not phones.may_be_called_so(near, start, end)
            ):
                found += _number(near, start, end, run, row)
    return found


def _number(near: Nearby, start: int, end: int, run: bytes, row: _Row) -> list[Span]:
    """What a row holds of no more digits than one value has."""
    found: list[Span] = []
    if row.may_be_date and phones.is_date(run):
        return found
    if row.cards is not None:
        for low, high in cards.planned(row.cards, run, context=_context(near, start)):
            whole = high - low == end - start
            if not (whole and run.isdigit() and _is_named_otherwise(near.data, start)):
                found.append(Span(start + low, start + high, kind.CARD, CHECKED))
                if whole:
                    return found
    if row.told or row.named:
        _identities(near, start, end, row, found)
        if found and _whole(found, start, end):
            return found
    for form in row.phones:
        place = phones.place(near, start, form)
        if place is not None:
            found.append(Span(place[0], place[1], kind.PHONE, BESIDE + place[2]))
    return found


def _context(near: Nearby, start: int) -> cards.Context:
    """Whether the text before a row that begins as the short debit cards do speaks of cards."""
    if near.data[start] not in _SHORT_DEBIT:
        return cards.nowhere
    return functools.partial(_CARD_WORD.occurs, near.data, max(0, start - WINDOW), start)


def _long_row(near: Nearby, start: int, end: int, found: list[Span]) -> None:
    """The same for a row of more digits than one value has: what it holds, it holds in pieces.

    Each kind goes over the row once. No letters stand in a row, so words count at its begin."""
    data = near.data
    run = data[start:end]
    if run.isdigit():
        return
    for low, high in cards.in_long_row(data, start, end, context=_context(near, start)):
        found.append(Span(low, high, kind.CARD, CHECKED))
    forms = _LIKE_FORMS.occurring(run.translate(_NOUGHTS))
    if forms:
        _identities_of_long_row(near, start, end, forms, found)
    for low, high, told in phone_rows.in_long_row(near, start, end):
        found.append(Span(low, high, kind.PHONE, BESIDE + told))


def _identities_of_long_row(
    near: Nearby, start: int, end: int, forms: list[int], found: list[Span]
) -> None:
    data = near.data
    beside = any(map(_is_named, forms)) and near.names_id(start, start)
    for index in forms:
        if index < _SSN_FORMS:
            _ssns(_FAR_FORMS[index].within, data, start, end, found)
            continue
        stop = end
        if _is_named(index):
            if not beside:
                continue
            stop = min(end, start + WINDOW + _LONGEST_ID)
        for low, high in _FAR_FORMS[index].spans(data, start, stop):
            found += _national(near, low, high, index - _SSN_FORMS, (start, start))


def _whole(found: list[Span], start: int, end: int) -> bool:
    """Whether the row is one value, so that no weaker reading of it matters."""
    return bool(found) and found[-1].start == start and found[-1].end == end


def _identities(near: Nearby, start: int, end: int, row: _Row, found: list[Span]) -> None:
    data, indexes = near.data, row.told
    if row.named:
        named = near.nameable(row.named, start, end)
        if named:
            indexes = tuple(sorted((*row.told, *named)))
    for index in indexes:
        if index < _SSN_FORMS:
            _ssns(_near, data, start, end, found)
            continue
        for match in _FORMS[index].finditer(data, start, end):
            found += _national(near, *match.span(), index - _SSN_FORMS, (start, end))


def _near(data: bytes, start: int, end: int) -> tuple[int, int] | None:
    match = _FORMS[0].search(data, start, end)
    return None if match is None else match.span()


def _ssns(place: _Place, data: bytes, at: int, end: int, found: list[Span]) -> None:
    """American numbers from `at` on; `place` tells where the next that looks like one stands.

    Behind one that is none the search goes on inside it, for the end of a date and the begin
    of a number look like one, too."""
    while (seen := place(data, at, end)) is not None:
        low, high = seen
        at = low + 1
        if not _goes_on(data, low, high) and context_rules.is_ssn(data[low:high]):
            found.append(Span(low, high, kind.SSN, CHECKED - 1))
            at = high


def _national(
    near: Nearby, start: int, end: int, index: int, named: tuple[int, int]
) -> tuple[Span, ...]:
    """The number of this form, if it is one. `named`: where the word that it needs may stand.

    The check digit comes first: it refuses most, and words are searched for."""
    data = near.data
    row, words = _NATIONAL[index], _WORDS[index]
    if data[end : end + 1].isalnum() or not row.check(national.bare(data[start:end])):
        return ()
    if words is not None and not (
        words.occurs(data[max(0, start - WINDOW) : start]) and near.names_id(*named)
    ):
        return ()
    return (Span(start, end, kind.NATIONAL_ID, CHECKED - (words is None)),)


def like_card(data: bytes, start: int, end: int) -> Iterator[Span]:
    """A card number in which letters stand for digits."""
    run = data[start:end]
    read = run.translate(_LIKE_DIGITS)
    if read == run or len(run.translate(None, _SIGNS)) < _LEAST_REAL:
        return
    if not data[end : end + 1].isdigit():
        for low, high in cards.in_run(read):
            if high - low == len(run):
                yield Span(start, end, kind.CARD, CHECKED)


def like_ssn(data: bytes, start: int, end: int) -> Iterator[Span]:
    """The same, where letters stand for digits."""
    run = data[start:end]
    read = run.translate(_LIKE_DIGITS)
    if read == run or len(run.translate(None, _SIGNS)) < _LEAST_REAL_SSN:
        return
    bordered = data[max(0, start - 1) : start].isalnum() or data[end : end + 1].isalnum()
    if not bordered and context_rules.is_ssn(read):
        yield Span(start, end, kind.SSN, CHECKED - 1)


def ssn_beside(data: bytes, start: int, end: int) -> Iterator[Span]:
    """The same beside a word that names it, however its digits are set apart."""
    if not data[end : end + 1].isdigit() and context_rules.is_called_ssn(data[start:end]):
        yield Span(start, end, kind.SSN, CHECKED)


def _goes_on(data: bytes, start: int, end: int) -> bool:
    """Whether the digits go on, directly or over a dash or a point."""
    if (start and _NAUGHT <= data[start - 1] <= _NINE) or end == len(data):
        return start > 0 and _NAUGHT <= data[start - 1] <= _NINE
    after = data[end]
    if _NAUGHT <= after <= _NINE:
        return True
    return after in b"-." and data[end + 1 : end + 2].isdigit()


def _is_named_otherwise(data: bytes, start: int) -> bool:
    """Whether the text says at once that the number is an order's, a parcel's, a build's."""
    before = data[max(0, start - WINDOW) : start]
    return _OTHER_NAME.occurs(before) and not _CARD_WORD.occurs(before)
