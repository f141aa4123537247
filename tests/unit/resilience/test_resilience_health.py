"""The health board: what it tells routing, and what it keeps."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from routing_world import deployment

from federation.domain.catalogue import Speed
from federation.resilience.circuit import Circuit
from federation.resilience.health import NEUTRAL, PROBED, Health, HealthBoard
from federation.resilience.samples import WINDOW, percentiles
from federation.schema.link import Measure

A, B = "a/x", "b/y"


def board() -> HealthBoard:
    """Two deployments that should take 500 ms to the first token and write 80 tokens/s."""
    return HealthBoard([deployment(A), deployment(B)])


def measure(of: str = A, *, ok: bool = True, **facts: Any) -> Measure:
    """A streamed answer of 100 tokens in 1,750 ms, or a failure."""
    known: dict[str, Any] = {"first_byte_ms": 500.0, "total_ms": 1750.0, "output_tokens": 100}
    known |= facts
    return Measure(of, 0, ok, error=known.pop("error", "" if ok else "upstream_failed"), **known)


def noted(made: HealthBoard, count: int, now_s: float, **facts: Any) -> None:
    for _ in range(count):
        made.note(measure(**facts), now_s)


def test_before_any_call_the_columns_hold_what_the_catalogue_expects() -> None:
    made = HealthBoard([deployment(A), deployment(B, speed=None)])
    live = made.live(0.0)
    assert live.first_token_ms == [500.0, 900.0]
    assert live.tokens_per_s == [80.0, 50.0]
    assert live.p95_ms == [500.0 + 300_000 / 80.0, 900.0 + 300_000 / 50.0]
    assert live.success == [1.0, 1.0]
    assert live.inflight == [0, 0]
    assert live.down_until == [0.0, 0.0]
    assert made.health(A, 0.0) is Health.UNKNOWN


def test_many_measures_outweigh_the_prior_and_few_do_not() -> None:
    made = board()
    made.note(measure(first_byte_ms=2_000.0, total_ms=4_000.0), 1.0)
    few = made.live(1.0).first_token_ms[0]
    assert 500.0 < few < 1_000.0
    noted(made, 200, 2.0, first_byte_ms=2_000.0, total_ms=4_000.0)
    live = made.live(2.0)
    assert live.first_token_ms[0] == pytest.approx(2_000.0, rel=0.05)
    assert live.tokens_per_s[0] == pytest.approx(50.0, rel=0.05)
    assert live.p95_ms[0] == pytest.approx(4_000.0, rel=0.05)
    assert live.first_token_ms[1] == 500.0


def test_columns_are_recomputed_at_most_four_times_a_second() -> None:
    made = board()
    before = made.live(10.0).first_token_ms[0]
    noted(made, 50, 10.1, first_byte_ms=3_000.0, total_ms=6_000.0)
    assert made.live(10.2).first_token_ms[0] == before
    assert made.live(10.26).first_token_ms[0] > before


def test_old_samples_are_forgotten_even_when_nobody_calls() -> None:
    made = board()
    noted(made, 50, 0.0, first_byte_ms=3_000.0, total_ms=6_000.0)
    assert made.live(1.0).first_token_ms[0] > 2_000.0
    assert made.live(400.0).first_token_ms[0] == 500.0
    assert made.first_byte(A, 400.0) is None
    assert made.whole(A, 400.0) is None


def test_success_decays_to_one_and_failures_pull_it_down() -> None:
    made = board()
    noted(made, 3, 0.0)
    noted(made, 4, 0.0, ok=False)
    hurt = made.live(0.3).success[0]
    assert hurt == pytest.approx((3 + 5) / (7 + 5), rel=0.01)
    later = made.live(300.0).success[0]
    much_later = made.live(3_000.0).success[0]
    assert hurt < later < much_later <= 1.0
    assert much_later > 0.99


@pytest.mark.parametrize("word", sorted(NEUTRAL))
def test_what_is_not_the_deployments_fault_leaves_no_trace(word: str) -> None:
    made = board()
    noted(made, 30, 1.0, ok=False, error=word)
    assert made.health(A, 1.0) is Health.UNKNOWN
    assert made.live(2.0).success[0] == 1.0
    assert made.circuit(A, 1.0) is Circuit.CLOSED


def test_a_whole_answer_teaches_its_speed_and_a_short_one_its_wait() -> None:
    made = board()
    noted(made, 100, 1.0, first_byte_ms=2_500.0, total_ms=2_500.0, output_tokens=100)
    live = made.live(1.0)
    assert live.first_token_ms[0] == 500.0
    assert live.tokens_per_s[0] == pytest.approx(50.0, rel=0.1)
    made = board()
    noted(made, 100, 1.0, first_byte_ms=2_500.0, total_ms=2_500.0, output_tokens=3)
    live = made.live(1.0)
    assert live.first_token_ms[0] == pytest.approx(2_500.0, rel=0.1)
    assert live.tokens_per_s[0] == 80.0


def test_a_first_byte_that_nobody_saw_is_no_measure_of_the_first_token() -> None:
    made = board()
    noted(made, 50, 1.0, first_byte_ms=0.0, total_ms=2_500.0, output_tokens=100)
    assert made.live(1.0).first_token_ms[0] == 500.0
    assert made.first_byte(A, 1.0) is None


def test_an_answer_without_tokens_proves_life_but_no_speed() -> None:
    made = board()
    noted(made, 20, 1.0, first_byte_ms=1.0, total_ms=1.0, output_tokens=0)
    assert made.live(1.0).first_token_ms[0] == 500.0
    assert made.health(A, 1.0) is Health.HEALTHY


def test_running_attempts_are_seen_at_once() -> None:
    made = board()
    live = made.live(1.0)
    made.begin(A)
    made.begin(A)
    made.begin(B)
    assert live.inflight == [2, 1]
    made.end(A)
    assert live.inflight == [1, 1]
    made.end(A)
    made.end(A)
    assert live.inflight == [0, 1]


def test_names_that_are_not_on_the_board_are_ignored() -> None:
    made = board()
    made.begin("z/z")
    made.end("z/z")
    made.cool("z/z", 9.0, 1.0)
    made.note(measure("z/z"), 1.0)
    assert made.health("z/z", 1.0) is Health.UNKNOWN
    assert made.circuit("z/z", 1.0) is Circuit.CLOSED
    assert made.whole("z/z", 1.0) is None
    assert made.live(1.0).inflight == [0, 0]


def test_a_new_snapshot_keeps_what_was_seen_of_those_who_stay() -> None:
    made = board()
    noted(made, 200, 1.0, of=B, first_byte_ms=2_000.0, total_ms=4_000.0)
    made.begin(B)
    made.begin(A)
    noted(made, 5, 1.0, of=A, ok=False)
    made.follow([deployment(B), deployment("c/z")])
    live = made.live(1.1)
    assert live.first_token_ms[0] == pytest.approx(2_000.0, rel=0.05)
    assert live.first_token_ms[1] == 500.0
    assert live.inflight == [1, 0]
    made.end(A)
    made.end(B)
    assert made.live(2.0).inflight == [0, 0]
    made.follow([deployment(A)])
    assert made.live(3.0).down_until == [0.0]


def test_an_open_circuit_survives_a_new_snapshot() -> None:
    made = board()
    noted(made, 5, 1.0, ok=False)
    made.follow([deployment(B), deployment(A)])
    assert made.live(1.0).down_until == [0.0, 31.0]


def test_a_half_open_deployment_takes_one_probe_at_a_time_until_three_succeed() -> None:
    made = board()
    noted(made, 5, 1.0, ok=False)
    assert made.live(30.9).down_until[0] > 30.9
    for now_s in (31.0, 32.0, 33.0):
        live = made.live(now_s)
        assert made.circuit(A, now_s) is Circuit.HALF_OPEN
        assert live.down_until[0] <= now_s
        made.begin(A)
        assert live.down_until[0] > now_s
        made.note(measure(), now_s + 0.5)
        made.end(A)
    assert made.circuit(A, 34.0) is Circuit.CLOSED
    assert made.live(34.0).down_until[0] <= 34.0


def test_a_canceled_probe_frees_its_place() -> None:
    made = board()
    noted(made, 5, 1.0, ok=False)
    live = made.live(40.0)
    made.begin(A)
    made.end(A)
    assert live.down_until[0] <= 40.0
    assert made.circuit(A, 40.0) is Circuit.HALF_OPEN


def test_a_disabled_deployment_is_said_to_be_disabled() -> None:
    made = HealthBoard([deployment(A, enabled=False), deployment(B, p_enabled=False)])
    noted(made, 3, 1.0)
    assert made.health(A, 1.0) is Health.DISABLED
    assert made.health(B, 1.0) is Health.DISABLED


def test_slow_or_erroneous_is_degraded_and_an_open_circuit_unhealthy() -> None:
    made = board()
    noted(made, 20, 1.0)
    assert made.health(A, 1.0) is Health.HEALTHY
    noted(made, 60, 1.0, first_byte_ms=1_600.0, total_ms=3_000.0)
    assert made.health(A, 1.0) is Health.DEGRADED
    made = board()
    for _ in range(3):
        noted(made, 1, 1.0)
        noted(made, 2, 1.0, ok=False)
    assert made.health(A, 1.0) is Health.DEGRADED
    noted(made, 5, 1.0, ok=False)
    assert made.health(A, 1.0) is Health.UNHEALTHY


def test_a_cooldown_is_no_failure_and_a_shorter_one_does_not_end_a_longer() -> None:
    made = board()
    live = made.live(10.0)
    made.cool(A, 60.0, 10.0)
    made.cool(A, 20.0, 10.0)
    assert live.down_until == [60.0, 0.0]
    assert live.success[0] == 1.0
    assert made.circuit(A, 10.0) is Circuit.CLOSED


def test_a_slow_prior_of_zero_speed_does_not_divide_by_zero() -> None:
    made = HealthBoard([deployment(A, speed=Speed(10.0, 0.0))])
    assert made.live(0.0).tokens_per_s == [0.1]
    assert math.isfinite(made.live(0.0).p95_ms[0])


def test_the_window_keeps_the_last_samples_only() -> None:
    made = board()
    noted(made, WINDOW, 1.0, first_byte_ms=100.0, total_ms=400.0)
    noted(made, WINDOW, 2.0, first_byte_ms=900.0, total_ms=2_000.0)
    seen = made.first_byte(A, 2.0)
    assert seen is not None
    assert (seen.p50, seen.p99) == (900.0, 900.0)


@settings(deadline=None)
@given(st.lists(st.floats(0.0, 1e7), min_size=1, max_size=300))
def test_percentiles_are_nearest_ranks_of_what_was_measured(values: list[float]) -> None:
    seen = percentiles(values)
    assert seen is not None
    ordered = sorted(values)
    for share, found in zip((50, 95, 99), seen, strict=True):
        below = sum(1 for value in ordered if value <= found)
        assert found in values
        assert below * 100 >= share * len(values)
        before = sum(1 for value in ordered if value < found)
        assert before * 100 < share * len(values)
    assert percentiles([]) is None


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([A, B]),
            st.booleans(),
            st.floats(0.0, 1e6),
            st.floats(0.0, 1e6),
            st.integers(0, 10_000),
            st.floats(0.0, 60.0),
        ),
        max_size=60,
    )
)
def test_columns_stay_finite_and_in_range_whatever_is_measured(
    seen: list[tuple[str, bool, float, float, int, float]],
) -> None:
    made, now_s = board(), 0.0
    for name, ok, first, more, tokens, wait in seen:
        now_s += wait
        made.note(
            measure(name, ok=ok, first_byte_ms=first, total_ms=first + more, output_tokens=tokens),
            now_s,
        )
        live = made.live(now_s)
        for column in (live.first_token_ms, live.tokens_per_s, live.p95_ms, live.down_until):
            assert all(math.isfinite(value) and value >= 0.0 for value in column)
        assert all(value >= 0.1 for value in live.tokens_per_s)
        assert all(0.0 <= value <= 1.0 for value in live.success)


def test_an_answered_probe_shortens_an_open_circuit_and_is_no_outcome() -> None:
    made = board()
    for _ in range(5):
        made.note(measure(ok=False), 0.0)
    assert made.live(1.0).down_until[0] > 1.0
    success = made.live(1.0).success[0]
    made.note(measure(ok=True, error=PROBED), 1.0)
    assert made.circuit(A, 1.0) is Circuit.HALF_OPEN
    assert made.live(1.0).down_until[0] <= 1.0
    assert made.live(1.0).success[0] == success
    assert made.health(A, 1.0) is Health.UNHEALTHY


def test_an_open_circuit_keeps_from_retries_and_not_from_being_the_last_hope() -> None:
    made = board()
    noted(made, 5, 0.0, ok=False)
    assert made.circuit(A, 0.0) is Circuit.OPEN
    assert not made.may_retry(A, 0.0)
    # Within the retry budget: ten in ten seconds, where hardly anybody calls.
    assert [made.may_return(A, 0.0) for _ in range(11)] == [True] * 10 + [False]
    assert made.circuit(A, 31.0) is Circuit.HALF_OPEN
    assert not made.may_return(A, 31.0)
    assert made.may_return("c/z", 0.0)
