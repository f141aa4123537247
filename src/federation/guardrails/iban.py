"""International bank account numbers: ISO 13616, structures of the SWIFT IBAN registry.

A structure is written as the registry writes it: `4a14n` is four letters and fourteen digits,
`c` is either. The trap: words follow without a border where a number is written in groups,
so it is read as far as its country says and no further.
"""

from __future__ import annotations

import functools
import re
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
_GAP: Final = 3
"""The most separators between two characters."""
_CLASS: Final = {"n": "[0-9]", "a": "[A-Z]", "c": "[0-9A-Z]"}
_LETTERS_AS_DIGITS: Final = str.maketrans("OQILSBZ", "0011582")


def _codes() -> bytes:
    pairs = [f"{code[0]}[ ._-]?{code[1]}" for code in STRUCTURES]
    return "|".join(pairs).encode()


HEAD: Final = rb"(?:" + _codes() + rb")[ \t\n.,_/|*:~-]{0,3}[0-9][ \t\n.,_/|*:~-]{0,3}[0-9]"
"""Country and check digits; upper and lower case."""


@functools.cache
def _parts(country: str) -> tuple[int, re.Pattern[str], str]:
    """Length of the whole, its form, and the kind of each character."""
    counts = re.findall(r"(\d+)([nac])", STRUCTURES[country])
    kinds = "aann" + "".join(kind * int(count) for count, kind in counts)
    form = "".join(_CLASS[kind] for kind in kinds)
    return len(kinds), re.compile(form), kinds


def _characters(data: bytes, start: int, wanted: int) -> tuple[str, int]:
    """Up to `wanted` letters and digits from `start`, and where they end."""
    found, at, gap, end = bytearray(), start, 0, start
    while at < len(data) and len(found) < wanted and gap <= _GAP:
        byte = data[at]
        if byte < 128 and chr(byte).isalnum():  # noqa: PLR2004 - ASCII
            found.append(byte)
            gap, end = 0, at + 1
        elif byte in SEPARATORS:
            gap += 1
        else:
            break
        at += 1
    return found.decode("ascii").upper(), end


def end_of(data: bytes, start: int) -> int:
    """Where the account number that begins at `start` ends; -1 where none begins."""
    head, _ = _characters(data, start, 4)
    if head[:2] not in STRUCTURES:
        return -1
    length, form, kinds = _parts(head[:2])
    text, end = _characters(data, start, length)
    if len(text) < length:
        return -1
    read = "".join(
        letter.translate(_LETTERS_AS_DIGITS) if kind == "n" else letter
        for letter, kind in zip(text, kinds, strict=True)
    )
    if form.fullmatch(read) is None or not valid(read):
        return -1
    following = data[end : end + 1]
    return -1 if following.isdigit() else end


def may_grow(data: bytes, start: int) -> bool:
    """Whether more characters at the end of `data` could still make a number of it."""
    head, _ = _characters(data, start, 4)
    if len(head) < 4 or head[:2] not in STRUCTURES:  # noqa: PLR2004 - country, check digits
        return len(head) < 4  # noqa: PLR2004
    length, _, kinds = _parts(head[:2])
    text, end = _characters(data, start, length)
    if len(data) - end > _GAP or any(byte not in SEPARATORS for byte in data[end:]):
        return False
    fits = all(
        kind == "c" or letter.translate(_LETTERS_AS_DIGITS).isdigit() == (kind == "n")
        or letter.isalpha() == (kind == "a")
        for letter, kind in zip(text, kinds, strict=False)
    )
    return fits and len(text) <= length


def valid(text: str) -> bool:
    """ISO 7064 MOD 97-10 over the rearranged characters, in capitals and without separators."""
    if not text[2:4].isdigit() or text[2:4] in ("00", "01", "99"):
        return False
    turned = text[4:] + text[:4]
    return int("".join(str(int(letter, 36)) for letter in turned)) % 97 == 1
