"""Reads a client's chat call into the canonical form.

The body was glanced at: it is one JSON object without duplicates, and its fields have the
right types. Fields without a canonical place stay in `extra` as they came, and go back out
in this language only. So do the hosts' own words for reasoning, which are read as well.

Reference: https://platform.openai.com/docs/api-reference/chat/create
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Raw

from federation.dialects.openai.parse_messages import parse_messages
from federation.dialects.openai.parse_parts import decoded
from federation.dialects.openai.parse_tools import read_format, read_tool_choice, read_tools
from federation.dialects.openai.reasoning import read_reasoning
from federation.dialects.openai.words import NAME, REASONING_WORDS
from federation.dialects.tokenizer import Members, wrong_type
from federation.errors import InvalidRequest
from federation.schema.chat import ChatRequest, Sampling
from federation.schema.glance import Glance
from federation.schema.http import ClientRequest
from federation.schema.parts import Fields

_NULL: Final = Raw(b"null")


class _Options(msgspec.Struct):
    include_usage: bool | None = None


class _Body(msgspec.Struct):
    messages: list[Members]
    model: str | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    seed: int | None = None
    random_seed: int | None = None
    stop: str | list[str] | None = None
    logit_bias: Raw = _NULL
    logprobs: bool | None = None
    top_logprobs: int | None = None
    n: int | None = None
    tools: list[Members] | None = None
    tool_choice: Raw = _NULL
    functions: list[Members] | None = None
    function_call: Raw = _NULL
    parallel_tool_calls: bool | None = None
    response_format: Members | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    reasoning_effort: str | None = None
    verbosity: str | None = None
    modalities: list[str] | None = None
    audio: Raw = _NULL
    user: str | None = None
    safety_identifier: str | None = None
    metadata: dict[str, Raw] | None = None
    service_tier: str | None = None
    store: bool | None = None
    prompt_cache_key: str | None = None
    stream_options: _Options | None = None


_BODY: Final = msgspec.json.Decoder(_Body)
_OBJECT: Final = msgspec.json.Decoder(Members)
_TEXTS: Final = msgspec.json.Decoder(dict[str, str])
_READ: Final = (frozenset(_Body.__struct_fields__) - {"safety_identifier"}) | {
    "stream",
    "federation",
}


def parse(request: ClientRequest, glance: Glance) -> ChatRequest:
    """The call in the canonical form. Raises `InvalidRequest` with the field."""
    try:
        return _parsed(request.body, glance)
    except RecursionError:
        raise InvalidRequest("The body's JSON is nested too deeply.", code="invalid_json") from None


def _parsed(data: bytes, glance: Glance) -> ChatRequest:
    body = _read(data)
    extra: Fields = {}
    for name, span in glance.spans.items():
        if name not in _READ:
            raw = data[span.value : span.end]
            if raw != b"null":
                extra[name] = Raw(raw)
    _keep_unread(body, data, glance, extra)
    reasoning = None
    if body.reasoning_effort is not None or not REASONING_WORDS.isdisjoint(extra):
        reasoning = read_reasoning(body.reasoning_effort or "", extra)
    metadata = _metadata(body, extra)
    tools = read_tools(body.tools or [], body.functions or [])
    return ChatRequest(
        dialect=NAME,
        model=body.model or "",
        messages=parse_messages(body.messages),
        stream=glance.stream,
        usage_in_stream=glance.usage_asked if glance.stream else True,
        tools=tools,
        tool_choice=read_tool_choice(body.tool_choice, body.function_call, extra),
        parallel_tools=body.parallel_tool_calls,
        format=read_format(body.response_format, extra),
        sampling=_sampling(body),
        max_output=body.max_completion_tokens or body.max_tokens,
        reasoning=reasoning,
        verbosity=body.verbosity or "",
        modalities=tuple(body.modalities or ()),
        audio=body.audio if body.audio != _NULL else None,
        user=body.user or body.safety_identifier or "",
        metadata=metadata,
        service_tier=body.service_tier or "",
        store=body.store,
        cache_key=body.prompt_cache_key or "",
        extra=extra,
    )


def _read(data: bytes) -> _Body:
    try:
        return _BODY.decode(data)
    except msgspec.ValidationError as error:
        raise wrong_type(error, "") from None
    except msgspec.DecodeError:
        raise InvalidRequest(
            "The body is not valid JSON: a text in it holds half of a surrogate pair.",
            code="invalid_json",
        ) from None


def _keep_unread(body: _Body, data: bytes, glance: Glance, extra: Fields) -> None:
    """Stream options beside the usage have no canonical place."""
    if body.stream_options is not None:
        span = glance.spans["stream_options"]
        options = decoded(_OBJECT, data[span.value : span.end], "stream_options")
        options.pop("include_usage", None)
        if options:
            extra["stream_options"] = Raw(msgspec.json.encode(options))


def _metadata(body: _Body, extra: Fields) -> dict[str, str]:
    if not body.metadata:
        return {}
    raw = msgspec.json.encode(body.metadata)
    try:
        return _TEXTS.decode(raw)
    except msgspec.ValidationError:
        extra["metadata"] = Raw(raw)
        return {}


def _sampling(body: _Body) -> Sampling:
    stop = body.stop
    return Sampling(
        body.temperature,
        body.top_p,
        body.top_k,
        body.min_p,
        body.frequency_penalty,
        body.presence_penalty,
        body.seed if body.seed is not None else body.random_seed,
        (stop,) if isinstance(stop, str) else tuple(stop or ()),
        body.logit_bias if body.logit_bias != _NULL else None,
        body.logprobs,
        body.top_logprobs,
        body.n,
    )
