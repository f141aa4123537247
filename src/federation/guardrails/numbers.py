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

from federation.guardrails import cards, context_rules, national, phones
from federation.guardrails import entities as kind
from federation.guardrails.entities import BESIDE, CHECKED, Span
from federation.guardrails.patterns import PatternSet, compiled
from federation.guardrails.row_shapes import LONGEST, REMEMBERED, loosened, shape_of

DIGITS: Final = (
    rb"(?:\+|\(\+?)?[0-9](?:[^0-9A-Za-z\x80-\xFF\"'<>{}\[\]@%=&]{0,4}[0-9]){5,}"
    rb"(?:[ \t]?(?:[xX#]|ext\.?|Ext\.?|extension)[ \t]?[0-9]{1,6})?"
)
"""Six digits and more with signs between them, and a telephone extension after them."""
DIGIT_LIKE: Final = rb"[0-9OoQIlSBZ]"
_SEPARATORS: Final = rb"[ \t\n.,_/|*:;~+-]"
_MORE: Final = rb"(?:" + _SEPARATORS + rb"{0,3}" + DIGIT_LIKE + rb")"
LIKE_CARD: Final = (rb"\b(?:[0-9]" + _MORE + rb"{11,18}") + (
    rb"|" + DIGIT_LIKE + rb"{4}" + _MORE + rb"{8,15})"
)
"""A letter begins it only where more follow at once: a word before a number is none of it."""
LIKE_SSN: Final = DIGIT_LIKE + rb"{3}-" + DIGIT_LIKE + rb"{2}-" + DIGIT_LIKE + rb"{4}"
_LIKE_DIGITS: Final = bytes.maketrans(b"OoQIlSBZ", b"00011582")
_SSN_GAP: Final = b"(?: ?[-.\x80-\xff/_*|~:,] ?| )"
"""As bytes, not as escapes: a class with digits in it would stand for any digit in a shape."""
_SSN: Final = rb"[0-9]{3}" + _SSN_GAP + rb"[0-9]{2}" + _SSN_GAP + rb"[0-9]{4}"
_LOOSE: Final = rb"[0-9][ .]?"
_DASH: Final = rb" ?[-/_.] ?"
_SPACED_SSN: Final = (
    rb"[0-9][ .]?[0-9][ .]?[0-9]"
    + (_DASH + rb"[0-9][ .]?[0-9]")
    + (_DASH + rb"[0-9][ .]?[0-9][ .]?[0-9][ .]?[0-9]")
)
_SIGNS: Final = bytes(sign for sign in range(256) if chr(sign) not in "0123456789")
_LEAST_REAL: Final = 9
_LEAST_REAL_SSN: Final = 5
_SHORTEST_SSN: Final = 9
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
_SHORT_DEBIT: Final = (b"5", b"6")
_WINDOW: Final = 48

