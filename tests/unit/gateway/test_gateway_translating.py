"""A stream in another dialect: which choice is told."""

from __future__ import annotations

from federation.dialects.carriage_stream import Wrapper
from federation.gateway.translating import TranslatingTap
from federation.schema.chunks import Begun, Chunk, Delta, Finished, PartBegun, PartEnded
from federation.schema.parts import Text

CHUNKS: list[Chunk] = [
    Begun("r", "m"),
    PartBegun(1, 0, Text("")),
    Delta(1, 0, "b"),
    PartBegun(0, 0, Text("")),
    Delta(0, 0, "a"),
    PartEnded(1, 0),
    Finished(1, "stop"),
]


class Decoder:
    malformed = 0
    started = True
    done = True
    complete = True

    def feed(self, data: bytes) -> list[Chunk]:
        return list(CHUNKS)

    def close(self) -> list[Chunk]:
        return []


class Renderer:
    def __init__(self) -> None:
        self.told: list[Chunk] = []

    def render(self, chunks: list[Chunk]) -> bytes:
        self.told += chunks
        return b"x"

    def close(self) -> bytes:
        return b"."

    def fail(self, error: Exception) -> bytes:
        return b"!"


def tapped(*, single: bool) -> list[Chunk]:
    renderer = Renderer()
    wrapper = Wrapper("acme", b"k" * 32, "openai", ids=True)
    own = Begun("call_1", "", 7)
    tap = TranslatingTap(Decoder(), renderer, wrapper, "gemini", own, single=single)
    assert tap.feed(b"") == b"x."
    return renderer.told


def test_the_first_choice_that_speaks_is_the_answer_where_one_was_asked_for() -> None:
    told = tapped(single=True)
    assert told[0] == Begun("r", "m", 7, dialect="gemini")
    assert [getattr(chunk, "choice", 0) for chunk in told] == [0] * 5
    assert [chunk.text for chunk in told if isinstance(chunk, Delta)] == ["b"]


def test_every_choice_is_told_where_several_were_asked_for() -> None:
    told = tapped(single=False)
    assert [chunk.text for chunk in told if isinstance(chunk, Delta)] == ["b", "a"]
