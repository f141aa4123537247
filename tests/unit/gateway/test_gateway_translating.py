"""A stream in another dialect: which choice is told."""

from __future__ import annotations

from federation.dialects.carriage_stream import Wrapper
from federation.dialects.openai_completions.tables import UNTOLD
from federation.dialects.untold import Untold
from federation.errors import UpstreamCut
from federation.gateway.translating import TranslatingTap
from federation.resilience.delivered import Delivered
from federation.resilience.seam import Again, Ground
from federation.schema.chunks import (
    Begun,
    Chunk,
    Delta,
    Failed,
    Finished,
    LeftOut,
    PartBegun,
    PartEnded,
    UsageSeen,
)
from federation.schema.parts import Media, Text, Thinking
from federation.schema.usage import Usage

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


def tapped(choices: int) -> list[Chunk]:
    renderer = Renderer()
    wrapper = Wrapper("acme", b"k" * 32, "openai", ids=True)
    own = Begun("call_1", "", 7)
    tap = TranslatingTap(Decoder(), renderer, wrapper, "gemini", own, choices=choices)
    assert tap.feed(b"") == b"x."
    return renderer.told


def test_the_first_choice_that_speaks_is_the_answer_where_one_was_asked_for() -> None:
    told = tapped(1)
    assert told[0] == Begun("r", "m", 7, dialect="gemini")
    assert [getattr(chunk, "choice", 0) for chunk in told] == [0] * 5
    assert [chunk.text for chunk in told if isinstance(chunk, Delta)] == ["b"]


def test_every_choice_is_told_where_several_were_asked_for() -> None:
    told = tapped(2)
    assert [chunk.text for chunk in told if isinstance(chunk, Delta)] == ["b", "a"]


class OneByOne(Decoder):
    """Knows of the choices that have begun, and of no end."""

    done = False

    def __init__(self, *events: list[Chunk]) -> None:
        self._events = list(events)

    def feed(self, data: bytes) -> list[Chunk]:
        return self._events.pop(0)


def test_several_choices_that_come_one_after_the_other_are_waited_for() -> None:
    first: list[Chunk] = [Begun("r", "m"), PartBegun(0, 0, Text("a")), Finished(0, "stop")]
    second: list[Chunk] = [PartBegun(1, 0, Text("b")), Finished(1, "stop")]
    wrapper = Wrapper("acme", b"k" * 32, "openai", ids=True)
    own = Begun("call_1", "", 7)

    def tap() -> TranslatingTap:
        decoder = OneByOne(first, second)
        return TranslatingTap(decoder, Renderer(), wrapper, "gemini", own, choices=2)

    whole = tap()
    whole.feed(b"")
    assert not whole.complete
    whole.feed(b"")
    assert whole.complete
    # One that gives fewer than it was asked for has ended all the same.
    short = tap()
    short.feed(b"")
    assert short.close() == b"."
    assert short.complete


def test_each_end_of_several_choices_names_what_was_left_out_up_to_it() -> None:
    """They come one after the other, and the last end names all."""
    drawn = Media("image", data="aGk=", media_type="image/png")
    decoder = OneByOne(
        [Begun("r", "m"), PartBegun(1, 0, Thinking("Hm.")), PartEnded(1, 0)],
        [Finished(1, "stop"), PartBegun(0, 0, Text("a"))],
        [PartEnded(0, 0), PartBegun(0, 1, drawn), PartEnded(0, 1)],
        [Finished(0, "stop")],
    )
    renderer = Renderer()
    tap = TranslatingTap(
        decoder,
        renderer,
        Wrapper("acme", b"k" * 32, "openai", ids=True),
        "gemini",
        Begun("call_1", "", 7),
        choices=2,
        untold=Untold("openai_completions", UNTOLD),
    )
    for _ in range(4):
        tap.feed(b"")
    ends = [chunk for chunk in renderer.told if isinstance(chunk, LeftOut | Finished)]
    assert ends == [
        LeftOut(("thinking",)),
        Finished(1, "stop"),
        LeftOut(("thinking", "image")),
        Finished(0, "stop"),
    ]


def test_a_mended_answer_that_is_not_sound_fails_though_its_usage_comes_with_its_end() -> None:
    said: list[Chunk] = [PartBegun(0, 0, Text("")), Delta(0, 0, '{"a": ')]
    before = Delivered()
    before.add([Begun("r", "m"), *said])
    decoder = OneByOne(
        [Begun("r2", "n"), *said, Delta(0, 0, "1"), Finished(0, "stop"), UsageSeen(Usage(1, 2))]
    )
    renderer = Renderer()
    tap = TranslatingTap(
        decoder,
        renderer,
        Wrapper("acme", b"k" * 32, "openai", ids=True),
        "gemini",
        Begun("call_1", "", 7),
        choices=1,
        seam=Again(Ground(before, Usage(), structured=True)),
    )
    tap.feed(b"")
    assert isinstance(tap.error, UpstreamCut)
    assert not tap.complete
    assert not any(isinstance(chunk, Failed) for chunk in renderer.told)