# On a row of digits the standard library is faster to call than RE2, and linear: every
# repetition in these patterns has a small bound.
_NATIONAL: Final = tuple(row for row in national.NATIONAL_IDS if row.numeric)
_ANY_SSN: Final = _SSN + rb"|" + _SPACED_SSN
_FORMS: Final = tuple(map(re.compile, (_ANY_SSN, *(row.pattern for row in _NATIONAL))))
_FAR_FORMS: Final = tuple(compiled(form.pattern) for form in _FORMS)
"""For long rows, of which most hold none."""
_SSN_FORMS: Final = 1
_WORDS: Final = tuple(
    compiled(rb"(?:" + row.words + rb")[^\n]{0,40}$", ignore_case=True) if row.words else None
    for row in _NATIONAL
)
_ANY_WORD: Final = compiled(
    b"|".join(row.words for row in _NATIONAL if row.words), ignore_case=True
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

    count: int
    may_be_date: bool
    told: tuple[int, ...]
    """Forms of identity numbers that it may hold, of those that need no word beside them."""
    named: tuple[int, ...]
    """The others."""
    phones: tuple[phones.Form, ...]


def _shaped(shape: bytes) -> _Row:
    count = len(shape.translate(None, _SIGNS))
    found = _LIKE_FORMS.occurring(shape) if count >= _LEAST_NATIONAL else []
    named = [index for index in found if _is_named(index)]
    return _Row(
        count,
        count <= _LONGEST_DATE and phones.may_be_date(shape),
        tuple(i for i in found if i not in named),
        tuple(named),
        phones.forms(shape),
    )


def _is_named(form: int) -> bool:
    """Whether a word must stand before what has this form."""
    return form >= _SSN_FORMS and _WORDS[form - _SSN_FORMS] is not None


_remembered = functools.lru_cache(maxsize=REMEMBERED)(_shaped)


def number(data: bytes, start: int, end: int) -> list[Span]:
    """Everything that the row of digits from `start` to `end` holds."""
    run = data[start:end]
    if len(run) > MOST_IN_ONE and len(run.translate(None, _SIGNS)) > MOST_IN_ONE:
        return _long_row(data, start, end)
    return _number(data, start, end, run)


def _long_row(data: bytes, start: int, end: int) -> list[Span]:
    """The same for a row of more digits than one value has: what it holds, it holds in pieces.

    Each kind goes over the row once. No letters stand in a row, so words count at its begin."""
    context = data[start : start + 1] in _SHORT_DEBIT and _about_cards(data, start)
    found = [
        Span(low, high, kind.CARD, CHECKED)
        for low, high in cards.in_long_row(data, start, end, context=context)
    ]
    forms = _LIKE_FORMS.occurring(shape_of(data[start:end]))
    named = [index for index in forms if _is_named(index)]
    beside = named and _ANY_WORD.occurs(data, max(0, start - _WINDOW), start)
    for index in forms:
        stop = min(end, start + _WINDOW + _LONGEST_ID) if index in named else end
        if stop == end or beside:
            if index < _SSN_FORMS:
                _ssns(_FAR_FORMS[index].within, data, start, end, found)
                continue
            for low, high in _FAR_FORMS[index].spans(data, start, stop):
                found += _national(data, low, high, index - _SSN_FORMS)
    for low, high, told in phones.in_long_row(data, start, end):
        found.append(Span(low, high, kind.PHONE, BESIDE + told))
    return found


def _number(data: bytes, start: int, end: int, run: bytes) -> list[Span]:
    shape = shape_of(run)
    row = _remembered(shape) if len(run) <= LONGEST else _shaped(shape)
    found: list[Span] = []
    if row.may_be_date and phones.is_date(run):
        return found
    if row.count >= _SHORTEST_CARD and b"(" not in run:
        context = run[:1] in _SHORT_DEBIT and _about_cards(data, start)
        for low, high in cards.in_run(run, context=context):
            if high - low < len(run) or not (run.isdigit() and _is_named_otherwise(data, start)):
                found.append(Span(start + low, start + high, kind.CARD, CHECKED))
    if (row.told or row.named) and not _whole(found, start, end):
        _identities(data, start, end, row, found)
    if row.phones and not _whole(found, start, end):
        for form in row.phones:
            place = phones.place(data, start, form)
            if place is not None:
                found.append(Span(place[0], place[1], kind.PHONE, BESIDE + place[2]))
    return found


def _whole(found: list[Span], start: int, end: int) -> bool:
    """Whether the row is one value, so that no weaker reading of it matters."""
    return bool(found) and found[-1].start == start and found[-1].end == end


def _identities(data: bytes, start: int, end: int, row: _Row, found: list[Span]) -> None:
    indexes = row.told
    if row.named and _ANY_WORD.occurs(data, max(0, start - _WINDOW), end):
        indexes = tuple(sorted((*row.told, *row.named)))
    for index in indexes:
        if index < _SSN_FORMS:
            _ssns(_near, data, start, end, found)
            continue
        for match in _FORMS[index].finditer(data, start, end):
            found += _national(data, *match.span(), index - _SSN_FORMS)


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


def _national(data: bytes, start: int, end: int, index: int) -> Iterator[Span]:
    row, words = _NATIONAL[index], _WORDS[index]
    if data[end : end + 1].isalnum() or not row.check(national.bare(data[start:end])):
        return
    if words is None:
        yield Span(start, end, kind.NATIONAL_ID, CHECKED - 1)
    elif words.occurs(data[max(0, start - _WINDOW) : start]):
        yield Span(start, end, kind.NATIONAL_ID, CHECKED)


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
    before = data[max(0, start - _WINDOW) : start]
    return _OTHER_NAME.occurs(before) and not _CARD_WORD.occurs(before)


def _about_cards(data: bytes, start: int) -> bool:
    return _CARD_WORD.occurs(data, max(0, start - _WINDOW), start)
