"""A worker's own counts since its last report: dictionaries of increments.

Safe for a worker to import. The trap: these are increments, never totals. What `drain`
hands out is gone here, so drain only when the report can be sent.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass

from federation.telemetry.metrics import METRICS

SEPARATOR = "\x1f"
"""Joins a metric's name and label values in a report; cannot stand in either."""


@dataclass(frozen=True, slots=True)
class Increments:
    """What `schema.link.Report` carries, keyed by `series`."""

    counters: dict[str, float]
    histograms: dict[str, list[float]]
    """Bucket increments (one above the highest bound included), the sum of values last."""
    gauges: dict[str, float]


def series(name: str, labels: tuple[str, ...]) -> str:
    """One key for a metric's name and its label values in the order of the table."""
    return SEPARATOR.join((name, *labels))


class Meter:
    """Counts and measures of one process; implements `ports.Meter`."""

    def __init__(self) -> None:
        self._counters: defaultdict[tuple[str, tuple[str, ...]], float] = defaultdict(float)
        self._histograms: dict[
            tuple[str, tuple[str, ...]], tuple[tuple[float, ...], list[float]]
        ] = {}
        self._gauges: dict[tuple[str, tuple[str, ...]], float] = {}

    def add(self, name: str, labels: tuple[str, ...], amount: float = 1.0) -> None:
        """Add to a counter."""
        self._counters[name, labels] += amount

    def observe(self, name: str, labels: tuple[str, ...], value: float) -> None:
        """Put a value into a histogram of the table; KeyError where the table lacks it."""
        found = self._histograms.get((name, labels))
        if found is None:
            bounds = METRICS[name].buckets
            found = self._histograms[name, labels] = (bounds, [0.0] * (len(bounds) + 2))
        bounds, counts = found
        counts[bisect_left(bounds, value)] += 1.0
        counts[-1] += value

    def absorb(self, name: str, labels: tuple[str, ...], counts: list[float]) -> None:
        """Add a histogram of the table that was counted elsewhere: increments of each bucket,
        one above the highest bound included, and the sum of values last."""
        found = self._histograms.get((name, labels))
        if found is None:
            bounds = METRICS[name].buckets
            found = self._histograms[name, labels] = (bounds, [0.0] * (len(bounds) + 2))
        own = found[1]
        for place, count in enumerate(counts):
            own[place] += count

    def set(self, name: str, labels: tuple[str, ...], value: float) -> None:
        """State a gauge's present value; it stays until it is set again."""
        self._gauges[name, labels] = value

    def drain(self) -> Increments:
        """Hand out all increments and begin anew; gauges are copied and stay."""
        increments = Increments(
            {series(*key): value for key, value in self._counters.items()},
            {series(*key): counts for key, (_, counts) in self._histograms.items()},
            {series(*key): value for key, value in self._gauges.items()},
        )
        self._counters.clear()
        self._histograms.clear()
        return increments
