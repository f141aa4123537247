"""Virtual keys in memory: for tests, and for a gateway that runs inside a program."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from federation.domain.access import VirtualKey
from federation.domain.hands import Hand, held, put_behind
from federation.domain.tenancy import Tenant, Tier
from federation.storage.tenancy_entries import Place, Retired


class MemoryKeys:
    """Virtual keys in memory; implements `control.tenancy_ports.IssuedKeys`."""

    def __init__(self) -> None:
        self._keys: dict[str, VirtualKey] = {}
        self._retired: dict[str, Retired] = {}
        self._hands: dict[Hand, None] = {}
        self.tenants: dict[tuple[str, str], Tenant] = {}
        """By id, twice: a tenant is its own owner."""

    def add(self, key: VirtualKey, by: str = "") -> None:
        """Keep a new key, and who made it."""
        self._keys[key.id] = key
        self._hands.update(dict.fromkeys(put_behind(None, key, by)))

    def hands(self, keys: Collection[str]) -> list[Hand]:
        """Who is behind these keys: all who ever were."""
        holding = [self._keys[each] for each in keys if each in self._keys]
        noted = [each for each in self._hands if each.key in keys]
        return noted + [each for key in holding for each in held(key)]

    def find(self, key: str, tenant: str | None) -> VirtualKey | None:
        """One key; None where there is none, or it is another tenant's (None: any tenant)."""
        found = self._keys.get(key)
        return found if found is not None and tenant in (None, found.tenant) else None

    def list(self, tenant: str | None) -> list[VirtualKey]:
        """A tenant's keys (None: everyone's), revoked ones too, oldest first."""
        chosen = [key for key in self._keys.values() if tenant in (None, key.tenant)]
        return sorted(chosen, key=lambda key: (key.created_ms, key.id))

    def page(
        self,
        tenant: str | None,
        after: Place | None,
        limit: int,
        team: str | None = None,
        user: str | None = None,
    ) -> Sequence[VirtualKey]:
        """Keys by age and id, revoked ones too (tenant None: everyone's)."""
        chosen = [
            key
            for key in self.list(tenant)
            if (after is None or (key.created_ms, key.id) > after)
            and team in (None, key.team)
            and user in (None, key.user)
        ]
        return chosen[:limit]

    def change(
        self,
        tenant: str | None,
        key: str,
        edit: Callable[[VirtualKey], VirtualKey],
        retire_ms: int | None = None,
        by: str = "",
    ) -> VirtualKey | None:
        """Put `edit(key)` in a key's place; None where there is none."""
        before = self.find(key, tenant)
        if before is None:
            return None
        after = edit(before)
        self._keys[key] = after
        self._hands.update(dict.fromkeys(put_behind(before, after, by)))
        if before.hash != after.hash:
            self._retired.pop(key, None)
            if retire_ms is not None:
                self._retired[key] = Retired(before.hash, key, before.tenant, retire_ms)
        return after

    def retired(self, now_ms: int) -> Sequence[Retired]:
        """Former secrets that still work, in the order in which they end."""
        left = [each for each in self._retired.values() if each.until_ms > now_ms]
        return sorted(left, key=lambda each: each.until_ms)

    def revoke(self, key: str, at_ms: int) -> None:
        """End a key. Idempotent: the first revocation's time stays."""
        found = self._keys.get(key)
        if found is not None and found.revoked_ms is None:
            self._keys[key] = replace(found, revoked_ms=at_ms)

    def ensure_tenant(self, tenant: str, at_ms: int) -> None:
        """Make a tenant where there is none of this id, without limits."""
        if not self.has_tenant(tenant):
            self.tenants[tenant, tenant] = Tenant(tenant, tenant, at_ms, Tier.ENTERPRISE)

    def has_tenant(self, tenant: str) -> bool:
        """Whether there is a tenant of this id."""
        return (tenant, tenant) in self.tenants
