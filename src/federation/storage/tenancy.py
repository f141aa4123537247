"""Tenants, teams and users in the relational store.

The trap: an object changes inside one transaction that holds its row, so that of two changes
at once each sees the other or waits for it. PostgreSQL locks the row (`FOR UPDATE`), SQLite
has locked the whole store already and ignores the words.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Row,
    Select,
    Table,
    delete,
    func,
    insert,
    literal,
    select,
    tuple_,
    update,
)
from sqlalchemy.exc import IntegrityError

from federation.domain.access import Role
from federation.domain.tenancy import Member, Quota, Team, Tenant, Tier, User
from federation.storage.engine import reading, writing
from federation.storage.tables import teams, tenants, users, virtual_keys
from federation.storage.tenancy_entries import Held, Place, Removal
from federation.storage.tenancy_scope import owned, owner

T = TypeVar("T", bound=Member)


@dataclass(frozen=True)
class _Kind(Generic[T]):
    """How one kind of object is kept."""

    table: Table
    row: Callable[[T], dict[str, Any]]
    made: Callable[[Row[Any]], T]
    holds: Callable[[str, str], dict[str, Select[Any]]]
    """How to count what keeps an object from being removed, by the fields of `Held`."""


class SqlObjects(Generic[T]):
    """One kind in a database; implements `control.tenancy_ports.Objects`."""

    def __init__(self, engine: Engine, kind: _Kind[T]) -> None:
        self._engine = engine
        self._kind = kind

    def add(self, made: T) -> bool:
        """Keep a new object; False where its tenant has one of this id."""
        kind = self._kind
        row = kind.row(made)
        with writing(self._engine) as connection:
            if self._row(connection, row[owner(kind.table).name], made.id) is not None:
                return False
            try:
                with connection.begin_nested():
                    connection.execute(insert(kind.table), row)
            except IntegrityError:
                return False  # another replica was faster
        return True

    def find(self, tenant: str, name: str) -> T | None:
        """One object, or None."""
        with reading(self._engine) as connection:
            row = connection.execute(owned(self._kind.table, tenant, name)).one_or_none()
        return None if row is None else self._kind.made(row)

    def page(
        self, tenant: str | None, after: Place | None, limit: int | None, team: str | None = None
    ) -> list[T]:
        """Objects by tenant and id."""
        table = self._kind.table
        order = (owner(table), table.c.id)
        query = owned(table, tenant).order_by(*order)
        if team is not None:
            query = query.where(table.c.team == team)
        if after is not None:
            query = query.where(tuple_(*order) > tuple_(*map(literal, after)))
        if limit is not None:
            query = query.limit(limit)
        with reading(self._engine) as connection:
            return [self._kind.made(row) for row in connection.execute(query)]

    def change(self, tenant: str, name: str, edit: Callable[[T], T]) -> T | None:
        """Put `edit(object)` in an object's place; None where there is none."""
        table = self._kind.table
        with writing(self._engine) as connection:
            row = self._row(connection, tenant, name)
            if row is None:
                return None
            changed = edit(self._kind.made(row))
            same = (owner(table) == tenant, table.c.id == name)
            connection.execute(update(table).where(*same).values(self._kind.row(changed)))
        return changed

    def remove(self, tenant: str, name: str, check: Callable[[T], None]) -> Removal | Held:
        """Delete an object to which nothing belongs any more, or say what does."""
        table = self._kind.table
        with writing(self._engine) as connection:
            row = self._row(connection, tenant, name)
            if row is None:
                return Removal.MISSING
            check(self._kind.made(row))
            counts = self._kind.holds(tenant, name)
            held = Held(**{what: connection.scalar(query) or 0 for what, query in counts.items()})
            if held != Held():
                return held
            same = (owner(table) == tenant, table.c.id == name)
            connection.execute(delete(table).where(*same))
        return Removal.DONE

    def _row(self, connection: Connection, tenant: str, name: str) -> Row[Any] | None:
        query = owned(self._kind.table, tenant, name).with_for_update()
        return connection.execute(query).one_or_none()


class SqlTenancy:
    """All three kinds; implements `control.tenancy_ports.TenancyStore`."""

    def __init__(self, engine: Engine) -> None:
        self.tenants = SqlObjects(engine, _TENANTS)
        self.teams = SqlObjects(engine, _TEAMS)
        self.users = SqlObjects(engine, _USERS)


def _tenant_row(tenant: Tenant) -> dict[str, Any]:
    return {
        "id": tenant.id,
        "name": tenant.name,
        "created_ms": tenant.created_ms,
        "tier": tenant.tier.value,
        "requests_month": tenant.custom.requests_month,
        "providers": tenant.custom.providers,
        "suspended": tenant.suspended,
    }


def _tenant(row: Row[Any]) -> Tenant:
    custom = Quota(row.requests_month, row.providers)
    return Tenant(row.id, row.name, row.created_ms, Tier(row.tier), custom, bool(row.suspended))


def _team_row(team: Team) -> dict[str, Any]:
    return {
        "tenant": team.tenant,
        "id": team.id,
        "name": team.name,
        "created_ms": team.created_ms,
    }


def _team(row: Row[Any]) -> Team:
    return Team(row.id, row.tenant, row.name, row.created_ms)


def _user_row(user: User) -> dict[str, Any]:
    return {
        "tenant": user.tenant,
        "id": user.id,
        "name": user.name,
        "created_ms": user.created_ms,
        "role": user.role.value,
        "team": user.team,
        "email": user.email,
        "suspended": user.suspended,
    }


def _user(row: Row[Any]) -> User:
    facts = (Role(row.role), row.team, row.email, bool(row.suspended))
    return User(row.id, row.tenant, row.name, row.created_ms, *facts)


def _count(table: Table, tenant: str, *conditions: ColumnElement[bool]) -> Select[Any]:
    return select(func.count()).select_from(table).where(owner(table) == tenant, *conditions)


_IN_FORCE: Final = virtual_keys.c.revoked_ms.is_(None)


_TENANTS = _Kind(
    tenants,
    _tenant_row,
    _tenant,
    lambda tenant, _: {
        "teams": _count(teams, tenant),
        "users": _count(users, tenant),
        "keys": _count(virtual_keys, tenant, _IN_FORCE),
        "revoked": _count(virtual_keys, tenant, virtual_keys.c.revoked_ms.is_not(None)),
    },
)
_TEAMS = _Kind(
    teams,
    _team_row,
    _team,
    lambda tenant, team: {
        "users": _count(users, tenant, users.c.team == team),
        "keys": _count(virtual_keys, tenant, virtual_keys.c.team == team, _IN_FORCE),
    },
)
_USERS = _Kind(
    users,
    _user_row,
    _user,
    lambda tenant, user: {
        "keys": _count(virtual_keys, tenant, virtual_keys.c.user == user, _IN_FORCE)
    },
)
