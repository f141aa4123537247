"""Which workers are dead, by their beats in the store alone. Pure: the clock is an argument.

Each control process says in the store that its workers live. Whoever sees the same number of
beats for long enough by its own monotonic clock takes the worker for dead. No time of day is
compared, so neither a clock that is set nor replicas whose clocks differ can end a lease early.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

BEAT_S: Final = 20.0
DEAD_S: Final = 1800.0
"""Longer than a worker spends without a beat (`gateway.purse.HOLD_S`) and its longest call."""


class Reaper:
    """What one control process saw of the beats."""

    def __init__(self, dead_s: float = DEAD_S) -> None:
        self._dead_s = dead_s
        self._seen: dict[str, tuple[int, float]] = {}

    def dead(self, beats: Mapping[str, tuple[str, int]], now_s: float) -> list[str]:
        """The writers whose beats stand still; `beats` is what the store says now."""
        self._seen = {
            writer: seen
            if (seen := self._seen.get(writer)) is not None and seen[0] == count
            else (count, now_s)
            for writer, (_, count) in beats.items()
        }
        return [
            writer for writer, (_, since_s) in self._seen.items() if now_s - since_s >= self._dead_s
        ]
