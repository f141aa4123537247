"""Meters under a clock of their own: what each algorithm admits, and what it says of the future."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.domain.limits import Counted, Meter, Method, window_at
from federation.pricing.meters import (
    SKEW_MS,
    Ask,
    Board,
    Given,
    Hold,
    Note,
    Short,
    State,
    Turn,
    Want,
    advance,
    cells_of,
    ends_ms,
    left,
    pause_ms,
    reset_ms,
    size,
    take,
    wait_ms,
)

NOW = 1_764_000_000_000
BUCKET = Meter("acme/bucket/-", Method.TOKEN_BUCKET, 100, 10, 1000)
SLIDING = Meter("acme/sliding/-", Method.SLIDING_WINDOW, 100, 100, 1000)
FIXED = Meter("acme/fixed/-", Method.FIXED_WINDOW, 100, 100, 1000)
SLOTS = Meter("acme/slots/-", Method.SLOTS, 4, 4, 0, Counted.CONCURRENCY)
TIMED = (BUCKET, SLIDING, FIXED)

windowed = st.builds(
    Meter,
    st.just("acme/l/-"),
    st.sampled_from((Method.TOKEN_BUCKET, Method.SLIDING_WINDOW, Method.FIXED_WINDOW)),
    st.integers(1, 500),
    st.integers(1, 500),
    st.integers(1, 90_000),
)
steps = st.lists(st.tuples(st.integers(0, 4000), st.integers(1, 40)), min_size=1, max_size=60)


class Single:
    """One meter, asked call by call."""

    def __init__(self, meter: Meter) -> None:
        self.meter, self.board = meter, Board({})

    def ask(self, now_ms: int, amount: int = 1) -> bool:
        asks = (Ask("", (Want(self.meter, amount, amount),)),)
        (answer,) = self.board.play(Turn(now_ms, asks=asks))
        return isinstance(answer, Given)

    @property
    def state(self) -> State:
        return self.board.states[self.meter.id]


@settings(deadline=None)
@given(meter=windowed, steps=steps)
def test_no_stretch_of_time_admits_more_than_it_may(
    meter: Meter, steps: list[tuple[int, int]]
) -> None:
    single, now = Single(meter), NOW
    admitted: list[tuple[int, int]] = []
    for later, amount in steps:
        now += later
        if single.ask(now, amount):
            admitted.append((now, amount))
    for first, (since, _) in enumerate(admitted):
        total = 0
        for at, amount in admitted[first:]:
            total += amount
            passed = at - since
            if meter.method is Method.TOKEN_BUCKET:
                assert total * meter.window_ms <= (
                    meter.burst * meter.window_ms + passed * meter.amount
                )
            elif meter.method is Method.SLIDING_WINDOW:
                assert passed >= meter.window_ms or total <= meter.amount
            elif at // meter.window_ms == since // meter.window_ms:
                assert total <= meter.amount


@settings(deadline=None)
@given(meter=windowed, steps=steps, amount=st.integers(1, 40))
def test_who_comes_when_it_is_told_to_is_served_and_not_before(
    meter: Meter, steps: list[tuple[int, int]], amount: int
) -> None:
    single, now = Single(meter), NOW
    for later, each in steps:
        now += later
        single.ask(now, each)
    amount = min(amount, meter.most)
    wait = wait_ms(meter, single.state, amount, now)
    if wait == 0:
        assert single.ask(now, amount)
        return
    assert not Single.ask(_copy(single), now + wait - 1, amount)
    assert single.ask(now + wait, amount)


@settings(deadline=None)
@given(meter=windowed, steps=steps)
def test_after_its_reset_a_meter_is_as_a_new_one(
    meter: Meter, steps: list[tuple[int, int]]
) -> None:
    single, now = Single(meter), NOW
    for later, each in steps:
        now += later
        single.ask(now, each)
    state = single.state
    now += reset_ms(meter, state, now)
    advance(meter, state, now)
    assert left(meter, state) == meter.most
    end = ends_ms(meter, state, now)
    assert end is not None
    assert end >= now + SKEW_MS


def _copy(single: Single) -> Single:
    made = Single(single.meter)
    state = single.state
    made.board.states[single.meter.id] = replace(
        state, cells=dict(state.cells), held=dict(state.held)
    )
    return made


@pytest.mark.parametrize("meter", TIMED, ids=lambda each: each.method.value)
def test_a_steady_flood_is_admitted_at_the_rate(meter: Meter) -> None:
    single = Single(meter)
    admitted = sum(single.ask(NOW + 3 * n) for n in range(10_000))
    expected = 3000 + (meter.burst if meter is BUCKET else 0)
    assert abs(admitted - expected) <= expected / 100


def test_a_window_of_a_month_is_the_calendars() -> None:
    month = replace(FIXED, window_ms=0)
    start, end = window_at(0, NOW)
    assert (end - start) in {days * 86_400_000 for days in (28, 29, 30, 31)}
    single = Single(month)
    assert single.ask(NOW, 100)
    assert wait_ms(month, single.state, 1, NOW) == end - NOW
    assert not single.ask(end - 1)
    assert single.ask(end)


@pytest.mark.parametrize("meter", TIMED, ids=lambda each: each.method.value)
def test_a_clock_that_steps_back_a_little_gives_nothing_twice(meter: Meter) -> None:
    single = Single(meter)
    assert single.ask(NOW, meter.most)
    for back in (1, 900, SKEW_MS - 1):
        assert not single.ask(NOW - back)


@pytest.mark.parametrize("meter", TIMED, ids=lambda each: each.method.value)
def test_a_clock_that_was_an_hour_ahead_does_not_stop_a_meter(meter: Meter) -> None:
    single = Single(meter)
    assert single.ask(NOW + 3_600_000, meter.most)
    waited = next(n for n in range(5) if single.ask(NOW + n * meter.window_ms))
    assert waited <= 2


@pytest.mark.parametrize("meter", TIMED, ids=lambda each: each.method.value)
def test_what_is_used_beyond_is_paid_off_first(meter: Meter) -> None:
    board = Board({})
    board.play(Turn(NOW, notes=(Note(meter, meter.most + 30),)))
    state = board.states[meter.id]
    assert left(meter, state) == -30
    wait = wait_ms(meter, state, 1, NOW)
    assert wait >= 300 or meter is not BUCKET


def test_giving_back_never_makes_more_than_there_is() -> None:
    for meter in TIMED:
        state = State()
        take(meter, state, 3, NOW)
        take(meter, state, -50, NOW)
        assert left(meter, state) == meter.most


def test_of_several_the_meter_is_named_that_is_dry_for_longest() -> None:
    board = Board({})
    wants = (Want(BUCKET, 10, 10), Want(FIXED, 100, 100), Want(SLOTS, 4, 4))
    (first,) = board.play(Turn(NOW, asks=(Ask("r", wants),)))
    assert isinstance(first, Given)
    again = (Want(BUCKET, 1, 1), Want(FIXED, 1, 1))
    (short,) = board.play(Turn(NOW + 1, asks=(Ask("r", again),)))
    assert isinstance(short, Short)
    assert short.meter == FIXED.id
    assert short.wait_ms == short.reset_ms


def test_an_amount_of_nothing_admits_nothing() -> None:
    for meter in (FIXED, SLIDING):
        none = Single(replace(meter, amount=0, burst=0))
        assert not none.ask(NOW)
        assert wait_ms(none.meter, none.state, 1, NOW) > 0


def test_slots_are_held_until_they_are_not() -> None:
    board = Board({})
    for holder in ("a", "b"):
        (answer,) = board.play(Turn(NOW, asks=(Ask(holder, (Want(SLOTS, 2, 2),)),)))
        assert isinstance(answer, Given)
    state = board.states[SLOTS.id]
    assert left(SLOTS, state) == 0
    assert ends_ms(SLOTS, state, NOW) is None
    board.play(Turn(NOW, holds=(Hold(SLOTS, "a", 0), Hold(SLOTS, "b", 1))))
    assert state.held == {"b": 1}
    board.play(Turn(NOW, notes=(Note(SLOTS, -1, "b"),), holds=(Hold(SLOTS, "b", 0),)))
    assert ends_ms(SLOTS, state, NOW) == NOW


def test_what_is_given_ahead_is_small_against_what_is_left() -> None:
    wide = replace(BUCKET, amount=1000, burst=1000)
    assert size(wide, Want(wide, 1, 500), 1000, 4) == 25
    assert size(wide, Want(wide, 1, 500), 16, 4) == 2
    assert size(wide, Want(wide, 3, 500), 1, 4) == 3
    assert size(wide, Want(wide, 0, 500), 0, 4) == 0
    assert size(SLOTS, Want(SLOTS, 1, 9), 4, 1) == 1
    most = replace(SLOTS, amount=400)
    assert size(most, Want(most, 1, 500), 400, 4) == 25


def test_who_came_in_vain_comes_again_before_a_bucket_runs_over() -> None:
    assert pause_ms(BUCKET, 3) == 20
    assert pause_ms(replace(BUCKET, burst=1), 3) == 3
    assert pause_ms(FIXED, 900_000) == 1000
    assert pause_ms(SLOTS, 1000) == 20


def test_cells_cover_the_whole_window() -> None:
    for window_ms in (1, 249, 1000, 60_000, 86_400_000):
        cell, cells = cells_of(replace(SLIDING, window_ms=window_ms))
        assert cell * cells >= window_ms
