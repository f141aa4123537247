"""The one way to the rows of tenants, teams, users and keys: every look-up begins here.

The trap: a look-up that forgets its tenant still works in every test with one tenant. So
nobody writes the condition a second time, and tests/api/test_tenancy_isolation.py asks every
route for what another tenant has.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, Select, Table, select


def owner(table: Table) -> Column[Any]:
    """The column that says whose a row is. A tenant is its own."""
    return table.c.id if table.name == "tenants" else table.c.tenant


def owned(table: Table, tenant: str | None, *also: str) -> Select[Any]:
    """A query for a tenant's rows (None: everyone's); `also` is the id of one of them."""
    query = select(table)
    if tenant is not None:
        query = query.where(owner(table) == tenant)
    for name in also:
        query = query.where(table.c.id == name)
    return query
