"""Tools as several languages describe them: a `function` with a name, words and a schema."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Raw

from federation.dialects.losses import Losses
from federation.dialects.malformed import missing, read_as
from federation.schema.chat import Tool
from federation.schema.parts import CUSTOM, FUNCTION

_NULL: Final = Raw(b"null")
_NO_SCHEMA: Final = Raw(b'{"type":"object","properties":{}}')


class _Function(msgspec.Struct):
    name: str
    description: str | None = None
    parameters: Raw = _NULL


class _Tool(msgspec.Struct):
    type: str | None = "function"
    function: _Function | None = None


_TOOL: Final = msgspec.json.Decoder(_Tool)


def read_tool(raw: Raw, where: str, strict: bool | None = None) -> Tool:
    """A tool; one of another type is the host's own. Raises `InvalidRequest` with the field."""
    found = read_as(_TOOL, raw, where)
    if found.type not in ("function", None):
        return Tool(found.type or "", kind="hosted", raw=raw)
    function = found.function
    if function is None:
        raise missing(f"{where}.function")
    schema = function.parameters
    return Tool(
        function.name, function.description or "", schema if schema != _NULL else None, strict
    )


def write_tool(tool: Tool, losses: Losses, index: int, *, own: bool) -> Any:
    """The tool as JSON's values. `own`: the call came in this language, so that a tool of
    another type goes on as it was. Raises as `Losses.note` does."""
    where = f"tools[{index}]"
    if tool.kind != FUNCTION:
        if not own or tool.raw is None:
            losses.note("custom_tools" if tool.kind == CUSTOM else "hosted_tools", where)
        return tool.raw
    if tool.cache is not None:
        losses.note("cache_marks", where)
    function: dict[str, Any] = {"name": tool.name}
    if tool.description:
        function["description"] = tool.description
    function["parameters"] = tool.schema if tool.schema is not None else _NO_SCHEMA
    return {"type": "function", "function": function}
