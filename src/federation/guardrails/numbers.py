"""What a row of digits is: a card, an American or national number, a telephone number, or nothing.

All of these are read from the same rows, so the rows are found once and every form is tried
on a row, not on the text. The trap: a row may hold several values with little between them,
so each form is looked for inside it and the ranks decide between those that overlap.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from typing import Final

from federation.guardrails import (
    card_rows,
    cards,
    context_rules,
    days,
    national,
    phone_lists,
    phone_parts,
    phone_rows,
    phones,
)
from federation.guardrails import entities as kind
from federation.guardrails.digit_rows import (
    BEGIN_EXTENSION,
    BLANKS,
    FORMS,
    LIKE_FORMS,
    PREFIX_SIGNS,
    SSN_FORMS,
    STRETCHES,
    LongRow,
    Row,
    Stretch,
    begins_before,
    end_of_extension,
    is_named,
    stretches,
)
from federation.guardrails.entities import BESIDE, CHECKED, Span
from federation.guardrails.nearby import NUMERIC_IDS, WINDOW, Nearby
from federation.guardrails.patterns import compiled
from federation.guardrails.row_shapes import shape_of

_CARD_WORD: Final = compiled(
    rb"(?:\b|_|credit|debit|bank)card(?:s|[ _]?(?:no|nr|num(?:ber)?))?\b|karte(?:nnummer)?\b|"
    rb"\b(?:visa|maestro|credit|debit|carte|carta|cart\xe3o|tarjeta|amex|kart[aey]"
    rb"|kaart(?:nummer)?|kreditkort|kortet|kortnummer|cc(?:[ _]?num)?)\b",
    ignore_case=True,
)
_OTHER_NAME: Final = compiled(
    rb"\b(?:order|invoice|ticket|tracking|case|ref(?:erence)?|serial|batch|transaction|build|"
    rb"confirmation|booking|parcel|shipment|waybill|job|trace|span|session|tweet|snowflake|"
    rb"(?:request|message|event|user|chat|channel|guild|row|record|node|object|device)[ _-]?id|"
    rb"imei|iccid|ean|gtin|upc|isbn|barcode|seed|nonce|offset|rng[ _]state)"
    rb"[ _-]?(?:number|no|nr|num|id|code)?[\s.:#=\"'(-]{0,4}(?:is )?$",
    ignore_case=True,
)
_ARTICLE_NAME: Final = re.compile(
    rb"\b(?:ean|gtin|upc|isbn|barcode)(?:[ _-]?(?:number|no|nr|num|id|code))?[\s.:#=\"'(-]{0,4}"
    rb"(?:is )?\Z",
    re.IGNORECASE,
)
_SHORT_DEBIT, _MAY_ASK = b"56", b"456"
"""What the cards begin with of which a word must speak: short debit cards, and old ones whose
number is an article's, too."""

_NATIONAL: Final = NUMERIC_IDS
_FAR_FORMS: Final = tuple(compiled(form.pattern) for form in FORMS)
"""For long rows, of which most hold none."""
_FAR_SSN: Final = compiled(rb"(?:^|[^0-9])(?:" + FORMS[0].pattern + rb")")
"""With no digit before it: the end of a year and what is behind it look like one, too."""
_MORE_GIVEN: Final = re.compile(
    rb"(?:.(?!9|000|666)[0-9]{3}-(?!00)[0-9]{2}-(?!0000)[0-9]{4}(?![0-9]|[-.][0-9]))+", re.DOTALL
)
"""American numbers as they are written most, of areas that were given out, each behind one sign."""
_SIZE_OF_GIVEN: Final = 11
_NEVER_GIVEN: Final = re.compile(rb"[0-9]{3}-[0-9]{2}-[0-9]{4}[\n\t,;]")
"""In a list, behind a sign that no number goes on over: none begins in the middle of it."""
_BEHIND_GIVEN: Final = 2
"""Signs behind it that are looked at."""
_LINE_ABOVE: Final = rb"(?:\n[^\n]{0,40})?"
_WORDS: Final = tuple(
    compiled(
        rb"(?:" + row.words + rb")[^\n]{0,40}" + (_LINE_ABOVE if row.is_checked else b"") + rb"$",
        ignore_case=True,
    )
    if row.words
    else None
    for row in _NATIONAL
)
_GOES_ON, _BEFORE_WORD = phones.GOES_ON, phones.BEFORE_WORD
_Place = Callable[[bytes, int, int], tuple[int, int] | None]
_LONGEST_ID: Final = 32
_NAUGHT, _NINE = b"09"
_BRACKET: Final = ord("(")
"""Before a row it may belong to the sentence."""


