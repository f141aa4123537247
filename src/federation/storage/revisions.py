"""At which revision a store's schema is, and one changer at a time."""

from __future__ import annotations

from sqlalchemy import Connection, inspect, text

_SCHEMA_LOCK = 7_335_332
"""Any number, the same for every replica."""


def revision(connection: Connection) -> str | None:
    """The schema's revision; None for an empty store."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return found


def alone(connection: Connection) -> None:
    """Keep other replicas from changing the schema until this transaction ends: those that
    start together would all find the store empty, or old. SQLite keeps everybody off anyway."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_SCHEMA_LOCK})")
