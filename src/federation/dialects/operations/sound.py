"""How long a sound is, where its file says it in a place that is cheap to read.

A header can lie, so the size that really arrived decides where the two differ. Formats
whose length takes decoding (MP3, MP4, WebM) are not known here.

References: RIFF/WAVE (Multimedia Programming Interface 1.0), RFC 9639 (FLAC), RFC 3533 (Ogg),
RFC 7845 (Opus in Ogg)
"""

from __future__ import annotations

from typing import Final

_MOST_CHUNKS: Final = 64
_TAIL: Final = 131_072
"""A page of Ogg is at most 65,307 bytes, so the last one begins within this."""
_LONGEST_S: Final = 1_000_000.0
_FIXED_RATE: Final = frozenset((1, 3, 6, 7, 0xFFFE))
"""WAVE formats in which a second always takes the same number of bytes."""
_OPUS_RATE: Final = 48_000


def seconds_of(body: bytes, start: int, end: int) -> float | None:
    """The length in seconds of the file at `body[start:end]`; None where it is not known."""
    head = body[start : min(start + 64, end)]
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        seconds = _wave(body, start + 12, end)
    elif head[:4] == b"fLaC":
        seconds = _flac(head)
    elif head[:4] == b"OggS":
        seconds = _ogg(body, start, end)
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


def _little(body: bytes, at: int, size: int) -> int:
    return int.from_bytes(body[at : at + size], "little")
