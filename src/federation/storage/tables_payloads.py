"""The tables of kept contents and of names. All that is personal is sealed or a pseudonym."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, Table, Text

from federation.storage.tables import metadata

payloads = Table(
    "payloads",
    metadata,
    Column("call", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, nullable=False, index=True),
    Column("size", BigInteger, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Index("payloads_owner", "tenant", "subject", "at_ms"),
)

payload_offsets = Table(
    "payload_offsets",
    metadata,
    Column("writer", Text, primary_key=True),
    Column("segment", Integer, nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("seq", BigInteger, nullable=False),
    comment="How far the spools of workers were taken in.",
)

names = Table(
    "names",
    metadata,
    Column("subject", Text, primary_key=True),
    Column("tenant", Text, primary_key=True),
    Column("since_ms", BigInteger, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    comment="Whom pseudonyms stand for; each name is sealed with a key of its person.",
)
