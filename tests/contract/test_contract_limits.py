"""What every store of limits and meters promises, asked of each of them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from limits_stores import KINDS, LimitWorld, limit_world

from federation.control.limits_ports import LimitStore, MeterStore
from federation.domain.limits import Counted, Limit, LimitScope, Meter, Method
from federation.pricing.meters import (
    Answer,
    Ask,
    Board,
    Given,
    Hold,
    Note,
    Short,
    State,
    Turn,
    Want,
    left,
)

NOW = 1_764_000_000_000
BUCKET = Meter("acme/bucket/-", Method.TOKEN_BUCKET, 60, 10, 60_000)
SLIDING = Meter("acme/sliding/-", Method.SLIDING_WINDOW, 5, 5, 10_000)
FIXED = Meter("acme/fixed/-", Method.FIXED_WINDOW, 5, 5, 60_000)
MONTHLY = Meter("acme/month/-", Method.FIXED_WINDOW, 5, 5, 0)
SLOTS = Meter("acme/slots/-", Method.SLOTS, 3, 3, 0, Counted.CONCURRENCY)
SHARED = Meter("*/all/-", Method.TOKEN_BUCKET, 60, 3, 60_000)
LIMIT = Limit("l1", "acme", LimitScope.TEAM, "red", Counted.TOKENS, 500, 60, created_ms=5)


@pytest.fixture(params=KINDS)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LimitWorld]:
    with limit_world(request.param, tmp_path) as made:
        yield made


@pytest.fixture
def meters(world: LimitWorld) -> MeterStore:
    return world.replica()


@pytest.fixture
def limits(world: LimitWorld) -> LimitStore:
    return world.limits


def ask(
    store: MeterStore, *wants: tuple[Meter, int], now_ms: int = NOW, holder: str = "r1"
) -> Answer:
    made = tuple(Want(meter, amount, amount) for meter, amount in wants)
    (answer,) = store.turn(Turn(now_ms, asks=(Ask(holder, made),)))
    return answer


def admitted(store: MeterStore, meter: Meter, now_ms: int = NOW, most: int = 50) -> int:
    """How many single asks are met, one after another."""
    for count in range(most):
        if not isinstance(ask(store, (meter, 1), now_ms=now_ms), Given):
            return count
    return most


def test_a_bucket_gives_its_burst_and_then_its_rate(meters: MeterStore) -> None:
    assert admitted(meters, BUCKET) == 10
    short = ask(meters, (BUCKET, 1))
    assert short == Short(BUCKET.id, 0, 1000, 10_000)
    assert admitted(meters, BUCKET, NOW + 999) == 0
    assert admitted(meters, BUCKET, NOW + 1000) == 1
    assert admitted(meters, BUCKET, NOW + 6000) == 5


def test_a_sliding_window_never_holds_more_than_its_amount(meters: MeterStore) -> None:
    assert admitted(meters, SLIDING) == 5
    assert admitted(meters, SLIDING, NOW + 9_900) == 0
    short = ask(meters, (SLIDING, 1))
    assert isinstance(short, Short)
    assert 10_000 <= short.wait_ms <= 10_080
    assert admitted(meters, SLIDING, NOW + short.wait_ms) == 5


@pytest.mark.parametrize("meter", [FIXED, MONTHLY], ids=["minute", "month"])
def test_a_fixed_window_begins_anew_at_its_end(meters: MeterStore, meter: Meter) -> None:
    assert admitted(meters, meter) == 5
    short = ask(meters, (meter, 1))
    assert isinstance(short, Short)
    assert short.wait_ms == short.reset_ms
    assert admitted(meters, meter, NOW + short.wait_ms - 1) == 0
    assert admitted(meters, meter, NOW + short.wait_ms) == 5


def test_slots_are_free_again_when_their_holder_says_so(meters: MeterStore) -> None:
    assert admitted(meters, SLOTS) == 3
    assert isinstance(ask(meters, (SLOTS, 1), holder="r2"), Short)
    meters.turn(Turn(NOW, holds=(Hold(SLOTS, "r1", 2),)))
    assert isinstance(ask(meters, (SLOTS, 1), holder="r2"), Given)
    meters.turn(Turn(NOW, holds=(Hold(SLOTS, "r1", 0), Hold(SLOTS, "r2", 0))))
    assert meters.state(SLOTS).held == {}


def test_the_slots_of_a_holder_that_died_are_free(world: LimitWorld) -> None:
    one, other = world.replica(), world.replica()
    assert isinstance(ask(one, (SLOTS, 2), holder="r1"), Given)
    assert isinstance(ask(other, (SLOTS, 1), holder="r2"), Given)
    before = other.holders()
    one.beat("r1")
    after = other.holders()
    assert set(after) == {"r1", "r2"}
    assert after["r1"][1] > before["r1"][1]
    assert after["r2"] == before["r2"]
    other.drop("r1")
    other.drop("r1")
    assert other.state(SLOTS).held == {"r2": 1}
    assert set(other.holders()) == {"r2"}
    assert isinstance(ask(one, (SLOTS, 1), holder="r1"), Given)
    assert set(one.holders()) == {"r1", "r2"}


@pytest.mark.parametrize("meter", [BUCKET, SLIDING, FIXED, MONTHLY], ids=lambda each: each.id)
def test_what_is_given_back_can_be_had_again(meters: MeterStore, meter: Meter) -> None:
    assert admitted(meters, meter) == meter.most
    meters.turn(Turn(NOW, notes=(Note(meter, -2),)))
    assert admitted(meters, meter) == 2
    meters.turn(Turn(NOW, notes=(Note(meter, 3),)))
    assert left(meter, meters.state(meter)) == -3
    assert isinstance(ask(meters, (meter, 1)), Short)
    meters.turn(Turn(NOW, notes=(Note(meter, -99),)))
    assert admitted(meters, meter) == meter.most, "never more than there is"


def test_an_ask_is_met_whole_or_not_at_all(meters: MeterStore) -> None:
    assert isinstance(ask(meters, (BUCKET, 2), (FIXED, 2), (MONTHLY, 2), (SHARED, 2)), Given)
    short = ask(meters, (BUCKET, 2), (FIXED, 2), (MONTHLY, 2), (SHARED, 2), (SLOTS, 1))
    assert isinstance(short, Short)
    assert short.meter == SHARED.id
    assert left(BUCKET, meters.state(BUCKET)) == 8
    assert left(FIXED, meters.state(FIXED)) == 3
    assert left(MONTHLY, meters.state(MONTHLY)) == 3
    assert left(SHARED, meters.state(SHARED)) == 1
    assert left(SLOTS, meters.state(SLOTS)) == 3


def test_the_meter_that_is_dry_for_longest_is_named(meters: MeterStore) -> None:
    assert isinstance(ask(meters, (BUCKET, 10), (FIXED, 5)), Given)
    short = ask(meters, (BUCKET, 1), (FIXED, 1))
    assert isinstance(short, Short)
    assert short.meter == FIXED.id


def test_asks_of_one_turn_are_met_in_their_order(meters: MeterStore) -> None:
    asks = tuple(Ask("r1", (Want(FIXED, amount, amount),)) for amount in (3, 3, 2, 1))
    answers = meters.turn(Turn(NOW, asks=asks))
    assert [isinstance(answer, Given) for answer in answers] == [True, False, True, False]


def test_what_is_ahead_of_need_is_a_share_of_what_is_left(meters: MeterStore) -> None:
    wide = replace(BUCKET, amount=60_000, burst=60_000)
    want = (Want(wide, 1, 10_000),)
    (first,) = meters.turn(Turn(NOW, asks=(Ask("r1", want),), sharers=4))
    assert isinstance(first, Given)
    assert first.parts[0].amount == 30, "a quarter of what a fifth of a second needs"
    assert first.parts[0].left == 60_000 - 30


def test_an_empty_turn_does_nothing(meters: MeterStore) -> None:
    assert meters.turn(Turn(NOW)) == ()
    assert meters.state(BUCKET) == State()
    assert meters.holders() == {}


def test_meters_that_are_as_new_ones_are_forgotten(world: LimitWorld) -> None:
    meters = world.replica()
    assert isinstance(ask(meters, (MONTHLY, 1), (BUCKET, 1)), Given)
    assert meters.sweep(NOW + 1000) == 0
    assert meters.sweep(NOW + 32 * 86_400_000) == (1 if world.kind == "redis" else 2)
    assert meters.state(MONTHLY) == State()


def test_replicas_count_together(world: LimitWorld) -> None:
    one, other = world.replica(), world.replica()
    assert admitted(one, FIXED, most=3) == 3
    assert admitted(other, FIXED) == 2
    assert admitted(one, FIXED) == 0


def test_every_store_decides_as_the_board_does(world: LimitWorld) -> None:
    rng = random.Random(20261121)
    stores = (world.replica(), world.replica())
    board = Board({})
    every = (BUCKET, SLIDING, FIXED, MONTHLY, SLOTS, SHARED)
    now_ms = NOW
    for _ in range(150):
        now_ms += rng.choice((-40, 0, 1, 7, 900, 2500, 61_000))
        single = rng.choice(every)
        wants = tuple(
            Want(meter, least := rng.randint(0, 3), least + rng.randint(0, 40))
            for meter in (single,)
        )
        turn = Turn(
            now_ms,
            notes=tuple(
                Note(meter, rng.randint(-2, 2))
                for meter in rng.sample(every, 1)
                if meter.method is not Method.SLOTS
            ),
            holds=(Hold(SLOTS, "r1", rng.randint(0, 2)),) if rng.random() < 0.2 else (),
            asks=(Ask("r1", wants), Ask("r2", wants)),
            sharers=rng.randint(1, 4),
        )
        assert rng.choice(stores).turn(turn) == board.play(turn)


def test_limits_are_kept_listed_and_ended_by_tenant(limits: LimitStore) -> None:
    later = replace(LIMIT, id="l2", tenant="other", created_ms=9)
    for limit in (later, LIMIT):
        limits.save(limit)
    assert limits.list(None) == [LIMIT, later]
    assert limits.list("other") == [later]
    assert limits.find("acme", "l1") == LIMIT
    assert limits.find("other", "l1") is None
    limits.save(replace(LIMIT, amount=7, method=Method.SLIDING_WINDOW))
    assert limits.find("acme", "l1") == replace(LIMIT, amount=7, method=Method.SLIDING_WINDOW)
    assert not limits.remove("other", "l1")
    assert limits.remove("acme", "l1")
    assert not limits.remove("acme", "l1")
    assert limits.list(None) == [later]


def test_tenants_may_give_the_same_id_to_limits_of_theirs(limits: LimitStore) -> None:
    other = replace(LIMIT, tenant="other", amount=8)
    limits.save(LIMIT)
    limits.save(other)
    assert limits.list(None) == [LIMIT, other]
    limits.save(replace(other, amount=9))
    assert limits.find("acme", "l1") == LIMIT
    assert limits.remove("other", "l1")
    assert limits.list(None) == [LIMIT]
