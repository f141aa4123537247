"""What the dialect can say survives reading and writing, in any pieces."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs
from native_dialects import client_request, collected, fed, make_upstream, merged, plain

from federation.dialects.ollama.client import CLIENT
from federation.dialects.ollama.upstream import prepare
from federation.schema.chat import ChatRequest, ChatResponse, Choice, TokenLogprob, TopToken
from federation.schema.chunks import (
    Begun,
    Chunk,
    Delta,
    Finished,
    Logprobs,
    PartBegun,
    PartEnded,
    UsageSeen,
)
from federation.schema.parts import Part, Text, Thinking, ToolCall
from federation.schema.usage import Usage

UPSTREAM = make_upstream(prepare, "ollama", base_url="http://127.0.0.1:11434")
WORDS = st.text(st.characters(codec="utf-8"), max_size=12)
SAID = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)
NAMES = st.from_regex(r"[a-z_]{1,8}", fullmatch=True)
NUMBERS = st.floats(0, 1, allow_nan=False)
VALUES = st.dictionaries(NAMES, st.one_of(WORDS, st.integers(-5, 5), NUMBERS), max_size=3)
SCHEMA = st.fixed_dictionaries({"type": st.just("object"), "properties": st.just({})})


@st.composite
def turns(draw: st.DrawFn) -> list[dict[str, Any]]:
    """A conversation with all its ids: without them they are made, which is not sent as it was."""
    messages: list[dict[str, Any]] = []
    for index in range(draw(st.integers(1, 3))):
        if draw(st.booleans()):
            messages.append({"role": "system", "content": draw(WORDS)})
        user: dict[str, Any] = {"role": "user", "content": draw(WORDS)}
        if draw(st.booleans()):
            user["images"] = draw(st.lists(st.sampled_from(["iVBORw0KGgo=", "AAAA"]), min_size=1))
        messages.append(user)
        answer: dict[str, Any] = {"role": "assistant", "content": draw(WORDS)}
        if draw(st.booleans()):
            answer["thinking"] = draw(SAID)
        messages.append(answer)
        calls = draw(st.lists(st.tuples(NAMES, VALUES), max_size=3))
        if calls:
            answer["tool_calls"] = [
                {
                    "id": f"id_{index}_{number}",
                    "function": {"index": number, "name": name, "arguments": arguments},
                }
                for number, (name, arguments) in enumerate(calls)
            ]
            messages += [
                {
                    "role": "tool",
                    "content": draw(WORDS),
                    "tool_name": name,
                    "tool_call_id": f"id_{index}_{number}",
                }
                for number, (name, _) in enumerate(calls)
            ]
    return messages


TOOL = st.fixed_dictionaries(
    {
        "type": st.just("function"),
        "function": st.fixed_dictionaries(
            {"name": NAMES, "parameters": SCHEMA}, optional={"description": SAID}
        ),
    }
)
OPTIONS = st.fixed_dictionaries(
    {"num_ctx": st.integers(1, 9999)},
    optional={
        "temperature": NUMBERS,
        "top_p": NUMBERS,
        "top_k": st.integers(0, 99),
        "min_p": NUMBERS,
        "seed": st.integers(-5, 5),
        "stop": st.lists(SAID, min_size=1, max_size=3),
        "num_predict": st.integers(-2, 99),
        "repeat_penalty": NUMBERS,
        "frequency_penalty": NUMBERS,
        "presence_penalty": NUMBERS,
    },
)
BODIES = st.fixed_dictionaries(
    {"model": st.just("acme-large"), "messages": turns(), "stream": st.booleans()},
    optional={
        "tools": st.lists(TOOL, min_size=1, max_size=3),
        "options": OPTIONS,
        "format": st.one_of(st.just("json"), SCHEMA),
        "think": st.one_of(st.booleans(), st.sampled_from(["low", "max"])),
        "keep_alive": st.one_of(st.just("5m"), st.integers(-1, 60)),
        "logprobs": st.booleans(),
        "top_logprobs": st.integers(0, 20),
        "truncate": st.booleans(),
        "novelty": VALUES,
    },
)


@settings(deadline=None, max_examples=120)
@given(BODIES)
def test_what_a_client_says_is_sent_as_it_was_said(body: dict[str, Any]) -> None:
    request = client_request(body, "/api/chat")
    encoded = UPSTREAM.encode(CLIENT.parse(request, CLIENT.glance(request)))
    assert json.loads(encoded.request.body) == body
    assert encoded.losses == ()


ODDS = st.builds(
    TokenLogprob,
    SAID,
    NUMBERS,
    st.one_of(st.none(), st.just((65,))),
    st.lists(st.builds(TopToken, SAID, NUMBERS), max_size=2).map(tuple),
)
USAGES = st.builds(
    Usage, input=st.integers(10, 999), output=st.integers(0, 999), cached=st.integers(0, 10)
)
ARGUMENTS = VALUES.map(lambda value: json.dumps(value, separators=(",", ":")))


@st.composite
def responses(draw: st.DrawFn) -> ChatResponse:
    thought = draw(st.one_of(st.just(()), st.tuples(st.builds(Thinking, SAID))))
    said = draw(st.one_of(st.just(()), st.tuples(st.builds(Text, SAID))))
    calls = draw(st.lists(st.builds(ToolCall, NAMES, NAMES, ARGUMENTS), max_size=3))
    parts: tuple[Part, ...] = (*thought, *said, *calls)
    finish = draw(st.sampled_from(["length", "tool_calls" if calls else "stop"]))
    odds = draw(st.one_of(st.none(), st.tuples(ODDS)))
    reason = "length" if finish == "length" else "stop"
    return ChatResponse(
        "ollama",
        "",
        draw(NAMES),
        (Choice(0, parts, finish, reason, logprobs=odds),),
        created=draw(st.integers(0, 2**31)),
        usage=draw(st.one_of(st.none(), USAGES)),
    )


def bare(response: ChatResponse) -> Any:
    """Without the moment as it is written."""
    return plain(structs.replace(response, extra={}))


@settings(deadline=None, max_examples=120)
@given(responses())
def test_what_a_provider_says_is_told_as_it_was_said(response: ChatResponse) -> None:
    told = CLIENT.render(response, ChatRequest("ollama", "m", ()))
    again = UPSTREAM.decode(told)
    assert bare(again) == bare(response)
    assert CLIENT.render(again, ChatRequest("ollama", "m", ())) == told


def chunked(response: ChatResponse) -> list[Chunk]:
    """The stream of an answer."""
    choice = response.choices[0]
    chunks: list[Chunk] = [Begun("", response.model, response.created)]
    for index, part in enumerate(choice.parts):
        text = part.arguments if isinstance(part, ToolCall) else getattr(part, "text", "")
        name = "arguments" if isinstance(part, ToolCall) else "text"
        chunks.append(PartBegun(0, index, structs.replace(part, **{name: ""})))
        chunks += [Delta(0, index, piece) for piece in (text[:3], text[3:]) if piece]
        chunks.append(PartEnded(0, index))
    if choice.logprobs is not None:
        chunks.append(Logprobs(0, choice.logprobs))
    chunks.append(Finished(0, choice.finish, choice.reason))
    if response.usage is not None:
        chunks.append(UsageSeen(response.usage))
    return chunks


@settings(deadline=None, max_examples=100)
@given(responses(), st.integers(1, 40))
def test_a_stream_in_any_pieces_adds_up_to_the_whole(response: ChatResponse, size: int) -> None:
    renderer = CLIENT.renderer(ChatRequest("ollama", "m", (), stream=True))
    data = renderer.render(chunked(response)) + renderer.close()
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    chunks = fed(UPSTREAM.decoder(), pieces)
    assert bare(collected("ollama", chunks)) == bare(response)
    assert merged(chunks) == merged(fed(UPSTREAM.decoder(), [data]))
