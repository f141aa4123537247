"""What is written in one turn of the event loop goes out together, at the turn's end.

A write wakes whoever waits at the other end, which on an idle processor costs more than the write
itself. Under load many calls have their turn at once, and what they write one after the other
finds the other end awake. The trap: an order. Whoever writes to a transport, ends or closes it by
itself flushes first, or what was posted comes behind.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

_MOST_AT_ONCE: Final = 63
"""So many writes go out at once before it is seen again whether one comes alone."""
_MOST_DUE: Final = 16
"""So many wait at the most: a busy turn is long, and whoever was first in it is to wait no longer
than it takes to share one waking."""


class Outbox:
    """Writes that wait for the end of the turn. Belongs to one event loop.

    Where one came alone the next go out at once, one, then three, then seven: a turn of its own
    would be for nothing.
    """

    __slots__ = ("_alone", "_at_once", "_due", "_full", "_loop")

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._due: deque[tuple[asyncio.WriteTransport, bytes]] = deque()
        self._at_once = 0
        """So many more go out without waiting."""
        self._alone = 0
        """How many did after the last look."""
        self._full = False
        """More than may wait were posted in this turn."""

    def post(self, transport: asyncio.WriteTransport, data: bytes) -> None:
        """Write at the end of this turn, or now; behind what was posted before."""
        due = self._due
        if due:
            due.append((transport, data))
            if len(due) >= _MOST_DUE:
                self._full = True
                self.flush()
        elif self._at_once:
            self._at_once -= 1
            transport.write(data)
        else:
            due.append((transport, data))
            if self._loop is None:
                self._loop = asyncio.get_running_loop()
            self._loop.call_soon(self._end_turn)

    def flush(self) -> None:
        """Write now what was posted. What has broken since then gets nothing: to write to it raises
        under uvloop, and would raise to whoever flushes, who is somebody else."""
        due = self._due
        try:
            while due:
                transport, data = due.popleft()
                if not transport.is_closing():
                    transport.write(data)
        finally:
            if due:  # one transport's fault is not the others'
                asyncio.get_running_loop().call_soon(self.flush)

    def _end_turn(self) -> None:
        if len(self._due) > 1 or self._full:
            self._alone, self._full = 0, False
        elif self._due:  # else somebody has flushed
            self._alone = self._at_once = min(2 * self._alone + 1, _MOST_AT_ONCE)
        self.flush()
