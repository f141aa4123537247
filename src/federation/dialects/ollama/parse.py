"""From a client's chat or generate body to the canonical call.

Calls need not carry ids here, and results name a tool and not a call: ids are made from a
call's place in the conversation, and a result answers the first open call of its tool.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Raw

from federation.dialects.function_tools import read_tool
from federation.dialects.malformed import read_as
from federation.dialects.ollama.tables import GENERATE, GENERATE_KNOWN, KNOWN, NAME, NULL
from federation.dialects.ollama.turns_read import read_images, read_messages
from federation.errors import InvalidRequest
from federation.schema.chat import (
    SYSTEM,
    USER,
    ChatRequest,
    Message,
    OutputFormat,
    Reasoning,
    Sampling,
)
from federation.schema.glance import Glance
from federation.schema.http import ClientRequest
from federation.schema.parts import Fields, Part, Text

_Object = dict[str, Raw]


class _Options(msgspec.Struct):
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    seed: int | None = None
    stop: str | list[str] | None = None
    num_predict: int | None = None


class _Body(msgspec.Struct):
    model: str | None = None
    stream: bool | None = None
    messages: list[Raw] = []
    tools: list[Raw] | None = None
    format: Raw = NULL
    options: Raw = NULL
    think: bool | str | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    prompt: str | None = None
    system: str | None = None
    images: list[str] | None = None
    suffix: str | None = None
    template: str | None = None
    raw: bool | None = None
    context: list[int] | None = None


_BODY: Final = msgspec.json.Decoder(_Body)
_OPTIONS: Final = msgspec.json.Decoder(_Options)
_OBJECT: Final = msgspec.json.Decoder(_Object)
_MAPPED: Final = frozenset(_Options.__struct_fields__)
_FORMATS: Final = {b"null": None, b'""': None, b'"json"': OutputFormat("json")}


def parse(request: ClientRequest, glance: Glance) -> ChatRequest:
    """Read a chat call that was glanced at. Raises `InvalidRequest` with the field."""
    body = read_as(_BODY, request.body, "")
    return _call(NAME, tuple(read_messages(body.messages)), body, _extra(request, glance, KNOWN))


def parse_generate(request: ClientRequest, glance: Glance) -> ChatRequest:
    """Read a generate call as a chat of one question. Raises `InvalidRequest` for what a chat
    cannot do: text to end with, a template, raw mode, a stored context."""
    body: _Body = read_as(_BODY, request.body, "")
    for name in ("suffix", "template", "raw", "context"):
        if getattr(body, name):
            raise InvalidRequest(
                f"'{name}' cannot be translated. Leave it out, or call /api/chat.", param=name
            )
    asked: list[Part] = [*read_images(body.images or (), "images"), Text(body.prompt or "")]
    messages = [Message(USER, tuple(asked))]
    if body.system:
        messages.insert(0, Message(SYSTEM, (Text(body.system),)))
    return _call(GENERATE, tuple(messages), body, _extra(request, glance, GENERATE_KNOWN))


def _call(dialect: str, messages: tuple[Message, ...], body: _Body, extra: Fields) -> ChatRequest:
    options = _Options()
    if body.options != NULL:
        options = read_as(_OPTIONS, body.options, "options")
        rest = _rest(body.options, options)
        if rest:
            extra["options"] = Raw(msgspec.json.encode(rest))
    stop = options.stop
    limit = options.num_predict
    return ChatRequest(
        dialect,
        body.model or "",
        messages,
        body.stream is not False,
        tools=tuple(read_tool(raw, f"tools[{n}]") for n, raw in enumerate(body.tools or ())),
        format=_format(body.format),
        sampling=Sampling(
            options.temperature,
            options.top_p,
            options.top_k,
            options.min_p,
            options.frequency_penalty,
            options.presence_penalty,
            options.seed,
            (stop,) if isinstance(stop, str) else tuple(stop or ()),
            logprobs=body.logprobs,
            top_logprobs=body.top_logprobs,
        ),
        max_output=limit if limit is not None and limit > 0 else None,
        reasoning=_reasoning(body.think),
        extra=extra,
    )


def _rest(raw: Raw, options: _Options) -> _Object:
    """Options that the canonical form has no place for."""
    found = _OBJECT.decode(raw)
    limit = options.num_predict
    return {
        name: value
        for name, value in found.items()
        if (name not in _MAPPED or (name == "num_predict" and limit is not None and limit <= 0))
        and value != NULL
    }


def _extra(request: ClientRequest, glance: Glance, known: frozenset[str]) -> Fields:
    extra = {
        name: Raw(request.body[span.value : span.end])
        for name, span in glance.spans.items()
        if name not in known
    }
    return {name: value for name, value in extra.items() if value != NULL}


def _format(raw: Raw) -> OutputFormat | None:
    data = bytes(raw)
    if data in _FORMATS:
        return _FORMATS[data]
    if data[:1] == b"{":
        return OutputFormat("schema", raw)
    raise InvalidRequest(
        "'format' must be \"json\" or a JSON schema.", code="invalid_value", param="format"
    )


def _reasoning(think: bool | str | None) -> Reasoning | None:
    if think is None or think == "":
        return None
    return Reasoning(effort=think) if isinstance(think, str) else Reasoning(enabled=think)
