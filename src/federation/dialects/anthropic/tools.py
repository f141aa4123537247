"""Tools, the choice among them, and the tool that stands in for an answer after a schema.

The vendor's models either have structured outputs (`output_config.format`) or take forced
tools; a model with neither refuses an answer after a schema. The stand-in has a name of ours,
by which the decoder knows it and gives its input back as text.

Reference: types.tool_union_param and types.tool_choice_param of the official SDK 2.11,
https://platform.claude.com/docs/en/build-with-claude/structured-outputs
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Raw

from federation.dialects.anthropic.schemas import fitted, is_open, opened
from federation.dialects.anthropic.tables import ANSWER_TOOL, NAME, TOOL_NAME
from federation.dialects.anthropic.wire import Wire
from federation.dialects.anthropic.write import Block, Writer
from federation.dialects.losses import Losses
from federation.domain.catalogue import Ability
from federation.errors import InvalidRequest
from federation.schema.chat import AUTO, NAMED, NONE, REQUIRED, ChatRequest, Tool


def offered(request: ChatRequest) -> tuple[Tool, ...]:
    """The tools, narrowed to the allowed ones: what is not sent cannot be called."""
    allowed = request.tool_choice.allowed if request.tool_choice is not None else ()
    if not allowed:
        return request.tools
    return tuple([tool for tool in request.tools if tool.name in allowed])


def write_tool(writer: Writer, wire: Wire, tool: Tool, index: int) -> Block:
    """One tool. Raises `InvalidRequest` for a kind, a name or a schema that cannot be sent."""
    where = f"tools[{index}]"
    if tool.kind == "hosted":
        if not writer.own or tool.raw is None:
            writer.losses.note("hosted_tools", where)
        block: Block = dict(_OBJECT.decode(tool.raw or b"{}"))
        writer.mark(block, tool.cache)
        return block
    if tool.kind == "custom":
        writer.losses.note("custom_tools", where)
    if tool.name == ANSWER_TOOL:
        # What a model calls by this name is read as a structured answer.
        raise InvalidRequest(
            f"'{where}.name' is a name that the gateway uses itself; choose another.",
            code="invalid_value",
            param=f"{where}.name",
        )
    if not TOOL_NAME.fullmatch(tool.name):
        writer.losses.note("tools", f"{where}.name")
    block = {"name": tool.name}
    if tool.description:
        block["description"] = tool.description
    try:
        schema = opened(tool.schema)
        if tool.strict:
            if wire.can(Ability.JSON_SCHEMA) and (writer.own or not is_open(schema)):
                block["strict"] = True
                schema = fitted(schema) if not writer.own else schema
            else:
                writer.losses.note("strict_tools", f"{where}.strict")
        elif tool.strict is False and writer.own:
            block["strict"] = False
    except (ValueError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise bad_schema(f"{where}.schema") from None
    block["input_schema"] = schema
    writer.mark(block, tool.cache)
    writer.write_back(block, tool.extra)
    return block


_OBJECT: Final = msgspec.json.Decoder(dict[str, Raw])


def bad_schema(where: str) -> InvalidRequest:
    """The refusal of a schema that is none."""
    return InvalidRequest(
        f"'{where}' is no JSON schema of an object, or is nested too deeply.",
        code="invalid_schema",
        param=where,
    )


def is_forced(request: ChatRequest, tools: list[Block]) -> bool:
    """Whether some tool must be called."""
    choice = request.tool_choice
    return bool(tools) and choice is not None and choice.mode in (REQUIRED, NAMED)


def answers_by_tool(wire: Wire, request: ChatRequest, losses: Losses, tools: list[Block]) -> bool:
    """Whether an answer after a schema must be had by a forced tool. Raises where neither way
    is open; the tool cannot stand beside others, one of which might be called instead."""
    wanted = request.format
    if wanted is None or wanted.kind == "text":
        return False
    if wanted.kind != "schema" or wanted.schema is None:
        # Any object: a schema must close its objects, so only an input can be one.
        if not tools and wire.can(Ability.FORCED_TOOLS):
            return True
        losses.note("json_mode", "response_format")
        return False
    if wire.can(Ability.JSON_SCHEMA) and (request.dialect == NAME or not _is_open(wanted.schema)):
        return False
    if tools or not wire.can(Ability.FORCED_TOOLS):
        losses.note("json_schema", "response_format")
    return True


def _is_open(schema: Raw) -> bool:
    try:
        return is_open(schema)
    except (ValueError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise bad_schema("response_format") from None


def answer_tool(request: ChatRequest) -> Block:
    """The tool that carries an answer after a schema."""
    wanted = request.format
    schema = wanted.schema if wanted is not None else None
    try:
        schema = opened(schema)
    except (ValueError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise bad_schema("response_format") from None
    said = wanted.description if wanted is not None else ""
    return {
        "name": ANSWER_TOOL,
        "description": said or "Gives the answer. Call it once, with the whole answer.",
        "input_schema": schema,
    }


def choose(body: dict[str, Any], wire: Wire, request: ChatRequest, losses: Losses) -> None:
    """Put the choice among the tools into the body; none where nobody said anything."""
    choice = request.tool_choice
    mode = choice.mode if choice is not None else AUTO
    written: dict[str, Any] = {"type": "auto"}
    if mode == NONE:
        body["tool_choice"] = {"type": "none"}
        return
    if choice is not None and mode in (REQUIRED, NAMED):
        if not wire.can(Ability.FORCED_TOOLS):
            losses.note(f"tool_choice_{mode}", "tool_choice")
        written = {"type": "any"} if mode == REQUIRED else {"type": "tool", "name": choice.name}
    if request.parallel_tools is not None and (
        request.dialect == NAME or not request.parallel_tools
    ):
        written["disable_parallel_tool_use"] = not request.parallel_tools
    if choice is not None or len(written) > 1:
        body["tool_choice"] = written
