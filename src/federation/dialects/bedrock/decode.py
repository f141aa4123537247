"""A provider's whole answer as a canonical response.

Converse names neither an id nor the model in its answers; the model is then the one that was
asked. What only this vendor says (trace, metrics, a model's own fields) rides on the choice,
where a stream can put it too.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Raw

from federation.dialects.bedrock.blocks import read_blocks
from federation.dialects.bedrock.tables import JSON_ANSWER, NAME, STOP_REASONS
from federation.dialects.bedrock.usage import read_usage, tier_of
from federation.dialects.bedrock.wire import Wire
from federation.dialects.whole import Few
from federation.errors import InvalidRequest, UpstreamGarbled
from federation.schema.chat import OTHER, STOP, TOOL_CALLS, ChatResponse, Choice
from federation.schema.glance import Answer
from federation.schema.parts import Fields, Part, Text, ToolCall

_NULL: Final = Raw(b"null")


class _Message(msgspec.Struct):
    content: Few[dict[str, Raw]] | None = None


class _Output(msgspec.Struct):
    message: _Message | None = None


class _Whole(msgspec.Struct, rename="camel"):
    output: _Output | None = None
    stop_reason: str | None = None
    usage: Raw = _NULL
    metrics: Raw = _NULL
    trace: Raw = _NULL
    additional_model_response_fields: Raw = _NULL
    performance_config: Raw = _NULL
    service_tier: Raw = _NULL


class _Glimpse(msgspec.Struct, rename="camel"):
    output: Raw
    stop_reason: str | None = None
    usage: Raw = _NULL
    trace: Raw = _NULL
    service_tier: Raw = _NULL


class _Router(msgspec.Struct, rename="camel"):
    invoked_model_id: str | None = None


class _Trace(msgspec.Struct, rename="camel"):
    prompt_router: _Router | None = None


class _Stopped(msgspec.Struct):
    stop_sequence: str | None = None


_WHOLE: Final = msgspec.json.Decoder(_Whole)
_GLIMPSE: Final = msgspec.json.Decoder(_Glimpse)
_TRACE: Final = msgspec.json.Decoder(_Trace)
_STOPPED: Final = msgspec.json.Decoder(_Stopped)


def decode(wire: Wire, body: bytes) -> ChatResponse:
    """Read a whole answer. Raises `UpstreamGarbled` where it is none."""
    try:
        whole = _WHOLE.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _unreadable(wire) from None
    if whole.output is None or whole.output.message is None:
        raise UpstreamGarbled(f"{wire.deployment} answered without a message.")
    try:
        parts = read_blocks(whole.output.message.content or [], "content", is_answer=True)
    except (InvalidRequest, UnicodeDecodeError):
        raise _unreadable(wire) from None
    parts = [as_answer(part) for part in parts]
    reason = whole.stop_reason or ""
    called = any(isinstance(part, ToolCall) for part in parts)
    extra = gathered(
        whole.metrics, whole.trace, whole.performance_config, whole.service_tier,
        whole.additional_model_response_fields,
    )  # fmt: skip
    choice = Choice(
        0,
        tuple(parts),
        finish_of(reason, called),
        reason,
        stop_sequence_of(whole.additional_model_response_fields, reason),
        extra=extra,
    )
    used = read_usage(wire, whole.usage, whole.service_tier) if whole.usage != _NULL else None
    return ChatResponse(
        NAME,
        "",
        invoked_model(whole.trace) or wire.model,
        (choice,),
        usage=used,
        service_tier=tier_of(whole.service_tier),
    )


def read_answer(wire: Wire, body: bytes) -> Answer:
    """What matters of an answer that is forwarded. Raises `UpstreamGarbled` where it is none."""
    try:
        whole = _GLIMPSE.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _unreadable(wire) from None
    tier = whole.service_tier
    usage = read_usage(wire, whole.usage, tier) if whole.usage != _NULL else None
    return Answer(invoked_model(whole.trace), whole.stop_reason or "", usage)


def as_answer(part: Part) -> Part:
    """The part, or the text that a call of our own JSON tool stands for."""
    if isinstance(part, ToolCall) and part.name == JSON_ANSWER:
        return Text(part.arguments)
    return part


def finish_of(reason: str, called: bool) -> str:
    """The canonical finish; `called`: the answer holds a call of one of the client's tools."""
    finish = STOP_REASONS.get(reason, OTHER) if reason else ""
    if finish == STOP and called:
        return TOOL_CALLS
    return STOP if finish == TOOL_CALLS and not called else finish


def gathered(metrics: Raw, trace: Raw, performance: Raw, tier: Raw, fields: Raw) -> Fields:
    """What only this vendor says about an answer."""
    said = {
        "metrics": metrics,
        "trace": trace,
        "performanceConfig": performance,
        "serviceTier": tier,
        "additionalModelResponseFields": fields,
    }
    return {name: raw for name, raw in said.items() if raw != _NULL}


def stop_sequence_of(fields: Raw, reason: str) -> str | None:
    """The stop sequence that ended the answer, where the model's own fields hold it; empty
    where only `reason` tells of one."""
    try:
        found = _STOPPED.decode(fields).stop_sequence
    except msgspec.DecodeError:
        found = None
    return "" if found is None and reason == "stop_sequence" else found


def invoked_model(trace: Raw) -> str:
    """The model that a prompt router chose; empty where none did."""
    if trace == _NULL:
        return ""
    try:
        router = _TRACE.decode(trace).prompt_router
    except msgspec.DecodeError:
        return ""
    return (router.invoked_model_id or "") if router is not None else ""


def _unreadable(wire: Wire) -> UpstreamGarbled:
    return UpstreamGarbled(f"{wire.deployment} answered with something unreadable.")
