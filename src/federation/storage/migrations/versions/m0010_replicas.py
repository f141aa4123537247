"""Replicas that live on one store, and notices of what they change."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from federation.storage.tables_replicas import make_notices

revision = "0010"
down_revision = "0012"


def upgrade() -> None:
    """Make the table and, on PostgreSQL, the triggers."""
    op.create_table(
        "replicas",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("money", sa.Text(), nullable=False),
        sa.Column("keys", sa.Text(), nullable=False),
        sa.Column("workers", sa.Integer(), nullable=False),
        sa.Column("started_ms", sa.BigInteger(), nullable=False),
        sa.Column("seen_ms", sa.BigInteger(), nullable=False),
    )
    make_notices(op.get_bind())
