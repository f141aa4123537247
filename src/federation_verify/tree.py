"""RFC 9162's Merkle tree: the root of what was seen, and the two kinds of proof."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence


def leaf(line: bytes) -> bytes:
    """Section 2.1.1: the hash of a record."""
    return hashlib.sha256(b"\x00" + line).digest()


def node(left: bytes, right: bytes) -> bytes:
    """Section 2.1.1: the hash of an inner node."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Tree:
    """A stack of complete subtrees, merged as in section 2.1.2 (the algorithm of its end)."""

    def __init__(self) -> None:
        self.size = 0
        self._stack: list[bytes] = []

    def extend(self, digests: Sequence[bytes]) -> None:
        """More leaves."""
        stack, sha256 = self._stack, hashlib.sha256
        for size, digest in enumerate(digests, self.size):
            while size & 1:
                digest = sha256(b"\x01" + stack.pop() + digest).digest()
                size >>= 1
            stack.append(digest)
        self.size += len(digests)

    def root(self) -> bytes:
        """The root of all leaves so far."""
        if not self._stack:
            return hashlib.sha256().digest()
        root = self._stack[-1]
        for digest in reversed(self._stack[:-1]):
            root = node(digest, root)
        return root


def root_from_inclusion(at: int, size: int, digest: bytes, path: Sequence[bytes]) -> bytes | None:
    """The root that a path leads to, going up from the leaf; None for an impossible path."""
    turns: list[bool] = []
    """From the leaf upwards: is the sibling on the left?"""
    start, end = 0, size
    if not 0 <= at < size:
        return None
    while end - start > 1:
        middle = start + (1 << (end - start - 1).bit_length() - 1)
        turns.append(at >= middle)
        start, end = (middle, end) if at >= middle else (start, middle)
    if len(turns) != len(path) or any(len(each) != 32 for each in path):
        return None
    for on_the_left, sibling in zip(reversed(turns), path, strict=True):
        digest = node(sibling, digest) if on_the_left else node(digest, sibling)
    return digest


def roots_from_consistency(
    first: int, second: int, first_root: bytes, path: Sequence[bytes]
) -> tuple[bytes, bytes] | None:
    """Both roots that a consistency proof leads to; None for an impossible one.

    Walks down as section 2.1.4.1 does when it makes a proof, then up with its hashes.
    """
    if not 1 <= first <= second or any(len(each) != 32 for each in path):
        return None
    if first == second:
        return (first_root, first_root) if not path else None
    steps: list[bool] = []
    """From the top: did the earlier tree's edge lie in the right-hand part?"""
    size, edge = second, first
    while edge != size:
        middle = 1 << (size - 1).bit_length() - 1
        right = edge > middle
        steps.append(right)
        size, edge = (size - middle, edge - middle) if right else (middle, edge)
    hashes = list(path)
    if any(steps):
        if not hashes:
            return None
        old = new = hashes.pop(0)
    else:
        old = new = first_root
    if len(hashes) != len(steps):
        return None
    for right, sibling in zip(reversed(steps), hashes, strict=True):
        if right:
            old, new = node(sibling, old), node(sibling, new)
        else:
            new = node(new, sibling)
    return old, new
