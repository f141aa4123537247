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
    PrimaryKeyConstraint,
    Table,
    Text,
    event,
    false,
    text,
)

HEAD = "0020"
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
    # Tenants that were there before tiers keep what they had: no limits.
    Column("tier", Text, nullable=False, server_default="enterprise"),
    Column("requests_month", BigInteger),
    Column("providers", BigInteger),
    Column("suspended", Boolean, nullable=False, server_default=false()),
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
    Column("team", Text, nullable=False, server_default=""),
    Column("user", Text, nullable=False, server_default=""),
    Column("scopes", Text, nullable=False, server_default="[]"),
)

retired_secrets = Table(
    "retired_secrets",
    metadata,
    Column("hash", LargeBinary, primary_key=True),
    Column("key", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("until_ms", BigInteger, nullable=False),
    comment="Former secrets of rotated keys, by their keyed hash.",
)

key_hands = Table(
    "key_hands",
    metadata,
    Column("key", Text, primary_key=True),
    Column("hand", Text, primary_key=True),
    Column("how", Text, primary_key=True),
    comment="Who made a key, holds it, or gave it a new secret. Rows stay.",
    sqlite_with_rowid=False,
)

teams = Table(
    "teams",
    metadata,
    Column("tenant", Text, ForeignKey("tenants.id"), primary_key=True),
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
)

users = Table(
    "users",
    metadata,
    Column("tenant", Text, ForeignKey("tenants.id"), primary_key=True),
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("role", Text, nullable=False),
    Column("team", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("suspended", Boolean, nullable=False),
)

idempotent_answers = Table(
    "idempotent_answers",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("digest", Text, nullable=False),
    Column("expires_ms", BigInteger, nullable=False, index=True),
    Column("status", Integer, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    comment="What was answered to requests that may be sent again, sealed.",
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

# Apart from `calls`: most clients give no id, and a migration need not touch the calls there are.
client_ids = Table(
    "client_ids",
    metadata,
    Column("client_id", Text, primary_key=True),
    Column("n", BigInteger, primary_key=True, autoincrement=False),
    comment="The ids that clients gave their requests, and the places of their calls.",
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
    # A pseudonym; empty for what was kept before there were any.
    Column("subject", Text, nullable=False, server_default=""),
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

budgets = Table(
    "budgets",
    metadata,
    Column("id", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("limit_nano", BigInteger, nullable=False),
    Column("period", Text, nullable=False),
    Column("zone", Text, nullable=False),
    Column("hard", Boolean, nullable=False),
    Column("alerts", Text, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    PrimaryKeyConstraint("tenant", "id"),
)

money_pots = Table(
    "money_pots",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("budget", Text, nullable=False, index=True),
    Column("cap_nano", BigInteger, nullable=False),
    Column("hard", Boolean, nullable=False),
    Column("spent_nano", BigInteger, nullable=False),
    Column("reserved_nano", BigInteger, nullable=False),
    Column("overrun_nano", BigInteger, nullable=False),
    Column("alerted", Integer, nullable=False),
    Column("generation", BigInteger, nullable=False),
    comment="The money of a budget in a period; the sums of its leases.",
)

money_leases = Table(
    "money_leases",
    metadata,
    Column("writer", Text, primary_key=True),
    Column("pot", Text, primary_key=True),
    Column("granted_nano", BigInteger, nullable=False),
    Column("spent_nano", BigInteger, nullable=False),
    Column("returned_nano", BigInteger, nullable=False),
    Column("overrun_nano", BigInteger, nullable=False),
    Column("closed", Boolean, nullable=False),
    Index("money_leases_pot", "pot"),
    Index("money_leases_closed", "writer", "closed"),
    comment="Money of a pot in the hands of a worker, as totals that only grow.",
)

money_writers = Table(
    "money_writers",
    metadata,
    Column("writer", Text, primary_key=True),
    Column("replica", Text, nullable=False),
    Column("beats", BigInteger, nullable=False),
    comment="Workers that hold money; one that beats no more is dead.",
)

cost_rollups = Table(
    "cost_rollups",
    metadata,
    *(
        Column(name, kind, primary_key=True, autoincrement=False)
        for name, kind in (
            ("kind", Text),
            ("grain", BigInteger),
            ("at_ms", BigInteger),
            ("tenant", Text),
            ("team", Text),
            ("key", Text),
            ("subject", Text),
            ("provider", Text),
            ("model", Text),
            ("band", Integer),
        )
    ),
    *(
        Column(name, BigInteger, nullable=False)
        for name in (
            "calls",
            "failed",
            "duration_us",
            "attempts",
            "failed_attempts",
            "unpriced",
            "estimated",
            "input",
            "output",
            "cached",
            "cache_write",
            "cache_write_long",
            "audio_input",
            "audio_output",
            "reasoning",
            "cost_nano",
        )
    ),
    Index("cost_rollups_tenant", "tenant", "kind", "grain", "at_ms"),
    comment="Sums of calls and attempts; `storage.rollups` keeps them equal to the lines.",
    sqlite_with_rowid=False,
)

rollup_state = Table(
    "rollup_state",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("version", Integer, nullable=False),
    comment="Which definition whole roll-ups follow; else whose turn it is, and which step.",
)

master_marks = Table(
    "master_marks",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("mark", Text, nullable=False),
    comment="Which master key the store goes with: one row.",
)

nodes = Table(
    "nodes",
    metadata,
    Column("id", Text, primary_key=True),
    Column("base_url", Text, nullable=False),
    Column("dialect", Text, nullable=False),
    Column("region", Text, nullable=False),
    Column("models", Text, nullable=False),
    Column("abilities", Text, nullable=False),
    Column("concurrency", BigInteger),
    Column("state", Text, nullable=False),
    Column("changed_ms", BigInteger, nullable=False),
    Column("changed_by", Text, nullable=False),
)

overflow_providers = Table(
    "overflow_providers",
    metadata,
    Column("provider", Text, primary_key=True),
    Column("enabled", Boolean, nullable=False),
    Column("changed_ms", BigInteger, nullable=False),
    Column("changed_by", Text, nullable=False),
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
