"""On PostgreSQL, sums of whole numbers without decimals on the way: locks no table."""

from __future__ import annotations

from alembic import op

from federation.storage.tables_sums import make_sum

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Make the aggregate."""
    make_sum(op.get_bind())
