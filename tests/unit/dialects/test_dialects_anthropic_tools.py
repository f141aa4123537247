"""Tools, the choice among them, and the form of the answer."""

from __future__ import annotations

import json
from typing import Any

import pytest
from anthropic_calls import NEW_ABILITIES, SCHEMA, TOOL, asking, write
from anthropic_vendor import VendorRequests, make_upstream
from msgspec import Raw

from federation.dialects.anthropic.schemas import fitted
from federation.domain.catalogue import Ability
from federation.errors import InvalidRequest
from federation.schema.chat import (
    Message,
    OutputFormat,
    Reasoning,
    Tool,
    ToolChoice,
)
from federation.schema.parts import (
    CacheMark,
    Text,
)

FORCING = frozenset((Ability.TOOLS, Ability.FORCED_TOOLS))
SHAPED = frozenset((Ability.TOOLS, Ability.JSON_SCHEMA))


@pytest.fixture(scope="module")
def vendor() -> VendorRequests:
    return VendorRequests()


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (None, None),
        (ToolChoice("auto"), {"type": "auto"}),
        (ToolChoice("none"), {"type": "none"}),
        (ToolChoice("required"), {"type": "any"}),
        (ToolChoice("named", "look"), {"type": "tool", "name": "look"}),
    ],
)
def test_the_choice_among_tools_is_written(
    choice: ToolChoice | None, expected: Any, vendor: VendorRequests
) -> None:
    body, _ = write(asking(tools=(TOOL,), tool_choice=choice))
    vendor.check(body)
    assert body.get("tool_choice") == expected
    assert "tool_choice" not in write(asking(tool_choice=choice))[0]


def test_allowed_tools_are_the_ones_that_are_sent() -> None:
    choice = ToolChoice("auto", allowed=("b",))
    body, losses = write(asking(tools=(TOOL, Tool("b")), tool_choice=choice))
    assert [tool["name"] for tool in body["tools"]] == ["b"]
    assert losses == ()


@pytest.mark.parametrize(
    "fields",
    [
        {"tools": (TOOL,), "tool_choice": ToolChoice("required")},
        {"tools": (TOOL,), "tool_choice": ToolChoice("named", "look")},
        {"tools": (Tool("free", kind="custom"),)},
        {"tools": (Tool("web", kind="hosted", raw=Raw(b"{}")),)},
        {"tools": (Tool(""),)},
        {"modalities": ("text", "audio")},
    ],
)
def test_what_would_change_the_call_badly_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest) as caught:
        write(asking(**fields), abilities=NEW_ABILITIES)
    assert caught.value.code == "not_expressible"


def test_a_tool_without_a_schema_takes_an_object() -> None:
    body, _ = write(asking(tools=(Tool("a"), Tool("b", schema=Raw(b'{"properties":{}}')))))
    assert [tool["input_schema"]["type"] for tool in body["tools"]] == ["object", "object"]
    with pytest.raises(InvalidRequest):
        write(asking(tools=(Tool("a", schema=Raw(b"[]")),)))


def test_strictness_is_kept_where_the_model_has_it(vendor: VendorRequests) -> None:
    open_schema = Raw(b'{"type":"object","properties":{"n":{"type":"integer","minimum":3}}}')
    request = asking(tools=(Tool("a", schema=open_schema, strict=True),))
    body, losses = write(request)
    vendor.check(body)
    assert losses == ()
    assert body["tools"][0]["strict"] is True
    assert body["tools"][0]["input_schema"] == {
        "type": "object",
        "properties": {"n": {"type": "integer", "description": "{minimum: 3}"}},
        "additionalProperties": False,
    }
    body, losses = write(request, abilities=frozenset((Ability.TOOLS,)))
    assert "strict" not in body["tools"][0]
    assert losses == ("strict_tools",)


def test_an_answer_after_a_schema_is_asked_by_the_field_for_it(vendor: VendorRequests) -> None:
    body, losses = write(asking(format=OutputFormat("schema", SCHEMA, "x", strict=True)))
    vendor.check(body)
    assert losses == ()
    assert body["output_config"] == {
        "format": {"type": "json_schema", "schema": json.loads(bytes(SCHEMA))}
    }


def test_an_older_model_answers_after_a_schema_by_a_forced_tool(vendor: VendorRequests) -> None:
    row: dict[str, Any] = {
        "abilities": frozenset((Ability.TOOLS, Ability.FORCED_TOOLS, Ability.REASONING))
    }
    wanted = OutputFormat("schema", SCHEMA)
    upstream = make_upstream(**row)
    body, losses = write(asking(format=wanted, reasoning=Reasoning("high")), **row)
    vendor.check(body)
    assert losses == ("reasoning",)
    assert body["tool_choice"] == {"type": "tool", "name": "federation_answer"}
    assert "thinking" not in body
    answer = {
        "id": "m",
        "type": "message",
        "role": "assistant",
        "model": "x",
        "stop_reason": "tool_use",
        "content": [
            {"type": "tool_use", "id": "t", "name": "federation_answer", "input": {"a": "b"}}
        ],
        "usage": {"input_tokens": 1, "output_tokens": 1},
    }
    choice = upstream.decode(json.dumps(answer).encode()).choices[0]
    assert choice.parts == (Text('{"a": "b"}'),)
    assert choice.finish == "stop"
    with pytest.raises(InvalidRequest):
        write(asking(format=wanted, tools=(TOOL,)), **row)
    with pytest.raises(InvalidRequest):
        write(asking(format=wanted), abilities=frozenset((Ability.TOOLS,)))


