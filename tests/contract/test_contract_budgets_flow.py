"""Whole flows over every store: purses of four workers, desks of two replicas, and faults."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from money_rig import Rig, money_rig
from money_stores import KINDS, MoneyWorld, money_world
from postgres_server import postgres
from redis_server import redis_server
from sqlalchemy import Engine

from federation.control import money_leases
from federation.control.budgets_ports import PotStore
from federation.domain.budgets import Budget, Lease, Period, Pot, Scope, Spender, Standing
from federation.domain.money import usd_to_nano
from federation.errors import Unavailable
from federation.gateway import purse
from federation.pricing.pots import Ask, Granted, Note, Played, Short, Turn, Want
from federation.storage.budgets_sql import SqlPots
from federation.storage.redis_pots import RedisPots

FIVE = usd_to_nano(5)
TEN_CENTS = usd_to_nano("0.10")
KEY = Budget("bkey", "acme", Scope.KEY, "k1", FIVE)
FOUR = [
    KEY,
    Budget("buser", "acme", Scope.USER, "*", FIVE + 1),
    Budget("bteam", "acme", Scope.TEAM, "red", 2 * FIVE),
    Budget("btenant", "acme", Scope.TENANT, "acme", 3 * FIVE),
    Budget("bsession", "acme", Scope.SESSION, "*", FIVE // 2),
    Budget("bsoft", "acme", Scope.TAG, "job=night", 1, hard=False),
]


@pytest.fixture(params=KINDS)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MoneyWorld]:
    with money_world(request.param, tmp_path) as made:
        yield made


def clean(pots: list[Standing], rig: Rig) -> None:
    """Nothing leaked and nothing was overspent, ever."""
    assert [pot for pot in pots if pot.reserved_nano] == []
    assert rig.world.overspent() == []


async def spend_the_rest(rig: Rig) -> None:
    """Whatever went wrong before, all that is left can be spent, and nothing beyond it."""
    for replica in rig.replicas:
        replica.desk._store = replica.store
    worker, pots = rig.spawn(), rig.pots(Spender("acme", "k1"))
    while await rig.call(worker, pots, TEN_CENTS // 2, TEN_CENTS // 2):
        pass
    left = await rig.settled()
    clean(left, rig)
    assert left[0].spent_nano == rig.charged == FIVE


async def test_what_is_spent_of_a_soft_budget_while_control_is_away_counts_once(
    world: MoneyWorld,
) -> None:
    night = Budget("bsoft", "acme", Scope.TAG, "job=night", FIVE, hard=False)
    async with money_rig(world, [night], workers=1) as rig:
        worker, replica = rig.workers[0], rig.replicas[0]
        pots = rig.pots(Spender("acme", "k1", tags=("job=night",)))
        worker.cut()
        assert await rig.call(worker, pots, TEN_CENTS, TEN_CENTS // 3)
        replica.desk.journaled(worker.name, dict(worker.journal))
        assert await rig.call(worker, pots, TEN_CENTS, TEN_CENTS // 4)
        worker.connect(replica)
        assert await rig.call(worker, pots, TEN_CENTS, TEN_CENTS // 5)
        left = await rig.settled()
        assert [(pot.spent_nano, pot.reserved_nano) for pot in left] == [(rig.charged, 0)]


async def test_a_thousand_calls_at_once_spend_five_dollars_and_not_a_nano_more(
    world: MoneyWorld,
) -> None:
    chance = random.Random(5)
    async with money_rig(world, [KEY], replicas=2) as rig:
        pots = rig.pots(Spender("acme", "k1"))
        made = await asyncio.gather(
            *(
                rig.call(
                    rig.workers[n % 4],
                    pots,
                    worst := chance.randint(1, TEN_CENTS),
                    chance.randint(worst // 3, worst),
                    takes_s=chance.random() * 0.02,
                    wait_s=10.0,
                )
                for n in range(1000)
            )
        )
        left = await rig.settled()
        clean(left, rig)
        assert sum(pot.spent_nano for pot in left) == rig.charged
        assert rig.charged > FIVE * 95 // 100
        assert 0 < sum(made) < 1000
        assert not any(pot.overrun_nano for pot in left)


async def test_calls_on_six_budgets_together_are_exact_on_each(
    world: MoneyWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(purse, "ANSWER_S", 30.0)  # of a machine that others share
    chance = random.Random(6)
    async with money_rig(world, FOUR, replicas=2) as rig:
        spenders = [
            Spender("acme", chance.choice(("k1", "k2")), team, user, session, ("job=night",))
            for team in ("red", "blue")
            for user in ("ann", "bob")
            for session in ("s1", "s2", "")
        ]
        await asyncio.gather(
            *(
                rig.call(
                    rig.workers[n % 4],
                    rig.pots(chance.choice(spenders)),
                    worst := chance.randint(1, TEN_CENTS),
                    chance.randint(0, worst),
                    takes_s=chance.random() * 0.02,
                    wait_s=0.5,
                )
                for n in range(600)
            )
        )
        left = await rig.settled()
        clean(left, rig)
        spent = {pot.pot.split("/")[1]: 0 for pot in left}
        for pot in left:
            spent[pot.pot.split("/")[1]] += pot.spent_nano
        assert spent["btenant"] == spent["buser"] == spent["bsoft"] == rig.charged


@pytest.mark.parametrize("at_once", [1, 200])
async def test_nearly_all_of_a_budget_is_used_before_the_first_refusal(
    world: MoneyWorld, at_once: int
) -> None:
    worst, cost = FIVE // 500, FIVE // 5000  # 0.2 % of the budget, and a tenth of that
    async with money_rig(world, [KEY], replicas=2) as rig:
        pots = rig.pots(Spender("acme", "k1"))

        async def client(n: int) -> None:
            while not rig.refused:
                await rig.call(rig.workers[n % 4], pots, worst, cost, wait_s=8.0)

        await asyncio.gather(*(client(n) for n in range(at_once)))
        used = rig.charged
        clean(await rig.settled(), rig)
        assert used >= FIVE * 99 // 100


async def test_overruns_are_charged_told_and_stop_the_next_call(world: MoneyWorld) -> None:
    async with money_rig(world, [KEY]) as rig:
        pots, worker = rig.pots(Spender("acme", "k1")), rig.workers[0]
        assert await rig.call(worker, pots, FIVE // 2, FIVE // 2)
        assert await rig.call(worker, pots, FIVE // 2, 2 * FIVE)
        assert not await rig.call(worker, pots, 1, 1)
        assert not await rig.call(rig.workers[1], pots, 1, 1)
        (pot,) = await rig.settled()
        assert (pot.spent_nano, pot.reserved_nano) == (FIVE // 2 + 2 * FIVE, 0)
        assert pot.overrun_nano == pot.spent_nano - FIVE
        used = rig.replicas[0].desk.use.shares(rig.book, 0)
        assert used == {("acme", "bkey"): pot.spent_nano / FIVE}
        told = [(alarm.percent, alarm.overrun_nano) for alarm in rig.replicas[0].alarms]
        assert (0, pot.overrun_nano) in told
        assert (95, 0) in told


async def test_killed_workers_and_cut_links_leak_and_overspend_nothing(world: MoneyWorld) -> None:
    chance = random.Random(7)
    async with money_rig(world, FOUR, replicas=2) as rig:
        pots = rig.pots(Spender("acme", "k1", "red", "ann", "s1"))
        other = rig.pots(Spender("acme", "k2", "red", "bob", "s2"))

        async def client() -> None:
            for _ in range(40):
                worker = chance.choice(rig.workers)
                call = asyncio.create_task(
                    rig.call(
                        worker,
                        chance.choice((pots, other)),
                        worst := chance.randint(1, TEN_CENTS // 4),
                        chance.randint(0, worst),
                        takes_s=chance.random() * 0.01,
                        wait_s=0.2,
                    )
                )
                if chance.random() < 0.2:
                    await asyncio.sleep(chance.random() * 0.01)
                    call.cancel()
                await asyncio.gather(call, return_exceptions=True)

        async def fate() -> None:
            for n in range(12):
                await asyncio.sleep(0.05)
                worker = chance.choice(rig.workers)
                if n % 3 == 2:
                    rig.spawn()
                    await worker.kill()
                else:
                    worker.cut()
                    await asyncio.sleep(0.02)
                    if worker.alive:
                        worker.connect(worker.replica)

        await asyncio.gather(*(client() for _ in range(24)), fate())
        left = await rig.settled()
        clean(left, rig)
        tenant = next(pot for pot in left if "/btenant/" in pot.pot)
        assert tenant.spent_nano == rig.charged


async def test_a_replaced_control_process_goes_on_where_the_other_ended(world: MoneyWorld) -> None:
    async with money_rig(world, [KEY], workers=2) as rig:
        pots = rig.pots(Spender("acme", "k1"))
        for n in range(60):
            if n == 30:
                await rig.replace(rig.replicas[0])
            await rig.call(rig.workers[n % 2], pots, TEN_CENTS, TEN_CENTS)
        left = await rig.settled()
        clean(left, rig)
        assert left[0].spent_nano == rig.charged == 50 * TEN_CENTS


class Faulty:
    """A store that fails now and then: before it does what it is asked, or after."""

    def __init__(self, store: PotStore, chance: random.Random) -> None:
        self._store = store
        self._chance = chance

    def turn(self, turn: Turn) -> Played:
        luck = self._chance.random()
        if luck < 0.1:
            raise Unavailable("the connection was refused")
        played = self._store.turn(turn)
        if luck < 0.2:
            raise Unavailable("the connection was lost before the answer came")
        return played

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


async def test_a_store_that_fails_leaks_nothing_even_if_it_had_done_it(
    world: MoneyWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(money_leases, "PAUSE_S", 0.002)
    chance = random.Random(8)
    async with money_rig(world, [KEY], replicas=2) as rig:
        for replica in rig.replicas:
            replica.desk._store = Faulty(replica.store, chance)
        pots = rig.pots(Spender("acme", "k1"))
        made = await asyncio.gather(
            *(
                rig.call(rig.workers[n % 4], pots, TEN_CENTS, TEN_CENTS // 2, takes_s=0.002)
                for n in range(300)
            ),
            return_exceptions=True,
        )
        assert all(each in (True, False) or isinstance(each, Unavailable) for each in made)
        left = await rig.settled()
        clean(left, rig)
        assert left[0].spent_nano == rig.charged
        await spend_the_rest(rig)


@pytest.mark.parametrize("world", ["redis"], indirect=True)
async def test_a_redis_that_loses_its_memory_again_and_again_overspends_nothing(
    world: MoneyWorld,
) -> None:
    chance = random.Random(9)
    async with money_rig(world, [KEY], replicas=2) as rig:
        pots = rig.pots(Spender("acme", "k1"))

        async def lose() -> None:
            for _ in range(15):
                await asyncio.sleep(chance.random() * 0.05)
                redis_server().wipe()

        await asyncio.gather(
            lose(),
            *(
                rig.call(
                    rig.workers[n % 4], pots, TEN_CENTS, TEN_CENTS // 2, takes_s=0.02, wait_s=3.0
                )
                for n in range(300)
            ),
        )
        left = await rig.settled()
        clean(left, rig)
        assert left[0].spent_nano == rig.charged
        await spend_the_rest(rig)


@pytest.mark.parametrize("world", ["redis"], indirect=True)
def test_what_a_control_process_died_over_in_redis_comes_back_at_the_next_start(
    world: MoneyWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    pot = Pot("acme/bkey/-/0", 100)
    asked = Turn(asks=(Ask("w1", 1, (Want(pot, 60, 60),)),))
    dying = RedisPots(cast("RedisPots", world.replica())._client, cast("Engine", world.engine))

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(dying, "_keep", dies)
    with pytest.raises(KeyboardInterrupt):
        dying.turn(asked)
    heir = cast("RedisPots", world.replica())
    assert isinstance(heir.turn(asked).answers[0], Short)
    heir.recover()
    assert isinstance(heir.turn(asked).answers[0], Granted)
    assert heir.leases() == [Lease("w1", pot.id, 60)]


@pytest.mark.parametrize("world", ["redis"], indirect=True)
def test_a_gateway_that_goes_on_without_redis_counts_the_leases_that_it_kept(
    world: MoneyWorld,
) -> None:
    hot = world.replica()
    hot.turn(Turn(asks=(Ask("w1", 1, (Want(Pot("acme/bkey/-/0", 100), 60, 60),)),)))
    hot.turn(Turn(asks=(Ask("w2", 1, (Want(Pot("acme/bkey/-/0", 100), 30, 30),)),)))
    hot.turn(Turn(notes=(Note("w1", "acme/bkey/-/0", 70, 0, 15),), closes=("w2",)))
    cold = SqlPots(cast("Engine", world.engine))
    cold.recount()
    assert cold.standings("acme", "bkey") == hot.standings("acme", "bkey")
    assert cold.standings("acme", "bkey") == [Standing("acme/bkey/-/0", 100, True, 70, 5, 15)]


@pytest.mark.parametrize("world", ["postgres"], indirect=True)
def test_a_database_that_is_killed_remembers_what_it_granted(world: MoneyWorld) -> None:
    store = world.replica()
    asked = Turn(asks=(Ask("w1", 1, (Want(Pot("acme/bkey/-/0", 100), 60, 60),)),))
    assert isinstance(store.turn(asked).answers[0], Granted)
    postgres().kill()
    try:
        with pytest.raises(Unavailable):
            store.turn(asked)
    finally:
        postgres().start()
    assert isinstance(store.turn(asked).answers[0], Short)


async def test_a_call_reserved_before_midnight_is_charged_to_the_day_that_it_began_in(
    world: MoneyWorld,
) -> None:
    daily = replace(KEY, period=Period.DAILY, zone="Asia/Tokyo")
    midnight = 15 * 3_600_000  # of Tokyo, on the first day of the epoch
    async with money_rig(world, [daily]) as rig:
        spender, worker = Spender("acme", "k1"), rig.workers[0]
        before, after = rig.pots(spender, midnight - 1), rig.pots(spender, midnight)
        assert before[0].end_ms == midnight
        await worker.purse.reserve("late", before, FIVE)
        assert not await rig.call(worker, before, 1, 1, wait_s=0.0)
        assert await rig.call(worker, after, FIVE, FIVE - 7)
        worker.settle("late", FIVE - 3)
        # The clock is set back: the old day is as full as it was.
        assert not await rig.call(worker, rig.pots(spender, midnight - 60_000), 4, 4)
        assert await rig.call(worker, rig.pots(spender, midnight - 60_000), 3, 3)
        left = {pot.pot: pot.spent_nano for pot in await rig.settled()}
        assert left == {before[0].id: FIVE, after[0].id: FIVE - 7}
        assert rig.world.overspent() == []
