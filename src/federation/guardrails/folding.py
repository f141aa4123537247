"""Characters that look like others, and characters that nobody sees.

Everything is folded to one byte per character (Latin-1), so that the scan runs on bytes and
its offsets count characters. The trap: a fold that changes the number of characters is no
table entry but an edit (see `layers`), or offsets would drift.

Compatibility forms come from Unicode (NFKC, as UAX #15 has it); the look-alikes are a choice
from the confusables of UTS #39 that read as Latin letters or ASCII signs.
"""

from __future__ import annotations

import codecs
import functools
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from federation.guardrails.scripts import NAMES_PHONE, SIGNS, named, named_run

_LOOK_ALIKES: Final = (
    ("аɑα", "a"), ("ЬЪ", "b"), ("сϲ", "c"), ("ԁ", "d"), ("еҽє", "e"), ("ғ", "f"), ("ɡ", "g"),
    ("һհ", "h"), ("іıɩι", "i"), ("ј", "j"), ("кκ", "k"), ("ӏ", "l"), ("м", "m"), ("п", "n"),
    ("оοօσ", "o"), ("рρ", "p"), ("ԛ", "q"), ("г", "r"), ("ѕ", "s"), ("т", "t"), ("υս", "u"),
    ("ѵν", "v"), ("ԝω", "w"), ("хχ", "x"), ("уγү", "y"), ("ᴢ", "z"),
    ("АΑ", "A"), ("ВΒ", "B"), ("СϹ", "C"), ("ЕΕ", "E"), ("Ԍ", "G"), ("НΗ", "H"), ("ІΙӀ", "I"),
    ("Ј", "J"), ("КΚ", "K"), ("МΜ", "M"), ("Ν", "N"), ("ОΟՕ", "O"), ("РΡ", "P"), ("Ѕ", "S"),
    ("ТΤ", "T"), ("Ѵ", "V"), ("Ԝ", "W"), ("ХΧ", "X"), ("УΥҮ", "Y"), ("Ζ", "Z"),
    ("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u2043\u30fc\u00ac\u2e3a\u2500", "-"),
    ("\u00b7\u2022\u2024\u2026\u2027\u3002\uff61\u2219\u22c5\u30fb\u0701\u06d4", "."),
    ("\u00a0\u1680\u2028\u2029\u2800", " "), ("\u2044\u2215\u2571\u29f8", "/"),
    ("\u2018\u2019\u201a\u201b\u2032\u00b4\u02bc", "'"), ("\u201c\u201d\u201e\u201f\u2033", '"'),
    ("\u2236\u02d0\ua789", ":"), ("\u2016\u01c0\u2223", "|"), ("\u2217\u204e", "*"),
)  # fmt: skip
_UNSEEN: Final = (
    (0xAD, 0xAD), (0x300, 0x36F), (0x483, 0x489), (0x600, 0x605), (0x61C, 0x61C), (0x640, 0x640),
    (0x6DD, 0x6DD), (0x70F, 0x70F), (0x890, 0x891), (0x8E2, 0x8E2), (0x115F, 0x1160),
    (0x17B4, 0x17B5), (0x180B, 0x180F), (0x1AB0, 0x1AFF), (0x1DC0, 0x1DFF), (0x200B, 0x200F),
    (0x202A, 0x202E), (0x2060, 0x206F), (0x20D0, 0x20FF), (0x3164, 0x3164), (0xFE00, 0xFE0F),
    (0xFE20, 0xFE2F), (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0), (0xFFF0, 0xFFFB), (0x110BD, 0x110BD),
    (0x110CD, 0x110CD), (0x13430, 0x1343F), (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A),
    (0xE0000, 0xE001F), (0xE007F, 0xE007F), (0xE0100, 0xE01EF),
)  # fmt: skip
"""Zero-width, joining, directional and combining characters, soft hyphens, selectors, and all else
that Unicode has to steer what is shown. The tatweel only draws a word out."""
_COMPATIBLE: Final = (
    (0x80, 0x3400),
    (0xA640, 0xAC00),
    (0xF900, 0xFB50),
    (0xFE10, 0x10000),
    (0x104A0, 0x104AA),
    (0x11066, 0x11070),
    (0x1D400, 0x1D800),
    (0x1F100, 0x1F200),
    (0x1FBF0, 0x1FBFA),
)
"""Ranges that hold compatibility forms or digits of other scripts."""
_NOUGHTS: Final = (
    0xA620, 0x10D30, 0x10D40, 0x110F0, 0x11136, 0x111D0, 0x112F0, 0x11450, 0x114D0, 0x11650,
    0x116C0, 0x116D0, 0x116DA, 0x11730, 0x118E0, 0x11950, 0x11BF0, 0x11C50, 0x11D50, 0x11DA0,
    0x11F50, 0x16130, 0x16A60, 0x16AC0, 0x16B50, 0x16D70, 0x1CCF0, 0x1E140, 0x1E2F0, 0x1E4F0,
    0x1E5F1, 0x1E950,
)  # fmt: skip
"""The first of ten digits in a row, of scripts beside those ranges: some are younger than what the
oldest Python that we run on knows of Unicode (16.0: `extracted/DerivedNumericType.txt`)."""
_TAGS: Final = range(0xE0020, 0xE007F)
"""Tag characters: ASCII that no font shows."""
_ANY_TAG: Final = re.compile(f"[{chr(_TAGS[0])}-{chr(_TAGS[-1])}]")
_TAGS_IN_UTF_8: Final = b"\xf3\xa0"
"""What they and few others begin with."""
_WIDEST: Final = 4
_UNSEEN_SIGN: Final = "\u200b"
_LETTER, _SIGN, CHANGING, SEVERAL = 0xAA, 0x3F, 0x1A, 0x1C
"""What an unknown letter, an unknown sign, a character that is none and one that is several
become."""
_NAMED_SO: Final = chr(_LETTER)
"""The one letter that has a name, and the byte of those that have none."""
_LATIN_1, _SPACED, _BMP = 0x100, 0x0E00, 0x10000
_DENSE: Final = 20
"""From one character in so many beyond Latin-1 on, the whole text is looked up."""
_HANDLER: Final = "federation.fold"
_BYTES: Final = tuple(bytes((sign,)) for sign in range(256))


