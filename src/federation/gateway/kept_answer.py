"""The part of a streamed answer that has come so far, kept in case the stream breaks.

Events look alike, so a long answer is compressed, to about a twentieth of its size. The trap is
the cost of small pieces: measuring each costs more than keeping it, so they may be appended to
`fresh` unmeasured, and are weighed a few dozen at a time.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

_BATCH = 64 * 1024
_MOST = 16 * 1024 * 1024
_BEGINNING = 16
"""Batches that are kept of an answer that cannot be mended."""
_UNWEIGHED = 64
"""Pieces that may come between two looks at their size."""


class KeptAnswer:
    """The pieces of one answer, in order."""

    __slots__ = ("_before", "_packed", "_size", "due", "fresh", "whole")

    def __init__(self, *, whole: bool = True) -> None:
        self.fresh: list[bytes] = []
        """What was kept last. Whoever appends to it calls `weigh` once it is `due` long."""
        self.due = _UNWEIGHED
        self._before = 0
        """Bytes of what was packed, or dropped since."""
        self._packed: list[bytes] = []
        self._size = 0
        self.whole = whole
        """False where only the beginning is kept, as of an answer that is too long: it cannot be
        mended."""

    def add(self, data: bytes) -> None:
        """Keep a piece of any size."""
        self.fresh.append(data)
        self._size += len(data)
        if self._size > _BATCH:
            self._pack()

    def weigh(self) -> None:
        """See how much there is by now."""
        self._size = sum(map(len, self.fresh))
        self.due = len(self.fresh) + _UNWEIGHED
        if self._size > _BATCH:
            self._pack()

    @property
    def long(self) -> bool:
        """Whether to read it all again takes milliseconds."""
        return bool(self._packed)

    @property
    def total(self) -> int:
        """Bytes of the answer so far, kept or not."""
        return self._before + sum(map(len, self.fresh))

    def pieces(self) -> Iterator[bytes]:
        """All that was kept, in order."""
        yield from map(zlib.decompress, self._packed)
        yield from self.fresh

    def _pack(self) -> None:
        self._before += sum(map(len, self.fresh))
        if len(self._packed) * _BATCH >= _MOST:
            self.whole = False
            del self._packed[_BEGINNING:]
        elif self.whole or len(self._packed) < _BEGINNING:
            self._packed.append(zlib.compress(b"".join(self.fresh), 1))
        self.fresh.clear()
        self.due = _UNWEIGHED
        self._size = 0
