"""What the simulation needs of a canonical request: for every wire language but OpenAI's.

The trap is to be lenient here: what a provider would refuse (a picture without its bytes, a
temperature out of range) must be refused by a simulated one, too.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from federation.errors import InvalidRequest
from federation.sandbox.asking import CHOICES_LIMIT, STOPS_LIMIT, Asked, Tool
from federation.sandbox.tokens import prompt_tokens
from federation.schema.chat import ASSISTANT, DEVELOPER, NAMED, SYSTEM, TOOL, USER, ChatRequest
from federation.schema.chat import Message as Turn
from federation.schema.parts import IMAGE, Media, Part, Refusal, Text, ToolCall, ToolResult

_TEMPERATURE_MAX = 2.0


def asked_of(request: ChatRequest) -> Asked:
    """Take a request apart; `InvalidRequest` names the field at fault."""
    if not request.messages:
        raise InvalidRequest("a conversation needs a message", param="messages")
    _check(request)
    texts = [_text(turn.parts) for turn in request.messages]
    images = sum(_images(turn.parts) for turn in request.messages)
    size = sum(len(text.encode("utf-8", "surrogatepass")) for text in texts)
    size += sum(_calls_size(turn) for turn in request.messages)
    schema, json_object = _format(request)
    return Asked(
        model=request.model,
        prompt=_last(request, texts, (USER,)),
        system=_first(request, texts, (SYSTEM, DEVELOPER)),
        results=_results(request),
        messages=len(request.messages),
        input_tokens=prompt_tokens(size, len(request.messages), images),
        images=images,
        tools=_tools(request),
        tool_choice=_tool_choice(request),
        parallel=request.parallel_tools is not False,
        schema=schema,
        json_object=json_object,
        choices=request.sampling.choices or 1,
        limit=request.max_output,
        stops=tuple(stop for stop in request.sampling.stop if stop),
        stream=request.stream,
        include_usage=request.usage_in_stream,
        seed=request.sampling.seed or 0,
        reasoning=_reasons(request),
        turns=tuple((turn.role, text) for turn, text in zip(request.messages, texts, strict=True)),
    )


def _check(request: ChatRequest) -> None:
    sampling = request.sampling
    for name, value, high in (
        ("temperature", sampling.temperature, _TEMPERATURE_MAX),
        ("top_p", sampling.top_p, 1.0),
    ):
        if value is not None and not 0 <= value <= high:
            raise InvalidRequest(f"'{name}' must be between 0 and {high:g}", param=name)
    if sampling.choices is not None and not 1 <= sampling.choices <= CHOICES_LIMIT:
        raise InvalidRequest("the number of choices is out of range", param="n")
    if len(sampling.stop) > STOPS_LIMIT:
        raise InvalidRequest("there are too many stop sequences", param="stop")
    if request.max_output is not None and request.max_output < 1:
        raise InvalidRequest("the limit of tokens must be at least 1", param="max_tokens")


def _text(parts: tuple[Part, ...]) -> str:
    said = []
    for part in parts:
        match part:
            case Text() | Refusal():
                said.append(part.text)
            case ToolResult():
                said.append(_text(part.parts))
            case _:
                pass
    return "\n".join(said)


def _images(parts: tuple[Part, ...]) -> int:
    found = 0
    for part in parts:
        if isinstance(part, ToolResult):
            found += _images(part.parts)
        elif isinstance(part, Media) and part.kind == IMAGE:
            if not (part.data or part.url or part.file_id):
                raise InvalidRequest("a picture has no data", param="messages")
            found += 1
    return found


def _calls_size(turn: Turn) -> int:
    calls = [part for part in turn.parts if isinstance(part, ToolCall)]
    return sum(len(call.name) + len(call.arguments.encode("utf-8", "replace")) for call in calls)


def _last(request: ChatRequest, texts: list[str], roles: tuple[str, ...]) -> str:
    pairs = reversed(list(zip(request.messages, texts, strict=True)))
    return next((text for turn, text in pairs if turn.role in roles), "")


def _first(request: ChatRequest, texts: list[str], roles: tuple[str, ...]) -> str:
    pairs = zip(request.messages, texts, strict=True)
    return next((text for turn, text in pairs if turn.role in roles), "")


def _results(request: ChatRequest) -> tuple[str, ...]:
    """The tool results since the model last spoke."""
    results: list[str] = []
    for turn in reversed(request.messages):
        if turn.role == ASSISTANT:
            break
        if turn.role == TOOL:
            found = [_text(part.parts) for part in turn.parts if isinstance(part, ToolResult)]
            results.extend(reversed(found))
    return tuple(reversed(results))


def _tools(request: ChatRequest) -> tuple[Tool, ...]:
    return tuple(
        Tool(tool.name, tool.description, _object(tool.schema) or {})
        for tool in request.tools
        if tool.kind == "function"
    )


def _tool_choice(request: ChatRequest) -> str:
    choice = request.tool_choice
    if choice is None:
        return "auto"
    return choice.name if choice.mode == NAMED else choice.mode


def _format(request: ChatRequest) -> tuple[dict[str, Any] | None, bool]:
    wanted = request.format
    if wanted is None or wanted.kind == "text":
        return None, False
    schema = _object(wanted.schema) if wanted.kind == "schema" else None
    if wanted.kind == "schema" and schema is None:
        raise InvalidRequest("the response's schema must be an object", param="response_format")
    return schema, wanted.kind == "json"


def _object(raw: Raw | None) -> dict[str, Any] | None:
    if raw is None:
        return None
    found = msgspec.json.decode(raw)
    return found if isinstance(found, dict) else None


def _reasons(request: ChatRequest) -> bool:
    wish = request.reasoning
    if wish is None or wish.is_off:
        return False
    return wish.enabled is True or wish.adaptive or bool(wish.effort) or bool(wish.budget)
