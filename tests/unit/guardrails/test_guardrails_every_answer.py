"""No string of an answer is forgotten, whatever member a provider puts a value in."""

from __future__ import annotations

import re
from typing import Final

import msgspec
import pytest
from msgspec import Raw
from planting import MAIL, planted

from federation.errors import Forbidden, UpstreamRejected
from federation.guardrails import entities as kind
from federation.guardrails.chat import screen_response, tells_more
from federation.guardrails.entities import Action
from federation.guardrails.guard import Guard, Plan, Screening
from federation.guardrails.streams import ChunkFilter
from federation.schema.chat import ChatResponse, Choice, TokenLogprob
from federation.schema.chunks import (
    Begun,
    Chunk,
    Delta,
    Failed,
    Finished,
    Logprobs,
    PartBegun,
    PartEnded,
)
from federation.schema.parts import Text, Thinking

HANDED_ON: Final = re.compile(r"\.(?:id|call_id|file_id|model|maker)$")
"""Names of what is the provider's own; they say so in the guide."""
ANSWERS: Final = {
    place: answer for place, answer in planted(ChatResponse, "") if not HANDED_ON.search(place)
}
CHUNKS: Final = {
    place: chunk
    for each in (Begun, PartBegun, Delta, Finished, Logprobs)
    for place, chunk in planted(each, "")
    if not HANDED_ON.search(place) and not place.startswith(".Begun.dialect")
}
GUARDS: Final = {
    action: Guard(Plan(dict.fromkeys(kind.BUILT_IN, action)), b"k") for action in Action
}
ACTING: Final = [Action.REDACT, Action.BLOCK]


def test_the_answers_hold_what_leaked_once() -> None:
    places = "\n".join([*ANSWERS, *CHUNKS])
    for name in ("ChatResponse.extra", "Choice.detail", "Choice.reason", "Media.media_type",
                 ".Finished.extra", ".Finished.detail", ".Begun.extra", "Thinking.signature",
                 ".PartBegun.head.Text.citations", ".Delta.sealed"):  # fmt: skip
        assert name in places, name


@pytest.mark.parametrize("action", ACTING)
def test_a_whole_answer_is_changed_or_refused_wherever_a_value_stands(action: Action) -> None:
    refusals: list[str] = []
    for place, answer in ANSWERS.items():
        try:
            told = screen_response(GUARDS[action], answer, Screening.begin(b"s"))
        except Forbidden as refused:
            refusals.append(refused.message)
            continue
        assert MAIL not in msgspec.json.encode(told).decode(), place
    assert refusals
    assert MAIL not in "".join(refusals)


@pytest.mark.parametrize("action", ACTING)
@pytest.mark.parametrize("opened", [True, False])
def test_a_streamed_one_is_changed_or_refused_wherever_a_value_stands(
    action: Action, *, opened: bool
) -> None:
    refusals: list[str] = []
    for place, chunk in CHUNKS.items():
        stream = ChunkFilter(GUARDS[action], Screening.begin(b"s"))
        head = Thinking() if "sealed" in place or "signature" in place else Text("")
        before: list[Chunk] = []
        if isinstance(chunk, Delta):
            chunk = msgspec.structs.replace(chunk, choice=0, part=0)
            before = [PartBegun(0, 0, head)] if opened else []
        try:
            told = stream.feed([*before, chunk, PartEnded(0, 0), Finished(0, "stop")])
            told += stream.close()
        except Forbidden as refused:
            refusals.append(refused.message)
            continue
        assert MAIL not in repr(told), place
    assert refusals
    assert MAIL not in "".join(refusals)


def test_probabilities_do_not_tell_what_may_not_pass() -> None:
    """They come at once, and the words that they belong to wait."""
    spelled = (TokenLogprob("4111 1111 1111 1111", -0.1),)
    stream = ChunkFilter(GUARDS[Action.BLOCK], Screening.begin(b"s"))
    assert stream.feed([PartBegun(0, 0, Text("")), Logprobs(0, spelled)]) == [
        PartBegun(0, 0, Text(""))
    ]
    answer = ChatResponse("openai", "i", "m", (Choice(0, (Text("Hi"),), logprobs=spelled),))
    told = screen_response(GUARDS[Action.BLOCK], answer, Screening.begin(b"s"))
    assert told.choices[0].logprobs is None


