"""Tiers, teams, users, secrets that were rotated away, and answers to repeated requests."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the columns and make the four tables."""
    for table, column in (
        ("tenants", sa.Column("tier", sa.Text(), nullable=False, server_default="enterprise")),
        ("tenants", sa.Column("requests_month", sa.BigInteger())),
        ("tenants", sa.Column("providers", sa.BigInteger())),
        (
            "tenants",
            sa.Column("suspended", sa.Boolean(), nullable=False, server_default=sa.false()),
        ),
        ("virtual_keys", sa.Column("team", sa.Text(), nullable=False, server_default="")),
        ("virtual_keys", sa.Column("user", sa.Text(), nullable=False, server_default="")),
    ):
        op.add_column(table, column)
    op.create_table(
        "retired_secrets",
        sa.Column("hash", sa.LargeBinary(), primary_key=True),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("until_ms", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "teams",
        sa.Column("tenant", sa.Text(), sa.ForeignKey("tenants.id"), primary_key=True),
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "users",
        sa.Column("tenant", sa.Text(), sa.ForeignKey("tenants.id"), primary_key=True),
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("team", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("suspended", sa.Boolean(), nullable=False),
    )
    op.create_table(
        "idempotent_answers",
        sa.Column("tenant", sa.Text(), primary_key=True),
        sa.Column("key", sa.Text(), primary_key=True),
        sa.Column("name", sa.Text(), primary_key=True),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
    )
    op.create_index("ix_idempotent_answers_expires_ms", "idempotent_answers", ["expires_ms"])
