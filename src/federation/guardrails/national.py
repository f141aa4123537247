"""National identity and tax numbers: form, check digit, and whether a word must stand beside.

A number whose form and check digit leave less than about one chance in a thousand is taken
as it stands; the others count only beside a word that names them. Each row names the rule's
source. The trap: dates inside are checked for month and day only, for people are older than
any table of years.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from federation.guardrails.checksums import (
    all_equal,
    iso_7064_mod_11_10,
    luhn,
    verhoeff,
    weighted,
)

_DNI_LETTERS: Final = "TRWAGMYFPDXBNJZSQVHLCKE"
_HETU_SIGNS: Final = "0123456789ABCDEFHJKLMNPRSTUVWXY"
_NRIC: Final = {"S": "JZIHGFEDCBA", "T": "GFEDCBAJZIH", "F": "XWUTRQPNMLK", "G": "RQPNMLKXWUT"}
_ODD: Final = dict(
    zip(
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3,
         6, 8, 12, 14, 16, 10, 22, 25, 24, 23),
        strict=True,
    )
)  # fmt: skip
_CAPITAL: Final = re.compile(rb"[A-Z]")
_BARE: Final = bytes.maketrans(b"abcdefghijklmnopqrstuvwxyz", b"ABCDEFGHIJKLMNOPQRSTUVWXYZ")


@dataclass(frozen=True, slots=True)
class NationalId:
    """One kind of number. `check` gets capitals and digits without separators."""

    country: str
    pattern: bytes
    check: Callable[[str], bool]
    words: bytes = b""
    """What must stand before it, as a pattern; empty where it is told by itself."""

    @property
    def numeric(self) -> bool:
        """Whether it can be found among digits and signs alone."""
        return not _CAPITAL.search(self.pattern)


def bare(value: bytes) -> str:
    """Capitals and digits alone."""
    return value.translate(_BARE, b" .-+/\t").decode("latin-1")


def _day(text: str) -> bool:
    """`text` is month and day, MMDD."""
    return 1 <= int(text[:2]) <= 12 and 1 <= int(text[2:4]) <= 31


def _nino(text: str) -> bool:
    return text[:2] not in ("BG", "GB", "NK", "KN", "TN", "NT", "ZZ")


def _nhs(text: str) -> bool:
    check = 11 - weighted(text, (10, 9, 8, 7, 6, 5, 4, 3, 2)) % 11
    return check % 11 == int(text[9]) and not all_equal(text)


def _sin(text: str) -> bool:
    return text[0] not in "08" and luhn(text.encode("ascii")) and not all_equal(text)


def _steuer_id(text: str) -> bool:
    return text[0] != "0" and iso_7064_mod_11_10(text)


def _nir(text: str) -> bool:
    body = text[:13].replace("2A", "19").replace("2B", "18")
    if not body.isdigit() or text[0] not in "12" or not 1 <= int(text[3:5]) <= 99:
        return False
    return 97 - int(body) % 97 == int(text[13:15])


def _dni(text: str) -> bool:
    number = text[:-1].replace("X", "0", 1).replace("Y", "1", 1).replace("Z", "2", 1)
    return number.isdigit() and _DNI_LETTERS[int(number) % 23] == text[-1]


def _codice_fiscale(text: str) -> bool:
    odd = sum(_ODD[sign] for sign in text[0:15:2])
    even = sum(int(s) if s.isdigit() else ord(s) - 65 for s in text[1:15:2])
    return chr(65 + (odd + even) % 26) == text[15]


def _bsn(text: str) -> bool:
    return weighted(text, (9, 8, 7, 6, 5, 4, 3, 2, -1)) % 11 == 0 and not all_equal(text)


def _belgian(text: str) -> bool:
    check = int(text[9:])
    return 97 - int(text[:9]) % 97 == check or 97 - int("2" + text[:9]) % 97 == check


def _pesel(text: str) -> bool:
    total = weighted(text, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3))
    month = int(text[2:4]) % 20
    return (10 - total % 10) % 10 == int(text[10]) and 1 <= month <= 12 and text[4:6] <= "31"


def _swedish(text: str) -> bool:
    return _day(text[-8:-4]) and luhn(text[-10:].encode("ascii"))


def _hetu(text: str) -> bool:
    digits = text[:6] + text[-4:-1]
    return _HETU_SIGNS[int(digits) % 31] == text[-1] and _day(text[2:4] + text[:2])


def _danish(text: str) -> bool:
    return _day(text[2:4] + text[:2])


def _norwegian(text: str) -> bool:
    first = -weighted(text, (3, 7, 6, 1, 8, 9, 4, 5, 2)) % 11
    second = -weighted(text, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11
    return first == int(text[9]) and second == int(text[10])


def _cpf(text: str) -> bool:
    first = weighted(text, (10, 9, 8, 7, 6, 5, 4, 3, 2)) * 10 % 11 % 10
    second = weighted(text, (11, 10, 9, 8, 7, 6, 5, 4, 3, 2)) * 10 % 11 % 10
    return first == int(text[9]) and second == int(text[10]) and not all_equal(text)


def _aadhaar(text: str) -> bool:
    return text[0] not in "01" and verhoeff(text)


def _tfn(text: str) -> bool:
    return weighted(text, (1, 4, 3, 7, 5, 8, 6, 9, 10)) % 11 == 0


def _nric(text: str) -> bool:
    total = weighted(text[1:8], (2, 7, 6, 5, 4, 3, 2))
    return _NRIC[text[0]][total % 11] == text[8]


def _chinese(text: str) -> bool:
    total = weighted(text[:17], (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2))
    return "10X98765432"[total % 11] == text[17] and _day(text[10:14])


def _korean(text: str) -> bool:
    return _day(text[2:6]) and text[6] in "12345678"


def _south_african(text: str) -> bool:
    return luhn(text.encode("ascii"))


def _any(text: str) -> bool:
    return not all_equal(text)


LETTERED_WORDS: Final = (
    rb"\bdni\b|\bni[ef]\b|national insurance|\bnino\b|\bni (?:no|number)\b|codice fiscale|"
    rb"\bpan (?:card|no|number)\b|\bcurp\b|\bhetu\b|\bnric\b"
)
"""Behind these a number with letters counts in small ones, too, as people type it."""
_TAX: Final = rb"steuer|\btax\b|\btin\b|identifikationsnummer"
NATIONAL_IDS: Final = (
    NationalId(
        "gb",
        rb"\b[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z][ -]?(?:[0-9]{2}[ -]?){3}[A-D]\b",
        _nino,
    ),
    NationalId(
        "gb",
        rb"\b[0-9]{3}[ -]?[0-9]{3}[ -]?[0-9]{4}\b",
        _nhs,
        rb"\bnhs\b",
    ),
    NationalId(
        "ca",
        rb"\b[0-9]{3}[ -]?[0-9]{3}[ -]?[0-9]{3}\b",
        _sin,
        rb"\bsin\b|social insurance|\bnas\b",
    ),
    NationalId(
        "de",
        rb"\b[0-9]{2}[ ]?[0-9]{3}[ ]?[0-9]{3}[ ]?[0-9]{3}\b",
        _steuer_id,
        _TAX,
    ),
    NationalId(
        "fr",
        rb"\b[12][ ]?[0-9]{2}[ ]?[0-9]{2}[ ]?[0-9]{2}[ ]?[0-9]{3}[ ]?[0-9]{3}[ ]?[0-9]{2}\b",
        _nir,
    ),
    NationalId(
        "fr",
        rb"\b[12][ ]?[0-9]{2}[ ]?[0-9]{2}[ ]?2[AB][ ]?[0-9]{3}[ ]?[0-9]{3}[ ]?[0-9]{2}\b",
        _nir,
    ),
    NationalId(
        "es",
        rb"\b(?:[0-9]{8}|[XYZ][ -]?[0-9]{7})[ -]?[A-HJ-NP-TV-Z]\b",
        _dni,
    ),
    NationalId(
        "it",
        rb"\b[A-Z]{6}[0-9LMNP-V]{2}[ABCDEHLMPRST][0-9LMNP-V]{2}[A-Z][0-9LMNP-V]{3}[A-Z]\b",
        _codice_fiscale,
    ),
    NationalId(
        "nl",
        rb"\b[0-9]{9}\b|\b[0-9]{4}[. ][0-9]{2}[. ][0-9]{3}\b",
        _bsn,
        rb"\bbsn\b|burgerservice|sofi",
    ),
    NationalId(
        "be",
        rb"\b[0-9]{2}\.[0-9]{2}\.[0-9]{2}-[0-9]{3}\.[0-9]{2}\b",
        _belgian,
    ),
    NationalId(
        "be",
        rb"\b[0-9]{11}\b",
        _belgian,
        rb"rijksregister|registre national|\binsz\b|\bniss\b",
    ),
    NationalId(
        "pl",
        rb"\b[0-9]{11}\b",
        _pesel,
        rb"\bpesel\b",
    ),
    NationalId(
        "se",
        rb"\b(?:19|20)?[0-9]{6}[-+][0-9]{4}\b",
        _swedish,
    ),
    NationalId(
        "fi",
        rb"\b[0-3][0-9][01][0-9]{3}[-+A-FU-Y][0-9]{3}[0-9A-FHJ-NPR-Y]\b",
        _hetu,
    ),
    NationalId(
        "fi",
        rb"\b[0-3][0-9][01][0-9]{3}[-+][0-9]{4}\b",
        _hetu,
    ),
    NationalId(
        "dk",
        rb"\b[0-3][0-9][01][0-9]{3}-?[0-9]{4}\b",
        _danish,
        rb"\bcpr\b|personnummer",
    ),
    NationalId(
        "no",
        rb"\b[0-9]{6} ?[0-9]{5}\b",
        _norwegian,
        rb"f\xf8dsels|fodsels|personnummer|\bfnr\b",
    ),
    NationalId(
        "br",
        rb"\b[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}\b",
        _cpf,
    ),
    NationalId(
        "br",
        rb"\b[0-9]{11}\b",
        _cpf,
        rb"\bcpf\b",
    ),
    NationalId(
        "in",
        rb"\b[2-9][0-9]{3} [0-9]{4} [0-9]{4}\b",
        _aadhaar,
        rb"\baadh?aar\b|\buidai\b",
    ),
    NationalId(
        "in",
        rb"\b[2-9][0-9]{11}\b",
        _aadhaar,
        rb"\baadh?aar\b|\buidai\b",
    ),
    NationalId(
        "in",
        rb"\b[A-Z]{3}[ABCFGHLJPT][A-Z][0-9]{4}[A-Z]\b",
        _any,
    ),
    NationalId(
        "au",
        rb"\b[0-9]{3}[ -]?[0-9]{3}[ -]?[0-9]{3}\b",
        _tfn,
        rb"\btfn\b|tax file",
    ),
    NationalId(
        "sg",
        rb"\b[STFG][0-9]{7}[A-Z]\b",
        _nric,
    ),
    NationalId(
        "cn",
        rb"\b[1-9][0-9]{5}(?:19|20)[0-9]{2}[01][0-9][0-3][0-9]{4}[0-9]\b",
        _chinese,
    ),
    NationalId(
        "cn",
        rb"\b[1-9][0-9]{5}(?:19|20)[0-9]{2}[01][0-9][0-3][0-9]{4}X\b",
        _chinese,
    ),
    NationalId(
        "kr",
        rb"\b[0-9]{2}[01][0-9][0-3][0-9]-[1-8][0-9]{6}\b",
        _korean,
    ),
    NationalId(
        "za",
        rb"\b[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01]) ?[0-9]{4} ?[0-2][0-9]{2}\b",
        _south_african,
        rb"\bid\b|identity",
    ),
    NationalId(
        "mx",
        rb"\b[A-Z][AEIOUX][A-Z]{2}[0-9]{2}[01][0-9][0-3][0-9][HMX][A-Z]{5}[0-9A-Z][0-9]\b",
        _any,
    ),
    NationalId(
        "us",
        rb"\b9[0-9]{2}[- ](?:5[0-9]|6[0-5]|7[0-9]|8[0-8]|9[0-24-9])[- ][0-9]{4}\b",
        _any,
    ),
    NationalId(
        "us",
        rb"\b[0-9]{2}-[0-9]{7}\b",
        _any,
        rb"\bein\b|employer id|\btin\b|tax id",
    ),
)
"""Sources: HMRC NIM39110, NHS data dictionary, Canada T4127, BZSt, INSEE, RD 1553/2005, DM
12/03/1974, RvIG, Rijksregister, PESEL act, SKV 704, DVV, CPR, Skatteetaten, Receita Federal,
UIDAI, Income-tax rule 114, ATO, ICA, GB 11643, MOIS, DHA, RENAPO, IRS (ITIN, EIN)."""
