"""International bank account numbers: ISO 13616, structures of the SWIFT IBAN registry.

A structure is written as the registry writes it: `4a14n` is four letters and fourteen digits,
`c` is either. The trap: words follow without a border where a number is written in groups,
so it is read as far as its country says and no further.
"""

from __future__ import annotations

import functools
import re
import string
from typing import Final

STRUCTURES: Final = {
    "AD": "8n12c", "AE": "19n", "AL": "8n16c", "AT": "16n", "AZ": "4a20c", "BA": "16n",
    "BE": "12n", "BG": "4a6n8c", "BH": "4a14c", "BI": "23n", "BR": "23n1a1c", "BY": "4c4n16c",
    "CH": "5n12c", "CR": "18n", "CY": "8n16c", "CZ": "20n", "DE": "18n", "DJ": "23n",
    "DK": "14n", "DO": "4c20n", "EE": "16n", "EG": "25n", "ES": "20n", "FI": "14n",
    "FK": "2a12n", "FO": "14n", "FR": "10n11c2n", "GB": "4a14n", "GE": "2a16n", "GI": "4a15c",
    "GL": "14n", "GR": "7n16c", "GT": "4c20c", "HN": "4a20n", "HR": "17n", "HU": "24n",
    "IE": "4a14n", "IL": "19n", "IQ": "4a15n", "IS": "22n", "IT": "1a10n12c", "JO": "4a4n18c",
    "KW": "4a22c", "KZ": "3n13c", "LB": "4n20c", "LC": "4a24c", "LI": "5n12c", "LT": "16n",
    "LU": "3n13c", "LV": "4a13c", "LY": "21n", "MC": "10n11c2n", "MD": "20c", "ME": "18n",
    "MK": "3n10c2n", "MN": "16n", "MR": "23n", "MT": "4a5n18c", "MU": "4a19n3a", "NI": "4a20n",
    "NL": "4a10n", "NO": "11n", "OM": "3n16c", "PK": "4a16c", "PL": "24n", "PS": "4a21c",
    "PT": "21n", "QA": "4a21c", "RO": "4a16c", "RS": "18n", "RU": "14n15c", "SA": "2n18c",
    "SC": "4a20n3a", "SD": "14n", "SE": "20n", "SI": "15n", "SK": "20n", "SM": "1a10n12c",
    "SO": "19n", "ST": "21n", "SV": "4a20n", "TL": "19n", "TN": "20n", "TR": "6n16c",
    "UA": "6n19c", "VA": "18n", "VG": "4a16n", "XK": "16n", "YE": "4a4n18c",
}  # fmt: skip
SEPARATORS: Final = b" \t\n.,-_/|*:~"
_MARKS: Final = frozenset(b".,-_/|*:~")
_GAP: Final = 3
"""The most separators between two characters."""
_REACH: Final = 34 * (_GAP + 1)
_SIGNS: Final = {
    "n": string.digits + "OQILSBZ",
    "a": string.ascii_uppercase,
    "c": string.digits + string.ascii_uppercase,
}
_WORD: Final = re.compile(rb"[A-Z]{2}[0-9]{2}[A-Z0-9]{10,31}(?![A-Za-z0-9])")
_COUNTS: Final = re.compile(r"(\d+)([nac])")
_NUMBERED: Final = {ord(letter): str(int(letter, 36)) for letter in string.ascii_uppercase}
_SMALL_AS_DIGITS: Final = bytes.maketrans(b"lo", b"10")
"""Small letters that stand for digits among capitals."""
_LETTERS_AS_DIGITS: Final = str.maketrans("OQILSBZ", "0011582")


def _codes(between: str) -> bytes:
    return "|".join(code[0] + between + code[1] for code in STRUCTURES).encode()


_APART: Final = rb"[ \t\n.,_/|*:~-]{0,2}"
HEAD: Final = (rb"(?:" + _codes("[ ._-]?") + rb")" + _APART + rb"[0-9]" + _APART + rb"[0-9]") + (
    rb"|(?i:" + _codes("") + rb")[0-9]{2}"
)
"""Country and check digits: set apart in capitals, together in either case."""


