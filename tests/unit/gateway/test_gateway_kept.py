"""What is kept of a stream for the case that it breaks."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from federation.gateway.stream import Kept

EVENT = b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"word %d "}}]}\n\n'


@given(st.lists(st.binary(max_size=40_000), max_size=20))
@settings(deadline=None, max_examples=40)
def test_what_was_kept_comes_back_in_order(pieces: list[bytes]) -> None:
    kept = Kept()
    for piece in pieces:
        kept.add(piece)
    assert b"".join(kept.pieces()) == b"".join(pieces)
    assert kept.whole


def test_long_answers_take_little_room_and_endless_ones_none() -> None:
    kept = Kept()
    for number in range(20_000):
        kept.add(EVENT % number)
    assert kept.whole
    held = sum(map(len, kept._packed)) + sum(map(len, kept._fresh))
    assert held < 200_000, "of 1.6 million bytes"
    while kept.whole:
        kept.add(b"x" * 60_000)
    for _ in range(100):
        kept.add(b"x" * 60_000)
    assert sum(map(len, kept.pieces())) < 200_000
