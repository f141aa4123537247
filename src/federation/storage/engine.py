"""Opening the relational store: SQLite in WAL mode or PostgreSQL, its schema brought up to date.

The trap: everything here blocks. Control calls it in a thread of the store's own; see
docs/decisions/0005-storage.md for why not an async driver.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import (
    URL,
    Connection,
    Engine,
    Table,
    TextClause,
    create_engine,
    event,
    make_url,
    text,
)
from sqlalchemy.exc import ArgumentError, OperationalError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

import federation.storage.tables_limits  # its tables belong to the store, as do the next
import federation.storage.tables_oversight
import federation.storage.tables_payloads
import federation.storage.tables_sign_in  # noqa: F401
from federation.errors import ConfigError, Problem, StoreLocked, Unavailable
from federation.storage.revisions import RESTORING, alone, is_unfinished, revision
from federation.storage.store_file import OPTION, StoreFile, check_first, check_log, is_empty
from federation.storage.tables import HEAD, metadata
from federation.storage.tables_replicas import make_notices
from federation.storage.tables_sums import make_sum

BUSY_MS = 5_000
_READING = "federation_reading"
_LOCK_NOT_AVAILABLE = "55P03"
"""PostgreSQL's code where a lock is not had within `lock_timeout`."""
FILE = "federation.db"
"""The store of a gateway that shares it with none, in its data directory."""
LOCAL = "evidence/index.db"
"""What an evidence log is found by, where the rest is in PostgreSQL."""
_PATIENCE = {
    "connect_timeout": BUSY_MS // 1000,
    # A server whose machine is gone answers nothing at all, for a quarter of an hour by default.
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 2 * BUSY_MS,
    "application_name": "federation",
}


def open_engine(path: Path, *, synchronous: str = "FULL") -> Engine:
    """An engine on the SQLite file at `path`, made where missing, readable by its owner only.

    `synchronous` FULL survives power loss with every commit (keys, configuration); NORMAL
    may lose the last commits, which suits an index that is rebuilt from journals. Raises
    `ConfigError` where the file is missing and its log is not.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    check_log(path)
    path.touch(mode=0o600)
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        connect_args={"timeout": BUSY_MS / 1000},
        execution_options={OPTION: StoreFile(path)},
        hide_parameters=True,  # an error is logged, and parameters hold key hashes
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        connection.execute("PRAGMA foreign_keys = ON")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # SQLAlchemy says this of connections that only read, too (`reading`): a lock there
        # would make every question wait for ingest, and ingest for every question.
        if connection.get_execution_options().get(_READING):
            return
        # A transaction that reads first and writes later fails at once when another writer
        # came between; one that takes the lock at its beginning waits for its turn.
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def open_postgres(url: str) -> Engine:
    """An engine on a PostgreSQL database at `postgresql://user:password@host:port/name`.

    Raises `ConfigError` where that is no such address. Nothing is connected yet.
    """
    try:
        address = make_url(url)
    except ArgumentError as error:
        message = "is no address of a database: write postgresql://user:password@host/name"
        raise ConfigError([Problem("database", None, message)]) from error
    # A commit is durable when the server says so: what a turn grants is handed out after it.
    engine = create_engine(
        address.set(drivername="postgresql+psycopg"),
        connect_args=_PATIENCE,
        pool_pre_ping=True,
        hide_parameters=True,
    )

    _with_patience(engine)
    return engine


def _with_patience(engine: Engine) -> None:
    from federation.storage.any_text import take_any_text  # noqa: PLC0415 - loads the driver
    from federation.storage.postgres_connections import Door  # noqa: PLC0415 - as well

    door = Door()

    @event.listens_for(engine, "do_connect")
    def connect(_: Any, __: Any, given: Any, named: Any) -> Any:
        return door.open(*given, **named)

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _: ConnectionPoolEntry) -> None:
        take_any_text(connection)


@dataclass(frozen=True, slots=True)
class Stores:
    """The databases of one gateway, by what a commit must survive and who shares them.

    `durable` keeps what exists nowhere else (keys, configuration, money) through a power loss;
    `quick` may lose its last commits, which suits an index that is rebuilt from journals; they
    are one database. `local` is the gateway's own, beside its evidence log, which is its own, too.
    """

    durable: Engine
    quick: Engine
    local: Engine
    shared: bool = False
    """With other replicas: in PostgreSQL."""

    def kept(self, durability: str) -> Engine:
        """What is to be as safe as calls' records are, by `storage.durability`."""
        return self.durable if durability == "disk" else self.quick

    def close(self) -> None:
        """Let go of every connection."""
        for engine in (self.durable, self.quick, self.local):
            engine.dispose()


def open_stores(data: Path, database: str | None = None, *, anew: bool = False) -> Stores:
    """The store of a data directory, or the shared one at an address, up to date.

    Raises `ConfigError`, also where the data directory had a store that is not there, but for
    `anew`; and `Unavailable` where the shared one cannot be reached just now.
    """
    if (data / RESTORING).exists():
        raise _unfinished(str(data))
    path = data / (FILE if database is None else LOCAL)
    if database is None and not anew and is_empty(path):
        check_first(str(path), data)
    own = open_engine(path, synchronous="NORMAL")
    if database is None:
        durable = open_engine(path)
        prepare_schema(durable, path)
        return Stores(durable, own, own)
    prepare_schema(own, path)
    engine = open_postgres(database)
    stores = Stores(engine, engine, own, shared=True)
    try:
        prepare_schema(engine, beside=None if anew else data)
    except (ConfigError, Unavailable):
        stores.close()
        raise
    return stores


