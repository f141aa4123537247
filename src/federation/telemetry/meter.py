"""A worker's own counts since its last report: dictionaries of increments.

Safe for a worker to import. The trap: these are increments, never totals. What `drain`
hands out is gone here, so drain only when the report can be sent.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

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
        self._histograms: dict[tuple[str, tuple[str, ...]], list[float]] = {}
        self._gauges: dict[tuple[str, tuple[str, ...]], float] = {}

    def add(self, name: str, labels: tuple[str, ...], amount: float = 1.0) -> None:
        """Add to a counter."""
        self._counters[name, labels] += amount

    def absorb(self, name: str, labels: tuple[str, ...], counts: list[float]) -> None:
        """Add to a histogram of the table what was counted elsewhere: increments of each bucket,
        one above the highest bound included, and the sum of values last."""
        own = self._histograms.get((name, labels))
        if own is None:
            own = self._histograms[name, labels] = [0.0] * len(counts)
        for place, count in enumerate(counts):
            own[place] += count

    def set(self, name: str, labels: tuple[str, ...], value: float) -> None:
        """State a gauge's present value; it stays until it is set again."""
        self._gauges[name, labels] = value

    def drain(self) -> Increments:
        """Hand out all increments and begin anew; gauges are copied and stay."""
        increments = Increments(
            {series(*key): value for key, value in self._counters.items()},
            {series(*key): counts for key, counts in self._histograms.items()},
            {series(*key): value for key, value in self._gauges.items()},
        )
        self._counters.clear()
        self._histograms.clear()
        return increments
