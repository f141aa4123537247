"""The table of rules: what each type looks like, and what decides whether it is one.

A rule is a pattern that finds candidates and a check that keeps, narrows or refuses them.
The trap: the order is no priority. Of two findings that overlap, the higher rank stays;
ranks below are what is told by its form alone, ranks above what a check digit or an issuer's
prefix vouches for. A type `NOTHING` takes a place without being a finding: a UUID's digits
are no telephone number.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from federation.guardrails import (
    columns,
    command_lines,
    iban,
    national,
    national_checks,
    network,
    numbers,
    odd_numbers,
    secret_rules,
    shapes,
)
from federation.guardrails import context_rules as beside
from federation.guardrails import entities as kind
from federation.guardrails.entities import BESIDE, CERTAIN, CHECKED, NOTHING, SHAPED, Span
from federation.guardrails.nearby import Nearby
from federation.guardrails.patterns import Pattern, compiled

NUMBER: Final = "number"
"""Rules that look for several types at once; always run."""
Check: TypeAlias = Callable[[bytes, int, int], Iterable[Span]]
Reader: TypeAlias = Callable[[Nearby], list[Span]]
"""What finds the values of a rule in a text."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One way to find one type."""

    kind: str
    pattern: bytes
    check: Check
    hint: bytes = b""
    """A short pattern without which the long one cannot occur; empty: it is always run.
    Hints are scanned together: words, or short rows of digits and signs, and nothing that
    counts far, or the automaton grows with the product of them all."""
    ignore_case: bool = False
    long: bool = False
    """It is looked for only around a long run of letters and digits without a gap."""
    only_with: re.Pattern[bytes] | None = None
    """What stands in each text with a match: a pattern of the standard library that begins with one
    sign, which it finds quickest."""
    bounded: bool = False
    """Its group is looked for in a match as `patterns` does it for what is short."""
    reads: Reader | None = None
    """What reads a text in the place of pattern and check."""

    def compiled(self) -> Pattern:
        """The pattern, ready to run."""
        return compiled(self.pattern, ignore_case=self.ignore_case, bounded=self.bounded)

    def reader(self) -> Reader:
        """What finds the values in a text."""
        if self.reads is not None:
            return self.reads
        spans = self.compiled().spans
        if self.long:
            return functools.partial(_found_in_runs, spans, self.check)
        return functools.partial(_found, spans, self.check, self.only_with)


def _found(
    spans: Callable[[bytes], Iterable[tuple[int, int]]],
    check: Check,
    only_with: re.Pattern[bytes] | None,
    near: Nearby,
) -> list[Span]:
    data = near.data
    found: list[Span] = []
    if only_with is None or only_with.search(data) is not None:
        for start, end in spans(data):
            found += check(data, start, end)
    return found


def _found_in_runs(
    spans: Callable[[bytes, int, int], Iterable[tuple[int, int]]], check: Check, near: Nearby
) -> list[Span]:
    data = near.data
    found: list[Span] = []
    for low, high in near.around_runs:
        for start, end in spans(data, low, high):
            found += check(data, start, end)
    return found


def _nothing(_data: bytes, _start: int, _end: int) -> tuple[Span, ...]:
    return ()


def _word(pattern: bytes) -> bytes:
    return rb"(?i:" + pattern + rb")"


def _as_it_stands(name: str, rank: int) -> Check:
    def check(_data: bytes, start: int, end: int) -> tuple[Span]:
        return (Span(start, end, name, rank),)

    return check


def _if(test: Callable[[bytes], bool], name: str, rank: int) -> Check:
    def check(data: bytes, start: int, end: int) -> Iterator[Span]:
        if test(data[start:end]):
            yield Span(start, end, name, rank)

    return check


def _ibans(near: Nearby) -> list[Span]:
    data, taken = near.data, near.taken
    found: list[Span] = []
    for start, _ in _IBAN_HEAD.spans(data):
        if taken.ends and taken.until(start):
            continue
        end = iban.end_of(data, start)
        if end > 0:
            found.append(Span(start, end, kind.IBAN, CHECKED))
    return found


_IBAN_HEAD: Final = compiled(iban.HEAD)


_LETTERED: Final = tuple(row for row in national.NATIONAL_IDS if not row.numeric)
_FORMS: Final = tuple((re.compile(row.pattern), row.check) for row in _LETTERED)
_LETTERED_IDS: Final = b"|".join(row.pattern for row in _LETTERED)
_CALLED_ID: Final = (
    rb"(?:" + national.LETTERED_WORDS + rb")[^\n0-9]{0,24}?(" + _LETTERED_IDS + rb")"
)


