"""What a stream said that nobody counted: how much of it is read."""

from __future__ import annotations

import time
from typing import Any

import pytest
from cross_world import WIRES

from federation.gateway.kept_answer import KeptAnswer
from federation.gateway.output_estimate import estimated_output
from federation.schema.chunks import Delta

PING = b": still here\n\n"
WORD = b'data: {"choices":[{"index":0,"delta":{"content":"four of them too"}}]}\n\n'
PICTURE = b'data: {"choices":[],"picture":"%b"}\n\n' % (b"x" * 300_000)


class Reader:
    """A decoder that counts what it reads."""

    def __init__(self) -> None:
        self.read = 0
        self._decoder = WIRES["openai"].upstream.decoder()

    def feed(self, data: bytes) -> Any:
        self.read += len(data)
        return self._decoder.feed(data)


def said(*pieces: bytes) -> tuple[int, int]:
    """Tokens, and bytes that were read for them."""
    kept, reader = KeptAnswer(), Reader()
    for piece in pieces:
        kept.add(piece)
    return estimated_output(lambda: reader, kept, None, len(pieces)), reader.read  # type: ignore[arg-type, return-value]


@pytest.mark.parametrize("whole", [True, False], ids=["may be mended", "its beginning"])
def test_no_flood_of_pings_is_read_to_its_end(whole: bool) -> None:
    kept, reader = KeptAnswer(whole=whole), Reader()
    for _ in range(300_000):
        kept.add(PING)
    assert estimated_output(lambda: reader, kept, None, 300_000) == 0  # type: ignore[arg-type, return-value]
    assert reader.read < 256 * 1024


def test_words_behind_a_picture_and_some_pings_are_found() -> None:
    tokens, read = said(*([PING] * 1_000), PICTURE, WORD, WORD)
    assert tokens > 0
    assert read > len(PICTURE)


def test_of_many_words_the_beginning_is_read() -> None:
    tokens, read = said(*([WORD] * 10_000))
    assert tokens == 40_000
    assert read < len(WORD) * 10_000 / 4


def test_words_that_come_one_by_one_are_counted_once_each() -> None:
    """They are counted on the worker's loop, when the stream has ended."""
    words = [b"w"] * 20_000
    kept = KeptAnswer()
    for word in words:
        kept.add(word)
    before = time.thread_time()
    assert estimated_output(OneEach, kept, None, len(words)) == 5_000  # type: ignore[arg-type]
    assert time.thread_time() - before < 1.0, "as many looks as words, not as their square"


class OneEach:
    """A decoder to which every piece is a piece of text."""

    def feed(self, data: bytes) -> list[Delta]:
        return [Delta(0, 0, data.decode())]
