"""The table of rules: what each type looks like, and what decides whether it is one.

A rule is a pattern that finds candidates and a check that keeps, narrows or refuses them.
The trap: the order is no priority. Of two findings that overlap, the higher rank stays;
ranks below are what is told by its form alone, ranks above what a check digit or an issuer's
prefix vouches for. A type `NOTHING` takes a place without being a finding: a UUID's digits
are no telephone number.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from federation.guardrails import cards, context_rules, iban, national, phones, secret_rules
from federation.guardrails import entities as kind
from federation.guardrails.entities import Span
from federation.guardrails.patterns import Pattern, compiled

NOTHING: Final = ""
NUMBER: Final = "number"
"""Rules that look for several types at once; always run."""
Check: TypeAlias = Callable[[bytes, int, int], Iterator[Span]]

FORM, BESIDE, SHAPED, CHECKED, CERTAIN = 2, 3, 5, 7, 9
"""Ranks: form alone, beside a word, telling form, check digit, issuer's own mark."""

_SEPARATORS: Final = rb"[ \t\n.,_/|*:;~+-]"
_DIGIT_LIKE: Final = rb"[0-9OoQIlSBZ]"
_LIKE_DIGITS: Final = bytes.maketrans(b"OoQIlSBZ", b"00011582")
_LEAST_REAL: Final = 9
_CARD_WORD: Final = compiled(
    rb"\b(?:card|visa|master ?card|maestro|credit|debit|kreditkarte|carte|tarjeta|amex|cc)\b",
    ignore_case=True,
)
_SHORT_DEBIT: Final = (b"5", b"6")
_WINDOW: Final = 48
_VERSION: Final = re.compile(
    rb"(?:\b(?:version|ver|release|build|section|sec|rev|chapter|firmware|oid)\b[\s.:#=-]{0,3}|\bv|[\xa7/][vV]?)$",
    re.IGNORECASE,
)
_LETTER: Final = rb"[A-Za-z0-9\x80-\xFF]"
_HOST: Final = rb"(?:" + _LETTER + rb"(?:[A-Za-z0-9\x80-\xFF-]*" + _LETTER + rb")?\.)+"
EMAIL: Final = rb"[A-Za-z0-9\x80-\xFF!#$%&'*+/=?^_`{|}~.-]+@" + _HOST + rb"(?:[A-Za-z\xAA\xC0-\xFF]{2,24}|xn--[A-Za-z0-9-]{2,59})"
_AT: Final = rb"(?: ?@ ?|[ ]?[\[({<] ?(?:at|@|arroba) ?[\])}>][ ]?|[ _-]+(?:at|AT)[ _-]+)"
_DOT: Final = rb"(?: ?\. ?|[ ]?[\[({<] ?(?:dot|punkt|point|punto|\.) ?[\])}>][ ]?|[ _-]+(?:dot|DOT)[ _-]+)"
_KNOWN_ENDS: Final = rb"(?:com|org|net|edu|gov|mil|info|biz|io|dev|ai|app|co|me|de|uk|fr|es|it|nl|be|ch|at|pl|se|no|dk|fi|eu|us|ca|au|in|br|jp|cn|ru|example|test)"
SPELLED_EMAIL: Final = (
    rb"[A-Za-z0-9._%+-]+" + _AT + rb"[A-Za-z0-9-]+(?:" + _DOT + rb"[A-Za-z0-9-]+){0,4}?" + _DOT + _KNOWN_ENDS + rb"\b"
)
SPACED_EMAIL: Final = (
    rb"\b[A-Za-z0-9](?:[ ._-]{1,3}[A-Za-z0-9])*[ ]{1,3}@[ ]{1,3}[A-Za-z0-9](?:[ -]{1,3}[A-Za-z0-9])*"
    rb"(?:[ ]{0,3}\.[ ]{0,3}[A-Za-z0-9](?:[ -]{1,3}[A-Za-z0-9])*)*[ ]{0,3}\.[ ]{0,3}[A-Za-z](?:[ ]{1,3}[A-Za-z]\b){1,9}"
)
IPV4: Final = rb"[0-9]{1,3}(?:\.|\[\.\]|\(\.\))[0-9]{1,3}(?:\.|\[\.\]|\(\.\))[0-9]{1,3}(?:\.|\[\.\]|\(\.\))[0-9]{1,3}"
IPV6: Final = rb"[0-9A-Fa-f]{0,4}:(?:[0-9A-Fa-f]{0,4}:){1,7}[0-9A-Fa-f]{0,4}(?:(?:\.[0-9]{1,3}){3})?"
DIGITS: Final = rb"(?:\+|\(\+?)?[0-9](?:[^0-9A-Za-z\x80-\xFF\"'<>{}\[\]@%=&]{0,4}[0-9]){5,}"
"""Six digits and more with signs between them: what cards and telephone numbers are read from."""
_SIGNS: Final = bytes(sign for sign in range(256) if not 48 <= sign <= 57)  # noqa: PLR2004
LIKE_CARD: Final = _DIGIT_LIKE + rb"(?:" + _SEPARATORS + rb"{0,3}" + _DIGIT_LIKE + rb"){11,18}"
_SSN_GAP: Final = rb"(?: ?[-.\x80-\xFF/_*|~:,] ?| )"
SSN: Final = rb"[0-9]{3}" + _SSN_GAP + rb"[0-9]{2}" + _SSN_GAP + rb"[0-9]{4}"
LIKE_SSN: Final = _DIGIT_LIKE + rb"{3}-" + _DIGIT_LIKE + rb"{2}-" + _DIGIT_LIKE + rb"{4}"
SPACED_SSN: Final = rb"[0-9][ .]?[0-9][ .]?[0-9] ?[-/_.] ?[0-9][ .]?[0-9] ?[-/_.] ?[0-9][ .]?[0-9][ .]?[0-9][ .]?[0-9]"
UUID: Final = rb"\b[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}\b"
HASH: Final = rb"\b(?:[0-9a-f]{32,128}|[0-9A-F]{32,128})\b"
MOMENT: Final = rb"\b(?:19|20)[0-9]{2}[-/.][01][0-9][-/.][0-3][0-9](?:[T _][0-2][0-9][:.]?[0-5][0-9](?:[:.]?[0-5][0-9](?:[.,][0-9]{1,9})?)?(?:Z| ?[+-][0-2][0-9]:?[0-5][0-9])?)?"


