"""What tenants own by an id: budgets, and limits."""

from __future__ import annotations

from typing import Protocol, TypeAlias, TypeVar

OwnedId: TypeAlias = tuple[str, str]
"""A tenant and an id, which is unique in that tenant only."""


class Owned(Protocol):
    """One such thing, frozen."""

    @property
    def id(self) -> str:
        """What its tenant calls it."""
        ...

    @property
    def tenant(self) -> str:
        """Whose it is."""
        ...

    @property
    def created_ms(self) -> int:
        """When it was set first, in milliseconds since 1970 UTC."""
        ...


OwnedT = TypeVar("OwnedT", bound=Owned)
