"""Sums of calls between two reports, and the metrics that they become."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.gateway.tally import Tallies
from federation.schema.records import AttemptRecord, CallEnded
from federation.schema.usage import Usage
from federation.telemetry import metrics
from federation.telemetry.meter import Meter, series


def ended(ms: float) -> CallEnded:
    tried = AttemptRecord(deployment="acme/m", started_ms=0, first_byte_ms=ms)
    return CallEnded(
        *("call_1", 0, "t", "k", "chat", "auto", "ok", 200),
        deployment="acme/m",
        duration_ms=ms,
        attempts=(tried,),
    )


@settings(deadline=None)
@given(st.lists(st.floats(0.001, 200_000.0), min_size=1, max_size=30))
def test_a_value_is_counted_in_the_first_bucket_that_holds_it(lasted_ms: list[float]) -> None:
    tallies, meter = Tallies(), Meter()
    for ms in lasted_ms:
        tallies.call(ended(ms))
    tallies.pour(meter)
    found = meter.drain().histograms
    values = [ms / 1000.0 for ms in lasted_ms]
    for name, labels, table in (
        (metrics.REQUEST_SECONDS, ("chat", "acme"), metrics.LATENCY_S),
        (metrics.FIRST_BYTE_SECONDS, ("acme", "m"), metrics.LATENCY_S),
        (metrics.OVERHEAD_SECONDS, ("chat",), metrics.OVERHEAD_S),
    ):
        counts = found[series(name, labels)]
        for n, bound in enumerate((*table, float("inf"))):
            assert sum(counts[: n + 1]) == sum(value <= bound for value in values)
        assert counts[-1] == pytest.approx(sum(values))
    tallies.pour(meter)
    assert meter.drain().histograms == {}


def test_tokens_and_money_count_where_they_were_used_and_time_never_runs_backwards() -> None:
    """A first one that billed and broke keeps its share, an unknown price hides nobody else's; two
    that were asked side by side took longer together than the call did."""
    broke = Usage(input=100, output=40, cached=10)
    answered = Usage(input=90, output=7, cache_write=5, reasoning=3)
    tried = (
        AttemptRecord("acme/m", 0, 200, "upstream_stream_cut", 1.0, 800.0, broke, 5_000_000),
        AttemptRecord("dear/m", 0, 200, "canceled", 1.0, 800.0, Usage(input=8), None),
        AttemptRecord("bravo/m", 0, 200, "", 1.0, 700.0, answered, 2_000_000),
    )
    record = CallEnded(
        *("call_1", 0, "t", "k", "chat", "auto", "ok", 200),
        deployment="bravo/m",
        duration_ms=900.0,
        usage=answered,
        cost_nano=None,
        attempts=tried,
    )
    tallies, meter = Tallies(), Meter()
    tallies.call(record)
    tallies.pour(meter)
    found = meter.drain()
    used = {
        name: count for name, count in found.counters.items() if "tokens" in name or "cost" in name
    }
    assert used == {
        series(metrics.TOKENS, ("input", "acme", "m")): 100,
        series(metrics.TOKENS, ("output", "acme", "m")): 40,
        series(metrics.TOKENS, ("cached", "acme", "m")): 10,
        series(metrics.TOKENS, ("input", "dear", "m")): 8,
        series(metrics.TOKENS, ("input", "bravo", "m")): 90,
        series(metrics.TOKENS, ("output", "bravo", "m")): 7,
        series(metrics.TOKENS, ("cache_write", "bravo", "m")): 5,
        series(metrics.TOKENS, ("reasoning", "bravo", "m")): 3,
        series(metrics.COST, ("acme", "m")): 0.005,
        series(metrics.COST, ("bravo", "m")): 0.002,
    }
    assert found.histograms[series(metrics.OVERHEAD_SECONDS, ("chat",))][-1] == 0.0


def test_findings_are_counted_by_type_and_action_and_once() -> None:
    tallies, meter = Tallies(), Meter()
    found = {"email:redact": 2, "custom:staff:block": 1}
    for _ in range(2):
        tallies.call(CallEnded(*("call_1", 0, "t", "k", "chat", "auto", "ok", 200), findings=found))
    tallies.pour(meter)
    counted = meter.drain().counters
    assert counted[series(metrics.FINDINGS, ("email", "redact"))] == 4
    assert counted[series(metrics.FINDINGS, ("custom:staff", "block"))] == 2
    tallies.pour(meter)
    assert meter.drain().counters == {}
