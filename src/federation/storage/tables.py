"""The relational tables, as SQLAlchemy Core. Control only; a worker never imports this.

The trap: two ways lead to a schema. A fresh store is made from this metadata (fast, at
first start), an older one by the migrations; a test holds the two equal, so a change here
needs a migration beside it and a new `HEAD`.

Times are Unix milliseconds, money is nano-dollars in 64-bit integers: exact up to nine
billion dollars.
"""

from __future__ import annotations

from sqlalchemy import (
    DDL,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    event,
    text,
)

HEAD = "0003"
"""The newest migration; what `alembic_version` says in a store that is up to date."""

metadata = MetaData()

# SQLite counts rows by themselves only in a column of exactly the type INTEGER.
_Serial = BigInteger().with_variant(Integer(), "sqlite")

tenants = Table(
    "tenants",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
)

virtual_keys = Table(
    "virtual_keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("hash", LargeBinary, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("tenant", Text, ForeignKey("tenants.id"), nullable=False, index=True),
    Column("role", Text, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger),
    Column("revoked_ms", BigInteger),
    Column("models", Text, nullable=False),
    Column("providers", Text, nullable=False),
    Column("hint", Text, nullable=False),
)

provider_overrides = Table(
    "provider_overrides",
    metadata,
    Column("provider", Text, primary_key=True),
    Column("enabled", Boolean, nullable=False),
    Column("changed_ms", BigInteger, nullable=False),
    Column("changed_by", Text, nullable=False),
)

config_versions = Table(
    "config_versions",
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=True),
    Column("digest", Text, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
    sqlite_autoincrement=True,
)

ingest_offsets = Table(
    "ingest_offsets",
    metadata,
    Column("writer", Text, primary_key=True),
    Column("segment", Integer, nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("closed", Boolean, nullable=False),
)

calls = Table(
    "calls",
    metadata,
    Column("n", _Serial, primary_key=True, autoincrement=True),
    Column("id", Text, nullable=False, unique=True),
    Column("writer", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("requested", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("deployment", Text, nullable=False),
    Column("started_ms", BigInteger, nullable=False),
    Column("ended_ms", BigInteger),
    Column("duration_ms", Float, nullable=False),
    Column("input", BigInteger, nullable=False),
    Column("output", BigInteger, nullable=False),
    Column("cost_nano", BigInteger),
    Column("line", LargeBinary, nullable=False),
    Index("calls_tenant", "tenant", "n"),
    Index("calls_started", "started_ms"),
    # A `postgresql_where` beside it would load that dialect at every start: 10 % of it.
    Index("calls_running", "writer", sqlite_where=text("outcome = 'running'")),
    comment="What is searched and summed, and in `line` the journal line with the rest.",
)

attempts = Table(
    "attempts",
    metadata,
    Column("call", Text, primary_key=True),
    Column("n", Integer, primary_key=True),
    Column("deployment", Text, nullable=False),
    Column("started_ms", BigInteger, nullable=False),
    Column("error", Text, nullable=False),
    Column("total_ms", Float, nullable=False),
    Column("input", BigInteger, nullable=False),
    Column("output", BigInteger, nullable=False),
    Column("cost_nano", BigInteger),
    sqlite_with_rowid=False,
)

responses = Table(
    "responses",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("previous", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("writer", Text, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Index("responses_expires", "expires_ms"),
    Index("responses_running", "writer", sqlite_where=text("writer <> ''")),
    comment="What clients had kept; `writer` is empty once a response is over.",
)

response_items = Table(
    "response_items",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("item", Text, primary_key=True),
    Column("response", Text, ForeignKey("responses.id", ondelete="CASCADE"), nullable=False),
    Index("response_items_response", "response"),
    sqlite_with_rowid=False,
)

evidence_checkpoints = Table(
    "evidence_checkpoints",
    metadata,
    Column("n", BigInteger, primary_key=True, autoincrement=False),
    Column("size", BigInteger, nullable=False, unique=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("root", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
)

evidence_runs = Table(
    "evidence_runs",
    metadata,
    Column("at", BigInteger, primary_key=True, autoincrement=False),
    Column("writer", Text, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("count", BigInteger, nullable=False),
    Index("evidence_runs_writer", "writer", "seq"),
    comment="Where the records of a writer stand in the log, from `seq` on, `count` of them.",
)

APPEND_ONLY = {
    f"{table}_{verb.lower()}": f"CREATE TRIGGER {table}_{verb.lower()} BEFORE {verb} ON {table} "
    f"BEGIN SELECT RAISE(ABORT, 'the evidence index is append-only'); END"
    for table in ("evidence_checkpoints", "evidence_runs")
    for verb in ("UPDATE", "DELETE")
}
"""Triggers that keep a slip of the hand from changing the index, by name."""

for _name, _ddl in APPEND_ONLY.items():
    _table = metadata.tables[_name.rpartition("_")[0]]
    _made = DDL(_ddl)  # type: ignore[no-untyped-call]  # SQLAlchemy's own constructor
    event.listen(_table, "after_create", _made.execute_if(dialect="sqlite"))
