"""What a provider says it used, in one convention.

`input` includes cached reads and cache writes, `output` includes reasoning. Providers
count differently; each dialect normalizes, and nothing above a dialect does arithmetic
of this kind.
"""

from __future__ import annotations

import msgspec


class Usage(msgspec.Struct, frozen=True, omit_defaults=True):
    """Token counts of one attempt, and the provider's own cost where it reports one."""

    input: int = 0
    output: int = 0
    cached: int = 0
    """Part of `input` read from the provider's prompt cache."""
    cache_write: int = 0
    """Part of `input` written to the provider's prompt cache."""
    reasoning: int = 0
    """Part of `output` spent on reasoning."""
    cache_write_long: int = 0
    """Part of `cache_write` that is kept longer than the provider's default, at its own price."""
    audio_input: int = 0
    """Part of `input` that is sound."""
    audio_output: int = 0
    """Part of `output` that is sound."""
    units: dict[str, int] = {}
    """What is billed besides tokens, by the words of `Price.units`: web_search, request, image,
    second, character, page, search (a rerank), ..."""
    reported_nano: int | None = None
    """The provider's own figure for the cost, in nano-dollars."""
    estimated: bool = False
    """True where the provider sent no usage and the counts are ours."""
    service_tier: str = ""
    """The class of service that the provider says it billed (fast, priority, flex, ...); empty
    for its usual one, and where it says nothing."""


def plus(one: Usage, other: Usage) -> Usage:
    """What two attempts used together. A provider's own cost counts where both state one."""
    stated = one.reported_nano is not None and other.reported_nano is not None
    return Usage(
        input=one.input + other.input,
        output=one.output + other.output,
        cached=one.cached + other.cached,
        cache_write=one.cache_write + other.cache_write,
        reasoning=one.reasoning + other.reasoning,
        cache_write_long=one.cache_write_long + other.cache_write_long,
        audio_input=one.audio_input + other.audio_input,
        audio_output=one.audio_output + other.audio_output,
        units={
            name: one.units.get(name, 0) + other.units.get(name, 0)
            for name in one.units | other.units
        },
        reported_nano=(one.reported_nano or 0) + (other.reported_nano or 0) if stated else None,
        estimated=one.estimated or other.estimated,
        service_tier=other.service_tier or one.service_tier,
    )
