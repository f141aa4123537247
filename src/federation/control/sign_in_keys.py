"""The keys that sign our access tokens: read from the store, opened, followed by the next in time.

The trap: replicas share the keys, and more than one may find that the next is due. Keys have
numbers that are given once, so one of them makes it and the others read it.
"""

from __future__ import annotations

import secrets

from federation.control.sign_in_ports import TokenKeyStore
from federation.credentials.issuing import SEED_BYTES, Schedule, SigningKey, schedule
from federation.storage.sealing import Sealer, Unsealable
from federation.storage.sessions_entries import KeptKey

_OWNER = "sign-in"


class TokenKeys:
    """The signing keys of one store."""

    def __init__(self, store: TokenKeyStore, sealer: Sealer) -> None:
        self._store = store
        self._sealer = sealer
        self._opened: dict[str, SigningKey] = {}

    def now(self, now_s: float, access_s: int) -> Schedule:
        """What keys there are at this moment; one that is due is made, one that is spent is
        forgotten. Blocks. Raises `Unavailable`."""
        plan = schedule(self._keys(), now_s, access_s)
        if plan.next_from_s is not None:
            numbers = [kept.n for kept in self._store.list()]
            self._store.add(self._new(max(numbers, default=0) + 1, plan.next_from_s))
            plan = schedule(self._keys(), now_s, access_s)
        for key in plan.spent:
            self._store.remove(key.n)
        return plan

    def _keys(self) -> list[SigningKey]:
        found = [self._opened.get(kept.id) or self._open(kept) for kept in self._store.list()]
        self._opened = {key.id: key for key in found if key is not None}
        return list(self._opened.values())

    def _new(self, n: int, from_s: int) -> KeptKey:
        name = f"tk_{secrets.token_hex(8)}"
        return KeptKey(
            n, name, self._sealer.seal(_OWNER, name, secrets.token_bytes(SEED_BYTES)), from_s
        )

    def _open(self, kept: KeptKey) -> SigningKey | None:
        """None where it was sealed under another master key: its tokens are good no more, and
        those that come get a key of their own."""
        try:
            seed = self._sealer.open(_OWNER, kept.id, kept.sealed)
        except Unsealable:
            return None
        return SigningKey(kept.n, kept.id, seed, kept.from_s)