def test_words_behind_the_end_of_their_part_are_looked_at() -> None:
    stream = ChunkFilter(GUARDS[Action.REDACT], Screening.begin(b"s"))
    late: list[Chunk] = [PartBegun(0, 0, Text("")), PartEnded(0, 0)]
    late += [Delta(0, 0, piece) for piece in ("4111 1111", " 1111 1111")]
    told = stream.feed([*late, Finished(0, "stop")])
    assert "".join(each.text for each in told if isinstance(each, Delta)) == "[CARD]"


def test_the_numbers_of_an_answer_are_the_providers() -> None:
    facts = {"total_duration": Raw(b"4111111111111111"), "at": Raw(b'"of %b"' % MAIL.encode())}
    stream = ChunkFilter(GUARDS[Action.REDACT], Screening.begin(b"s"))
    (told,) = stream.feed([Begun("i", "m", extra=facts)])
    assert isinstance(told, Begun)
    assert told.extra == {"total_duration": Raw(b"4111111111111111"), "at": Raw(b'"of [EMAIL]"')}


def test_what_only_the_body_tells_is_found() -> None:
    answer = ChatResponse("openai", "i", "m", (Choice(0, (Text("Hi"),)),))
    guard, screening = GUARDS[Action.REDACT], Screening.begin(b"s")
    body = '{"id":"%s","x":{"y":["Hi"]},"n":4111111111111111}'
    assert not tells_more(guard, body % "i", answer, screening)
    for more in (body % MAIL, body.replace('"y"', f'"{MAIL}"') % "i"):
        assert tells_more(guard, more, answer, screening)
    with pytest.raises(Forbidden):
        tells_more(GUARDS[Action.BLOCK], body % MAIL, answer, Screening.begin(b"s"))
    assert not tells_more(GUARDS[Action.LOG], body % MAIL, answer, screening)


@pytest.mark.parametrize("action", ACTING)
def test_the_error_of_a_provider_says_only_what_may_be_told(action: Action) -> None:
    error = UpstreamRejected(
        f"no {MAIL}", code=MAIL, param=MAIL, body=b'{"error":{"message":"no %b"}}' % MAIL.encode()
    )
    stream = ChunkFilter(GUARDS[action], Screening.begin(b"s"))
    (told,) = stream.feed([Failed(error)])
    assert isinstance(told, Failed)
    assert MAIL not in f"{told.error} {told.error.message}{told.error.code}{told.error.param}"
    assert MAIL.encode() not in told.error.body
    assert ("no [EMAIL]" in told.error.message) == (action is Action.REDACT)


@pytest.mark.parametrize("size", [1, 3, 100])
@pytest.mark.parametrize(
    ("texts", "rest"),
    [
        (("Pay 4111 1111", "1111 1111 now, please."), "[CARD] now, please."),
        (("Pay 411111111", "1111111 now, please."), "[CARD] now, please."),
        (("4111", "1111", "1111", "1111"), "[CARD]"),
        (("mail jane.doe", "@example.org and more of it"), "[EMAIL] and more of it"),
        (("mail jane.doe@exam", "ple.org and more of it"), "[EMAIL] and more of it"),
        (("In 2024 we had 12", "words and 13 more"), "words and 13 more"),
        (("We had", "4111 words"), "4111 words"),
    ],
)
def test_the_rest_of_a_value_over_several_parts_is_not_told(
    texts: tuple[str, ...], rest: str, size: int
) -> None:
    stream = ChunkFilter(GUARDS[Action.REDACT], Screening.begin(b"s"))
    told: list[Chunk] = []
    for part, text in enumerate(texts):
        head = Thinking() if part % 2 else Text("")
        told += stream.feed([PartBegun(0, part, head)])
        for at in range(0, len(text), size):
            told += stream.feed([Delta(0, part, text[at : at + size])])
        told += stream.feed([PartEnded(0, part)])
    last = [each.text for each in told if isinstance(each, Delta) and each.part == len(texts) - 1]
    assert "".join(last) == rest
