"""What control needs of a store for money, each Protocol as small as its caller.

As with `control.ports`: all of it blocks and raises `errors.Unavailable` where the store cannot
be reached, and tests/contract holds each implementation to what is promised here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Protocol

from federation.domain.budgets import Budget, Lease, Standing
from federation.pricing.pots import Played, Turn


class BudgetStore(Protocol):
    """The budgets that are in force. Each belongs to one tenant."""

    def save(self, budget: Budget) -> None:
        """Keep a budget in the place of any of its tenant's with its id."""
        ...

    def change(
        self, tenant: str, budget: str, edit: Callable[[Budget | None], Budget | None]
    ) -> Budget | None:
        """Put `edit(budget)` in a budget's place, alone in doing so: it is given None where there
        is none, and where it answers None there is none from now on.

        What `edit` raises is raised, and nothing is changed.
        """
        ...

    def find(self, tenant: str, budget: str) -> Budget | None:
        """One of a tenant's budgets; None where it has none of this id."""
        ...

    def list(self, tenant: str | None) -> list[Budget]:
        """A tenant's budgets (None: everyone's), oldest first."""
        ...

    def remove(self, tenant: str, budget: str) -> bool:
        """End a budget; what was counted stays. False where `find` would find none."""
        ...


class PotStore(Protocol):
    """Pots and leases, shared by every control process on the same store."""

    def turn(self, turn: Turn) -> Played:
        """Play a turn, all or nothing; what it grants is durable before this returns.

        Notes and closes are idempotent. Asks are not: each grants anew. Where this raises,
        nothing was handed out, and what was reserved for it comes back by itself.
        """
        ...

    def standings(self, tenant: str, budget: str) -> list[Standing]:
        """Every pot of a tenant's budget, by id."""
        ...

    def of_period(self, tenant: str, budget: str, start_ms: int) -> list[Standing]:
        """The pots of a tenant's budget in the period that begins then, by id."""
        ...

    def leases(self, writer: str | None = None) -> list[Lease]:
        """The open leases of a writer (None: of all), by writer and pot."""
        ...

    def alerted(self, pot: str, percent: int) -> bool:
        """Note that an alert is due; False where it, or a higher one, was noted before."""
        ...

    def prune(self, over: Callable[[str], bool]) -> int:
        """Forget pots that are `over`, and their leases; how many. One of which a writer still
        holds a lease stays."""
        ...

    def beat(self, replica: str, writers: Collection[str]) -> None:
        """These workers of a replica are alive."""
        ...

    def beats(self) -> dict[str, tuple[str, int]]:
        """Replica and number of beats of every writer that was never closed."""
        ...


__all__ = ["BudgetStore", "PotStore"]
