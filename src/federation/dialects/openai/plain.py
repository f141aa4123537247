"""Calls and answers that are plain text, read for their words alone.

The trap: what is told here is taken for all that a body says. So every member that is not known
to say nothing makes a body one that is not plain, and it is read in full, which also finds the
words for whatever is wrong with it.
"""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta, Raw

from federation.dialects.openai.wire import Wire
from federation.schema.glance import Glance, Span
from federation.schema.http import ClientRequest
from federation.schema.words import Words

_MUTE: Final = frozenset(
    ("model", "messages", "stream", "temperature", "top_p", "frequency_penalty", "n", "seed",
     "presence_penalty", "max_tokens", "max_completion_tokens", "logprobs", "top_logprobs",
     "parallel_tool_calls", "stop", "prompt_cache_key", "federation", "stream_options", "user")
)  # fmt: skip
"""Members that a glance has checked: numbers and flags, and those whose words are told besides."""
_OPTIONS: Final = frozenset((b'{"include_usage":true}', b'{"include_usage": true}'))
_BACKSLASH: Final = 0x5C
_BESIDE: Final = ("user", "stop", "prompt_cache_key")
"""Members that hold words of their own."""
_WORDS: Final = msgspec.json.Decoder(str | list[str] | None)
_LONG_NUMBER: Final = re.compile(rb"[0-9]{12}|[0-9.][eE][+0-9]")
"""A number as long as those of accounts, such as a seed may be."""
_Count: TypeAlias = float | bool | None
_Nothing: TypeAlias = Annotated[list[Raw], Meta(max_length=0)] | None


class _Turn(msgspec.Struct, forbid_unknown_fields=True):
    role: Literal["system", "developer", "user", "assistant"]
    content: str


class _Said(msgspec.Struct, forbid_unknown_fields=True):
    content: str | None = None
    role: Literal["assistant"] | None = None
    refusal: None = None
    annotations: _Nothing = None
    tool_calls: _Nothing = None
    function_call: None = None
    audio: None = None
    reasoning_content: None = None
    reasoning: None = None


class _Choice(msgspec.Struct, forbid_unknown_fields=True):
    message: _Said
    finish_reason: Literal["stop", "length"]
    index: int | None = None
    logprobs: None = None
    stop_reason: None = None
    matched_stop: None = None


class _Details(msgspec.Struct, forbid_unknown_fields=True):
    cached_tokens: _Count = None
    cache_write_tokens: _Count = None
    audio_tokens: _Count = None
    text_tokens: _Count = None
    image_tokens: _Count = None
    reasoning_tokens: _Count = None
    accepted_prediction_tokens: _Count = None
    rejected_prediction_tokens: _Count = None


class _Usage(msgspec.Struct, forbid_unknown_fields=True):
    prompt_tokens: _Count = None
    completion_tokens: _Count = None
    total_tokens: _Count = None
    prompt_tokens_details: _Details | None = None
    completion_tokens_details: _Details | None = None
    prompt_cache_hit_tokens: _Count = None
    prompt_cache_miss_tokens: _Count = None
    queue_time: _Count = None
    prompt_time: _Count = None
    completion_time: _Count = None
    total_time: _Count = None


class _Answer(msgspec.Struct, forbid_unknown_fields=True):
    choices: list[_Choice]
    id: str | None = None
    object: Literal["chat.completion"] | None = None
    created: float | None = None
    model: str | None = None
    usage: _Usage | None = None
    service_tier: Literal["auto", "default", "flex", "priority", "standard"] | None = None
    system_fingerprint: str | None = None
    x_groq: None = None
    error: None = None
    base_resp: None = None
    prompt_logprobs: None = None
    prompt_token_ids: None = None
    kv_transfer_params: None = None
    metadata: None = None


_TURNS: Final = msgspec.json.Decoder(list[_Turn])
_ANSWER: Final = msgspec.json.Decoder(_Answer)


def words_of_call(request: ClientRequest, glance: Glance) -> Words | None:
    """The words of a call that was glanced at; None where it is not plain."""
    spans, body = glance.spans, request.body
    if not spans.keys() <= _MUTE:
        return None
    place = spans["messages"]
    before, behind = body[: place.value], body[place.end :]
    if _BACKSLASH in before or _BACKSLASH in behind or not (before.isascii() and behind.isascii()):
        return None
    if _LONG_NUMBER.search(before) is not None or _LONG_NUMBER.search(behind) is not None:
        return None
    options = spans.get("stream_options")
    if options is not None and body[options.value : options.end] not in _OPTIONS:
        return None
    try:
        turns = _TURNS.decode(body[place.value : place.end])
        beside = [word for name in _BESIDE if name in spans for word in _words(body, spans[name])]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return Words(
        [turn.content for turn in turns],
        list(range(len(turns))),
        [turn.role for turn in turns],
        beside,
    )


def _words(body: bytes, span: Span) -> list[str]:
    found = _WORDS.decode(body[span.value : span.end])
    return [found] if isinstance(found, str) else found or []


def words_of_answer(wire: Wire, body: bytes) -> Words | None:
    """The words of a whole answer; None where it is not plain."""
    if wire.row.reasoning_field == "think_tags":
        return None
    try:
        if not body.isascii():
            body.decode()
        choices = _ANSWER.decode(body).choices
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    texts: list[str] = []
    places: list[int] = []
    for place, choice in enumerate(choices):
        if choice.message.content:
            texts.append(choice.message.content)
            places.append(place if choice.index is None else choice.index)
    return Words(texts, places, [""] * len(texts)) if choices else None
