"""Everything that tenants have, read and written at once: what an export and an import are.

The trap: no secret is in an export, not even hashed. A key that an import does not find is
therefore made anew under its old id, and its new secret is told once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from federation.control.keys import KeyDesk
from federation.control.permissions import KeyWish, reach
from federation.control.tenancy import Put, Tenancy
from federation.domain.access import VirtualKey
from federation.domain.tenancy import Team, Tenant, User
from federation.errors import FederationError, InvalidRequest, NotFound


@dataclass(frozen=True, slots=True)
class Issue:
    """A key as an export has it."""

    id: str
    wish: KeyWish


@dataclass(frozen=True, slots=True)
class Estate:
    """A tenant and what belongs to it. Keys that have ended are not in it."""

    tenant: Tenant
    teams: tuple[Team, ...]
    users: tuple[User, ...]
    keys: tuple[Issue, ...]


@dataclass(slots=True)
class Moved:
    """What an import did."""

    counts: Counter[Put] = field(default_factory=Counter)
    issued: list[tuple[VirtualKey, str]] = field(default_factory=list, repr=False)
    """Keys that were made, with their secrets."""
    ended: list[str] = field(default_factory=list)
    """Keys that were left out, because their time is over or they were revoked."""
    problem: FederationError | None = None
    """Why it ended before its end, or is not in force."""

    @property
    def any(self) -> bool:
        """Whether anything is other than it was."""
        return bool(self.counts[Put.MADE] or self.counts[Put.CHANGED])


async def read_estates(
    tenancy: Tenancy, keys: KeyDesk, asker: VirtualKey, tenant: str | None, now_ms: int
) -> list[Estate]:
    """What the asker can see (of one tenant, where it is named). Raises `NotFound`."""
    seen = reach(asker, tenant)
    if seen is None:
        tenants = await tenancy.tenants.all(asker, None)
    else:
        tenants = [await tenancy.tenants.get(asker, seen)]
    return [await _estate(tenancy, keys, asker, each, now_ms) for each in tenants]


async def write_estates(
    tenancy: Tenancy, keys: KeyDesk, asker: VirtualKey, estates: Sequence[Estate], now_ms: int
) -> Moved:
    """Make and change what an export says; nothing is deleted, and doing it again does nothing.

    Raises what making each of them raises where nothing was moved before. What was moved before
    stays and is in force; it is told with the problem, for nobody can ask for a secret again.
    """
    moved = Moved()
    try:
        for estate in estates:
            await _put_estate(tenancy, keys, asker, estate, moved, now_ms)
    except FederationError as error:
        moved.problem = error
    finally:
        await _enforce(tenancy, moved)
    if moved.problem is not None and not moved.any:
        raise moved.problem
    return moved


async def _enforce(tenancy: Tenancy, moved: Moved) -> None:
    try:
        await tenancy.changed()
    except FederationError as error:
        moved.problem = moved.problem or error


async def _put_estate(
    tenancy: Tenancy, keys: KeyDesk, asker: VirtualKey, estate: Estate, moved: Moved, now_ms: int
) -> None:
    moved.counts[await tenancy.tenants.put(asker, estate.tenant)] += 1
    for team in estate.teams:
        moved.counts[await tenancy.teams.put(asker, team)] += 1
    for user in estate.users:
        moved.counts[await tenancy.users.put(asker, user)] += 1
    for issue in estate.keys:
        await _put_key(keys, asker, issue, moved, now_ms)


async def _estate(
    tenancy: Tenancy, keys: KeyDesk, asker: VirtualKey, tenant: Tenant, now_ms: int
) -> Estate:
    teams = await tenancy.teams.all(asker, tenant.id)
    users = await tenancy.users.all(asker, tenant.id)
    issued = await keys.issued(asker, tenant.id)
    issues = [Issue(key.id, _wish(key)) for key in issued if _lasts(key, now_ms)]
    return Estate(tenant, tuple(teams), tuple(users), tuple(issues))


async def _put_key(
    keys: KeyDesk, asker: VirtualKey, issue: Issue, moved: Moved, now_ms: int
) -> None:
    wish = issue.wish
    if wish.expires_ms is not None and wish.expires_ms <= now_ms:
        moved.ended.append(issue.id)
        return
    try:
        found = await keys.get(asker, issue.id)
    except NotFound:
        moved.issued.append(await keys.issue(asker, wish, issue.id))
        moved.counts[Put.MADE] += 1
        return
    if found.tenant != wish.tenant:
        message = f"The key '{issue.id}' is another tenant's."
        raise InvalidRequest(message, status=409, code="already_exists", param="keys")
    if not _lasts(found, now_ms):
        moved.ended.append(issue.id)
        return
    if _wish(found) == wish:
        moved.counts[Put.KEPT] += 1
        return
    changes = {name: getattr(wish, name) for name in _CHANGEABLE}
    await keys.change(asker, issue.id, changes)
    moved.counts[Put.CHANGED] += 1


_CHANGEABLE = ("name", "role", "expires_ms", "models", "providers", "team", "user", "scopes")


def _lasts(key: VirtualKey, now_ms: int) -> bool:
    return key.revoked_ms is None and (key.expires_ms is None or key.expires_ms > now_ms)


def _wish(key: VirtualKey) -> KeyWish:
    return KeyWish(
        name=key.name,
        role=key.role,
        tenant=key.tenant,
        expires_ms=key.expires_ms,
        models=key.models,
        providers=key.providers,
        team=key.team,
        user=key.user,
        scopes=key.scopes,
    )
