"""Token counts, which stand beside the message and not in an object of their own.

A prompt has at least one token, so a count of zero or none means what it says in old servers:
that the whole prompt was cached and nobody counted it. Then there is no usage, and the
gateway counts for itself. Newer servers count cached tokens too, and say how many they were.

Reference: https://docs.ollama.com/api/usage, and ollama issue 3427
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Raw

from federation.dialects.counts import Count, read_leniently
from federation.schema.usage import Usage


class Counts(msgspec.Struct):
    """The counts of a final line."""

    prompt_eval_count: Count = None
    prompt_eval_cached_count: Count = None
    eval_count: Count = None


_COUNTS: Final = msgspec.json.Decoder(Counts)
DURATIONS: Final = ("total_duration", "load_duration", "prompt_eval_duration", "eval_duration")


def read_usage(line: bytes | Raw) -> Usage | None:
    """The usage of a whole answer or a final line; None where it is not told."""
    counts = read_leniently(_COUNTS, line)
    if counts is None:
        return None
    read, written = counts.prompt_eval_count, counts.eval_count
    if not read:
        return None
    return Usage(read, written or 0, min(counts.prompt_eval_cached_count or 0, read))


def write_usage(usage: Usage) -> dict[str, Any]:
    """The counts as members of a final line."""
    return {
        "prompt_eval_count": usage.input,
        "prompt_eval_cached_count": usage.cached,
        "eval_count": usage.output,
    }
