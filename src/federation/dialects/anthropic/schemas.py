"""Makes a JSON schema fit for structured outputs, the vendor's subset of JSON Schema.

The vendor refuses an object that is not closed, and keywords that its grammar cannot hold
(ranges, lengths, patterns of its own). What is taken out is put into the description, so that
the model still reads it: the same as what the vendor's own client does with a model class.
A schema that already fits is handed on byte for byte.

Reference: https://platform.claude.com/docs/en/build-with-claude/structured-outputs
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Raw

_HELD: Final = frozenset(
    [
        "type",
        "enum",
        "const",
        "anyOf",
        "allOf",
        "properties",
        "required",
        "additionalProperties",
        "items",
        "$ref",
        "$defs",
        "definitions",
        "description",
        "title",
        "default",
        "format",
        "minItems",
        "$schema",
    ]
)
_FORMATS: Final = frozenset(
    ["date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"]
)
_DEEPEST: Final = 64


def fitted(raw: Raw) -> Raw:
    """The schema as the vendor takes it; the same object where nothing had to change.

    Raises `msgspec.DecodeError` where it is no object, `ValueError` where it is too deep.
    """
    schema = _SCHEMA.decode(raw)
    new = _fit(schema, 0)
    return raw if new == schema else Raw(msgspec.json.encode(new))


def is_open(raw: Raw) -> bool:
    """Whether some object of a schema is there to hold members that nobody named: closed, as
    the vendor demands it, it would mean another thing.

    Raises as `fitted` does.
    """
    return _is_open(_SCHEMA.decode(raw), 0)


def _is_open(schema: Any, depth: int) -> bool:
    if depth > _DEEPEST:
        raise ValueError("the schema is nested too deeply")
    if isinstance(schema, list):
        return any(_is_open(item, depth + 1) for item in schema)
    if not isinstance(schema, dict):
        return False
    more = schema.get("additionalProperties")
    if more is None:
        combined = any(name in schema for name in ("properties", "$ref", "anyOf", "oneOf", "allOf"))
        open_ended = schema.get("type") == "object" and not combined
    else:
        open_ended = more is not False
    if open_ended or schema.get("patternProperties"):
        return True
    for name, value in schema.items():
        if name in ("properties", "$defs", "definitions") and isinstance(value, dict):
            if any(_is_open(item, depth + 1) for item in value.values()):
                return True
        elif name in ("items", "anyOf", "oneOf", "allOf") and _is_open(value, depth + 1):
            return True
    return False


def opened(raw: Raw | None) -> Raw:
    """A tool's schema as the vendor takes it: its type must be `object`, and be said.

    Raises `msgspec.DecodeError` where it is no object.
    """
    if raw is None or bytes(raw) == b"null":
        return _ANY
    if bytes(memoryview(raw)[:16]).replace(b" ", b"").startswith(b'{"type":"object"'):
        return raw
    schema = _OBJECT.decode(raw)
    if schema.get("type") == Raw(b'"object"'):
        return raw
    return Raw(msgspec.json.encode({**schema, "type": "object"}))


_SCHEMA: Final = msgspec.json.Decoder(dict[str, Any])
_OBJECT: Final = msgspec.json.Decoder(dict[str, Raw])
_ANY: Final = Raw(b'{"type":"object","properties":{}}')


def _fit(schema: Any, depth: int) -> Any:
    if not isinstance(schema, dict):
        return schema
    if depth > _DEEPEST:
        raise ValueError("the schema is nested too deeply")
    new, lost = _sorted(schema, depth)
    if _is_object(schema):
        new["additionalProperties"] = False
    if lost:
        said = ", ".join(f"{name}: {_short(value)}" for name, value in lost.items())
        given = new.get("description")
        new["description"] = f"{given}\n\n{{{said}}}" if given else f"{{{said}}}"
    return new


def _sorted(schema: dict[str, Any], depth: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the vendor holds of a schema, and what it does not."""
    new: dict[str, Any] = {}
    lost: dict[str, Any] = {}
    choices: list[list[Any]] = []
    for name, value in schema.items():
        if name in ("oneOf", "anyOf"):
            choices.append([_fit(item, depth + 1) for item in _list(value)])
        elif name == "allOf":
            new[name] = [_fit(item, depth + 1) for item in _list(value)]
        elif name in ("properties", "$defs", "definitions") and isinstance(value, dict):
            new[name] = {key: _fit(item, depth + 1) for key, item in value.items()}
        elif name == "items" and isinstance(value, dict):
            new[name] = _fit(value, depth + 1)
        elif name in _HELD and _is_held(name, value):
            new[name] = value
        elif name != "additionalProperties":
            lost[name] = value
    if len(choices) == 1:
        new["anyOf"] = choices[0]
    elif choices:
        # Both must hold, and a schema has one `anyOf` only.
        new["allOf"] = [*new.get("allOf", ()), *({"anyOf": choice} for choice in choices)]
    return new, lost


def _is_object(schema: dict[str, Any]) -> bool:
    kind = schema.get("type")
    return (
        kind == "object"
        or (isinstance(kind, list) and "object" in kind)
        or (kind is None and isinstance(schema.get("properties"), dict))
    )


def _is_held(name: str, value: Any) -> bool:
    if name == "additionalProperties":
        return value is False
    if name == "format":
        return value in _FORMATS
    if name == "minItems":
        return value in (0, 1)
    return True


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _short(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
