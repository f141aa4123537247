"""Limits and meters in memory: for tests, for a gateway inside a program, and for a control
process whose store is away.

The trap: nothing here outlives the process, so what it counted is forgotten with it.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable

from federation.domain.limits import Limit, Meter, Owned
from federation.pricing.meters import Answer, Board, State, Turn, ends_ms, touched


class MemoryLimits:
    """Limits in memory; implements `control.limits_ports.LimitStore`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._limits: dict[Owned, Limit] = {}

    def save(self, limit: Limit) -> None:
        """Keep a limit in the place of any of its tenant's with its id."""
        self._limits[limit.tenant, limit.id] = limit

    def change(
        self, tenant: str, limit: str, edit: Callable[[Limit | None], Limit | None]
    ) -> Limit | None:
        """Put `edit(limit)` in a limit's place, alone in doing so: it is given None where there
        is none, and where it answers None there is none from now on.

        What `edit` raises is raised, and nothing is changed.
        """
        with self._lock:
            after = edit(self.find(tenant, limit))
            if after is None:
                self.remove(tenant, limit)
            else:
                self.save(after)
        return after

    def find(self, tenant: str, limit: str) -> Limit | None:
        """One of a tenant's limits; None where it has none of this id."""
        return self._limits.get((tenant, limit))

    def list(self, tenant: str | None) -> list[Limit]:
        """A tenant's limits (None: everyone's), oldest first."""
        chosen = [each for each in self._limits.values() if tenant in (None, each.tenant)]
        return sorted(chosen, key=lambda each: (each.created_ms, each.id, each.tenant))

    def remove(self, tenant: str, limit: str) -> bool:
        """End a limit. False where `find` would find none."""
        return self._limits.pop((tenant, limit), None) is not None


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
