"""Which rows a legal hold covers, as a condition. The trap: a hold on a tenant covers everyone."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, Table, and_, not_, true

from federation.storage.revisions import KEYS, alone
from federation.storage.sealing_entries import HoldEntry, Holds


def covered(table: Table, hold: HoldEntry) -> ColumnElement[bool]:
    """Rows of a table with the columns `tenant` and `subject` that this hold covers."""
    tenant: ColumnElement[bool] = table.c.tenant == hold.tenant
    return and_(tenant, table.c.subject == hold.subject) if hold.subject else tenant


def free(connection: Connection, table: Table, holds: Holds) -> ColumnElement[bool]:
    """Rows that no hold covers, now and until this transaction ends: replicas that share their
    store set no other one meanwhile."""
    alone(connection, KEYS)
    return and_(true(), *(not_(covered(table, hold)) for hold in holds()))
