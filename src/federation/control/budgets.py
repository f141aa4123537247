"""Budgets as they are kept and put in force: what people set, and the configuration's defaults.

The trap: a default binds the users of every tenant, and a budget belongs to one. So each tenant
has the defaults as budgets of its own, which nobody can change but by the configuration.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Final

from federation.config.settings import Budgets
from federation.control.budgets_ports import BudgetStore, PotStore
from federation.control.permissions import Permission, home, may, no_tenant, reach
from federation.control.subjects import check_name, check_subject, end, meant, put
from federation.control.tenancy_ports import TenancyStore
from federation.control.threads import Errands
from federation.domain.access import VirtualKey
from federation.domain.budgets import EACH, Budget, BudgetBook, Period, Scope, Standing, checked
from federation.errors import Forbidden, InvalidRequest, NotFound

DEFAULT: Final = "default."
"""How the ids of the configuration's budgets begin."""


class BudgetDesk:
    """The budgets of one gateway. `publish` hears them whenever they changed."""

    def __init__(
        self,
        store: BudgetStore,
        pots: PotStore,
        tenancy: TenancyStore,
        defaults: Callable[[], Budgets],
        errands: Errands,
    ) -> None:
        self._store = store
        self._pots = pots
        self._tenancy = tenancy
        self._defaults = defaults
        self._errands = errands
        self._in_force: tuple[Budget, ...] = ()
        self.book = BudgetBook(())
        self.publish: Callable[[tuple[Budget, ...]], None] = lambda _: None

    async def refresh(self) -> None:
        """Gather the budgets again and put them in force. Raises `Unavailable`."""
        found = await self._errands.run(self._gather)
        if found != self._in_force:
            self._in_force = found
            self.book = BudgetBook(found)
            self.publish(found)

    async def visible(self, asker: VirtualKey, tenant: str | None) -> list[Budget]:
        """The budgets that the asker can see (of one tenant, where it is named), oldest first.
        Raises `NotFound`."""
        seen = reach(asker, tenant)
        return [each for each in self._in_force if seen is None or each.tenant == seen]

    async def get(self, asker: VirtualKey, budget: str, tenant: str | None = None) -> Budget:
        """One budget. Raises `NotFound`, and `InvalidRequest` where several tenants have it."""
        found = meant(self.book.budgets, asker, budget, tenant)
        if found is None:
            raise _no_budget(budget)
        return found

    async def save(self, asker: VirtualKey, budget: Budget, if_match: str | None = None) -> Budget:
        """Keep a budget in the place of its tenant's with its id, in force on every worker within
        a second. What was spent stays spent. Raises `InvalidRequest` (412 where it is in another
        state than `if_match` says), `NotFound`, `Forbidden`."""
        check_name(budget.id, (DEFAULT,))
        await self._errands.run(self._save, asker, checked(budget), if_match)
        await self.refresh()
        return budget

    async def remove(
        self,
        asker: VirtualKey,
        budget: str,
        tenant: str | None = None,
        if_match: str | None = None,
    ) -> None:
        """End a budget. Raises as `save` does, and as `get`."""
        await self._errands.run(self._remove, asker, budget, tenant, if_match)
        await self.refresh()

    async def standings(self, budget: Budget, start_ms: int) -> list[Standing]:
        """The pots of a budget in the period that begins then, by id. Raises `Unavailable`."""
        of_period = self._pots.of_period
        return await self._errands.run(of_period, budget.tenant, budget.id, start_ms)

    def _gather(self) -> tuple[Budget, ...]:
        tenants = [tenant.id for tenant in self._tenancy.tenants.page(None, None, None)]
        return (*self._store.list(None), *defaults(self._defaults(), tenants))

    def _save(self, asker: VirtualKey, budget: Budget, if_match: str | None) -> None:
        place = home(asker, budget.tenant)
        if self._tenancy.tenants.find(place, place) is None:
            raise no_tenant(place)
        _check_scope(asker, budget)
        self._check_subject(budget)
        put(self._store, budget, if_match, partial(_check_scope, asker))

    def _remove(
        self, asker: VirtualKey, budget: str, tenant: str | None, if_match: str | None
    ) -> None:
        if budget.startswith(DEFAULT):
            message = "This budget is set by the configuration: change it there."
            raise InvalidRequest(message, status=409, code="budget_not_set_here")

        def check(found: Budget | None) -> Budget:
            if found is None:
                raise _no_budget(budget)
            _check_scope(asker, found)
            return found

        end(self._store, asker, budget, tenant, if_match, check)

    def _check_subject(self, budget: Budget) -> None:
        tenant, subject = budget.tenant, budget.subject
        if subject == EACH:
            return
        check_subject(self._tenancy, tenant, budget.scope.value, subject)
        if budget.scope is Scope.TAG and "=" not in subject:
            raise InvalidRequest("Write a tag as name=value.", param="subject")


def defaults(wanted: Budgets, tenants: Iterable[str]) -> Iterator[Budget]:
    """What the configuration allows each user of each tenant."""
    periods = ((Period.DAILY, wanted.daily_nano), (Period.MONTHLY, wanted.monthly_nano))
    for tenant in tenants:
        for period, limit in periods:
            if limit is not None:
                name = f"{DEFAULT}{period.value}.{tenant}"
                yield Budget(name, tenant, Scope.USER, EACH, limit, period)


def _check_scope(asker: VirtualKey, budget: Budget) -> None:
    """What a whole tenant may spend is not for the tenant to say."""
    if budget.scope is Scope.TENANT and not may(asker, Permission.ALL_TENANTS):
        raise Forbidden("Only an administrator sets what a whole tenant may spend.", param="scope")


def _no_budget(budget: str) -> NotFound:
    return NotFound(f"There is no budget '{budget}'.")
