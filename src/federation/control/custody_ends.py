"""The end of sealing keys: a tombstone on disk in every place first, and then the key is blanked.

The trap: a tombstone is no destruction yet. A legal hold that is set in between stands, and what it
covers stays, though its tombstone does, too; the key goes when the hold is released.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from federation.errors import NotFound
from federation.storage.sealing_entries import ErasureEntry, KeyEntry
from federation.storage.sealing_keys import SqlSealingKeys
from federation.storage.sealing_logs import SealingLog, Tombstone


class Ends:
    """Destroys keys of a store. Not for several threads at once; methods raise `Unavailable`, and
    `EvidenceUnwritable`: then nothing was destroyed."""

    def __init__(
        self,
        store: SqlSealingKeys,
        tombstones: SealingLog[Tombstone],
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._tombstones = tombstones
        self._clock = clock

    def again(self) -> list[str]:
        """Destroy what a restored backup brought back; the keys that it was."""
        self._tombstones.level()
        stones = self._tombstones.read()
        dead = [key.id for key in self._store.living() if key.id in stones]
        now_ms = self._now_ms()
        return [key for key in dead if self._store.destroy([key], now_ms, stones[key].why)]

    def destroy(self, keys: Iterable[KeyEntry | str], why: str) -> tuple[int, set[str]]:
        """How many of these were still there and that no hold covers, and which may be gone."""
        buried = self._buried(keys, why)
        return self._store.destroy(buried, self._now_ms(), why), buried

    def erase(self, wish: ErasureEntry, keys: Iterable[KeyEntry]) -> tuple[ErasureEntry, set[str]]:
        """An erasure as it stands after the destruction of its person's keys, and which may be
        gone. Nothing is, and its `done_ms` is None, where a hold came first."""
        buried = self._buried(keys, "erased")
        return self._store.erase(wish, buried, self._now_ms()), buried

    def _buried(self, keys: Iterable[KeyEntry | str], why: str) -> set[str]:
        """Those of these keys that live, each with a tombstone."""
        entries = [key if isinstance(key, KeyEntry) else self._found(key) for key in keys]
        living = [entry for entry in entries if entry.destroyed_ms is None]
        now_ms = self._now_ms()
        self._tombstones.add(Tombstone(entry.id, entry.tenant, now_ms, why) for entry in living)
        return {entry.id for entry in living}

    def _found(self, key: str) -> KeyEntry:
        entry = self._store.find(key)
        if entry is None:
            raise NotFound(f"There is no sealing key '{key}'.")
        return entry

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)
