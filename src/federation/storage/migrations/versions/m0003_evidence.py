"""The index of the evidence log: checkpoints and the places of records, append-only."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make both tables and their triggers."""
    op.create_table(
        "evidence_checkpoints",
        sa.Column("n", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("size", sa.BigInteger(), nullable=False, unique=True),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "evidence_runs",
        sa.Column("at", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("writer", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
    )
    op.create_index("evidence_runs_writer", "evidence_runs", ["writer", "seq"])
    if op.get_bind().dialect.name != "sqlite":
        return
    for table in ("evidence_checkpoints", "evidence_runs"):
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_{verb.lower()} BEFORE {verb} ON {table} "
                "BEGIN SELECT RAISE(ABORT, 'the evidence index is append-only'); END"
            )
