"""Rows that tenants own by an id, in the relational store and in memory: budgets, and limits.

The trap: whoever changes a thing that is not there has no row to hold. A lock of its name keeps
two replicas from both making it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Generic

from sqlalchemy import ColumnElement, Engine, Row, Table, delete, select

from federation.domain.owned import OwnedId, OwnedT
from federation.storage.engine import reading, replacing, writing
from federation.storage.revisions import alone


class OwnedRows(Generic[OwnedT]):
    """Things of one kind, a row of `table` for each; implements `control.owned_ports.OwnedStore`.

    `row` tells a thing's columns, `made` makes it from them again.
    """

    def __init__(
        self,
        engine: Engine,
        table: Table,
        row: Callable[[OwnedT], dict[str, Any]],
        made: Callable[[Row[Any]], OwnedT],
    ) -> None:
        self._engine = engine
        self._table = table
        self._row = row
        self._made = made

    def save(self, thing: OwnedT) -> None:
        """Keep a thing in the place of any of its tenant's with its id."""
        with writing(self._engine) as connection:
            connection.execute(replacing(self._table), self._row(thing))

    def change(
        self, tenant: str, name: str, edit: Callable[[OwnedT | None], OwnedT | None]
    ) -> OwnedT | None:
        """Put `edit(thing)` in a thing's place, alone in doing so: it is given None where there
        is none, and where it answers None there is none from now on.

        What `edit` raises is raised, and nothing is changed.
        """
        owned = self._owned(tenant, name)
        with writing(self._engine) as connection:
            alone(connection, f"{self._table.name} {tenant} {name}")
            query = select(self._table).where(*owned).with_for_update()
            row = connection.execute(query).one_or_none()
            after = edit(None if row is None else self._made(row))
            if after is None:
                connection.execute(delete(self._table).where(*owned))
            else:
                connection.execute(replacing(self._table), self._row(after))
        return after

    def find(self, tenant: str, name: str) -> OwnedT | None:
        """One of a tenant's by its id; None where it has none of this id."""
        query = select(self._table).where(*self._owned(tenant, name))
        with reading(self._engine) as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else self._made(row)

    def list(self, tenant: str | None) -> list[OwnedT]:
        """A tenant's (None: everyone's), oldest first."""
        its = self._table.c
        query = select(self._table).order_by(its.created_ms, its.id, its.tenant)
        if tenant is not None:
            query = query.where(its.tenant == tenant)
        with reading(self._engine) as connection:
            return [self._made(row) for row in connection.execute(query)]

    def remove(self, tenant: str, name: str) -> bool:
        """End one; what was counted for it stays. False where `find` would find none."""
        gone = delete(self._table).where(*self._owned(tenant, name))
        with writing(self._engine) as connection:
            return bool(connection.execute(gone).rowcount)

    def _owned(self, tenant: str, name: str) -> tuple[ColumnElement[bool], ...]:
        return self._table.c.tenant == tenant, self._table.c.id == name


class OwnedInMemory(Generic[OwnedT]):
    """Things of one kind in memory; implements `control.owned_ports.OwnedStore`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._things: dict[OwnedId, OwnedT] = {}

    def save(self, thing: OwnedT) -> None:
        """Keep a thing in the place of any of its tenant's with its id."""
        self._things[thing.tenant, thing.id] = thing

    def change(
        self, tenant: str, name: str, edit: Callable[[OwnedT | None], OwnedT | None]
    ) -> OwnedT | None:
        """Put `edit(thing)` in a thing's place, alone in doing so, as `OwnedRows.change` does."""
        with self._lock:
            after = edit(self.find(tenant, name))
            if after is None:
                self.remove(tenant, name)
            else:
                self.save(after)
        return after

    def find(self, tenant: str, name: str) -> OwnedT | None:
        """One of a tenant's by its id; None where it has none of this id."""
        return self._things.get((tenant, name))

    def list(self, tenant: str | None) -> list[OwnedT]:
        """A tenant's (None: everyone's), oldest first."""
        chosen = [each for each in self._things.values() if tenant in (None, each.tenant)]
        return sorted(chosen, key=lambda each: (each.created_ms, each.id, each.tenant))

    def remove(self, tenant: str, name: str) -> bool:
        """End one; what was counted for it stays. False where `find` would find none."""
        return self._things.pop((tenant, name), None) is not None