def in_text(near: Nearby) -> list[Span]:
    """Everything that the rows of digits of a text hold."""
    data, taken = near.data, near.taken
    found: list[Span] = []
    known, end, done = STRETCHES, 0, 0
    is_taken, padded = bool(taken.ends), near.padded
    for before, shape in stretches(data):
        start = end + len(before)
        end = start + len(shape)
        rows = known[shape]
        if rows is None or (is_taken and end <= taken.until(start)):
            continue
        behind = padded[end]
        if behind in BLANKS:
            behind = padded[end + 1]
        if start < done or behind in BEGIN_EXTENSION or padded[start - 1] in PREFIX_SIGNS:
            start, done, rows = _whole_stretch(data, start, end, done, before)
        for low, high, row in rows:
            if row is None:
                _long_row(near, start + low, start + high, None, found)
            elif row.is_simple and _is_nothing(near, start + low, start + high, row):
                continue
            elif row.called is not None:
                _called(near, start + low, start + low, start + high, row.called, found)
            elif row.long is None:
                _number(near, start + low, start + high, row, found)
            else:
                _long_row(near, start + low, start + high, row.long, found)
    if found:
        found += phone_lists.behind(near, found)
    return found


def _whole_stretch(
    data: bytes, start: int, end: int, done: int, before: bytes
) -> tuple[int, int, Stretch]:
    """A stretch with the signs of a telephone number before it and the extension behind it, from
    `done` on: where it begins, where the extension ends, and its rows."""
    start = done if start < done else start - begins_before(before)
    shape = shape_of(data[start:end])
    extended = end_of_extension(data, end, shape)
    if extended:
        shape = shape_of(data[start:extended])
    return start, extended, STRETCHES[shape] or ()


def _is_nothing(near: Nearby, start: int, end: int, row: Row) -> bool:
    """Whether what stands at once behind a simple row, and what is known of the words before it,
    tells that it holds nothing. False where that is not known yet."""
    named = row.named
    if named and near.named.get(named) != ():
        words = near.id_words
        if words.calm_from > start - WINDOW or end > words.calm_to:
            return False
    if not row.phones:
        return True
    form, padded = row.phones[0], near.padded
    end = start + form.high
    behind = padded[end]
    if behind in _GOES_ON:
        return True
    words = near.phone_words
    if form.may_tell or words.calm_from > start - phones.LOOK_BACK or start > words.calm_to:
        return False
    return not (behind in _BEFORE_WORD and padded[end + 1] in _BEFORE_WORD)


def _number(near: Nearby, start: int, end: int, row: Row, found: list[Span]) -> None:
    """What a row holds of no more digits than one value has."""
    run = near.data[start:end]
    if row.may_be_date and days.is_date(run):
        return
    plan = row.cards
    if plan is not None and not (plan.is_bare and cards.is_nobodys(run[:4])):
        asks = _MAY_ASK if plan.is_bare else _SHORT_DEBIT
        context = _context(near, start + (run[0] == _BRACKET), asks)
        for low, high in cards.planned(plan, run, context=context):
            whole = high == end - start and low <= 1
            if not (whole and run[low:].isdigit() and _is_named_otherwise(near.data, start)):
                found.append(Span(start + low, start + high, kind.CARD, CHECKED))
                if whole:
                    return
    named = row.named
    if named:
        known = near.named.get(named)
        named = near.nameable(named, start, end) if known is None else known
    if row.told or named:
        forms = tuple(sorted((*row.told, *named))) if row.told and named else row.told or named
        _identities(near, start, end, forms, found)
        if found and _whole(found, start, end):
            return
    for form in row.phones:
        if not form.may_tell:
            _called(near, start, start + form.low, start + form.high, form, found)
            continue
        place = phones.place(near, start, form)
        if place is not None:
            found.append(Span(place[0], place[1], kind.PHONE, BESIDE + place[2]))


def _called(
    near: Nearby, start: int, low: int, high: int, form: phones.Form, found: list[Span]
) -> None:
    """The telephone number that stands there if a word beside it says so."""
    data, words, is_named = near.data, near.phone_words, False
    if high < len(data):
        behind = data[high]
        if behind in _GOES_ON:
            return
        is_named = (
            behind in _BEFORE_WORD
            and (high + 1 == len(data) or data[high + 1] in _BEFORE_WORD)
            and phones.is_before_word(data, high)
        )
    if not is_named:
        from_here = max(0, low - phones.LOOK_BACK)
        if words.calm_from <= from_here and low <= words.calm_to:
            return
        if not words.begin_within(from_here, low):
            return
    place = phones.place(near, start, form, may_be=True)
    if place is not None:
        found.append(Span(place[0], place[1], kind.PHONE, BESIDE + place[2]))


def _context(near: Nearby, start: int, asks: bytes = _SHORT_DEBIT) -> cards.Context:
    """Whether the text before a row that begins as the short debit cards do speaks of cards."""
    return _called_card(near, start) if near.data[start] in asks else cards.nowhere


def _called_card(near: Nearby, start: int) -> cards.Context:
    """Whether the text before a row speaks of cards."""
    return functools.partial(_CARD_WORD.occurs, near.data, max(0, start - WINDOW), start)


