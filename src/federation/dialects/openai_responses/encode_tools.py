"""Writes tools and the choice among them, after what the row takes.

A function is strict here unless the call says otherwise, and is not in the other dialects:
so a tool of theirs that says nothing is written as not strict, or the API would change its
schema. A choice that the row does not take is made by leaving tools out where that says the
same.

Reference: https://platform.openai.com/docs/guides/function-calling#strict-mode
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Raw

from federation.dialects.losses import Losses
from federation.dialects.openai.row import Row
from federation.dialects.openai_responses.tables import NAME
from federation.dialects.openai_responses.write_items import Item
from federation.errors import InvalidRequest
from federation.schema.chat import AUTO, NAMED, NONE, REQUIRED, ChatRequest, Tool, ToolChoice
from federation.schema.parts import CUSTOM, FUNCTION

_GRAMMAR: Final = "grammar"
_FORMAT: Final = msgspec.json.Decoder(dict[str, Raw])
_NESTED: Final = Raw(b'"grammar"')


def encode_tools(request: ChatRequest, row: Row, losses: Losses) -> Item:
    """The members `tools` and `tool_choice`, where the call has them."""
    own = request.dialect == NAME
    choice = request.tool_choice
    tools = request.tools
    if choice is not None and row.tool_choices is not None:
        tools, choice = _within(tools, choice, row.tool_choices, losses)
    found: Item = {}
    if tools:
        found["tools"] = [
            tool_item(tool, own=own, row=row, losses=losses, where=f"tools[{index}]")
            for index, tool in enumerate(tools)
        ]
    if choice is not None and (tools or own):
        found["tool_choice"] = choice_item(choice, tools)
    elif own and "tool_choice" in request.extra:
        found["tool_choice"] = request.extra["tool_choice"]
    return found


def tool_item(tool: Tool, *, own: bool, row: Row, losses: Losses, where: str) -> Item | Raw:
    """One tool."""
    if tool.kind not in (FUNCTION, CUSTOM):
        if not own or tool.raw is None:
            losses.note("hosted_tools", where)
        return tool.raw or Raw(b"null")
    if row.tool_types is not None and tool.kind not in row.tool_types:
        losses.note("custom_tools" if tool.kind == CUSTOM else "tools", where)
    if tool.cache is not None:
        losses.note("cache_marks", where)
    found: Item = {"type": tool.kind, "name": tool.name}
    if tool.description:
        found["description"] = tool.description
    if tool.kind == CUSTOM:
        if tool.format is not None:
            found["format"] = _flat(tool.format)
    else:
        found["parameters"] = _schema(tool.schema, row, losses, where)
        if tool.strict is not None or not own:
            found["strict"] = tool.strict is True
    if own:
        found.update(tool.extra)
    return found


def choice_item(choice: ToolChoice, tools: tuple[Tool, ...]) -> str | Item:
    """The choice among the tools."""
    if choice.mode == NAMED:
        return {"type": choice.kind, "name": choice.name}
    if not choice.allowed:
        return choice.mode
    kinds = {tool.name: tool.kind for tool in tools}
    return {
        "type": "allowed_tools",
        "mode": choice.mode,
        "tools": [{"type": kinds.get(name, FUNCTION), "name": name} for name in choice.allowed],
    }


def _within(
    tools: tuple[Tool, ...], choice: ToolChoice, accepted: frozenset[str], losses: Losses
) -> tuple[tuple[Tool, ...], ToolChoice | None]:
    """Tools and choice in the words of a row that takes only some choices."""
    if choice.allowed:
        tools = tuple(tool for tool in tools if tool.name in choice.allowed)
        choice = ToolChoice(choice.mode)
    if choice.mode == NONE and NONE not in accepted:
        return (), None
    if choice.mode == AUTO and AUTO not in accepted:
        return tools, None
    if choice.mode in (REQUIRED, NAMED) and choice.mode not in accepted:
        losses.note(f"tool_choice_{choice.mode}", "tool_choice")
    return tools, choice


def _flat(shape: Raw) -> Raw | dict[str, Raw]:
    """A custom tool's format; Chat Completions nests the grammar once more."""
    try:
        found = _FORMAT.decode(shape)
        if found.get("type") != _NESTED or _GRAMMAR not in found:
            return shape
        return {"type": _NESTED, **_FORMAT.decode(found[_GRAMMAR])}
    except (msgspec.DecodeError, UnicodeDecodeError):
        return shape


def _schema(schema: Raw | None, row: Row, losses: Losses, where: str) -> Any:
    if schema is None or not row.schema_strip:
        return schema
    try:
        found = msgspec.json.decode(schema)
        stripped = _stripped(found, row.schema_strip)
    except RecursionError:
        raise InvalidRequest(
            f"'{where}.parameters' is nested too deeply.", param=f"{where}.parameters"
        ) from None
    if stripped == found:
        return schema
    losses.note("tool_schema", where)
    return stripped


def _stripped(value: Any, names: frozenset[str]) -> Any:
    if isinstance(value, dict):
        return {k: _stripped(item, names) for k, item in value.items() if k not in names}
    if isinstance(value, list):
        return [_stripped(item, names) for item in value]
    return value
