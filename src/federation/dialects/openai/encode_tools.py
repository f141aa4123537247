"""Writes tools, the choice among them and the form of the answer, as far as a row takes them.

Reference: https://platform.openai.com/docs/guides/function-calling
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Raw

from federation.dialects.losses import Losses
from federation.dialects.openai.encode_parts import Item, Target, note_mark
from federation.dialects.openai.row import Row
from federation.dialects.openai.words import LEGACY
from federation.schema import chat
from federation.schema.chat import ChatRequest, OutputFormat, Tool, ToolChoice
from federation.schema.parts import CUSTOM, FUNCTION

_SCHEMA: Final = msgspec.json.Decoder(dict[str, Any])
_ANNOTATIONS: Final = frozenset(("$schema", "$id", "$comment"))
_NAMESPACES: Final = frozenset(("properties", "patternProperties", "$defs", "definitions"))
"""Keywords whose members are names of the author's and not keywords."""
_VALUES: Final = frozenset(("enum", "const", "default", "examples", "example"))
"""Keywords whose values are data."""
_ANY_OBJECT: Final = {
    "type": "json_schema",
    "json_schema": {"name": "object", "schema": {"type": "object"}},
}


def write_tools(request: ChatRequest, target: Target) -> dict[str, Any]:
    """`tools`, `tool_choice` and `parallel_tool_calls`, those that apply."""
    choice = request.tool_choice
    tools = request.tools
    if choice is not None and choice.allowed and not target.own:
        tools = tuple(tool for tool in tools if tool.name in choice.allowed)
    written = [
        item
        for index, tool in enumerate(tools)
        if (item := _tool(tool, target, f"tools[{index}]")) is not None
    ]
    if not written:
        if choice is not None and choice.mode in (chat.REQUIRED, chat.NAMED):
            target.losses.note(f"tool_choice_{choice.mode}", "tool_choice")
        return {}
    fields: dict[str, Any] = {"tools": written}
    if choice is not None and not _choose(choice, target, fields):
        return {}
    if request.parallel_tools is not None:
        fields["parallel_tool_calls"] = request.parallel_tools
    return fields


def _tool(tool: Tool, target: Target, where: str) -> Item | None:
    row, losses = target.row, target.losses
    if tool.kind not in (FUNCTION, CUSTOM):
        if target.own and tool.raw is not None:
            return msgspec.json.decode(tool.raw, type=dict[str, Raw])
        losses.note("hosted_tools", where)
        return None
    if row.tool_types is not None and tool.kind not in row.tool_types:
        losses.note("custom_tools" if tool.kind == CUSTOM else "tools", where)
        return None
    inner: Item = {"name": tool.name}
    if tool.description:
        inner["description"] = tool.description
    if tool.kind == CUSTOM:
        if tool.format is not None:
            inner["format"] = tool.format
    else:
        _describe(tool, inner, row, losses, where)
    item: Item = {"type": tool.kind, tool.kind: inner}
    if target.own:
        item.update({name: raw for name, raw in tool.extra.items() if name != LEGACY})
    elif tool.cache is not None:
        item.update(note_mark(tool.cache, target, where))
    return item


def _describe(tool: Tool, inner: Item, row: Row, losses: Losses, where: str) -> None:
    if tool.schema is not None:
        inner["parameters"] = tool.schema
        if row.schema_strip:
            inner["parameters"] = _stripped(tool.schema, row.schema_strip, losses, where)
    if tool.strict is not None:
        if "strict" not in row.schema_strip:
            inner["strict"] = tool.strict
        elif tool.strict:
            losses.note("strict_tools", where)
    for name, other in row.schema_rename.items():
        if name in inner:
            inner[other] = inner.pop(name)


def _stripped(schema: Raw, strip: frozenset[str], losses: Losses, where: str) -> Any:
    if not any(f'"{name}"'.encode() in bytes(schema) for name in strip):
        return schema
    gone: set[str] = set()
    found = _strip(_SCHEMA.decode(schema), strip, gone)
    if gone - _ANNOTATIONS:
        losses.note("tool_schema", where)
    return found


def _strip(schema: Any, strip: frozenset[str], gone: set[str]) -> Any:
    if isinstance(schema, list):
        return [_strip(item, strip, gone) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kept: dict[str, Any] = {}
    for name, value in schema.items():
        if name in strip:
            gone.add(name)
        elif name in _VALUES:
            kept[name] = value
        elif name in _NAMESPACES and isinstance(value, dict):
            kept[name] = {key: _strip(item, strip, gone) for key, item in value.items()}
        else:
            kept[name] = _strip(value, strip, gone)
    return kept


def _choose(choice: ToolChoice, target: Target, fields: dict[str, Any]) -> bool:
    """Write the choice; False where forbidding calls means leaving the tools out."""
    words = target.row.tool_choices
    mode = choice.mode
    if choice.allowed and target.own:
        fields["tool_choice"] = _allowed(choice, fields["tools"])
    elif mode == chat.NAMED:
        _name_one(choice, target, fields)
    elif words is None or mode in words:
        fields["tool_choice"] = mode
    elif mode == chat.NONE:
        return False
    elif mode == chat.REQUIRED:
        target.losses.note("tool_choice_required", "tool_choice")
    return True


def _name_one(choice: ToolChoice, target: Target, fields: dict[str, Any]) -> None:
    words = target.row.tool_choices
    if words is None or FUNCTION in words or chat.NAMED in words:
        kind = choice.kind
        fields["tool_choice"] = {"type": kind, kind: {"name": choice.name}}
    elif chat.REQUIRED in words:
        # To require some tool and to list one only is to require that one.
        only = [item for item in fields["tools"] if _name_of(item) == choice.name]
        fields["tools"] = only or fields["tools"]
        fields["tool_choice"] = chat.REQUIRED
    else:
        target.losses.note("tool_choice_named", "tool_choice")


def _name_of(item: Item) -> str:
    inner = item.get(str(item.get("type")))
    return str(inner.get("name")) if isinstance(inner, dict) else ""


def _allowed(choice: ToolChoice, tools: list[Item]) -> Item:
    kinds = {_name_of(item): str(item["type"]) for item in tools}
    named = [
        {"type": kind, kind: {"name": name}}
        for name in choice.allowed
        for kind in (kinds.get(name, FUNCTION),)
    ]
    return {"type": "allowed_tools", "allowed_tools": {"mode": choice.mode, "tools": named}}


def write_format(form: OutputFormat, request: ChatRequest, target: Target) -> Any:
    """The `response_format`; None where none is to be sent."""
    row, losses = target.row, target.losses
    if form.kind == "text":
        return {"type": "text"} if target.own else None
    if form.kind == "json":
        return {"type": "json_object"} if row.json_mode else _ANY_OBJECT
    excludes = row.schema_excludes
    if (request.stream and "stream" in excludes) or (request.tools and "tools" in excludes):
        losses.note("json_schema", "response_format")
    inner: Item = {"name": form.name or "answer"}
    if form.description:
        inner["description"] = form.description
    if form.schema is not None:
        inner["schema"] = form.schema
    if form.strict is not None:
        inner["strict"] = form.strict
    return {"type": "json_schema", "json_schema": inner}
