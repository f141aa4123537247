"""Reads token counts, whatever the host's habits, into the one convention of `schema.usage`.

Most hosts count reasoning inside the completion; some beside it, and say so only through
the total. Where the total decides, it does; the row's quirk decides the rest.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Raw

from federation.dialects.openai.wire import Wire
from federation.domain.money import usd_to_nano
from federation.schema.usage import Usage

_Count = Annotated[int, Meta(ge=0, le=1_000_000_000_000)] | None


class _Prompt(msgspec.Struct):
    cached_tokens: _Count = None
    cache_write_tokens: _Count = None


class _Completion(msgspec.Struct):
    reasoning_tokens: _Count = None


class _Counts(msgspec.Struct):
    prompt_tokens: _Count = None
    completion_tokens: _Count = None
    total_tokens: _Count = None
    prompt_tokens_details: _Prompt | None = None
    completion_tokens_details: _Completion | None = None
    prompt_cache_hit_tokens: _Count = None
    cached_tokens: _Count = None
    reasoning_tokens: _Count = None


_COUNTS: Final = msgspec.json.Decoder(_Counts)
_OBJECT: Final = msgspec.json.Decoder(dict[str, Raw])
_NUMBER: Final = msgspec.json.Decoder(Decimal)
_MOST_USD: Final = Decimal(1_000_000)


def read_usage(wire: Wire, raw: Raw) -> Usage | None:
    """The usage of an answer; None where it is not readable as counts.

    A count that makes no sense is not worth losing a good answer for, so nothing is raised:
    the caller then counts for itself and says so.
    """
    try:
        counts = _COUNTS.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    prompt = counts.prompt_tokens
    completion = counts.completion_tokens
    if prompt is None or completion is None:
        return None
    inside, outside = counts.prompt_tokens_details, counts.completion_tokens_details
    cached = (inside and inside.cached_tokens) or counts.prompt_cache_hit_tokens
    written = (inside and inside.cache_write_tokens) or 0
    reasoning = (outside and outside.reasoning_tokens) or counts.reasoning_tokens or 0
    if reasoning and _is_apart(wire, prompt, completion, reasoning, counts.total_tokens):
        completion += reasoning
    return Usage(
        prompt,
        completion,
        min(cached or counts.cached_tokens or 0, prompt),
        min(written, prompt),
        min(reasoning, completion),
        reported_nano=_read_cost(wire.cost_field, raw) if wire.cost_field else None,
    )


def _is_apart(wire: Wire, prompt: int, completion: int, reasoning: int, total: int | None) -> bool:
    if total == prompt + completion + reasoning:
        return True
    if total == prompt + completion:
        return False
    return wire.reasoning_apart


def _read_cost(path: str, raw: Raw) -> int | None:
    """The host's own price in nano-dollars, from the number's text: a float would round it."""
    value: Any = raw
    try:
        for name in path.split("."):
            value = _OBJECT.decode(value)[name]
        usd = _NUMBER.decode(value)
    except (KeyError, msgspec.DecodeError, InvalidOperation):
        return None
    return usd_to_nano(usd) if usd.is_finite() and 0 <= usd <= _MOST_USD else None
