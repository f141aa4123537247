"""When a host of our own has too much to do."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.domain.routes import Overflow
from federation.resilience.overflow import Load, crowded, predicted_wait_s

IDLE = Load(running=0, waiting=0, tokens=0, limit=2, call_s=4.0)
RULES = Overflow(max_queue=2, max_wait_s=5.0, max_tokens=1000)


@pytest.mark.parametrize(
    ("running", "waiting", "wait_s"),
    [(0, 0, 0.0), (1, 0, 0.0), (2, 0, 2.0), (2, 1, 4.0), (2, 3, 8.0)],
)
def test_the_wait_is_the_turns_ahead_times_the_time_between_two_ends(
    running: int, waiting: int, wait_s: float
) -> None:
    load = replace(IDLE, running=running, waiting=waiting)
    assert predicted_wait_s(load) == wait_s


@pytest.mark.parametrize(
    ("load", "spills"),
    [
        (IDLE, False),
        (replace(IDLE, running=2), False),
        (replace(IDLE, running=2, waiting=1), False),
        (replace(IDLE, running=2, waiting=2, call_s=0.1), True),
        (replace(IDLE, running=2, waiting=1, call_s=10.0), True),
        (replace(IDLE, running=1, tokens=999), False),
        (replace(IDLE, running=1, tokens=1000), True),
        (replace(IDLE, running=500, limit=None), False),
        (replace(IDLE, running=500, limit=None, tokens=1000), True),
    ],
)
def test_queue_wait_and_tokens_each_make_a_call_spill(load: Load, spills: bool) -> None:
    assert crowded(load, RULES) is spills


def test_without_a_queue_a_full_host_spills_at_once() -> None:
    rules = Overflow(max_queue=0)
    assert not crowded(replace(IDLE, running=1), rules)
    assert crowded(replace(IDLE, running=2), rules)


@given(
    running=st.integers(0, 50),
    waiting=st.integers(0, 50),
    more=st.integers(0, 20),
    limit=st.integers(1, 20),
)
def test_more_to_do_never_makes_a_host_less_crowded(
    running: int, waiting: int, more: int, limit: int
) -> None:
    load = Load(running, waiting, 0, limit, 1.0)
    if crowded(load, RULES):
        assert crowded(replace(load, running=running + more), RULES)
        assert crowded(replace(load, waiting=waiting + more), RULES)
