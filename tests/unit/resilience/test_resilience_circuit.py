"""The circuit: when it opens, whom it lets try, when it closes."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from federation.resilience.circuit import OPEN_S, PROBE_S, Breaker, Circuit


def opened(now_s: float = 0.0) -> Breaker:
    breaker = Breaker()
    for _ in range(5):
        breaker.fail(now_s)
    return breaker


def test_five_failures_in_a_row_open_it_and_four_do_not() -> None:
    breaker = Breaker()
    for _ in range(4):
        breaker.fail(0.0)
    breaker.succeed(0.0)
    for _ in range(4):
        breaker.fail(0.0)
    assert breaker.state(0.0) is Circuit.CLOSED
    breaker.fail(0.0)
    assert breaker.state(0.0) is Circuit.OPEN
    assert breaker.down_until(0.0) == OPEN_S


def test_a_high_error_rate_opens_it_without_five_in_a_row() -> None:
    breaker = Breaker()
    for number in range(40):
        if number % 10 == 4:
            breaker.succeed(0.0)
        elif breaker.state(0.0) is Circuit.CLOSED:
            breaker._row = 0
            breaker.fail(0.0)
    assert breaker.state(0.0) is Circuit.OPEN


def test_a_high_error_rate_of_few_calls_does_not_open_it() -> None:
    breaker = Breaker()
    for _ in range(18):
        breaker._row = 0
        breaker.fail(0.0)
    assert breaker.outcomes == 18
    assert breaker.state(0.0) is Circuit.CLOSED


def test_old_failures_do_not_count_towards_the_rate() -> None:
    breaker = Breaker()
    for _ in range(18):
        breaker._row = 0
        breaker.fail(0.0)
    breaker.succeed(400.0)
    breaker.fail(400.0)
    breaker.fail(400.0)
    assert breaker.outcomes == 3
    assert breaker.state(400.0) is Circuit.CLOSED


def test_only_the_last_hundred_outcomes_count() -> None:
    breaker = Breaker()
    for _ in range(30):
        breaker._row = 0
        breaker.fail(0.0)
        breaker.succeed(0.0)
    for _ in range(100):
        breaker.succeed(0.0)
    assert breaker.outcomes == 100
    assert breaker.error_rate(0.0) == 0.0


def test_after_its_time_one_probe_at_a_time_may_pass() -> None:
    breaker = opened()
    assert breaker.state(OPEN_S - 0.1) is Circuit.OPEN
    assert breaker.state(OPEN_S) is Circuit.HALF_OPEN
    assert breaker.down_until(OPEN_S) <= OPEN_S
    breaker.begin(OPEN_S)
    assert breaker.down_until(OPEN_S) == OPEN_S + PROBE_S
    breaker.end()
    assert breaker.down_until(OPEN_S) <= OPEN_S


def test_three_successes_close_it_and_forget_the_past() -> None:
    breaker = opened()
    for number in range(3):
        assert breaker.state(OPEN_S + number) is Circuit.HALF_OPEN
        breaker.begin(OPEN_S + number)
        breaker.succeed(OPEN_S + number)
        breaker.end()
    assert breaker.state(OPEN_S + 3) is Circuit.CLOSED
    assert breaker.outcomes == 0
    breaker.fail(OPEN_S + 4)
    assert breaker.state(OPEN_S + 4) is Circuit.CLOSED


def test_one_failed_probe_opens_it_again() -> None:
    breaker = opened()
    breaker.begin(OPEN_S)
    breaker.succeed(OPEN_S)
    breaker.fail(OPEN_S + 1)
    assert breaker.state(OPEN_S + 1) is Circuit.OPEN
    assert breaker.down_until(OPEN_S + 1) == OPEN_S + 1 + OPEN_S


def test_a_late_outcome_of_an_open_circuit_changes_nothing() -> None:
    breaker = opened()
    breaker.succeed(1.0)
    breaker.fail(2.0)
    assert breaker.down_until(2.0) == OPEN_S


def test_a_probe_that_nobody_ends_frees_its_place_by_time() -> None:
    breaker = opened()
    breaker.begin(OPEN_S)
    assert breaker.down_until(OPEN_S + PROBE_S) <= OPEN_S + PROBE_S


def test_a_last_resort_attempt_on_an_open_circuit_is_no_probe() -> None:
    breaker = opened()
    breaker.begin(1.0)
    breaker.end()
    assert breaker.down_until(1.0) == OPEN_S


def test_a_cooldown_holds_in_every_state() -> None:
    breaker = opened()
    breaker.cool(90.0)
    assert breaker.down_until(1.0) == 90.0
    assert breaker.down_until(OPEN_S) == 90.0


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("sfbe"), st.floats(0.0, 20.0)), max_size=80))
def test_the_error_rate_is_always_a_share_and_states_follow_the_rules(
    steps: list[tuple[str, float]],
) -> None:
    breaker, now_s, before = Breaker(), 0.0, Circuit.CLOSED
    for step, wait in steps:
        now_s += wait
        seen = breaker.state(now_s)
        assert not (before is Circuit.CLOSED and seen is Circuit.HALF_OPEN)
        if step == "s":
            breaker.succeed(now_s)
        elif step == "f":
            breaker.fail(now_s)
        elif step == "b":
            breaker.begin(now_s)
        else:
            breaker.end()
        before = breaker.state(now_s)
        assert not (seen is Circuit.OPEN and before is Circuit.CLOSED)
        assert 0.0 <= breaker.error_rate(now_s) <= 1.0


def test_an_answered_probe_makes_an_open_circuit_half_open_early_and_closes_nothing() -> None:
    breaker = Breaker()
    for _ in range(5):
        breaker.fail(0.0)
    breaker.probed(2.0)
    assert breaker.state(2.0) is Circuit.HALF_OPEN
    breaker.begin(2.0)
    breaker.probed(3.0)
    assert breaker.down_until(3.0) > 3.0, "the call that tries it is still alone"
    breaker.end()
    breaker.fail(3.0)
    assert breaker.state(3.0) is Circuit.OPEN


def test_an_answered_probe_leaves_a_closed_circuit_and_a_cooldown_as_they_are() -> None:
    breaker = Breaker()
    breaker.fail(0.0)
    breaker.cool(60.0)
    breaker.probed(1.0)
    assert breaker.state(1.0) is Circuit.CLOSED
    assert breaker.down_until(1.0) == 60.0
    for _ in range(4):
        breaker.fail(1.0)
    assert breaker.state(1.0) is Circuit.OPEN, "what failed before still counts"
