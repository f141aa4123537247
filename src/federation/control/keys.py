"""Issuing, changing, rotating and revoking virtual keys, and the ring of those in force.

The trap: a secret exists here only while it is handed out. What is kept, listed and sent
to workers is its keyed hash.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from federation.control.changes import Noting, note
from federation.control.permissions import (
    ROLES,
    KeyWish,
    Permission,
    check_mint,
    check_reach,
    home,
    may,
    no_tenant,
    reach,
    tenant_seen,
)
from federation.control.tenancy_ports import IssuedKeys, TenancyStore
from federation.control.tenancy_ring import in_force, quotas
from federation.control.tenancy_tags import check_tag
from federation.control.threads import Errands
from federation.domain.access import DEFAULT_TENANT, Role, VirtualKey
from federation.domain.snapshot import KeyRing
from federation.errors import Forbidden, InvalidRequest, NotFound
from federation.storage.keyring import Keys, key_hash
from federation.storage.secrets import new_id, new_secret
from federation.storage.tenancy_entries import Place

ADMIN_ID = "admin"
OF_A_PERSON: Final = 100
"""Keys of one person that are good at a time: more are a mistake, or somebody with their token."""
OF_A_TENANT: Final = 10_000
"""The same of a tenant, unless an operator makes them."""
_ALL: Final = 1 << 31


class KeyDesk:
    """Virtual keys of one gateway. `publish` hears every new ring."""

    def __init__(
        self,
        store: IssuedKeys,
        tenancy: TenancyStore,
        hash_key: bytes,
        admin_secret: str,
        errands: Errands,
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._tenancy = tenancy
        self._hash_key = hash_key
        self._admin = self._given(ADMIN_ID, "admin key", Role.ADMIN, admin_secret)
        self._errands = errands
        self._clock = clock
        self._from_environment: tuple[VirtualKey, ...] = ()
        self.publish: Callable[[KeyRing], None] = lambda _: None
        self.ring = KeyRing(0, hash_key, ())
        self.keys = Keys(self.ring, clock)

    def accept(self, secrets: Iterable[str]) -> None:
        """Take these secrets of the environment as developer keys from the next ring on."""
        self._from_environment = tuple(
            self._given(f"env_{n}", f"ALLOWED_API_KEYS {n}", Role.DEVELOPER, secret)
            for n, secret in enumerate(secrets, 1)
        )

    def gather(self) -> KeyRing:
        """The ring of the keys in force. Blocks."""
        now_ms = self._now_ms()
        tenants = self._tenancy.tenants.page(None, None, None)
        users = self._tenancy.users.page(None, None, None)
        former = self._store.retired(now_ms)
        issued = in_force(self._store.list(None), former, tenants, users, now_ms)
        # Last wins where secrets repeat: nothing may take the admin key's place.
        keys = (*self._from_environment, *issued, self._admin)
        in_service = frozenset(tenant.id for tenant in tenants if not tenant.suspended)
        return KeyRing(
            self.ring.version + 1, self._hash_key, keys, quotas(tenants), tuple(users), in_service
        )

    def enforce(self, ring: KeyRing) -> None:
        """Put a ring in force here and on every worker."""
        self.ring = ring
        self.keys = Keys(ring, self._clock)
        self.publish(ring)

    async def mint(self, minter: VirtualKey, wish: KeyWish) -> tuple[VirtualKey, str]:
        """Issue a key: what is kept of it, and its secret, which nobody can ask for again.

        Raises `Forbidden` where the wish reaches further than the minter, `NotFound` for a
        tenant, team or user that is not there for them.
        """
        issued = await self.issue(minter, wish)
        await self.refresh()
        return issued

    async def issue(
        self, minter: VirtualKey, wish: KeyWish, name: str | None = None
    ) -> tuple[VirtualKey, str]:
        """As `mint`, but the key is good only after the next `refresh`. `name` is its id where
        it has to have this one."""
        secret = new_secret()
        key = VirtualKey(
            id=name or new_id("key"),
            hash=key_hash(self._hash_key, secret),
            name=wish.name,
            tenant=wish.tenant,
            role=wish.role,
            created_ms=self._now_ms(),
            expires_ms=wish.expires_ms,
            models=wish.models,
            providers=wish.providers,
            hint=secret[-4:],
            team=wish.team,
            user=wish.user,
            scopes=wish.scopes,
        )
        await self._errands.run(self._add, minter, key)
        note(None, key)
        return key, secret

    async def list(self, asker: VirtualKey) -> list[VirtualKey]:
        """The keys that the asker can see, those of the environment included."""
        return [*self._given_to(tenant_seen(asker)), *await self.issued(asker, None)]

    async def issued(self, asker: VirtualKey, tenant: str | None) -> Sequence[VirtualKey]:
        """The keys that were issued here, revoked ones too. Raises `NotFound`."""
        return await self._errands.run(self._store.list, reach(asker, tenant))

    async def page(
        self,
        asker: VirtualKey,
        tenant: str | None,
        after: Place | None,
        limit: int,
        team: str | None = None,
        user: str | None = None,
    ) -> tuple[Sequence[VirtualKey], Place | None]:
        """Keys by age, and where the page after these begins; the first one also has those of
        the environment. Raises `NotFound` for what is not there for the asker."""
        seen = reach(asker, tenant) if team is user is None else home(asker, tenant)
        if seen is not None:
            await self._errands.run(self._check_places, seen, team, user)
        found = await self._errands.run(self._store.page, seen, after, limit, team, user)
        given = self._given_to(seen) if after is None and team is None and user is None else ()
        end = (found[-1].created_ms, found[-1].id) if len(found) == limit else None
        return [*given, *found], end

    async def get(self, asker: VirtualKey, key: str) -> VirtualKey:
        """One key. Raises `NotFound`."""
        seen = tenant_seen(asker)
        for given in self._given_to(seen):
            if given.id == key:
                return given
        found = await self._errands.run(self._store.find, key, seen)
        if found is None:
            raise _no_key(key)
        return found

    async def change(
        self,
        asker: VirtualKey,
        key: str,
        changes: Mapping[str, Any],
        if_match: str | None = None,
    ) -> VirtualKey:
        """Put these fields in the place of a key's own.

        Raises `NotFound`, `Forbidden` where the key reaches further than the asker before or
        after it, and `InvalidRequest` where it is in another state than `if_match` says.
        """

        def edit(before: VirtualKey) -> VirtualKey:
            _check_usable(before)
            check_tag(before, if_match)
            check_reach(asker, self._wish(before))
            after = replace(before, **changes)
            self._check(asker, after)
            return after

        noting = Noting(edit)
        changed = await self._errands.run(self._store.change, tenant_seen(asker), key, noting)
        noting.note()
        return await self._changed(key, changed)

    async def rotate(
        self, asker: VirtualKey, key: str, overlap_ms: int, if_match: str | None = None
    ) -> tuple[VirtualKey, str, int | None]:
        """Give a key a new secret: the key, the secret, and until when the old one works.

        One from before that ends now. Raises as `change` does: whoever gets the secret of a
        key has all that it reaches.
        """
        secret = new_secret()
        until_ms = self._now_ms() + overlap_ms if overlap_ms else None

        def edit(before: VirtualKey) -> VirtualKey:
            _check_usable(before)
            check_tag(before, if_match)
            check_reach(asker, self._wish(before))
            return replace(before, hash=key_hash(self._hash_key, secret), hint=secret[-4:])

        seen, noting = tenant_seen(asker), Noting(edit)
        changing = (seen, key, noting, until_ms, asker.id)
        rotated = await self._errands.run(self._store.change, *changing)
        noting.note()
        return await self._changed(key, rotated), secret, until_ms

    async def revoke(self, asker: VirtualKey, key: str) -> VirtualKey:
        """End a key, on every worker within a second. Raises `NotFound`, and `Forbidden` for one
        whose role has rights that the asker's has not."""
        tenant = tenant_seen(asker)
        found = await self._errands.run(self._store.find, key, tenant)
        if found is not None:
            if not ROLES[found.role] <= ROLES[asker.role]:
                message = f"A key with the role '{asker.role.value}' cannot end one with "
                raise Forbidden(f"{message}the role '{found.role.value}'.")
            await self._errands.run(self._store.revoke, key, self._now_ms())
            before, found = found, await self._errands.run(self._store.find, key, tenant)
            note(before, found)
        return await self._changed(key, found)

    async def refresh(self) -> None:
        """Gather the keys again and put them in force."""
        self.enforce(await self._errands.run(self.gather))

    async def _changed(self, key: str, changed: VirtualKey | None) -> VirtualKey:
        """What came of a change, once it is in force. Raises where there is no such key."""
        if changed is None:
            if any(key == given.id for given in (self._admin, *self._from_environment)):
                message = "This key is set by a file or the environment: change it there."
                raise InvalidRequest(message, status=409, code="key_not_issued_here")
            raise _no_key(key)
        await self.refresh()
        return changed

    def _add(self, minter: VirtualKey, key: VirtualKey) -> None:
        self._check(minter, key)
        if self._store.find(key.id, None) is not None:
            message = f"There is a key '{key.id}' already."
            raise InvalidRequest(message, status=409, code="already_exists", param="id")
        self._check_room(minter, key)
        self._store.add(key, minter.id)

    def _check_room(self, minter: VirtualKey, key: VirtualKey) -> None:
        """Raise where a person, or a tenant, would have too many keys: every worker holds all."""
        own = self._store.page(key.tenant, None, _ALL, None, key.user) if key.user else ()
        if self._good(own) >= OF_A_PERSON:
            message = f"'{key.user}' has {OF_A_PERSON} keys that are good, which is the most."
        elif may(minter, Permission.ALL_TENANTS):
            return
        elif self._good(self._store.list(key.tenant)) >= OF_A_TENANT:
            message = f"The tenant has {OF_A_TENANT:,} keys that are good, which is the most."
        else:
            return
        raise InvalidRequest(f"{message} Revoke some first.", status=409, code="too_many_keys")

    def _good(self, keys: Iterable[VirtualKey]) -> int:
        now_ms = self._now_ms()
        return sum(
            each.revoked_ms is None and (each.expires_ms is None or each.expires_ms > now_ms)
            for each in keys
        )

    def _check(self, minter: VirtualKey, key: VirtualKey) -> None:
        """Raise where a key would reach further than the minter, its holder or its tenant."""
        home(minter, key.tenant)
        self._check_places(key.tenant, key.team or None, key.user or None)
        check_mint(minter, self._wish(key), self._now_ms())
        holder = self._tenancy.users.find(key.tenant, key.user) if key.user else None
        if holder is not None and not ROLES[key.role] <= ROLES[holder.role]:
            message = f"The role of '{holder.id}' is {holder.role.value}: their keys go no further."
            raise Forbidden(message, param="role")

    def _wish(self, key: VirtualKey) -> KeyWish:
        """What it would take to be given this key."""
        holder = None
        if key.user and not key.team:
            holder = self._tenancy.users.find(key.tenant, key.user)
        return KeyWish(
            name=key.name,
            role=key.role,
            tenant=key.tenant,
            expires_ms=key.expires_ms,
            models=key.models,
            providers=key.providers,
            team=key.team if holder is None else holder.team,
            user=key.user,
            scopes=key.scopes,
        )

    def _check_places(self, tenant: str, team: str | None, user: str | None) -> None:
        """Raise `NotFound` for what this tenant does not have. Blocks."""
        if not self._store.has_tenant(tenant):
            raise no_tenant(tenant)
        if team is not None and self._tenancy.teams.find(tenant, team) is None:
            raise NotFound(f"There is no team '{team}'.", param="team")
        if user is not None and self._tenancy.users.find(tenant, user) is None:
            raise NotFound(f"There is no user '{user}'.", param="user")

    def _given_to(self, tenant: str | None) -> Sequence[VirtualKey]:
        """The keys that were not issued here, as far as someone who sees this tenant may."""
        if tenant is None:
            return (self._admin, *self._from_environment)
        return self._from_environment if tenant == DEFAULT_TENANT else ()

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)

    def _given(self, key: str, name: str, role: Role, secret: str) -> VirtualKey:
        return VirtualKey(
            id=key,
            hash=key_hash(self._hash_key, secret),
            name=name,
            tenant=DEFAULT_TENANT,
            role=role,
            created_ms=0,
            hint=secret[-4:] if len(secret) >= 16 else "",
        )


def _check_usable(key: VirtualKey) -> None:
    if key.revoked_ms is not None:
        message = "This key was revoked, which is for good. Make a new one."
        raise InvalidRequest(message, status=409, code="key_revoked")


def _no_key(key: str) -> NotFound:
    return NotFound(f"There is no key '{key}'.")
