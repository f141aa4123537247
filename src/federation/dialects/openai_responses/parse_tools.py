"""Reads the tools of a call and the choice among them.

A tool that the provider runs stays as it came (`hosted`). A choice that names one of those
cannot be said in the canonical form, so it goes along as an extra of the call.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec
from msgspec import Raw, structs

from federation.dialects.malformed import not_one_of
from federation.dialects.openai_responses.fields import (
    NULL,
    decoded,
    inner,
    items_of,
    needed_text,
    rest,
    text,
)
from federation.dialects.openai_responses.spaces import full_name
from federation.dialects.openai_responses.tables import FREE_TOOLS, HOLDING_TOOLS
from federation.errors import InvalidRequest
from federation.schema.chat import AUTO, NAMED, NONE, REQUIRED, Tool, ToolChoice
from federation.schema.parts import CUSTOM, FUNCTION, Fields

_FLAG: Final = msgspec.json.Decoder(bool | None)
_TOOLS: Final = msgspec.json.Decoder(list[Raw] | None)
_GRAMMAR: Final = Raw(b'"grammar"')
_WORDS: Final = frozenset((AUTO, NONE, REQUIRED))
_FUNCTION: Final = frozenset(("type", "name", "description", "parameters", "strict"))
_CUSTOM: Final = frozenset(("type", "name", "description", "format"))


def parse_tools(raw: Raw | None) -> tuple[Tool, ...]:
    """The tools of a call. Raises `InvalidRequest` with the path of the tool."""
    if raw is None or raw == NULL:
        return ()
    found = decoded(_TOOLS, raw, "tools") or []
    return tuple([_parse_tool(item, f"tools[{index}]") for index, item in enumerate(found)])


def _parse_tool(raw: Raw, where: str) -> Tool:
    item = inner(raw, where)
    kind = needed_text(item, "type", where)
    if kind == FUNCTION:
        schema, strict = item.get("parameters", NULL), item.get("strict")
        if schema != NULL and bytes(schema)[:1] != b"{":
            raise InvalidRequest(
                f"'{where}.parameters' must be an object.",
                code="invalid_type",
                param=f"{where}.parameters",
            )
        return Tool(
            needed_text(item, "name", where),
            text(item, "description", where),
            schema if schema != NULL else None,
            None if strict is None else decoded(_FLAG, strict, f"{where}.strict"),
            extra=rest(item, _FUNCTION),
        )
    if kind == CUSTOM:
        shape = item.get("format", NULL)
        return Tool(
            needed_text(item, "name", where),
            text(item, "description", where),
            kind=CUSTOM,
            format=_nested(shape, f"{where}.format") if shape != NULL else None,
            extra=rest(item, _CUSTOM),
        )
    if kind == HOLDING_TOOLS:
        _held(item, where)
    return Tool(text(item, "name", where) or kind, kind="hosted", raw=raw)


def held_in(tool: Tool) -> tuple[Tool, ...]:
    """Of a namespace that holds but the caller's own tools: those, by their full names. Read off
    its JSON each time, for content checks change what stands there, and nothing beside it."""
    if tool.kind != "hosted" or tool.raw is None or HOLDING_TOOLS.encode() not in bytes(tool.raw):
        return ()
    item = inner(tool.raw, "tools")
    return _held(item, "tools") if text(item, "type", "tools") == HOLDING_TOOLS else ()


def spaces_of(tools: Iterable[Tool]) -> dict[str, Raw]:
    """The namespaces of a call's tools, as JSON, by full names."""
    return {
        held.name: Raw(msgspec.json.encode(tool.name)) for tool in tools for held in held_in(tool)
    }


def _held(item: Fields, where: str) -> tuple[Tool, ...]:
    """The tools of a namespace by their full names; none where a provider runs one of them."""
    space = needed_text(item, "name", where)
    raws = items_of(item, "tools", where)
    found = [_parse_tool(raw, f"{where}.tools[{index}]") for index, raw in enumerate(raws)]
    if any(tool.kind not in FREE_TOOLS for tool in found):
        return ()
    return tuple([structs.replace(tool, name=full_name(space, tool.name)) for tool in found])


def _nested(shape: Raw, where: str) -> Raw:
    """A custom tool's format as Chat Completions writes it, which is the canonical form."""
    found = inner(shape, where)
    if found.get("type") != _GRAMMAR or "grammar" in found:
        return shape
    held = {name: raw for name, raw in found.items() if name != "type"}
    return Raw(msgspec.json.encode({"type": _GRAMMAR, "grammar": held}))


def parse_choice(raw: Raw | None, extra: Fields) -> ToolChoice | None:
    """The choice among the tools; one that only this dialect can say is put into `extra`."""
    if raw is None or raw == NULL:
        return None
    if bytes(raw)[:1] == b'"':
        word = needed_text({"tool_choice": raw}, "tool_choice", "")
        if word not in _WORDS:
            raise not_one_of("tool_choice", _WORDS)
        return ToolChoice(word)
    item = inner(raw, "tool_choice")
    kind = needed_text(item, "type", "tool_choice")
    if kind in (FUNCTION, CUSTOM):
        return ToolChoice(NAMED, needed_text(item, "name", "tool_choice"), kind)
    if kind == "allowed_tools":
        return _parse_allowed(raw, extra)
    extra["tool_choice"] = raw
    return None


def _parse_allowed(raw: Raw, extra: Fields) -> ToolChoice | None:
    item = inner(raw, "tool_choice")
    mode = needed_text(item, "mode", "tool_choice")
    if mode not in (AUTO, REQUIRED):
        raise not_one_of("tool_choice.mode", (AUTO, REQUIRED))
    names: list[str] = []
    for index, held in enumerate(items_of(item, "tools", "tool_choice")):
        where = f"tool_choice.tools[{index}]"
        tool = inner(held, where)
        if needed_text(tool, "type", where) not in (FUNCTION, CUSTOM):
            extra["tool_choice"] = raw
            return None
        names.append(needed_text(tool, "name", where))
    return ToolChoice(mode, allowed=tuple(names))
