"""Which keys are in force, and as what: the key ring out of keys, people and tenants. Pure.

The trap: a key is kept as it was issued, and its holder's circumstances change. A person who
was suspended, moved or given a lesser role is looked at anew with every ring, so nobody has to
find and change their keys.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from federation.control.permissions import ROLES
from federation.domain.access import VirtualKey
from federation.domain.tenancy import Quota, Tenant, User
from federation.storage.tenancy_entries import Retired


def in_force(
    keys: Iterable[VirtualKey],
    retired: Iterable[Retired],
    tenants: Iterable[Tenant],
    users: Iterable[User],
    now_ms: int,
) -> Iterator[VirtualKey]:
    """The keys that work now as workers should take them; a rotated one a second time, under
    its former hash and with that one's end."""
    suspended = {tenant.id for tenant in tenants if tenant.suspended}
    people = {(user.tenant, user.id): user for user in users}
    former = {each.key: each for each in retired}
    most = {tenant.id: tenant.quota.providers for tenant in tenants}
    for key in keys:
        ended = key.expires_ms is not None and key.expires_ms <= now_ms
        if key.revoked_ms is not None or ended or key.tenant in suspended:
            continue
        held = _held(key, people)
        if held is None:
            continue
        if (providers := most.get(key.tenant)) is not None:
            held = replace(held, most_providers=providers)
        yield held
        if (old := former.get(key.id)) is not None and old.until_ms > now_ms:
            end = old.until_ms if key.expires_ms is None else min(old.until_ms, key.expires_ms)
            yield replace(held, hash=old.hash, expires_ms=end, hint="")


def quotas(tenants: Iterable[Tenant]) -> dict[str, Quota]:
    """What each tenant may use; those without any limit are left out."""
    return {tenant.id: tenant.quota for tenant in tenants if tenant.quota != Quota()}


def _held(key: VirtualKey, people: Mapping[tuple[str, str], User]) -> VirtualKey | None:
    """A key in its holder's hands; None where they may not use it, or are gone."""
    if not key.user:
        return key
    user = people.get((key.tenant, key.user))
    if user is None or user.suspended:
        return None
    role = key.role if ROLES[key.role] <= ROLES[user.role] else user.role
    return replace(key, role=role, team=key.team or user.team)
