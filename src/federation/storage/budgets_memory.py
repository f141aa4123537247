"""Budgets, pots and leases in memory: for tests, and for a gateway inside a program.

The trap: nothing here outlives the process, so what it held is forgotten with it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection

from federation.domain.budgets import Budget, Lease, Standing, pot_budget
from federation.pricing.pots import Played, Till, Turn, touched
from federation.storage.owned_rows import OwnedInMemory

MemoryBudgets = OwnedInMemory[Budget]
"""Budgets in memory; implements `control.budgets_ports.BudgetStore`."""


class MemoryPots:
    """Pots and leases in memory; implements `control.budgets_ports.PotStore`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pots: dict[str, Standing] = {}
        self._leases: dict[str, dict[str, Lease]] = {}
        """By writer, then by pot."""
        self._alerted: dict[str, int] = {}
        self._beats: dict[str, tuple[str, int]] = {}

    def turn(self, turn: Turn) -> Played:
        """Play a turn, all or nothing."""
        pots, places = touched(turn)
        with self._lock:
            leases = {
                (writer, pot): lease
                for writer in {writer for writer, _ in places} | set(turn.closes)
                for pot, lease in self._leases.get(writer, {}).items()
            }
            pots.update(pot for writer, pot in leases if writer in turn.closes)
            till = Till({name: self._pots[name] for name in pots if name in self._pots}, leases)
            played = till.play(turn)
            self._pots.update(till.pots)
            for (writer, pot), lease in till.leases.items():
                self._leases.setdefault(writer, {})[pot] = lease
            for writer in turn.closes:
                self._beats.pop(writer, None)
        return played

    def standings(self, tenant: str, budget: str) -> list[Standing]:
        """Every pot of a tenant's budget, by id."""
        owned = (tenant, budget)
        with self._lock:
            return [pot for name, pot in sorted(self._pots.items()) if pot_budget(name) == owned]

    def of_period(self, tenant: str, budget: str, start_ms: int) -> list[Standing]:
        """The pots of a tenant's budget in the period that begins then, by id."""
        pots = self.standings(tenant, budget)
        return [each for each in pots if each.pot.endswith(f"/{start_ms}")]

    def leases(self, writer: str | None = None) -> list[Lease]:
        """The open leases of a writer (None: of all), by writer and pot."""
        with self._lock:
            writers = sorted(self._leases) if writer is None else [writer]
            return [
                lease
                for each in writers
                for _, lease in sorted(self._leases.get(each, {}).items())
                if not lease.closed
            ]

    def alerted(self, pot: str, percent: int) -> bool:
        """Note that an alert is due; False where it, or a higher one, was noted before."""
        with self._lock:
            if self._alerted.get(pot, 0) >= percent:
                return False
            self._alerted[pot] = percent
            return True

    def prune(self, over: Callable[[str], bool]) -> int:
        """Forget pots that are `over`, and their leases; how many. One of which a writer still
        holds a lease stays."""
        with self._lock:
            held = {
                pot
                for leases in self._leases.values()
                for pot, lease in leases.items()
                if not lease.closed
            }
            gone = [pot for pot in self._pots if over(pot) and pot not in held]
            for pot in gone:
                del self._pots[pot]
                for leases in self._leases.values():
                    leases.pop(pot, None)
        return len(gone)

    def beat(self, replica: str, writers: Collection[str]) -> None:
        """These workers of a replica are alive."""
        with self._lock:
            for writer in writers:
                _, beats = self._beats.get(writer, ("", 0))
                self._beats[writer] = (replica, beats + 1)

    def beats(self) -> dict[str, tuple[str, int]]:
        """Replica and number of beats of every writer that was never closed."""
        with self._lock:
            return dict(self._beats)
