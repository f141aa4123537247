"""What only replicas need: those that live, what they post, and notices of what they change.

The trap: a notice is PostgreSQL's own, sent by triggers when a transaction commits, so that no
change can be made without it, whoever makes it. Who adds a table that every replica holds in
memory names it in `TOPICS` and makes its trigger in a migration (`notice_of`).
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Engine,
    Integer,
    LargeBinary,
    Table,
    Text,
    inspect,
    text,
)

from federation.storage.tables import metadata

CHANNEL: Final = "federation_changed"

KEYS, BUDGETS, CONFIGURATION = "keys", "budgets", "configuration"

TOPICS: Final = {
    "tenants": KEYS,
    "virtual_keys": KEYS,
    "retired_secrets": KEYS,
    "users": KEYS,
    "budgets": BUDGETS,
    "limits": BUDGETS,
    "provider_overrides": CONFIGURATION,
    "nodes": CONFIGURATION,
    "overflow_providers": CONFIGURATION,
    "policy_versions": CONFIGURATION,
    "policy_approvals": CONFIGURATION,
}
"""What a change of each table is about."""

replicas = Table(
    "replicas",
    metadata,
    Column("id", Text, primary_key=True),
    Column("url", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("money", Text, nullable=False),
    Column("keys", Text, nullable=False),
    Column("workers", Integer, nullable=False),
    Column("started_ms", BigInteger, nullable=False),
    Column("seen_ms", BigInteger, nullable=False),
    comment="Control processes on this store; times are those of the store's own clock.",
)

posted_checkpoints = Table(
    "posted_checkpoints",
    metadata,
    Column("log", Text, primary_key=True),
    Column("replica", Text, nullable=False),
    Column("n", BigInteger, nullable=False),
    Column("line", LargeBinary, nullable=False),
    Column("keys", LargeBinary, nullable=False),
    comment="The newest signed checkpoint of each replica's evidence log, for the others' logs.",
)

_FUNCTION: Final = f"""
CREATE OR REPLACE FUNCTION federation_notice() RETURNS trigger AS $$
BEGIN
  PERFORM pg_notify('{CHANNEL}', TG_ARGV[0]);
  RETURN NULL;
END $$ LANGUAGE plpgsql
"""


def notice_of(table: str, topic: str) -> list[str]:
    """Statements for PostgreSQL that have a table's changes told; they may come twice."""
    make = (
        f"CREATE TRIGGER {table}_notice AFTER INSERT OR UPDATE OR DELETE ON {table} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION federation_notice('{topic}')"
    )
    return [f"DROP TRIGGER IF EXISTS {table}_notice ON {table}", make]


def make_notices(connection: Connection) -> None:
    """Have every change of `TOPICS` told; nothing on SQLite, which one control process has."""
    if connection.dialect.name != "postgresql":
        return
    connection.exec_driver_sql(_FUNCTION)
    there = set(inspect(connection).get_table_names())
    for table, topic in TOPICS.items():
        # A table that a later migration makes has its trigger from there.
        for statement in notice_of(table, topic) if table in there else ():
            connection.exec_driver_sql(statement)


def missing_notices(engine: Engine) -> list[str]:
    """The tables of `TOPICS` whose changes are not told in a PostgreSQL database."""
    query = text("SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled <> 'D'")
    with engine.connect() as connection:
        there = {name for (name,) in connection.execute(query)}
    return [table for table in TOPICS if f"{table}_notice" not in there]
