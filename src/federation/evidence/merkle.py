"""The Merkle tree of RFC 9162: growing it, and making proofs from it.

The trap: a tree whose size is no power of two is not padded. Its right edge is a row of
complete subtrees, the peaks, and only their order from the left gives the root.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256

from federation.evidence.hashing import EMPTY_ROOT, node_hash

Subtree = Callable[[int, int], bytes]
"""The hash of the complete subtree over the leaves from `start` up to `end`."""

TILE_LEVEL = 8
TILE = 1 << TILE_LEVEL
"""Leaves below a node that is worth keeping: a proof then reads 256 hashes a level."""


class Frontier:
    """The right edge of a growing tree: enough to go on, and to tell the root."""

    def __init__(self, size: int = 0, peaks: Sequence[bytes] = ()) -> None:
        """Go on from `size` leaves with these peaks, the largest first.

        Raises `ValueError` where there are more or fewer peaks than the size has.
        """
        if len(peaks) != size.bit_count():
            raise ValueError(f"a tree of {size} has {size.bit_count()} peaks, not {len(peaks)}")
        self.size = size
        self._waiting: list[bytes | None] = []
        """By level: the node that waits for its right-hand sibling."""
        rest = list(peaks)
        for level in range(size.bit_length()):
            self._waiting.append(rest.pop() if size >> level & 1 else None)

    @property
    def peaks(self) -> list[bytes]:
        """The complete subtrees, the largest first."""
        return [node for node in reversed(self._waiting) if node is not None]

    def extend(self, leaves: Iterable[bytes]) -> list[bytes]:
        """Append leaf hashes; the nodes of `TILE_LEVEL` that became complete, in order."""
        nodes = list(leaves)
        self.size += len(nodes)
        tiles: list[bytes] = []
        level = 0
        while nodes:
            if level == len(self._waiting):
                self._waiting.append(None)
            if level == TILE_LEVEL:
                tiles = list(nodes)
            waiting = self._waiting[level]
            if waiting is not None:
                nodes.insert(0, waiting)
            self._waiting[level] = nodes.pop() if len(nodes) & 1 else None
            pairs = iter(nodes)
            nodes = [
                sha256(b"\x01" + left + right).digest()
                for left, right in zip(pairs, pairs, strict=True)
            ]
            level += 1
        return tiles

    def root(self) -> bytes:
        """The root over everything appended so far."""
        peaks = self.peaks
        if not peaks:
            return EMPTY_ROOT
        root = peaks.pop()
        while peaks:
            root = node_hash(peaks.pop(), root)
        return root


def inclusion_path(at: int, size: int, subtree: Subtree) -> list[bytes]:
    """The audit path of leaf `at` in the tree of the first `size` leaves, leaf end first.

    Raises `ValueError` where there is no such leaf.
    """
    if not 0 <= at < size:
        raise ValueError(f"a tree of {size} has no leaf {at}")
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if at < middle:
            path.append(range_hash(middle, end, subtree))
            end = middle
        else:
            path.append(range_hash(start, middle, subtree))
            start = middle
    path.reverse()
    return path


def consistency_path(first: int, second: int, subtree: Subtree) -> list[bytes]:
    """The proof that the tree of `first` leaves is the beginning of that of `second`.

    RFC 9162 section 2.1.4.1. Empty for equal sizes. Raises `ValueError` for others than
    1 <= first <= second.
    """
    if not 1 <= first <= second:
        raise ValueError(f"no tree of {first} leaves is the beginning of one of {second}")
    path: list[bytes] = []
    start, end, whole = 0, second, True
    while first != end - start:
        middle = _split(end - start)
        if first <= middle:
            path.append(range_hash(start + middle, end, subtree))
            end = start + middle
        else:
            path.append(range_hash(start, start + middle, subtree))
            start, first, whole = start + middle, first - middle, False
    if not whole:
        path.append(range_hash(start, end, subtree))
    path.reverse()
    return path


def range_hash(start: int, end: int, subtree: Subtree) -> bytes:
    """The hash over the leaves from `start` up to `end`, a range that a tree splits off."""
    peaks: list[bytes] = []
    while start < end:
        step = 1 << ((end - start).bit_length() - 1)
        peaks.append(subtree(start, start + step))
        start += step
    if not peaks:
        return EMPTY_ROOT
    root = peaks.pop()
    while peaks:
        root = node_hash(peaks.pop(), root)
    return root


def complete(nodes: Sequence[bytes]) -> bytes:
    """The root over a power of two of neighboring nodes of one level."""
    row = list(nodes)
    while len(row) > 1:
        pairs = iter(row)
        row = [node_hash(left, right) for left, right in zip(pairs, pairs, strict=True)]
    return row[0]


def _split(size: int) -> int:
    """The largest power of two below `size`."""
    return 1 << ((size - 1).bit_length() - 1)