@dataclass(frozen=True, slots=True)
class Rule:
    """One way to find one type."""

    kind: str
    pattern: bytes
    check: Check
    ignore_case: bool = False
    hint: bytes = b""
    """A short pattern, whatever the case, without which the long one cannot occur; empty:
    it is always run. Hints are scanned together: words, or short rows of digits and signs,
    and nothing that counts far, or the automaton grows with the product of them all."""
    long: bool = False
    """It needs a long run of letters and digits without a gap."""

    def compiled(self) -> Pattern:
        """The pattern, ready to run."""
        return compiled(self.pattern, ignore_case=self.ignore_case)


def _word(pattern: bytes) -> bytes:
    return rb"(?i:" + pattern + rb")"


def _as_it_stands(name: str, rank: int) -> Check:
    def check(_data: bytes, start: int, end: int) -> Iterator[Span]:
        yield Span(start, end, name, rank)

    return check


def _if(test: Callable[[bytes], bool], name: str, rank: int) -> Check:
    def check(data: bytes, start: int, end: int) -> Iterator[Span]:
        if test(data[start:end]):
            yield Span(start, end, name, rank)

    return check


def _borders_digit(data: bytes, start: int, end: int) -> bool:
    """Whether the digits go on, directly or over a dash or a point."""
    if data[start - 1 : start].isdigit() and start or data[end : end + 1].isdigit():
        return True
    return data[end : end + 1] in (b"-", b".") and data[end + 1 : end + 2].isdigit()


def _about_cards(data: bytes, start: int) -> bool:
    return _CARD_WORD.occurs(data[max(0, start - _WINDOW) : start])


