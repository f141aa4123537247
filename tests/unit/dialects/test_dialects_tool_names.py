"""Names that a provider does not take have an alias there, and come back as they were."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cross_world import WIRES
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.dialects.carriage_stream import Wrapper
from federation.dialects.table import CLIENTS
from federation.dialects.tool_names import (
    PLAIN,
    alias,
    originals,
    with_aliases,
    with_originals,
)
from federation.schema.chat import (
    ChatRequest,
    ChatResponse,
    Choice,
    Message,
    Tool,
    ToolChoice,
)
from federation.schema.chunks import PartBegun
from federation.schema.http import ClientRequest
from federation.schema.parts import Text, ToolCall, ToolResult

LONG = "mcp__a_server_with_a_long_name__" + "x" * 60
DOTTED = "files.read:all"


def call(*names: str) -> ChatRequest:
    made = [ToolCall(f"c{at}", name, "{}") for at, name in enumerate(names)]
    told = [ToolResult(f"c{at}", (Text("ok"),), name=name) for at, name in enumerate(names)]
    return ChatRequest(
        "openai",
        "m",
        (
            Message("user", (Text("hi"),)),
            Message("assistant", tuple(made)),
            Message("tool", tuple(told)),
        ),
        tools=tuple([Tool(name) for name in names]),
        tool_choice=ToolChoice("named", names[0], allowed=names),
    )


@given(name=st.text(min_size=1, max_size=200))
@settings(deadline=None)
def test_an_alias_fits_every_rule_and_is_the_names_own(name: str) -> None:
    assert PLAIN.fullmatch(alias(name))
    assert alias(name)[0].isalpha() or alias(name)[0] == "_"
    assert alias(name) == alias(name) != alias(name + "x")


def test_a_call_has_its_aliases_wherever_a_name_stands() -> None:
    short = with_aliases(call(LONG, "plain", DOTTED), PLAIN)
    names = [alias(LONG), "plain", alias(DOTTED)]
    assert [tool.name for tool in short.tools] == names
    assert [getattr(part, "name", "") for part in short.messages[1].parts] == names
    assert [getattr(part, "name", "") for part in short.messages[2].parts] == names
    assert short.tool_choice == ToolChoice("named", alias(LONG), allowed=tuple(names))
    plain = call("plain", "look_up")
    assert with_aliases(plain, PLAIN) is plain


def test_an_answer_has_the_clients_names() -> None:
    names = originals(call(LONG, "plain", DOTTED))
    assert names == {alias(LONG): LONG, alias(DOTTED): DOTTED}
    parts = (ToolCall("1", alias(LONG), "{}"), ToolCall("2", "plain", "{}"))
    response = ChatResponse("openai", "r", "m", (Choice(0, parts, "tool_calls"),))
    told = with_originals(response, names)
    assert told.choices[0].parts == (ToolCall("1", LONG, "{}"), parts[1])
    assert with_originals(response, {}) is response
    wrapper = Wrapper("m", b"k" * 32, "openai", ids=True, names=names)
    assert wrapper.feed([PartBegun(0, 0, parts[0])]) == [PartBegun(0, 0, ToolCall("1", LONG, "{}"))]


@pytest.mark.parametrize(
    "provider", ["openai", "openai_responses", "anthropic", "gemini", "bedrock"]
)
@pytest.mark.parametrize("client", ["anthropic", "gemini", "openai"])
def test_no_provider_of_another_dialect_hears_a_name_that_it_refuses(
    client: str, provider: str
) -> None:
    if client == provider:
        return
    bodies: dict[str, Any] = {
        "anthropic": {
            "model": "m",
            "max_tokens": 9,
            "messages": [{"role": "user", "content": "q"}],
            "tools": [{"name": LONG, "input_schema": {"type": "object"}}],
        },
        "gemini": {
            "contents": [{"role": "user", "parts": [{"text": "q"}]}],
            "tools": [{"functionDeclarations": [{"name": DOTTED}]}],
        },
        "openai": {
            "model": "m",
            "messages": [{"role": "user", "content": "q"}],
            "tools": [{"type": "function", "function": {"name": LONG}}],
        },
    }
    paths = {"anthropic": "/v1/messages", "gemini": "/v1beta/models/m:generateContent"}
    body = json.dumps(bodies[client]).encode()
    path = paths.get(client, "/v1/chat/completions")
    request = ClientRequest("POST", path, "", {b"content-type": b"application/json"}, body)
    face = CLIENTS[client]
    read = face.parse(request, face.glance(request))
    sent = WIRES[provider].upstream.encode(read).request.body
    name = read.tools[0].name
    fits = (provider == "gemini" and name == DOTTED) or (provider == "anthropic" and name == LONG)
    assert (alias(name).encode() in sent) is not fits
    assert (name.encode() in sent) is fits
