"""What control needs of a store for what tenants own and people set: budgets, and limits.

As with `control.ports`: all of it blocks and raises `errors.Unavailable` where the store cannot
be reached, and tests/contract holds each implementation to what is promised here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from federation.domain.owned import OwnedT


class OwnedStore(Protocol[OwnedT]):
    """Things of one kind, each kept by its tenant and its id."""

    def save(self, thing: OwnedT) -> None:
        """Keep a thing in the place of any of its tenant's with its id."""
        ...

    def change(
        self, tenant: str, name: str, edit: Callable[[OwnedT | None], OwnedT | None]
    ) -> OwnedT | None:
        """Put `edit(thing)` in a thing's place, alone in doing so: it is given None where there
        is none, and where it answers None there is none from now on.

        What `edit` raises is raised, and nothing is changed.
        """
        ...

    def find(self, tenant: str, name: str) -> OwnedT | None:
        """One of a tenant's by its id; None where it has none of this id."""
        ...

    def list(self, tenant: str | None) -> list[OwnedT]:
        """A tenant's (None: everyone's), oldest first."""
        ...

    def remove(self, tenant: str, name: str) -> bool:
        """End one; what was counted for it stays. False where `find` would find none."""
        ...


__all__ = ["OwnedStore"]