def _long_row(near: Nearby, start: int, end: int, known: LongRow | None, found: list[Span]) -> None:
    """The same for a row of more digits than one value has: what it holds, it holds in pieces.
    `known`: what its shape tells.

    Each kind goes over the row once. No letters stand in a row, so words count at its begin."""
    data = near.data
    run = data[start:end]
    if run.isdigit():
        return
    if known is None or known.may_hold_card:
        called, context = _called_card(near, start), _context(near, start)
        for low, high in card_rows.in_long_row(data, start, end, called=called, context=context):
            found.append(Span(low, high, kind.CARD, CHECKED))
    forms = LIKE_FORMS.occurring(shape_of(run)) if known is None else known.forms
    if forms:
        _identities_of_long_row(near, start, end, forms, found)
    if known is None or known.runs is None:
        places = phone_rows.in_long_row(near, start, end)
    else:
        places = phone_rows.among_runs(near, start, known.runs)
    found += [Span(low, high, kind.PHONE, BESIDE + told) for low, high, told in places]
    if known is None or known.may_be_parted:
        for low, high, told in phone_parts.in_long_row(near, start, end):
            found.append(Span(low, high, kind.PHONE, BESIDE + told))


def _identities_of_long_row(
    near: Nearby, start: int, end: int, forms: Sequence[int], found: list[Span]
) -> None:
    data = near.data
    beside = any(map(is_named, forms)) and near.names_id(start, start)
    for index in forms:
        if index < SSN_FORMS:
            _many_ssns(data, start, end, found)
            continue
        stop = end
        if is_named(index):
            if not beside:
                continue
            stop = min(end, start + WINDOW + _LONGEST_ID)
        for low, high in _FAR_FORMS[index].spans(data, start, stop):
            found += _national(near, low, high, index - SSN_FORMS, (start, start))


def _whole(found: list[Span], start: int, end: int) -> bool:
    """Whether the row is one value, so that no weaker reading of it matters."""
    return bool(found) and found[-1].start == start and found[-1].end == end


def _identities(
    near: Nearby, start: int, end: int, indexes: tuple[int, ...], found: list[Span]
) -> None:
    data = near.data
    for index in indexes:
        if index < SSN_FORMS:
            _ssns(_near, data, start, end, found)
            continue
        for match in FORMS[index].finditer(data, start, end):
            found += _national(near, *match.span(), index - SSN_FORMS, (start, end))


def _near(data: bytes, start: int, end: int) -> tuple[int, int] | None:
    match = FORMS[0].search(data, start, end)
    return None if match is None else match.span()


def _ssns(place: _Place, data: bytes, at: int, end: int, found: list[Span]) -> None:
    """American numbers from `at` on; `place` tells where the next that looks like one stands.

    Behind one that is none the search goes on inside it, for the end of a date and the begin
    of a number look like one, too."""
    while (seen := place(data, at, end)) is not None:
        low, high = seen
        at = low + 1
        if (
            not _goes_on(data, low, high)
            and context_rules.is_ssn(data[low:high])
            and not context_rules.is_no_ssn(data, low, high)
        ):
            found.append(Span(low, high, kind.SSN, CHECKED - 1))
            at = high


def _many_ssns(data: bytes, at: int, end: int, found: list[Span]) -> None:
    """American numbers in a long row, of which most hold none, and some hold nothing else."""
    next_from, at = _FAR_SSN.within, max(0, at - 1)
    while (seen := next_from(data, at, end)) is not None:
        low, high = seen
        low += not _NAUGHT <= data[low] <= _NINE
        at = low + 1
        if _goes_on(data, low, high):
            continue
        if context_rules.is_ssn(data[low:high]) and not context_rules.is_no_ssn(data, low, high):
            found.append(Span(low, high, kind.SSN, CHECKED - 1))
        elif _NEVER_GIVEN.match(data, low) is None:
            continue
        at = high
        # Where one is, the next is often one sign further, and more behind it.
        more = _MORE_GIVEN.match(data, at, min(len(data), end + _BEHIND_GIVEN))
        if more is None:
            continue
        stop = min(more.end(), end)
        found += [
            Span(low, low + _SIZE_OF_GIVEN, kind.SSN, CHECKED - 1)
            for low in range(at + 1, stop - _SIZE_OF_GIVEN + 1, _SIZE_OF_GIVEN + 1)
        ]
        at += (stop - at) // (_SIZE_OF_GIVEN + 1) * (_SIZE_OF_GIVEN + 1)


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


def _goes_on(data: bytes, start: int, end: int) -> bool:
    """Whether the digits go on, directly or over a dash or a point."""
    before = data[start - 1] if start else 0
    if _NAUGHT <= before <= _NINE or (
        before in b"-." and data[max(0, start - 2) : start - 1].isdigit()
    ):
        return True
    if end == len(data):
        return False
    after = data[end]
    if _NAUGHT <= after <= _NINE:
        return True
    return after in b"-." and data[end + 1 : end + 2].isdigit()


def _is_named_otherwise(data: bytes, start: int) -> bool:
    """Whether the text says at once that the number is an order's, a parcel's, a build's."""
    before = data[max(0, start - WINDOW) : start]
    if not _OTHER_NAME.occurs(before):
        return False
    # A memory card has an article's number, too.
    return _ARTICLE_NAME.search(before) is not None or not _CARD_WORD.occurs(before)
