"""Keys that a replica's own files wrapped, brought under the root that all replicas share.

Their store was one gateway's alone before, or was kept by a version whose root was a file. The
trap: another replica's files are not here, so what does not open is left for whom it opens.
"""

from __future__ import annotations

import logging
from typing import Final

from federation.control.custody_parts import Root, bound
from federation.errors import Unavailable
from federation.storage.sealing_entries import SPOOL, TENANT
from federation.storage.sealing_keys import SqlSealingKeys
from federation.storage.sealing_roots import FileRoot

log = logging.getLogger(__name__)

_FILES: Final = f"{FileRoot.KIND}:"


def bring_under(keys: SqlSealingKeys, root: Root) -> int:
    """Wrap anew what files had wrapped, as far as `root` opens it; how many keys. Idempotent, also
    by several at once. Raises `Unavailable` where the store of keys is away."""
    version, changed, left = root.version(), [], 0
    for entry in keys.living(but_parent=version):
        if entry.kind in (TENANT, SPOOL) and entry.parent.startswith(_FILES):
            try:
                key = root.unwrap(entry.parent, entry.wrapped, bound(entry))
            except Unavailable:
                left += 1
            else:
                changed.append((entry.id, *root.wrap(key, bound(entry))))
    if changed:
        keys.rewrap(changed)
    if changed or left:
        log.warning(
            "sealing keys came from files of one replica",
            extra={"brought": len(changed), "left": left},
        )
    return len(changed)
