"""Limits as they are kept and put in force: what people set, what the configuration says of every
tenant, and what the tiers bind their tenants to.

The trap: a limit of `EVERY` tenant stands once, however many tenants there are, and who is bound
by a tier's is told beside it. So a thousand tenants make the workers' book no longer.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from federation.control.limits_ports import LimitStore, MeterStore
from federation.control.permissions import Permission, home, may, no_tenant, reach, tenant_seen
from federation.control.subjects import check_name, check_subject, end, meant, put
from federation.control.tenancy_ports import TenancyStore
from federation.control.threads import Errands
from federation.domain.access import VirtualKey
from federation.domain.budgets import EACH
from federation.domain.limits import (
    EVERY,
    Limit,
    LimitBook,
    LimitScope,
    Meter,
    checked,
    meter_of,
    quota_limit,
    tier_limits,
)
from federation.domain.tenancy import Tenant, Tier
from federation.errors import Forbidden, InvalidRequest, NotFound
from federation.pricing.meters import State

OURS: Final = ("default.", "tier.")
"""How the ids of the configuration's and the tiers' limits begin."""

InForce = tuple[tuple[Limit, ...], dict[str, str]]


class LimitDesk:
    """The limits of one gateway. `publish` hears them whenever they changed."""

    def __init__(
        self,
        store: LimitStore,
        meters: MeterStore,
        tenancy: TenancyStore,
        defaults: Callable[[], tuple[Limit, ...]],
        errands: Errands,
    ) -> None:
        self._store = store
        self._meters = meters
        self._tenancy = tenancy
        self._defaults = defaults
        self._errands = errands
        self._in_force: InForce = ((), {})
        self.book = LimitBook()
        self.publish: Callable[[tuple[Limit, ...], dict[str, str]], None] = lambda *_: None

    async def refresh(self) -> None:
        """Gather the limits again and put them in force. Raises `Unavailable`."""
        found = await self._errands.run(self._gather)
        if found != self._in_force:
            self._in_force = found
            self.book = LimitBook(*found)
            self.publish(*found)

    async def visible(self, asker: VirtualKey, tenant: str | None) -> list[Limit]:
        """The limits that the asker can see (of one tenant, where it is named), oldest first:
        a tenant's own, and those that bind it as they bind every tenant. Raises `NotFound`."""
        seen = reach(asker, tenant)
        return [each for each in self._in_force[0] if self._seen(each, seen)]

    async def get(self, asker: VirtualKey, limit: str, tenant: str | None = None) -> Limit:
        """One limit. Raises `NotFound`, and `InvalidRequest` where several tenants have it."""
        found = meant(self.book.limits, asker, limit, tenant, EVERY)
        if found is None or not self._seen(found, reach(asker, None)):
            raise _no_limit(limit)
        return found

    async def save(self, asker: VirtualKey, limit: Limit, if_match: str | None = None) -> Limit:
        """Keep a limit in the place of its tenant's with its id, in force on every worker within a
        second. What was counted stays counted where the way of counting is the same. Raises
        `InvalidRequest` (412 where it is in another state than `if_match` says), `NotFound`,
        `Forbidden`."""
        check_name(limit.id, OURS)
        await self._errands.run(self._save, asker, checked(limit), if_match)
        await self.refresh()
        return limit

    async def remove(
        self,
        asker: VirtualKey,
        limit: str,
        if_match: str | None = None,
        tenant: str | None = None,
    ) -> None:
        """End a limit. Raises as `save` does."""
        if limit.startswith(OURS):
            await self.get(asker, limit, tenant)
            message = "This limit is the configuration's or a tier's: change it there."
            raise InvalidRequest(message, status=409, code="limit_not_set_here")
        await self._errands.run(self._remove, asker, limit, if_match, tenant)
        await self.refresh()

    async def counted(self, asker: VirtualKey, limit: Limit) -> tuple[Meter, State] | None:
        """What is counted for a limit that has one meter; None where each has its own, or where
        it is everybody's and so none of the asker's business. Raises `Unavailable`."""
        if limit.tenant == EVERY and tenant_seen(asker) is not None:
            return None
        if limit.subject == EACH and limit.scope is not LimitScope.PLATFORM:
            return None
        meter = meter_of(limit, limit.tenant, limit.subject)
        return meter, await self._errands.run(self._meters.state, meter)

    def _seen(self, limit: Limit, tenant: str | None) -> bool:
        if tenant is None or limit.tenant == tenant:
            return True
        if limit.tenant != EVERY or limit.scope is LimitScope.PLATFORM:
            return False
        return not limit.tier or limit.tier == self._in_force[1].get(tenant)

    def _gather(self) -> InForce:
        tenants = list(self._tenancy.tenants.page(None, None, None))
        tiers = {
            tenant.id: tenant.tier.value
            for tenant in tenants
            if tenant.tier in (Tier.COMMUNITY, Tier.PRO)
        }
        limits = [*self._store.list(None), *self._defaults()]
        if tiers:
            limits += [limit for limit in tier_limits() if limit.tier in tiers.values()]
        limits += [made for tenant in tenants if (made := _own_terms(tenant)) is not None]
        return tuple(limits), {
            tenant.id: tenant.tier.value
            for tenant in tenants
            if any(limit.tier == tenant.tier.value for limit in limits)
        }

    def _save(self, asker: VirtualKey, limit: Limit, if_match: str | None) -> None:
        if limit.tenant == EVERY:
            _check_operator(asker)
        else:
            place = home(asker, limit.tenant)
            if self._tenancy.tenants.find(place, place) is None:
                raise no_tenant(place)
        _check_scope(asker, limit)
        if limit.tenant != EVERY and limit.subject != EACH:
            check_subject(self._tenancy, limit.tenant, limit.scope.value, limit.subject)
        put(self._store, limit, if_match, partial(_check_scope, asker))

    def _remove(
        self, asker: VirtualKey, limit: str, if_match: str | None, tenant: str | None
    ) -> None:
        def check(found: Limit | None) -> Limit:
            if found is None:
                raise _no_limit(limit)
            _check_scope(asker, found)
            return found

        end(self._store, asker, limit, tenant, if_match, check)


def _own_terms(tenant: Tenant) -> Limit | None:
    if tenant.tier is not Tier.CUSTOM or tenant.custom.requests_month is None:
        return None
    return quota_limit(tenant.id, tenant.custom.requests_month)


def _check_operator(asker: VirtualKey) -> None:
    if not may(asker, Permission.ALL_TENANTS):
        raise Forbidden("Only an administrator limits every tenant.", param="tenant")


def _check_scope(asker: VirtualKey, limit: Limit) -> None:
    """What a whole tenant may ask is not for the tenant to say."""
    own = limit.scope not in (LimitScope.TENANT, LimitScope.PLATFORM) and limit.tenant != EVERY
    if not own and not may(asker, Permission.ALL_TENANTS):
        raise Forbidden("Only an administrator limits a whole tenant.", param="scope")


def _no_limit(limit: str) -> NotFound:
    return NotFound(f"There is no limit '{limit}'.")
