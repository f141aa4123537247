"""The desk for tenants, teams and users: who asks, where they may look, what holds together.

The trap: the tenant in which to look comes from who asks (`permissions.home`) and is given to
the store as the place to look in. Nothing is fetched first and compared after.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from enum import Enum
from typing import Final, Generic, TypeVar

from federation.control.changes import Noting, note
from federation.control.permissions import check_role, home, no_tenant, reach
from federation.control.tenancy_ports import Objects, TenancyStore
from federation.control.tenancy_tags import check_tag
from federation.control.threads import Errands
from federation.domain.access import DEFAULT_TENANT, VirtualKey
from federation.domain.tenancy import Member, Quota, Team, Tenant, Tier, User, checked_id
from federation.errors import InvalidRequest, NotFound
from federation.storage.tenancy_entries import Held, Place, Removal

T = TypeVar("T", bound=Member)
Check = Callable[[VirtualKey, T | None, T | None], None]
"""Asked with who asks, and an object before and after; raises where that cannot be."""


class Put(Enum):
    """What came of keeping an object."""

    MADE = "made"
    CHANGED = "changed"
    KEPT = "kept"


class ObjectDesk(Generic[T]):
    """One kind of object, as someone who asks may see and change it."""

    def __init__(
        self,
        kind: type[T],
        objects: Objects[T],
        check: Check[T],
        tenants: Objects[Tenant],
        errands: Errands,
        changed: Callable[[], Awaitable[None]],
    ) -> None:
        self._kind = kind
        self._noun = kind.__name__.lower()
        self._objects = objects
        self._check = check
        self._tenants = tenants
        self._errands = errands
        self._changed = changed

    async def add(self, asker: VirtualKey, made: T) -> T:
        """Keep a new object. Raises `NotFound` for a tenant or team that is not there for the
        asker, `Forbidden`, and `InvalidRequest` (409) where there is one of this id."""
        await self._errands.run(self._add, asker, made)
        note(None, made)
        await self._changed()
        return made

    async def put(self, asker: VirtualKey, made: T) -> Put:
        """Keep an object, in the place of the one with its id if there is one; when that was
        made stays. What comes of it is in force only after `changed`. Raises as `add` does."""
        place = self._place(asker, made.id, _owner(made))
        found = await self._errands.run(self._objects.find, place, made.id)
        if found is None:
            await self._errands.run(self._add, asker, made)
            note(None, made)
            return Put.MADE
        wanted = replace(made, created_ms=found.created_ms)
        if wanted == found:
            return Put.KEPT

        def edit(before: T) -> T:
            self._check(asker, before, wanted)
            return wanted

        noting = Noting(edit)
        if await self._errands.run(self._objects.change, place, made.id, noting) is None:
            raise self._missing(made.id)
        noting.note()
        return Put.CHANGED

    async def get(self, asker: VirtualKey, name: str, tenant: str | None = None) -> T:
        """One object of a tenant (None: the asker's own). Raises `NotFound`."""
        place = self._place(asker, name, tenant)
        found = await self._errands.run(self._objects.find, place, name)
        if found is None:
            raise self._missing(name)
        return found

    async def page(
        self,
        asker: VirtualKey,
        tenant: str | None,
        after: Place | None,
        limit: int,
        team: str | None = None,
    ) -> tuple[list[T], Place | None]:
        """Objects by tenant and id, and where the page after these begins. Raises `NotFound`
        for a tenant that is not there for the asker."""
        seen = reach(asker, tenant) if team is None else home(asker, tenant)
        if seen is not None and await self._errands.run(self._tenants.find, seen, seen) is None:
            raise no_tenant(seen)
        found = await self._errands.run(self._objects.page, seen, after, limit, team)
        end = (_owner(found[-1]), found[-1].id) if len(found) == limit else None
        return found, end

    async def all(self, asker: VirtualKey, tenant: str | None) -> list[T]:
        """Every object that is there for the asker (of one tenant, where it is named)."""
        return await self._errands.run(self._objects.page, reach(asker, tenant), None, None)

    async def change(
        self,
        asker: VirtualKey,
        name: str,
        change: Callable[[T], T],
        tenant: str | None = None,
        if_match: str | None = None,
    ) -> T:
        """Put `change(object)` in an object's place. Raises `NotFound`, `Forbidden`, and
        `InvalidRequest` (412) where it is in another state than `if_match` says."""

        def edit(before: T) -> T:
            check_tag(before, if_match)
            after = change(before)
            self._check(asker, before, after)
            return after

        place, noting = self._place(asker, name, tenant), Noting(edit)
        changed = await self._errands.run(self._objects.change, place, name, noting)
        if changed is None:
            raise self._missing(name)
        noting.note()
        await self._changed()
        return changed

    async def remove(
        self,
        asker: VirtualKey,
        name: str,
        tenant: str | None = None,
        if_match: str | None = None,
    ) -> None:
        """Delete an object. Raises as `change` does; `InvalidRequest` (409) while something
        belongs to it, with what that is and what to do."""

        found: list[T] = []

        def check(before: T) -> None:
            found[:] = [before]
            check_tag(before, if_match)
            self._check(asker, before, None)

        place = self._place(asker, name, tenant)
        done = await self._errands.run(self._objects.remove, place, name, check)
        if done is Removal.MISSING:
            raise self._missing(name)
        if isinstance(done, Held):
            message = _staying(self._noun, name, done)
            raise InvalidRequest(message, status=409, code="in_use")
        note(found[0], None)
        await self._changed()

    def _add(self, asker: VirtualKey, made: T) -> None:
        checked_id(self._kind, made.id)
        if not isinstance(made, Tenant):
            place = home(asker, made.tenant)
            if self._tenants.find(place, place) is None:
                raise no_tenant(place)
        self._check(asker, None, made)
        if not self._objects.add(made):
            message = f"There is a {self._noun} '{made.id}' already."
            raise InvalidRequest(message, status=409, code="already_exists", param="id")

    def _place(self, asker: VirtualKey, name: str, tenant: str | None) -> str:
        """The tenant in which to look for an object. A tenant is its own."""
        if self._kind is not Tenant:
            return home(asker, tenant)
        return home(asker, name)

    def _missing(self, name: str) -> NotFound:
        if self._kind is Tenant:
            return no_tenant(name)
        return NotFound(f"There is no {self._noun} '{name}'.")


def _staying(noun: str, name: str, held: Held) -> str:
    """Why an object is not deleted, and the way on.

    A tenant that ever had a key stays: its calls are on record under its id, and whoever got
    that id next would be shown them.
    """
    parts = (
        ("team", held.teams),
        ("user", held.users),
        ("working key", held.keys),
        ("revoked key", held.revoked),
    )
    *first, last = [f"{n} {what}{'' if n == 1 else 's'}" for what, n in parts if n]
    listed = f"{', '.join(first)} and {last}" if first else last
    said = f"The {noun} '{name}' is not deleted, for it has {listed}. "
    if noun == "tenant" and held.keys + held.revoked:
        return said + (
            "Ledger and evidence name a tenant's keys, revoked ones too, so a tenant that ever "
            "had one stays. Suspend it: then none of its keys works, and its records can be read."
        )
    return said + _FIRST[noun]


_FIRST: Final = {
    "tenant": "Delete these first.",
    "team": "Move or delete its users and revoke its keys first.",
    "user": "Revoke their keys first.",
}


class Tenancy:
    """Tenants, teams and users of one gateway. `changed` is awaited after every change."""

    def __init__(
        self, store: TenancyStore, errands: Errands, changed: Callable[[], Awaitable[None]]
    ) -> None:
        self._store = store
        self.changed = changed
        more = (store.tenants, errands, changed)
        self.tenants = ObjectDesk(Tenant, store.tenants, _check_tenant, *more)
        self.teams = ObjectDesk(Team, store.teams, lambda *_: None, *more)
        self.users = ObjectDesk(User, store.users, self._check_user, *more)

    def _check_user(self, asker: VirtualKey, before: User | None, after: User | None) -> None:
        """Nobody touches a person who may do more than they, or makes one who may."""
        for user in (before, after):
            if user is not None:
                check_role(asker, user.role)
        if after is None or not after.team:
            return
        if self._store.teams.find(after.tenant, after.team) is None:
            raise NotFound(f"There is no team '{after.team}'.", param="team")


def _check_tenant(_: VirtualKey, before: Tenant | None, after: Tenant | None) -> None:
    if before is not None and before.id == DEFAULT_TENANT and (after is None or after.suspended):
        message = "The operators' own tenant can be neither suspended nor deleted."
        raise InvalidRequest(message, status=409, code="own_tenant")
    if after is not None and after.tier is not Tier.CUSTOM and after.custom != Quota():
        message = "Only the tier 'custom' has a quota of its own."
        raise InvalidRequest(message, param="quota")


def _owner(kept: Member) -> str:
    return kept.id if isinstance(kept, Tenant) else kept.tenant
