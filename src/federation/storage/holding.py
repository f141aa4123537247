"""Which rows a legal hold covers, as a condition. The trap: a hold on a tenant covers everyone."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Table, and_

from federation.storage.sealing_entries import HoldEntry


def covered(table: Table, hold: HoldEntry) -> ColumnElement[bool]:
    """Rows of a table with the columns `tenant` and `subject` that this hold covers."""
    tenant: ColumnElement[bool] = table.c.tenant == hold.tenant
    return and_(tenant, table.c.subject == hold.subject) if hold.subject else tenant