def _number(data: bytes, start: int, end: int) -> Iterator[Span]:
    """Cards, American numbers and telephone numbers in a row of six digits and more."""
    run = data[start:end]
    count = len(run.translate(None, _SIGNS))
    if count >= 12:  # noqa: PLR2004 - ISO/IEC 7812
        context = run[:1] in _SHORT_DEBIT and _about_cards(data, start)
        for low, high in cards.in_run(run, context=context):
            yield Span(start + low, start + high, kind.CARD, CHECKED)
    if count >= 9 and count != len(run):  # noqa: PLR2004 - of an American number
        for pattern in (_SSN, _SPACED_SSN):
            for low, high in pattern.spans(data, start, end):
                yield from _ssn(data, low, high)
    reach = end + _EXTENSION_REACH
    for low, high in _PHONE.spans(data, start, reach if data[end : end + 2].strip(b" \t")[:1] in _EXTENDING else end):
        found = phones.place(data, low, high)
        if found is not None:
            yield Span(found[0], found[1], kind.PHONE, BESIDE + found[2])


def _like_card(data: bytes, start: int, end: int) -> Iterator[Span]:
    run = data[start:end]
    real = sum(48 <= byte <= 57 for byte in run)  # noqa: PLR2004 - ASCII digits
    if real < _LEAST_REAL or data[end : end + 1].isdigit():
        return
    read = run.translate(_LIKE_DIGITS)
    if read != run:
        for low, high in cards.in_run(read):
            if high - low == len(run):
                yield Span(start, end, kind.CARD, CHECKED)


def _iban(data: bytes, start: int, _end: int) -> Iterator[Span]:
    end = iban.end_of(data, start)
    if end > 0:
        yield Span(start, end, kind.IBAN, CHECKED)


def _ssn(data: bytes, start: int, end: int) -> Iterator[Span]:
    if not _borders_digit(data, start, end) and context_rules.is_ssn(data[start:end]):
        yield Span(start, end, kind.SSN, CHECKED - 1)


def _like_ssn(data: bytes, start: int, end: int) -> Iterator[Span]:
    run = data[start:end]
    read = run.translate(_LIKE_DIGITS)
    real = sum(48 <= byte <= 57 for byte in run)  # noqa: PLR2004 - ASCII digits
    bordered = data[start - 1 : start].isalnum() or data[end : end + 1].isalnum()
    if real >= 5 and read != run and not bordered and context_rules.is_ssn(read):  # noqa: PLR2004
        yield Span(start, end, kind.SSN, CHECKED - 1)


def _ssn_beside(data: bytes, start: int, end: int) -> Iterator[Span]:
    if not data[end : end + 1].isdigit() and context_rules.is_ssn(data[start:end]):
        yield Span(start, end, kind.SSN, CHECKED)


def _ipv4(data: bytes, start: int, end: int) -> Iterator[Span]:
    parts = re.findall(rb"[0-9]+", data[start:end])
    before, after = data[max(0, start - 2) : start], data[end : end + 2]
    if any(int(part) > 255 or (len(part) > 1 and part[:1] == b"0") for part in parts):  # noqa: PLR2004
        return
    if before[-1:].isdigit() or after[:1].isdigit() or parts[0] in (b"0", b"127", b"255"):
        return
    if (before[-1:] in (b".", b"-") and before[:1].isalnum()) or re.match(rb"[.-][0-9]", after):
        return
    if _VERSION.search(data[max(0, start - _WINDOW) : start]) is None:
        yield Span(start, end, kind.IP, SHAPED)


def _ipv6(data: bytes, start: int, end: int) -> Iterator[Span]:
    if data[start - 1 : start].isalnum() and start or data[end : end + 1].isalnum():
        return
    text = data[start:end].decode("latin-1")
    if text.count(":") < 2 or sum(map(str.isdigit, text)) == 0:  # noqa: PLR2004
        return
    for value, cut in ((text, 0), (text.rstrip(":"), len(text) - len(text.rstrip(":")))):
        try:
            address = ipaddress.IPv6Address(value)
        except ValueError:
            continue
        if not (address.is_loopback or address.is_unspecified):
            yield Span(start, end - cut, kind.IP, SHAPED + 1)
        return


def _email(data: bytes, start: int, end: int) -> Iterator[Span]:
    run = data[start:end]
    local = run[: run.rindex(b"@")]
    kept = local.lstrip(b".!#$%&'*/=?^`{|}~-")
    if kept and len(kept) <= 320:  # noqa: PLR2004 - RFC 3696, with what is glued to it
        for sign in (b"=", b"/", b"'", b"`", b"|", b"{", b"?", b"&"):
            kept = kept[kept.rfind(sign) + 1 :] or kept
        yield Span(start + len(local) - len(kept), end, kind.EMAIL, CHECKED)


