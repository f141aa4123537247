"""Values that satisfy a JSON schema, taken from the prompt where that is possible.

A toy: enough for the schemas that tools and structured output use (types, enums, nested
objects and arrays, `$ref` into the same document, the usual formats), not a solver. Patterns
are not followed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, TypeAlias

Schema: TypeAlias = dict[str, Any]

_DEPTH_LIMIT = 12
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_NAME = re.compile(r"\b[A-Z][\w-]+")
_FORMATS = {
    "date-time": "2026-01-01T00:00:00Z",
    "date": "2026-01-01",
    "time": "00:00:00Z",
    "duration": "PT1H",
    "email": "simulated@example.com",
    "hostname": "example.com",
    "uri": "https://example.com/simulated",
    "url": "https://example.com/simulated",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
}


@dataclass(frozen=True, slots=True)
class _Source:
    """Where references point, and what words may be borrowed."""

    root: Schema
    prompt: str


def instance(schema: Schema, prompt: str) -> Any:
    """A JSON value for `schema`; the same for the same schema and prompt."""
    return _value(schema, _Source(schema, prompt), 0)


def _value(schema: object, source: _Source, depth: int) -> Any:
    if not isinstance(schema, dict) or depth > _DEPTH_LIMIT:
        return None
    schema = _resolve(schema, source, depth)
    if "const" in schema:
        return schema["const"]
    choices = schema.get("enum")
    if isinstance(choices, list) and choices:
        return _chosen(choices, source.prompt)
    for union in ("anyOf", "oneOf"):
        options = schema.get(union)
        if isinstance(options, list) and options:
            return _value({**schema, union: None, **_first_real(options)}, source, depth + 1)
    kind = _kind(schema)
    if kind == "object":
        return _object(schema, source, depth)
    if kind == "array":
        return _array(schema, source, depth)
    if kind == "string":
        return _string(schema, source.prompt)
    if kind in ("integer", "number"):
        return _number(schema, source.prompt, whole=kind == "integer")
    return False if kind == "boolean" else None


def _resolve(schema: Schema, source: _Source, depth: int) -> Schema:
    """Follow `$ref` and merge `allOf`; a chain that never ends is cut."""
    for _ in range(_DEPTH_LIMIT):
        reference = schema.get("$ref")
        if not isinstance(reference, str):
            break
        target: Any = source.root
        for step in reference.removeprefix("#").strip("/").split("/"):
            if step:
                target = target.get(step) if isinstance(target, dict) else None
        rest = {key: value for key, value in schema.items() if key != "$ref"}
        schema = {**target, **rest} if isinstance(target, dict) else rest
    parts = schema.get("allOf")
    if isinstance(parts, list) and depth <= _DEPTH_LIMIT:
        merged = {key: value for key, value in schema.items() if key != "allOf"}
        for part in parts:
            if isinstance(part, dict):
                merged = _merge(merged, _resolve(part, source, depth + 1))
        schema = merged
    return schema


def _merge(one: Schema, other: Schema) -> Schema:
    merged = {**one, **other}
    for key in ("properties", "required"):
        first, second = one.get(key), other.get(key)
        if isinstance(first, dict) and isinstance(second, dict):
            merged[key] = {**first, **second}
        elif isinstance(first, list) and isinstance(second, list):
            merged[key] = first + second
    return merged


def _first_real(options: list[Any]) -> Schema:
    """The first alternative that is not null: an empty answer shows nothing."""
    schemas = [option for option in options if isinstance(option, dict)]
    real = [option for option in schemas if option.get("type") != "null"]
    return (real or schemas or [{}])[0]


def _kind(schema: Schema) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((each for each in kind if each != "null"), "null")
    if isinstance(kind, str):
        return kind
    if "properties" in schema:
        return "object"
    return "array" if "items" in schema else "string"


def _chosen(choices: list[Any], prompt: str) -> Any:
    folded = prompt.casefold()
    named = (each for each in choices if isinstance(each, str) and each.casefold() in folded)
    return next(named, choices[0])


def _object(schema: Schema, source: _Source, depth: int) -> dict[str, Any]:
    properties = schema.get("properties")
    properties = properties if isinstance(properties, dict) else {}
    required = schema.get("required")
    names = list(required) if isinstance(required, list) else list(properties)
    # Optional members are left out below the top, or a recursive schema would fill every level.
    if depth == 0:
        names += [name for name in properties if name not in names]
    return {
        name: _value(properties.get(name, {"type": "string"}), source, depth + 1)
        for name in names
        if isinstance(name, str)
    }


def _array(schema: Schema, source: _Source, depth: int) -> list[Any]:
    least, most = schema.get("minItems", 0), schema.get("maxItems")
    count = max(least if isinstance(least, int) else 0, 1)
    if isinstance(most, int):
        count = min(count, most)
    if depth >= _DEPTH_LIMIT:
        count = 0
    return [_value(schema.get("items", {"type": "string"}), source, depth + 1)] * count


def _string(schema: Schema, prompt: str) -> str:
    known = _FORMATS.get(str(schema.get("format")))
    if known is not None:
        return known
    names = _NAME.findall(prompt)
    text = names[-1] if names else " ".join(prompt.split()[:6]) or "simulated"
    least, most = schema.get("minLength"), schema.get("maxLength")
    if isinstance(least, int):
        text = text.ljust(least, ".")
    return text[:most] if isinstance(most, int) else text


def _number(schema: Schema, prompt: str, *, whole: bool) -> int | float:
    found = _NUMBER.search(prompt)
    value: float = float(found.group()) if found and len(found.group()) < 16 else 1.0
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum", schema.get("exclusiveMaximum"))
    if isinstance(low, int | float) and value <= low:
        value = low if "minimum" in schema else low + (1 if whole else 0.5)
    if isinstance(high, int | float) and value >= high:
        value = high if "maximum" in schema else high - (1 if whole else 0.5)
    return round(value) if whole else value
