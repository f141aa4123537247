"""Paths of hashes through the log's tree, for proofs.

They are made of the hashes that lie beside the log. The trap: nobody signs those. Where one of
them was damaged the proof would look like a forgery, so a path that does not lead to the signed
root is made once more, from the records themselves; that reads the whole log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from federation.evidence.hashing import leaf_hash
from federation.evidence.merkle import TILE, TILE_LEVEL, Subtree, complete
from federation.storage.evidence_log import HASH, Damaged, Hashes

Path = list[bytes]


def path_of(
    hashes: Hashes,
    records: Callable[[], Iterable[bytes]],
    make: Callable[[Subtree], Path],
    holds: Callable[[Path], bool],
) -> Path:
    """A path that holds, where there is one; else the one that the records as they are now lead
    to, which tells who verifies it that they were changed."""
    try:
        path = make(_kept(hashes))
    except Damaged:
        path = None
    if path is not None and holds(path):
        return path
    return make(_computed(records()))


def _kept(hashes: Hashes) -> Subtree:
    def subtree(start: int, end: int) -> bytes:
        if end - start >= TILE:
            return complete(hashes.tiles(start >> TILE_LEVEL, end >> TILE_LEVEL))
        return complete(hashes.leaves(start, end))

    return subtree


def _computed(records: Iterable[bytes]) -> Subtree:
    leaves = bytearray()
    for record in records:
        leaves += leaf_hash(record)

    def subtree(start: int, end: int) -> bytes:
        if end - start > TILE:
            middle = (start + end) // 2
            return complete((subtree(start, middle), subtree(middle, end)))
        places = range(HASH * start, HASH * end, HASH)
        return complete([bytes(leaves[at : at + HASH]) for at in places])

    return subtree
