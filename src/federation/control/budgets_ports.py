"""What control needs of a store for money, each Protocol as small as its caller.

As with `control.ports`: all of it blocks and raises `errors.Unavailable` where the store cannot
be reached, and tests/contract holds each implementation to what is promised here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Protocol, TypeAlias

from federation.control.owned_ports import OwnedStore
from federation.domain.budgets import Budget, Lease, Standing
from federation.pricing.pots import Played, Turn

BudgetStore: TypeAlias = OwnedStore[Budget]
"""The budgets that are in force. Each belongs to one tenant."""


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
