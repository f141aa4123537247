"""From a provider's whole answer to the canonical one.

The answer does not name a model: it is then the one that was asked. A finish reason of `ERROR`
or `TIMEOUT` under status 200 is a failure like any other: somebody else may still answer.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Raw

from federation.dialects.cohere.citations import attach
from federation.dialects.cohere.errors import error_in_answer
from federation.dialects.cohere.logprobs import read_logprobs
from federation.dialects.cohere.tables import FAILURES, FINISH, MARK, NAME, PLAN
from federation.dialects.cohere.turns_read import joined
from federation.dialects.cohere.usage import read_usage
from federation.dialects.cohere.wire import Wire
from federation.dialects.whole import Few, read_whole
from federation.schema.chat import OTHER, TOOL_CALLS, ChatResponse, Choice
from federation.schema.glance import Answer
from federation.schema.parts import Fields, Foreign, Part, Text, Thinking, ToolCall

_NULL: Final = Raw(b"null")
_STOPPED: Final = "STOP_SEQUENCE"


class _Head(msgspec.Struct):
    """What a forwarded answer is read for."""

    finish_reason: str | None = None
    usage: Raw = _NULL
    message: Raw = _NULL


class _Content(msgspec.Struct):
    type: str = ""
    text: str | None = None
    thinking: str | None = None


class Function(msgspec.Struct):
    """The function of a call. Some hosts give the arguments as an object."""

    name: str | None = None
    arguments: Raw = _NULL


class Call(msgspec.Struct):
    """A tool call, or a piece of one."""

    id: str | None = None
    function: Function | None = None


class _Message(msgspec.Struct):
    content: str | Few[Raw] | None = None
    tool_plan: str | None = None
    tool_calls: Few[Call] | None = None
    citations: list[Raw] | None = None


class _Whole(msgspec.Struct):
    id: str | None = None
    finish_reason: str | None = None
    message: _Message | str | None = None
    usage: Raw = _NULL
    logprobs: list[Raw] | None = None


_HEAD: Final = msgspec.json.Decoder(_Head)
_WHOLE: Final = msgspec.json.Decoder(_Whole)
_CONTENT: Final = msgspec.json.Decoder(_Content)
_STRING: Final = msgspec.json.Decoder(str)


def read_answer(wire: Wire, body: bytes) -> Answer:
    """Read what matters of an answer that is forwarded; see `faces.Upstream`."""
    head: _Head = read_whole(_HEAD, body, wire.deployment)
    if head.message == _NULL or bytes(head.message)[:1] == b'"':
        raise error_in_answer(wire, "")
    finish = head.finish_reason or ""
    if finish in FAILURES:
        raise error_in_answer(wire, finish)
    return Answer("", finish, read_usage(head.usage) if head.usage != _NULL else None)


def decode(wire: Wire, body: bytes) -> ChatResponse:
    """Read a whole answer. Raises as `read_answer` does."""
    whole: _Whole = read_whole(_WHOLE, body, wire.deployment)
    message = whole.message
    if message is None or isinstance(message, str):
        raise error_in_answer(wire, "")
    finish = whole.finish_reason or ""
    if finish in FAILURES:
        raise error_in_answer(wire, finish)
    content, left = _content(message)
    parts: list[Part] = []
    if message.tool_plan:
        parts.append(Thinking(message.tool_plan, extra={PLAN: MARK}))
    parts += content
    for index, call in enumerate(message.tool_calls or ()):
        parts.append(begun_call(call, index, arguments_of(call)))
    extra: Fields = {}
    logprobs = None
    if whole.logprobs:
        logprobs = read_logprobs(whole.logprobs)
        extra["logprobs"] = joined(whole.logprobs)
    if left:
        extra["citations"] = joined(left)
    usage = read_usage(whole.usage) if whole.usage != _NULL else None
    if usage is not None:
        extra["usage"] = whole.usage
    choice = Choice(
        0,
        tuple(parts),
        finish_of(finish, parts),
        finish,
        stopped_by(finish),
        logprobs=logprobs,
        extra=extra,
    )
    return ChatResponse(NAME, whole.id or "", model_of(wire), (choice,), usage=usage)


def model_of(wire: Wire) -> str:
    """The model that was asked."""
    return _STRING.decode(wire.model)


def stopped_by(reason: str) -> str | None:
    """Which stop sequence ended an answer: that one did is said, which one is not."""
    return "" if reason == _STOPPED else None


def finish_of(reason: str, parts: Any) -> str:
    """The canonical finish reason: some hosts say COMPLETE with tool calls."""
    if any(isinstance(part, ToolCall) for part in parts):
        return TOOL_CALLS if reason in ("COMPLETE", "") else FINISH.get(reason, OTHER)
    return FINISH.get(reason, OTHER)


def begun_call(call: Call, index: int, arguments: str) -> ToolCall:
    """A call with an id in every case: a missing one is made from its place."""
    name = call.function.name if call.function is not None else None
    return ToolCall(call.id or f"call_{index}", name or "", arguments)


def arguments_of(call: Call) -> str:
    """The text of a call's arguments, or of a piece of them."""
    raw = call.function.arguments if call.function is not None else _NULL
    if raw == _NULL:
        return ""
    data = bytes(raw)
    return _STRING.decode(data) if data[:1] == b'"' else data.decode()


def _content(message: _Message) -> tuple[list[Part], list[Raw]]:
    content = message.content
    parts: list[Part] = []
    if isinstance(content, str):
        parts.append(Text(content))
    else:
        parts += [_part(raw) for raw in content or ()]
    left = attach(parts, message.citations) if message.citations else []
    return parts, left


def _part(raw: Raw) -> Part:
    try:
        found = _CONTENT.decode(raw)
    except msgspec.ValidationError:
        return Foreign(NAME, raw)
    if found.type == "text":
        return Text(found.text or "")
    if found.type == "thinking":
        return Thinking(found.thinking or "")
    return Foreign(NAME, raw)
