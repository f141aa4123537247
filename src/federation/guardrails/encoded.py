"""Long runs of letters and digits without a gap: where keys stand, and texts that are encoded.

The traps: most long runs are words, paths and numbers; what tells them is asked before anything
is decoded. And whoever wraps a text in lines cuts values in two, so lines of one text are read as
one.
"""

from __future__ import annotations

import binascii
import re
import string
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Final

from federation.guardrails.patterns import compiled

_SIGNS: Final = (string.ascii_letters + string.digits + "+/_-").encode()
_LEAST: Final = 14
_SIGN: Final = b"[A-Za-z0-9+/_-]"
LONG: Final = _SIGN + b"{%d}" % _LEAST
"""What a long run begins with."""
_MANY: Final = 24
"""Runs, from which on it is worth to look at few of them."""
_SHAPES: Final = bytes(ord("a") if sign in _SIGNS else ord(" ") for sign in range(256))
_LONG_SHAPE: Final = b"a" * _LEAST
_READABLE: Final = compiled(rb"[\x20-\x7e\t\r\n]{9,}")
_READABLE_SHARE: Final = 0.75
_HEXADECIMAL: Final = re.compile(rb"(?:[2-7][0-9a-fA-F]|0[9aAdD]){7,}")
_LIKE_HEXADECIMAL: Final = re.compile(rb"[02-7]." * 7 + rb"|.[xX]")
"""What it begins with, and few numbers do."""
_MARKS_HEXADECIMAL: Final = frozenset(b"xX")
_AT_IN_PAIRS: Final = (b" 40 ", b":40:")
_DOT_IN_PAIRS: Final = (b" 2e ", b" 2E ", b":2e:", b":2E:")
_DIGITS_IN_PAIRS: Final = (
    re.compile(rb" 3[0-9] 3[0-9] 3[0-9] 3[0-9]"),
    re.compile(rb":3[0-9]:3[0-9]:3[0-9]:3[0-9]"),
)
"""What stands in a mailbox, and in a long number, in pairs of hexadecimal. Written out, because the
library finds what begins with two signs quickly."""
PAIRS_HINT: Final = (
    rb" 3[0-9] 3[0-9] 3[0-9] 3[0-9]|:3[0-9]:3[0-9]:3[0-9]:3[0-9]"
    rb"| 40 [2-7][0-9A-Fa-f] |:40:[2-7][0-9A-Fa-f]:"
)
"""What is in each text that `in_pairs` finds something in."""
_PAIRS: Final = compiled(rb"\b(?:[2-7][0-9a-fA-F][ :]){7,}[2-7][0-9a-fA-F]\b")
_NO_HEX: Final = b" :"
_BEGINS_ASCII: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef")
"""The first half of base64's alphabet: the first bit of what it stands for is nought."""
_ALPHABET: Final = (string.ascii_uppercase + string.ascii_lowercase + string.digits).encode()
_SECOND, _THIRD = (
    frozenset(sign for value, sign in enumerate(_ALPHABET) if not value & bit) for bit in (8, 2)
)
"""What may stand second and third where the next two bytes are ASCII, too: neither `+` nor `/`."""
_BEGINS_ENCODED: Final = _BEGINS_ASCII | frozenset(b"0234567")
_PEEK: Final = 8
"""Decoded bytes that tell noise from text."""
_DIGIT: Final = re.compile(rb"[0-9]")
_BEFORE, _BEHIND = 24, 512
"""How far a value may reach beyond the long run in it."""
_ISSUED: Final = (b"AKIA", b"ASIA", b"ABIA", b"ACCA")
_PADDING: Final = ord("=")
_SHORTEST_LINE: Final = 40
_BEFORE_LINE: Final = (b"\n", b"\r", b" ", b"\t")
_LINE_BREAK: Final = re.compile(rb"[ \t]{0,8}(?:\r\n?|\n)[ \t>]{0,32}")
_REST: Final = re.compile(_SIGN + b"{1,%d}={0,2}(?![A-Za-z0-9+/=_-])" % (_LEAST - 1))
"""The last line of a text, where it is too short for a long run."""
_URL_SAFE: Final = bytes.maketrans(b"-_", b"+/")


