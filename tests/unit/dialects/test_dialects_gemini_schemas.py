"""The vendor's schemas as JSON Schema."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import Raw

from federation.dialects.gemini.schemas import json_schema
from federation.errors import InvalidRequest


def converted(schema: Any) -> Any:
    return json.loads(bytes(json_schema(Raw(json.dumps(schema).encode()), "x")))


@pytest.mark.parametrize(
    ("own", "theirs"),
    [
        ({"type": "STRING"}, {"type": "string"}),
        ({"type": "string", "nullable": False}, {"type": "string"}),
        ({"type": "STRING", "nullable": True}, {"type": ["string", "null"]}),
        (
            {"type": "STRING", "nullable": True, "enum": ["a"]},
            {"type": ["string", "null"], "enum": ["a", None]},
        ),
        (
            {"any_of": [{"type": "STRING"}, {"type": "NUMBER"}], "nullable": True},
            {"anyOf": [{"type": "string"}, {"type": "number"}, {"type": "null"}]},
        ),
        ({"type": ["STRING", "NULL"]}, {"type": ["string", "null"]}),
        ({"type": "STRING", "format": "enum", "enum": ["a"]}, {"type": "string", "enum": ["a"]}),
        ({"type": "STRING", "format": "date-time"}, {"type": "string", "format": "date-time"}),
        (
            {"type": "ARRAY", "items": {"type": "INTEGER"}, "minItems": "1", "max_items": 3},
            {"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 3},
        ),
        (
            {"type": "OBJECT", "properties": {"snake_case": {"type": "STRING"}, "anyOf": {}}},
            {"type": "object", "properties": {"snake_case": {"type": "string"}, "anyOf": {}}},
        ),
        (
            {"type": "OBJECT", "propertyOrdering": ["a"], "example": {"a": 1}, "default": None},
            {"type": "object", "examples": [{"a": 1}], "default": None},
        ),
        (
            {"defs": {"A": {"type": "STRING"}}, "ref": "#/defs/A"},
            {"$defs": {"A": {"type": "string"}}, "$ref": "#/$defs/A"},
        ),
        (
            {"type": "OBJECT", "additionalProperties": {"type": "NUMBER"}},
            {"type": "object", "additionalProperties": {"type": "number"}},
        ),
        (
            {"type": "OBJECT", "additionalProperties": False},
            {"type": "object", "additionalProperties": False},
        ),
        ({"type": "NUMBER", "minimum": 1.5}, {"type": "number", "minimum": 1.5}),
    ],
)  # fmt: skip
def test_a_schema_says_the_same(own: Any, theirs: Any) -> None:
    assert converted(own) == theirs


@pytest.mark.parametrize(
    "schema", [1, [], {"type": 1}, {"items": 1}, {"properties": {"a": 1}}, {"anyOf": [1]}]
)
def test_what_is_no_schema_is_refused(schema: Any) -> None:
    with pytest.raises(InvalidRequest):
        converted(schema)
