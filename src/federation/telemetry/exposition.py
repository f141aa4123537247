"""The metrics as Prometheus reads them. Control only.

The trap: prometheus_client's own counters are not used. Its collector interface renders
what `Totals` holds, so there is no second set of numbers and no global registry.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeVar

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from federation.telemetry.metrics import METRICS
from federation.telemetry.metrics import Metric as Row
from federation.telemetry.totals import Totals, labels_of, name_of

Value = TypeVar("Value")

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def exposition(totals: Totals, gauges: Mapping[str, float]) -> bytes:
    """Everything in the text format, families in the order of the table."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Page(totals, gauges))
    return generate_latest(registry)


class _Page(Collector):
    def __init__(self, totals: Totals, gauges: Mapping[str, float]) -> None:
        self._totals = totals
        self._gauges = gauges

    def collect(self) -> Iterator[Metric]:
        counters = _by_name(self._totals.counters)
        histograms = _by_name(self._totals.histograms)
        gauges = _by_name(self._gauges)
        for row in METRICS.values():
            if row.kind == "counter":
                yield _counter(row, counters.get(row.name, {}))
            elif row.kind == "histogram":
                yield _histogram(row, histograms.get(row.name, {}))
            else:
                yield _gauge(row, gauges.get(row.name, {}))


def _by_name(series: Mapping[str, Value]) -> dict[str, dict[tuple[str, ...], Value]]:
    grouped: dict[str, dict[tuple[str, ...], Value]] = {}
    for key in sorted(series):
        grouped.setdefault(name_of(key), {})[labels_of(key)] = series[key]
    return grouped


def _counter(row: Row, values: Mapping[tuple[str, ...], float]) -> Metric:
    family = CounterMetricFamily(row.name.removesuffix("_total"), row.help, labels=row.labels)
    if not row.labels and not values:
        family.add_metric((), 0.0)
    for labels, value in values.items():
        family.add_metric(labels, value)
    return family


def _gauge(row: Row, values: Mapping[tuple[str, ...], float]) -> Metric:
    family = GaugeMetricFamily(row.name, row.help, labels=row.labels)
    for labels, value in values.items():
        family.add_metric(labels, value)
    return family


def _histogram(row: Row, values: Mapping[tuple[str, ...], list[float]]) -> Metric:
    family = HistogramMetricFamily(row.name, row.help, labels=row.labels)
    for labels, counts in values.items():
        buckets: list[tuple[str, float]] = []
        total = 0.0
        for bound, count in zip((*map(str, row.buckets), "+Inf"), counts[:-1], strict=True):
            total += count
            buckets.append((bound, total))
        family.add_metric(labels, buckets, sum_value=counts[-1])
    return family
