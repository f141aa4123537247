"""What a row of digits is: a card, an American or national number, a telephone number, or nothing.

All of these are read from the same rows, so the rows are found once and every form is tried
on a row, not on the text. The trap: a row may hold several values with little between them,
so each form is looked for inside it and the ranks decide between those that overlap.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
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
_SSN_GAP: Final = rb"(?: ?[-.\x80-\xFF/_*|~:,] ?| )"
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
_FORMS: Final = tuple(map(re.compile, (_SSN, _SPACED_SSN, *(row.pattern for row in _NATIONAL))))
_SSN_FORMS: Final = 2
_WORDS: Final = tuple(
    compiled(rb"(?:" + row.words + rb")[^\n]{0,40}$", ignore_case=True) if row.words else None
    for row in _NATIONAL
)
_ANY_WORD: Final = compiled(
    b"|".join(row.words for row in _NATIONAL if row.words), ignore_case=True
)
_LIKE_FORMS: Final = PatternSet([loosened(form.pattern) for form in _FORMS])
_LONGEST_DATE: Final = 8
_LONGEST_ROW: Final = 2048
_LONGEST_VALUE: Final = 64
_NO_DIGIT: Final = re.compile(rb"[^0-9]")
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
    named = [i for i in found if i >= _SSN_FORMS and _WORDS[i - _SSN_FORMS] is not None]
    return _Row(
        count,
        count <= _LONGEST_DATE and phones.may_be_date(shape),
        tuple(i for i in found if i not in named),
        tuple(named),
        phones.forms(shape),
    )


_remembered = functools.lru_cache(maxsize=REMEMBERED)(_shaped)


def number(data: bytes, start: int, end: int) -> list[Span]:
    """Everything that the row of digits from `start` to `end` holds."""
    if end - start > _LONGEST_ROW:
        return [span for part in _parts(data, start, end) for span in _number(data, *part)]
    return _number(data, start, end)


def _parts(data: bytes, start: int, end: int) -> Iterator[tuple[int, int]]:
    """A row that goes on and on in parts that overlap, cut where no digit stands: some patterns
    go through all of what they are given at once."""
    while end - start > _LONGEST_ROW:
        sign = _NO_DIGIT.search(data, start + _LONGEST_ROW, end)
        stop = end if sign is None else sign.start()
        yield start, stop
        sign = _NO_DIGIT.search(data, stop - _LONGEST_VALUE, stop)
        start = stop if sign is None else sign.end()
    if start < end:
        yield start, end


def _number(data: bytes, start: int, end: int) -> list[Span]:
    run = data[start:end]
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
        for match in _FORMS[index].finditer(data, start, end):
            if index < _SSN_FORMS:
                found += ssn(data, *match.span())
            else:
                found += _national(data, *match.span(), index - _SSN_FORMS)


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


def ssn(data: bytes, start: int, end: int) -> Iterator[Span]:
    """An American number that is told by its form."""
    if not _goes_on(data, start, end) and context_rules.is_ssn(data[start:end]):
        yield Span(start, end, kind.SSN, CHECKED - 1)


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
    if data[max(0, start - 1) : start].isdigit() or data[end : end + 1].isdigit():
        return True
    return data[end : end + 1] in (b"-", b".") and data[end + 1 : end + 2].isdigit()


def _is_named_otherwise(data: bytes, start: int) -> bool:
    """Whether the text says at once that the number is an order's, a parcel's, a build's."""
    before = data[max(0, start - _WINDOW) : start]
    return _OTHER_NAME.occurs(before) and not _CARD_WORD.occurs(before)


def _about_cards(data: bytes, start: int) -> bool:
    return _CARD_WORD.occurs(data, max(0, start - _WINDOW), start)
