"""Token counts between the vendor's convention and ours.

`inputTokens` leaves out what was read from and written to the cache; the whole input is the
sum of the three. Reasoning is part of `outputTokens` and not told apart. Some models' streams
count the cached tokens into the input all the same: their rows say `usage_excludes_cached:
false`.

References: https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html (the sum),
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_TokenUsage.html
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Raw

from federation.dialects.bedrock.wire import Wire
from federation.dialects.counts import Count, billed_tier, read_leniently
from federation.schema.usage import Usage


class _Detail(msgspec.Struct, rename="camel"):
    ttl: str | None = None
    input_tokens: Count = None


class _Tier(msgspec.Struct):
    type: str | None = None


class _Counts(msgspec.Struct, rename="camel"):
    input_tokens: Count = None
    output_tokens: Count = None
    cache_read_input_tokens: Count = None
    cache_write_input_tokens: Count = None
    cache_details: list[_Detail] | None = None


_COUNTS: Final = msgspec.json.Decoder(_Counts)
_TIER: Final = msgspec.json.Decoder(_Tier | None)
_NULL: Final = Raw(b"null")
_LONG: Final = "1h"
_SHORT: Final = "5m"


def read_usage(wire: Wire, raw: Raw, tier: Raw = _NULL) -> Usage | None:
    """The usage of an answer; None where it is not readable as counts. Never raises. `tier` is
    the answer's `serviceTier`."""
    counts = read_leniently(_COUNTS, raw)
    if counts is None:
        return None
    if counts.input_tokens is None or counts.output_tokens is None:
        return None
    cached = counts.cache_read_input_tokens or 0
    written = counts.cache_write_input_tokens or 0
    whole = counts.input_tokens
    if wire.excludes_cached:
        whole += cached + written
    kept = 0
    if counts.cache_details and written:
        kept = sum(
            detail.input_tokens or 0 for detail in counts.cache_details if detail.ttl == _LONG
        )
    cached = min(cached, whole)
    written = min(written, whole - cached)
    return Usage(
        whole,
        counts.output_tokens,
        cached,
        written,
        cache_write_long=min(kept, written),
        service_tier=billed_tier(tier_of(tier)),
    )


def tier_of(tier: Raw) -> str:
    """The service tier that answered; empty where none is named."""
    try:
        found = _TIER.decode(tier)
    except msgspec.DecodeError:
        return ""
    return (found.type or "") if found is not None else ""


def write_usage(usage: Usage | None) -> dict[str, Any]:
    """The counts as clients of this dialect expect them. They read the three plain ones
    without a look, so an answer whose usage nobody knows says zero."""
    if usage is None:
        return {"inputTokens": 0, "outputTokens": 0, "totalTokens": 0}
    written: dict[str, Any] = {
        "inputTokens": max(usage.input - usage.cached - usage.cache_write, 0),
        "outputTokens": usage.output,
        "totalTokens": usage.input + usage.output,
        "cacheReadInputTokens": usage.cached,
        "cacheWriteInputTokens": usage.cache_write,
    }
    if usage.cache_write_long:
        details = [{"ttl": _LONG, "inputTokens": usage.cache_write_long}]
        rest = usage.cache_write - usage.cache_write_long
        if rest > 0:
            details.append({"ttl": _SHORT, "inputTokens": rest})
        written["cacheDetails"] = details
    return written
