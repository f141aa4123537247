"""Values that only a word beside them tells: passports, licenses, accounts, dates of birth.

Each pattern is the word, a short filler, and in its group the value. The trap: fillers hold
no digits and no line break beyond one, or the word of one field would claim the next field's
value.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Final

from federation.guardrails import entities as kind
from federation.guardrails import iban
from federation.guardrails.checksums import all_equal, weighted
from federation.guardrails.entities import SHAPED, Span

_FILLER: Final = rb"[^\n0-9]{0,32}?\n?[^\n0-9]{0,8}?"
_MONTH: Final = (
    rb"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|"
    rb"sep(?:t(?:ember)?)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?|januar|februar|"
    rb"m\xe4rz|mai|juni|"
    rb"juli|oktober|dezember|janvier|f\xe9vrier|mars|avril|juin|juillet|ao\xfbt|septembre|octobre|"
    rb"novembre|d\xe9cembre|enero|febrero|marzo|abril|mayo|junio|julio|agosto|septiembre|octubre|"
    rb"noviembre|diciembre|gennaio|febbraio|aprile|maggio|giugno|luglio|settembre|ottobre|"
    rb"dicembre|janeiro|fevereiro|mar\xe7o|maio|junho|julho|setembro|outubro|novembro|dezembro|"
    rb"januari|februari|maart|mei|augustus|stycznia|lutego|marca|kwietnia|maja|czerwca|lipca|"
    rb"sierpnia|wrzesnia|pazdziernika|listopada|grudnia)\.?"
)
_DATE: Final = (
    rb"(?:(?:0?[1-9]|[12][0-9]|3[01])[./ -]{1,2}(?:0?[1-9]|[12][0-9]|3[01])"
    rb"[./ -]{1,2}(?:(?:19|20)[0-9]{2}|[0-9]{2})"
    rb"|(?:19|20)[0-9]{2}[./-](?:0?[1-9]|1[0-2])[./-](?:0?[1-9]|[12][0-9]|3[01])"
    rb"|(?:0?[1-9]|[12][0-9]|3[01])(?:st|nd|rd|th|er|o)?[ .-]{1,2}(?:(?:of|de)[ ])?"
    + _MONTH
    + rb"[ ,-]{1,2}(?:de )?(?:(?:19|20)[0-9]{2}|[0-9]{2})"
    rb"|" + _MONTH + rb"[ ](?:0?[1-9]|[12][0-9]|3[01])(?:st|nd|rd|th)?,?[ ](?:19|20)[0-9]{2}"
    rb"|(?:0[1-9]|[12][0-9]|3[01])(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)(?:19|20)[0-9]{2}"
    rb"|(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01]))"
)

DATE_OF_BIRTH: Final = (
    rb"(?:(?:\bborn\b|\bd\.?o\.?b\b|dateofbirth|date[ _-]of[ _-]birth|birth[ _-]?date|"
    rb"birthday|geboren|geboorte(?:datum|dag)|geburts(?:datum|tag)|\bn\xe9(?:e|\(e\))? le\b|"
    rb"date de naissance|fecha de nacimiento|\bnacid[oa]\b|data di nascita|data de nascimento|"
    rb"\bnascid[oa]\b|\bdat[ay] urodzenia\b|\burodzon[yaeq]\b|\burodzi\xaaa? sie\b)"
    + _FILLER
    + rb"|"
    rb"(?:\bgeb\b|\bddn\b|\bb-?day\b|\bnac\b|\bnacimiento\b|\bnaci(?:o\b|\xf3)|\bnasceu\b|\bur\b|"
    rb"\bnat[oa]\b(?:[ ](?:a|in)[ ][^\n0-9]{1,24}?)?)[ \t.:=\"'-]{0,4}(?:dat(?:um)?\b[ .:]{0,3})?"
    rb"(?:(?:am|il|el|em|op|le|on)[ ])?)\b(" + _DATE + rb")(?:\b|T[0-9]{2}:)"
)
"""Behind the shorter words it follows at once: *geb.* also stands before a maiden name."""
BORN_ON: Final = rb"\b(?:am|op)[ ](" + _DATE + rb")[ ]geboren\b"
"""German and Dutch may put the word behind the day. At once: in a stream the day has gone before a
word that stands further behind it."""
PASSPORT: Final = (
    rb"(?:passports?|reisepass(?:nummer)?|passeport|pasaporte|passaport[oe]|"
    rb"paspoort(?:nummer)?|paszport(?:u|em)?)"
    rb"(?:[^\n0-9]{0,32}?)\b([A-Z]{0,2}[ ]?[0-9]{6,9}[A-Z]?|[A-Z]{3}[0-9]{6}|"
    rb"[0-9]{2}[A-Z]{2}[0-9]{5}|"
    rb"[CFGHJKLMNPRTVWXYZ][0-9CFGHJKLMNPRTVWXYZ]{8})\b"
)
MACHINE_READABLE: Final = (
    rb"\bP[A-Z<][A-Z]{3}[A-Z]+(?:<[A-Z]*){2,38}|"
    rb"\b[A-Z0-9<]{9}[0-9][A-Z]{3}[0-9]{6}[0-9][MF<X][0-9]{6}[0-9][A-Z0-9<]{14}[0-9<][0-9]"
)
"""ICAO 9303, TD3: the two lines at the foot of a passport's page."""
DRIVERS_LICENSE: Final = (
    rb"(?:(?:driv(?:er'?s?|ers'|ing)[ ._-]?licen[cs]e|\bdln?[ ]?(?:no|number|#|:)|"
    rb"licen[cs]e number|\bdln\b|"
    rb"f\xfchrerschein(?:nummer)?|permis de conduire|"
    rb"(?:permiso|carn[e\xe9]t?) de conducir|patente di guida|rijbewijs|prawo jazdy|prawa jazdy|"
    rb"carta de condu[c\xe7][a\xe3]o|carteira de habilita[c\xe7][a\xe3]o)"
    rb"[^\n0-9]{0,32}?|licen[cs]e no[ .:#=-]{1,4})"
    rb"\b((?:[A-Z]{1,5}[ -]?)?[0-9]{2,9}(?:[A-Z0-9]{0,3}(?:[-/][0-9]{2,6}){0,4}|[A-Z0-9]{0,10}))"
    rb"\b"
)
BRITISH_LICENSE: Final = (
    rb"\b[A-Z]{1,5}9{0,4}[0-9](?:[05][1-9]|[16][0-2])(?:0[1-9]|[12][0-9]|3[01])"
    rb"[0-9][A-Z9]{2}[A-Z0-9][A-Z]{2}\b"
)
BANK_ACCOUNT: Final = (
    rb"(?:(?:\b|_)(?:bank|checking|savings?|giro)?[ _-]?(?:account|acct)_?(?:number|num|no|nr)?\b|"
    rb"\ba/c\b|kontonummer|\bkonto(?:nr)?\b|\bkto\b|num\xe9ro de compte|rekeningnummer|"
    rb"\bconto corrente\b|\bconta corrente\b|\b(?:nr|numer) (?:konta|rachunku)\b|"
    rb"\bcuenta\b)(?:[^\n0-9]{0,24}?)\b([0-9][0-9 -]{4,18}[0-9])\b"
)
POLISH_ACCOUNT: Final = (
    rb"(?:\bkont[oa]\b|\brachun(?:ek|ku)\b|\bnrb\b)(?:[^\n0-9]{0,24}?)"
    rb"\b([0-9]{2}(?:[ ]?[0-9]{4}){6})\b"
)
ROUTING: Final = (
    rb"(?:\brouting\b|\baba\b|\brtn\b|\btransit\b)(?:[^\n0-9]{0,24}?)\b([0-9]{9}|"
    rb"[0-9]{4}-[0-9]{4}-[0-9])\b"
)
SORT_CODE: Final = (
    rb"(?:sort[ _-]?code|\bbsb\b|bankleitzahl|\bblz\b)(?:[^\n0-9]{0,16}?)"
    rb"\b([0-9]{2}[- ]?[0-9]{2}[- ]?[0-9]{2}|[0-9]{3}-[0-9]{3}|[0-9]{8})\b"
)
BIC: Final = rb"\b(?i:bic|swift)\b[^\n0-9]{0,16}?\b([A-Z]{4}[A-Z]{2}[A-Z0-9]{2}(?:[A-Z0-9]{3})?)\b"
SSN: Final = (
    rb"(?:(?:\b|_)ssn(?:\b|_)|(?-i:[a-z]SSN|\bssn[A-Z])|\bs\.s\.n\b|\bss(?:#| (?:#|no\b|number))|"
    rb"social[ _-]?security|soc(?:ial|\.)? ?sec\b|\bsocial(?::| (?:is|no\b|number)))"
    rb"(?:[^\n0-9]{0,32}?)"
    rb"([0-9](?:[ .\-_/*|~]{0,3}[0-9]){8})"
)
SSN_BEFORE: Final = (
    rb"\b([0-9]{3}[ -]?[0-9]{2}[ -]?[0-9]{4}) (?:is|was|as|for) (?:my|his|her|their|the) "
    rb"(?:ssn|social[ _-]?sec)"
)
SECRET: Final = (
    rb"(?:api[ _-]?key|secret(?:[ _-]?(?:key|access[ _-]?key|token))?|(?:access|auth|"
    rb"refresh|bearer|session|id|api|app|admin|bot|deploy|service|master|signing|encryption)"
    rb"[ _-]?(?:token|key)|(?-i:[A-Z0-9]_TOKEN\b)|"
    rb"passw(?:or)?d|passphrase|\bpwd\b|\bpasswort\b|\bbearer\b|client[ _-]secret|"
    rb"mot de passe|contrase\xf1a|\bsenha\b|\bhas\xaao\b|\bwachtwoord\b|"
    rb"authorization[\"']?[:=] ?[\"']?basic|"
    rb"private[ _-]?key|credential|"
    rb"connection[ _-]?string|accountkey|\btoken\b)"
    rb"[\"']?[ \t]{0,3}(?:[:=]{1,2}>?|\bis\b|=>|>|[ \t])"
    rb"[ \t]{0,3}[\"'`]?[^\s\"'`,;<>\[\](){}]{8}"
)
SECRET_BEGINS: Final = 8
"""It ends with so many signs of the secret, its first ones. A pattern that counts all of them makes
hundreds of states for each long word behind a name."""
SECRET_GOES_ON: Final = re.compile(rb"[^\t\n\f\r \"'`,;<>\[\](){}]*")
LONGEST_SECRET: Final = 256
_SHORT_ACCOUNT: Final = 8
"""Digits of the accounts of a country's banks, at least."""
_AROUND_ACCOUNT: Final = 64
_ANY_ACCOUNT: Final = re.compile(
    rb"(?<![a-z])(?:account|acct)[\W_]{0,3}(?:(?:number|num|no|nr)\b)?[^A-Za-z0-9]{0,4}\Z",
    re.IGNORECASE,
)
_BANK: Final = re.compile(
    rb"bank|check|chequ|saving|giro|routing|sort|\bbsb\b|iban|\bbic\b|swift|deposit|transfer|wire"
    rb"|payee|payment|beneficiar|branch|payroll|debit|balance|withdr",
    re.IGNORECASE,
)
_LABEL_OF_BIC: Final = re.compile(rb"(?:[:=#|]|\b[Cc]ode|\bCODE|\bBIC)[ \t\"'(]{0,3}\Z")
_DAY_OF_ACCOUNT: Final = re.compile(
    rb"(?:19|20)[0-9]{2}([ -])[01]?[0-9]\1[0-3]?[0-9]"
    rb"|[0-3]?[0-9]([ -])[01]?[0-9]\2(?:19|20)[0-9]{2}"
)
_TIME_OF_LICENSE: Final = re.compile(rb"(?:[A-Za-z]{1,5}[ -])?(?:19|20)[0-9]{2}(?:-[0-9]{2}){0,2}")
"""Since when, or until when: behind the word, no number."""
_SSN_SIGNS: Final = b" .-_/*|~:,\t\n"
_SSN_DIGITS: Final = 9
_SSN_GIVEN: Final = re.compile(rb"(?!9|000|666|...00|.....0000)[0-9]{9}")
_SSN_SET_APART: Final = re.compile(
    rb"[0-9]{3}(?: ?([^0-9]+?) ?[0-9]{2} ?\1 ?|[ -][0-9]{2}[ -])[0-9]{4}"
    rb"|[0-9] [0-9] [0-9]([^0-9]+)[0-9] [0-9]\2[0-9] [0-9] [0-9] [0-9]"
    rb"|[0-9]\.[0-9]\.[0-9]([^0-9.]+)[0-9]\.[0-9]\3[0-9]\.[0-9]\.[0-9]\.[0-9]"
)
"""Alike on both sides of its middle, and within its parts: two separators that differ are the
coordinates of a path, a decimal beside another number, or a network address and its port."""
_ADDRESS: Final = re.compile(rb"(?:[0-9]{1,3}\.){3}[0-9]{1,3}")
_BLANK: Final = ord(" ")
_OF_LIST_BEFORE: Final = re.compile(rb"(?:\A|[^0-9.,:/-])[0-9]{1,7} \Z")
_OF_LIST_BEHIND: Final = re.compile(rb" [0-9]+(?![0-9]|[-./:][0-9])")
_BEHIND_OTHER: Final = re.compile(rb"[0-9] \Z")
"""A day, say: then what stands behind the number belongs to a line of several values."""
_NUMBER_BEFORE: Final = 10
_NAME_BEFORE: Final = 24
_NAMED_OTHERWISE: Final = re.compile(
    rb"(?:\b(?:part|order|invoice|ticket|tracking|serial|sku|item|model|lot|batch|article|drawing"
    rb"|catalog(?:ue)?|stock|isbn|po)|\bp/n|\bs/n|(?:artikel|teile|bestell|serien|rechnungs)-?"
    rb"(?:nummer|nr))(?:[ _-]?(?:number|no|nr|num|id|code|#))?[\s.:#=\"'(-]{0,4}\Z",
    re.IGNORECASE,
)
_CLASSES: Final = (re.compile(rb"[a-z]"), re.compile(rb"[A-Z]"), re.compile(rb"[0-9]"))
_SIGNS: Final = re.compile(rb"[^A-Za-z0-9_.:/-]")
_OUR_TOKEN: Final = re.compile(rb"\[[A-Z_]+\]|[A-Z0-9_\\]+_[A-Z2-7]{10}[.!?]?")
"""What a guard put there."""
_LOOSE_BITS: Final = 3.0 - 1e-9
_STRICT_BITS: Final = 2.5 - 1e-9
"""Eight signs that are equally frequent have three bits, however the sum is rounded."""
_N_LOG_N: Final = (0.0, *(count * math.log2(count) for count in range(1, 257)))
"""For as many as a secret has signs."""
_WORD: Final = re.compile(rb"[A-Za-z]+(?:[_./:-][A-Za-z]+)*[.:!?=]*")
_PART: Final = rb"_*[A-Za-z][A-Za-z_]{0,30}(?:[0-9]{1,3}[a-z_]{0,12})?"
_CODE: Final = re.compile(_PART + rb"(?:\??\." + _PART + rb")+")
"""What a program calls or reads: hashlib.sha256, process.env.DB_PASS1, data?.token."""
_PATH: Final = re.compile(
    rb"(?:\.{1,2}|~)?/(?:[a-z]{2,12}|Users)(?:/[A-Za-z_.-]*(?:[0-9]{1,4}[A-Za-z_.-]*)?)+"
)
"""The trap: were a step of it to be read in two ways, a path of ten would be in a thousand."""


