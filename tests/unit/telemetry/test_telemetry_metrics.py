from __future__ import annotations

import re
from bisect import bisect_left

import pytest

from federation.telemetry import metrics
from federation.telemetry.exposition import CONTENT_TYPE, exposition
from federation.telemetry.meter import Meter, series
from federation.telemetry.metrics import METRICS
from federation.telemetry.totals import Totals, labels_of, merged_gauges, name_of

REQUEST = ("chat", "ok", "acme", "acme-large")


def counted(name: str, *values: float) -> list[float]:
    """Values in the buckets of a histogram of the table."""
    bounds = METRICS[name].buckets
    places = [bisect_left(bounds, value) for value in values]
    return [*(float(places.count(n)) for n in range(len(bounds) + 1)), sum(values)]


def test_every_name_of_the_module_stands_in_the_table() -> None:
    names = {
        value for name, value in vars(metrics).items() if name.isupper() and isinstance(value, str)
    }
    assert names == set(METRICS)


@pytest.mark.parametrize("metric", METRICS.values(), ids=list(METRICS))
def test_a_row_keeps_the_rules_of_prometheus(metric: metrics.Metric) -> None:
    assert re.fullmatch(r"federation_[a-z_]+", metric.name)
    assert metric.help.endswith(".")
    assert (metric.kind == "counter") == metric.name.endswith("_total")
    assert (metric.kind == "histogram") == bool(metric.buckets)
    assert list(metric.buckets) == sorted(set(metric.buckets))
    assert all(re.fullmatch(r"[a-z_]+", label) and label != "le" for label in metric.labels)


def test_counts_are_increments_and_begin_anew_after_a_drain() -> None:
    meter = Meter()
    meter.add(metrics.REQUESTS, REQUEST)
    meter.add(metrics.REQUESTS, REQUEST, 2.0)
    assert meter.drain().counters == {series(metrics.REQUESTS, REQUEST): 3.0}
    assert meter.drain().counters == {}


def test_gauges_stay() -> None:
    meter = Meter()
    meter.set(metrics.INFLIGHT, (), 3.0)
    assert meter.drain().gauges == meter.drain().gauges == {metrics.INFLIGHT: 3.0}


def test_a_series_keeps_empty_and_odd_labels() -> None:
    key = series(metrics.REQUESTS, ("chat", "", 'a"b\n', "x"))
    assert name_of(key) == metrics.REQUESTS
    assert labels_of(key) == ("chat", "", 'a"b\n', "x")
    assert labels_of(series(metrics.WORKERS, ())) == ()


def test_reports_add_up() -> None:
    totals, meter = Totals(), Meter()
    for _ in range(2):
        meter.add(metrics.REQUESTS, REQUEST)
        overhead = counted(metrics.OVERHEAD_SECONDS, 0.0002)
        meter.absorb(metrics.OVERHEAD_SECONDS, ("chat",), overhead)
        seen = meter.drain()
        totals.take(seen.counters, seen.histograms)
    assert totals.counters == {series(metrics.REQUESTS, REQUEST): 2.0}
    assert totals.histograms[series(metrics.OVERHEAD_SECONDS, ("chat",))][1] == 2.0


def test_what_the_table_lacks_is_left_out() -> None:
    totals = Totals()
    totals.take(
        {"nonsense": 1.0, metrics.REQUESTS: 1.0, metrics.WORKERS: 1.0},
        {"nonsense": [1.0], series(metrics.OVERHEAD_SECONDS, ("chat",)): [1.0, 2.0]},
    )
    assert (totals.counters, totals.histograms) == ({}, {})
    assert merged_gauges([{"nonsense": 1.0}]) == {}


def test_gauges_of_workers_are_summed_or_the_worst_is_shown() -> None:
    workers = [
        {metrics.INFLIGHT: 2.0, metrics.DEPLOYMENTS_DOWN: 1.0},
        {metrics.INFLIGHT: 3.0, metrics.DEPLOYMENTS_DOWN: 4.0},
        {metrics.INFLIGHT: 0.0, metrics.DEPLOYMENTS_DOWN: 2.0},
    ]
    assert merged_gauges(workers) == {metrics.INFLIGHT: 5.0, metrics.DEPLOYMENTS_DOWN: 4.0}


def test_the_page_is_in_prometheus_text_format() -> None:
    meter, totals = Meter(), Totals()
    meter.add(metrics.REQUESTS, ("chat", "ok", "acme", 'a"b'), 2.0)
    lasted = counted(metrics.REQUEST_SECONDS, 0.3, 500.0)
    meter.absorb(metrics.REQUEST_SECONDS, ("chat", "acme"), lasted)
    seen = meter.drain()
    totals.take(seen.counters, seen.histograms)
    page = exposition(totals, {metrics.WORKERS: 2.0}).decode()
    lines = page.splitlines()
    labels = 'model="a\\"b",operation="chat",outcome="ok",provider="acme"'
    assert f"federation_requests_total{{{labels}}} 2.0" in lines
    shared = 'operation="chat",provider="acme"'
    assert f'federation_request_seconds_bucket{{le="0.25",{shared}}} 0.0' in lines
    assert f'federation_request_seconds_bucket{{le="0.5",{shared}}} 1.0' in lines
    assert f'federation_request_seconds_bucket{{le="+Inf",{shared}}} 2.0' in lines
    assert f"federation_request_seconds_count{{{shared}}} 2.0" in lines
    assert f"federation_request_seconds_sum{{{shared}}} 500.3" in lines
    assert "federation_workers 2.0" in lines
    assert "federation_lost_calls_total 0.0" in lines
    assert page.endswith("\n")
    assert "version=0.0.4" in CONTENT_TYPE
    for metric in METRICS.values():
        family = metric.name.removesuffix("_total")
        assert f"# HELP {family}" in page


def test_histograms_that_were_counted_elsewhere_add_up_and_begin_anew() -> None:
    meter = Meter()
    size = len(METRICS[metrics.OVERHEAD_SECONDS].buckets) + 2
    for _ in range(2):
        meter.absorb(metrics.OVERHEAD_SECONDS, ("chat",), [1.0] * size)
    (counts,) = meter.drain().histograms.values()
    assert counts == [2.0] * size
    assert meter.drain().histograms == {}
