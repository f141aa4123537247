"""The tables of oversight: violations and what was done about them, policies by four eyes."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
)

from federation.storage.tables import metadata

violations = Table(
    "violations",
    metadata,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("count", BigInteger, nullable=False),
    Column("first_ms", BigInteger, nullable=False),
    Column("last_ms", BigInteger, nullable=False),
    Column("due_ms", BigInteger, nullable=False),
    Column("call", Text, nullable=False),
    Column("last_call", Text, nullable=False),
    Column("policy", Text, nullable=False),
    Column("rule", Text, nullable=False),
    Column("control", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("escalated", Boolean, nullable=False),
    Column("changed_ms", BigInteger, nullable=False),
    Column("changed_by", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("open_group", Text, unique=True),
    Index("violations_tenant", "tenant", "last_ms"),
    comment="`open_group` is what is of a kind, and null once it is resolved.",
)

violation_sightings = Table(
    "violation_sightings",
    metadata,
    Column("call", Text, primary_key=True),
    Column("group", Text, primary_key=True),
    Column("violation", Text, ForeignKey("violations.id"), nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("tenant", Text, nullable=False),
    Index("violation_sightings_violation", "violation", "at_ms"),
    Index("violation_sightings_at", "at_ms"),
    sqlite_with_rowid=False,
)

remedies = Table(
    "remedies",
    metadata,
    Column("id", Text, primary_key=True),
    Column("violation", Text, ForeignKey("violations.id"), nullable=False, index=True),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("proposed_by", Text, nullable=False),
    Column("proposed_ms", BigInteger, nullable=False),
    Column("decided_by", Text, nullable=False),
    Column("decided_ms", BigInteger, nullable=False),
    Column("before", Text, nullable=False),
)

policy_versions = Table(
    "policy_versions",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("change", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("policy", LargeBinary, nullable=False),
    Column("stage", Text, nullable=False),
    Column("proposed_by", Text, nullable=False),
    Column("proposer", Text, nullable=False),
    Column("proposed_ms", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("decided_by", Text, nullable=False),
    Column("decided_ms", BigInteger, nullable=False),
    Column("decision", Text, nullable=False),
    Index("policy_versions_name", "name", "version", unique=True),
)

policy_approvals = Table(
    "policy_approvals",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("until_ms", BigInteger, nullable=False),
    Column("stage", Text, nullable=False),
    Column("proposed_by", Text, nullable=False),
    Column("proposer", Text, nullable=False),
    Column("proposed_ms", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("decided_by", Text, nullable=False),
    Column("decided_ms", BigInteger, nullable=False),
    Column("decision", Text, nullable=False),
    Index("policy_approvals_name", "name", "proposed_ms"),
)