def _national(data: bytes, start: int, end: int) -> Iterator[Span]:
    """A number with letters in it, which is told by itself in capitals, else by a word."""
    value = data[start:end].upper()
    for form, valid in _FORMS:
        if form.fullmatch(value) and valid(national.bare(value)):
            yield Span(start, end, kind.NATIONAL_ID, CHECKED - 1)
            return


def _bic(data: bytes, start: int, end: int) -> Iterator[Span]:
    """A bank's code behind a word that may also mean something else."""
    if beside.is_bic(data, start, end):
        yield Span(start, end, kind.BANK_ACCOUNT, BESIDE)


def _beside(
    name: str,
    pattern: bytes,
    hint: bytes,
    test: Callable[[bytes], bool] | None = None,
    rank: int = SHAPED,
) -> Rule:
    """A rule whose pattern holds the word that must stand beside the value."""
    check = _as_it_stands(name, rank) if test is None else _if(test, name, rank)
    return Rule(name, pattern, check, _word(hint), ignore_case=True, bounded=True)


_SPELLED_HINT: Final = rb"@ | @|(?i:[(\[{<] ?(?:at|@|arroba)|[ _-]dot[ _-])"
"""Each address that is spelled out has one of these, or it is `see us at example.org`."""
_LETTER_FOR_DIGIT: Final = rb"[0-9][OoQIlSBZ][0-9]|[OoQIlSBZ][0-9]{3}|[0-9]{3}[OoQIlSBZ]"
_IBAN_HINT: Final = (
    rb"[A-Za-z]{2}[ ._:-]{0,2}[0-9]{2}|[A-Za-z][^0-9A-Za-z]{1,2}[0-9][^0-9A-Za-z]{1,2}[0-9]"
)
_NATIONAL_HINT: Final = rb"[0-9]{2}[ -]?[A-Z]\b|[0-9]{3}[A-Z]"

