"""At which revision a store's schema is, and locks for what replicas must not do together."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, func, inspect, select, text

SCHEMA: Final = 7_335_332
"""Locks by their numbers, the same for every replica: of whoever changes the schema, of whoever
changes sealing keys, and of whoever takes in violations."""
KEYS: Final = 7_335_333
VIOLATIONS: Final = 7_335_334
RESTORING: Final = "restore_unfinished"
"""A file in a data directory, and a table in a shared database, while they are restored or moved
to. In between there is less than there was: fewer keys, and no budgets."""


def revision(connection: Connection) -> str | None:
    """The schema's revision; None for an empty store."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return found


def is_unfinished(connection: Connection) -> bool:
    """Whether a restore of a shared database was broken off, or is under way."""
    return connection.dialect.name == "postgresql" and inspect(connection).has_table(RESTORING)


def alone(connection: Connection, lock: int | str = SCHEMA) -> None:
    """Keep other replicas that take the same lock off until this transaction ends. SQLite keeps
    everybody off anyway.

    A number is of those above; a text names one thing of many, and two that the server hashes
    alike wait for each other without need. The schema's is taken by those that start: together
    they would all find the store empty, or old. It is waited for, however long it takes.
    """
    if connection.dialect.name == "postgresql":
        if lock == SCHEMA:
            connection.exec_driver_sql("SET LOCAL lock_timeout = 0")
        number = func.hashtext(lock) if isinstance(lock, str) else lock
        connection.execute(select(func.pg_advisory_xact_lock(number)))
