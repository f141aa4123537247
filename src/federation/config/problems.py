"""From a failed validation to problems that an operator can act on: place, fault, nearest word.

No message repeats a value that was written: it might be a secret in the wrong line. Only
key names, names of things (providers, routes, models), and values that were compared with a
list of allowed words are shown.
"""

from __future__ import annotations

from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from federation.config.document import Document, Path_
from federation.config.nearest import listed, nearest
from federation.errors import Problem

_KEY = "[key]"
"""Where pydantic finds fault with a mapping's key, and not with what it holds."""
# What pydantic says in a programmer's words.
_PLAIN = {
    **dict.fromkeys(("model_type", "dict_type", "model_attributes_type"), "a mapping"),
    **dict.fromkeys(("tuple_type", "list_type"), "a list"),
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), "a whole number"),
    **dict.fromkeys(("float_type", "float_parsing"), "a number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "true or false"),
    "string_type": "text",
}


def translate(
    error: ValidationError, model: type[BaseModel], document: Document, prefix: Path_
) -> list[Problem]:
    """One problem for each fault in what stands at `prefix` of `document`."""
    return [_translate(detail, model, document, prefix) for detail in error.errors()]


def _translate(
    detail: ErrorDetails, model: type[BaseModel], document: Document, prefix: Path_
) -> Problem:
    location = tuple(part for part in detail["loc"] if part != _KEY)
    return document.problem((*prefix, *location), _message(detail, model, location))


def _message(detail: ErrorDetails, model: type[BaseModel], location: Path_) -> str:
    key = ".".join(str(part) for part in location)
    kind = detail["type"]
    if kind == "extra_forbidden":
        parent = _model_at(model, location[:-1])
        return _stranger(key, str(location[-1]), _names(parent) if parent is not None else [])
    if kind == "missing":
        return f"'{key}' is missing"
    if kind in ("enum", "literal_error"):
        expected = str(detail.get("ctx", {}).get("expected", "")).replace("'", "")
        words = expected.replace(" or ", ", ").split(", ")
        if _KEY in detail["loc"]:
            return _stranger(key, str(location[-1]), words)
        return _choice(key, detail, words)
    if kind in _PLAIN:
        should = f"should be {_PLAIN[kind]}"
        if detail["input"] is None:
            should = f"is empty: it {should}, or left out"
        return f"'{key}' {should}" if key else should
    if kind == "value_error":
        said = detail["msg"].removeprefix("Value error, ")
        return f"'{key}' {said}" if key else said
    said = detail["msg"].removeprefix("Input should be ")
    return f"'{key}' should be {said}" if said != detail["msg"] else f"'{key}': {said}"


def _stranger(key: str, name: str, known: list[str]) -> str:
    return f"unknown key '{key}'{nearest(name, known) or f' (known: {listed(known)})'}"


def _choice(key: str, detail: ErrorDetails, words: list[str]) -> str:
    given = detail["input"]
    hint = nearest(given, words) if isinstance(given, str) else ""
    return f"'{key}' should be one of {', '.join(words)}{hint}"


def _names(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _model_at(model: type[BaseModel], location: Path_) -> type[BaseModel] | None:
    """The model whose keys stand at `location` inside `model`; None under a free mapping."""
    here: type[BaseModel] | None = model
    for part in location:
        if here is None:
            return None
        if isinstance(part, int):
            continue
        field = here.model_fields.get(part)
        if field is not None:
            here = _inner(field.annotation)
    return here


def _inner(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for part in get_args(annotation):
        if (found := _inner(part)) is not None:
            return found
    return None
