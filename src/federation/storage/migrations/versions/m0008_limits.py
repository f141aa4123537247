"""Limits that people set, what is counted for them, and who holds slots."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from federation.storage.tables_replicas import make_notices

revision = "0008"
down_revision = "0009"


def upgrade() -> None:
    """Make the three tables and, on PostgreSQL, the trigger that tells of the first."""
    op.create_table(
        "limits",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("counts", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("window_s", sa.Integer(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("burst", sa.BigInteger(), nullable=False),
        sa.Column("tier", sa.Text(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
    )
    op.create_index("ix_limits_tenant", "limits", ["tenant"])
    op.create_table(
        "limit_meters",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("slots", sa.Boolean(), nullable=False),
        sa.Column("ends_ms", sa.BigInteger(), nullable=False),
    )
    op.create_index("ix_limit_meters_ends_ms", "limit_meters", ["ends_ms"])
    op.create_table(
        "limit_holders",
        sa.Column("holder", sa.Text(), primary_key=True),
        sa.Column("beats", sa.BigInteger(), nullable=False),
    )
    make_notices(op.get_bind())
