"""Tools, the choice among them, and answers in JSON, written for Converse and read from it.

Two rules of the vendor shape this: there is no choice "none", and whoever shows calls or
results in the history must list tools. So a forbidden choice leaves the list out where it
may, and a history without a list gets one from its own calls.

A model without structured output answers through one forced tool of ours, whose schema is
the answer's; its call is turned back into text when it is read.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Raw

from federation.dialects.bedrock.blocks import is_blank
from federation.dialects.bedrock.content import Writing, checked_name
from federation.dialects.bedrock.tables import JSON_ANSWER, OutputConfig, ToolConfig
from federation.dialects.tokenizer import wrong_type
from federation.errors import InvalidRequest
from federation.schema.chat import (
    AUTO,
    NAMED,
    NONE,
    REQUIRED,
    ChatRequest,
    OutputFormat,
    Tool,
    ToolChoice,
)
from federation.schema.parts import CUSTOM, FUNCTION, CacheMark

_ANY_OBJECT: Final = Raw(b'{"type":"object"}')
_HOSTED: Final = "hosted"


class Tooling(msgspec.Struct):
    """What a request says about tools and the form of the answer."""

    config: dict[str, Any] | None = None
    forced: bool = False
    text_format: dict[str, Any] | None = None


def write_tools(request: ChatRequest, writing: Writing) -> Tooling:
    """Write tools, choice and format, after the messages. Raises `InvalidRequest` for what
    the model cannot be asked."""
    losses, wire = writing.losses, writing.wire
    wanted = request.format if request.format and request.format.kind != "text" else None
    text_format = None
    if wanted is not None and wanted.kind == "schema" and wire.output_config:
        text_format, wanted = _text_format(wanted), None
    choice = request.tool_choice or ToolChoice(AUTO)
    if request.tools and request.parallel_tools is False:
        losses.note("parallel_tools", "parallel_tool_calls")
    listed = [tool for tool in request.tools if not choice.allowed or tool.name in choice.allowed]
    if choice.mode == NONE and listed:
        if not writing.tools_used:
            listed = []
        elif wanted is None:
            losses.note("tool_choice_none", "tool_choice")
    specs: list[Any] = []
    for index, tool in enumerate(listed):
        _write_tool(tool, index, specs, writing)
    if not specs and writing.tools_used:
        specs = [_spec(name, "", None, None) for name in writing.called] or [
            _spec("none", "", None, None)
        ]
    chosen = _choice(choice, writing) if listed else None
    if wanted is not None:
        chosen = _add_answer(wanted, choice, specs, chosen, writing)
    if not specs:
        return Tooling(text_format=text_format)
    config: dict[str, Any] = {"tools": specs}
    if chosen is not None:
        config["toolChoice"] = chosen
    return Tooling(config, chosen is not None and "auto" not in chosen, text_format)


def _text_format(wanted: OutputFormat) -> dict[str, Any]:
    schema: dict[str, Any] = {"schema": bytes(wanted.schema or _ANY_OBJECT).decode()}
    if wanted.name:
        schema["name"] = wanted.name
    if wanted.description:
        schema["description"] = wanted.description
    return {"type": "json_schema", "structure": {"jsonSchema": schema}}


def _write_tool(tool: Tool, index: int, specs: list[Any], writing: Writing) -> None:
    field = f"tools[{index}]"
    if tool.kind == CUSTOM:
        writing.losses.note("custom_tools", field)
    elif tool.kind != FUNCTION:
        if not (writing.own and tool.raw is not None):
            writing.losses.note("hosted_tools", field)
        specs.append(tool.raw)
    else:
        specs.append(_spec(checked_name(tool.name, field), tool.description, tool.schema, tool))
    writing.mark(specs, tool.cache)


def _spec(name: str, description: str, schema: Raw | None, tool: Tool | None) -> dict[str, Any]:
    spec: dict[str, Any] = {"name": name}
    if not is_blank(description):
        spec["description"] = description
    spec["inputSchema"] = {"json": schema if schema is not None else _ANY_OBJECT}
    if tool is not None and tool.strict is not None:
        spec["strict"] = tool.strict
    return {"toolSpec": spec}


def _choice(choice: ToolChoice, writing: Writing) -> dict[str, Any] | None:
    if choice.mode == REQUIRED:
        if not writing.wire.forced_tools and not writing.own:
            writing.losses.note("tool_choice_required", "tool_choice")
        return {"any": {}}
    if choice.mode == NAMED:
        if not writing.wire.forced_tools and not writing.own:
            writing.losses.note("tool_choice_named", "tool_choice")
        return {"tool": {"name": checked_name(choice.name, "tool_choice")}}
    return {"auto": {}} if writing.own and choice.mode == AUTO else None


def _add_answer(
    wanted: OutputFormat,
    choice: ToolChoice,
    specs: list[Any],
    chosen: dict[str, Any] | None,
    writing: Writing,
) -> dict[str, Any] | None:
    """Add the tool through which the answer comes, and force it, alone or among the others.
    Where a call is forced anyway there is no such answer."""
    feature = "json_schema" if wanted.kind == "schema" else "json_mode"
    schema = wanted.schema if wanted.kind == "schema" and wanted.schema else _ANY_OBJECT
    if not writing.wire.forced_tools or not _is_object(schema):
        writing.losses.note(feature, "response_format")
    if choice.mode in (NAMED, REQUIRED):
        return chosen
    others = bool(specs) and choice.mode != NONE
    told = wanted.description or "Gives the answer. Call it once, with the whole answer."
    specs.append(_spec(JSON_ANSWER, told, schema, None))
    return {"any": {}} if others else {"tool": {"name": JSON_ANSWER}}


class _Schema(msgspec.Struct):
    type: Any = None


_SCHEMA: Final = msgspec.json.Decoder(_Schema)


def _is_object(schema: Raw) -> bool:
    try:
        return bool(_SCHEMA.decode(schema).type == "object")
    except msgspec.DecodeError:
        return False


class _Spec(msgspec.Struct, rename="camel"):
    name: str
    input_schema: dict[str, Raw] | None = None
    description: str | None = None
    strict: bool | None = None


class _Named(msgspec.Struct):
    name: str


class _Mark(msgspec.Struct):
    ttl: str | None = None


class _Definition(msgspec.Struct, rename="camel"):
    schema: str
    name: str | None = None
    description: str | None = None


class _Structure(msgspec.Struct, rename="camel"):
    json_schema: _Definition


class _Format(msgspec.Struct):
    structure: _Structure


_SPEC: Final = msgspec.json.Decoder(_Spec)
_NAMED: Final = msgspec.json.Decoder(_Named)
_MARK: Final = msgspec.json.Decoder(_Mark)
_FORMAT: Final = msgspec.json.Decoder(_Format)


def read_tools(config: ToolConfig) -> tuple[tuple[Tool, ...], ToolChoice | None]:
    """A client's tools and its choice. Raises `InvalidRequest` with the field."""
    tools: list[Tool] = []
    for index, item in enumerate(config.tools):
        given = {kind: raw for kind, raw in item.items() if raw != _NULL}
        where = f"toolConfig.tools[{index}]"
        if len(given) != 1:
            raise InvalidRequest(
                f"'{where}' must have exactly one member: toolSpec, systemTool or cachePoint.",
                code="invalid_value",
                param=where,
            )
        kind, raw = next(iter(given.items()))
        try:
            _read_tool(kind, raw, tools)
        except msgspec.ValidationError as error:
            raise wrong_type(error, f"{where}.{kind}") from None
    return tuple(tools), _read_choice(config.tool_choice)


