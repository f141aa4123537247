"""All workers' increments added up, in the control process.

The trap: counters live as long as control. When it restarts they begin at zero, which
Prometheus takes for the reset that it is; money is read off the ledger, not from here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from federation.telemetry.meter import SEPARATOR
from federation.telemetry.metrics import METRICS, WORST_OF_WORKERS


def name_of(series: str) -> str:
    """The metric's name in a series' key."""
    return series.split(SEPARATOR, 1)[0]


def labels_of(series: str) -> tuple[str, ...]:
    """The label values in a series' key."""
    return tuple(series.split(SEPARATOR)[1:])


class Totals:
    """Counters and histograms by series; what the table does not know is left out."""

    def __init__(self) -> None:
        self.counters: dict[str, float] = {}
        self.histograms: dict[str, list[float]] = {}

    def take(self, counters: Mapping[str, float], histograms: Mapping[str, list[float]]) -> None:
        """Add one report's increments."""
        for series, amount in counters.items():
            if _known(series, "counter"):
                self.counters[series] = self.counters.get(series, 0.0) + amount
        for series, counts in histograms.items():
            if not _known(series, "histogram"):
                continue
            if len(counts) != len(METRICS[name_of(series)].buckets) + 2:
                continue
            total = self.histograms.get(series)
            if total is None:
                self.histograms[series] = list(counts)
            else:
                self.histograms[series] = [a + b for a, b in zip(total, counts, strict=True)]


def merged_gauges(workers: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """The workers' gauges as one: their sum, or the worst where the table says so."""
    merged: dict[str, float] = {}
    for gauges in workers:
        for series, value in gauges.items():
            if not _known(series, "gauge"):
                continue
            before = merged.get(series)
            if before is None:
                merged[series] = value
            elif name_of(series) in WORST_OF_WORKERS:
                merged[series] = max(before, value)
            else:
                merged[series] = before + value
    return merged


def _known(series: str, kind: str) -> bool:
    metric = METRICS.get(name_of(series))
    return (
        metric is not None and metric.kind == kind and len(labels_of(series)) == len(metric.labels)
    )
