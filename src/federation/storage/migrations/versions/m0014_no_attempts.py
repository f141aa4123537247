"""The table of attempts goes: nobody read it, and every call paid for a row of it.

What it held is in the lines of `calls`, from which the ledger's attempts are told.
"""

from __future__ import annotations

from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Drop it."""
    op.drop_table("attempts")
