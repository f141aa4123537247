"""What is kept of a stream for the case that it breaks."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from federation.gateway.kept_answer import KeptAnswer

EVENT = b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"word %d "}}]}\n\n'


@given(st.lists(st.binary(max_size=40_000), max_size=20))
@settings(deadline=None, max_examples=40)
def test_what_was_kept_comes_back_in_order(pieces: list[bytes]) -> None:
    kept = KeptAnswer()
    for piece in pieces:
        kept.add(piece)
    assert b"".join(kept.pieces()) == b"".join(pieces)
    assert kept.whole


def test_small_pieces_need_not_be_measured_one_by_one() -> None:
    kept = KeptAnswer()
    for number in range(20_000):
        kept.fresh.append(EVENT % number)
        if len(kept.fresh) >= kept.due:
            kept.weigh()
        if not number % 7:
            kept.add(b": wait\n\n")
    held = sum(map(len, kept._packed)) + sum(map(len, kept.fresh))
    assert held < 250_000, "of 1.6 million bytes"
    whole = b"".join(kept.pieces())
    assert whole.startswith(EVENT % 0 + b": wait\n\n" + EVENT % 1)
    assert len(whole) == sum(len(EVENT % number) for number in range(20_000)) + 2858 * 8


def test_long_answers_take_little_room_and_endless_ones_keep_their_beginning() -> None:
    kept = KeptAnswer()
    for number in range(20_000):
        kept.add(EVENT % number)
    assert kept.whole
    held = sum(map(len, kept._packed)) + sum(map(len, kept.fresh))
    assert held < 200_000, "of 1.6 million bytes"
    while kept.whole:
        kept.add(b"x" * 60_000)
    for _ in range(100):
        kept.add(b"x" * 60_000)
    told = b"".join(kept.pieces())
    assert len(told) < 1_200_000
    assert told.startswith(EVENT % 0)
    assert kept.total > 16_000_000
