"""Reads a legacy completion call as a chat call of one user message.

A chat model answers a prompt where the legacy models went on with it. The vendor's default
of sixteen tokens is not kept: a model that reasons would say nothing within it.

Reference: https://platform.openai.com/docs/api-reference/completions/create
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Raw

from federation.dialects.openai_completions.glance import read_prompt
from federation.dialects.openai_completions.tables import ECHO, FIELDS, NAME
from federation.dialects.tokenizer import wrong_type
from federation.errors import InvalidRequest
from federation.schema.chat import USER, ChatRequest, Message, Sampling
from federation.schema.glance import Glance
from federation.schema.http import ClientRequest
from federation.schema.parts import Fields, Text

_TRUE: Final = Raw(b"true")
_OURS: Final = frozenset(("prompt", "federation"))


def parse(request: ClientRequest, glance: Glance) -> ChatRequest:
    """The call in the canonical form. Raises `InvalidRequest` with the field."""
    data = request.body
    values: dict[str, Any] = {}
    extra: Fields = {}
    for name, span in glance.spans.items():
        raw = data[span.value : span.end]
        decoder = FIELDS.get(name)
        if decoder is not None:
            values[name] = _decoded(decoder, raw, name)
        elif name not in _OURS and raw != b"null":
            extra[name] = Raw(raw)
    place = glance.spans["prompt"]
    prompt = read_prompt(Raw(data[place.value : place.end]))
    marks: Fields = {ECHO: _TRUE} if values.get("echo") else {}
    return ChatRequest(
        dialect=NAME,
        model=glance.model or "",
        messages=(Message(USER, (Text(prompt),), extra=marks),),
        stream=glance.stream,
        usage_in_stream=glance.usage_asked if glance.stream else True,
        sampling=_sampling(values, data, glance),
        max_output=glance.max_output,
        user=values.get("user") or "",
        extra=extra,
    )


def _decoded(decoder: msgspec.json.Decoder[Any], raw: bytes, name: str) -> Any:
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as error:
        raise wrong_type(error, name) from None
    except msgspec.DecodeError:
        raise InvalidRequest(
            f"'{name}' is not valid JSON.", code="invalid_json", param=name
        ) from None


def _sampling(values: dict[str, Any], data: bytes, glance: Glance) -> Sampling:
    stop = values.get("stop")
    likeliest = values.get("logprobs")
    bias = glance.spans.get("logit_bias")
    raw = data[bias.value : bias.end] if bias is not None else b"null"
    return Sampling(
        temperature=values.get("temperature"),
        top_p=values.get("top_p"),
        top_k=values.get("top_k"),
        min_p=values.get("min_p"),
        frequency_penalty=values.get("frequency_penalty"),
        presence_penalty=values.get("presence_penalty"),
        seed=values.get("seed"),
        stop=(stop,) if isinstance(stop, str) else tuple(stop or ()),
        logit_bias=Raw(raw) if raw != b"null" else None,
        logprobs=True if likeliest is not None else None,
        top_logprobs=likeliest,
        choices=values.get("n"),
    )
