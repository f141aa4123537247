"""What popular libraries above the official clients send, as it stood on the wire, and what of
it a provider of another language is to get."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cross_world import WIRES
from native_dialects import client_request

from federation.schema.chat import ChatRequest, OutputFormat

SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
WEATHER = {"name": "get_weather", "parameters": {"type": "object", "properties": {}}}
TOOLS = [{"type": "function", "function": WEATHER}]


def read(dialect: str, path: str, body: dict[str, Any]) -> ChatRequest:
    """The call as the gateway understands it."""
    face = WIRES[dialect].face
    asked = client_request(body, path)
    return face.parse(asked, face.glance(asked))


def sent(request: ChatRequest, dialect: str) -> Any:
    """The body that a provider of this language gets."""
    return json.loads(WIRES[dialect].upstream.encode(request).request.body)


def ollama_results(*results: dict[str, str], ids: tuple[str, str] = ("", "")) -> dict[str, Any]:
    """A conversation of litellm's: calls lose their ids on the way back, results keep theirs."""
    calls = [
        {"function": {"name": name, "arguments": {"city": "Paris"}}} | ({"id": id_} if id_ else {})
        for name, id_ in zip(("get_weather", "get_time"), ids, strict=True)
    ]
    return {
        "model": "m",
        "messages": [
            {"role": "user", "content": "Paris?", "images": []},
            {"role": "assistant", "content": "", "images": [], "tool_calls": calls},
            *({"role": "tool", "content": "21C", "images": []} | result for result in results),
        ],
        "options": {},
        "stream": False,
        "tools": TOOLS,
    }


def test_a_call_without_an_id_has_the_one_that_its_result_names() -> None:
    body = ollama_results({"tool_call_id": "call_a"}, {"tool_call_id": "call_b"})
    request = read("ollama", "/api/chat", body)
    messages = sent(request, "openai")["messages"]
    assert [call["id"] for call in messages[1]["tool_calls"]] == ["call_a", "call_b"]
    assert [message["tool_call_id"] for message in messages[2:]] == ["call_a", "call_b"]
    responses = sent(request, "gemini")["contents"][2]["parts"]
    names = [part["functionResponse"]["name"] for part in responses]
    assert names == ["get_weather", "get_time"]


@pytest.mark.parametrize(
    ("results", "ids", "answered"),
    [
        # Its tool is named: the first open call of that tool.
        ([{"tool_call_id": "b", "tool_name": "get_time"}], ("", ""), ["call_1_0", "b"]),
        # A call that has an id is answered by that id alone.
        ([{"tool_call_id": "b"}], ("x", ""), ["x", "b"]),
        ([{"tool_call_id": "y"}, {"tool_call_id": "x"}], ("x", "y"), ["x", "y"]),
        ([{"tool_call_id": "z"}], ("x", "y"), ["x", "y"]),
        ([{}, {"tool_call_id": "b"}], ("", ""), ["call_1_0", "b"]),
    ],
)
def test_results_find_their_calls(
    results: list[dict[str, str]], ids: tuple[str, str], answered: list[str]
) -> None:
    request = read("ollama", "/api/chat", ollama_results(*results, ids=ids))
    calls = sent(request, "openai")["messages"][1]["tool_calls"]
    assert [call["id"] for call in calls] == answered


def test_a_schema_by_its_older_name_reaches_another_language() -> None:
    """langchain-cohere calls it as v1 does; to leave it out would let any JSON pass."""
    body = {
        "model": "m",
        "messages": [{"role": "user", "content": "A person."}],
        "response_format": {"type": "json_object", "schema": SCHEMA},
        "stream": False,
    }
    face = WIRES["cohere"].face
    asked = client_request(body, "/v2/chat")
    assert face.glance(asked).needs == ("json_schema",)
    request = face.parse(asked, face.glance(asked))
    assert isinstance(request.format, OutputFormat)
    assert request.format.kind == "schema"
    wanted = sent(request, "openai")["response_format"]
    assert wanted["json_schema"]["schema"] == SCHEMA


@pytest.mark.parametrize(
    ("document", "response"),
    [
        ({"data": {"output": "21C"}}, {"output": "21C"}),
        ({"data": '{"output": "21C"}'}, {"output": "21C"}),
        ({"data": {"title": "Paris", "text": "21C"}}, {"output": "Paris\n\n21C"}),
    ],
)
def test_a_result_given_as_a_document_is_text_where_results_are_objects(
    document: dict[str, Any], response: dict[str, str]
) -> None:
    """The form of the vendor's own examples, and of every library above them."""
    call = {"id": "c1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
    body = {
        "model": "m",
        "messages": [
            {"role": "user", "content": "Paris?"},
            {"role": "assistant", "tool_calls": [call], "tool_plan": "I will look."},
            {
                "role": "tool",
                "tool_call_id": "c1",
                "content": [{"type": "document", "document": document}],
            },
        ],
        "tools": TOOLS,
    }
    (part,) = sent(read("cohere", "/v2/chat", body), "gemini")["contents"][2]["parts"]
    assert part["functionResponse"]["response"] == response
    assert "parts" not in part["functionResponse"]
