"""How long a film or recording is, by the header of its container."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.dialects.operations.sound import seconds_of

FTYP = struct.pack(">I4s4sI", 16, b"ftyp", b"isom", 0)
EBML = b"\x1a\x45\xdf\xa3\x84\x42\x86\x81\x01"


def box(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), name) + content


def large(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I4sQ", 1, name, 16 + len(content)) + content


def mvhd(length: int, scale: int = 1000, *, long: bool = False) -> bytes:
    times = struct.pack(">QQIQ", 0, 0, scale, length)
    if not long:
        times = struct.pack(">IIII", 0, 0, scale, length)
    return box(b"mvhd", bytes([long, 0, 0, 0]) + times + b"\0" * 80)


def element(name: bytes, content: bytes, *, known: bool = True) -> bytes:
    size = (len(content) | 1 << 56).to_bytes(8, "big") if known else b"\x01" + b"\xff" * 7
    return name + size + content


def webm(length: bytes, scale: bytes = b"\x0f\x42\x40", *, known: bool = True) -> bytes:
    told = element(b"\x2a\xd7\xb1", scale) + (element(b"\x44\x89", length) if length else b"")
    inside = element(b"\xec", b"\0" * 40) + element(b"\x15\x49\xa9\x66", told)
    return EBML + element(b"\x18\x53\x80\x67", inside + b"\x1f\x43\xb6\x75", known=known)


def told(body: bytes) -> float | None:
    return seconds_of(b"--x" + body + b"--x", 3, 3 + len(body))


@pytest.mark.parametrize(
    "body",
    [
        FTYP + box(b"moov", mvhd(90_500)) + box(b"mdat", b"\0" * 900),
        FTYP + box(b"free", b"") + large(b"mdat", b"\0" * 900) + box(b"moov", mvhd(90_500)),
        FTYP + box(b"moov", box(b"udta", b"x") + mvhd(90_500, long=True)),
        webm(struct.pack(">d", 90_500.0)),
        webm(struct.pack(">f", 905.0), b"\x05\xf5\xe1\x00", known=False),
    ],
)
def test_the_header_says_how_long_it_is(body: bytes) -> None:
    assert told(body) == pytest.approx(90.5)


@pytest.mark.parametrize(
    "body",
    [
        FTYP,
        FTYP + box(b"moov", b""),
        FTYP + box(b"moov", mvhd(0)),
        FTYP + box(b"moov", mvhd(0xFFFFFFFF)),
        FTYP + box(b"moov", mvhd(5, 0)),
        FTYP + box(b"moov", mvhd(5))[:40],
        FTYP + struct.pack(">I4s", 4, b"moov"),
        FTYP + box(b"free", b"") * 100 + box(b"moov", mvhd(5)),
        EBML,
        webm(b""),
        webm(b"\0" * 5),
        webm(struct.pack(">d", float("nan"))),
        webm(struct.pack(">d", float("inf"))),
        webm(struct.pack(">d", -5.0)),
        webm(struct.pack(">d", 5.0), b"\xff" * 400),
    ],
)
def test_one_that_does_not_say_it_is_of_unknown_length(body: bytes) -> None:
    assert told(body) is None


def test_a_header_that_says_less_than_can_be_is_not_believed() -> None:
    body = FTYP + box(b"mdat", b"\0" * 5_000_000) + box(b"moov", mvhd(1))
    assert told(body) == pytest.approx(2.0, rel=0.01)


@given(st.sampled_from([FTYP, EBML, webm(b"\0" * 8), FTYP + box(b"moov", mvhd(7))]), st.binary())
def test_whatever_follows_is_no_failure(head: bytes, rest: bytes) -> None:
    found = told(head + rest)
    assert found is None or found > 0