class Table(dict[int, Any]):
    """Code point to code point below 256, for `str.translate`; or to a string, or to None.

    What has no entry becomes an unnamed letter or a question mark and is remembered; the
    memory is bounded by the Basic Multilingual Plane.
    """

    def __missing__(self, code: int) -> int:
        """The fold of a character without an entry."""
        folded = self.otherwise(code)
        if code < _BMP:
            self[code] = folded
        return folded

    def otherwise(self, code: int) -> int:
        """What a character becomes that has no entry."""
        unnamed = _LETTER if _is_spaced_letter(code) else _SIGN
        return code if code < _LATIN_1 else unnamed


@dataclass(frozen=True, slots=True)
class Tables:
    """How characters are folded. `single`: one for one, CHANGING or SEVERAL where it is not;
    `row`: the same as a byte for each of the Basic Multilingual Plane, in half the time;
    `spelled`: the same with what becomes several written out and what nobody sees gone;
    `latin`: the same for bytes, some of which were folded before; `several`: what becomes several
    characters; `changing`: where."""

    single: Table
    row: bytes
    spelled: Table
    latin: bytes
    several: dict[str, str]
    changing: re.Pattern[str]


def _is_spaced_letter(code: int) -> bool:
    """A letter of a script that puts spaces between words; others border on values directly."""
    return code < _SPACED and chr(code).isalpha()