@contextmanager
def opened_stores(
    data: Path, database: str | None = None, *, anew: bool = False
) -> Iterator[Stores]:
    """As `open_stores`, for as long as the block lasts."""
    stores = open_stores(data, database, anew=anew)
    try:
        yield stores
    finally:
        stores.close()


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction: all or nothing. Raises `Unavailable` where the store does not take it."""
    _check_file(engine)
    try:
        with engine.begin() as connection:
            yield connection
    except SQLAlchemyError as error:
        raise _unavailable(error) from error


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A connection for reading only: no transaction, so no lock. Raises `Unavailable`."""
    # On SQLite it is enough that no transaction is begun; to set a level and to set it back costs
    # twice what a small question does, and control asks several a second.
    _check_file(engine)
    lite = engine.dialect.name == "sqlite"
    how: dict[str, Any] = {_READING: True} if lite else {"isolation_level": "AUTOCOMMIT"}
    try:
        with engine.connect().execution_options(**how) as connection:
            yield connection
    except SQLAlchemyError as error:
        raise _unavailable(error) from error


def _check_file(engine: Engine) -> None:
    file: StoreFile | None = engine.get_execution_options().get(OPTION)
    if file is not None:
        file.check()


def replacing(table: Table) -> TextClause:
    """An insertion of a whole row, in the place of any with its primary key.

    One statement: of two replicas that delete a row and then insert it, one would find the
    other's in its way. As text, because both databases read it alike.
    """
    names = [column.name for column in table.columns]
    keys = [column.name for column in table.primary_key]
    columns = ", ".join(f'"{name}"' for name in names)
    values = ", ".join(f":{name}" for name in names)
    on = ", ".join(f'"{name}"' for name in keys)
    puts = ", ".join(f'"{name}" = excluded."{name}"' for name in names if name not in keys)
    start = f"INSERT INTO {table.name} ({columns}) VALUES ({values})"  # noqa: S608  our own names
    return text(f"{start} ON CONFLICT ({on}) DO UPDATE SET {puts}")


def probe(engine: Engine) -> None:
    """Raise `Unavailable` where the store would not take a write just now."""
    with writing(engine) as connection:
        connection.exec_driver_sql("UPDATE tenants SET name = name WHERE id = ''")


def prepare_schema(engine: Engine, path: Path | None = None, beside: Path | None = None) -> None:
    """Make the schema what this version of the code needs; idempotent. An empty shared store gets
    none where the data directory `beside` it had one.

    Raises `ConfigError` where the store was made by a newer version, or is no store, and
    `Unavailable` where a server does not answer.
    """
    try:
        with engine.begin() as connection:
            alone(connection)
            if is_unfinished(connection):
                raise _unfinished(engine.url.render_as_string(hide_password=True))
            found = revision(connection)
            if found == HEAD:
                return
            if found is None:
                if beside is not None:
                    check_first(engine.url.render_as_string(hide_password=True), beside)
                _create(connection)
                return
        # Alembic takes as long to import as all of SQLAlchemy: only an old store pays for it.
        from federation.storage.upgrade import upgrade  # noqa: PLC0415

        upgrade(engine, found)
    except OperationalError as error:
        if path is None:
            raise _unavailable(error) from error
        raise _no_store(str(path), error) from error
    except (SQLAlchemyError, sqlite3.DatabaseError) as error:
        where = engine.url.render_as_string(hide_password=True) if path is None else str(path)
        raise _no_store(where, error) from error


def _no_store(where: str, error: Exception) -> ConfigError:
    return ConfigError([Problem(where, None, f"cannot be used as a store: {_cause(error)}")])


def _unfinished(where: str) -> ConfigError:
    words = "is not whole: its restore or move is not finished, or was broken off"
    return ConfigError([Problem(where, None, f"{words}; do it again with --force")])


def _create(connection: Connection) -> None:
    metadata.create_all(connection, checkfirst=False)
    make_notices(connection)
    make_sum(connection)
    connection.execute(
        text(
            "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, "
            "CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
        )
    )
    connection.execute(
        text("INSERT INTO alembic_version (version_num) VALUES (:head)"), {"head": HEAD}
    )


def _unavailable(error: SQLAlchemyError) -> Unavailable:
    locked = getattr(getattr(error, "orig", None), "sqlstate", None) == _LOCK_NOT_AVAILABLE
    return (StoreLocked if locked else Unavailable)(
        f"The store cannot be used just now: {_cause(error)}.",
        code="store_unavailable",
        retry_after_s=5.0,
    )


def _cause(error: Exception) -> str:
    """What a database says, without the details: they may hold what is in a row."""
    said = str(getattr(error, "orig", None) or error).strip()
    return said.partition("\n")[0].rstrip(" .")
