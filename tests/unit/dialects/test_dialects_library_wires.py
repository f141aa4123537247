"""What popular libraries above the official clients send, as it stood on the wire, and what of
it a provider of another language is to get."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cross_world import WIRES
from msgspec import Raw
from msgspec.structs import replace
from native_dialects import client_request

from federation.dialects.tool_names import alias, originals
from federation.errors import InvalidRequest
from federation.schema.chat import ChatRequest, ChatResponse, Choice, OutputFormat
from federation.schema.chunks import Begun, Chunk, Finished, PartBegun, PartEnded
from federation.schema.parts import ToolCall

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


SPAWN = {"type": "function", "name": "spawn_agent", "strict": False, "parameters": SCHEMA}
SPACE = {
    "type": "namespace",
    "name": "multi_agent_v1",
    "description": "Tools for spawning and managing sub-agents.",
    "tools": [SPAWN],
}


def codex(*tools: dict[str, Any]) -> dict[str, Any]:
    """A second turn of the Codex CLI."""
    called = {"call_id": "c1", "name": "spawn_agent", "namespace": "multi_agent_v1"}
    return {
        "model": "m",
        "stream": False,
        "input": [
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Go."}]},
            {"type": "function_call", "id": "fc_1", **called, "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c1", "output": "Spawned."},
        ],
        "tools": [*tools],
        "tool_choice": "auto",
        "parallel_tool_calls": True,
        "reasoning": {"summary": "auto"},
        "store": False,
        "include": ["reasoning.encrypted_content"],
    }


@pytest.mark.parametrize("dialect", ["openai", "anthropic", "gemini", "bedrock", "cohere"])
def test_the_tools_of_a_namespace_reach_languages_that_know_none(dialect: str) -> None:
    body = json.dumps(sent(read("openai_responses", "/v1/responses", codex(SPACE)), dialect))
    assert body.count('"multi_agent_v1__spawn_agent"') >= 2
    assert '"spawn_agent"' not in body
    assert '"namespace"' not in body


def test_what_content_checks_changed_in_a_namespace_is_changed_wherever_it_goes() -> None:
    told = {**SPAWN, "description": "Ask jane@example.org."}
    request = read("openai_responses", "/v1/responses", codex({**SPACE, "tools": [told]}))
    (space,) = [tool for tool in request.tools if tool.raw is not None]
    assert space.raw is not None
    checked = Raw(bytes(space.raw).replace(b"jane@example.org", b"[EMAIL]"))
    tools = tuple(replace(one, raw=checked) if one is space else one for one in request.tools)
    for dialect in ("openai", "anthropic", "gemini"):
        body = json.dumps(sent(replace(request, tools=tools), dialect))
        assert "Ask [EMAIL]." in body
        assert "jane" not in body


def test_a_namespace_stays_one_in_its_own_language() -> None:
    body = sent(read("openai_responses", "/v1/responses", codex(SPACE)), "openai_responses")
    assert body["tools"] == [SPACE]
    assert body["input"][1]["name"] == "spawn_agent"
    assert body["input"][1]["namespace"] == "multi_agent_v1"


@pytest.mark.parametrize("own", [True, False], ids=["own", "foreign"])
def test_an_answer_calls_a_tool_of_a_namespace_as_the_client_knows_it(own: bool) -> None:
    request = read("openai_responses", "/v1/responses", codex(SPACE))
    extra = {"namespace": Raw(b'"multi_agent_v1"')} if own else {}
    call = ToolCall("c2", "multi_agent_v1__spawn_agent", "{}", extra=extra)
    response = ChatResponse(
        "openai_responses" if own else "anthropic", "a1", "m", (Choice(0, (call,), "tool_calls"),)
    )
    face = WIRES["openai_responses"].face
    (item,) = json.loads(face.render(response, request))["output"]
    renderer = face.renderer(request)
    chunks: list[Chunk] = [
        Begun("a1", "m", 1, dialect=response.dialect),
        PartBegun(0, 0, call),
        PartEnded(0, 0),
        Finished(0, "tool_calls"),
    ]
    stream = renderer.render(chunks) + renderer.close()
    events = [json.loads(line[6:]) for line in stream.split(b"\n") if line.startswith(b"data: {")]
    items = [item, *(event["item"] for event in events if "item" in event)]
    assert len(items) == 3
    for found in items:
        assert (found["namespace"], found["name"]) == ("multi_agent_v1", "spawn_agent")


def test_a_long_name_in_a_namespace_comes_back_from_its_alias() -> None:
    name = "a" * 60
    request = read(
        "openai_responses", "/v1/responses", codex({**SPACE, "tools": [{**SPAWN, "name": name}]})
    )
    full = f"multi_agent_v1__{name}"
    assert originals(request) == {alias(full): full}
    sent_names = [tool["function"]["name"] for tool in sent(request, "openai")["tools"]]
    assert sent_names == [alias(full)]


def test_a_namespace_with_a_tool_that_a_provider_runs_is_refused_elsewhere() -> None:
    body = codex({**SPACE, "tools": [SPAWN, {"type": "web_search"}]})
    with pytest.raises(InvalidRequest) as refused:
        sent(read("openai_responses", "/v1/responses", body), "openai")
    assert refused.value.code == "not_expressible"


GOAL = {
    "type": "function_call_output",
    "id": "fco_1",
    "name": "goal_objective",
    "namespace": "agent",
    "output": "Mend it.",
}


@pytest.mark.parametrize("call_id", [{}, {"call_id": None}])
def test_an_output_that_answers_no_call_is_told_by_the_user(call_id: dict[str, None]) -> None:
    """The Codex CLI reminds the model of its goal so."""
    body = codex(SPACE)
    body["input"].append(GOAL | call_id)
    messages = sent(read("openai_responses", "/v1/responses", body), "openai")["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant", "tool", "user"]
    assert messages[-1]["content"] == "Mend it."


@pytest.mark.parametrize("kind", ["function_call_output", "custom_tool_call_output"])
def test_an_output_must_name_its_call_or_its_tool(kind: str) -> None:
    body = codex(SPACE)
    named = {"name": "x"} if kind.startswith("custom") else {}
    body["input"].append({"type": kind, "output": "Mend it.", **named})
    with pytest.raises(InvalidRequest) as refused:
        WIRES["openai_responses"].face.glance(client_request(body, "/v1/responses"))
    assert refused.value.param == "input[3].call_id"
