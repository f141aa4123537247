"""More of a text that is told under a content check: the short way says what the long one does."""

from __future__ import annotations

import json
import sys
from types import FrameType
from typing import Any

import pytest
from cross_world import WIRES

from federation.dialects.carriage_stream import Wrapper
from federation.domain.policies import Guard, PiiAction
from federation.gateway.safeguards import Guarding, safeguard_of
from federation.gateway.translating import TranslatingTap
from federation.governance.obligations import Obligations
from federation.schema.chat import ChatRequest, Message
from federation.schema.chunks import Begun, Collector
from federation.schema.parts import Text

KEY = b"k" * 32
MAIL, CARD = "jane.doe@example.org", "4539 1488 0343 6467"
SAID = (
    f"Of course, you may write to {MAIL} whenever that suits you. The card {CARD} was used twice; "
    "and nothing else of it is known to us."
)
PAIRS = [
    (provider, client)
    for provider in ("openai", "anthropic")
    for client in ("openai", "anthropic", "gemini", "openai_responses")
]


def guarding(**duties: Any) -> Guarding:
    return Guarding.begin(safeguard_of(Obligations(**duties), KEY), KEY, "call_1")


def tapped(provider: str, client: str, guard: Guarding) -> TranslatingTap:
    return TranslatingTap(
        WIRES[provider].upstream.decoder(),
        WIRES[client].face.renderer(ChatRequest(client, "m", (Message("user", (Text("hi"),)),))),
        Wrapper("acme", KEY, client, ids=False),
        provider,
        Begun("call_1", "", 7),
        choices=1,
        screen=guard.stream(),
    )


def events(provider: str, words: list[str]) -> list[bytes]:
    """A stream that says these words, each in an event of its own."""
    if provider == "openai":
        deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
        deltas += [{"content": word} for word in words]
        ends = [None] * len(deltas) + ["stop"]
        said = [
            {"id": "c", "model": "m",
             "choices": [{"index": 0, "delta": delta, "finish_reason": end}]}
            for delta, end in zip([*deltas, {}], ends, strict=True)
        ]  # fmt: skip
        return [
            *(b"data: %b\n\n" % json.dumps(each).encode() for each in said),
            b"data: [DONE]\n\n",
        ]
    told: list[dict[str, Any]] = [
        {"type": "message_start", "message": {"id": "c", "model": "m", "usage": {}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    ]
    told += [text_event(word) for word in words]
    told += [
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {}},
        {"type": "message_stop"},
    ]
    return [event(each) for each in told]


def text_event(word: str) -> dict[str, Any]:
    delta = {"type": "text_delta", "text": word}
    return {"type": "content_block_delta", "index": 0, "delta": delta}


def event(said: dict[str, Any]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (said["type"].encode(), json.dumps(said).encode())


def told(client: str, stream: bytes) -> str:
    """The text that a client reads."""
    decoder, collector = WIRES[client].upstream.decoder(), Collector(client)
    collector.add(decoder.feed(stream))
    collector.add(decoder.close())
    parts = collector.response().choices[0].parts
    return "".join(part.text for part in parts if isinstance(part, Text))


@pytest.mark.parametrize(("provider", "client"), PAIRS)
@pytest.mark.parametrize("action", [PiiAction.REDACT, PiiAction.TOKENIZE])
def test_one_event_after_the_other_says_what_all_at_once_say(
    provider: str, client: str, action: PiiAction
) -> None:
    for size in (1, 2, 5, 9):
        words = [SAID[at : at + size] for at in range(0, len(SAID), size)]
        stream = events(provider, words)
        one, other = guarding(pii=action), guarding(pii=action)
        by_one, at_once = tapped(provider, client, one), tapped(provider, client, other)
        singly = b"".join(map(by_one.feed, stream)) + by_one.close()
        whole = at_once.feed(b"".join(stream)) + at_once.close()
        assert told(client, singly) == told(client, whole)
        if action is PiiAction.REDACT:  # else it is turned back, for the client alone
            assert not any(value.encode() in singly for value in (MAIL, CARD))
        assert one.findings() == other.findings()
        assert by_one.events == at_once.events == len(words)


def test_what_must_not_pass_ends_the_stream_in_the_midst_of_a_text() -> None:
    stream = events("openai", list(SAID))
    tap = tapped("openai", "openai", guarding(pii=PiiAction.BLOCK))
    said = b""
    for each in stream:
        said += tap.feed(each)
        if tap.error is not None:
            break
    assert tap.error is not None
    assert tap.error.code == "content_blocked"
    assert not tap.done
    assert told("openai", said) == "Of course, you may write "


def test_a_source_between_two_words_stands_where_it_stood() -> None:
    """It may come at any time, and goes the long way."""
    cited = {"type": "char_location", "cited_text": f"by {MAIL}", "document_index": 0,
             "document_title": "d", "start_char_index": 0, "end_char_index": 2}  # fmt: skip
    delta = {"type": "citations_delta", "citation": cited}
    source = event({"type": "content_block_delta", "index": 0, "delta": delta})
    stream = events("anthropic", ["It ", "is ", "known ", "to ", "all. "])
    stream.insert(4, source)
    tap = tapped("anthropic", "anthropic", guarding(pii=PiiAction.REDACT))
    pieces = [tap.feed(each) for each in stream]
    assert b"[EMAIL]" in pieces[4]
    assert not any(MAIL.encode() in piece for piece in pieces)
    assert told("anthropic", b"".join(pieces)) == "It is known to all. "


def test_a_prompt_that_leaks_letter_by_letter_is_still_seen() -> None:
    guard = guarding(guards=(Guard("canary"),), pii=PiiAction.REDACT)
    tap = tapped("openai", "openai", guard)
    for each in events("openai", list(f"It says {guard.marker}")):
        tap.feed(each)
        if tap.error is not None:
            break
    assert tap.error is not None


@pytest.mark.parametrize(("provider", "most"), [("openai", 16), ("anthropic", 22)])
def test_a_word_of_a_checked_stream_takes_few_steps(provider: str, most: int) -> None:
    """A call of a function costs more than what most of them do."""
    words = "nothing of that is known to anybody here, " * 20
    stream = events(provider, [f"{word} " for word in words.split()])
    tap = tapped(provider, "openai", guarding(pii=PiiAction.TOKENIZE))
    first, *rest = stream[:-3]
    tap.feed(first)
    for each in rest[:9]:
        tap.feed(each)
    calls = 0

    def count(_: FrameType, what: str, __: object) -> None:
        nonlocal calls
        calls += what == "call"

    sys.setprofile(count)
    try:
        for each in rest[9:]:
            tap.feed(each)
    finally:
        sys.setprofile(None)
    assert calls / len(rest[9:]) <= most
