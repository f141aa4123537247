"""The tables of limits, and of what is counted on them."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Integer, PrimaryKeyConstraint, Table, Text

from federation.storage.tables import metadata

limits = Table(
    "limits",
    metadata,
    Column("id", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("counts", Text, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("window_s", Integer, nullable=False),
    Column("method", Text, nullable=False),
    Column("burst", BigInteger, nullable=False),
    Column("tier", Text, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    PrimaryKeyConstraint("tenant", "id"),
)

limit_meters = Table(
    "limit_meters",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("slots", Boolean, nullable=False),
    Column("ends_ms", BigInteger, nullable=False, index=True),
    comment="What is counted; from `ends_ms` on a meter is as a new one.",
)

limit_holders = Table(
    "limit_holders",
    metadata,
    Column("holder", Text, primary_key=True),
    Column("beats", BigInteger, nullable=False),
    comment="Control processes whose workers hold slots.",
)