def is_passport(value: bytes) -> bool:
    """Enough digits, and not one again and again."""
    digits = [byte for byte in value if chr(byte).isdigit()]
    return len(digits) >= 4 and len(set(digits)) > 1


def is_license(value: bytes) -> bool:
    """Five to eighteen letters and digits, four digits at least, and no day or year."""
    signs = value.translate(None, b" -")
    return (
        5 <= len(signs) <= 18
        and sum(chr(byte).isdigit() for byte in signs) >= 4
        and _TIME_OF_LICENSE.fullmatch(value) is None
    )


def account(data: bytes, start: int, end: int) -> Iterator[Span]:
    """An account's number behind a word for it. A shop's customers have accounts, too, with short
    numbers: those count where a bank is spoken of."""
    if not is_account(data[start:end]):
        return
    if end - start < _SHORT_ACCOUNT:
        before = data[max(0, start - _AROUND_ACCOUNT) : start]
        if _ANY_ACCOUNT.search(before) and not (
            _BANK.search(before) or _BANK.search(data, end, end + _AROUND_ACCOUNT)
        ):
            return
    yield Span(start, end, kind.BANK_ACCOUNT, SHAPED)


def is_account(value: bytes) -> bool:
    """Six to seventeen digits, and not the day on which it was opened."""
    digits = value.translate(None, b" -").decode("latin-1")
    return (
        6 <= len(digits) <= 17
        and not all_equal(digits)
        and _DAY_OF_ACCOUNT.fullmatch(value) is None
    )


