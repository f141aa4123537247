"""Custody of the sealing keys: made, unwrapped, rewrapped and destroyed. Blocks; thread-safe.

The trap is a rotation: a key that it replaced gets no tombstone (`custody_ends`), because a backup
from before the rotation needs that key.
"""

from __future__ import annotations

import secrets
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from threading import RLock
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from federation.control.custody_ends import Ends
from federation.control.custody_parts import (
    InUse,
    KeyGone,
    KeyMissing,
    Naming,
    Root,
    Rotation,
    bound,
    new_nonce,
)
from federation.errors import NotFound, Unavailable
from federation.evidence.sealing import (
    KEY_BYTES,
    MOST_USES,
    NONCE_BYTES,
    Row,
    SealingKey,
    key_named,
    pseudonym_now,
    pseudonyms,
    seal,
    unseal,
)
from federation.storage.sealing_entries import (
    DATA,
    NAMES,
    SPOOL,
    TENANT,
    ErasureEntry,
    HoldEntry,
    KeyEntry,
)
from federation.storage.sealing_keys import SqlSealingKeys
from federation.storage.sealing_logs import SealingLog, Tombstone
from federation.storage.secrets import new_id

USES_AT_ONCE: Final = 1 << 20
"""Uses of a key that are written down before they happen: a crash forgets none."""
KEPT: Final = 10_000
"""Keys held open."""
LOOK_MS: Final = 5_000
"""How long a key may still be sealed with that another replica has destroyed."""
FOR_EVER: Final = "ever"
"""The period of a key that lasts until its person is erased."""
_END_MS: Final = 253_402_214_400_000
"""The last day of the year 9999."""
NAMES_TABLE: Final = "names"
_DAY_MS: Final = 86_400_000
_QUICK: Final = 1
"""A level of compression: conversations shrink to a third at the price of a copy."""


