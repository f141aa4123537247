"""From the vendor's own form of a schema to JSON Schema, which every other dialect takes.

The own form is a cut of OpenAPI 3.0: types in capitals, `nullable` beside the type, counts
as strings, and members in both spellings. The way back is not needed: a declaration also
takes a JSON Schema as it is.

Reference: https://ai.google.dev/api/caching#Schema
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Raw

from federation.dialects.gemini.names import camel
from federation.errors import InvalidRequest

_ANY: Final = msgspec.json.Decoder(dict[str, Any])
_DEEPEST: Final = 64
_COUNTS: Final = frozenset(
    ("maxItems", "minItems", "maxLength", "minLength", "maxProperties", "minProperties")
)
_SAME: Final = frozenset(
    ("title", "description", "default", "enum", "required", "pattern", "minimum", "maximum")
)
_MAPS: Final = {"properties": "properties", "defs": "$defs", "$defs": "$defs"}
_LISTS: Final = {"anyOf": "anyOf", "oneOf": "oneOf", "prefixItems": "prefixItems"}
_OWN_FORMAT: Final = "enum"


def json_schema(raw: Raw, where: str) -> Raw:
    """The JSON Schema that says what the vendor's schema says. Raises `InvalidRequest`."""
    try:
        found = _ANY.decode(raw)
    except (msgspec.ValidationError, RecursionError):
        raise _wrong(where) from None
    return Raw(msgspec.json.encode(_converted(found, where, 0)))


def _converted(schema: Any, where: str, depth: int) -> dict[str, Any]:
    if not isinstance(schema, dict) or depth > _DEEPEST:
        raise _wrong(where)
    out: dict[str, Any] = {}
    nullable = False
    for key, value in schema.items():
        name = camel(key)
        if value is None and name != "default":
            continue
        if name == "type":
            out["type"] = _type(value, where)
        elif name == "nullable":
            nullable = value is True
        elif name in _SAME:
            out[name] = value
        elif name in _COUNTS:
            out[name] = int(value) if isinstance(value, str) and value.isdecimal() else value
        elif name == "format":
            if value != _OWN_FORMAT:
                out["format"] = value
        elif name == "example":
            out["examples"] = [value]
        elif name in ("ref", "$ref"):
            out["$ref"] = _pointer(value)
        else:
            _nest(out, name, value, where, depth)
    return _or_null(out) if nullable else out


def _nest(out: dict[str, Any], name: str, value: Any, where: str, depth: int) -> None:
    """Convert a member that holds schemas; what is none of them means nothing elsewhere."""
    if name in _MAPS and isinstance(value, dict):
        out[_MAPS[name]] = {
            key: _converted(inner, f"{where}.{name}.{key}", depth + 1)
            for key, inner in value.items()
        }
    elif name in _LISTS and isinstance(value, list):
        out[_LISTS[name]] = [
            _converted(inner, f"{where}.{name}[{index}]", depth + 1)
            for index, inner in enumerate(value)
        ]
    elif name == "items":
        out["items"] = _converted(value, f"{where}.items", depth + 1)
    elif name == "additionalProperties":
        plain = isinstance(value, bool)
        out[name] = value if plain else _converted(value, f"{where}.{name}", depth + 1)


def _type(value: Any, where: str) -> Any:
    if isinstance(value, str):
        return value.lower()
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return [item.lower() for item in value]
    raise _wrong(f"{where}.type")


def _pointer(value: Any) -> Any:
    return value.replace("#/defs/", "#/$defs/") if isinstance(value, str) else value


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    if isinstance(schema.get("type"), str):
        schema["type"] = [schema["type"], "null"]
        if isinstance(schema.get("enum"), list):
            schema["enum"] = [*schema["enum"], None]
    elif isinstance(schema.get("anyOf"), list):
        schema["anyOf"] = [*schema["anyOf"], {"type": "null"}]
    return schema


def _wrong(where: str) -> InvalidRequest:
    return InvalidRequest(
        f"'{where}' must be a schema object of at most {_DEEPEST} levels.",
        code="invalid_type",
        param=where,
    )
