"""Cutting events: no byte changes, and no split of the bytes makes a difference."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.dialects.sse import EVENT_LIMIT, EventCutter, event_data
from federation.errors import UpstreamGarbled

PIECES = st.lists(
    st.sampled_from([b"\n", b"\r", b"\r\n", b"data: x", b": c", b"data:y", b"event: e", b""]),
    max_size=14,
)


def cut(chunks: list[bytes]) -> tuple[list[bytes], bytes]:
    cutter = EventCutter()
    events = [event for chunk in chunks for event in cutter.feed(chunk)]
    return events, cutter.rest()


@st.composite
def split_streams(draw: st.DrawFn) -> tuple[bytes, list[bytes]]:
    stream = b"".join(draw(PIECES))
    places = sorted(draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    bounds = [0, *places, len(stream)]
    return stream, [stream[a:b] for a, b in pairwise(bounds)]


@settings(deadline=None)
@given(split_streams())
def test_events_do_not_depend_on_how_the_bytes_arrive(case: tuple[bytes, list[bytes]]) -> None:
    stream, chunks = case
    whole = cut([stream])
    assert cut(chunks) == whole
    assert cut([stream[i : i + 1] for i in range(len(stream))]) == whole
    assert b"".join(whole[0]) + whole[1] == stream


@pytest.mark.parametrize("eol", [b"\n", b"\r\n"])
def test_each_line_ending_ends_events_at_once(eol: bytes) -> None:
    stream = b"data: a" + eol + eol + b": ping" + eol + eol
    events, rest = cut([stream])
    assert events == [b"data: a" + eol + eol, b": ping" + eol + eol]
    assert rest == b""


def test_a_lone_cr_at_the_end_waits_for_its_lf() -> None:
    cutter = EventCutter()
    assert cutter.feed(b"data: a\r\r") == []
    assert cutter.feed(b"\ndata: b\r\r") == [b"data: a\r\r\n"]
    assert cutter.rest() == b"data: b\r\r"


@pytest.mark.parametrize("noise", [b"\n", b": ping\n\n", b"\r\n", b": ping\r\n\r\n", b"\r"])
def test_a_flood_that_says_nothing_costs_as_much_as_it_is_long(noise: bytes) -> None:
    cutter = EventCutter()
    sizes: list[int] = []
    for _ in range(64):
        events = cutter.feed(noise * 1000)
        assert not any(map(event_data, events))
        sizes.append(len(cutter.held))
    assert max(sizes) < 16


def test_an_event_above_the_limit_is_garbled() -> None:
    cutter = EventCutter()
    half = b"x" * (EVENT_LIMIT // 2)
    assert cutter.feed(b"data: " + half) == []
    with pytest.raises(UpstreamGarbled):
        cutter.feed(half)


@pytest.mark.parametrize(
    ("event", "data"),
    [
        (b"data: {}\n\n", b"{}"),
        (b"data:{}\n\n", b"{}"),
        (b"data: {}\r\n\r\n", b"{}"),
        (b"data: {}\r\r", b"{}"),
        (b"event: x\nid: 1\ndata: {}\n\n", b"{}"),
        (b'data: {"a":\ndata: 1}\n\n', b'{"a":\n1}'),
        (b"data: [DONE]", b"[DONE]"),
        (b"\ndata: x\n\n", b"x"),
        (b": comment\n\n", None),
        (b"\n\n", None),
        (b"event: ping\n\n", None),
    ],
)
def test_the_data_of_an_event_is_its_joined_data_lines(event: bytes, data: bytes | None) -> None:
    assert event_data(event) == data