def _hash(data: bytes, start: int, end: int) -> Iterator[Span]:
    run = data[start:end]
    if not run.isdigit() and not run.isalpha():
        yield Span(start, end, NOTHING, CHECKED + 1)


def _private_key(data: bytes, start: int, end: int) -> Iterator[Span]:
    foot = _KEY_FOOT.first(data, end)
    body = _KEY_BODY.first(data[end:])
    stop = end + (body[1] if body else 0)
    if foot is not None and foot[0] <= stop + 1:
        stop = foot[1]
    yield Span(start, stop, kind.PRIVATE_KEY, CERTAIN)


_SSN: Final = compiled(SSN)
_SPACED_SSN: Final = compiled(SPACED_SSN)
_PHONE: Final = compiled(phones.RUN, ignore_case=True)
_EXTENSION_REACH: Final = 20
_EXTENDING: Final = (b"x", b"X", b"e", b"E", b"#")
_KEY_FOOT: Final = compiled(secret_rules.PRIVATE_KEY_FOOT)
_KEY_BODY: Final = compiled(secret_rules.PRIVATE_KEY_BODY)


def _national_beside(row: national.NationalId) -> Rule:
    words = compiled(rb"(?:" + row.words + rb")[^\n]{0,40}$", ignore_case=True)

    def check(data: bytes, start: int, end: int) -> Iterator[Span]:
        if words.occurs(data[max(0, start - _WINDOW) : start]) and row.check(
            national.bare(data[start:end])
        ):
            yield Span(start, end, kind.NATIONAL_ID, CHECKED)

    return Rule(kind.NATIONAL_ID, row.pattern, check, hint=_word(row.words.replace(rb"\b", b"")))


_NATIONAL_HINT: Final = (
    rb"[0-9]{2}[ -]?[A-Z]\b|[0-9]{6}[HMX][A-Z]|[0-9]{3}[A-Z]|[0-9]{6}[-+][0-9]|[0-9]-[0-9]{3}\.|"
    rb"\.[0-9]{3}-|[0-9]{10}|[12] [0-9]{2} [0-9]{2} |9[0-9]{2}[- ][0-9]{2}[- ]|[0-9]{4}[0-9A-F]{2}-"
)


def _national_alone() -> Rule:
    """All numbers that are told by themselves, as one pattern."""
    rows = [row for row in national.NATIONAL_IDS if not row.words]
    forms = [(compiled(row.pattern), row.check) for row in rows]

    def check(data: bytes, start: int, end: int) -> Iterator[Span]:
        value = data[start:end]
        for form, valid in forms:
            if form.covers(value) and valid(national.bare(value)):
                yield Span(start, end, kind.NATIONAL_ID, CHECKED - 1)
                return

    return Rule(kind.NATIONAL_ID, b"|".join(row.pattern for row in rows), check, hint=_NATIONAL_HINT)