def _read_tool(kind: str, raw: Raw, tools: list[Tool]) -> None:
    if kind == "cachePoint" and tools:
        ttl = _MARK.decode(raw).ttl or ""
        tools[-1] = msgspec.structs.replace(tools[-1], cache=CacheMark(ttl))
        return
    if kind != "toolSpec":
        name = _NAMED.decode(raw).name if kind == "systemTool" else kind
        whole = Raw(b"{%b:%b}" % (msgspec.json.encode(kind), raw))
        tools.append(Tool(name, kind=_HOSTED, raw=whole))
        return
    spec = _SPEC.decode(raw)
    schema = (spec.input_schema or {}).get("json")
    tools.append(Tool(spec.name, spec.description or "", schema, spec.strict))


def _read_choice(choice: dict[str, Raw] | None) -> ToolChoice | None:
    given = {kind: raw for kind, raw in (choice or {}).items() if raw != _NULL}
    if not given:
        return None
    where = "toolConfig.toolChoice"
    if "tool" in given:
        try:
            return ToolChoice(NAMED, _NAMED.decode(given["tool"]).name)
        except msgspec.ValidationError as error:
            raise wrong_type(error, f"{where}.tool") from None
    if "any" in given:
        return ToolChoice(REQUIRED)
    if "auto" in given:
        return ToolChoice(AUTO)
    raise InvalidRequest(f"'{where}' must be auto, any or tool.", code="invalid_value", param=where)


def read_format(output: OutputConfig | None) -> OutputFormat | None:
    """The form of the answer that a client asks for. Raises `InvalidRequest`."""
    if output is None or not output.text_format:
        return None
    where = "outputConfig.textFormat"
    try:
        found = _FORMAT.decode(msgspec.json.encode(output.text_format)).structure.json_schema
    except msgspec.ValidationError as error:
        raise wrong_type(error, where) from None
    try:
        msgspec.json.decode(found.schema, type=dict[str, Raw])
    except (msgspec.DecodeError, RecursionError):
        param = f"{where}.structure.jsonSchema.schema"
        raise InvalidRequest(
            f"'{param}' must be the text of a JSON object.", code="invalid_value", param=param
        ) from None
    return OutputFormat(
        "schema", Raw(found.schema.encode()), found.name or "", found.description or ""
    )


_NULL: Final = Raw(b"null")
