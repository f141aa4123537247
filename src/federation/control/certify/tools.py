"""Tools: called, forced, several at once, answered, streamed."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from federation.control.certify.bench import Bench, Whole
from federation.control.certify.claims import ability
from federation.control.certify.findings import Check, Finding, failed, passed, skipped, warned
from federation.control.certify.prompts import (
    BOTH,
    GET_TIME,
    GET_WEATHER,
    WEATHER,
    answered,
    big_tool,
    calls_of,
    chat,
    finish_of,
    results,
    text_of,
    user,
)
from federation.control.certify.words import lost, room
from federation.domain.catalogue import Ability
from federation.schema.chat import NAMED, NONE, TOOL_CALLS, ChatRequest, ToolChoice
from federation.schema.parts import ToolCall

_TOOLS: Final = (GET_WEATHER, GET_TIME)
_RESULT: Final = "17 degrees and rain"


def _weather(bench: Bench) -> ChatRequest:
    return chat(user(WEATHER), room=room(bench), tools=_TOOLS)


async def _called(bench: Bench) -> Whole:
    return await bench.once("tool", lambda: bench.ask(_weather(bench)))


def arguments(call: ToolCall) -> dict[str, Any] | None:
    """A call's arguments, None where they are no JSON object."""
    try:
        found = msgspec.json.decode(call.arguments)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


async def tool_call(bench: Bench) -> Finding:
    """The model calls the tool that it is told to use."""
    answer = await _called(bench)
    calls, finish = calls_of(answer.response), finish_of(answer.response)
    if not any(call.name == GET_WEATHER.name for call in calls):
        return failed("The tool is not called.", calls=len(calls), finish=finish)
    if finish != TOOL_CALLS:
        return failed("The answer does not say that it ended to call a tool.", finish=finish)
    return passed(calls=len(calls))


async def tool_arguments(bench: Bench) -> Finding:
    """Arguments are a JSON object with what the schema asks for."""
    return _sound(calls_of((await _called(bench)).response))


def _sound(calls: list[ToolCall]) -> Finding:
    for call in calls:
        found = arguments(call)
        if found is None:
            return failed("The arguments are not a JSON object.", characters=len(call.arguments))
        if not isinstance(found.get("city"), str):
            return failed("The arguments lack what the schema requires.", members=len(found))
    return passed(calls=len(calls))


async def tool_forced(bench: Bench) -> Finding:
    """One tool is called because the caller names it, whatever the question is."""
    choice = ToolChoice(NAMED, GET_TIME.name)
    request = chat(user("Hello."), room=room(bench), tools=_TOOLS, tool_choice=choice)
    answer = await bench.ask(request)
    if (off := lost(answer.losses, "tool_choice_named")) is not None:
        return off
    names = [call.name for call in calls_of(answer.response)]
    if not names or set(names) != {GET_TIME.name}:
        return failed("The tool that was named is not the one called.", calls=len(names))
    return passed()


async def tool_forbidden(bench: Bench) -> Finding:
    """No tool is called where the caller forbids it."""
    choice = ToolChoice(NONE)
    request = chat(user(WEATHER), room=room(bench), tools=_TOOLS, tool_choice=choice)
    answer = await bench.ask(request)
    if (off := lost(answer.losses, "tool_choice_none")) is not None:
        return off
    calls = calls_of(answer.response)
    if calls:
        return failed("A tool is called although that was forbidden.", calls=len(calls))
    return passed()


async def tools_parallel(bench: Bench) -> Finding:
    """Two tools in one turn, told apart by their ids."""
    answer = await bench.ask(chat(user(BOTH), room=room(bench), tools=_TOOLS))
    calls = calls_of(answer.response)
    if not calls:
        return failed("No tool is called.", finish=finish_of(answer.response))
    if len({call.id for call in calls}) != len(calls):
        return failed("Two calls have the same id.", calls=len(calls))
    if len(calls) < 2:
        return warned("The model calls one tool at a time.", calls=len(calls))
    return passed(calls=len(calls))


async def tool_result(bench: Bench) -> Finding:
    """A tool's result is taken, with the turn that asked for it as the model made it."""
    first = (await _called(bench)).response
    history = (user(WEATHER), answered(first), results(calls_of(first), _RESULT))
    answer = await bench.ask(chat(*history, room=room(bench), tools=_TOOLS))
    text = text_of(answer.response)
    if not text.strip():
        return failed("The answer has no text.", finish=finish_of(answer.response))
    if "17" not in text:
        return warned("The answer does not use the tool's result.")
    return passed()


async def tool_stream(bench: Bench) -> Finding:
    """A streamed call's pieces make the same sound arguments."""
    answer = await bench.stream(_weather(bench))
    calls, finish = calls_of(answer.response), finish_of(answer.response)
    if not calls:
        return failed("No tool is called in a stream.", finish=finish)
    found = _sound(calls)
    if found.evidence.get("calls") is None:
        return found
    if finish != TOOL_CALLS:
        return failed("The stream does not say that it ended to call a tool.", finish=finish)
    if not answer.complete:
        return failed("The stream ended before its answer was whole.", pieces=answer.pieces)
    return passed(calls=len(calls), pieces=answer.pieces)


async def tool_schema(bench: Bench) -> Finding:
    """A long schema is accepted."""
    if "schema_limits" in bench.quirks:
        return skipped("The row says 'schema_limits'.")
    tool = big_tool()
    answer = await bench.ask(chat(user("Hello."), room=room(bench), tools=(tool,)))
    return passed(schema_bytes=len(bytes(tool.schema or b"")), left_out=list(answer.losses))


_TOOL: Final = ("tool_call",)
_CLAIM: Final = ability(Ability.TOOLS)

CHECKS: Final = (
    Check("tool_call", "tools", "the model calls a tool", tool_call, claim=_CLAIM),
    Check("tool_arguments", "tools", "arguments follow the schema", tool_arguments, _TOOL, _CLAIM),
    Check(
        "tool_forced",
        "tools",
        "a tool that the caller names is called",
        tool_forced,
        _TOOL,
        ability(Ability.FORCED_TOOLS),
    ),
    Check("tool_forbidden", "tools", "no tool is called if none may", tool_forbidden, _TOOL),
    Check("tools_parallel", "tools", "two tools in one turn", tools_parallel, _TOOL, _CLAIM),
    Check("tool_result", "tools", "a tool's result is taken", tool_result, _TOOL, _CLAIM),
    Check(
        "tool_stream",
        "tools",
        "a streamed call is whole",
        tool_stream,
        ("tool_call", "text_stream"),
        _CLAIM,
    ),
    Check("tool_schema", "tools", "a long schema is accepted", tool_schema, _TOOL, _CLAIM),
)
