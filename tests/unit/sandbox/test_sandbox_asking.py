from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.errors import InvalidRequest
from federation.sandbox import asking
from federation.sandbox.faults import Fault, draw_fault, split_fault
from federation.sandbox.instances import instance
from federation.sandbox.profiles import Faults
from federation.sandbox.tokens import pieces, prompt_tokens

USER = {"role": "user", "content": "hello"}


def body(**more: Any) -> bytes:
    return json.dumps({"model": "m", "messages": [USER], **more}).encode()


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"model": ""}, "model"),
        ({"model": 5}, "model"),
        ({"model": None}, "model"),
        ({"messages": []}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({"messages": ["hi"]}, "messages[0]"),
        ({"messages": [{"role": "king", "content": ""}]}, "messages[0].role"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [{"role": "assistant"}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        ({"messages": [{"role": "tool", "content": ""}]}, "messages[0].tool_call_id"),
        ({"messages": [{"role": "user", "content": [5]}]}, "messages[0].content[0].type"),
        (
            {"messages": [{"role": "user", "content": [{"type": "text"}]}]},
            "messages[0].content[0].text",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
            "messages[0].content[0]",
        ),
        ({"temperature": 3}, "temperature"),
        ({"temperature": "warm"}, "temperature"),
        ({"top_p": True}, "top_p"),
        ({"n": 0}, "n"),
        ({"n": 100}, "n"),
        ({"n": True}, "n"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_completion_tokens": 1.5}, "max_completion_tokens"),
        ({"stream": "yes"}, "stream"),
        ({"stream_options": 5}, "stream_options"),
        ({"seed": "x"}, "seed"),
        ({"stop": 5}, "stop"),
        ({"stop": list("abcde")}, "stop"),
        ({"tools": {}}, "tools"),
        ({"tools": [{"type": "function"}]}, "tools[0]"),
        ({"tools": [5]}, "tools[0]"),
        ({"tool_choice": "perhaps"}, "tool_choice"),
        ({"tool_choice": {"type": "function"}}, "tool_choice"),
        ({"response_format": "json"}, "response_format.type"),
        ({"response_format": {"type": "xml"}}, "response_format.type"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema.schema"),
    ],
)
def test_a_wrong_field_is_named(more: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        asking.read(body(**more))
    assert raised.value.param == param


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b'"text"', b"\xff\xfe", b"[" * 100_000])
def test_a_body_that_is_no_json_object_is_refused(raw: bytes) -> None:
    with pytest.raises(InvalidRequest):
        asking.read(raw)


def test_unknown_fields_are_accepted() -> None:
    assert asking.read(body(metadata={"a": [1]}, whatever=None)).model == "m"


def test_parts_of_a_message_are_read() -> None:
    parts = [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]
    talk = [{"role": "system", "content": "be brief"}, {"role": "user", "content": parts}]
    refusal = {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]}
    asked = asking.read(body(messages=[*talk, refusal], temperature=0.5, stop=["a", ""]))
    assert asked.prompt == "one\ntwo"
    assert asked.system == "be brief"
    assert asked.messages == 3
    assert asked.stops == ("a",)


@settings(deadline=None, max_examples=300)
@given(st.text())
def test_the_pieces_of_a_text_are_the_text(text: str) -> None:
    assert "".join(pieces(text)) == text


def test_a_prompt_counts_its_bytes_messages_and_images() -> None:
    assert prompt_tokens(8, 1, 0) == 2 + 4 + 3
    assert prompt_tokens(0, 0, 1) == 255 + 3


def test_a_fault_is_drawn_by_its_share() -> None:
    class Fixed:
        def __init__(self, value: float) -> None:
            self.value = value

        def random(self) -> float:
            return self.value

    shares = Faults(error=0.1, limited=0.1, slow=0.1, cut=0.1)
    drawn = [draw_fault(shares, Fixed(point)) for point in (0.05, 0.15, 0.25, 0.35, 0.45)]  # type: ignore[arg-type]
    assert drawn == [Fault.ERROR, Fault.LIMITED, Fault.SLOW, Fault.CUT, None]


def test_only_a_known_suffix_is_a_fault() -> None:
    assert split_fault("m:cut") == ("m", Fault.CUT)
    assert split_fault("m:8b") == ("m:8b", None)
    assert split_fault("cut") == ("cut", None)


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "string"}, "Paris"),
        ({"type": "string", "maxLength": 3}, "Par"),
        ({"type": "string", "minLength": 7}, "Paris.."),
        ({"type": "string", "format": "date"}, "2026-01-01"),
        ({"type": "integer"}, 3),
        ({"type": "number", "minimum": 5}, 5),
        ({"type": "number", "exclusiveMinimum": 5}, 5.5),
        ({"type": "integer", "exclusiveMinimum": 5}, 6),
        ({"type": "integer", "maximum": 2}, 2),
        ({"type": "integer", "exclusiveMaximum": 2}, 1),
        ({"type": "number", "exclusiveMaximum": 2}, 1.5),
        ({"type": "boolean"}, False),
        ({"type": "null"}, None),
        ({"type": ["null", "integer"]}, 3),
        ({"type": ["null"]}, None),
        ({"const": {"a": 1}}, {"a": 1}),
        ({"enum": ["rome", "paris"]}, "paris"),
        ({"enum": [7, 8]}, 7),
        ({"anyOf": [{"type": "null"}, {"type": "integer"}]}, 3),
        ({"oneOf": [{"type": "null"}]}, None),
        ({"oneOf": ["odd"]}, "Paris"),
        ({"items": {"type": "integer"}}, [3]),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 2}, [3, 3]),
        ({"type": "array", "maxItems": 0}, []),
        ({"properties": {"a": {"type": "integer"}}}, {"a": 3}),
        ({"type": "object", "required": ["a"]}, {"a": "Paris"}),
        ({"type": "object", "properties": 5}, {}),
        (
            {"allOf": [{"properties": {"a": {"const": 1}}, "required": ["a"]}, {"x": 1}, 5]},
            {"a": 1},
        ),
        (
            {
                "$defs": {"b": {"properties": {"b": {"const": 2}}, "required": ["b"]}},
                "properties": {"a": {"const": 1}},
                "required": ["a"],
                "type": "object",
                "allOf": [{"$ref": "#/$defs/b"}],
            },
            {"a": 1, "b": 2},
        ),
        ({"$ref": "#/nowhere/at/all"}, "Paris"),
        ({"$ref": "#"}, "Paris"),
        ({}, "Paris"),
    ],
)
def test_a_value_fits_its_schema(schema: dict[str, Any], value: object) -> None:
    assert instance(schema, "3 days in Paris") == value


def test_a_prompt_without_names_still_gives_a_text() -> None:
    assert instance({"type": "string"}, "") == "simulated"
    assert instance({"type": "string"}, "a b c d e f g h") == "a b c d e f"
    assert instance({"type": "integer"}, "no digits") == 1


def test_a_recursive_schema_ends() -> None:
    node = {
        "type": "object",
        "properties": {
            "next": {"$ref": "#/$defs/node"},
            "many": {"items": {"$ref": "#/$defs/node"}},
        },
        "required": ["next", "many"],
    }
    value = instance({"$defs": {"node": node}, "$ref": "#/$defs/node"}, "x")
    assert len(json.dumps(value)) < 200_000
    assert instance({"items": {"$ref": "#"}}, "x")


@pytest.mark.parametrize("count", [1, 3])
def test_the_depth_of_a_schema_is_bounded(count: int) -> None:
    schema: dict[str, Any] = {"type": "integer"}
    for _ in range(40 * count):
        schema = {"type": "array", "items": schema}
    assert instance(schema, "x")
