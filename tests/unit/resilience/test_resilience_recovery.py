"""The recovery table, row by row, and the limits around it."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.errors import (
    UpstreamCut,
    UpstreamDenied,
    UpstreamError,
    UpstreamFailed,
    UpstreamGarbled,
    UpstreamMissing,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamTimeout,
)
from federation.resilience.recovery import (
    SECOND_LAP_S,
    Action,
    Fail,
    Fallback,
    Retry,
    SecondLap,
    Tries,
    backoff,
    blame,
)

ERRORS = [
    UpstreamRejected("r"),
    UpstreamFailed("f"),
    UpstreamTimeout("t"),
    UpstreamDenied("d"),
    UpstreamMissing("m"),
    UpstreamGarbled("g"),
    UpstreamCut("c"),
    UpstreamRateLimited("l"),
    UpstreamRateLimited("l", retry_after_s=2.0),
    UpstreamRateLimited("l", retry_after_s=30.0),
]


def steps(*errors: UpstreamError, limit: int = 6, last: bool = False) -> list[Action]:
    tries, rng = Tries(limit), Random(3)
    actions: list[Action] = []
    for error in errors:
        actions.append(tries.after(error, rng, last=last))
        if isinstance(actions[-1], Fallback):
            tries.leave()
    return actions


def kinds(actions: list[Action]) -> list[type[Action]]:
    return [type(action) for action in actions]


def test_the_callers_own_mistake_ends_the_call() -> None:
    assert steps(UpstreamRejected("no")) == [Fail()]


def test_a_server_error_is_retried_once_then_the_next_is_asked() -> None:
    failed = UpstreamFailed("500")
    assert kinds(steps(failed, failed, failed, failed)) == [Retry, Fallback, Retry, Fallback]


@pytest.mark.parametrize("error", [UpstreamTimeout("t"), UpstreamGarbled("g"), UpstreamCut("c")])
def test_a_silent_or_garbled_deployment_is_not_retried(error: UpstreamError) -> None:
    assert steps(error) == [Fallback()]


def test_a_refused_credential_and_a_missing_model_rest_for_a_while() -> None:
    denied, missing = steps(UpstreamDenied("401"))[0], steps(UpstreamMissing("404"))[0]
    assert isinstance(denied, Fallback)
    assert isinstance(missing, Fallback)
    assert denied.cool_s >= 30
    assert missing.cool_s > denied.cool_s


def test_a_short_retry_after_is_waited_for_twice_at_most() -> None:
    slow = UpstreamRateLimited("429", retry_after_s=2.0)
    assert steps(slow, slow, slow) == [Retry(2.0), Retry(2.0), Fallback(2.0)]


def test_a_long_retry_after_falls_back_now_and_cools_until_then() -> None:
    assert steps(UpstreamRateLimited("429", retry_after_s=30.0)) == [Fallback(30.0)]
    assert steps(UpstreamRateLimited("429", retry_after_s=1e9)) == [Fallback(3600.0)]


def test_a_429_that_names_no_time_backs_off_once() -> None:
    slow = UpstreamRateLimited("429")
    actions = steps(slow, slow)
    assert kinds(actions) == [Retry, Fallback]
    assert actions[1].cool_s > 0


def test_a_negative_retry_after_waits_not_at_all() -> None:
    assert steps(UpstreamRateLimited("429", retry_after_s=-3.0)) == [Retry(0.0)]


def test_the_last_candidate_is_retried_but_has_no_fallback() -> None:
    failed = UpstreamFailed("500")
    assert kinds(steps(failed, failed, last=True)) == [Retry, Fail]
    assert steps(UpstreamDenied("401"), last=True)[0].cool_s > 0


@given(st.lists(st.sampled_from(ERRORS), min_size=1, max_size=12), st.integers(1, 8))
def test_a_call_never_makes_more_attempts_than_its_limit_nor_three_retries_in_one_place(
    errors: list[UpstreamError], limit: int
) -> None:
    tries, rng, here, made = Tries(limit), Random(1), 0, 0
    for error in errors:
        made += 1
        action = tries.after(error, rng, last=False)
        if isinstance(action, Fail):
            break
        here = here + 1 if isinstance(action, Retry) else 0
        assert here <= 2
    assert made <= limit


@given(st.integers(1, 500), st.integers())
def test_backoff_doubles_to_a_second_with_full_jitter(tries: int, seed: int) -> None:
    assert 0.0 <= backoff(tries, Random(seed)) <= min(0.1 * 2 ** (min(tries, 20) - 1), 1.0)


def test_jitter_reaches_both_ends() -> None:
    waits = [backoff(10, Random(seed)) for seed in range(200)]
    assert min(waits) < 0.1
    assert max(waits) > 0.9


def test_a_provider_that_says_when_to_come_back_is_not_blamed() -> None:
    assert blame(UpstreamRateLimited("429", retry_after_s=2.0)) == "paced"
    assert blame(UpstreamRateLimited("429")) == "upstream_rate_limited"
    assert blame(UpstreamFailed("500")) == "upstream_failed"


def test_a_provider_that_refuses_a_wrong_request_is_not_blamed_in_its_own_words() -> None:
    assert blame(UpstreamRejected("400", code="its_own_word")) == "upstream_rejected"


def test_in_the_second_lap_who_answered_comes_before_who_was_silent() -> None:
    lap = SecondLap()
    lap.note(0, UpstreamTimeout("t"), 2.0)
    lap.note(1, UpstreamFailed("f"), 0.1)
    lap.note(2, UpstreamTimeout("t"), 2.0)
    lap.note(3, UpstreamRateLimited("l"), 0.1)
    assert lap.order(4.2, 600.0) == [1, 3, 0, 2]


@pytest.mark.parametrize(
    "error",
    [
        UpstreamDenied("d"),
        UpstreamMissing("m"),
        UpstreamRejected("r"),
        UpstreamRateLimited("l", retry_after_s=2.0),
    ],
)
def test_who_refuses_or_says_when_to_come_back_is_in_no_second_lap(error: UpstreamError) -> None:
    lap = SecondLap()
    lap.note(0, UpstreamFailed("f"), 0.1)
    lap.note(0, error, 0.1)
    assert lap.order(0.0, 600.0) == []
    assert not lap.fits(0, 0.0, 600.0)


def test_who_was_silent_is_asked_again_only_where_another_silence_has_room() -> None:
    lap = SecondLap()
    lap.note(0, UpstreamTimeout("t"), 10.0)
    lap.note(1, UpstreamFailed("f"), 10.0)
    assert lap.order(SECOND_LAP_S - 10.0, 10.0) == [1, 0]
    assert lap.order(SECOND_LAP_S - 9.9, 600.0) == [1]
    assert lap.order(0.0, 9.9) == [1]
    assert lap.fits(0, 0.0, 10.0)
    assert not lap.fits(0, 0.0, 9.9)
    assert lap.fits(1, 600.0, 0.0)


def test_a_provider_that_got_no_time_is_not_blamed() -> None:
    error = UpstreamTimeout("the client was in a hurry")
    assert blame(error) == "upstream_timeout"
    error.hurried = True
    assert blame(error) == "hurried"
