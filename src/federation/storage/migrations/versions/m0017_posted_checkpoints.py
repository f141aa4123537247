"""The newest signed checkpoint of each replica's evidence log, for the logs of the others."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Make the table. Each replica fills its row with its next checkpoint."""
    op.create_table(
        "posted_checkpoints",
        sa.Column("log", sa.Text(), primary_key=True),
        sa.Column("replica", sa.Text(), nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.Column("line", sa.LargeBinary(), nullable=False),
        sa.Column("keys", sa.LargeBinary(), nullable=False),
    )
