"""How long a sound is, where its file says it in a place that is cheap to read.

A header can lie, so the size that really arrived decides where the two differ. Formats
whose length takes decoding (MP3) are not known here, nor is that of a recording whose writer did
not know it yet (MP4 in fragments, WebM of a browser).

References: RIFF/WAVE (Multimedia Programming Interface 1.0), RFC 9639 (FLAC), RFC 3533 (Ogg),
RFC 7845 (Opus in Ogg), ISO/IEC 14496-12 (MP4), RFC 8794 and RFC 9559 (WebM)
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

_MOST_CHUNKS: Final = 64
_TAIL: Final = 131_072
"""A page of Ogg is at most 65,307 bytes, so the last one begins within this."""
_LONGEST_S: Final = 1_000_000.0
_FIXED_RATE: Final = frozenset((1, 3, 6, 7, 0xFFFE))
"""WAVE formats in which a second always takes the same number of bytes."""
_OPUS_RATE: Final = 48_000
_FASTEST: Final = 2_500_000
"""Bytes that a second of pictures and sound takes at most: what a header says may not be less."""
_EBML: Final = b"\x1a\x45\xdf\xa3"
_SEGMENT, _INFO, _SCALE, _DURATION = 0x18538067, 0x1549A966, 0x2AD7B1, 0x4489


def seconds_of(body: bytes, start: int, end: int) -> float | None:
    """The length in seconds of the file at `body[start:end]`; None where it is not known."""
    head = body[start : min(start + 64, end)]
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        seconds = _wave(body, start + 12, end)
    elif head[:4] == b"fLaC":
        seconds = _flac(head)
    elif head[:4] == b"OggS":
        seconds = _ogg(body, start, end)
    elif head[4:8] == b"ftyp":
        seconds = _at_least(_mp4(body, start, end), end - start)
    elif head[:4] == _EBML:
        seconds = _at_least(_webm(body, start, end), end - start)
    else:
        return None
    return seconds if seconds is not None and 0 < seconds < _LONGEST_S else None


def _wave(body: bytes, at: int, end: int) -> float | None:
    per_second = 0
    for _ in range(_MOST_CHUNKS):
        if at + 8 > end:
            break
        name, size = body[at : at + 4], _little(body, at + 4, 4)
        at += 8
        if name == b"fmt " and size >= 16 and at + 16 <= end:
            if _little(body, at, 2) not in _FIXED_RATE:
                return None
            stated = _little(body, at + 8, 4)
            computed = _little(body, at + 4, 4) * _little(body, at + 12, 2)
            per_second = min(stated, computed)
        elif name == b"data":
            # A recorder that writes to a pipe leaves the size open (0 or all ones).
            return (end - at) / per_second if per_second else None
        at += size + (size & 1)
    return None


def _flac(head: bytes) -> float | None:
    if len(head) < 42 or head[4] & 0x7F != 0:
        return None
    packed = int.from_bytes(head[18:26], "big")
    rate, samples = packed >> 44, packed & 0xF_FFFF_FFFF
    return samples / rate if rate and samples else None


def _ogg(body: bytes, start: int, end: int) -> float | None:
    first = body[start : min(start + 128, end)]
    rate = 0
    if b"OpusHead" in first:
        rate = _OPUS_RATE
    elif (place := first.find(b"\x01vorbis")) >= 0 and len(first) >= place + 16:
        rate = _little(first, place + 12, 4)
    page = body.rfind(b"OggS", max(start, end - _TAIL), end)
    if not rate or page < 0 or page + 14 > end:
        return None
    samples = _little(body, page + 6, 8)
    return samples / rate if samples < 1 << 62 else None


def _at_least(seconds: float | None, size: int) -> float | None:
    return None if seconds is None or seconds <= 0 else max(seconds, size / _FASTEST)


def _mp4(body: bytes, start: int, end: int) -> float | None:
    """From the header of the movie, which may stand behind everything else."""
    for movie, at, until in _boxes(body, start, end):
        if movie == b"moov":
            for name, place, last in _boxes(body, at, until):
                if name == b"mvhd" and last - place >= 32:
                    long = body[place] == 1
                    scale = _big(body, place + (20 if long else 12), 4)
                    length = _big(body, place + (24 if long else 16), 8 if long else 4)
                    open_ended = length == (1 << (64 if long else 32)) - 1
                    return length / scale if scale and not open_ended else None
    return None


def _boxes(body: bytes, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Name, and where the content begins and ends, of the first boxes that lie side by side."""
    for _ in range(_MOST_CHUNKS):
        if at + 8 > end:
            return
        size, content = _big(body, at, 4), at + 8
        if size == 1:
            size, content = _big(body, at + 8, 8), at + 16
        until = end if size == 0 else at + size
        if until < content or until > end:
            return
        yield body[at + 4 : at + 8], content, until
        at = until


def _webm(body: bytes, start: int, end: int) -> float | None:
    for segment, at, until in _elements(body, start, end):
        if segment == _SEGMENT:
            for name, place, last in _elements(body, at, until):
                if name == _INFO:
                    return _stated(body, place, last)
    return None


def _stated(body: bytes, at: int, end: int) -> float | None:
    """The length that the information of a segment states, in seconds."""
    places = _elements(body, at, end)
    found = {name: body[place : min(last, place + 9)] for name, place, last in places}
    length, scale = found.get(_DURATION, b""), found.get(_SCALE, b"\x0f\x42\x40")
    if len(length) not in (4, 8) or len(scale) > 8:
        return None
    (ticks,) = struct.unpack(">f" if len(length) == 4 else ">d", length)
    return float(ticks) * int.from_bytes(scale, "big") / 1e9


def _elements(body: bytes, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """As `_boxes`, of EBML. A size that its writer did not know lasts to the end."""
    for _ in range(_MOST_CHUNKS):
        if at + 2 > end or not body[at]:
            return
        wide = 9 - body[at].bit_length()
        name, at = _big(body, at, wide), at + wide
        if at >= end or not body[at]:
            return
        wide = 9 - body[at].bit_length()
        size, unknown = _big(body, at, wide) & ((1 << 7 * wide) - 1), (1 << 7 * wide) - 1
        at += wide
        until = end if size == unknown else min(at + size, end)
        yield name, at, until
        at = until


def _big(body: bytes, at: int, size: int) -> int:
    return int.from_bytes(body[at : at + size], "big")


def _little(body: bytes, at: int, size: int) -> int:
    return int.from_bytes(body[at : at + size], "little")
