"""Whether a worker may still write that may be another replica's, whose journals are not here.

The trap: a worker that has just started is not known to the store yet. So a worker that nobody
answers for is taken for dead only after it has been unknown for a while.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final

UNKNOWN_S: Final = 60.0


class RemoteWriters:
    """`ours` are the writers whose journals are here, `beats` those that any replica reports."""

    def __init__(
        self,
        ours: Callable[[], Collection[str]],
        lives: Callable[[str], bool],
        beats: Callable[[], Collection[str]],
        clock: Callable[[], float],
    ) -> None:
        self._ours = ours
        self._lives = lives
        self._beats = beats
        self._clock = clock
        self._unknown: dict[str, float] = {}

    def lives(self, writer: str) -> bool:
        """Whether this writer may still write. Raises `Unavailable`."""
        if writer in self._ours():
            return self._lives(writer)
        if writer in self._beats():
            self._unknown.pop(writer, None)
            return True
        since_s = self._unknown.setdefault(writer, self._clock())
        if self._clock() - since_s < UNKNOWN_S:
            return True
        del self._unknown[writer]
        return False
