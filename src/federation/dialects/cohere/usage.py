"""Token counts: what is billed is not what the model read.

`tokens` counts everything the model saw, the vendor's own prompt around the call included;
`billed_units` is what stands on the invoice, so it is what the canonical counts are taken
from, and `tokens` only where a count of it is missing. Cached tokens are counted among
`tokens`, and are at most what is billed. Counts may come as floats.

Reference: https://docs.cohere.com/docs/how-does-cohere-pricing-work
"""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Raw

from federation.dialects.counts import MOST_COUNTED, read_leniently
from federation.schema.usage import Usage

_Count = Annotated[float, Meta(ge=0, le=MOST_COUNTED)] | None


class _Units(msgspec.Struct):
    input_tokens: _Count = None
    output_tokens: _Count = None
    search_units: _Count = None


class _Counts(msgspec.Struct):
    billed_units: _Units | None = None
    tokens: _Units | None = None
    cached_tokens: _Count = None


_COUNTS: Final = msgspec.json.Decoder(_Counts)
_NONE: Final = _Units()


def read_usage(raw: Raw) -> Usage | None:
    """The usage of an answer; None where it is not readable as counts."""
    counts = read_leniently(_COUNTS, raw)
    if counts is None:
        return None
    billed, seen = counts.billed_units or _NONE, counts.tokens or _NONE
    read = billed.input_tokens if billed.input_tokens is not None else seen.input_tokens
    written = billed.output_tokens if billed.output_tokens is not None else seen.output_tokens
    if read is None or written is None:
        return None
    searches = int(billed.search_units or 0)
    return Usage(
        int(read),
        int(written),
        min(int(counts.cached_tokens or 0), int(read)),
        units={"search": searches} if searches else {},
    )


def write_usage(usage: Usage) -> dict[str, Any]:
    """The usage object of this dialect."""
    tokens = {"input_tokens": usage.input, "output_tokens": usage.output}
    billed = dict(tokens)
    searches = usage.units.get("search", 0)
    if searches:
        billed["search_units"] = searches
    return {"billed_units": billed, "tokens": tokens, "cached_tokens": usage.cached}


def is_own(raw: Raw) -> bool:
    """Whether this is a usage object of this dialect."""
    try:
        counts = _COUNTS.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return counts.billed_units is not None or counts.tokens is not None