def is_bic(data: bytes, start: int, end: int) -> bool:
    """Whether a code of ISO 9362 is labeled as one, or none of its kind would be a word: SWIFT is a
    language, too, and BIC a criterion."""
    value = data[start:end]
    told = value.endswith(b"XXX") or not value.isalpha()
    return told or _LABEL_OF_BIC.search(data, max(0, start - 16), start) is not None


def is_polish_account(value: bytes) -> bool:
    """The check digits of an IBAN whose country is left out."""
    digits = value.translate(None, b" ").decode("latin-1")
    return iban.valid("PL" + digits)


def is_routing(value: bytes) -> bool:
    """The American Bankers Association's check digit and its districts."""
    digits = value.translate(None, b" -").decode("latin-1")
    district = int(digits[:2])
    known = district <= 12 or 21 <= district <= 32 or 61 <= district <= 72 or district == 80
    return known and weighted(digits, (3, 7, 1) * 3) % 10 == 0 and not all_equal(digits)


def is_ssn(value: bytes) -> bool:
    """The Social Security Administration's rules on numbers that were never given out, and digits
    set apart as one number's are."""
    digits = value.translate(None, _SSN_SIGNS)
    return _SSN_GIVEN.fullmatch(digits) is not None and _SSN_SET_APART.fullmatch(value) is not None


