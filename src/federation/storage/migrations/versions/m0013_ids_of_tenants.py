"""Ids of budgets and limits are unique in their tenant, and no longer in the whole gateway.

The trap: what is counted must go on. A tenant's meters of a limit that is about every tenant
get the name that they have from now on, with a `*` before the limit's id.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0011"

_TABLES = ("budgets", "limits")
_OURS = ("default.", "tier.community.", "tier.pro.")
"""Limits that are about every tenant without standing in the table."""


def upgrade() -> None:
    """Make tenant and id the key of both tables, and name meters anew."""
    connection = op.get_bind()
    for table in _TABLES:
        op.drop_index(f"ix_{table}_tenant", table)
        if connection.dialect.name == "postgresql":
            op.drop_constraint(f"{table}_pkey", table, type_="primary")
            op.create_primary_key(f"{table}_pkey", table, ["tenant", "id"])
        else:
            _copy(connection, table)
    _name_meters(connection)


def _copy(connection: sa.Connection, table: str) -> None:
    """SQLite changes no key in place."""
    before = sa.Table(table, sa.MetaData(), autoload_with=connection)
    columns = [sa.Column(each.name, each.type, nullable=False) for each in before.columns]
    op.create_table(f"{table}_next", *columns, sa.PrimaryKeyConstraint("tenant", "id"))
    connection.exec_driver_sql(f"INSERT INTO {table}_next SELECT * FROM {table}")  # noqa: S608  both names are ours
    op.drop_table(table)
    op.rename_table(f"{table}_next", table)


def _name_meters(connection: sa.Connection) -> None:
    kept = connection.execute(sa.text("SELECT id FROM limits WHERE tenant = '*'"))
    every = {limit for (limit,) in kept}
    meters = connection.execute(sa.text("SELECT id FROM limit_meters WHERE tenant <> '*'"))
    rename = sa.text("UPDATE limit_meters SET id = :after WHERE id = :before")
    for (name,) in meters.all():
        tenant, limit, whose = name.rsplit("/", 2)
        if limit in every or limit.startswith(_OURS):
            after = f"{tenant}/*{limit}/{whose}"
            connection.execute(rename, {"before": name, "after": after})