_NETWORK: Final = (
    Rule(kind.EMAIL, shapes.EMAIL, _nothing, b"@", reads=shapes.emails),
    Rule(kind.EMAIL, shapes.QUOTED_EMAIL, _as_it_stands(kind.EMAIL, CHECKED), b'"@'),
    Rule(kind.EMAIL, shapes.LITERAL_EMAIL, shapes.literal_email, rb"@\["),
    Rule(
        kind.EMAIL,
        shapes.SPELLED_EMAIL,
        _if(compiled(_SPELLED_HINT).occurs, kind.EMAIL, SHAPED),
        _SPELLED_HINT,
    ),
    Rule(kind.EMAIL, shapes.SPACED_EMAIL, _as_it_stands(kind.EMAIL, SHAPED), b" @ "),
    Rule(
        kind.IP,
        network.IPV4,
        _nothing,
        rb"[0-9](?:\.|\[\.\]|\(\.\))[0-9]",
        reads=network.ipv4s,
    ),
    Rule(
        kind.IP,
        network.IPV6,
        network.ipv6,
        _word(rb"[0-9a-f]:[0-9a-f]{0,4}:|::[0-9a-f]{1,4}:"),
        only_with=network.SURELY_LIKE_IPV6,
    ),
)
_NUMBERS: Final = (
    # The first of several digits: what occurs again and again costs more.
    Rule(NUMBER, b"[0-9]", _nothing, b"(?:^|[^0-9])[0-9]", reads=numbers.in_text),
    Rule(
        kind.CARD,
        odd_numbers.LIKE_CARD,
        odd_numbers.like_card,
        _LETTER_FOR_DIGIT,
        reads=odd_numbers.like_cards,
    ),
    Rule(
        kind.SSN,
        odd_numbers.LIKE_SSN,
        odd_numbers.like_ssn,
        rb"-[0-9OoQIlSBZ]{2}-",
        reads=odd_numbers.like_ssns,
    ),
    Rule(
        kind.SSN,
        beside.SSN,
        odd_numbers.ssn_beside,
        _word(rb"ss[n#]|\bss (?:#|n)|\bs\.s\.n|social(?:[ _-]?sec| is| n|:)|soc\.? ?sec"),
        ignore_case=True,
        bounded=True,
    ),
    Rule(
        kind.SSN,
        beside.SSN_BEFORE,
        odd_numbers.ssn_beside,
        _word(rb"[0-9] (?:is|was|as|for) (?:my|his|her|their|the) s"),
        ignore_case=True,
        bounded=True,
    ),
    Rule(NUMBER, columns.NAME, _nothing, _word(columns.HINT), reads=columns.in_columns),
    Rule(kind.IBAN, iban.HEAD, _nothing, _IBAN_HINT, reads=_ibans),
    Rule(kind.NATIONAL_ID, _LETTERED_IDS, _national, _NATIONAL_HINT),
    _beside(
        kind.NATIONAL_ID,
        national.GERMAN_CARD,
        rb"ausweis|identity card|id card",
        national_checks.is_german_card,
        CHECKED - 1,
    ),
    Rule(
        kind.NATIONAL_ID,
        _CALLED_ID,
        _national,
        _word(national.LETTERED_WORDS),
        ignore_case=True,
    ),
)
_DOCUMENTS: Final = (
    _beside(
        kind.PASSPORT,
        beside.PASSPORT,
        b"passport|reisepass|passeport|pasaporte|passaport[oe]|paspoort|paszport",
        beside.is_passport,
    ),
    Rule(kind.PASSPORT, beside.MACHINE_READABLE, _as_it_stands(kind.PASSPORT, CHECKED), b"<<"),
    _beside(
        kind.DRIVERS_LICENSE,
        beside.DRIVERS_LICENSE,
        rb"licen[cs]e|\bdl|rijbewijs|schein|permis|patente|jazdy|de condu|habilita",
        beside.is_license,
    ),
    Rule(
        kind.DRIVERS_LICENSE,
        beside.BRITISH_LICENSE,
        _as_it_stands(kind.DRIVERS_LICENSE, SHAPED),
        long=True,
    ),
    _beside(
        kind.DATE_OF_BIRTH,
        beside.DATE_OF_BIRTH,
        rb"\bborn\b|\bd\.?o\.?b\b|birth|gebo|geburt|\bgeb\b|n\xe9e? le|n\xe9\(e|naissance"
        rb"|\bnac|nasc|urodz|\bur[. :]|\bnat[oa]\b|\bddn\b|\bb-?day\b",
    ),
    _beside(kind.DATE_OF_BIRTH, beside.BORN_ON, rb"[ ]geboren\b"),
)
_BANKS: Final = (
    Rule(
        kind.BANK_ACCOUNT,
        beside.BANK_ACCOUNT,
        beside.account,
        _word(
            rb"account|acct|\ba/c|konto|\bkto\b|compte|cuenta|rekening|cont[oa] corr|konta\b|rachun"
        ),
        ignore_case=True,
        bounded=True,
    ),
    _beside(
        kind.BANK_ACCOUNT,
        beside.POLISH_ACCOUNT,
        rb"kont[oa]\b|rachun|\bnrb\b",
        beside.is_polish_account,
        CHECKED,
    ),
    _beside(
        kind.BANK_ACCOUNT,
        beside.ROUTING,
        rb"routing|\baba\b|\brtn\b|\btransit\b",
        beside.is_routing,
        CHECKED,
    ),
    _beside(kind.BANK_ACCOUNT, beside.SORT_CODE, rb"sort[ _-]?code|\bbsb\b|bankleitzahl|\bblz\b"),
    Rule(
        kind.BANK_ACCOUNT,
        beside.BIC,
        _bic,
        _word(rb"\bbic\b|swift"),
    ),
)
_SECRETS: Final = (
    Rule(
        kind.API_KEY,
        secret_rules.API_KEY,
        _if(secret_rules.is_key, kind.API_KEY, CERTAIN),
        long=True,
    ),
    Rule(kind.TOKEN, secret_rules.TOKEN, _as_it_stands(kind.TOKEN, CERTAIN), b"eyJ"),
    Rule(kind.PRIVATE_KEY, secret_rules.PRIVATE_KEY_HEAD, shapes.private_key, b"PRIVATE KEY"),
    Rule(kind.SECRET, secret_rules.URL, _nothing, b"://", reads=secret_rules.in_urls),
    Rule(
        kind.SECRET,
        beside.SECRET,
        _nothing,
        _word(
            rb"key|secret|token|pass|pwd|bearer|basic|credential|connection|contras|senha|wachtw|has\xaao"
        ),
        reads=secret_rules.beside_names,
    ),
    Rule(
        kind.SECRET,
        command_lines.NAME,
        _nothing,
        _word(command_lines.HINT),
        reads=command_lines.passwords,
    ),
)
_PLACES: Final = (
    Rule(NOTHING, shapes.UUID, _nothing, rb"-[0-9A-Fa-f]{4}-", reads=shapes.uuids),
    Rule(NOTHING, shapes.HASH, _nothing, reads=shapes.digests),
    Rule(
        NOTHING,
        shapes.PARCEL,
        shapes.parcel,
        rb"\b1Z ?[0-9A-Z]|\b9[1-5][0-9]{2} [0-9]{4} ",
    ),
    Rule(NOTHING, shapes.MOMENT, _nothing, rb"(?:19|20)[0-9]{2}[-/.]", reads=shapes.moments),
)
RULES: Final = (*_NETWORK, *_NUMBERS, *_DOCUMENTS, *_BANKS, *_SECRETS, *_PLACES)