_WIDE: Final = bytes(4)
"""Every other byte of ASCII in UTF-16, as some shells take their commands in base64."""


def long_runs(data: bytes) -> list[tuple[int, int]]:
    """Where letters, digits and the signs of base64 stand without a gap for long, with what base64
    ends with."""
    shape = data.translate(_SHAPES)
    runs: list[tuple[int, int]] = []
    start = shape.find(_LONG_SHAPE)
    while start >= 0:
        end = shape.find(b" ", start + _LEAST)
        if end < 0:
            end = len(data)
        elif data[end] == _PADDING:
            end += 1 + data.startswith(b"=", end + 1)
        runs.append((start, end))
        start = shape.find(_LONG_SHAPE, end)
    return runs


def around(data: bytes, runs: list[tuple[int, int]], size: int) -> list[tuple[int, int]]:
    """Windows about those long runs that are no plain words or numbers, merged where they
    meet, as far as `size`."""
    windows: list[tuple[int, int]] = []
    low, high = 0, -1
    last, many = -1, len(runs) > _MANY
    for index, (start, end) in enumerate(runs):
        if start - _BEFORE > high:
            if _is_plain(data[start:end]):
                continue
            if high >= 0:
                windows.append((low, high))
            low, high = max(0, start - _BEFORE), min(size, end + _BEHIND)
        elif high == size:
            break
        elif not many:
            if not _is_plain(data[start:end]):
                high = min(size, end + _BEHIND)
        elif index > last:  # of the runs that begin in the window the last one counts
            last = bisect_right(runs, (high + _BEFORE, size)) - 1
            for start, end in runs[last : index - 1 if index else None : -1]:
                if not _is_plain(data[start:end]):
                    high = min(size, end + _BEHIND)
                    break
    if high >= 0:
        windows.append((low, high))
    return windows


def _is_plain(run: bytes) -> bool:
    """Whether a run is a word, or digits alone. One key in thirty of an issuer that writes them in
    capitals and few digits has no digit."""
    if run.isdigit():
        return True
    if run.islower() or run.isupper() or run.istitle():
        return _DIGIT.search(run) is None and not run.startswith(_ISSUED)
    return False


@dataclass(frozen=True, slots=True)
class Encoded:
    """A readable text that stands encoded in another one, in one place or in several lines."""

    lines: tuple[tuple[int, int], ...]
    text: str
    """Bytes that are no UTF-8 are lone surrogates in it."""
    is_hexadecimal: bool = False
    _places: list[int] = field(default_factory=list, init=False, repr=False, compare=False)
    """Where each character begins, in bytes: worked out for the first value, for all of them."""

    @property
    def place(self) -> tuple[int, int]:
        """All of it."""
        return self.lines[0][0], self.lines[-1][1]

    def lines_of(self, start: int, end: int) -> tuple[int, int]:
        """The place of the lines that these characters of the text stand in."""
        low, high = start, end - 1
        if not self.text.isascii():
            places = self._places
            if not places:
                sizes = (len(sign.encode("utf-8", "surrogateescape")) for sign in self.text)
                places += [0, *accumulate(sizes)]
            low, high = places[start], places[end] - 1
        width = self.lines[0][1] - self.lines[0][0]
        if self.is_hexadecimal:  # with the mark that may stand before it
            first, last = 2 * low // width, (2 * high + 3) // width
        else:
            first, last = low * 4 // 3 // width, (high * 4 + 3) // 3 // width
        at_last = len(self.lines) - 1
        return self.lines[min(first, at_last)][0], self.lines[min(last, at_last)][1]