class Custody:
    """The keys of one installation. `open` first. Methods raise `Unavailable` where the store
    or the root cannot be reached."""

    def __init__(
        self,
        store: SqlSealingKeys,
        root: Root,
        tombstones: SealingLog[Tombstone],
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._root = root
        self._ends = Ends(store, tombstones, clock)
        self._clock = clock
        self._lock = RLock()
        self._opened: OrderedDict[str, SealingKey] = OrderedDict()
        self._in_use: OrderedDict[tuple[str, str, str], InUse] = OrderedDict()
        self._names: dict[str, Naming] = {}

    def open(self) -> list[str]:
        """Destroy again what a restored backup brought back; the keys that it was. Raises
        `EvidenceUnwritable` where the tombstones cannot be written."""
        with self._lock:
            back = self._ends.again()
            self._opened.clear()
            self._in_use.clear()
            return back

    def close(self) -> None:
        """Let go of the store and of every open key."""
        with self._lock:
            self._opened.clear()
            self._in_use.clear()
            self._names.clear()
            self._store.close()

    def name(self, tenant: str, subject: str) -> str:
        """A person's pseudonym; the same until they are erased, and as long as the tenant's key
        for names lives."""
        naming = self.naming(tenant)
        return pseudonym_now(naming.key.key, subject, naming.erased)

    def names(self, tenant: str, subject: str) -> list[str]:
        """A person's pseudonym, and after it those from before erasures of which keys are left."""
        now = self.name(tenant, subject)
        ever = frozenset(self._store.erased(tenant, ever=True))
        chain = pseudonyms(self.naming(tenant).key.key, subject, ever)
        return [now, *(each for each in chain if each != now and self.keys_of(tenant, each))]

    def naming(self, tenant: str) -> Naming:
        """What a tenant's pseudonyms are made with; the key is made at the first need."""
        with self._lock:
            now_ms = self._now_ms()
            known = self._names.get(tenant)
            if known is None:
                if not self._store.living(NAMES, tenant, most=1):
                    self._make(NAMES, tenant)
                # The first there is: another replica may have made one in the same moment.
                (entry,) = self._store.living(NAMES, tenant, most=1)
                erased = frozenset(self._store.erased(tenant))
                known = self._names[tenant] = Naming(self._open(entry), erased, now_ms)
            elif not 0 <= now_ms - known.looked_ms <= LOOK_MS:
                known.erased, known.looked_ms = frozenset(self._store.erased(tenant)), now_ms
            return known

    def look_again(self) -> None:
        """Somebody was erased: see who it was at the next need."""
        with self._lock:
            for naming in self._names.values():
                naming.looked_ms = 0

    def seal_names(self, tenant: str, names: Mapping[str, str]) -> dict[str, bytes]:
        """Names by their pseudonyms, each sealed with a key that is destroyed with its person's
        others, and not before."""
        with self._lock:
            found = self._store.of_period(tenant, FOR_EVER, names)
            parent = self._store.newest(TENANT, tenant) or self._make(TENANT, tenant)
            made = [
                self._wrapped(parent, DATA, tenant, subject, FOR_EVER)
                for subject in names
                if subject not in found
            ]
            self._store.add_all([entry for entry, _ in made])
            keys = {entry.subject: key for entry, key in made}
            keys |= {subject: self._open(entry) for subject, entry in found.items()}
        rows = {subject: Row(tenant, NAMES_TABLE, subject) for subject in names}
        return {
            subject: seal(keys[subject], row, names[subject].encode(), new_nonce())
            for subject, row in rows.items()
        }

    def seal(self, row: Row, subject: str, at_ms: int, until_ms: int, content: bytes) -> bytes:
        """Seal a content of a person (by pseudonym) that is wanted until `until_ms`."""
        with self._lock:
            key = self._data_key(row.tenant, subject, at_ms, until_ms)
        return seal(key, row, zlib.compress(content, _QUICK), new_nonce())

    def seal_of(
        self, row: Row, person: str, at_ms: int, until_ms: int, content: bytes
    ) -> tuple[str, bytes]:
        """The same for a person by name; the pseudonym, too. Whom another replica has erased
        meanwhile is somebody else."""
        subject = self.name(row.tenant, person)
        sealed = self.seal(row, subject, at_ms, until_ms, content)
        # Asked after there is a key: an erasure that does not stand there finds the key.
        if self._store.erased(row.tenant, subject):
            self.look_again()
            subject = self.name(row.tenant, person)
            sealed = self.seal(row, subject, at_ms, until_ms, content)
        return subject, sealed

    def content(self, row: Row, sealed: bytes) -> bytes:
        """What `seal` sealed. Raises `KeyGone` where its key was destroyed, and `Unsealable`."""
        return zlib.decompress(self.unseal(row, sealed))

    def unseal(self, row: Row, sealed: bytes) -> bytes:
        """What anybody sealed with one of our keys; raises as `content` does."""
        return unseal(self.key(key_named(sealed)), row, sealed)

    def key(self, key: str) -> SealingKey:
        """An open key. Raises `KeyGone`, and `KeyMissing` for one that was never here."""
        with self._lock:
            # Always asked for: another replica may have destroyed what is held open here.
            entry = self._store.find(key)
            if entry is None:
                raise KeyMissing(f"the key {key} is not in this store of keys")
            if entry.destroyed_ms is not None:
                self._forget({key})
                raise KeyGone(key)
            return self._open(entry)

    def spool_key(self, owner: str) -> SealingKey:
        """A new key for the workers of a replica to seal with on the way here; older ones
        still open."""
        with self._lock:
            return self._open(self._make(SPOOL, "", owner))

    def spool_keys(self, owner: str) -> list[str]:
        """The keys of this kind that are there, oldest first."""
        return [entry.id for entry in self._store.living(SPOOL, "", owner)]

    def keys_of(self, tenant: str, subject: str | None) -> list[KeyEntry]:
        """A person's data keys that are not destroyed; of everyone in the tenant where None."""
        return self._store.living(DATA, tenant, subject)

    def expired(self, now_ms: int, holds: Sequence[HoldEntry], most: int) -> list[KeyEntry]:
        """Data keys of which nothing is wanted any more, and that no hold covers."""
        return self._store.expired(now_ms, holds, most)

    def destroy(self, keys: Iterable[KeyEntry | str], why: str) -> int:
        """Destroy keys for good; how many were still there and that no hold covers. Raises
        `EvidenceUnwritable`, and then destroys nothing."""
        with self._lock:
            gone, ended = self._ends.destroy(keys, why)
            self._forget(ended)
            return gone

    def erase(self, wish: ErasureEntry, keys: Iterable[KeyEntry]) -> ErasureEntry:
        """Destroy the keys of who is to be erased; raises as `destroy` does. Where a hold came
        first nothing is destroyed, and the `done_ms` of what it gives back is None."""
        with self._lock:
            done, ended = self._ends.erase(wish, keys)
            self._forget(ended)
            return done

    def rotate(self, tenant: str, *, begin: bool, most: int | None = None) -> Rotation:
        """Bring a tenant's keys under its newest one, `most` of them now; `begin` makes a newer
        one first. Goes on where it was broken off; meanwhile the older ones still open. The
        last round blanks those that nothing needs any more."""
        with self._lock:
            newest = self._store.newest(TENANT, tenant)
            if newest is None:
                raise NotFound(f"Nothing of the tenant '{tenant}' was ever sealed.")
            if begin:
                newest = self._make(TENANT, tenant)
            waiting = [
                entry
                for entry in self._store.living(tenant=tenant, but_parent=newest.id)
                if entry.kind != TENANT
            ]
            now = waiting if most is None else waiting[:most]
            changed = [
                (entry.id, newest.id, self._wrap(newest, entry, self._open(entry).key))
                for entry in now
            ]
            self._store.rewrap(changed)
            if len(now) == len(waiting):
                # Oldest first: one that another replica has made since is none of ours.
                living = [key.id for key in self._store.living(TENANT, tenant)]
                old = living[: living.index(newest.id)] if newest.id in living else []
                self._store.destroy(old, self._now_ms(), "rotated", childless=True)
                self._forget(set(old))
            return self._standing(tenant, newest.id, len(now), len(waiting) - len(now))

    def rotate_root(self, *, begin: bool, most: int | None = None) -> Rotation:
        """The same for what the root wraps. Its older versions are the operator's to remove."""
        with self._lock:
            version = self._root.rotate() if begin else self._root.version()
            waiting = [
                entry
                for entry in self._store.living(but_parent=version)
                if entry.kind in (TENANT, SPOOL)
            ]
            now = waiting if most is None else waiting[:most]
            changed = []
            for entry in now:
                parent, wrapped = self._root.wrap(self._open(entry).key, bound(entry))
                changed.append((entry.id, parent, wrapped))
            self._store.rewrap(changed)
            return self._standing(None, version, len(now), len(waiting) - len(now))

    def standing(self, tenant: str | None) -> Rotation:
        """Which keys are wrapped by which; of the root where None."""
        with self._lock:
            if tenant is None:
                version = self._root.version()
                return self._standing(None, version, 0, None)
            newest = self._store.newest(TENANT, tenant)
            return self._standing(tenant, "" if newest is None else newest.id, 0, None)

    def _standing(self, tenant: str | None, newest: str, done: int, left: int | None) -> Rotation:
        kinds = (TENANT, SPOOL) if tenant is None else (DATA, NAMES)
        counts: dict[str, int] = {}
        for entry in self._store.living(tenant=tenant):
            if entry.kind in kinds:
                counts[entry.parent] = counts.get(entry.parent, 0) + 1
        older = sum(count for parent, count in counts.items() if parent != newest)
        return Rotation(newest, done, older if left is None else left, counts)

    def _data_key(self, tenant: str, subject: str, at_ms: int, until_ms: int) -> SealingKey:
        """The key of a person and month, with one more use counted."""
        period = datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m")
        owner = tenant, subject, period
        used = self._in_use.get(owner)
        now_ms = self._now_ms()
        if used is not None and not 0 <= now_ms - used.looked_ms <= LOOK_MS:
            entry = self._store.find(used.key.id)
            if entry is None or entry.destroyed_ms is not None:
                self._forget({used.key.id})
                used = None
            else:
                used.looked_ms = now_ms
        if used is None:
            entry = self._store.newest(DATA, tenant, subject, period)
            if entry is None or entry.uses + USES_AT_ONCE > MOST_USES:
                entry = self._make(DATA, tenant, subject, period)
            used = InUse(self._open(entry), 0, entry.until_ms, entry.uses, now_ms)
            self._in_use[owner] = used
            if len(self._in_use) > KEPT:
                self._in_use.popitem(last=False)
        if not used.left or used.until_ms < until_ms:
            if used.uses + USES_AT_ONCE > MOST_USES:
                del self._in_use[owner]
                return self._data_key(tenant, subject, at_ms, until_ms)
            used.until_ms = max(used.until_ms, -(-until_ms // _DAY_MS) * _DAY_MS)
            self._store.use(used.key.id, USES_AT_ONCE, used.until_ms)
            used.left = USES_AT_ONCE
            used.uses += USES_AT_ONCE
        used.left -= 1
        return used.key

    def _make(self, kind: str, tenant: str, subject: str = "", period: str = "") -> KeyEntry:
        """A new key, wrapped and kept. It is younger than all of its kind."""
        if kind in (DATA, NAMES):
            parent = self._store.newest(TENANT, tenant) or self._make(TENANT, tenant)
            entry, made = self._wrapped(parent, kind, tenant, subject, period)
        else:
            entry, made = self._wrapped(None, kind, tenant, subject, period)
        if self._store.add(entry, first=kind == NAMES):
            self._keep(made)
        return entry

    def _wrapped(
        self, parent: KeyEntry | None, kind: str, tenant: str, subject: str, period: str
    ) -> tuple[KeyEntry, SealingKey]:
        """A new key as it is kept, wrapped by this one or by the root, and as it is used."""
        key = secrets.token_bytes(KEY_BYTES)
        at_ms, until_ms = self._now_ms(), 0
        if period == FOR_EVER:
            until_ms = _END_MS
        else:
            before = self._store.newest(kind, tenant, subject, period)
            at_ms = at_ms if before is None else max(at_ms, before.created_ms + 1)
        bare = KeyEntry(new_id("seal"), kind, tenant, subject, period, "", b"", at_ms, until_ms)
        if parent is None:
            version, wrapped = self._root.wrap(key, bound(bare))
        else:
            version, wrapped = parent.id, self._wrap(parent, bare, key)
        return replace(bare, parent=version, wrapped=wrapped), SealingKey(bare.id, key)

    def _wrap(self, parent: KeyEntry, entry: KeyEntry, key: bytes) -> bytes:
        nonce = new_nonce()
        return nonce + AESGCM(self._open(parent).key).encrypt(nonce, key, bound(entry))

    def _open(self, entry: KeyEntry) -> SealingKey:
        found = self._opened.get(entry.id)
        if found is not None:
            return found
        if entry.kind in (TENANT, SPOOL):
            key = self._root.unwrap(entry.parent, entry.wrapped, bound(entry))
        else:
            parent = self.key(entry.parent)
            wrapped = entry.wrapped
            try:
                key = AESGCM(parent.key).decrypt(
                    wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], bound(entry)
                )
            except InvalidTag:
                message = f"The sealing key {entry.id} does not open: the store was changed."
                raise Unavailable(message, code="sealing_key_wrong") from None
        return self._keep(SealingKey(entry.id, key))

    def _keep(self, key: SealingKey) -> SealingKey:
        self._opened[key.id] = key
        if len(self._opened) > KEPT:
            self._opened.popitem(last=False)
        return key

    def _forget(self, keys: set[str]) -> None:
        for key in keys:
            self._opened.pop(key, None)
        for owner in [owner for owner, used in self._in_use.items() if used.key.id in keys]:
            del self._in_use[owner]

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)
