"""Whether the store takes what control writes, as readiness and metrics tell it.

A store that refuses is told at once. One in which another replica holds a lock is well, and
what waits lies in the journals: it is told only where that goes on for longer than any replica
that is alive, or stands still in the midst of a change, holds one.
"""

from __future__ import annotations

from federation.errors import StoreLocked, Unavailable

LOCKED_S = 60.0


class Acceptance:
    """What came of the last writes to one store."""

    __slots__ = ("_locked_since_s", "good")

    def __init__(self) -> None:
        self.good = True
        self._locked_since_s: float | None = None

    def took(self) -> None:
        """A write was taken."""
        self.good = True
        self._locked_since_s = None

    def refused(self, error: Unavailable, now_s: float) -> None:
        """A write was not taken, at this monotonic time."""
        if isinstance(error, StoreLocked):
            if self._locked_since_s is None:
                self._locked_since_s = now_s
            if now_s - self._locked_since_s < LOCKED_S:
                return
        self.good = False