_SPREAD: Final = {
    size: re.compile(
        b"(?:[%b]{0,%d}[^%b]){%d}" % (re.escape(SEPARATORS), _GAP, re.escape(SEPARATORS), size)
    )
    for size in {
        4 + sum(int(part) for part, _ in _COUNTS.findall(form)) for form in STRUCTURES.values()
    }
}
"""So many letters and digits with gaps between them that are not too long."""


@functools.cache
def _parts(country: str) -> tuple[str, tuple[tuple[int, int, str], ...]]:
    """The kind of each character, and from where to where which signs may stand."""
    kinds = "aann"
    parts = [(2, 4, _SIGNS["n"])]
    for size, kind in _COUNTS.findall(STRUCTURES[country]):
        parts.append((len(kinds), len(kinds) + int(size), _SIGNS[kind]))
        kinds += kind * int(size)
    return kinds, tuple(parts)


def _fits(text: str, parts: tuple[tuple[int, int, str], ...]) -> bool:
    """Whether each part is there and of its signs."""
    return len(text) >= parts[-1][1] and not any(
        text[start:end].strip(signs) for start, end, signs in parts
    )


def _bare(data: bytes, start: int) -> str:
    """Letters and digits from `start` on, capitals, as far as the longest number and more."""
    return data[start : start + _REACH].translate(None, SEPARATORS).decode("latin-1").upper()


def _end(data: bytes, start: int, count: int) -> int:
    """Where `count` letters and digits from `start` on end; -1 where the gaps are too long."""
    match = _SPREAD[count].match(data, start, start + _REACH)
    return -1 if match is None else match.end()


def end_of(data: bytes, start: int) -> int:
    """Where the account number that begins at `start` ends; -1 where none begins."""
    text = _bare(data, start)
    if text[:2] not in STRUCTURES:
        return -1
    kinds, parts = _parts(text[:2])
    if not _fits(text, parts):
        return _end_of_odd(data, start, kinds)
    number = text[: len(kinds)]
    if not valid(number):
        read = _read(number, kinds)
        if read == number or not valid(read):
            return _end_of_odd(data, start, kinds)
    end = _end(data, start, len(kinds))
    if data[end : end + 1].isdigit() or not _is_written_as_one(data, start, end):
        return -1
    return end


def _is_written_as_one(data: bytes, start: int, end: int) -> bool:
    """Whether its letters are of one case, small ones in groups no end of a word, and no two signs
    besides blanks set its parts apart: else it is a package's version, or a path of a drawing."""
    value = data[start:end]
    if len(_MARKS.intersection(value)) > 1:
        return False
    written = value.translate(_SMALL_AS_DIGITS)
    if written == written.upper():
        return True
    if value[1:] != value[1:].lower():
        return False
    return value.isalnum() or not data[max(0, start - 1) : start].isalpha()


def _end_of_odd(data: bytes, start: int, kinds: str) -> int:
    """The same where one sign is missing or too many: its check digits vouch for what is written,
    as one word and in capitals, with letters and digits where its country has them."""
    word = _WORD.match(data, start)
    if word is None or data[max(0, start - 1) : start].isalnum():
        return -1
    text, size = word[0].decode("ascii"), len(kinds)
    if abs(len(text) - size) != 1:
        return -1
    fits = all(
        sign.isdigit() if kind == "n" else kind == "c" or sign.isalpha()
        for sign, kind in zip(text, kinds + kinds[-1], strict=False)
    )
    return word.end() if fits and valid(text) else -1


def _read(text: str, kinds: str) -> str:
    """Letters that look like digits, where only a digit can stand, as digits."""
    if text[2:].isdigit():
        return text
    return "".join(
        letter.translate(_LETTERS_AS_DIGITS) if kind == "n" else letter
        for letter, kind in zip(text, kinds, strict=True)
    )


def valid(text: str) -> bool:
    """ISO 7064 MOD 97-10 over the rearranged characters, in capitals and without separators."""
    if not text[2:4].isdigit() or text[2:4] in ("00", "01", "99"):
        return False
    turned = text[4:] + text[:4]
    return int(turned.translate(_NUMBERED)) % 97 == 1
