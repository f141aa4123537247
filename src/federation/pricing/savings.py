"""What usage would have cost elsewhere: sums of tokens priced by another price list. Pure.

The trap: where a list has context tiers, a sum of tokens does not say what it costs, because
each call is priced by its own length. So usage is summed by **band**: the bands' edges are the
thresholds that vendors use, and within a band one tier holds. A list with another threshold,
or with prices by the hour, cannot be applied to sums, and is refused rather than guessed at.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from federation.domain.catalogue import Price
from federation.errors import InvalidRequest
from federation.pricing.charges import listed, rates_at
from federation.schema.usage import Usage

EDGES: Final = (32_000, 64_000, 100_000, 128_000, 199_999, 200_000, 256_000, 272_000, 512_000)
"""Band n holds inputs longer than edge n - 1 and not longer than edge n. Every threshold of the
catalogue must be among them; a change asks for new roll-ups (`storage.rollups.VERSION`)."""
BY_PIECE: Final = -1
"""Searches, pages, images: no other model's price list says what they would have cost there."""
UNPRICED: Final = -2
"""What it cost is unknown, so there is nothing to compare with."""
_USUAL: Final = frozenset(("request",))
_ANY_TIME = datetime(2000, 1, 1, tzinfo=UTC)


def band_of(usage: Usage, cost_nano: int | None) -> int:
    """The band in which an attempt's usage is summed; below 0 it cannot be compared."""
    if cost_nano is None:
        return UNPRICED
    if usage.units and any(usage.units[name] for name in usage.units.keys() - _USUAL):
        return BY_PIECE
    return bisect_left(EDGES, usage.input)


def check_baseline(price: Price, name: str) -> None:
    """Raise `InvalidRequest` where sums of usage cannot be priced by this list."""
    if price.rates.input is None or price.rates.output is None:
        reason = "its price is not known"
    elif price.windows:
        reason = "its price depends on the time of day"
    elif any(tier.above not in EDGES for tier in price.tiers):
        reason = "its context tiers are not among those that usage is summed by"
    else:
        return
    raise InvalidRequest(
        f"'{name}' cannot be a baseline: {reason}. Name another model.", param="baseline"
    )


def baseline_nano(price: Price, used: Iterable[tuple[int, int, Usage]]) -> int | None:
    """What usage would have cost by this list: band, number of attempts and summed usage.

    Rounded once for each band, so it may differ by half a nano-dollar an attempt from a sum of
    bills. Cached tokens are taken as cached there too. None where a rate in use is unknown.
    Bands below 0 must not be among them; `price` has passed `check_baseline`.
    """
    total = 0
    for band, attempts, usage in used:
        longest = EDGES[band - 1] + 1 if band else 0
        flat = replace(price, rates=rates_at(price, longest, _ANY_TIME), tiers=(), windows=())
        cost = listed(flat, _plain(usage, attempts), _ANY_TIME)
        if cost is None:
            return None
        total += cost
    return total


def _plain(usage: Usage, attempts: int) -> Usage:
    """The usual class of service, and the fee of each request."""
    return Usage(
        input=usage.input,
        output=usage.output,
        cached=usage.cached,
        cache_write=usage.cache_write,
        cache_write_long=usage.cache_write_long,
        audio_input=usage.audio_input,
        audio_output=usage.audio_output,
        units={"request": attempts},
    )
