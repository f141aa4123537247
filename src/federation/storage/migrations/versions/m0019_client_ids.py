"""Which calls a client knows by which id of its own."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    """Make the table, empty: calls from before hold their client's id in their lines alone."""
    op.create_table(
        "client_ids",
        sa.Column("client_id", sa.Text(), primary_key=True),
        sa.Column("n", sa.BigInteger(), primary_key=True),
        comment="The ids that clients gave their requests, and the places of their calls.",
        sqlite_with_rowid=False,
    )
