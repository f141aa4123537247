"""Control's side of limits: what is in force, a store that is away, and who is dead."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from limits_rig import EPOCH_S, Faulty, Here, Replica, now_s, virtual

from federation.control.limits import LimitDesk
from federation.control.limits_watch import SWEEP_EVERY, LimitWatch
from federation.control.threads import Errands
from federation.domain.access import Role, VirtualKey
from federation.domain.budgets import EACH
from federation.domain.limits import (
    DAY,
    EVERY,
    HOUR,
    MONTH,
    Caller,
    Counted,
    Limit,
    LimitScope,
    Method,
    checked,
    meter_limit,
    meter_tenant,
    method_of,
    pausing,
    tier_limits,
    window_of,
    window_word,
    worded,
)
from federation.domain.tenancy import Quota, Team, Tenant, Tier
from federation.errors import Forbidden, InvalidRequest, NotFound
from federation.gateway.rates import Lack, Taken
from federation.schema.limits import LimitHeld, LimitRecall
from federation.storage.accounts_memory import MemoryKeys
from federation.storage.limits_memory import MemoryLimits, MemoryMeters
from federation.storage.tenancy_memory import MemoryTenancy

ADMIN = VirtualKey("a", b"", "admin", "default", Role.ADMIN, 0)
OWNER = VirtualKey("o", b"", "owner", "acme", Role.OWNER, 0)
TEAM = Limit("t", "acme", LimitScope.TEAM, "red", Counted.REQUESTS, 5)
FILE = Limit("default.all", EVERY, LimitScope.KEY, EACH, Counted.REQUESTS, 100)
SLOTS = Limit("s", "acme", LimitScope.TENANT, "acme", Counted.CONCURRENCY, 2, method=Method.SLOTS)
HOURLY = Limit(
    "l", "acme", LimitScope.TENANT, "acme", Counted.REQUESTS, 5, HOUR, Method.FIXED_WINDOW
)


class Desk:
    def __init__(self) -> None:
        self.tenancy = MemoryTenancy(MemoryKeys())
        for name, tier in (
            ("default", Tier.ENTERPRISE),
            ("acme", Tier.COMMUNITY),
            ("other", Tier.ENTERPRISE),
            ("own", Tier.CUSTOM),
        ):
            custom = Quota(70) if tier is Tier.CUSTOM else Quota()
            self.tenancy.tenants.add(Tenant(name, name, 0, tier, custom))
        self.tenancy.teams.add(Team("red", "acme", "Red", 0))
        self.file: tuple[Limit, ...] = (FILE,)
        self.store = MemoryLimits()
        self.errands = Errands("test")
        self.published: list[tuple[tuple[Limit, ...], dict[str, str]]] = []
        self.desk = LimitDesk(
            self.store, MemoryMeters(), self.tenancy, lambda: self.file, self.errands
        )
        self.desk.publish = lambda limits, tiers: self.published.append((limits, tiers))


@pytest.fixture
async def made() -> AsyncIterator[Desk]:
    desk = Desk()
    await desk.desk.refresh()
    yield desk
    desk.errands.close()


async def test_tiers_bind_their_tenants_and_own_terms_their_tenant(made: Desk) -> None:
    ((limits, tiers),) = made.published
    assert tiers == {"acme": "community"}
    by_id = {limit.id: limit for limit in limits}
    assert by_id["tier.community.minute"].amount == 60
    assert by_id["tier.community.month"].window_s == MONTH
    assert by_id["tier.custom.own"].amount == 70
    assert by_id["default.all"] == FILE
    assert "tier.pro.month" not in by_id, "no tenant is of it"
    await made.desk.refresh()
    assert len(made.published) == 1, "nothing changed"


async def test_a_tenant_sees_what_binds_it_and_nobody_elses(made: Desk) -> None:
    await made.desk.save(ADMIN, TEAM)
    platform = Limit("p", EVERY, LimitScope.PLATFORM, EACH, Counted.REQUESTS, 9)
    await made.desk.save(ADMIN, platform)
    seen = {limit.id for limit in await made.desk.visible(OWNER, None)}
    assert seen == {"t", "default.all", *(each.id for each in tier_limits() if "comm" in each.id)}
    other = replace(OWNER, tenant="other")
    assert {limit.id for limit in await made.desk.visible(other, None)} == {"default.all"}
    for name in ("t", "p", "tier.community.month", "tier.custom.own"):
        with pytest.raises(NotFound):
            await made.desk.get(other, name)
    with pytest.raises(NotFound):
        await made.desk.visible(other, "acme")
    assert (await made.desk.get(OWNER, "t")) == TEAM


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"scope": LimitScope.TENANT, "subject": "acme"}, Forbidden),
        ({"tenant": EVERY, "scope": LimitScope.KEY, "subject": EACH}, Forbidden),
        ({"tenant": "other"}, NotFound),
        ({"subject": "blue"}, NotFound),
        ({"scope": LimitScope.USER, "subject": "nobody"}, NotFound),
        ({"id": "tier.mine"}, InvalidRequest),
        ({"id": "default.mine"}, InvalidRequest),
        ({"id": "Mine"}, InvalidRequest),
    ],
)
async def test_an_owner_limits_its_own_house_only(
    made: Desk, changed: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        await made.desk.save(OWNER, replace(TEAM, **changed))
    assert made.store.list(None) == []


async def test_what_the_operator_set_an_owner_does_not_touch(made: Desk) -> None:
    whole = replace(TEAM, id="w", scope=LimitScope.TENANT, subject="acme")
    await made.desk.save(ADMIN, whole)
    with pytest.raises(Forbidden):
        await made.desk.save(OWNER, replace(TEAM, id="w"))
    with pytest.raises(Forbidden):
        await made.desk.remove(OWNER, "w")
    with pytest.raises(InvalidRequest) as caught:
        await made.desk.remove(ADMIN, "default.all")
    assert caught.value.status == 409
    with pytest.raises(NotFound):
        await made.desk.remove(ADMIN, "nothing")
    with pytest.raises(NotFound):
        await made.desk.save(ADMIN, replace(TEAM, tenant="nobody"))
    with pytest.raises(InvalidRequest):
        await made.desk.save(ADMIN, replace(whole, subject="other"))
    with pytest.raises(InvalidRequest) as stale:
        await made.desk.save(ADMIN, whole, '"old"')
    assert stale.value.status == 412
    await made.desk.remove(ADMIN, "w")
    assert made.store.list(None) == []


async def test_there_are_not_endlessly_many(made: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("federation.control.subjects.MOST", 1)
    await made.desk.save(OWNER, TEAM)
    await made.desk.save(OWNER, replace(TEAM, amount=6))
    with pytest.raises(InvalidRequest, match="A tenant may set 1 limits"):
        await made.desk.save(OWNER, replace(TEAM, id="u"))
    other = replace(TEAM, tenant="other", scope=LimitScope.KEY, subject=EACH)
    await made.desk.save(ADMIN, other)
    assert len(made.store.list(None)) == 2, "each tenant has room of its own"


async def test_an_id_is_a_tenants_own(made: Desk) -> None:
    keys: dict[str, Any] = {"scope": LimitScope.KEY, "subject": EACH}
    ours, theirs = replace(TEAM, **keys), replace(TEAM, **keys, tenant="other", amount=9)
    other = replace(OWNER, tenant="other")
    await made.desk.save(OWNER, ours)
    await made.desk.save(other, theirs)
    assert await made.desk.get(OWNER, "t") == ours
    assert await made.desk.get(other, "t") == theirs
    assert await made.desk.get(ADMIN, "t", "other") == theirs
    for asked in (made.desk.get(ADMIN, "t"), made.desk.remove(ADMIN, "t")):
        with pytest.raises(InvalidRequest, match="say with 'tenant'"):
            await asked
    with pytest.raises(NotFound):
        await made.desk.remove(OWNER, "t", tenant="other")
    await made.desk.remove(ADMIN, "t", tenant="other")
    assert await made.desk.get(ADMIN, "t") == ours


async def test_every_tenants_limit_and_ones_own_of_the_same_id_count_apart(made: Desk) -> None:
    keys: dict[str, Any] = {"scope": LimitScope.KEY, "subject": EACH}
    ours, everys = replace(TEAM, **keys), replace(TEAM, **keys, tenant=EVERY, amount=9)
    await made.desk.save(OWNER, ours)
    await made.desk.save(ADMIN, everys)
    found = [
        meter
        for meter in made.desk.book.meters(Caller("acme", key="k"))
        if meter_limit(meter.id)[1] == "t"
    ]
    assert {made.desk.book.limits[meter_limit(each.id)] for each in found} == {ours, everys}
    assert {meter_tenant(each.id) for each in found} == {"acme"}
    assert await made.desk.get(OWNER, "t") == ours
    assert await made.desk.get(replace(OWNER, tenant="other"), "t") == everys


@pytest.mark.parametrize(
    "changed",
    [
        {"amount": -1},
        {"amount": 1 << 41},
        {"amount": 0},
        {"subject": ""},
        {"method": Method.SLOTS},
        {"counts": Counted.CONCURRENCY},
        {"window_s": -1},
        {"window_s": 32 * DAY},
        {"window_s": MONTH},
        {"burst": 5, "method": Method.FIXED_WINDOW},
        {"burst": -5},
        {"amount": 1 << 40, "window_s": 31 * DAY},
        {"scope": LimitScope.PLATFORM},
        {"tenant": EVERY},
        {"tenant": EVERY, "scope": LimitScope.PLATFORM, "subject": "acme"},
    ],
)
def test_a_limit_that_cannot_be_kept_is_refused(changed: dict[str, Any]) -> None:
    assert checked(TEAM) is TEAM
    with pytest.raises(InvalidRequest):
        checked(replace(TEAM, **changed))


def test_windows_are_read_and_written() -> None:
    for text, seconds in (("second", 1), ("day", DAY), ("month", 0), ("90", 90), (15, 15)):
        assert window_of(text) == seconds
        assert window_of(window_word(seconds)) == seconds
    for text in ("0", "-3", "1e3", "years", "", "99999999"):
        with pytest.raises(InvalidRequest):
            window_of(text)
    assert [worded(each) for each in (1, 60, 3600, 86_400, 0, 90, 120, 7200, 172_800)] == [
        "a second",
        "a minute",
        "an hour",
        "a day",
        "a month",
        "90 seconds",
        "2 minutes",
        "2 hours",
        "2 days",
    ]
    assert [pausing(each) for each in (0.2, 119, 121, 7201)] == [
        "1 s",
        "119 s",
        "3 minutes",
        "3 hours",
    ]
    assert method_of(Counted.CONCURRENCY, 60) is Method.SLOTS
    assert method_of(Counted.TOKENS, MONTH) is Method.FIXED_WINDOW
    assert method_of(Counted.TOKENS, 60) is Method.TOKEN_BUCKET


def test_where_the_store_is_away_each_replica_counts_alone_and_then_again_together() -> None:
    async def main() -> None:
        store = Faulty(MemoryMeters())
        replica = Replica(store, (HOURLY, SLOTS), 1)
        (worker,) = replica.workers
        held = [await worker.call() for _ in range(2)]
        assert all(isinstance(each, Taken) for each in held)
        store.away = True
        await asyncio.sleep(2)
        held[0].close({Counted.REQUESTS: 1})
        again = await worker.call()
        assert isinstance(again, Taken)
        assert replica.desk.failing
        store.away = False
        await asyncio.sleep(3)
        again.close({Counted.REQUESTS: 1})
        await asyncio.sleep(3)
        assert isinstance(await worker.call(), Taken)
        assert not replica.desk.failing
        assert isinstance(await worker.call(), Lack), "two slots are held"

    virtual(main())


def test_a_store_that_does_not_answer_is_not_waited_for() -> None:
    class Stuck(Here):
        async def run(self, errand: Any, *args: object) -> Any:
            await asyncio.sleep(60)
            return errand(*args)

    async def main() -> None:
        replica = Replica(MemoryMeters(), (HOURLY,), 1)
        replica.desk._errands = Stuck()  # type: ignore[assignment]
        (worker,) = replica.workers
        began = now_s()
        found = [await worker.call() for _ in range(6)]
        assert sum(isinstance(each, Taken) for each in found) == 5
        assert now_s() - began < 2
        await asyncio.sleep(62)
        await worker.call()

    virtual(main())


class Slow(Here):
    """The store has played a turn long before this process hears of it."""

    async def run(self, errand: Any, *args: object) -> Any:
        answer = errand(*args)
        await asyncio.sleep(0.5)
        return answer


@pytest.mark.parametrize("back", [False, True], ids=["for good", "and came back"])
def test_what_the_store_gave_to_a_worker_that_left_meanwhile_is_free(back: bool) -> None:
    async def main() -> None:
        store = MemoryMeters()
        replica = Replica(store, (SLOTS,), 2)
        replica.desk._errands = Slow()  # type: ignore[assignment]
        gone, other = replica.workers
        asking = asyncio.create_task(gone.call())
        await asyncio.sleep(0.1)
        assert store.holders(), "the turn was played"
        gone.leave()
        if back:
            replica.desk.hear(gone.name, LimitHeld([]), lambda _: None)
        await asyncio.sleep(3)
        asking.cancel()
        assert not replica.desk.slots
        assert not store.holders()
        assert [type(await other.call()) for _ in range(2)] == [Taken, Taken]

    virtual(main())


def test_an_ask_of_a_worker_that_left_meanwhile_is_not_asked_again() -> None:
    async def main() -> None:
        replica = Replica(MemoryMeters(), (SLOTS,), 2)
        gone, other = replica.workers
        assert [type(await other.call()) for _ in range(2)] == [Taken, Taken]
        replica.desk._errands = Slow()  # type: ignore[assignment]
        asking = asyncio.create_task(gone.call())
        await asyncio.sleep(0.1)
        gone.leave()
        await asyncio.sleep(0.5)
        asking.cancel()
        assert not replica.desk._asks
        assert not any(isinstance(each, LimitRecall) for each in other.heard)

    virtual(main())


def test_the_slots_of_a_replica_that_is_silent_are_free_after_a_minute() -> None:
    async def main() -> None:
        store = MemoryMeters()
        one = Replica(store, (SLOTS,), 1, name="r1", everybody=lambda: 2)
        other = Replica(store, (SLOTS,), 1, name="r2", everybody=lambda: 2)
        watches = [
            LimitWatch(
                each.desk,
                store,
                Here(),  # type: ignore[arg-type]
                wall=lambda: EPOCH_S + now_s(),
                clock=now_s,
            )
            for each in (one, other)
        ]
        tasks = [asyncio.create_task(watch.run()) for watch in watches]
        await asyncio.sleep(1)
        assert isinstance(await one.workers[0].call(), Taken)
        assert isinstance(await other.workers[0].call(), Taken)
        await asyncio.sleep(600)
        assert set(store.holders()) == {"r1", "r2"}, "both are alive"
        tasks[0].cancel()
        one.running.cancel()
        await asyncio.sleep(30)
        assert isinstance(await other.workers[0].call(), Lack)
        await asyncio.sleep(90)
        assert isinstance(await other.workers[0].call(), Taken)
        assert set(store.holders()) == {"r2"}

    virtual(main())


def test_a_process_begins_with_no_slots_of_its_former_self_and_sweeps() -> None:
    async def main() -> None:
        store = MemoryMeters()
        before = Replica(store, (SLOTS, HOURLY), 1)
        assert isinstance(await before.workers[0].call(), Taken)
        after = Replica(store, (SLOTS, HOURLY), 1)
        watch = LimitWatch(
            after.desk,
            store,
            Here(),  # type: ignore[arg-type]
            wall=lambda: EPOCH_S + now_s(),
            clock=now_s,
        )
        running = asyncio.create_task(watch.run())
        await asyncio.sleep(1)
        assert store.holders() == {}
        assert isinstance(await after.workers[0].call(), Taken)
        await asyncio.sleep(SWEEP_EVERY * 16 + 8000)
        assert store._states.keys() >= {"acme/s/-"}
        assert "acme/l/-" not in store._states, "its hour is over"
        running.cancel()

    virtual(main())
