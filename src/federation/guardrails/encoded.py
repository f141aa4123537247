"""Long runs of letters and digits without a gap: where keys stand, and texts that are encoded.

The trap: most long runs are words, paths and numbers; what tells them is asked before anything
is decoded.
"""

from __future__ import annotations

import binascii
import re
import string
from collections.abc import Iterator
from itertools import islice
from typing import Final

from federation.guardrails.patterns import compiled

_SIGNS: Final = (string.ascii_letters + string.digits + "+/_-").encode()
_LEAST: Final = 14
_SIGN: Final = b"[A-Za-z0-9+/_-]"
LONG: Final = _SIGN + b"{%d}" % _LEAST
"""What a long run begins with."""
_ENCODED: Final = compiled(_SIGN + b"{%d,}={0,2}" % _LEAST)
_FEW: Final = 12
"""Runs in a text, from which on it is one of keys, digests or paths."""
_SHAPES: Final = bytes(ord("a") if sign in _SIGNS else ord(" ") for sign in range(256))
_LONG_SHAPE: Final = b"a" * _LEAST
_READABLE: Final = compiled(rb"[\x20-\x7e\t\r\n]{9,}")
_READABLE_SHARE: Final = 0.75
_HEXADECIMAL: Final = re.compile(rb"(?:[2-7][0-9a-fA-F]|0[9aAdD]){7,}")
_BEGINS_ASCII: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef")
"""The first half of base64's alphabet: the first bit of what it stands for is nought."""
_BEGINS_ENCODED: Final = _BEGINS_ASCII | frozenset(b"0234567")
_PEEK: Final = 8
"""Decoded bytes that tell noise from text."""
_DIGIT: Final = re.compile(rb"[0-9]")
_BEFORE, _BEHIND = 16, 512
"""How far a value may reach beyond the long run in it."""
_PADDING: Final = ord("=")
_URL_SAFE: Final = bytes.maketrans(b"-_", b"+/")


def long_runs(data: bytes) -> list[tuple[int, int]]:
    """Where letters, digits and the signs of base64 stand without a gap for long, with what base64
    ends with."""
    runs = list(islice(_ENCODED.spans(data), _FEW))
    return runs if len(runs) < _FEW else runs + _more_runs(data, runs[-1][1])


def _more_runs(data: bytes, start: int) -> list[tuple[int, int]]:
    """The same from `start` on, for texts that hold many: what is said of one costs less here, and
    going over words more."""
    shape = data.translate(_SHAPES)
    runs: list[tuple[int, int]] = []
    start = shape.find(_LONG_SHAPE, start)
    while start >= 0:
        end = shape.find(b" ", start + _LEAST)
        if end < 0:
            end = len(data)
        elif data[end] == _PADDING:
            end += 1 + data.startswith(b"=", end + 1)
        runs.append((start, end))
        start = shape.find(_LONG_SHAPE, end)
    return runs


def around(data: bytes, runs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Windows about those long runs that are no plain words or numbers, merged where they
    meet."""
    windows: list[tuple[int, int]] = []
    size, low, high = len(data), 0, -1
    for start, end in runs:
        if start - _BEFORE > high or high < size:
            run = data[start:end]
            plain = run.islower() or run.isupper() or run.istitle()
            if run.isdigit() or (plain and _DIGIT.search(run) is None):
                continue
            if start - _BEFORE > high:
                if high >= 0:
                    windows.append((low, high))
                low = max(0, start - _BEFORE)
            high = min(size, end + _BEHIND)
    if high >= 0:
        windows.append((low, high))
    return windows


def encoded(data: bytes, runs: list[tuple[int, int]]) -> Iterator[tuple[int, int, str]]:
    """Which of the long runs are base64 or hexadecimal for readable text: where, and what."""
    for start, end in runs:
        if data[start] not in _BEGINS_ENCODED:
            continue
        raw = _raw(data[start:end])
        if raw is None or not raw[:_PEEK].isascii():
            continue
        readable = sum(stop - begin for begin, stop in _READABLE.spans(raw))
        if readable >= _READABLE_SHARE * len(raw):
            yield start, end, raw.decode("utf-8", "replace")


def _raw(run: bytes) -> bytes | None:
    """What a run stands for, if it may be encoded: words are of one case or hold no digit; text in
    base64 mixes cases and begins with a letter of ASCII's half, in hexadecimal it has digits."""
    if run[0] not in _BEGINS_ASCII:
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
