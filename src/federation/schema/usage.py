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
