"""Limits and meters in memory: for tests, for a gateway inside a program, and for a control
process whose store is away.

The trap: nothing here outlives the process, so what it counted is forgotten with it.
"""

from __future__ import annotations

import copy
import threading

from federation.domain.limits import Limit, Meter
from federation.pricing.meters import Answer, Board, State, Turn, ends_ms, touched
from federation.storage.owned_rows import OwnedInMemory

MemoryLimits = OwnedInMemory[Limit]
"""Limits in memory; implements `control.limits_ports.LimitStore`."""


class MemoryMeters:
    """Meters in memory; implements `control.limits_ports.MeterStore`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._states: dict[str, State] = {}
        self._ends: dict[str, int | None] = {}
        self._beats: dict[str, int] = {}

    def turn(self, turn: Turn) -> tuple[Answer, ...]:
        """Play a turn, an answer for each ask."""
        with self._lock:
            meters = touched(turn)
            board = Board({name: self._states[name] for name in meters if name in self._states})
            answers = board.play(turn)
            for name in board.changed:
                state = self._states[name] = board.states[name]
                self._ends[name] = ends_ms(meters[name], state, turn.now_ms)
                for holder in state.held:
                    self._beats.setdefault(holder, 0)
        return answers

    def state(self, meter: Meter) -> State:
        """What a meter has counted, as it was last played."""
        with self._lock:
            return copy.deepcopy(self._states.get(meter.id, State()))

    def holders(self) -> dict[str, tuple[str, int]]:
        """Who holds slots, and their beats."""
        with self._lock:
            held = {holder for state in self._states.values() for holder in state.held}
            return {holder: (holder, self._beats.get(holder, 0)) for holder in sorted(held)}

    def beat(self, holder: str) -> None:
        """This holder is alive."""
        with self._lock:
            if holder in self._beats:
                self._beats[holder] += 1

    def drop(self, holder: str) -> None:
        """A holder is dead: its slots are free. Idempotent."""
        with self._lock:
            self._beats.pop(holder, None)
            for state in self._states.values():
                state.held.pop(holder, None)

    def sweep(self, now_ms: int) -> int:
        """Forget meters that are as new ones; how many."""
        with self._lock:
            over = [name for name, end in self._ends.items() if end is not None and end <= now_ms]
            for name in over:
                del self._ends[name], self._states[name]
            return len(over)
