"""Sums of calls between two reports, and the metrics that they become."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from federation.gateway.tally import Tallies
from federation.schema.records import AttemptRecord, CallEnded
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


def test_two_attempts_side_by_side_leave_no_time_of_ours_and_never_less() -> None:
    tallies, meter = Tallies(), Meter()
    one = ended(100.0)
    side_by_side = tuple(structs.replace(one.attempts[0], total_ms=90.0) for _ in range(2))
    tallies.call(structs.replace(one, attempts=side_by_side))
    tallies.pour(meter)
    counts = meter.drain().histograms[series(metrics.OVERHEAD_SECONDS, ("chat",))]
    assert (counts[0], counts[-1]) == (1.0, 0.0)
