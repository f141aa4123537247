"""How much of each budget is used, for whoever watches: what turns said last of its pots. Pure.

The trap: a process that has just begun knows of a pot only with its next turn, so a budget that
nobody has drawn on since is not told of at all, rather than as empty.
"""

from __future__ import annotations

from collections.abc import Iterable

from federation.domain.budgets import BudgetBook, Standing, pot_budget, pot_end_ms
from federation.domain.owned import OwnedId

_MOST = 100_000


class BudgetUse:
    """The pots that this process has seen."""

    def __init__(self) -> None:
        self._shares: dict[str, float] = {}

    def hear(self, standings: Iterable[Standing]) -> None:
        """Remember how pots stand now."""
        if len(self._shares) > _MOST:
            self._shares.clear()
        for pot in standings:
            self._shares[pot.pot] = pot.spent_nano / pot.cap_nano if pot.cap_nano else 1.0

    def shares(self, book: BudgetBook, at_ms: int) -> dict[OwnedId, float]:
        """By budget in force, what is spent of its limit: 1 is all of it. Where each of many has
        the limit for itself, the one who has spent most. Periods that are over are forgotten."""
        found: dict[OwnedId, float] = {}
        over = []
        for pot, share in self._shares.items():
            owned = pot_budget(pot)
            budget = book.budgets.get(owned)
            end_ms = pot_end_ms(pot, budget)
            if budget is None or (end_ms is not None and end_ms <= at_ms):
                over.append(pot)
            else:
                found[owned] = max(share, found.get(owned, 0.0))
        for pot in over:
            del self._shares[pot]
        return found
