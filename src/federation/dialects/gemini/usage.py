"""Token counts, from this dialect's words into the one convention of `schema.usage` and back.

The trap that bills wrongly: `candidatesTokenCount` leaves thoughts out, and
`promptTokenCount` leaves out what tools of the host put into the prompt. Counts of zero are
left out of the JSON, so a missing one beside others is zero.

Reference: https://ai.google.dev/api/generate-content#UsageMetadata
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Raw

from federation.dialects.counts import Count, billed_tier, read_leniently
from federation.schema.usage import Usage

_AUDIO: Final = "AUDIO"


class _Part(msgspec.Struct, rename="camel"):
    modality: str | None = None
    token_count: Count = None


class _Counts(msgspec.Struct, rename="camel"):
    prompt_token_count: Count = None
    candidates_token_count: Count = None
    thoughts_token_count: Count = None
    cached_content_token_count: Count = None
    tool_use_prompt_token_count: Count = None
    total_token_count: Count = None
    prompt_tokens_details: list[_Part] | None = None
    candidates_tokens_details: list[_Part] | None = None
    service_tier: str | None = None
    traffic_type: str | None = None


_COUNTS: Final = msgspec.json.Decoder(_Counts, strict=False)


def read_usage(raw: Raw) -> Usage | None:
    """The usage of an answer; None where it is not readable as counts.

    A count that makes no sense is not worth losing a good answer for, so nothing is raised:
    the caller then counts for itself and says so.
    """
    counts = read_leniently(_COUNTS, raw)
    if counts is None:
        return None
    total = counts.total_token_count
    prompt = counts.prompt_token_count
    made = counts.candidates_token_count or 0
    thoughts = counts.thoughts_token_count or 0
    tools = counts.tool_use_prompt_token_count or 0
    if prompt is None:
        if total is None:
            return None
        prompt = max(total - made - thoughts - tools, 0)
    given = prompt + tools
    output = made if thoughts and total == given + made and thoughts <= made else made + thoughts
    return Usage(
        given,
        output,
        min(counts.cached_content_token_count or 0, given),
        reasoning=min(thoughts, output),
        audio_input=min(_sound(counts.prompt_tokens_details), given),
        audio_output=min(_sound(counts.candidates_tokens_details), output),
        service_tier=billed_tier(counts.service_tier or counts.traffic_type),
    )


def _sound(details: list[_Part] | None) -> int:
    if not details:
        return 0
    return sum(part.token_count or 0 for part in details if part.modality == _AUDIO)


def write_usage(usage: Usage) -> dict[str, Any]:
    """The counts in this dialect's words; details only where there is sound."""
    made = usage.output - usage.reasoning
    counts: dict[str, Any] = {"promptTokenCount": usage.input, "candidatesTokenCount": made}
    if usage.cached:
        counts["cachedContentTokenCount"] = usage.cached
    if usage.reasoning:
        counts["thoughtsTokenCount"] = usage.reasoning
    counts["totalTokenCount"] = usage.input + usage.output
    if usage.audio_input:
        counts["promptTokensDetails"] = _details(usage.input, usage.audio_input)
    if usage.audio_output:
        counts["candidatesTokensDetails"] = _details(made, min(usage.audio_output, made))
    return counts


def _details(whole: int, sound: int) -> list[dict[str, Any]]:
    parts = [("TEXT", whole - sound), (_AUDIO, sound)]
    return [{"modality": kind, "tokenCount": count} for kind, count in parts if count]
