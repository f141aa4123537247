"""Budgets as people set them: whose they are, who may change them, and the defaults."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from federation.config.settings import Budgets
from federation.control.budgets import BudgetDesk, defaults
from federation.control.threads import Errands
from federation.domain.access import Role, VirtualKey
from federation.domain.budgets import EACH, Budget, Period, Scope, Spender
from federation.errors import Forbidden, InvalidRequest, NotFound
from federation.storage.accounts_memory import MemoryKeys
from federation.storage.budgets_memory import MemoryBudgets, MemoryPots
from federation.storage.tenancy_memory import MemoryTenancy

ADMIN = VirtualKey("admin", b"", "admin", "default", Role.ADMIN, 0)
OWNER = VirtualKey("own", b"", "own", "acme", Role.OWNER, 0)


class World:
    def __init__(self) -> None:
        keys = MemoryKeys()
        for tenant in ("default", "acme"):
            keys.ensure_tenant(tenant, 0)
        self.wanted = Budgets()
        self.errands = Errands("store")
        self.published: list[tuple[Budget, ...]] = []
        self.desk = BudgetDesk(
            MemoryBudgets(), MemoryPots(), MemoryTenancy(keys), lambda: self.wanted, self.errands
        )
        self.desk.publish = self.published.append


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.errands.close()


def of_acme(scope: Scope, subject: str = EACH, name: str = "b1") -> Budget:
    return Budget(name, "acme", scope, subject, 5, Period.DAILY)


async def test_what_is_set_is_in_force_at_once_and_what_is_removed_is_not(world: World) -> None:
    await world.desk.save(OWNER, of_acme(Scope.KEY))
    assert world.published == [(of_acme(Scope.KEY),)]
    assert len(world.desk.book.pots(Spender("acme", "k"), 0)) == 1
    await world.desk.refresh()
    assert len(world.published) == 1, "nothing changed"
    await world.desk.remove(OWNER, "b1")
    assert world.published[-1] == ()


async def test_a_tenant_neither_sees_nor_changes_what_is_anothers(world: World) -> None:
    await world.desk.save(ADMIN, Budget("b1", "default", Scope.KEY, EACH, 5))
    assert await world.desk.visible(OWNER, None) == []
    for attempt in (
        world.desk.get(OWNER, "b1"),
        world.desk.remove(OWNER, "b1"),
        world.desk.save(OWNER, Budget("b2", "default", Scope.KEY, EACH, 5)),
        world.desk.visible(OWNER, "default"),
        world.desk.get(OWNER, "b1", "default"),
        world.desk.remove(OWNER, "b1", "default"),
    ):
        with pytest.raises(NotFound):
            await attempt


async def test_an_id_is_a_tenants_own(world: World) -> None:
    theirs = Budget("b1", "default", Scope.KEY, EACH, 7)
    await world.desk.save(ADMIN, theirs)
    await world.desk.save(OWNER, of_acme(Scope.KEY))
    assert await world.desk.get(OWNER, "b1") == of_acme(Scope.KEY)
    assert await world.desk.get(ADMIN, "b1", "default") == theirs
    for asked in (world.desk.get(ADMIN, "b1"), world.desk.remove(ADMIN, "b1")):
        with pytest.raises(InvalidRequest, match="say with 'tenant'"):
            await asked
    await world.desk.remove(ADMIN, "b1", "acme")
    assert await world.desk.get(ADMIN, "b1") == theirs


async def test_a_tenant_has_room_for_so_many(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("federation.control.subjects.MOST", 1)
    await world.desk.save(ADMIN, Budget("b1", "default", Scope.KEY, EACH, 7))
    await world.desk.save(OWNER, of_acme(Scope.KEY))
    await world.desk.save(OWNER, of_acme(Scope.SESSION))
    with pytest.raises(InvalidRequest, match="A tenant may set 1 budgets"):
        await world.desk.save(OWNER, of_acme(Scope.KEY, name="b2"))


async def test_a_whole_tenant_is_given_its_budget_by_an_administrator(world: World) -> None:
    with pytest.raises(Forbidden):
        await world.desk.save(OWNER, of_acme(Scope.TENANT, "acme"))
    await world.desk.save(ADMIN, of_acme(Scope.TENANT, "acme"))
    with pytest.raises(Forbidden):
        await world.desk.save(OWNER, of_acme(Scope.KEY))
    with pytest.raises(Forbidden):
        await world.desk.remove(OWNER, "b1")


@pytest.mark.parametrize(
    ("scope", "subject"),
    [(Scope.TEAM, "nobody"), (Scope.USER, "nobody"), (Scope.TAG, "x"), (Scope.TENANT, "other")],
)
async def test_a_slip_of_the_pen_is_refused(world: World, scope: Scope, subject: str) -> None:
    with pytest.raises((NotFound, InvalidRequest)):
        await world.desk.save(ADMIN, of_acme(scope, subject))


async def test_the_configurations_budgets_bind_the_users_of_every_tenant(world: World) -> None:
    world.wanted = Budgets(daily_nano=7, monthly_nano=90)
    await world.desk.refresh()
    for tenant in ("default", "acme"):
        pots = world.desk.book.pots(Spender(tenant, "k", user="ada"), 0)
        assert sorted(pot.cap_nano for pot in pots) == [7, 90]
    with pytest.raises(InvalidRequest):
        await world.desk.remove(ADMIN, "default.daily.acme")
    with pytest.raises(InvalidRequest):
        await world.desk.save(ADMIN, of_acme(Scope.KEY, name="default.daily.acme"))
    world.wanted = Budgets()
    await asyncio.gather(world.desk.refresh(), world.desk.refresh())
    assert world.published[-1] == ()


def test_each_user_has_the_default_for_itself() -> None:
    (budget,) = defaults(Budgets(daily_nano=7), ["acme"])
    assert (budget.scope, budget.subject, budget.hard) == (Scope.USER, EACH, True)
