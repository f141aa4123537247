"""Whom the pseudonyms in records stand for, sealed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Make the table. Calls from before name their users as they did: their lines are evidence."""
    op.create_table(
        "names",
        sa.Column("subject", sa.Text(), primary_key=True),
        sa.Column("tenant", sa.Text(), primary_key=True),
        sa.Column("since_ms", sa.BigInteger(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        comment="Whom pseudonyms stand for; each name is sealed with a key of its person.",
    )
