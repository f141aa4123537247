"""Which master key a store goes with."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    """Make the table, empty: the next start says which key it has."""
    op.create_table(
        "master_marks",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("mark", sa.Text(), nullable=False),
        comment="Which master key the store goes with: one row.",
    )
