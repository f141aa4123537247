"""Any client's call to any provider: what changes on the way is what the loss tables name."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cross_world import DIALECTS, WIRES, differences, facts
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import Raw, structs

from federation.schema.chat import (
    ChatRequest,
    Message,
    OutputFormat,
    Reasoning,
    Sampling,
    Tool,
    ToolChoice,
)
from federation.schema.parts import Foreign, Media, Part, Text, Thinking, ToolCall, ToolResult

PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAA"
    "AABJRU5ErkJggg=="
)
SIGNATURE = "c2lnbmF0dXJlLW9mLXRoZS10aG91Z2h0"

words = st.text(
    st.characters(codec="utf-8", categories=("L", "N", "P", "S")), min_size=1, max_size=8
)
names = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)
values: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-9, 9), words),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(names, inner, max_size=2),
    max_leaves=4,
)
arguments = st.dictionaries(names, values, max_size=3).map(json.dumps)
images = st.one_of(
    st.just(Media("image", "image/png", PIXEL)),
    st.just(Media("image", url="https://pictures.test/cat.png")),
    st.just(Media("image", "image/png", PIXEL, detail="low")),
)
files = st.just(Media("file", "application/pdf", "JVBERi0xLjQK", name="report.pdf"))
schemas = st.dictionaries(
    names,
    st.sampled_from(
        (
            {"type": "string", "description": "Say it."},
            {"type": "integer"},
            {"type": "array", "items": {"type": "string"}},
            {"type": "string", "enum": ["a", "b"]},
        )
    ),
    min_size=1,
    max_size=3,
).map(
    lambda members: {
        "type": "object",
        "properties": members,
        "required": sorted(members),
        "additionalProperties": False,
    }
)


@st.composite
def toolboxes(draw: st.DrawFn) -> tuple[Tool, ...]:
    chosen = draw(st.lists(names, max_size=3, unique=True))
    strict = draw(st.sampled_from((None, True)))
    return tuple(
        Tool(name, draw(words), Raw(json.dumps(draw(schemas)).encode()), strict=strict)
        for name in chosen
    )


@st.composite
def results(draw: st.DrawFn, call: ToolCall) -> ToolResult:
    parts: list[Text | Media | Foreign] = [Text(draw(words))]
    if draw(st.integers(0, 11)) == 0:
        parts.append(Media("image", "image/png", PIXEL))
    return ToolResult(call.id, tuple(parts), call.name, error=draw(st.integers(0, 5)) == 0)


@st.composite
def rounds(draw: st.DrawFn, number: int, offered: tuple[Tool, ...]) -> list[Message]:
    """A question, and what came of it: an answer, or calls with their results and an answer."""
    asked: list[Part] = [Text(draw(words))]
    if draw(st.integers(0, 4)) == 0:
        asked.append(draw(images))
    if draw(st.integers(0, 8)) == 0:
        asked.append(draw(files))
    out = [Message("user", tuple(asked))]
    calling = draw(st.booleans())
    if offered and calling:
        calls = [
            ToolCall(f"call_{number}_{at}", draw(st.sampled_from(offered)).name, draw(arguments))
            for at in range(draw(st.integers(1, 3)))
        ]
        before: list[Part] = []
        if draw(st.integers(0, 2)) == 0:
            before = [Thinking(draw(words), SIGNATURE)]
        if draw(st.booleans()):
            before.append(Text(draw(words)))
        out.append(Message("assistant", (*before, *calls)))
        results = [
            ToolResult(call.id, (Text(draw(words)),), call.name, error=draw(st.integers(0, 5)) == 0)
            for call in calls
        ]
        out.append(Message("tool", tuple(results)))
    out.append(Message("assistant", (Text(draw(words)),)))
    if draw(st.integers(0, 9)) == 0:
        out.append(Message("developer", (Text(draw(words)),)))
    return out


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(st.none(), st.none(), strategy)


samplings = st.builds(
    Sampling,
    temperature=maybe(st.sampled_from((0.0, 0.5, 1.0))),
    top_p=maybe(st.sampled_from((0.25, 1.0))),
    top_k=maybe(st.integers(1, 100)),
    frequency_penalty=maybe(st.sampled_from((0.0, 0.5))),
    presence_penalty=maybe(st.sampled_from((0.0, 0.5))),
    seed=maybe(st.integers(0, 2**31 - 1)),
    stop=st.lists(names, max_size=3, unique=True).map(tuple),
)
forms = maybe(
    st.one_of(
        st.just(OutputFormat("json")),
        schemas.map(
            lambda schema: OutputFormat(
                "schema", Raw(json.dumps(schema).encode()), "answer", strict=True
            )
        ),
    )
)
reasonings = maybe(
    st.one_of(
        st.sampled_from(("low", "medium", "high")).map(lambda effort: Reasoning(effort=effort)),
        st.just(Reasoning(enabled=False)),
        st.just(Reasoning(budget=2048, enabled=True)),
    )
)


@st.composite
def requests(draw: st.DrawFn) -> ChatRequest:
    offered = draw(toolboxes())
    messages = [Message("system", (Text(draw(words)),))] if draw(st.booleans()) else []
    for number in range(draw(st.integers(0, 2))):
        messages += draw(rounds(number, offered))
    last: list[Part] = [Text(draw(words))]
    if draw(st.integers(0, 3)) == 0:
        last.append(draw(images))
    messages.append(Message("user", tuple(last)))
    choice = None
    if offered:
        mode = draw(st.sampled_from((None, None, "auto", "none", "required", "named")))
        if mode is not None:
            choice = ToolChoice(mode, offered[0].name if mode == "named" else "")
    return ChatRequest(
        "none",
        "m",
        tuple(messages),
        stream=draw(st.booleans()),
        tools=offered,
        tool_choice=choice,
        parallel_tools=draw(st.sampled_from((None, None, False))) if offered else None,
        format=draw(forms),
        sampling=draw(samplings),
        max_output=draw(maybe(st.integers(3000, 9000))),
        reasoning=draw(reasonings),
        user=draw(st.sampled_from(("", "u_1"))),
        metadata=draw(st.sampled_from(({}, {"team": "blue"}))),
        verbosity=draw(st.sampled_from(("", "low"))),
        cache_key=draw(st.sampled_from(("", "k"))),
    )


@pytest.mark.parametrize("client", DIALECTS)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(request=requests())
def test_a_call_changes_on_its_way_only_as_the_loss_tables_say(
    client: str, request: ChatRequest
) -> None:
    said = WIRES[client].through(request)
    if said is None:
        return
    asked, losses = said
    assert differences(facts(request), facts(asked), losses, client) == {}
    for provider in DIALECTS:
        heard = WIRES[provider].through(asked)
        if heard is None:
            continue
        understood, lost = heard
        changed = differences(facts(asked), facts(understood), lost, provider)
        assert changed == {}, (client, provider, lost)


@pytest.mark.parametrize("provider", WIRES)
def test_no_tokens_to_reason_with_are_no_reasoning_to_every_provider(provider: str) -> None:
    hello = ChatRequest("none", "m", (Message("user", (Text("Hello."),)),), max_output=9000)
    off, nothing = (
        WIRES[provider].through(structs.replace(hello, reasoning=wish))
        for wish in (Reasoning(enabled=False), Reasoning(enabled=True, budget=0))
    )
    assert nothing == off
