"""Keys that a replica's own files wrapped, brought under the root that all replicas share.

Their store was one gateway's alone before, or was kept by a version whose root was a file. The
traps: another replica's files are not here, so what does not open is left for whom it opens; and a
start with a wrong master key is found out only later, so what the files had wrapped is kept, and
the next start brings it under the right one.
"""

from __future__ import annotations

import logging
from typing import Final, Protocol

from federation.control.custody_parts import Root, bound
from federation.errors import Unavailable
from federation.storage.sealing_brought import Wraps
from federation.storage.sealing_entries import SPOOL, TENANT, KeyEntry
from federation.storage.sealing_keys import SqlSealingKeys
from federation.storage.sealing_roots import FileRoot, MasterRoot

log = logging.getLogger(__name__)

_FILES: Final = f"{FileRoot.KIND}:"
_MASTERS: Final = f"{MasterRoot.KIND}:"


class Before(Protocol):
    """Keeps what files had wrapped; `storage.sealing_brought.Brought`."""

    def read(self) -> Wraps:
        """What is kept."""
        ...

    def write(self, wraps: Wraps) -> None:
        """Keep these and no others."""
        ...


def bring_under(keys: SqlSealingKeys, root: Root, before: Before) -> int:
    """Wrap anew what files had wrapped, as far as `root` opens it; how many keys. Idempotent, also
    by several at once. Raises `Unavailable` where the store of keys is away."""
    kept, there, changed, left = before.read(), Wraps(), [], 0
    for entry in (*keys.living(TENANT), *keys.living(SPOOL)):
        found = _by_files(entry, kept, root)
        if entry.id in kept:
            there[entry.id] = kept[entry.id]
        if found is None:
            continue
        try:
            key = root.unwrap(*found, bound(entry))
        except Unavailable:
            left += 1
        else:
            there[entry.id] = found
            changed.append((entry.id, *root.wrap(key, bound(entry))))
    if there != kept:
        before.write(there)
    if changed:
        keys.rewrap(changed)
    if changed or left:
        log.warning(
            "sealing keys came from files of one replica",
            extra={"brought": len(changed), "left": left},
        )
    return len(changed)


def _by_files(entry: KeyEntry, kept: Wraps, root: Root) -> tuple[str, bytes] | None:
    """The key as files had wrapped it, where it is still so, or under a master key that is not
    ours; None for others."""
    if entry.parent.startswith(_FILES):
        return entry.parent, entry.wrapped
    if not entry.parent.startswith(_MASTERS) or entry.id not in kept:
        return None
    try:
        root.unwrap(entry.parent, entry.wrapped, bound(entry))
    except Unavailable:
        return kept[entry.id]
    return None
