"""A store as files, and a store from them: SQLite's own online copy, PostgreSQL table by table.

Both are of one moment, and are made while gateways are at work. The trap is what belongs to
it: the journals and the evidence log lie beside the store. They are copied after it, so that
they hold at least what it refers to; what they hold beyond is taken in at the next start.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, Table, delete, func, select, text
from sqlalchemy.exc import DBAPIError

from federation.errors import ConfigError, Problem, Unavailable
from federation.storage.engine import reading, writing
from federation.storage.revisions import RESTORING, revision
from federation.storage.sealing_keys import prepare_keys
from federation.storage.tables import metadata
from federation.storage.tables_sealing import TABLES as SEALING

STORE: Final = "store.db"
TABLES: Final = "tables"
PAGES: Final = 2_000
CHUNK: Final = 1 << 20
_VERSIONS: Final = "alembic_version"
RETIRED: Final = ("attempts",)
"""Tables that a store of an older schema has, and that nothing here describes any more."""
_OWN: Final = ("evidence_checkpoints", "evidence_runs", "replicas")

Progress = Callable[[str, int, int], None]
"""What is being done, how much of it is done, and how much there is."""


@dataclass(frozen=True, slots=True)
class Dump:
    """What a copy holds: the kind of store, its schema, and its tables by name."""

    kind: str
    revision: str
    tables: Mapping[str, tuple[list[str], int]]
    """Columns in the order of the copy, and rows."""


def dump_sqlite(path: Path, to: Path, progress: Progress, name: str = STORE) -> Dump:
    """Copy the store at `path` into the directory `to`, online. Raises `Unavailable`."""
    target = to / name

    def step(_: int, remaining: int, total: int) -> None:
        progress(STORE, total - remaining, total)

    try:
        target.touch(mode=0o600)
        source = _opened(path)
        copy = sqlite3.connect(target)
        try:
            source.backup(copy, pages=PAGES, progress=step, sleep=0.01)
            copy.execute("PRAGMA journal_mode = DELETE")
            return _of_sqlite(copy)
        finally:
            copy.close()
            source.close()
    except sqlite3.Error as error:
        raise Unavailable(f"The store cannot be copied: {error}.") from error


def _opened(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=30)


def check_sqlite(path: Path) -> list[str]:
    """What SQLite itself finds wrong with a file."""
    try:
        connection = _opened(path)
        try:
            found = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(20)")]
            broken = connection.execute("PRAGMA foreign_key_check").fetchmany(20)
        finally:
            connection.close()
    except sqlite3.Error as error:
        return [str(error)]
    rows = [f"a row of {row[0]} names one of {row[2]} that is not there" for row in broken]
    return [line for line in found if line != "ok"] + rows


def dump_postgres(
    engine: Engine,
    to: Path,
    progress: Progress,
    wanted: Sequence[Table] = tuple(metadata.sorted_tables),
) -> Dump:
    """Copy these tables into the directory `to`, all of one moment. Raises `Unavailable`."""
    place = to / TABLES
    place.mkdir(mode=0o700)
    tables: dict[str, tuple[list[str], int]] = {}
    with writing(engine) as connection:
        connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
        at = revision(connection) or ""
        for n, table in enumerate(wanted):
            progress(table.name, n, len(wanted))
            columns = [column.name for column in table.columns]
            path = place / f"{table.name}.copy"
            statement = f"COPY {_named(table, columns)} TO STDOUT"
            with path.open("xb") as file, _copying(connection, statement) as rows:
                file.writelines(rows)
            tables[table.name] = (columns, rows.cursor.rowcount)
    return Dump("postgresql", at, tables)


def dump_keys(engine: Engine, to: Path, progress: Progress) -> int:
    """Copy the keys that replicas share into the directory `to`; how many rows. Raises
    `Unavailable`."""
    prepare_keys(engine)
    dump = dump_postgres(engine, to, progress, SEALING)
    return sum(rows for _, rows in dump.tables.values())


def load_keys(engine: Engine, place: Path) -> None:
    """Put keys that were copied so in the place of those that are there; nothing where none
    were."""
    if not (place / TABLES).is_dir():
        return
    prepare_keys(engine)
    with writing(engine) as connection:
        for table in SEALING:
            connection.execute(delete(table))
            _copy_in(connection, place, table, [column.name for column in table.columns])


def copy_database(path: Path, target: Path) -> None:
    """Copy a SQLite file that is in use. Raises `Unavailable`."""
    dump_sqlite(path, target.parent, lambda *_: None, target.name)


def empty(engine: Engine) -> bool:
    """Whether no schema was made in a database yet."""
    with reading(engine) as connection:
        return revision(connection) is None


def wipe(engine: Engine) -> None:
    """Drop everything that is ours, of whatever schema it is. There is no way back."""
    # SQLite knows no CASCADE, and needs none: who refers to another table goes first.
    how = " CASCADE" if engine.dialect.name == "postgresql" else ""
    names = [*RETIRED, *(table.name for table in reversed(metadata.sorted_tables))]
    with writing(engine) as connection:
        for name in names:
            connection.exec_driver_sql(f'DROP TABLE IF EXISTS "{name}"{how}')
        connection.exec_driver_sql(f"DROP TABLE IF EXISTS {_VERSIONS}")


def begin_load(engine: Engine) -> None:
    """Let nobody start on a database before `end_load`. Idempotent."""
    with writing(engine) as connection:
        connection.exec_driver_sql(f"CREATE TABLE IF NOT EXISTS {RESTORING} ()")


def end_load(engine: Engine) -> None:
    """It is whole, with all its keys: let whoever wants start on it. Idempotent."""
    with writing(engine) as connection:
        connection.exec_driver_sql(f"DROP TABLE IF EXISTS {RESTORING}")


def load_postgres(engine: Engine, place: Path, dump: Dump, progress: Progress) -> None:
    """Fill an empty database with a dump, all or nothing, in the schema that it has now.

    Raises `ConfigError` where the dump is of another schema than the database.
    """
    known = {table.name: table for table in metadata.sorted_tables}
    with writing(engine) as connection:
        if (there := revision(connection)) != dump.revision:
            message = f"is of schema {dump.revision}, the database of {there}"
            raise ConfigError([Problem(str(place), None, message)])
        names = [name for name in known if name in dump.tables]
        for n, name in enumerate(names):
            progress(name, n, len(names))
            columns, _ = dump.tables[name]
            _copy_in(connection, place, known[name], columns)
        _count_on(connection)


def move(source: Engine, target: Engine, progress: Progress) -> int:
    """Copy every row of a store of one's own into an empty shared one, all or nothing; how many.

    What an evidence log is found by stays behind: it is the replica's own, and made anew there.
    """
    tables = [table for table in metadata.sorted_tables if table.name not in _OWN]
    with reading(source) as old, writing(target) as new:
        rows = _copy_rows(old, new, tables, progress)
        _count_on(new)
    return rows


def move_keys(source: Engine, target: Engine, progress: Progress) -> int:
    """Copy every sealing key, hold and erasure of a store of one's own into a shared one, in the
    place of what is there, all or nothing; how many rows."""
    prepare_keys(target)
    with reading(source) as old, writing(target) as new:
        for table in SEALING:
            new.execute(delete(table))
        return _copy_rows(old, new, SEALING, progress)


def _copy_rows(
    old: Connection, new: Connection, tables: Sequence[Table], progress: Progress
) -> int:
    rows = 0
    for n, table in enumerate(tables):
        progress(table.name, n, len(tables))
        statement = f"COPY {_named(table, [each.name for each in table.columns])} FROM STDIN"
        found = old.execution_options(yield_per=1000).execute(select(table))
        with _copying(new, statement) as copy:
            for row in found:
                copy.write_row(row)
                rows += 1
    return rows


def _copy_in(connection: Connection, place: Path, table: Table, columns: list[str]) -> None:
    statement = f"COPY {_named(table, columns)} FROM STDIN"
    path = place / TABLES / f"{table.name}.copy"
    with path.open("rb") as file, _copying(connection, statement) as to:
        while data := file.read(CHUNK):
            to.write(data)


@contextmanager
def _copying(connection: Connection, statement: str) -> Iterator[Any]:
    """A COPY, which is the driver's own. It fails as any other statement of the connection."""
    cursor: Any = connection.connection.cursor()
    try:
        with cursor.copy(statement) as copy:
            yield copy
    except connection.dialect.loaded_dbapi.Error as error:
        raise DBAPIError(statement, None, error) from error


