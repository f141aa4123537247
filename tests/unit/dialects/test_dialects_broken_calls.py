"""A call that broke off in its arguments stays in the conversation, readable."""

from __future__ import annotations

import json

import pytest
from cross_world import WIRES

from federation.dialects.broken_calls import MEMBER, with_objects
from federation.errors import InvalidRequest
from federation.schema.chat import ChatRequest, Message, Tool
from federation.schema.parts import Part, Text, ToolCall, ToolResult

BROKEN = '{"city": "Li'


def history(arguments: str) -> ChatRequest:
    made: tuple[Part, ...] = (ToolCall("c1", "look", arguments),)
    return ChatRequest(
        "openai_responses",
        "m",
        (
            Message("user", (Text("q"),)),
            Message("assistant", made),
            Message("tool", (ToolResult("c1", (Text("bad arguments"),), error=True),)),
        ),
        tools=(Tool("look"),),
    )


@pytest.mark.parametrize("provider", ["anthropic", "gemini", "bedrock", "ollama"])
@pytest.mark.parametrize("arguments", [BROKEN, "[1]", '"text"', "nothing"])
def test_broken_arguments_go_along_in_an_object(provider: str, arguments: str) -> None:
    encoded = WIRES[provider].upstream.encode(history(arguments))
    assert "tool_arguments" in encoded.losses
    held = json.dumps({MEMBER: arguments}, separators=(",", ":")).encode()
    assert held in encoded.request.body


@pytest.mark.parametrize("provider", ["openai", "openai_responses"])
def test_where_arguments_are_text_they_stay_as_they_are(provider: str) -> None:
    encoded = WIRES[provider].upstream.encode(history(BROKEN))
    assert "tool_arguments" not in encoded.losses
    assert json.dumps(BROKEN).encode() in encoded.request.body


def test_what_is_refused_for_another_reason_stays_refused() -> None:
    call = history("{}")
    assert with_objects(call) is call
    assert with_objects(history("  ")).messages[1].parts[0] == ToolCall("c1", "look", "  ")
    nameless = ChatRequest("openai", "m", call.messages, tools=(Tool(""),))
    with pytest.raises(InvalidRequest):
        WIRES["bedrock"].upstream.encode(nameless)


def test_a_call_without_arguments_is_an_empty_object_where_they_are_text() -> None:
    call = history("")
    asked = ChatRequest("openai", "m", call.messages, tools=call.tools)
    sent = WIRES["openai_responses"].upstream.encode(asked).request.body
    assert b'"arguments":"{}"' in sent