RULES: Final = (
    Rule(kind.EMAIL, EMAIL, _email, hint=b"@"),
    Rule(kind.EMAIL, SPELLED_EMAIL, _as_it_stands(kind.EMAIL, SHAPED), hint=rb"@ | @|(?i:[(\[{<] ?(?:at|arroba)|[ _-]dot[ _-])"),
    Rule(kind.EMAIL, SPACED_EMAIL, _as_it_stands(kind.EMAIL, SHAPED), hint=b" @ "),
    Rule(NUMBER, DIGITS, _number, hint=b"[0-9]"),
    Rule(kind.CARD, LIKE_CARD, _like_card, hint=rb"[0-9][OoQIlSBZ][0-9]|[OoQIlSBZ][0-9]{3}|[0-9]{3}[OoQIlSBZ]"),
    Rule(kind.IBAN, iban.HEAD, _iban, ignore_case=True, hint=rb"[A-Za-z]{2}[ ._:-]{0,2}[0-9]{2}|[A-Za-z][^0-9A-Za-z]{1,2}[0-9][^0-9A-Za-z]{1,2}[0-9]"),
    Rule(kind.SSN, LIKE_SSN, _like_ssn, hint=rb"-[0-9OoQIlSBZ]{2}-"),
    Rule(kind.SSN, context_rules.SSN, _ssn_beside, ignore_case=True, hint=_word(rb"ss[n#]|social sec|soc\.? ?sec")),
    Rule(kind.IP, IPV4, _ipv4, hint=rb"[0-9](?:\.|\[\.\]|\(\.\))[0-9]"),
    Rule(kind.IP, IPV6, _ipv6, hint=_word(rb"[0-9a-f]:[0-9a-f]{0,4}:")),
    *(_national_beside(row) for row in national.NATIONAL_IDS if row.words),
    _national_alone(),
    Rule(kind.PASSPORT, context_rules.PASSPORT, _if(context_rules.is_passport, kind.PASSPORT, SHAPED), ignore_case=True, hint=_word(b"passport|reisepass|passeport|pasaporte|passaporto")),
    Rule(kind.PASSPORT, context_rules.MACHINE_READABLE, _as_it_stands(kind.PASSPORT, CHECKED), hint=b"<<"),
    Rule(kind.DRIVERS_LICENSE, context_rules.DRIVERS_LICENSE, _if(context_rules.is_license, kind.DRIVERS_LICENSE, SHAPED), ignore_case=True, hint=_word(rb"licen[cs]e|dl[ n]|rijbewijs|schein|permis")),
    Rule(kind.DRIVERS_LICENSE, context_rules.BRITISH_LICENSE, _as_it_stands(kind.DRIVERS_LICENSE, SHAPED), long=True),
    Rule(kind.BANK_ACCOUNT, context_rules.BANK_ACCOUNT, _if(context_rules.is_account, kind.BANK_ACCOUNT, SHAPED), ignore_case=True, hint=_word(b"account|acct|a/c|konto|compte|cuenta")),
    Rule(kind.BANK_ACCOUNT, context_rules.ROUTING, _if(context_rules.is_routing, kind.BANK_ACCOUNT, CHECKED), ignore_case=True, hint=_word(rb"routing|aba|rtn|transit")),
    Rule(kind.BANK_ACCOUNT, context_rules.SORT_CODE, _as_it_stands(kind.BANK_ACCOUNT, SHAPED), ignore_case=True, hint=_word(rb"sort[ _-]?code|bsb|bankleitzahl|blz")),
    Rule(kind.BANK_ACCOUNT, context_rules.BIC, _as_it_stands(kind.BANK_ACCOUNT, BESIDE), hint=_word(rb"bic|swift")),
    Rule(kind.DATE_OF_BIRTH, context_rules.DATE_OF_BIRTH, _as_it_stands(kind.DATE_OF_BIRTH, SHAPED), ignore_case=True, hint=_word(rb"born|d\.?o\.?b|birth|geb|n\xe9|naissance|nacimiento|nacid|nasc")),
    Rule(kind.API_KEY, secret_rules.API_KEY, _as_it_stands(kind.API_KEY, CERTAIN), long=True),
    Rule(kind.TOKEN, secret_rules.TOKEN, _as_it_stands(kind.TOKEN, CERTAIN), long=True),
    Rule(kind.PRIVATE_KEY, secret_rules.PRIVATE_KEY_HEAD, _private_key, hint=b"PRIVATE KEY"),
    Rule(kind.SECRET, secret_rules.URL_SECRET, _as_it_stands(kind.SECRET, CERTAIN), hint=b"://"),
    Rule(kind.SECRET, context_rules.SECRET, _if(context_rules.is_secret, kind.SECRET, CERTAIN - 1), ignore_case=True, hint=_word(rb"key|secret|token|passw|passphrase|pwd|bearer|credential|connection")),
    Rule(NOTHING, UUID, _as_it_stands(NOTHING, CHECKED + 1), hint=_word(rb"-[0-9a-f]{4}-")),
    Rule(NOTHING, HASH, _hash, long=True),
    Rule(NOTHING, MOMENT, _as_it_stands(NOTHING, SHAPED - 1), hint=rb"(?:19|20)[0-9]{2}[-/.]"),
)  # fmt: skip


def custom(name: str, pattern: str) -> Rule:
    """An operator's pattern. Raises ValueError for one that RE2 cannot run."""
    raw = pattern.encode("latin-1", "replace")
    compiled(raw)
    return Rule(kind.CUSTOM + name, raw, _as_it_stands(kind.CUSTOM + name, CERTAIN))
