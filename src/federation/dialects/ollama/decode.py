"""From a provider's whole answer to the canonical one.

The last line of a stream has the same members as a whole answer, so both are read by the same
structures here.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Raw

from federation.dialects.ollama.errors import error_in_answer
from federation.dialects.ollama.moments import name_of, read_moment
from federation.dialects.ollama.tables import FINISH, NAME, NULL
from federation.dialects.ollama.usage import DURATIONS, read_usage
from federation.dialects.ollama.wire import Wire
from federation.dialects.whole import Few, read_whole
from federation.errors import UpstreamGarbled
from federation.schema.chat import (
    OTHER,
    TOOL_CALLS,
    ChatResponse,
    Choice,
    TokenLogprob,
    TopToken,
)
from federation.schema.glance import Answer
from federation.schema.parts import Fields, Part, Text, Thinking, ToolCall


class Function(msgspec.Struct):
    """The function of a call."""

    name: str | None = None
    arguments: Raw = NULL


class Call(msgspec.Struct):
    """A whole tool call: there are no pieces of one."""

    id: str | None = None
    function: Function | None = None


class Message(msgspec.Struct):
    """An answer, or a piece of one."""

    content: str | None = None
    thinking: str | None = None
    tool_calls: Few[Call] | None = None


class Alternative(msgspec.Struct):
    """One of the likeliest tokens at a place."""

    token: str = ""
    logprob: float = 0.0
    bytes: list[int] | None = None


class Logprob(Alternative):
    """A token of the answer."""

    top_logprobs: list[Alternative] | None = None


class Line(msgspec.Struct):
    """A line of a stream, or a whole answer."""

    model: str | None = None
    created_at: str | None = None
    message: Message | None = None
    done: bool | None = None
    done_reason: str | None = None
    logprobs: list[Logprob] | None = None
    error: Raw = NULL
    total_duration: Raw = NULL
    load_duration: Raw = NULL
    prompt_eval_duration: Raw = NULL
    eval_duration: Raw = NULL


class Passing(msgspec.Struct):
    """`Line` for one that is forwarded: whether it says something, and how it ends."""

    model: str | None = None
    message: Raw = NULL
    done: bool | None = None
    done_reason: str | None = None
    error: Raw = NULL


LINE: Final = msgspec.json.Decoder(Line)
PASSING: Final = msgspec.json.Decoder(Passing)
_STRING: Final = msgspec.json.Decoder(str)


def read_answer(wire: Wire, body: bytes) -> Answer:
    """Read what matters of an answer that is forwarded; see `faces.Upstream`."""
    found: Passing = read_whole(PASSING, body, wire.deployment)
    if found.error != NULL:
        raise error_in_answer(wire, found.error)
    if found.message == NULL:
        raise UpstreamGarbled(f"{wire.deployment} answered without a message.")
    return Answer(found.model or "", found.done_reason or "", read_usage(body))


def decode(wire: Wire, body: bytes) -> ChatResponse:
    """Read a whole answer. Raises as `read_answer` does."""
    found: Line = read_whole(LINE, body, wire.deployment)
    if found.error != NULL:
        raise error_in_answer(wire, found.error)
    message = found.message
    if message is None:
        raise UpstreamGarbled(f"{wire.deployment} answered without a message.")
    parts: list[Part] = []
    if message.thinking:
        parts.append(Thinking(message.thinking))
    if message.content:
        parts.append(Text(message.content))
    if message.tool_calls:
        name = name_of(found.created_at, body)
        parts += [read_call(call, name, n) for n, call in enumerate(message.tool_calls)]
    reason = found.done_reason or ""
    choice = Choice(
        0,
        tuple(parts),
        finish_of(reason, called=bool(message.tool_calls)),
        reason,
        logprobs=read_logprobs(found.logprobs) if found.logprobs is not None else None,
        extra=durations(found),
    )
    return ChatResponse(
        NAME,
        "",
        found.model or "",
        (choice,),
        read_moment(found.created_at),
        read_usage(body),
        extra=moment_extra(found.created_at),
    )


def moment_extra(text: str | None) -> Fields:
    """The moment as it was written, which has parts of seconds."""
    return {"created_at": Raw(msgspec.json.encode(text))} if text else {}


def durations(line: Line) -> Fields:
    """How long the parts of the work took."""
    return {name: raw for name in DURATIONS if (raw := getattr(line, name)) != NULL}


def finish_of(reason: str, *, called: bool) -> str:
    """The canonical finish reason: calls end with `stop` here, and some hosts give none."""
    if not reason:
        reason = "stop"
    if called and reason == "stop":
        return TOOL_CALLS
    return FINISH.get(reason, OTHER)


def read_call(call: Call, answer: str, index: int) -> ToolCall:
    """A call with an id in every case: a missing one is made from answer and place."""
    name, arguments = "", "{}"
    if call.function is not None:
        name = call.function.name or ""
        data = bytes(call.function.arguments)
        if data[:1] == b'"':
            arguments = _STRING.decode(data)
        elif data != b"null":
            arguments = data.decode()
    return ToolCall(call.id or f"call_{answer}_{index}", name, arguments)


def read_logprobs(items: list[Logprob]) -> tuple[TokenLogprob, ...]:
    """Probabilities of tokens."""
    return tuple(
        TokenLogprob(
            item.token,
            item.logprob,
            tuple(item.bytes) if item.bytes is not None else None,
            tuple(
                TopToken(
                    top.token, top.logprob, tuple(top.bytes) if top.bytes is not None else None
                )
                for top in item.top_logprobs or ()
            ),
        )
        for item in items
    )
