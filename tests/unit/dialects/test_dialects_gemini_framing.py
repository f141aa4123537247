"""Cutting a stream in either framing: what stands before it is never held back."""

from __future__ import annotations

import pytest

from federation.dialects.gemini.framing import Framing

EVENT = b'data: {"a":1}\r\n\r\n'


@pytest.mark.parametrize("stream", [EVENT * 2, b'[{"a":1},\r\n{"a":1}]'], ids=["events", "array"])
def test_white_space_before_a_stream_goes_on_at_once(stream: bytes) -> None:
    framing = Framing()
    for _ in range(100):
        assert framing.feed(b" \n" * 1000) == [(b" \n" * 1000, None)]
    pieces = framing.feed(b"\r\n" + stream)
    rest, _ = framing.rest()
    assert b"".join([piece for piece, _ in pieces]) + rest == b"\r\n" + stream
    assert [text for _, text in pieces if text is not None] == [b'{"a":1}'] * 2


def test_a_stream_of_white_space_holds_nothing() -> None:
    framing = Framing()
    assert framing.feed(b"\n\n") == [(b"\n\n", None)]
    assert framing.rest() == (b"", None)
