"""What a row of digits is: a card, an American or national number, a telephone number, or nothing.

All of these are read from the same rows, so the rows are found once and every form is tried
on a row, not on the text. The trap: a row may hold several values with little between them,
so each form is looked for inside it and the ranks decide between those that overlap.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from federation.guardrails import cards, context_rules, national, phones
from federation.guardrails import entities as kind
from federation.guardrails.entities import BESIDE, CHECKED, Span
from federation.guardrails.patterns import PatternSet, compiled

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
_PHONE: Final = re.compile(phones.RUN)
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
_TOLD: Final = [
    index for index in range(len(_FORMS)) if index < _SSN_FORMS or not _WORDS[index - _SSN_FORMS]
]
"""Forms that need no word beside them."""
_OCCURRING: Final = PatternSet([form.pattern for form in _FORMS])
_TOLD_OCCURRING: Final = PatternSet([_FORMS[index].pattern for index in _TOLD])
_LONGEST_DATE: Final = 8
_LEAST_NATIONAL: Final = 9


def number(data: bytes, start: int, end: int) -> list[Span]:
    """Everything that the row of digits from `start` to `end` holds."""
    run = data[start:end]
    count = len(run.translate(None, _SIGNS))
    found: list[Span] = []
    if count <= _LONGEST_DATE and phones.is_date(run):
        return found
    if count >= _SHORTEST_CARD and b"(" not in run:
        context = run[:1] in _SHORT_DEBIT and _about_cards(data, start)
        for low, high in cards.in_run(run, context=context):
            if high - low < len(run) or not (run.isdigit() and _is_named_otherwise(data, start)):
                found.append(Span(start + low, start + high, kind.CARD, CHECKED))
    if count >= _LEAST_NATIONAL and not _whole(found, start, end):
        _identities(data, start, end, found)
    if not _whole(found, start, end):
        for match in _PHONE.finditer(data, start, end):
            place = phones.place(data, *match.span())
            if place is not None:
                found.append(Span(place[0], place[1], kind.PHONE, BESIDE + place[2]))
    return found


def _whole(found: list[Span], start: int, end: int) -> bool:
    """Whether the row is one value, so that no weaker reading of it matters."""
    return bool(found) and found[-1].start == start and found[-1].end == end


def _identities(data: bytes, start: int, end: int, found: list[Span]) -> None:
    run = data[start:end]
    if _ANY_WORD.occurs(data, max(0, start - _WINDOW), end):
        indexes = _OCCURRING.occurring(run)
    else:
        indexes = [_TOLD[place] for place in _TOLD_OCCURRING.occurring(run)]
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
