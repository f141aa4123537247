"""Streams that are forwarded and read along with."""

from __future__ import annotations

from typing import Any

import pytest
from anthropic.types import RawMessageStreamEvent
from anthropic_samples import (
    ERROR,
    ODD,
    STOP,
    STREAM,
    adds,
    ends,
    finish,
    opens,
    start,
)
from anthropic_vendor import make_upstream
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from federation.dialects.sse import event_data
from federation.dialects.whole import is_json
from federation.errors import (
    UpstreamRateLimited,
)
from federation.schema.usage import Usage

UPSTREAM = make_upstream()
EVENT: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)


def tapped(*pieces: bytes) -> tuple[Any, bytes]:
    tap = UPSTREAM.tap(withhold_usage=True, choices=1)
    out = b"".join([tap.feed(piece) for piece in pieces])
    return tap, out + tap.close()


def test_a_forwarded_stream_is_read_to_its_end() -> None:
    tap, out = tapped(*STREAM)
    assert out == b"".join(STREAM)
    answer = tap.answer()
    assert (answer.model, answer.finish) == ("claude-x-1", "tool_use")
    assert answer.usage == Usage(240, 40, 200, 30, 9)
    assert (tap.started, tap.done, tap.complete, tap.error) == (True, True, True, None)


@given(st.data())
@settings(deadline=None, max_examples=40)
def test_any_split_of_forwarded_bytes_is_read_the_same(data: st.DataObject) -> None:
    eol = data.draw(st.sampled_from(["\n", "\r\n", "\r"]))
    raw = b"".join(STREAM).replace(b"\n", eol.encode())
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=30)))
    pieces = [raw[i:j] for i, j in zip([0, *cuts], [*cuts, len(raw)], strict=True)]
    tap, out = tapped(*pieces)
    whole, _ = tapped(raw)
    assert out == raw
    assert tap.answer() == whole.answer()
    assert tap.events == whole.events == 11


def test_words_of_the_model_are_not_taken_for_events() -> None:
    said = 'event: message_stop\ndata: {"type":"message_delta","usage":{"output_tokens":9}}\n\n'
    tap, _ = tapped(
        start(),
        opens(0, type="text", text=""),
        adds(0, type="text_delta", text="x"),
        adds(0, type="text_delta", text=said),
        adds(0, type="text_delta", text='"error":{}'),
    )
    assert (tap.done, tap.complete, tap.error, tap.events) == (False, False, None, 3)
    assert tap.answer().usage == Usage(10, 1)


def test_many_deltas_in_one_piece_are_counted() -> None:
    many = adds(0, type="text_delta", text="x") * 50
    tap, out = tapped(start() + opens(0, type="text", text=""), many, many)
    assert tap.events == 100
    assert out.endswith(many)


def test_deltas_with_an_end_among_them_are_read() -> None:
    more = adds(0, type="text_delta", text="x")
    tap, _ = tapped(start(), opens(0, type="text", text=""), more, more + ends(0) + finish() + STOP)
    assert tap.complete
    assert tap.done


def test_a_forwarded_error_is_seen() -> None:
    tap = UPSTREAM.tap(withhold_usage=False, choices=1)
    tap.feed(start())
    with pytest.raises(UpstreamRateLimited):
        tap.feed(ERROR)
    tap, out = tapped(start(), adds(0, type="text_delta", text="x"), ERROR)
    assert isinstance(tap.error, UpstreamRateLimited)
    assert not tap.complete
    assert out.endswith(ERROR)


def test_a_torn_event_is_dropped_and_a_whole_one_kept() -> None:
    _, out = tapped(start(), b'event: content_block_delta\ndata: {"type":"cont')
    assert out == start()
    tap, out = tapped(start(), STOP.rstrip(b"\n"))
    assert tap.done
    assert out == start() + STOP


@pytest.mark.parametrize("odd", ODD)
def test_an_event_that_nobody_can_read_is_forwarded_unless_it_is_no_json(odd: bytes) -> None:
    data = event_data(odd)
    breaks = data is not None and not is_json(data)
    tap, out = tapped(start(), odd, finish(), STOP)
    assert out == start() + odd * (not breaks) + finish() + STOP
    assert tap.complete
