"""Predicted price per token of every deployment, as columns ready for scoring.

A price may depend on the length of the input and on the minute of the week. Both change
in steps, so the columns are computed once per step and kept: a call picks its columns by
two binary searches. An unknown price is infinite here, and so scores worst; it is never
free.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from datetime import UTC, datetime

from federation.domain.catalogue import Deployment
from federation.domain.money import PER_MILLION
from federation.pricing.charges import listed, rates_at
from federation.pricing.measures import measured
from federation.schema.usage import Usage

_MEMO_LIMIT = 64
_MILLI = 1000


class PriceColumns:
    """Nano-dollars per input token, per output token and per request, by deployment index."""

    __slots__ = ("input", "output", "request")

    def __init__(self, given: list[float], made: list[float], request: list[float]) -> None:
        self.input = given
        self.output = made
        self.request = request


class PriceTable:
    """The price columns in force for any input length and time."""

    __slots__ = ("_boundaries", "_deployments", "_memo", "_nothing", "_tiers")

    def __init__(self, deployments: tuple[Deployment, ...]) -> None:
        self._deployments = deployments
        prices = [deployment.model.price for deployment in deployments]
        self._tiers = sorted({tier.above for price in prices for tier in price.tiers})
        self._boundaries = sorted(
            {edge for price in prices for w in price.windows for edge in (w.start, w.end)}
        )
        self._nothing = [0.0] * len(deployments)
        self._memo: dict[tuple[int, int], PriceColumns] = {}

    def columns(self, input_tokens: int, wall_ms: int) -> PriceColumns:
        """The columns for a call of this size at this Unix time in milliseconds."""
        bucket = bisect_left(self._tiers, input_tokens)
        step = 0
        if self._boundaries:
            minutes = wall_ms // 60_000
            day, minute = divmod(minutes, 1440)
            step = 1 + day % 7 * 2000 + bisect_right(self._boundaries, minute)
        found = self._memo.get((bucket, step))
        if found is None:
            if len(self._memo) >= _MEMO_LIMIT:
                self._memo.clear()
            found = self._memo[bucket, step] = self._compute(input_tokens, wall_ms)
        return found

    def charged(self, usage: Usage, indexes: Iterable[int], wall_ms: int) -> PriceColumns:
        """What these deployments would charge for all of a usage, as a price for the request;
        for the others it is infinite."""
        at = datetime.fromtimestamp(wall_ms / 1000, UTC)
        request = [math.inf] * len(self._deployments)
        for index in indexes:
            deployment = self._deployments[index]
            price = deployment.model.price
            region = deployment.provider.priced_in
            nano = listed(price, measured(price, usage), at, region=region)
            if nano is not None:
                request[index] = float(nano)
        return PriceColumns(self._nothing, self._nothing, request)

    def _compute(self, input_tokens: int, wall_ms: int) -> PriceColumns:
        at = datetime.fromtimestamp(wall_ms / 1000, UTC)
        given, made, request = [], [], []
        for deployment in self._deployments:
            price = deployment.model.price
            rates = rates_at(price, input_tokens, at)
            factor = price.multipliers.get(deployment.provider.priced_in or "", _MILLI)
            scale = factor / (_MILLI * PER_MILLION)
            given.append(math.inf if rates.input is None else rates.input * scale)
            made.append(math.inf if rates.output is None else rates.output * scale)
            request.append(price.units.get("request", 0) * factor / _MILLI)
        return PriceColumns(given, made, request)
