"""Long runs of letters and digits without a gap: where keys stand, and texts that are encoded.

The trap: most long runs are words, paths and numbers; what tells them is asked before anything
is decoded.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from typing import Final

from federation.guardrails.patterns import compiled

_SIGN: Final = rb"[A-Za-z0-9+/_-]"
LONG: Final = _SIGN + rb"{14}"
"""What a long run begins with."""
_ENCODED: Final = compiled(_SIGN + rb"{14,}={0,2}")
_READABLE: Final = compiled(rb"[\x20-\x7e\t\r\n]{9,}")
_READABLE_SHARE: Final = 0.75
_HEXADECIMAL: Final = re.compile(rb"(?:[2-7][0-9a-fA-F]|0[9aAdD]){7,}")
_BEGINS_ASCII: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef")
"""The first half of base64's alphabet: the first bit of what it stands for is nought."""
_PEEK: Final = 8
"""Decoded bytes that tell noise from text."""
_NO_DIGITS: Final = bytes(sign for sign in range(256) if chr(sign) not in "0123456789")
_BEFORE, _BEHIND = 16, 512
"""How far a value may reach beyond the long run in it."""
_URL_SAFE: Final = bytes.maketrans(b"-_", b"+/")


def long_runs(data: bytes) -> list[tuple[int, int]]:
    """Where letters, digits and the signs of base64 stand without a gap for long."""
    return list(_ENCODED.spans(data))


def around(data: bytes, runs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Windows about those long runs that are no plain words or numbers, merged where they
    meet."""
    windows: list[tuple[int, int]] = []
    for start, end in runs:
        run = data[start:end]
        if run.isdigit():
            continue
        if not run.translate(None, _NO_DIGITS) and (
            run.islower() or run.isupper() or run.istitle()
        ):
            continue
        low, high = max(0, start - _BEFORE), min(len(data), end + _BEHIND)
        if windows and windows[-1][1] >= low:
            low = windows.pop()[0]
        windows.append((low, high))
    return windows


def encoded(data: bytes, runs: list[tuple[int, int]]) -> Iterator[tuple[int, int, str]]:
    """Which of the long runs are base64 or hexadecimal for readable text: where, and what."""
    for start, end in runs:
        raw = _raw(data[start:end])
        if raw is None or not raw[:_PEEK].isascii():
            continue
        readable = sum(stop - begin for begin, stop in _READABLE.spans(raw))
        if readable >= _READABLE_SHARE * len(raw):
            yield start, end, raw.decode("utf-8", "replace")


def _raw(run: bytes) -> bytes | None:
    """What a run stands for, if it may be encoded: words are of one case or hold no digit; text in
    base64 mixes cases and begins with a letter of ASCII's half, in hexadecimal it has digits."""
    if _HEXADECIMAL.fullmatch(run):
        return bytes.fromhex(run.decode("ascii"))
    if run[0] not in _BEGINS_ASCII or run.islower() or run.isupper():
        return None
    body = run.rstrip(b"=")
    if len(body) % 4 == 1:
        body = body[:-1]
    try:
        return binascii.a2b_base64(body.translate(_URL_SAFE) + b"=" * (-len(body) % 4))
    except binascii.Error:
        return None
