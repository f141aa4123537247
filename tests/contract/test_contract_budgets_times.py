"""Budgets over every store where time is against them: ends of periods, clock steps, restarts."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from money_rig import money_rig
from money_stores import KINDS, MoneyWorld, money_world
from postgres_server import PostgresServer, postgres
from redis_server import redis_server

from federation.control import money_leases
from federation.domain.budgets import Budget, Period, Scope, Spender
from federation.domain.money import usd_to_nano
from federation.errors import Unavailable

FIVE = usd_to_nano(5)
TEN_CENTS = usd_to_nano("0.10")
KEY = Budget("bkey", "acme", Scope.KEY, "k1", FIVE)
YORK = ZoneInfo("America/New_York")
PERIODS = [
    replace(KEY, id="bmonth", period=Period.MONTHLY, zone=YORK.key),
    replace(KEY, id="bday", period=Period.DAILY, zone=YORK.key, limit_nano=FIVE // 2),
    replace(KEY, id="bweek", period=Period.WEEKLY, zone="Asia/Kolkata", limit_nano=2 * FIVE),
    replace(KEY, id="byear", period=Period.YEARLY, limit_nano=3 * FIVE),
]
ENDS = {
    "a month's end": datetime(2026, 2, 1, tzinfo=YORK),
    "a night of 23 hours": datetime(2026, 3, 9, tzinfo=YORK),
    "a night of 25 hours": datetime(2026, 11, 2, tzinfo=YORK),
    "a year's end": datetime(2027, 1, 1, tzinfo=YORK),
}
HOUR_MS = 3_600_000


@pytest.fixture(params=KINDS)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MoneyWorld]:
    with money_world(request.param, tmp_path) as made:
        yield made


@pytest.mark.parametrize("moment", ENDS.values(), ids=ENDS.keys())
async def test_over_the_end_of_a_period_with_clocks_that_step_each_period_holds(
    world: MoneyWorld, moment: datetime
) -> None:
    """Four workers whose clocks are apart and jump, forth and back, around the end of periods."""
    chance = random.Random(str(moment))
    end_ms = int(moment.timestamp() * 1000)
    async with money_rig(world, PERIODS, replicas=2) as rig:

        async def call(n: int) -> None:
            pots = rig.pots(Spender("acme", "k1"), end_ms + chance.randint(-HOUR_MS, HOUR_MS))
            assert len(pots) == len(PERIODS)
            worst = chance.randint(1, TEN_CENTS)
            cost = chance.randint(worst // 2, worst)
            takes = chance.random() * 0.01
            while True:
                try:
                    await rig.call(rig.workers[n % 4], pots, worst, cost, takes_s=takes, wait_s=0.2)
                except Unavailable:
                    # A busy machine: the desk was not asked in time, and nothing was held.
                    await asyncio.sleep(0.05)
                else:
                    return

        await asyncio.gather(*(call(n) for n in range(250)))
        left = await rig.settled()
        assert [pot for pot in left if pot.reserved_nano] == []
        assert rig.world.overspent() == []
        spent: Counter[str] = Counter()
        for pot in left:
            spent[pot.pot.split("/")[1]] += pot.spent_nano
        assert set(spent.values()) == {rig.charged}, "each budget's periods make up the whole"
        days = [pot for pot in left if "/bday/" in pot.pot]
        assert len(days) == 2, "both sides of the end"
        assert all(pot.spent_nano > FIVE // 4 for pot in days)
        assert rig.refused > 0


@pytest.mark.parametrize("world", ["postgres", "redis"], indirect=True)
async def test_a_store_that_is_killed_and_comes_back_under_load_overspends_and_leaks_nothing(
    world: MoneyWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(money_leases, "PAUSE_S", 0.02)
    chance = random.Random(world.kind)
    server = postgres() if world.kind == "postgres" else redis_server()
    stop = server.kill if isinstance(server, PostgresServer) else server.stop
    async with money_rig(world, [KEY], replicas=2) as rig:
        pots = rig.pots(Spender("acme", "k1"))
        over = asyncio.Event()

        async def client(n: int) -> None:
            while not over.is_set():
                worst = chance.randint(1, TEN_CENTS // 2)
                takes = chance.random() * 0.02
                try:
                    await rig.call(
                        rig.workers[n % 4], pots, worst, worst // 50, takes_s=takes, wait_s=0.3
                    )
                except Unavailable:
                    await asyncio.sleep(0.02)

        async def outages() -> None:
            for _ in range(3):
                await asyncio.sleep(0.2 + chance.random() * 0.3)
                stop()
                await asyncio.sleep(chance.random() * 0.3)
                server.start()  # in this thread: a server ends with the one that started it
            before = rig.charged
            while rig.charged == before:
                await asyncio.sleep(0.02)
            over.set()

        clients = [asyncio.ensure_future(client(n)) for n in range(16)]
        await asyncio.wait_for(outages(), 120)
        await asyncio.gather(*clients)
        (left,) = await rig.settled()
        assert (left.reserved_nano, left.spent_nano) == (0, rig.charged)
        worker = rig.spawn()
        while await rig.call(worker, pots, TEN_CENTS // 2, TEN_CENTS // 2):
            pass
        (left,) = await rig.settled()
        assert left.reserved_nano == 0
        assert left.spent_nano == rig.charged
        assert FIVE - TEN_CENTS < left.spent_nano <= FIVE, "all that was left could be spent"
        assert rig.world.overspent() == []
