"""Tables of the store of sealing keys, which is apart from the data: keys, holds, erasures."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, LargeBinary, MetaData, Table, Text

metadata = MetaData()

sealing_keys = Table(
    "sealing_keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("period", Text, nullable=False),
    Column("parent", Text, nullable=False, index=True),
    Column("wrapped", LargeBinary, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("until_ms", BigInteger, nullable=False),
    Column("uses", BigInteger, nullable=False),
    Column("destroyed_ms", BigInteger),
    Column("why", Text, nullable=False),
    Index("sealing_keys_owner", "tenant", "kind", "subject", "period"),
)

legal_holds = Table(
    "legal_holds",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("released_ms", BigInteger),
)

erasures = Table(
    "erasures",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("asked_ms", BigInteger, nullable=False),
    Column("done_ms", BigInteger),
    Column("keys", BigInteger, nullable=False),
)

TABLES = tuple(metadata.sorted_tables)
"""For copies, which are kept apart from those of the data."""
