"""Whether a writer lives that may be another replica's: its journal is not here to say so.

The trap: a worker that has just started is not known to the store yet. One that is known to
nobody is therefore taken for dead only after a while of that.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final

UNKNOWN_S: Final = 60.0


class Strangers:
    """`ours` are the writers whose journals are here, `beats` those that anybody answers for."""

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
        """Whether it may still write. Raises `Unavailable`."""
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
