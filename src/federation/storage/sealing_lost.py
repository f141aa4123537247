"""Sealing keys that a master key of before wrapped, which no gateway has any more.

Replicas make their root key from the master key, so with another one nothing opens what the former
wrapped, and no tenant gets a newer key while it has one. The trap: what a replica's own files had
wrapped before opens again with its next start, so it is not lost.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from federation.storage.sealing_entries import SPOOL, TENANT, KeyEntry
from federation.storage.sealing_keys import SqlSealingKeys
from federation.storage.sealing_roots import MasterRoot

GIVEN_UP: Final = "given up"


def lost(keys: SqlSealingKeys, root: MasterRoot, brought: Collection[str]) -> list[KeyEntry]:
    """The keys under other master keys than this root's, and all that they wrap; but for those
    (by id) that come back from files. Raises `Unavailable`."""
    own = f"{root.KIND}:"
    shut = {
        entry.id
        for kind in (TENANT, SPOOL)
        for entry in keys.living(kind, but_parent=root.version())
        if entry.parent.startswith(own) and entry.id not in brought
    }
    return [entry for entry in keys.living() if entry.id in shut or entry.parent in shut]


def held(keys: SqlSealingKeys, entries: Sequence[KeyEntry]) -> list[str]:
    """The holds in force on whose data these keys are of."""
    tenants = {entry.tenant for entry in entries}
    holds = (hold for hold in keys.holds() if hold.released_ms is None)
    return [hold.id for hold in holds if hold.tenant in tenants]


def give_up(keys: SqlSealingKeys, entries: Sequence[KeyEntry], now_ms: int) -> int:
    """Blank these keys for good, so that new ones are made at the next need; how many. Raises
    `Unavailable`, and then nothing is blanked."""
    return keys.destroy([entry.id for entry in entries], now_ms, GIVEN_UP)
