"""Deadlines: what an operator says holds, what is left open follows from what is measured."""

from __future__ import annotations

from dataclasses import replace

import pytest

from federation.domain.routes import LONGEST_S, Deadlines
from federation.resilience.deadlines import (
    FIRST_TOKEN_S,
    IDLE_S,
    PATIENT_S,
    SURE_S,
    WHOLE_S,
    Prospect,
    deadlines,
    due_s,
)
from federation.resilience.retries import RetryBudget

STREAM = Prospect(
    stream=True, others=True, thinks=False, p99_first_s=0.0, expected_s=1.0, left_s=LONGEST_S
)
WHOLE = replace(STREAM, stream=False)


def test_a_stream_with_others_to_turn_to_is_not_waited_for() -> None:
    found = deadlines(Deadlines(), STREAM)
    assert (found.connect_s, found.first_byte_s, found.idle_s) == (5.0, FIRST_TOKEN_S, IDLE_S)
    assert found.total_s == LONGEST_S


def test_a_slow_deployment_gets_three_times_its_slowest() -> None:
    assert deadlines(Deadlines(), replace(STREAM, p99_first_s=8.0)).first_byte_s == 24.0


@pytest.mark.parametrize("change", [{"others": False}, {"thinks": True}])
def test_the_only_one_and_one_that_thinks_are_waited_for(change: dict[str, bool]) -> None:
    found = deadlines(Deadlines(), replace(STREAM, **change))
    assert (found.first_byte_s, found.idle_s) == (PATIENT_S, PATIENT_S)


def test_a_whole_answer_gets_three_times_what_is_predicted() -> None:
    assert deadlines(Deadlines(), WHOLE).total_s == WHOLE_S
    long = deadlines(Deadlines(), replace(WHOLE, expected_s=50.0))
    assert (long.first_byte_s, long.idle_s, long.total_s) == (150.0, 150.0, 150.0)
    assert deadlines(Deadlines(), replace(WHOLE, others=False)).total_s == LONGEST_S


def test_what_is_said_holds_and_a_client_only_shortens() -> None:
    said = Deadlines(connect_s=1.0, first_token_s=2.0, idle_s=3.0, total_s=4.0)
    found = deadlines(said, STREAM)
    assert (found.connect_s, found.first_byte_s, found.idle_s, found.total_s) == (1, 2, 3, 4)
    short = deadlines(said, replace(STREAM, left_s=1.5))
    assert (short.first_byte_s, short.idle_s, short.total_s) == (1.5, 1.5, 1.5)
    assert deadlines(said, replace(STREAM, left_s=900.0)).total_s == 4.0


def test_what_a_route_leaves_open_is_as_in_general() -> None:
    route, general = Deadlines(idle_s=1.0), Deadlines(idle_s=9.0, total_s=8.0)
    assert route.over(general) == Deadlines(idle_s=1.0, total_s=8.0)


def test_retries_stay_under_a_fifth_of_the_calls_and_ten_are_always_free() -> None:
    budget = RetryBudget()
    assert sum(budget.spend(100, 0.1) for _ in range(30)) == 10
    assert sum(budget.spend(200, 5.0) for _ in range(30)) == 10, "twenty of a hundred"
    assert sum(budget.spend(200, 10.2) for _ in range(30)) == 10, "a new window"


def test_whose_silence_it_is_depends_on_what_a_deployment_is_usually_given() -> None:
    assert due_s(STREAM, 0.0) == FIRST_TOKEN_S
    assert due_s(replace(STREAM, thinks=True), 0.0) == PATIENT_S
    assert due_s(WHOLE, 0.0) == WHOLE_S
    for prospect in (STREAM, replace(STREAM, thinks=True), WHOLE):
        assert due_s(prospect, 8.0) == 24.0
        assert due_s(prospect, 0.3) == SURE_S
