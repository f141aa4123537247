"""Contents that are kept, sealed; and whose a stored response is, as a pseudonym."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0008"


def upgrade() -> None:
    """Make both tables, and a column."""
    op.create_table(
        "payloads",
        sa.Column("call", sa.Text(), primary_key=True),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
    )
    op.create_index("payloads_owner", "payloads", ["tenant", "subject", "at_ms"])
    op.create_index("ix_payloads_expires_ms", "payloads", ["expires_ms"])
    op.create_table(
        "payload_offsets",
        sa.Column("writer", sa.Text(), primary_key=True),
        sa.Column("segment", sa.Integer(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
    )
    op.add_column("responses", sa.Column("subject", sa.Text(), nullable=False, server_default=""))