def encoded(data: bytes, runs: list[tuple[int, int]]) -> Iterator[Encoded]:
    """Which of the long runs are base64 or hexadecimal for readable text, and which are lines of
    one: where, and what."""
    read = alone = 0
    for index, (start, end) in enumerate(runs):
        if start < read or data[start] not in _BEGINS_ENCODED:
            continue
        is_hexadecimal = data[start] not in _BEGINS_ASCII
        if is_hexadecimal:
            if _LIKE_HEXADECIMAL.match(data, start) is None:
                continue
        elif not (data[start + 1] in _SECOND and data[start + 2] in _THIRD):
            continue
        run = data[start:end]
        if not is_hexadecimal and (run.islower() or run.isupper()):  # a word
            continue
        raw = _raw(run)
        if raw is None or not raw[:_PEEK].isascii():
            continue
        if end - start >= _SHORTEST_LINE and start >= alone and data[end : end + 1] in _BEFORE_LINE:
            lines = _lines(data, runs, index)
            alone = lines[-1][1]
            together = _raw(b"".join([data[low:high] for low, high in lines]))
            if len(lines) > 1 and together is not None and _is_readable(together):
                read = alone
                yield Encoded(tuple(lines), _text(together), is_hexadecimal)
                continue
        if _is_readable(raw):
            yield Encoded(((start, end),), _text(raw), is_hexadecimal)
        elif raw[1 : len(_WIDE) * 2 : 2] == _WIDE:
            yield Encoded(((start, end),), raw.decode("utf-16-le", "replace"), is_hexadecimal)


def in_pairs(data: bytes) -> Iterator[Encoded]:
    """Texts in hexadecimal with a blank or a colon behind each character."""
    has_mailbox = (
        b"4" in data
        and any(at in data for at in _AT_IN_PAIRS)
        and any(dot in data for dot in _DOT_IN_PAIRS)
    )
    if has_mailbox or (
        b"3" in data and any(digits.search(data) is not None for digits in _DIGITS_IN_PAIRS)
    ):
        for start, end in _PAIRS.spans(data):
            pairs = data[start:end].translate(None, _NO_HEX)
            raw = bytes.fromhex(pairs.decode("ascii"))
            yield Encoded(((start, end),), raw.decode("ascii", "replace"), is_hexadecimal=True)


def _lines(data: bytes, runs: list[tuple[int, int]], index: int) -> list[tuple[int, int]]:
    """The runs from this one on that are lines of one text: all as long as the first, and one that
    may be shorter behind them."""
    start, end = runs[index]
    width, lines = end - start, [(start, end)]
    while (gap := _LINE_BREAK.match(data, end)) is not None:
        start, index = gap.end(), index + 1
        if index < len(runs) and runs[index][0] == start:
            end = runs[index][1]
        else:  # too short for a long run
            rest = _REST.match(data, start)
            end = start if rest is None else rest.end()
        if not 0 < end - start <= width:
            break
        lines.append((start, end))
        if end - start < width:
            break
    return lines


def _is_readable(raw: bytes) -> bool:
    readable = sum(stop - begin for begin, stop in _READABLE.spans(raw))
    return readable >= _READABLE_SHARE * len(raw)


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def _raw(run: bytes) -> bytes | None:
    """What a run stands for, if it may be encoded: words are of one case or hold no digit; text in
    base64 mixes cases and begins with a letter of ASCII's half, in hexadecimal it has digits."""
    if run[0] not in _BEGINS_ASCII:
        if run[1] in _MARKS_HEXADECIMAL:
            run = run[2:]
        return bytes.fromhex(run.decode("ascii")) if _HEXADECIMAL.fullmatch(run) else None
    if run.islower() or run.isupper():
        return None
    body = run.rstrip(b"=")
    if len(body) % 4 == 1:
        body = body[:-1]
    try:
        return binascii.a2b_base64(body.translate(_URL_SAFE) + b"=" * (-len(body) % 4))
    except binascii.Error:
        return None
