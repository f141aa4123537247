"""What the dialect can say survives reading and writing, in any pieces."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw, structs
from native_dialects import client_request, collected, fed, make_upstream, merged, plain

from federation.dialects.cohere.client import CLIENT
from federation.dialects.cohere.upstream import prepare
from federation.schema.chat import ChatRequest, ChatResponse, Choice, TokenLogprob
from federation.schema.chunks import Begun, Chunk, Delta, Finished, PartBegun, PartEnded, UsageSeen
from federation.schema.parts import Part, Text, Thinking, ToolCall
from federation.schema.usage import Usage

UPSTREAM = make_upstream(prepare, "cohere")
WORDS = st.text(st.characters(codec="utf-8"), max_size=12)
SAID = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)
NAMES = st.from_regex(r"[a-z_]{1,8}", fullmatch=True)
NUMBERS = st.floats(0, 1, allow_nan=False)
VALUES = st.dictionaries(NAMES, st.one_of(WORDS, st.integers(-5, 5), NUMBERS), max_size=3)
SCHEMA = st.fixed_dictionaries({"type": st.just("object"), "properties": st.just({})})
DOCUMENT = st.fixed_dictionaries({"data": VALUES}, optional={"id": NAMES})
TEXT_PART = st.fixed_dictionaries({"type": st.just("text"), "text": WORDS})
PICTURE = st.fixed_dictionaries(
    {
        "type": st.just("image_url"),
        "image_url": st.fixed_dictionaries(
            {"url": st.sampled_from(["https://a.test/b.png", "data:image/png;base64,aGk="])},
            optional={"detail": st.sampled_from(["auto", "low", "high"])},
        ),
    }
)
THOUGHT = st.fixed_dictionaries({"type": st.just("thinking"), "thinking": SAID})
CALL = st.fixed_dictionaries(
    {
        "id": NAMES,
        "type": st.just("function"),
        "function": st.fixed_dictionaries({"name": NAMES, "arguments": WORDS}),
    }
)


def content(*kinds: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """A text, or several parts: a list of one text is written as that text."""
    return st.one_of(WORDS, st.lists(st.one_of(*kinds), min_size=2, max_size=3))


def message(role: str, members: dict[str, Any], **optional: Any) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries({"role": st.just(role), **members}, optional=optional)


USER = message("user", {"content": content(TEXT_PART, PICTURE)})
TURNS = st.one_of(
    message("system", {"content": content(TEXT_PART)}),
    USER,
    message("assistant", {"content": content(TEXT_PART, THOUGHT)}),
    message(
        "assistant",
        {"tool_calls": st.lists(CALL, min_size=1, max_size=3)},
        tool_plan=SAID,
        content=st.lists(st.one_of(THOUGHT, TEXT_PART), min_size=2, max_size=3),
    ),
    message(
        "tool",
        {
            "tool_call_id": NAMES,
            "content": content(
                TEXT_PART,
                st.fixed_dictionaries({"type": st.just("document"), "document": DOCUMENT}),
            ),
        },
    ),
)
TOOL = st.fixed_dictionaries(
    {
        "type": st.just("function"),
        "function": st.fixed_dictionaries(
            {"name": NAMES, "parameters": SCHEMA}, optional={"description": SAID}
        ),
    }
)
BODIES = st.fixed_dictionaries(
    {
        "model": st.just("acme-large"),
        "messages": st.tuples(st.lists(TURNS, max_size=4), USER).map(
            lambda pair: [*pair[0], pair[1]]
        ),
    },
    optional={
        "stream": st.just(True),
        "tools": st.lists(TOOL, min_size=1, max_size=3),
        "documents": st.lists(st.one_of(WORDS, DOCUMENT), min_size=1, max_size=3),
        "citation_options": st.fixed_dictionaries({"mode": st.sampled_from(["FAST", "OFF"])}),
        "response_format": st.one_of(
            st.just({"type": "text"}),
            st.just({"type": "json_object"}),
            st.fixed_dictionaries({"type": st.just("json_object"), "json_schema": SCHEMA}),
        ),
        "safety_mode": st.sampled_from(["CONTEXTUAL", "OFF"]),
        "max_tokens": st.integers(1, 9999),
        "stop_sequences": st.lists(SAID, min_size=1, max_size=7),
        "temperature": NUMBERS,
        "seed": st.integers(0, 2**60),
        "frequency_penalty": NUMBERS,
        "presence_penalty": NUMBERS,
        "k": st.integers(0, 500),
        "p": NUMBERS,
        "logprobs": st.booleans(),
        "tool_choice": st.sampled_from(["REQUIRED", "NONE"]),
        "thinking": st.one_of(
            st.just({"type": "disabled"}),
            st.fixed_dictionaries(
                {"type": st.just("enabled")}, optional={"token_budget": st.integers(1, 999)}
            ),
        ),
        "priority": st.integers(0, 9),
        "raw_prompting": st.booleans(),
        "novelty": VALUES,
    },
)


@settings(deadline=None, max_examples=120)
@given(BODIES)
def test_what_a_client_says_is_sent_as_it_was_said(body: dict[str, Any]) -> None:
    request = client_request(body, "/v2/chat")
    encoded = UPSTREAM.encode(CLIENT.parse(request, CLIENT.glance(request)))
    assert json.loads(encoded.request.body) == body
    assert encoded.losses == ()


USAGES = st.builds(
    Usage,
    input=st.integers(10, 999),
    output=st.integers(0, 999),
    cached=st.integers(0, 10),
    units=st.one_of(st.just({}), st.fixed_dictionaries({"search": st.integers(1, 3)})),
)
PLAN = st.builds(lambda text: Thinking(text, extra={"tool_plan": Raw(b"true")}), SAID)
BLOCKS = st.lists(st.one_of(st.builds(Text, WORDS), st.builds(Thinking, SAID)), max_size=3)
CALLS = st.lists(st.builds(ToolCall, NAMES, NAMES, SAID), max_size=3)


@st.composite
def responses(draw: st.DrawFn) -> ChatResponse:
    plan = draw(st.one_of(st.just(()), st.tuples(PLAN)))
    parts: tuple[Part, ...] = (*plan, *draw(BLOCKS), *draw(CALLS))
    calls = any(isinstance(part, ToolCall) for part in parts)
    finish, reason = draw(
        st.sampled_from(
            [
                ("length", "MAX_TOKENS"),
                ("tool_calls", "TOOL_CALL") if calls else ("stop", "COMPLETE"),
            ]
        )
    )
    logprobs = draw(st.one_of(st.none(), st.tuples(st.builds(TokenLogprob, SAID, NUMBERS))))
    return ChatResponse(
        "cohere",
        draw(NAMES),
        "acme-large",
        (Choice(0, parts, finish, reason, logprobs=logprobs),),
        usage=draw(st.one_of(st.none(), USAGES)),
    )


def bare(response: ChatResponse) -> Any:
    """Without what a provider said in its own words."""
    choices = tuple(structs.replace(choice, extra={}) for choice in response.choices)
    return plain(structs.replace(response, choices=choices))


@settings(deadline=None, max_examples=120)
@given(responses())
def test_what_a_provider_says_is_told_as_it_was_said(response: ChatResponse) -> None:
    told = CLIENT.render(response, ChatRequest("cohere", "m", ()))
    again = UPSTREAM.decode(told)
    assert bare(again) == bare(response)
    assert CLIENT.render(again, ChatRequest("cohere", "m", ())) == told


def chunked(response: ChatResponse) -> list[Chunk]:
    """The stream of an answer."""
    choice = response.choices[0]
    chunks: list[Chunk] = [Begun(response.id, response.model)]
    for index, part in enumerate(choice.parts):
        text = part.arguments if isinstance(part, ToolCall) else getattr(part, "text", "")
        name = "arguments" if isinstance(part, ToolCall) else "text"
        chunks.append(PartBegun(0, index, structs.replace(part, **{name: ""})))
        chunks += [Delta(0, index, piece) for piece in (text[:3], text[3:]) if piece]
        chunks.append(PartEnded(0, index))
    chunks.append(Finished(0, choice.finish, choice.reason))
    if response.usage is not None:
        chunks.append(UsageSeen(response.usage))
    return chunks


@settings(deadline=None, max_examples=100)
@given(responses(), st.integers(1, 40))
def test_a_stream_in_any_pieces_adds_up_to_the_whole(response: ChatResponse, size: int) -> None:
    choice = structs.replace(response.choices[0], logprobs=None)
    response = structs.replace(response, choices=(choice,))
    renderer = CLIENT.renderer(ChatRequest("cohere", "m", (), stream=True))
    data = renderer.render(chunked(response)) + renderer.close()
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    chunks = fed(UPSTREAM.decoder(), pieces)
    assert bare(collected("cohere", chunks)) == bare(response)
    assert merged(chunks) == merged(fed(UPSTREAM.decoder(), [data]))
