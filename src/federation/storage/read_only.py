"""Reading a store in place on a file system that is mounted read-only.

To read a file in WAL mode, SQLite writes files beside it. With `immutable` it does not; but then
it reads no log beside the file and takes no lock, so this is right only where nothing has to be
recovered and nobody else is at work. The trap: the same directory may be mounted writable
elsewhere, with a gateway running in it. A process that has the file open keeps a log beside it,
so that log is looked for before and after.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sqlalchemy import Engine, create_engine
from sqlalchemy.pool import QueuePool

from federation.errors import Unavailable
from federation.storage.engine import FILE, LOCAL, Stores, open_postgres, reading
from federation.storage.revisions import RESTORING, revision
from federation.storage.tables import HEAD

_BESIDE: Final = ("-wal", "-journal")
"""What SQLite keeps beside a file that is open, or was not closed."""
_COPY: Final = "copy the data directory to where it can be written, and name the copy with --data"


def is_read_only(path: Path) -> bool:
    """Whether a file lies on a file system that is read-only."""
    return bool(os.statvfs(path).f_flag & os.ST_RDONLY)


@contextmanager
def opened_read_only(data: Path, database: str | None = None) -> Iterator[Stores]:
    """The stores of a data directory on read-only media, to be read. Raises `Unavailable`
    where that would not show what is in them, or they were changed meanwhile."""
    path = data / (FILE if database is None else LOCAL)
    if (data / RESTORING).exists():
        raise _unreadable(path, "its restore or move is not finished")
    if log := _beside(path):
        raise _unreadable(
            path, f"{log.name} beside it holds what it lacks, or a gateway is at work"
        )
    own = _open(path)
    shared = None if database is None else open_postgres(database)
    try:
        _check(own, path)
        yield Stores(shared or own, shared or own, own, shared=shared is not None)
    finally:
        own.dispose()
        if shared is not None:
            shared.dispose()
    if log := _beside(path):
        message = f"{log} came while {path.name} was read, so a gateway is at work there"
        raise Unavailable(f"{message}: stop it, or {_COPY}.", code="store_unavailable")


def _open(path: Path) -> Engine:
    address = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
    return create_engine(
        "sqlite://",
        creator=lambda: sqlite3.connect(address, uri=True, check_same_thread=False),
        poolclass=QueuePool,
        hide_parameters=True,
    )


def _check(engine: Engine, path: Path) -> None:
    with reading(engine) as connection:
        found = revision(connection)
    if found != HEAD:
        raise _unreadable(path, "it was made by another version, and cannot be brought up to date")


def _beside(path: Path) -> Path | None:
    """The log of a file, where there is one."""
    logs = (path.with_name(path.name + end) for end in _BESIDE)
    return next((log for log in logs if log.exists()), None)


def _unreadable(path: Path, why: str) -> Unavailable:
    message = f"{path} cannot be read in place: {why}. C{_COPY[1:]}."
    return Unavailable(message, code="store_unavailable")
