"""A connection on which many statements see the store of one moment.

The trap: on PostgreSQL a statement of its own sees what was committed before that statement.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import Connection, Engine

from federation.storage.engine import reading

_BINARY: Final = 1
"""The format's code in the protocol; the client's module is not loaded before its store is."""
_PLANS: Final = """
SET LOCAL idle_in_transaction_session_timeout = 0;
SET LOCAL cursor_tuple_fraction = 1.0;
SET LOCAL jit = off;
SET LOCAL work_mem = '64MB';
SET LOCAL max_parallel_workers_per_gather = 0
"""
"""Nobody waits for who locks nothing. All rows are read, so a plan whose first row comes soon is
the wrong one. To compile sixteen sums takes longer than to add them up. In the usual 4 MB the
groups of a year are thought to have no place, and are sorted on the disk. And one processor is
enough for a question: the others answer calls."""


@contextmanager
def at_once(engine: Engine) -> Iterator[Connection]:
    """A connection that sees the store as it is at its first statement, and locks nothing.

    Raises `Unavailable`.
    """
    is_postgres = engine.dialect.name == "postgresql"
    with reading(engine) as connection:
        level = " ISOLATION LEVEL REPEATABLE READ READ ONLY" if is_postgres else ""
        connection.exec_driver_sql(f"BEGIN{level}")
        try:
            if not is_postgres:
                yield connection
                return
            connection.exec_driver_sql(_PLANS)
            with _in_binary(connection):
                yield connection
        finally:
            connection.exec_driver_sql("ROLLBACK")


@contextmanager
def _in_binary(connection: Connection) -> Iterator[None]:
    """What is read in pieces comes as the server holds it, until the connection goes back to its
    pool: a line as text is twice as long, and numbers are parsed."""
    driver = connection.connection.driver_connection
    assert driver is not None  # noqa: S101  it was begun
    usual = driver.server_cursor_factory

    def binary(*given: Any, **named: Any) -> Any:
        cursor = usual(*given, **named)
        cursor.format = type(cursor.format)(_BINARY)
        return cursor

    driver.server_cursor_factory = binary
    try:
        yield
    finally:
        driver.server_cursor_factory = usual