def _count_on(connection: Connection) -> None:
    """Have numbers go on after those that are there."""
    for name, column in (("calls", "n"), ("config_versions", "version")):
        last = func.coalesce(func.max(metadata.tables[name].c[column]), 0) + 1
        sequence = func.pg_get_serial_sequence(name, column)
        connection.execute(select(func.setval(sequence, last, False)))


def write_dump(dump: Dump) -> dict[str, Any]:
    """A dump's description as JSON has it."""
    tables = {name: {"columns": c, "rows": rows} for name, (c, rows) in dump.tables.items()}
    return {"kind": dump.kind, "revision": dump.revision, "tables": tables}


def read_dump(said: Mapping[str, Any]) -> Dump:
    """The description back. Raises `ValueError` where it is none."""
    try:
        tables = {
            str(name): ([str(column) for column in row["columns"]], int(row["rows"]))
            for name, row in said["tables"].items()
        }
        return Dump(str(said["kind"]), str(said["revision"]), tables)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("this is no backup's description") from error


def _of_sqlite(connection: sqlite3.Connection) -> Dump:
    tables: dict[str, tuple[list[str], int]] = {}
    there = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
    for table in metadata.sorted_tables:
        if table.name in there:
            (rows,) = connection.execute(f'SELECT COUNT(*) FROM "{table.name}"').fetchone()  # noqa: S608
            tables[table.name] = ([], rows)
    row = None
    if _VERSIONS in there:
        row = connection.execute(f"SELECT version_num FROM {_VERSIONS}").fetchone()  # noqa: S608
    return Dump("sqlite", str(row[0]) if row else "", tables)


def _named(table: Table, columns: list[str]) -> str:
    known = {column.name for column in table.columns}
    if not set(columns) <= known:
        raise ConfigError([Problem(table.name, None, "has columns that this version lacks")])
    return f'"{table.name}" ({", ".join(f"{chr(34)}{name}{chr(34)}" for name in columns)})'