def test_any_object_as_the_answer_is_the_input_of_a_forced_tool() -> None:
    body, losses = write(asking(format=OutputFormat("json")), abilities=FORCING)
    assert losses == ()
    assert body["tool_choice"] == {"type": "tool", "name": "federation_answer"}
    assert body["tools"][0]["input_schema"] == {"type": "object", "properties": {}}
    assert "output_config" not in body


def test_any_object_is_left_to_the_prompt_where_no_tool_can_be_forced() -> None:
    assert write(asking(format=OutputFormat("json")), abilities=SHAPED)[1] == ("json_mode",)
    assert write(asking(format=OutputFormat("text")), abilities=SHAPED)[1] == ()


OPEN = [
    {"type": "object"},
    {"type": "object", "additionalProperties": {"type": "integer"}},
    {"type": "object", "properties": {"a": {}}, "additionalProperties": True},
    {"type": "object", "properties": {"a": {"anyOf": [{"items": {"type": "object"}}]}}},
]


@pytest.mark.parametrize("schema", OPEN)
def test_a_schema_that_cannot_be_closed_keeps_its_meaning(schema: Any) -> None:
    wanted = asking(format=OutputFormat("schema", Raw(json.dumps(schema).encode())))
    body, losses = write(wanted, abilities=FORCING | SHAPED)
    assert losses == ()
    assert body["tools"][0]["input_schema"] == schema
    with pytest.raises(InvalidRequest) as refused:
        write(wanted, abilities=SHAPED)
    assert refused.value.code == "not_expressible"
    tool = Tool("f", "", Raw(json.dumps(schema).encode()), strict=True)
    body, losses = write(asking(tools=(tool,)), abilities=SHAPED)
    assert losses == ("strict_tools",)
    assert body["tools"][0] == {"name": "f", "input_schema": schema}


def test_two_choices_of_one_schema_must_both_hold() -> None:
    one, two, three = {"type": "string"}, {"const": "a"}, {"enum": ["a"]}
    schema = {"oneOf": [one], "anyOf": [two], "allOf": [three]}
    assert json.loads(bytes(fitted(Raw(json.dumps(schema).encode())))) == {
        "allOf": [three, {"anyOf": [one]}, {"anyOf": [two]}]
    }


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (
            {
                "type": "object",
                "properties": {"a": {"oneOf": [{"type": "string", "maxLength": 3}]}},
            },
            {
                "type": "object",
                "properties": {
                    "a": {"anyOf": [{"type": "string", "description": "{maxLength: 3}"}]}
                },
                "additionalProperties": False,
            },
        ),
        (
            {"type": "array", "items": {"type": "object"}, "minItems": 4, "description": "Few."},
            {
                "type": "array",
                "items": {"type": "object", "additionalProperties": False},
                "description": "Few.\n\n{minItems: 4}",
            },
        ),
        (
            {"$ref": "#/$defs/x", "$defs": {"x": {"type": "string", "format": "regex"}}},
            {
                "$ref": "#/$defs/x",
                "$defs": {"x": {"type": "string", "description": "{format: regex}"}},
            },
        ),
    ],
)
def test_a_schema_is_fitted_to_what_the_vendor_holds(schema: Any, expected: Any) -> None:
    assert json.loads(bytes(fitted(Raw(json.dumps(schema).encode())))) == expected


def test_a_schema_that_fits_is_handed_on_as_it_is() -> None:
    assert fitted(SCHEMA) is SCHEMA


def test_a_bottomless_schema_is_refused() -> None:
    deep = b'{"items":' * 300 + b"{}" + b"}" * 300
    with pytest.raises(InvalidRequest):
        write(asking(format=OutputFormat("schema", Raw(deep))))
    nested = b'{"items":' * 5000 + b"{}" + b"}" * 5000
    with pytest.raises(InvalidRequest):
        write(asking(format=OutputFormat("schema", Raw(nested))))


def test_fields_without_a_place_are_named() -> None:
    body, losses = write(
        asking(
            metadata={"a": "b"},
            verbosity="low",
            store=True,
            cache_key="k",
            service_tier="flex",
            extra={"prediction": Raw(b"{}")},
        )
    )
    assert set(losses) == {
        "metadata",
        "verbosity",
        "store",
        "cache_key",
        "service_tier",
        "unknown_field",
    }
    assert set(body) == {"model", "max_tokens", "messages"}
    assert write(asking(service_tier="default"))[0]["service_tier"] == "standard_only"


def test_the_last_marks_are_kept_where_there_are_too_many() -> None:
    marked = [Message("user", (Text(f"{n}", cache=CacheMark()), Text("x"))) for n in range(6)]
    body, losses = write(asking(*marked))
    content = body["messages"][0]["content"]
    assert [n for n, block in enumerate(content) if "cache_control" in block] == [4, 6, 8, 10]
    assert losses == ("cache_marks",)


def test_a_tool_with_the_name_of_the_answers_own_is_refused() -> None:
    with pytest.raises(InvalidRequest) as caught:
        write(asking(tools=(Tool("federation_answer", "Says.", SCHEMA),)))
    assert caught.value.param == "tools[0].name"
