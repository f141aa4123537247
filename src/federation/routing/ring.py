"""A consistent-hash ring: a key keeps its deployment while that one remains.

150 virtual nodes each even out the shares; when one of n deployments leaves, only its own
keys move, about one in n. The points depend on the deployment's id alone, so every worker
and replica builds the same ring.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from hashlib import blake2b, shake_128

VIRTUAL_NODES = 150
_WALK = 16
"""How many distinct nodes are looked for along the ring; the rest of a long order keeps
its index order, because nobody falls back that far."""
_POINTS = struct.Struct(f">{VIRTUAL_NODES}Q")
_PLACE_MASK = (1 << 16) - 1
_POINT_MASK = ((1 << 64) - 1) ^ _PLACE_MASK


class Ring:
    """The virtual nodes of one set of deployments, in ring order."""

    __slots__ = ("_count", "_points")

    def __init__(self, members: tuple[str, ...]) -> None:
        """`members` are deployment ids, fewer than 65,536."""
        self._count = len(members)
        # The member's place goes into the low bits of each point: one sort of plain
        # integers is much faster than one of pairs.
        self._points = sorted(
            (point & _POINT_MASK) | place
            for place, name in enumerate(members)
            for point in _POINTS.unpack(shake_128(name.encode()).digest(_POINTS.size))
        )

    def order(self, key: str) -> list[int]:
        """All members, as places in the list given: the key's own first, then its successors."""
        points, count = self._points, len(self._points)
        digest = blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        start = bisect_right(points, int.from_bytes(digest, "big"))
        wanted = min(self._count, _WALK)
        found: dict[int, None] = {}
        for step in range(start, start + count):
            found[points[step % count] & _PLACE_MASK] = None
            if len(found) == wanted:
                break
        return [*found, *(place for place in range(self._count) if place not in found)]
