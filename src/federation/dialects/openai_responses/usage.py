"""Token counts both ways. The API counts as `schema.usage` does: cached and reasoning inside.

Hosts differ in the same ways as in Chat Completions, and their rows say so in the same
quirks. Web searches are billed by the call, so they are counted: from `tool_usage` where
the answer has it, else by the items.

Reference: `ResponseUsage` of the official SDK.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Raw

from federation.dialects.counts import Count, billed_tier, cost_at, read_leniently
from federation.dialects.openai_responses.wire import Wire
from federation.schema.usage import Usage


class _Written(msgspec.Struct):
    ttl_12h_tokens: Count = None


class _Input(msgspec.Struct):
    cached_tokens: Count = None
    cache_write_tokens: Count = None
    cache_write_tokens_details: _Written | None = None
    audio_tokens: Count = None


class _Output(msgspec.Struct):
    reasoning_tokens: Count = None
    audio_tokens: Count = None


class _Counts(msgspec.Struct):
    input_tokens: Count = None
    output_tokens: Count = None
    total_tokens: Count = None
    input_tokens_details: _Input | None = None
    output_tokens_details: _Output | None = None


class _Searches(msgspec.Struct):
    num_requests: Count = None


class _ToolUsage(msgspec.Struct):
    web_search: _Searches | None = None


_COUNTS: Final = msgspec.json.Decoder(_Counts)
_TOOL_USAGE: Final = msgspec.json.Decoder(_ToolUsage | None)
_SEARCH: Final = "web_search"


def read_usage(wire: Wire, raw: Raw, searches: int = 0, tier: str | None = None) -> Usage | None:
    """The usage of an answer; None where it is not readable as counts, which is never raised:
    the caller then counts for itself and says so. `searches` are the web searches made,
    `tier` is the class of service that the response names."""
    counts = read_leniently(_COUNTS, raw)
    if counts is None:
        return None
    given, made = counts.input_tokens, counts.output_tokens
    if given is None or made is None:
        return None
    inside = counts.input_tokens_details or _Input()
    outside = counts.output_tokens_details or _Output()
    cached, written = inside.cached_tokens or 0, inside.cache_write_tokens or 0
    reasoning = outside.reasoning_tokens or 0
    total, host = counts.total_tokens, wire.host
    if reasoning and _is_apart(given, made, reasoning, total, told=host.reasoning_apart):
        made += reasoning
    if host.cached_apart:
        given += cached + written
    long = inside.cache_write_tokens_details
    written = min(written, max(given - cached, 0))
    return Usage(
        given,
        made,
        min(cached, given),
        written,
        min(reasoning, made),
        min((long and long.ttl_12h_tokens) or 0, written),
        min(inside.audio_tokens or 0, given),
        min(outside.audio_tokens or 0, made),
        {_SEARCH: searches} if searches else {},
        cost_at(host.cost_field, raw) if host.cost_field else None,
        service_tier=billed_tier(tier),
    )


def read_searches(tool_usage: Raw, items: int) -> int:
    """How many web searches were made; `items` is how many the answer shows."""
    try:
        found = _TOOL_USAGE.decode(tool_usage)
    except (msgspec.DecodeError, UnicodeDecodeError):
        found = None
    told = found.web_search.num_requests if found and found.web_search else None
    return items if told is None else told


def usage_item(usage: Usage) -> dict[str, Any]:
    """The usage in the API's words."""
    return {
        "input_tokens": usage.input,
        "input_tokens_details": {
            "cached_tokens": usage.cached,
            "cache_write_tokens": usage.cache_write,
        },
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.input + usage.output,
    }


def _is_apart(given: int, made: int, reasoning: int, total: int | None, *, told: bool) -> bool:
    """Whether reasoning was counted beside the output; the total decides where it can."""
    if reasoning > made or total == given + made + reasoning:
        return True
    return False if total == given + made else told
