"""The binary event stream: any cut, every header type, and nothing damaged gets through."""

from __future__ import annotations

import contextlib
import struct
from typing import Any
from uuid import UUID
from zlib import crc32

import pytest
from botocore.eventstream import EventStreamBuffer, EventStreamMessage
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.dialects.aws_eventstream import (
    FRAME_LIMIT,
    HEADERS_LIMIT,
    Frame,
    FrameCutter,
    Value,
    read_headers,
    write_frame,
    write_headers,
)
from federation.dialects.sse import EVENT_LIMIT
from federation.errors import UpstreamGarbled

NAMES = st.text(min_size=1, max_size=20).filter(lambda name: len(name.encode()) < 256)
VALUES: st.SearchStrategy[Any] = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.binary(max_size=40),
    st.text(max_size=40),
    st.uuids(),
)
HEADERS = st.dictionaries(NAMES, VALUES, max_size=5)
FRAMES = st.lists(st.tuples(HEADERS, st.binary(max_size=80)), max_size=5)


def vendor_frames(data: bytes) -> list[EventStreamMessage]:
    buffer = EventStreamBuffer()
    buffer.add_data(data)
    return list(buffer)


def vendor_value(value: Value) -> object:
    return value.bytes if isinstance(value, UUID) else value


@settings(deadline=None, max_examples=80)
@given(frames=FRAMES, cuts=st.lists(st.integers(0, 2000), max_size=6))
def test_any_cut_of_the_bytes_gives_the_same_frames(
    frames: list[tuple[dict[str, Value], bytes]], cuts: list[int]
) -> None:
    written = [write_frame(write_headers(headers), payload) for headers, payload in frames]
    data = b"".join(written)
    cutter = FrameCutter()
    seen: list[Frame] = []
    at = 0
    for cut in [*sorted(cuts), len(data)]:
        seen += cutter.feed(data[at:cut])
        at = max(at, min(cut, len(data)))
    assert [frame.data for frame in seen] == written
    assert [(frame.headers, frame.payload) for frame in seen] == frames
    assert not cutter.holding


@settings(deadline=None, max_examples=80)
@given(frames=FRAMES)
def test_the_official_client_reads_the_same(
    frames: list[tuple[dict[str, Value], bytes]],
) -> None:
    data = b"".join(write_frame(write_headers(headers), payload) for headers, payload in frames)
    seen = vendor_frames(data)
    assert [(message.headers, message.payload) for message in seen] == [
        ({name: vendor_value(value) for name, value in headers.items()}, payload)
        for headers, payload in frames
    ]


def test_each_header_type_is_read() -> None:
    block = b"".join(
        bytes((1,)) + name + bytes((kind,)) + data
        for name, kind, data in (
            (b"a", 0, b""),
            (b"b", 1, b""),
            (b"c", 2, b"\xff"),
            (b"d", 3, struct.pack(">h", -2)),
            (b"e", 4, struct.pack(">i", -3)),
            (b"f", 5, struct.pack(">q", 2**40)),
            (b"g", 6, b"\x00\x02\xff\x00"),
            (b"h", 7, b"\x00\x02\xc3\xa9"),
            (b"i", 8, struct.pack(">q", 1_790_000_000_000)),
            (b"j", 9, bytes(range(16))),
        )
    )
    assert read_headers(block) == {
        "a": True,
        "b": False,
        "c": -1,
        "d": -2,
        "e": -3,
        "f": 2**40,
        "g": b"\xff\x00",
        "h": "é",
        "i": 1_790_000_000_000,
        "j": UUID(bytes=bytes(range(16))),
    }


@settings(deadline=None, max_examples=200)
@given(place=st.integers(0, 10_000), flip=st.integers(1, 255))
def test_a_changed_byte_is_never_passed_on(place: int, flip: int) -> None:
    data = bytearray(write_frame(write_headers({":event-type": "x", "n": 7}), b'{"text":"Hello"}'))
    data[place % len(data)] ^= flip
    with pytest.raises(UpstreamGarbled):
        FrameCutter().feed(bytes(data))


@settings(deadline=None, max_examples=200)
@given(block=st.binary(max_size=60))
def test_no_header_block_raises_anything_else(block: bytes) -> None:
    with contextlib.suppress(UpstreamGarbled):
        read_headers(block)


def framed(total: int, head: int) -> bytes:
    lengths = struct.pack(">II", total, head)
    return lengths + struct.pack(">I", crc32(lengths))


@pytest.mark.parametrize(
    ("total", "head"), [(EVENT_LIMIT + 1, 0), (200_000, HEADERS_LIMIT + 1), (15, 0), (20, 5)]
)
def test_lengths_that_cannot_be_are_refused_before_more_is_read(total: int, head: int) -> None:
    with pytest.raises(UpstreamGarbled):
        FrameCutter().feed(framed(total, head))


@pytest.mark.parametrize(
    "block",
    [
        b"\x01a\x0a",
        b"\x01a",
        b"\x05a",
        b"\x01a\x07\x00\x09x",
        b"\x01\xff\x00",
        b"\x01a\x00\x01a\x00",
        b"\x01a\x04\x00",
    ],
)
def test_headers_that_are_none_are_refused(block: bytes) -> None:
    with pytest.raises(UpstreamGarbled):
        read_headers(block)


def test_a_frame_of_the_greatest_size_arrives_in_many_pieces() -> None:
    payload = bytes(EVENT_LIMIT - 16)
    data = write_frame(b"", payload)
    cutter = FrameCutter()
    seen: list[Frame] = []
    for at in range(0, len(data), 65_536):
        seen += cutter.feed(data[at : at + 65_536])
    assert [len(frame.payload) for frame in seen] == [len(payload)]


def test_what_is_read_may_be_no_bigger_than_an_event_and_what_is_written_twice_as_big() -> None:
    written = write_frame(b"", bytes(FRAME_LIMIT - 16))
    assert FRAME_LIMIT == 2 * EVENT_LIMIT
    with pytest.raises(UpstreamGarbled, match="frame over 8388608 bytes"):
        FrameCutter().feed(written[:12])
    with pytest.raises(ValueError, match="at most"):
        write_frame(b"x", bytes(FRAME_LIMIT - 16))


@pytest.mark.parametrize(
    "headers", [{"": "x"}, {"n" * 256: "x"}, {"n": "x" * 40_000}, {"n": 2**70}]
)
def test_headers_that_the_format_cannot_hold_are_not_written(headers: dict[str, Value]) -> None:
    with pytest.raises(ValueError, match="header"):
        write_headers(headers)


def test_repeated_headers_are_read_once_and_shared() -> None:
    data = write_frame(write_headers({":event-type": "x"}), b"{}") * 2
    first, second = FrameCutter().feed(data)
    assert first.headers is second.headers
    assert first.text(":event-type") == "x"
    assert first.text(":missing") == ""
