"""Workers' rates against control's desk, in virtual time: how true limits are, and who is asked."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from typing import Any

import pytest
from limits_rig import KEY, Faulty, Replica, Worker, now_s, virtual

from federation.domain.access import Role, VirtualKey
from federation.domain.budgets import EACH
from federation.domain.limits import DAY, HOUR, Counted, Limit, LimitScope, Meter, Method
from federation.errors import Unavailable
from federation.gateway.rates import Lack, Rates, Taken
from federation.pricing.meters import left
from federation.schema.limits import LimitAsk, LimitHeld, LimitUsed
from federation.storage.limits_memory import MemoryMeters

ONE = {Counted.REQUESTS: 1}


def limit(amount: int, **more: Any) -> Limit:
    given: dict[str, Any] = {"id": "l", "tenant": "acme", "scope": LimitScope.TENANT}
    given |= {"subject": "acme", "counts": Counted.REQUESTS, "amount": amount, "window_s": HOUR}
    return Limit(**given | {"method": Method.FIXED_WINDOW} | more)


def slots(amount: int, **more: Any) -> Limit:
    return limit(amount, counts=Counted.CONCURRENCY, method=Method.SLOTS, **more)


def counted(store: Any, amount: int, method: Method = Method.FIXED_WINDOW) -> int:
    meter = Meter("acme/l/-", method, amount, amount, HOUR * 1000)
    return left(meter, store.state(meter))


async def flood(
    workers: list[Worker], offered: float, seconds: float, *, lasts_s: float = 0.0
) -> int:
    """Calls at random moments to random workers; how many are admitted."""
    rng, through = random.Random(7), 0

    async def one(worker: Worker) -> None:
        nonlocal through
        taken = await worker.call()
        if isinstance(taken, Taken):
            through += 1
            await asyncio.sleep(lasts_s)
            taken.close(ONE)

    end, calls = now_s() + seconds, []
    while True:
        await asyncio.sleep(rng.expovariate(offered))
        if now_s() >= end:
            break
        calls.append(asyncio.create_task(one(rng.choice(workers))))
    await asyncio.gather(*calls)
    return through


@pytest.mark.parametrize(
    ("given", "replicas"),
    [
        (limit(100, window_s=1, method=Method.TOKEN_BUCKET, burst=10), 2),
        (limit(6000, window_s=60, method=Method.TOKEN_BUCKET, burst=20), 2),
        (limit(1000, window_s=10, method=Method.SLIDING_WINDOW), 2),
        (limit(100, window_s=1), 1),
    ],
    ids=["bucket of replicas", "bucket of a minute", "sliding", "fixed"],
)
def test_four_workers_admit_the_rate_within_a_hundredth(given: Limit, replicas: int) -> None:
    async def main() -> int:
        store = MemoryMeters()
        made = [
            Replica(store, (given,), 4 // replicas, name=f"r{n}", everybody=lambda: 4)
            for n in range(replicas)
        ]
        return await flood([w for each in made for w in each.workers], 140, 30)

    admitted = virtual(main())
    assert abs(admitted - 3000) <= 30


@pytest.mark.parametrize("replicas", [1, 2])
def test_below_the_rate_everybody_is_admitted_and_few_ask(replicas: int) -> None:
    async def main() -> tuple[int, int]:
        store = MemoryMeters()
        bucket = limit(2000, window_s=1, method=Method.TOKEN_BUCKET)
        made = [
            Replica(store, (bucket,), 2, name=f"r{n}", everybody=lambda: 2 * replicas)
            for n in range(replicas)
        ]
        workers = [w for each in made for w in each.workers]
        admitted = await flood(workers, 400, 10)
        asks = sum(isinstance(sent, LimitAsk) for worker in workers for sent in worker.sent)
        return admitted, asks

    admitted, asks = virtual(main())
    assert 3700 < admitted < 4300
    assert asks < admitted / 4


def test_an_idle_limiter_asks_nothing_and_gives_back_what_it_holds() -> None:
    async def main() -> None:
        store = Faulty(MemoryMeters())
        replica = Replica(store, (limit(60_000),), 2)
        await flood(replica.workers, 50, 2)
        await asyncio.sleep(3)
        assert counted(store, 60_000) > 60_000 - 150
        sent = [len(worker.sent) for worker in replica.workers]
        turns = store.turns
        admitted = 60_000 - counted(store, 60_000)
        await asyncio.sleep(3600)
        assert [len(worker.sent) for worker in replica.workers] == sent
        assert store.turns == turns
        assert 50 < admitted < 150
        assert all(not worker.rates._parts for worker in replica.workers), "forgotten"

    virtual(main())


def test_a_worker_that_ends_gives_back_what_it_holds_at_once() -> None:
    async def main() -> tuple[int, int]:
        store = MemoryMeters()
        replica = Replica(store, (limit(60_000),))
        (worker,) = replica.workers
        for _ in range(100):
            taken = await worker.call()
            assert isinstance(taken, Taken)
            taken.close(ONE)
        await asyncio.sleep(0.05)
        before = counted(store, 60_000)
        worker.rates.leave()
        await asyncio.sleep(0.05)
        return before, counted(store, 60_000)

    before, after = virtual(main())
    assert before < 59_900
    assert after == 59_900


def test_no_limit_means_no_frame() -> None:
    async def main() -> None:
        replica = Replica(MemoryMeters(), (), 1)
        (worker,) = replica.workers
        assert not worker.rates.on
        assert worker.rates.plan(KEY, "chat").parts == ()
        await asyncio.sleep(10)
        assert worker.sent == []

    virtual(main())


def test_who_was_refused_is_refused_without_asking_until_a_pause_is_over() -> None:
    async def main() -> None:
        replica = Replica(MemoryMeters(), (limit(1),), 1)
        (worker,) = replica.workers
        assert isinstance(await worker.call(), Taken)
        first = await worker.call()
        assert isinstance(first, Lack)
        sent = len(worker.sent)
        for _ in range(100):
            lack = await worker.call()
            assert isinstance(lack, Lack)
            assert 0 < lack.wait_s <= HOUR
            assert lack.part.meter.id == "acme/l/-"
        assert len(worker.sent) == sent
        await asyncio.sleep(1.1)
        await worker.call()
        assert len(worker.sent) > sent

    virtual(main())


def test_a_call_takes_of_all_its_meters_or_of_none() -> None:
    async def main() -> None:
        store = MemoryMeters()
        wide, narrow = limit(100), limit(2, id="k", scope=LimitScope.KEY, subject=EACH)
        replica = Replica(store, (wide, narrow), 2)
        found = [await worker.call() for worker in replica.workers * 4]
        assert sum(isinstance(each, Taken) for each in found) == 2
        lack = next(each for each in found if isinstance(each, Lack))
        assert "/k/" in lack.part.meter.id
        await asyncio.sleep(2)
        assert counted(store, 100) == 98
        other = VirtualKey("k2", b"", "k", "acme", Role.DEVELOPER, 0)
        assert isinstance(await replica.workers[0].call(other), Taken)
        await asyncio.sleep(2)
        assert counted(store, 100) == 97

    virtual(main())


def test_the_last_units_are_had_though_other_workers_hold_them() -> None:
    async def main() -> None:
        replica = Replica(MemoryMeters(), (limit(2000),), 4)
        admitted = await flood(replica.workers, 1500, 4)
        assert admitted == 2000, "none is left over, and none is too many"

    virtual(main())


def test_slots_are_never_more_than_the_limit_and_all_of_them_are_used() -> None:
    async def main() -> None:
        running = peak = done = 0
        replica = Replica(MemoryMeters(), (slots(10),), 4)

        async def one(worker: Worker) -> None:
            nonlocal running, peak, done
            while not isinstance(taken := await worker.call(), Taken):
                await asyncio.sleep(0.05)
            running += 1
            peak = max(peak, running)
            await asyncio.sleep(0.2)
            running -= 1
            done += 1
            taken.close({})

        await asyncio.gather(*(one(worker) for worker in replica.workers * 25))
        assert (peak, done) == (10, 100)
        await asyncio.sleep(2)
        assert not replica.desk.slots

    virtual(main())


def test_plenty_of_slots_are_not_asked_for_one_by_one() -> None:
    async def main() -> None:
        replica = Replica(MemoryMeters(), (slots(1000),), 2)
        admitted = await flood(replica.workers, 200, 5, lasts_s=0.02)
        asks = sum(isinstance(m, LimitAsk) for w in replica.workers for m in w.sent)
        assert asks < admitted / 4
        await asyncio.sleep(2)
        assert not replica.desk.slots

    virtual(main())


def test_the_slots_of_a_worker_that_died_are_free_at_once() -> None:
    async def main() -> None:
        replica = Replica(MemoryMeters(), (slots(2),), 2)
        one, other = replica.workers
        assert isinstance(await one.call(), Taken)
        assert isinstance(await one.call(), Taken)
        assert isinstance(await other.call(), Lack)
        one.leave()
        await asyncio.sleep(0.1)
        taken = await other.call()
        assert isinstance(taken, Taken)
        taken.close({})
        await asyncio.sleep(2)
        other.leave()  # it had slots, and has none any more
        await asyncio.sleep(2)
        assert not replica.running.done()

    virtual(main())


def test_a_worker_says_what_it_holds_when_control_comes_back() -> None:
    async def main() -> None:
        store = MemoryMeters()
        before = Replica(store, (slots(2), limit(100, id="n")), 1)
        (worker,) = before.workers
        taken = await worker.call()
        assert isinstance(taken, Taken)
        before.desk.left(worker.name)
        await asyncio.sleep(0.1)
        assert store.holders() == {}
        worker.rates.reconnected()
        await asyncio.sleep(0.1)
        assert any(isinstance(sent, LimitHeld) for sent in worker.sent)
        assert set(store.holders()) == {"r1"}
        taken.close(ONE)
        await asyncio.sleep(0.1)
        assert store.holders() == {}

    virtual(main())


def test_a_call_waits_for_control_to_come_back_for_a_moment() -> None:
    async def main() -> None:
        replica = Replica(MemoryMeters(), (limit(9),), 1)
        (worker,) = replica.workers
        worker.up = False
        waiting = asyncio.create_task(worker.call())
        await asyncio.sleep(1)
        worker.up = True
        worker.rates.reconnected()
        assert isinstance(await waiting, Taken)
        worker.up = False
        assert worker.rates._parts["acme/l/-"].free == 0
        with pytest.raises(Unavailable) as caught:
            await worker.call()
        assert caught.value.code == "limits_unavailable"
        assert caught.value.retry_after_s == 2.0
        assert not worker.rates._asks, "what was never sent is forgotten with its call"
        worker.up = True
        worker.rates.reconnected()
        assert isinstance(await worker.call(), Taken)

    virtual(main())


def test_what_a_call_was_given_that_went_away_comes_back() -> None:
    async def main() -> None:
        store = MemoryMeters()
        replica = Replica(store, (limit(9), slots(3, id="s")), 1, delay_s=0.05)
        (worker,) = replica.workers
        going = asyncio.create_task(worker.call())
        await asyncio.sleep(0.01)
        going.cancel()
        await asyncio.gather(going, return_exceptions=True)
        await asyncio.sleep(3)
        assert counted(store, 9) == 9
        assert not replica.desk.slots

    virtual(main())


def test_closing_is_done_once_and_corrects_what_was_expected() -> None:
    async def main() -> None:
        store = MemoryMeters()
        tokens = limit(1000, counts=Counted.TOKENS)
        replica = Replica(store, (tokens,), 1)
        (worker,) = replica.workers
        plan = worker.rates.plan(KEY, "chat")
        assert plan.needs is None
        taken = await worker.rates.more(plan.parts, [400])
        assert isinstance(taken, Taken)
        for _ in range(3):
            taken.close({Counted.TOKENS: 150})
            taken.keep()
        await asyncio.sleep(2)
        assert counted(store, 1000) == 850
        taken = await worker.rates.more(plan.parts, [100])
        assert isinstance(taken, Taken)
        taken.close({Counted.TOKENS: 900})
        await asyncio.sleep(2)
        assert counted(store, 1000) == -50
        assert isinstance(await worker.rates.more(plan.parts, [1]), Lack)

    virtual(main())


def test_a_long_call_alone_gives_back_what_it_did_not_use() -> None:
    async def main() -> None:
        store = MemoryMeters()
        daily = limit(9000, counts=Counted.TOKENS, window_s=DAY, method=Method.FIXED_WINDOW)
        replica = Replica(store, (daily,), 1)
        (worker,) = replica.workers
        plan = worker.rates.plan(KEY, "chat")
        taken = await worker.rates.more(plan.parts, [4000])
        assert isinstance(taken, Taken)
        await asyncio.sleep(600)
        taken.close({Counted.TOKENS: 100})
        await asyncio.sleep(600)
        (meter,) = [part.meter for part in plan.parts]
        assert left(meter, store.state(meter)) == 8900

    virtual(main())


def test_what_was_taken_of_a_window_that_is_over_is_not_given_back() -> None:
    async def main() -> None:
        store = MemoryMeters()
        replica = Replica(store, (limit(5, window_s=2),), 1)
        (worker,) = replica.workers
        taken = await worker.call()
        assert isinstance(taken, Taken)
        await asyncio.sleep(2.5)
        assert isinstance(await worker.call(), Taken)
        taken.close({})
        admitted = 1 + sum([isinstance(await worker.call(), Taken) for _ in range(9)])
        assert admitted == 5

    virtual(main())


def test_a_changed_limit_holds_for_the_next_call() -> None:
    async def main() -> None:
        replica = Replica(MemoryMeters(), (limit(2),), 1)
        (worker,) = replica.workers
        assert isinstance(await worker.call(), Taken)
        more = replace(limit(4))
        replica.limits = (more,)
        replica.book.limits[more.tenant, "l"] = more
        worker.rates.follow((more,), {})
        found = [await worker.call() for _ in range(5)]
        assert sum(isinstance(each, Taken) for each in found) == 3

    virtual(main())


def test_names_that_clients_choose_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("federation.gateway.rates._PLANS", 8)
    rates = Rates(lambda _: True)
    rates.follow((limit(5, scope=LimitScope.ROUTE, subject=EACH),), {})
    for n in range(100):
        assert len(rates.plan(KEY, f"route{n}").parts) == 1
    assert len(rates._plans) <= 8
    other = replace(KEY, team="blue")
    assert rates.plan(other, "route99").key is other


def test_more_than_was_held_is_told_at_once() -> None:
    async def main() -> None:
        replica = Replica(MemoryMeters(), (limit(100, counts=Counted.TOKENS),), 1)
        (worker,) = replica.workers
        parts = worker.rates.plan(KEY, "chat").parts
        taken = await worker.rates.more(parts, [10])
        assert isinstance(taken, Taken)
        taken.close({Counted.TOKENS: 60})
        used = [sent for sent in worker.sent if isinstance(sent, LimitUsed)]
        assert used[-1].meters[0].least > 0
        assert parts[0].remaining(now_s()) <= 50

    virtual(main())


def test_a_slot_that_was_asked_for_again_comes_back_though_its_call_left() -> None:
    async def main() -> None:
        replica = Replica(MemoryMeters(), (slots(3),), 1, delay_s=0.05)
        (worker,) = replica.workers
        worker.up = False
        waiting = asyncio.create_task(worker.call())
        await asyncio.sleep(1)
        worker.up = True
        worker.rates.reconnected()
        waiting.cancel()
        await asyncio.sleep(60)
        assert [type(await worker.call()) for _ in range(3)] == [Taken] * 3

    virtual(main())
