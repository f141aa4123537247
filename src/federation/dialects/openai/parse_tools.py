"""Reads a client's tools, its choice among them, and the form that the answer must have.

Tools in the deprecated `functions` are marked, so that their calls can be answered in the
deprecated way. A tool of another type runs at the provider and is kept whole.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Raw

from federation.dialects.malformed import missing
from federation.dialects.openai.parse_parts import decoded, read_mark
from federation.dialects.openai.words import LEGACY
from federation.dialects.tokenizer import Members
from federation.errors import InvalidRequest
from federation.schema import chat
from federation.schema.chat import OutputFormat, Tool, ToolChoice
from federation.schema.parts import CUSTOM, FUNCTION, Fields

_NULL: Final = Raw(b"null")
_TRUE: Final = Raw(b"true")
_STRING: Final = msgspec.json.Decoder(str)
_OPTIONAL: Final = msgspec.json.Decoder(str | None)
_FLAG: Final = msgspec.json.Decoder(bool | None)
_CHOICE: Final = msgspec.json.Decoder(str | Members)
_OBJECT: Final = msgspec.json.Decoder(Members)
_OBJECTS: Final = msgspec.json.Decoder(list[Members])
_MODES: Final = {
    "auto": chat.AUTO,
    "none": chat.NONE,
    "required": chat.REQUIRED,
    "any": chat.REQUIRED,
}


def read_tools(tools: list[Members], functions: list[Members]) -> tuple[Tool, ...]:
    """The tools of a call, those of the deprecated field last."""
    found = [_tool(item, f"tools[{index}]") for index, item in enumerate(tools)]
    for index, item in enumerate(functions):
        found.append(_function(item, f"functions[{index}]", {LEGACY: _TRUE}))
    return tuple(found)


def _tool(item: Members, where: str) -> Tool:
    kind = decoded(_OPTIONAL, item.get("type", _NULL), f"{where}.type") or FUNCTION
    if kind not in (FUNCTION, CUSTOM):
        name = decoded(_OPTIONAL, item.get("name", _NULL), f"{where}.name") or kind
        return Tool(name, kind="hosted", raw=Raw(msgspec.json.encode(item)))
    inner = item.get(kind)
    if inner is None:
        raise missing(f"{where}.{kind}")
    found = decoded(_OBJECT, inner, f"{where}.{kind}")
    extra = {name: raw for name, raw in item.items() if name not in ("type", kind)}
    cache = read_mark(item, where) if extra else None
    if kind == CUSTOM:
        known = _named(found, f"{where}.custom")
        form = found.get("format")
        return Tool(**known, kind=CUSTOM, format=form, cache=cache, extra=extra)
    tool = _function(found, f"{where}.function", extra)
    return msgspec.structs.replace(tool, cache=cache) if cache is not None else tool


def _named(found: Members, where: str) -> dict[str, Any]:
    if "name" not in found:
        raise missing(f"{where}.name")
    return {
        "name": decoded(_STRING, found["name"], f"{where}.name"),
        "description": decoded(_OPTIONAL, found.get("description", _NULL), f"{where}.description")
        or "",
    }


def _function(found: Members, where: str, extra: Fields) -> Tool:
    schema = found.get("parameters", _NULL)
    if schema != _NULL and not bytes(schema).startswith(b"{"):
        raise InvalidRequest(
            f"'{where}.parameters' must be an object.",
            code="invalid_type",
            param=f"{where}.parameters",
        )
    return Tool(
        **_named(found, where),
        schema=schema if schema != _NULL else None,
        strict=decoded(_FLAG, found.get("strict", _NULL), f"{where}.strict"),
        extra=extra,
    )


def read_tool_choice(choice: Raw, function_call: Raw, extra: Fields) -> ToolChoice | None:
    """The choice of tools; one that names a hosted tool is put into `extra`."""
    if choice != _NULL:
        return _choice(choice, extra)
    if function_call == _NULL:
        return None
    found = decoded(_CHOICE, function_call, "function_call")
    if isinstance(found, str):
        return _mode(found, "function_call")
    name = decoded(_OPTIONAL, found.get("name", _NULL), "function_call.name")
    if not name:
        raise missing("function_call.name")
    return ToolChoice(chat.NAMED, name)


def _mode(word: str, where: str) -> ToolChoice:
    mode = _MODES.get(word)
    if mode is None:
        raise InvalidRequest(
            f"'{where}' must be 'auto', 'none', 'required' or an object that names a tool.",
            code="invalid_value",
            param=where,
        )
    return ToolChoice(mode)


def _choice(raw: Raw, extra: Fields) -> ToolChoice | None:
    found = decoded(_CHOICE, raw, "tool_choice")
    if isinstance(found, str):
        return _mode(found, "tool_choice")
    kind = decoded(_OPTIONAL, found.get("type", _NULL), "tool_choice.type") or FUNCTION
    inner = found.get(kind)
    if kind == "allowed_tools":
        return _allowed(inner)
    if kind not in (FUNCTION, CUSTOM):
        extra["tool_choice"] = raw
        return None
    where = f"tool_choice.{kind}"
    named = decoded(_OBJECT, inner, where) if inner is not None else found
    name = decoded(_OPTIONAL, named.get("name", _NULL), f"{where}.name")
    if not name:
        raise missing(f"{where}.name")
    return ToolChoice(chat.NAMED, name, kind)


def _allowed(inner: Raw | None) -> ToolChoice:
    where = "tool_choice.allowed_tools"
    if inner is None:
        raise missing(where)
    found = decoded(_OBJECT, inner, where)
    mode = decoded(_OPTIONAL, found.get("mode", _NULL), f"{where}.mode") or "auto"
    names: list[str] = []
    items = decoded(_OBJECTS, found.get("tools", Raw(b"[]")), f"{where}.tools")
    for index, item in enumerate(items):
        place = f"{where}.tools[{index}]"
        kind = decoded(_OPTIONAL, item.get("type", _NULL), f"{place}.type") or FUNCTION
        named = decoded(_OBJECT, item[kind], f"{place}.{kind}") if kind in item else item
        name = decoded(_OPTIONAL, named.get("name", _NULL), f"{place}.name")
        if name:
            names.append(name)
    return ToolChoice(_mode(mode, f"{where}.mode").mode, allowed=tuple(names))


def read_format(found: Members | None, extra: Fields) -> OutputFormat | None:
    """The form of the answer; a host's own kind is put into `extra`."""
    if not found:
        return None
    kind = decoded(_OPTIONAL, found.get("type", _NULL), "response_format.type")
    schema = found.get("schema", _NULL)
    if kind == "text":
        return OutputFormat("text")
    if kind == "json_object" and schema == _NULL:
        return OutputFormat("json")
    inner = found.get("json_schema", _NULL)
    if kind == "json_schema" and inner != _NULL:
        return _schema(decoded(_OBJECT, inner, "response_format.json_schema"))
    if kind in ("json_object", "json_schema") and schema != _NULL:
        return OutputFormat("schema", schema)
    if kind == "json_schema":
        raise missing("response_format.json_schema")
    extra["response_format"] = Raw(msgspec.json.encode(found))
    return None


def _schema(found: Members) -> OutputFormat:
    where = "response_format.json_schema"
    schema = found.get("schema", _NULL)
    return OutputFormat(
        "schema",
        schema if schema != _NULL else None,
        decoded(_OPTIONAL, found.get("name", _NULL), f"{where}.name") or "",
        decoded(_OPTIONAL, found.get("description", _NULL), f"{where}.description") or "",
        decoded(_FLAG, found.get("strict", _NULL), f"{where}.strict"),
    )
