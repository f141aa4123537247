"""Tools, the choice among them, and answers after a schema, in requests to Converse.

Every body is judged by the official client's model, validator and serializer.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from bedrock_world import CALL, HELLO, OBJECT, RESULT, WEATHER, ask, sent, upstream
from msgspec import Raw

from federation.dialects.bedrock.tables import JSON_ANSWER
from federation.dialects.tool_names import alias
from federation.domain.catalogue import Ability
from federation.errors import InvalidRequest
from federation.schema.chat import (
    Message,
    OutputFormat,
    Tool,
    ToolChoice,
)
from federation.schema.parts import (
    Text,
    ToolCall,
    ToolResult,
)


def test_tools_and_their_choice_are_written() -> None:
    strict = Tool("now", "", None, strict=True)
    body, losses = sent(ask(tools=(WEATHER, strict), tool_choice=ToolChoice("named", "now")))
    assert body["toolConfig"] == {
        "tools": [
            {
                "toolSpec": {
                    "name": "weather",
                    "description": "Looks it up.",
                    "inputSchema": {"json": json.loads(bytes(OBJECT))},
                }
            },
            {
                "toolSpec": {
                    "name": "now",
                    "inputSchema": {"json": {"type": "object"}},
                    "strict": True,
                }
            },
        ],
        "toolChoice": {"tool": {"name": "now"}},
    }
    assert losses == ()
    body, _ = sent(ask(tools=(WEATHER,), tool_choice=ToolChoice("required")))
    assert body["toolConfig"]["toolChoice"] == {"any": {}}


def test_a_narrowed_choice_lists_the_allowed_tools_only() -> None:
    choice = ToolChoice("required", allowed=("weather",))
    body, losses = sent(ask(tools=(WEATHER, Tool("now")), tool_choice=choice))
    assert [tool["toolSpec"]["name"] for tool in body["toolConfig"]["tools"]] == ["weather"]
    assert losses == ()


def test_a_forbidden_choice_leaves_the_tools_out_unless_the_history_needs_them() -> None:
    none = ToolChoice("none")
    body, losses = sent(ask(tools=(WEATHER,), tool_choice=none))
    assert "toolConfig" not in body
    assert losses == ()
    body, losses = sent(ask(HELLO, CALL, RESULT, tools=(WEATHER,), tool_choice=none))
    assert "toolChoice" not in body["toolConfig"]
    assert losses == ("tool_choice_none",)


def test_a_history_with_calls_and_no_tools_gets_a_list_from_itself() -> None:
    body, losses = sent(ask(HELLO, CALL, RESULT))
    assert body["toolConfig"]["tools"][0]["toolSpec"]["name"] == "weather"
    assert losses == ()


def test_a_model_without_forced_tools_is_not_asked_to_be_forced() -> None:
    row: dict[str, Any] = {"abilities": frozenset((Ability.TOOLS,))}
    for choice in (ToolChoice("required"), ToolChoice("named", "weather")):
        with pytest.raises(InvalidRequest, match="forcing"):
            upstream(**row).encode(ask(tools=(WEATHER,), tool_choice=choice))


def test_ids_that_the_vendor_refuses_are_replaced_the_same_way_everywhere() -> None:
    long_id = "x" * 80 + "/|"
    call = Message("assistant", (ToolCall(long_id, "weather", " "),))
    result = Message("tool", (ToolResult(long_id, (Text("20"),)),))
    body, _ = sent(ask(HELLO, call, result, tools=(WEATHER,)))
    written = body["messages"][1]["content"][0]["toolUse"]
    assert written["input"] == {}
    assert written["toolUseId"] == body["messages"][2]["content"][0]["toolResult"]["toolUseId"]


def test_numbers_in_arguments_keep_their_text() -> None:
    call = Message(
        "assistant", (ToolCall("t1", "weather", '{"n": 1.10, "big": 12345678901234567890}'),)
    )
    raw = upstream().encode(ask(HELLO, call, RESULT, tools=(WEATHER,))).request.body
    assert b'{"n": 1.10, "big": 12345678901234567890}' in raw


@pytest.mark.parametrize("arguments", ['{"a":', "[1]", '"text"', "null"])
def test_arguments_that_are_no_object_go_along_in_one(arguments: str) -> None:
    call = Message("assistant", (ToolCall("t1", "weather", arguments),))
    encoded = upstream().encode(ask(HELLO, call, RESULT, tools=(WEATHER,)))
    assert encoded.losses == ("tool_arguments",)


@pytest.mark.parametrize("name", ["ns.tool", "x" * 65, "größe"])
def test_a_tools_name_that_the_vendor_refuses_has_an_alias(name: str) -> None:
    body = json.loads(upstream().encode(ask(tools=(Tool(name, "d", OBJECT),))).request.body)
    assert body["toolConfig"]["tools"][0]["toolSpec"]["name"] == alias(name)


def test_a_tool_without_a_name_is_refused() -> None:
    with pytest.raises(InvalidRequest) as caught:
        upstream().encode(ask(tools=(Tool("", "d", OBJECT),)))
    assert caught.value.param == "tools[0]"


@pytest.mark.parametrize(
    ("tool", "word"),
    [
        (Tool("sh", kind="custom"), "free text"),
        (Tool("web", kind="hosted", raw=Raw(b"{}")), "runs"),
    ],
)
def test_tools_of_other_kinds_are_refused(tool: Tool, word: str) -> None:
    with pytest.raises(InvalidRequest, match=word):
        upstream().encode(ask(tools=(tool,)))


SCHEMA = OutputFormat("schema", OBJECT, "person", "A person.", strict=True)


def test_structured_output_is_asked_for_where_the_model_has_it() -> None:
    body, losses = sent(ask(format=SCHEMA))
    found = body["outputConfig"]["textFormat"]
    assert found["type"] == "json_schema"
    definition = found["structure"]["jsonSchema"]
    assert json.loads(definition.pop("schema")) == json.loads(bytes(OBJECT))
    assert definition == {"name": "person", "description": "A person."}
    assert losses == ()


TOOL_ROW: dict[str, Any] = {"quirks": {"structured_output": "tool"}}


def test_else_one_forced_tool_stands_for_it() -> None:
    body, losses = sent(ask(format=SCHEMA), **TOOL_ROW)
    (tool,) = body["toolConfig"]["tools"]
    assert tool["toolSpec"]["name"] == JSON_ANSWER
    assert tool["toolSpec"]["inputSchema"]["json"] == json.loads(bytes(OBJECT))
    assert body["toolConfig"]["toolChoice"] == {"tool": {"name": JSON_ANSWER}}
    assert "outputConfig" not in body
    assert losses == ()


def test_beside_the_clients_tools_any_of_them_must_be_called() -> None:
    body, _ = sent(ask(format=SCHEMA, tools=(WEATHER,)), **TOOL_ROW)
    names = [tool["toolSpec"]["name"] for tool in body["toolConfig"]["tools"]]
    assert names == ["weather", JSON_ANSWER]
    assert body["toolConfig"]["toolChoice"] == {"any": {}}


def test_json_mode_is_the_same_tool_with_any_object() -> None:
    body, _ = sent(ask(format=OutputFormat("json")))
    (tool,) = body["toolConfig"]["tools"]
    assert tool["toolSpec"]["inputSchema"]["json"] == {"type": "object"}


@pytest.mark.parametrize(
    ("wanted", "row"),
    [
        (OutputFormat("json"), {"abilities": frozenset((Ability.JSON_SCHEMA,))}),
        (SCHEMA, {"abilities": frozenset((Ability.TOOLS,))}),
        (OutputFormat("schema", Raw(b'{"type":"array"}')), TOOL_ROW),
    ],
)
def test_a_form_that_nothing_can_give_is_refused(wanted: OutputFormat, row: Any) -> None:
    with pytest.raises(InvalidRequest, match="cannot take"):
        upstream(**row).encode(ask(format=wanted))
