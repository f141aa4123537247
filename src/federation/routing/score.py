"""How good each candidate is for one call: four parts in 0..1, and their weighted mean.

Every part is continuous and monotone in its fact, so a small change of a price or a
latency never flips an order by a jump. Parts compare with a fixed reference, not with the
other candidates: adding a bad candidate does not change the order of the good ones.

The arithmetic is written as comprehensions over columns, because it runs for hundreds of
candidates within the time of one call.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from federation.domain.live import Live
from federation.domain.routes import Weights
from federation.routing.fleet import Fleet, Slate
from federation.routing.prices import PriceColumns

_DIFFICULTY_SLOPE = 2.0
"""Change of log-odds of success from the easiest to the hardest prompt (a Rasch model with
one slope for all): easy prompts bring the candidates together, hard ones apart."""

_REFERENCE_FIRST_MS = 600.0
_REFERENCE_TOKEN_MS = 12.5
_REFERENCE_INPUT_NANO = 1000.0
_REFERENCE_OUTPUT_NANO = 4000.0
"""A call that takes, or costs, as much as this reference scores one half."""


@dataclass(slots=True)
class Forecast:
    """Predictions for each member of a slate, in its order."""

    cost: list[float]
    """Nano-dollars; infinite where the price is unknown."""
    ms: list[float]
    """From the request to the last token."""


@dataclass(slots=True)
class Scores:
    """The parts and the total for each member of a slate, in its order; all in 0..1."""

    quality: list[float]
    speed: list[float]
    cost: list[float]
    reliability: tuple[float, ...]
    total: list[float]


def forecast(
    slate: Slate, prices: PriceColumns, live: Live, input_tokens: int, output_tokens: int
) -> Forecast:
    """Predict price and duration of a call for each member."""
    pick = slate.pick
    return Forecast(
        [
            given * input_tokens + made * output_tokens + flat
            for given, made, flat in zip(
                pick(prices.input), pick(prices.output), pick(prices.request), strict=True
            )
        ],
        [
            first + 1000.0 * output_tokens / rate
            for first, rate in zip(pick(live.first_token_ms), pick(live.tokens_per_s), strict=True)
        ],
    )


def score(
    fleet: Fleet,
    slate: Slate,
    live: Live,
    seen: Forecast,
    weights: Weights,
    *,
    category: str,
    difficulty: float,
    certainty: float,
    input_tokens: int,
    output_tokens: int,
) -> Scores:
    """Score each member of the slate.

    `certainty` (0..1) says how far `difficulty` may be trusted: at 0 the prior quality
    stands as it is.
    """
    shift = math.exp(_DIFFICULTY_SLOPE * (0.5 - difficulty) * certainty)
    lift = shift - 1.0
    usual_ms = _REFERENCE_FIRST_MS + _REFERENCE_TOKEN_MS * output_tokens
    usual_cost = _REFERENCE_INPUT_NANO * input_tokens + _REFERENCE_OUTPUT_NANO * output_tokens
    quality = [q * shift / (1.0 + q * lift) for q in slate.quality(fleet.quality, category)]
    speed = [usual_ms / (usual_ms + ms) for ms in seen.ms]
    cost = [usual_cost / (usual_cost + nano) for nano in seen.cost]
    reliability = slate.pick(live.success)
    share_q, share_s, share_c, share_r = shares_of(weights)
    total = [
        share_q * q + share_s * s + share_c * c + share_r * r
        for q, s, c, r in zip(quality, speed, cost, reliability, strict=True)
    ]
    return Scores(quality, speed, cost, reliability, total)


def shares_of(weights: Weights) -> tuple[float, float, float, float]:
    """The weights as shares of one; equal where none is positive."""
    parts = (
        max(weights.quality, 0.0),
        max(weights.speed, 0.0),
        max(weights.cost, 0.0),
        max(weights.reliability, 0.0),
    )
    whole = sum(parts)
    if whole <= 0.0:
        return (0.25, 0.25, 0.25, 0.25)
    return (parts[0] / whole, parts[1] / whole, parts[2] / whole, parts[3] / whole)