def is_no_ssn(data: bytes, start: int, end: int) -> bool:
    """Whether it is a part of a list of whole numbers with one blank between them all, or a word at
    once before it says that it is a part's, a parcel's, an order's."""
    if data[start + 3] == _BLANK:
        before = data[max(0, start - _NUMBER_BEFORE) : start]
        if _OF_LIST_BEFORE.search(before):
            return True
        if not _BEHIND_OTHER.search(before) and _OF_LIST_BEHIND.match(data, end):
            return True
    return _NAMED_OTHERWISE.search(data, max(0, start - _NAME_BEFORE), start) is not None


def is_called_ssn(value: bytes) -> bool:
    """What a text calls one, even of an area that was never given out: it means a person."""
    digits = value.translate(None, _SSN_SIGNS)
    called = len(digits) == _SSN_DIGITS and digits.isdigit() and not all_equal(digits)
    return called and _ADDRESS.fullmatch(value) is None


def is_secret(value: bytes) -> bool:
    """Letters and digits as nobody writes them: mixed, and spread over many."""
    if (
        _WORD.fullmatch(value)
        or _CODE.fullmatch(value)
        or _PATH.fullmatch(value)
        or _OUR_TOKEN.fullmatch(value)
        or value.startswith((b"http://", b"https://", b"$", b"%", b"{"))
    ):
        return False
    kinds = sum(1 for kind in _CLASSES if kind.search(value)) + (_SIGNS.search(value) is not None)
    bits = _bits(value) if kinds >= 2 else 0.0
    return kinds >= 2 and (bits >= _LOOSE_BITS or (kinds >= 3 and bits >= _STRICT_BITS))


def is_ours(value: bytes) -> bool:
    """Whether a guard put it there."""
    return _OUR_TOKEN.fullmatch(value) is not None


def _bits(value: bytes) -> float:
    """Shannon's entropy of a sign."""
    size = len(value)
    return math.log2(size) - sum([_N_LOG_N[value.count(sign)] for sign in set(value)]) / size
