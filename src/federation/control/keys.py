"""Issuing and revoking virtual keys, and the ring of those in force.

The trap: a secret exists here only while it is handed out. What is kept, listed and sent
to workers is its keyed hash.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from federation.control.permissions import KeyWish, check_mint, tenant_seen
from federation.control.ports import KeyStore
from federation.control.threads import Errands
from federation.domain.access import DEFAULT_TENANT, Role, VirtualKey
from federation.domain.snapshot import KeyRing
from federation.errors import InvalidRequest, NotFound
from federation.storage.keyring import Keys, key_hash
from federation.storage.secrets import new_id, new_secret

ADMIN_ID = "admin"


class KeyDesk:
    """Virtual keys of one gateway. `publish` hears every new ring."""

    def __init__(
        self,
        store: KeyStore,
        hash_key: bytes,
        admin_secret: str,
        errands: Errands,
        clock: Callable[[], float],
    ) -> None:
        self._store = store
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
        now_ms = int(self._clock() * 1000)
        issued = [
            key
            for key in self._store.list(None)
            if key.revoked_ms is None and (key.expires_ms is None or key.expires_ms > now_ms)
        ]
        # Last wins where secrets repeat: nothing may take the admin key's place.
        keys = (*self._from_environment, *issued, self._admin)
        return KeyRing(self.ring.version + 1, self._hash_key, keys)

    def enforce(self, ring: KeyRing) -> None:
        """Put a ring in force here and on every worker."""
        self.ring = ring
        self.keys = Keys(ring, self._clock)
        self.publish(ring)

    async def mint(self, minter: VirtualKey, wish: KeyWish) -> tuple[VirtualKey, str]:
        """Issue a key: what is kept of it, and its secret, which nobody can ask for again.

        Raises `Forbidden` where the wish reaches further than the minter.
        """
        now_ms = int(self._clock() * 1000)
        check_mint(minter, wish, now_ms)
        if not await self._errands.run(self._store.has_tenant, wish.tenant):
            raise InvalidRequest("There is no tenant of this name.", param="tenant")
        secret = new_secret()
        key = VirtualKey(
            id=new_id("key"),
            hash=key_hash(self._hash_key, secret),
            name=wish.name,
            tenant=wish.tenant,
            role=wish.role,
            created_ms=now_ms,
            expires_ms=wish.expires_ms,
            models=wish.models,
            providers=wish.providers,
            hint=secret[-4:],
        )
        await self._errands.run(self._store.add, key)
        await self.refresh()
        return key, secret

    async def list(self, asker: VirtualKey) -> list[VirtualKey]:
        """The keys that the asker can see, those of the environment included."""
        tenant = tenant_seen(asker)
        issued = await self._errands.run(self._store.list, tenant)
        given = [self._admin] if tenant is None else []
        if tenant in (None, DEFAULT_TENANT):
            given += self._from_environment
        return [*given, *issued]

    async def revoke(self, asker: VirtualKey, key: str) -> VirtualKey:
        """End a key, on every worker within a second. Raises `NotFound`."""
        tenant = tenant_seen(asker)
        found = await self._errands.run(self._store.find, key, tenant)
        if found is None:
            if any(key == given.id for given in (self._admin, *self._from_environment)):
                message = "This key is set by a file or the environment: take it out there."
                raise InvalidRequest(message, status=409, code="key_not_issued_here")
            raise NotFound(f"There is no key '{key}'.")
        await self._errands.run(self._store.revoke, key, int(self._clock() * 1000))
        await self.refresh()
        ended = await self._errands.run(self._store.find, key, tenant)
        return ended if ended is not None else found

    async def refresh(self) -> None:
        """Gather the keys again and put them in force."""
        self.enforce(await self._errands.run(self.gather))

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
