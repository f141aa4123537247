"""What tenancy needs of a store. All of it blocks; see `control.ports` for the rules.

The trap: `tenant` is where to look, not a filter on what was found. An id of another tenant
is not there, just like one that nobody has.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Protocol, TypeVar

from federation.control.ports import KeyStore
from federation.domain.access import VirtualKey
from federation.domain.hands import Hand
from federation.domain.tenancy import Team, Tenant, User
from federation.storage.tenancy_entries import Answer, Held, Place, Removal, Retired

T = TypeVar("T")


class Objects(Protocol[T]):
    """Objects of one kind. A tenant's own tenant is itself."""

    def add(self, made: T) -> bool:
        """Keep a new object; False where its tenant has one of this id."""
        ...

    def find(self, tenant: str, name: str) -> T | None:
        """One object, or None."""
        ...

    def page(
        self, tenant: str | None, after: Place | None, limit: int | None, team: str | None = None
    ) -> list[T]:
        """Objects by tenant and id (None: everyone's; all of them); `team` is for users."""
        ...

    def change(self, tenant: str, name: str, edit: Callable[[T], T]) -> T | None:
        """Put `edit(object)` in an object's place, alone in doing so; None where there is
        none. What `edit` raises is raised, and nothing is changed."""
        ...

    def remove(self, tenant: str, name: str, check: Callable[[T], None]) -> Removal | Held:
        """Delete an object to which nothing belongs any more, or say what does. What `check`
        raises is raised."""
        ...


class TenancyStore(Protocol):
    """Tenants, teams and users."""

    @property
    def tenants(self) -> Objects[Tenant]:
        """Every tenant."""
        ...

    @property
    def teams(self) -> Objects[Team]:
        """Every tenant's teams."""
        ...

    @property
    def users(self) -> Objects[User]:
        """Every tenant's people."""
        ...


class IssuedKeys(KeyStore, Protocol):
    """Virtual keys, and what can be done to one after it was issued."""

    def page(
        self,
        tenant: str | None,
        after: Place | None,
        limit: int,
        team: str | None = None,
        user: str | None = None,
    ) -> Sequence[VirtualKey]:
        """Keys by age and id, revoked ones too (tenant None: everyone's)."""
        ...

    def change(
        self,
        tenant: str | None,
        key: str,
        edit: Callable[[VirtualKey], VirtualKey],
        retire_ms: int | None = None,
        by: str = "",
    ) -> VirtualKey | None:
        """Put `edit(key)` in a key's place, alone in doing so; None where there is none.

        What `edit` raises is raised, and nothing is changed. A hash that it replaces is good
        until `retire_ms` (None: no more), and any before that one ends now; `by` is who gets
        the secret of the new one.
        """
        ...

    def hands(self, keys: Collection[str]) -> Sequence[Hand]:
        """Who is behind these keys: all who ever were."""
        ...

    def retired(self, now_ms: int) -> Sequence[Retired]:
        """Former secrets that still work, in the order in which they end."""
        ...


class AnswerStore(Protocol):
    """Answers to requests that may be sent again, by who asked and the name they gave it."""

    def begin(self, answer: Answer, now_ms: int) -> Answer | None:
        """Claim a name with an answer that has no status yet; the one that is there, if any."""
        ...

    def finish(self, answer: Answer) -> None:
        """Keep what was answered under a name that was claimed."""
        ...

    def forget(self, tenant: str, key: str, name: str) -> None:
        """Give a name free that was claimed."""
        ...
