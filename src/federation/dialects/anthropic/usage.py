"""Token counts of this language in our convention, and back.

The vendor's `input_tokens` leaves out what was read from and written to the cache; ours
includes both. In a stream the counts come twice, and the later ones are totals that replace
the earlier. Rounds of compaction and of an advisor are billed beside the totals.

Reference: types.usage and types.beta.beta_usage of the official SDK 2.11,
https://platform.claude.com/docs/en/build-with-claude/prompt-caching
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Raw

from federation.dialects.counts import Count, billed_tier, read_leniently
from federation.schema.usage import Usage


class _Creation(msgspec.Struct):
    ephemeral_5m_input_tokens: Count = None
    ephemeral_1h_input_tokens: Count = None


class _Details(msgspec.Struct):
    thinking_tokens: Count = None


class _Tools(msgspec.Struct):
    web_search_requests: Count = None
    web_fetch_requests: Count = None


class _Iteration(msgspec.Struct):
    type: str = ""
    input_tokens: Count = None
    output_tokens: Count = None
    cache_read_input_tokens: Count = None
    cache_creation_input_tokens: Count = None


class Counts(msgspec.Struct):
    """The vendor's counts, as far as they came."""

    input_tokens: Count = None
    output_tokens: Count = None
    cache_read_input_tokens: Count = None
    cache_creation_input_tokens: Count = None
    cache_creation: _Creation | None = None
    output_tokens_details: _Details | None = None
    server_tool_use: _Tools | None = None
    iterations: list[_Iteration] | None = None
    service_tier: str | None = None
    speed: str | None = None


_COUNTS: Final = msgspec.json.Decoder(Counts)
_APART: Final = frozenset(("compaction", "advisor_message"))
"""Rounds that the totals leave out."""
_TIERS: Final = frozenset(("standard", "priority", "batch"))


def read_counts(raw: Raw) -> Counts | None:
    """The counts, or None where they cannot be read: they are not worth losing a good answer
    for, so nothing is raised, and the caller counts for itself."""
    return read_leniently(_COUNTS, raw)


def merged(old: Counts | None, new: Counts | None) -> Counts | None:
    """The counts after a later event of a stream: what it names replaces what came before."""
    if old is None or new is None:
        return new or old
    later = {
        name: value
        for name in Counts.__struct_fields__
        if (value := getattr(new, name)) is not None
    }
    return msgspec.structs.replace(old, **later)


def to_usage(counts: Counts | None) -> Usage | None:
    """The counts in our convention; None where input or output is not among them."""
    if counts is None or counts.input_tokens is None or counts.output_tokens is None:
        return None
    read = counts.cache_read_input_tokens or 0
    creation = counts.cache_creation
    short = (creation.ephemeral_5m_input_tokens or 0) if creation is not None else 0
    long = (creation.ephemeral_1h_input_tokens or 0) if creation is not None else 0
    written = max(counts.cache_creation_input_tokens or 0, short + long)
    output = counts.output_tokens
    given = counts.input_tokens
    for item in counts.iterations or ():
        if item.type in _APART:
            given += item.input_tokens or 0
            output += item.output_tokens or 0
            read += item.cache_read_input_tokens or 0
            written += item.cache_creation_input_tokens or 0
    details = counts.output_tokens_details
    thought = (details.thinking_tokens or 0) if details is not None else 0
    return Usage(
        given + read + written,
        output,
        read,
        written,
        min(thought, output),
        long,
        units=_units(counts.server_tool_use),
        service_tier=billed_tier(tier_of(counts)),
    )


def tier_of(counts: Counts | None) -> str:
    """The processing class that was billed; the fast mode is one too."""
    if counts is None:
        return ""
    return "fast" if counts.speed == "fast" else counts.service_tier or ""


def from_usage(usage: Usage | None, tier: str = "") -> dict[str, Any]:
    """Our usage as the vendor's object. Without any, zeros: the clients' types demand them."""
    if usage is None:
        return {"input_tokens": 0, "output_tokens": 0, **_class(tier)}
    apart = usage.cached + usage.cache_write
    counts: dict[str, Any] = {
        "input_tokens": max(usage.input - apart, 0),
        "cache_creation_input_tokens": usage.cache_write,
        "cache_read_input_tokens": usage.cached,
        "output_tokens": usage.output,
    }
    if usage.cache_write:
        counts["cache_creation"] = {
            "ephemeral_5m_input_tokens": max(usage.cache_write - usage.cache_write_long, 0),
            "ephemeral_1h_input_tokens": usage.cache_write_long,
        }
    if usage.reasoning:
        counts["output_tokens_details"] = {"thinking_tokens": usage.reasoning}
    searches, fetches = usage.units.get("web_search", 0), usage.units.get("web_fetch", 0)
    if searches or fetches:
        counts["server_tool_use"] = {
            "web_search_requests": searches,
            "web_fetch_requests": fetches,
        }
    if tier:
        counts.update(_class(tier))
    return counts


def _class(tier: str) -> dict[str, str]:
    """The members that name a processing class; the vendor's clients know few of them."""
    if tier == "fast":
        return {"speed": "fast"}
    known = "standard" if tier == "default" else tier
    return {"service_tier": known} if known in _TIERS else {}


def _units(tools: _Tools | None) -> dict[str, int]:
    if tools is None:
        return {}
    found = {"web_search": tools.web_search_requests, "web_fetch": tools.web_fetch_requests}
    return {name: count for name, count in found.items() if count}
