"""Reads token counts, whatever the host's habits, into the one convention of `schema.usage`,
and writes them for clients.

Most hosts count reasoning inside the completion; some beside it, and say so only through
the total. Where the total decides, it does; the row's quirk decides the rest.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Raw

from federation.dialects.counts import Count, billed_tier, cost_at, count_at, read_leniently
from federation.dialects.openai.wire import Wire
from federation.schema.usage import Usage


class _Prompt(msgspec.Struct):
    cached_tokens: Count = None
    cache_write_tokens: Count = None
    cache_creation_input_tokens: Count = None
    audio_tokens: Count = None


class _Completion(msgspec.Struct):
    reasoning_tokens: Count = None
    audio_tokens: Count = None


class _Server(msgspec.Struct):
    web_search_requests: Count = None


class _Counts(msgspec.Struct):
    prompt_tokens: Count = None
    completion_tokens: Count = None
    total_tokens: Count = None
    prompt_tokens_details: _Prompt | None = None
    completion_tokens_details: _Completion | None = None
    prompt_cache_hit_tokens: Count = None
    cached_tokens: Count = None
    reasoning_tokens: Count = None
    server_tool_use: _Server | None = None
    num_search_queries: Count = None
    service_tier: str | None = None


_COUNTS: Final = msgspec.json.Decoder(_Counts)


def read_usage(wire: Wire, raw: Raw, tier: str | None = None) -> Usage | None:
    """The usage of an answer; None where it is not readable as counts. `tier` is the class of
    service that the answer names beside it.

    A count that makes no sense is not worth losing a good answer for, so nothing is raised:
    the caller then counts for itself and says so.
    """
    counts = read_leniently(_COUNTS, raw)
    if counts is None:
        return None
    prompt = counts.prompt_tokens
    completion = counts.completion_tokens
    if prompt is None or completion is None:
        return None
    inside, outside = counts.prompt_tokens_details, counts.completion_tokens_details
    named = count_at(wire.cached_field, raw) if wire.cached_field else None
    cached = named or (inside and inside.cached_tokens) or counts.prompt_cache_hit_tokens
    cached = cached or counts.cached_tokens or 0
    written = inside and (inside.cache_write_tokens or inside.cache_creation_input_tokens)
    written = written or 0
    if wire.cached_apart:
        prompt += cached + written
    reasoning = (outside and outside.reasoning_tokens) or counts.reasoning_tokens or 0
    if reasoning and _is_apart(wire, prompt, completion, reasoning, counts.total_tokens):
        completion += reasoning
    return Usage(
        prompt,
        completion,
        min(cached, prompt),
        min(written, max(prompt - cached, 0)),
        min(reasoning, completion),
        audio_input=min((inside and inside.audio_tokens) or 0, prompt),
        audio_output=min((outside and outside.audio_tokens) or 0, completion),
        units=_units(counts),
        reported_nano=cost_at(wire.cost_field, raw) if wire.cost_field else None,
        service_tier=billed_tier(tier or counts.service_tier),
    )


def _units(counts: _Counts) -> dict[str, int]:
    searches = counts.server_tool_use and counts.server_tool_use.web_search_requests
    searches = searches or counts.num_search_queries
    return {"web_search": searches} if searches else {}


def _is_apart(wire: Wire, prompt: int, completion: int, reasoning: int, total: int | None) -> bool:
    if reasoning > completion or total == prompt + completion + reasoning:
        return True
    if total == prompt + completion:
        return False
    return wire.reasoning_apart


def write_usage(usage: Usage) -> dict[str, Any]:
    """The `usage` of an answer. Details are always there: clients read into them."""
    prompt: dict[str, int] = {"cached_tokens": usage.cached, "audio_tokens": usage.audio_input}
    if usage.cache_write:
        prompt["cache_write_tokens"] = usage.cache_write
    return {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
        "prompt_tokens_details": prompt,
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning,
            "audio_tokens": usage.audio_output,
        },
    }
