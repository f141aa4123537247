"""Checking Merkle proofs, without the tree: RFC 9162 sections 2.1.3.2 and 2.1.4.2.

A subtree is a range of leaves that some tree holds as one node: its start is a multiple of
the power of two that covers it. The proofs of subtrees follow the draft on Merkle tree
certificates (draft-ietf-plants-merkle-tree-certs, section 4). The trap: sizes and positions
come from whoever wants to convince us, so each is checked before it steers a loop.
"""

from __future__ import annotations

from collections.abc import Sequence

from federation.evidence.hashing import EMPTY_ROOT, SIZE, node_hash


def includes(at: int, size: int, leaf: bytes, path: Sequence[bytes], root: bytes) -> bool:
    """Whether `path` proves `leaf` to be leaf `at` of the tree of `size` leaves with `root`."""
    if not 0 <= at < size or not _hashes(leaf, root, *path):
        return False
    last, node = size - 1, leaf
    for sibling in path:
        if last == 0:
            return False
        if at & 1 or at == last:
            node = node_hash(sibling, node)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            node = node_hash(node, sibling)
        at, last = at >> 1, last >> 1
    return last == 0 and node == root


def consistent(
    first: int, second: int, path: Sequence[bytes], first_root: bytes, second_root: bytes
) -> bool:
    """Whether `path` proves that the first tree is the beginning of the second.

    Nothing can be proven of an empty tree: a `first` of 0 is False.
    """
    return first > 0 and subtree_consistent(0, first, second, path, first_root, second_root)


def subtree_consistent(
    start: int, end: int, size: int, path: Sequence[bytes], part: bytes, root: bytes
) -> bool:
    """Whether `path` proves that a tree of `size` leaves has this subtree in it.

    A subtree without leaves is in every tree.
    """
    if 0 <= start == end <= size:
        return part == EMPTY_ROOT and not path
    if not (_is_subtree(start, end) and end <= size):
        return False
    if path and not _hashes(part, *path):
        return False
    first, last, top = start, end - 1, size - 1
    while first != last and (last == top or last & 1):
        first, last, top = first >> 1, last >> 1, top >> 1
    if first == last:
        old = new = part
        rest: Sequence[bytes] = path
    elif path:
        old = new = path[0]
        rest = path[1:]
    else:
        return False
    for sibling in rest:
        if top == 0:
            return False
        if last & 1 or last == top:
            if first < last:
                old = node_hash(sibling, old)
            new = node_hash(sibling, new)
            while last and not last & 1:
                first, last, top = first >> 1, last >> 1, top >> 1
        else:
            new = node_hash(new, sibling)
        first, last, top = first >> 1, last >> 1, top >> 1
    return top == 0 and old == part and new == root


def _is_subtree(start: int, end: int) -> bool:
    if not 0 <= start < end:
        return False
    return start % (1 << (end - start - 1).bit_length()) == 0


def _hashes(*values: bytes) -> bool:
    return all(len(value) == SIZE for value in values)
