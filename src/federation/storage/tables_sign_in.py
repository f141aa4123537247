"""The tables of who has signed in, of keys that sign, and of what is to be told to people."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, Table, Text

from federation.storage.tables import metadata

sessions = Table(
    "sessions",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("subject", Text, nullable=False, index=True),
    Column("scopes", Text, nullable=False),
    Column("salt", LargeBinary, nullable=False),
    Column("n", BigInteger, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("turned_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, nullable=False, index=True),
    Column("ended_ms", BigInteger, index=True),
    Column("reason", Text, nullable=False),
    comment="Who has signed in. `n` is how many times a session was refreshed.",
)

token_keys = Table(
    "token_keys",
    metadata,
    Column("n", Integer, primary_key=True, autoincrement=False),
    Column("id", Text, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("from_s", BigInteger, nullable=False),
    comment="Keys that sign access tokens, sealed under the master key.",
)

alert_notices = Table(
    "alert_notices",
    metadata,
    Column("id", Text, primary_key=True),
    Column("channel", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("made_ms", BigInteger, nullable=False),
    Column("due_ms", BigInteger, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("body", Text, nullable=False),
    Column("problem", Text, nullable=False),
    Index("alert_notices_due", "state", "due_ms"),
    comment="What is to be told, or was, by way of which channel; each once.",
)
