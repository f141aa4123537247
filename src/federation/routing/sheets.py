"""What a set of deployments is scored by, laid out for one pass over it.

Prices, quality and what health measured change some times a second at most, so they are put
together once and read by every call until one of them does. Deployments that differ in none
of them stand in one row: keys and regions of one model are scored once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from federation.domain.live import Live
from federation.routing.prices import PriceColumns

Row: TypeAlias = tuple[float, float, float, float, float, float, float, float]
"""Odds against success, quality, first token in ms, tokens per second, success rate, and
nano-dollars per input token, output token and request."""

Column: TypeAlias = Callable[[list[float]], tuple[float, ...]]


class Sheet:
    """The rows of one set, and which of its members each stands for."""

    __slots__ = ("_live", "_members", "_prices", "_version", "row_of", "rows")

    def __init__(
        self,
        indexes: tuple[int, ...],
        pick: Column,
        quality: list[float],
        live: Live,
        prices: PriceColumns,
    ) -> None:
        """`indexes` are the members, ascending; `pick` takes their values off a column."""
        self._live, self._version, self._prices = live, live.version, prices
        good = pick(quality)
        table: dict[Row, int] = {}
        each = zip(
            [1.0 / mean - 1.0 for mean in good],
            good,
            pick(live.first_token_ms),
            pick(live.tokens_per_s),
            pick(live.success),
            pick(prices.input),
            pick(prices.output),
            pick(prices.request),
            strict=True,
        )
        groups = [table.setdefault(row, len(table)) for row in each]
        self.rows = list(table)
        self.row_of = dict(zip(indexes, groups, strict=True))
        """For each member its row."""
        self._members: list[list[int]] = [[] for _ in table]
        for index, group in self.row_of.items():
            self._members[group].append(index)

    def holds(self, live: Live, prices: PriceColumns) -> bool:
        """Whether it still says what these say."""
        return self._live is live and self._version == live.version and self._prices is prices

    def spread(self, values: Sequence[float]) -> list[float]:
        """From a value of each row to one of each member."""
        return [values[group] for group in self.row_of.values()]

    def order(self, values: Sequence[float]) -> list[int]:
        """The members, those of the row with the highest value first; equals in their own
        order."""
        if len(set(values)) < len(values):
            worth = dict(zip(self.row_of, self.spread(values), strict=True))
            return sorted(worth, key=worth.__getitem__, reverse=True)
        best = sorted(range(len(values)), key=values.__getitem__, reverse=True)
        if len(best) == len(self.row_of):
            order = list(self.row_of)
            return [order[row] for row in best]
        members = self._members
        return [index for row in best for index in members[row]]
