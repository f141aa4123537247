"""Sums of the ledger by quarter of an hour, hour and day.

They are filled when they are first asked for: see `storage.rollups_rebuild`.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_NAMES = ("tenant", "team", "key", "subject", "provider", "model")
_SUMS = (
    *("calls", "failed", "duration_us", "attempts", "failed_attempts", "unpriced", "estimated"),
    *("input", "output", "cached", "cache_write", "cache_write_long"),
    *("audio_input", "audio_output", "reasoning", "cost_nano"),
)


def upgrade() -> None:
    """Make both tables."""
    op.create_table(
        "cost_rollups",
        sa.Column("kind", sa.Text(), primary_key=True),
        sa.Column("grain", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("at_ms", sa.BigInteger(), primary_key=True, autoincrement=False),
        *(sa.Column(name, sa.Text(), primary_key=True) for name in _NAMES),
        sa.Column("band", sa.Integer(), primary_key=True, autoincrement=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in _SUMS),
        sqlite_with_rowid=False,
    )
    op.create_index("cost_rollups_tenant", "cost_rollups", ["tenant", "kind", "grain", "at_ms"])
    op.create_table(
        "rollup_state",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("version", sa.Integer(), nullable=False),
    )
