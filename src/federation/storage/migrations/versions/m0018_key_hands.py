"""Who is behind each key: who made it, holds it, or gave it a new secret."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """Make the table, empty: who made the keys that there are, nobody noted."""
    op.create_table(
        "key_hands",
        sa.Column("key", sa.Text(), primary_key=True),
        sa.Column("hand", sa.Text(), primary_key=True),
        sa.Column("how", sa.Text(), primary_key=True),
        comment="Who made a key, holds it, or gave it a new secret. Rows stay.",
        sqlite_with_rowid=False,
    )