@functools.cache
def tables() -> Tables:
    """Takes some milliseconds once; a guard asks for it when it is made."""
    single, several = Table(), dict[str, str]()
    for code in _codes():
        folded = _fold(chr(code))
        if len(folded) == 1:
            single[code] = ord(folded)
        elif folded:
            several[chr(code)] = folded
            single[code] = SEVERAL
    single.update({nought + digit: 0x30 + digit for nought in _NOUGHTS for digit in range(10)})
    for signs, folded in _LOOK_ALIKES:
        single.update({ord(sign): ord(folded) for sign in signs})
        for sign in signs:
            several.pop(sign, None)
    single.update({code: code - 0xE0000 for code in _TAGS})
    single.update({ord(sign): NAMES_PHONE[0] for sign in SIGNS})
    single.update({code: CHANGING for low, high in _UNSEEN for code in range(low, high + 1)})
    unseen = "".join(f"{chr(low)}-{chr(high)}" for low, high in _UNSEEN)
    changing = re.compile(f"[{unseen}]+|[{re.escape(''.join(several))}]")
    latin = bytearray(single[code] for code in range(_LATIN_1))
    latin[_LETTER] = _LETTER  # an unnamed letter has been folded already
    codecs.register_error(_HANDLER, functools.partial(_fold_run, single))
    spelled = Table({code: several.get(chr(code), folded) for code, folded in single.items()})
    spelled.update({code: None for code, folded in single.items() if folded == CHANGING})
    return Tables(single, _row(single), spelled, bytes(latin), several, changing)


def _row(single: Table) -> bytes:
    """What `single` says, by code point: those that it has no entry for, and then the others."""
    row = bytearray((_SIGN,)) * _BMP
    row[:_SPACED] = bytes(single.otherwise(code) for code in range(_SPACED))
    for code, folded in single.items():
        if code < _BMP:
            row[code] = folded
    return bytes(row)


def _fold_run(single: Table, error: UnicodeError) -> tuple[bytes, int]:
    """A run of characters that Latin-1 does not have, one byte for each."""
    assert isinstance(error, UnicodeEncodeError)  # noqa: S101 - registered for encoding alone
    run = error.object[error.start : error.end]
    if len(run) == 1:
        return _BYTES[single[ord(run)]], error.end
    return named_run(run, bytes([single[ord(letter)] for letter in run])), error.end


def one_to_one(text: str) -> bytes:
    """`text` with each character folded to one byte; CHANGING or SEVERAL where it is not one."""
    if text.isascii():
        return text.encode("ascii")
    known = tables()
    beyond = len(text) - len(text.encode("latin-1", "ignore"))
    if beyond * _DENSE > len(text):
        by = known.single if _may_leave_the_plane(text) else known.row
        return named(text, text.translate(by).encode("latin-1"))
    if _NAMED_SO in text:
        text = text.replace(_NAMED_SO, chr(known.single[_LETTER]))
    return text.encode("latin-1", _HANDLER).translate(known.latin)


def without_tags(text: str) -> str:
    """`text` as it is shown, of the same length: with other unseen characters in the place of tags,
    which are read as ASCII where they are looked at, and hide values where they only stand between
    others. The same object where there are none."""
    if not _may_leave_the_plane(text):
        return text
    if _TAGS_IN_UTF_8 not in text.encode("utf-8", "surrogatepass"):
        return text
    return _ANY_TAG.sub(_UNSEEN_SIGN, text)


def _may_leave_the_plane(text: str) -> bool:
    """False where no character is beyond the Basic Multilingual Plane: with one each takes four
    bytes, or more are kept."""
    return text.__sizeof__() >= _WIDEST * len(text)


def readable(text: str) -> bytes:
    """`text` folded, of whatever length that is."""
    if text.isascii():
        return text.encode("ascii")
    known = tables()
    return one_to_one(known.changing.sub(lambda match: known.several.get(match.group(), ""), text))


def _codes() -> Iterable[int]:
    for low, high in _COMPATIBLE:
        yield from range(low, high)


def _fold(letter: str) -> str:
    """ASCII for a letter that has such a form; the letter itself below 256; else nothing."""
    digit = unicodedata.digit(letter, None)
    if digit is not None:
        return str(digit)
    plain = unicodedata.normalize("NFKC", letter)
    if not plain.isascii():
        bare = "".join(
            sign
            for sign in unicodedata.normalize("NFKD", letter)
            if not unicodedata.combining(sign)
        )
        plain = bare if bare.isascii() and ord(letter) >= _LATIN_1 else ""
    return plain
