"""How good each candidate is for one call: four parts in 0..1, and their weighted mean.

Every part is continuous and monotone in its fact, so a small change of a price or a
latency never flips an order by a jump. Parts compare with a fixed reference, not with the
other candidates: adding a bad candidate does not change the order of the good ones.

The arithmetic stands here twice, because it runs for hundreds of candidates within the
time of one call: `totals` in one comprehension for all, `parts` for the few that are
recorded or shown. A test holds them equal. What no call changes lies ready in a sheet.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from msgspec import Struct

from federation.domain.live import Live
from federation.domain.routes import Weights
from federation.routing.prices import PriceColumns
from federation.routing.sheets import Sheet

_DIFFICULTY_SLOPE = 2.0
"""Change of the log-odds of success from the easiest to the hardest prompt (a Rasch model
with one slope for all): easy prompts bring the candidates together, hard ones apart."""

_REFERENCE_FIRST_MS = 2000.0
_REFERENCE_TOKEN_MS = 40.0
_REFERENCE_INPUT_NANO = 1000.0
_REFERENCE_OUTPUT_NANO = 4000.0
"""A call that takes, or costs, as much as this reference scores one half. The speed is a
little above that of a reader: what is faster than anybody reads is worth less and less."""


Parts = tuple[float, float, float, float]
"""Quality, speed, cost and reliability of one candidate, each in 0..1."""


class Terms(Struct):
    """What one call brings to the score, the same for every candidate."""

    category: str
    shift: float
    """Factor on the odds of success: above 1 for easy prompts."""
    usual_ms: float
    usual_nano: float
    shares: tuple[float, float, float, float]
    input_tokens: int
    output_tokens: int

    @staticmethod
    def of(
        weights: Weights,
        category: str,
        input_tokens: int,
        output_tokens: int,
        *,
        difficulty: float = 0.5,
        certainty: float = 0.0,
    ) -> Terms:
        """`certainty` (0..1) says how far `difficulty` may be trusted: at 0 the prior quality
        stands as it is. Token counts are at least 1."""
        return Terms(
            category,
            math.exp(_DIFFICULTY_SLOPE * (0.5 - difficulty) * certainty),
            _REFERENCE_FIRST_MS + _REFERENCE_TOKEN_MS * output_tokens,
            _REFERENCE_INPUT_NANO * input_tokens + _REFERENCE_OUTPUT_NANO * output_tokens,
            shares_of(weights),
            input_tokens,
            output_tokens,
        )


def totals(sheet: Sheet, terms: Terms) -> list[float]:
    """The score of each row of the sheet."""
    shift = terms.shift
    part_q, part_s, part_c, part_r = terms.shares
    part_q *= shift
    part_s *= terms.usual_ms
    part_c *= terms.usual_nano
    usual_ms, usual_nano = terms.usual_ms, terms.usual_nano
    given, made = terms.input_tokens, terms.output_tokens
    written = 1000.0 * made
    return [
        part_q / (shift + against)
        + part_s / (usual_ms + first + written / rate)
        + part_c / (usual_nano + flat + read * given + write * made)
        + part_r * success
        for against, _, first, rate, success, read, write, flat in sheet.rows
    ]


def parts(sheet: Sheet, rows: Iterable[int], terms: Terms) -> dict[int, Parts]:
    """The parts of the scores of these rows."""
    shift, lift = terms.shift, terms.shift - 1.0
    usual_ms, usual_nano = terms.usual_ms, terms.usual_nano
    given, made = terms.input_tokens, terms.output_tokens
    written, each = 1000.0 * made, sheet.rows
    return {
        row: (
            good * shift / (1.0 + good * lift),
            usual_ms / (usual_ms + first + written / rate),
            usual_nano / (usual_nano + flat + read * given + write * made),
            success,
        )
        for row, (_, good, first, rate, success, read, write, flat) in [
            (row, each[row]) for row in rows
        ]
    }


def predicted_ms(live: Live, index: int, output_tokens: int) -> float:
    """Milliseconds from the request to the last token."""
    return live.first_token_ms[index] + 1000.0 * output_tokens / live.tokens_per_s[index]


def predicted_nano(
    prices: PriceColumns, index: int, input_tokens: int, output_tokens: int
) -> float:
    """Nano-dollars of the call; infinite where the price is unknown."""
    return (
        prices.request[index]
        + prices.input[index] * input_tokens
        + prices.output[index] * output_tokens
    )


def shares_of(weights: Weights) -> tuple[float, float, float, float]:
    """The weights as shares of one; equal where none is positive."""
    quality, speed = max(weights.quality, 0.0), max(weights.speed, 0.0)
    cost, reliability = max(weights.cost, 0.0), max(weights.reliability, 0.0)
    whole = quality + speed + cost + reliability
    if whole <= 0.0:
        return (0.25, 0.25, 0.25, 0.25)
    return (quality / whole, speed / whole, cost / whole, reliability / whole)
