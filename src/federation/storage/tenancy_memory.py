"""The stores of tenancy in memory: for tests, and for a gateway that runs inside a program."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from federation.domain.access import VirtualKey
from federation.domain.tenancy import Member, Team, Tenant, User
from federation.storage.accounts_memory import MemoryKeys
from federation.storage.tenancy_entries import Answer, Held, Place, Removal

T = TypeVar("T", bound=Member)


class MemoryObjects(Generic[T]):
    """One kind in memory; implements `control.tenancy_ports.Objects`."""

    def __init__(self, kept: dict[tuple[str, str], T], held: Callable[[str, str], Held]) -> None:
        self._kept = kept
        self._held = held

    def add(self, made: T) -> bool:
        """Keep a new object; False where its tenant has one of this id."""
        return self._kept.setdefault(_place(made), made) is made

    def find(self, tenant: str, name: str) -> T | None:
        """One object, or None."""
        return self._kept.get((tenant, name))

    def page(
        self, tenant: str | None, after: Place | None, limit: int | None, team: str | None = None
    ) -> list[T]:
        """Objects by tenant and id."""
        places = [
            place
            for place, each in sorted(self._kept.items())
            if tenant in (None, place[0])
            and (after is None or place > after)
            and (team is None or (isinstance(each, User) and each.team == team))
        ]
        return [self._kept[place] for place in places[:limit]]

    def change(self, tenant: str, name: str, edit: Callable[[T], T]) -> T | None:
        """Put `edit(object)` in an object's place; None where there is none."""
        found = self._kept.get((tenant, name))
        if found is None:
            return None
        changed = self._kept[tenant, name] = edit(found)
        return changed

    def remove(self, tenant: str, name: str, check: Callable[[T], None]) -> Removal | Held:
        """Delete an object to which nothing belongs any more, or say what does."""
        found = self._kept.get((tenant, name))
        if found is None:
            return Removal.MISSING
        check(found)
        held = self._held(tenant, name)
        if held != Held():
            return held
        del self._kept[tenant, name]
        return Removal.DONE


class MemoryTenancy:
    """All three kinds, over the same keys; implements `control.tenancy_ports.TenancyStore`."""

    def __init__(self, keys: MemoryKeys) -> None:
        self._keys = keys
        teams: dict[tuple[str, str], Team] = {}
        users: dict[tuple[str, str], User] = {}

        def tenant_held(tenant: str, _: str) -> Held:
            good = len(self._in_force(tenant))
            return Held(
                teams=sum(place[0] == tenant for place in teams),
                users=sum(place[0] == tenant for place in users),
                keys=good,
                revoked=len(keys.list(tenant)) - good,
            )

        def team_held(tenant: str, team: str) -> Held:
            members = sum(u.tenant == tenant and u.team == team for u in users.values())
            return Held(users=members, keys=sum(k.team == team for k in self._in_force(tenant)))

        def user_held(tenant: str, user: str) -> Held:
            return Held(keys=sum(k.user == user for k in self._in_force(tenant)))

        self.tenants = MemoryObjects(keys.tenants, tenant_held)
        self.teams = MemoryObjects(teams, team_held)
        self.users = MemoryObjects(users, user_held)

    def _in_force(self, tenant: str) -> list[VirtualKey]:
        return [key for key in self._keys.list(tenant) if key.revoked_ms is None]


class MemoryAnswers:
    """Answers in memory; implements `control.tenancy_ports.AnswerStore`."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str, str], Answer] = {}

    def kept(self) -> list[Answer]:
        """All that is kept."""
        return list(self._kept.values())

    def begin(self, answer: Answer, now_ms: int) -> Answer | None:
        """Claim a name; the answer that is there already, if any."""
        place = (answer.tenant, answer.key, answer.name)
        found = self._kept.get(place)
        if found is not None and found.expires_ms > now_ms:
            return found
        self._kept[place] = answer
        return None

    def finish(self, answer: Answer) -> None:
        """Keep what was answered under a name that was claimed."""
        self._kept[answer.tenant, answer.key, answer.name] = answer

    def forget(self, tenant: str, key: str, name: str) -> None:
        """Give a name free that was claimed."""
        self._kept.pop((tenant, key, name), None)


def _place(made: Tenant | Team | User) -> tuple[str, str]:
    return (made.id if isinstance(made, Tenant) else made.tenant, made.id)
