"""The stores that `bench.ledger` fills: thrown away, or kept in a folder to be asked again.

To fill one with ten million lines takes a quarter of an hour. What is kept is used again where it
holds as many lines as are asked for, summed by this version of the code; the calls that earlier
runs served lie in it too, in a year that nobody asks about.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench import ledger_filling
from postgres_server import PostgresServer
from sqlalchemy import Engine, text

from federation.storage.engine import FILE, open_engine, open_postgres, prepare_schema
from federation.storage.rollups import VERSION
from federation.storage.rollups_rebuild import is_current

KEPT = "bench"
"""The database of a kept PostgreSQL server."""


@dataclass
class Store:
    """A store, how a gateway is put on it, and when it was filled if it is kept."""

    engine: Engine
    place: Callable[[Path], dict[str, str]]
    note: Path | None = None

    def filled(self, count: int) -> dict[str, object] | None:
        """What is known of its filling; None where it does not hold these lines."""
        if self.note is None or not self.note.exists():
            return None
        found: dict[str, object] = json.loads(self.note.read_text())
        return found if found["lines"] == count and is_current(self.engine) else None


@contextmanager
def store(kind: str, keep: Path | None = None) -> Iterator[Store]:
    """A store as in production but for the place of its files; empty, or what was kept there."""
    with ExitStack() as stack:
        if keep is None:
            where = stack.enter_context(tempfile.TemporaryDirectory(prefix="federation-ledger-"))
            folder, note = Path(where), None
        else:
            folder, note = keep / kind, keep / f"{kind}.json"
            folder.mkdir(parents=True, exist_ok=True)
        open_one = _postgres if kind == "postgres" else _sqlite
        with open_one(folder, kept=keep is not None) as (engine, place):
            yield Store(engine, place, note)


@contextmanager
def _postgres(
    folder: Path, *, kept: bool
) -> Iterator[tuple[Engine, Callable[[Path], dict[str, str]]]]:
    server = PostgresServer(fsync=True, home=folder if kept else None)
    address = server.database(KEPT if kept else "")
    engine = open_postgres(address)
    prepare_schema(engine)
    yield engine, lambda _: {"FEDERATION_DATABASE_URL": address}
    engine.dispose()
    server.close()


@contextmanager
def _sqlite(
    folder: Path, *, kept: bool
) -> Iterator[tuple[Engine, Callable[[Path], dict[str, str]]]]:
    path = folder / FILE
    engine = open_engine(path, synchronous="NORMAL")
    prepare_schema(engine, path)

    def place(data: Path) -> dict[str, str]:
        engine.dispose()
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        if kept:
            (data / FILE).symlink_to(path.resolve())
            return {}
        for file in folder.glob(f"{FILE}*"):
            shutil.move(file, data / file.name)
        return {}

    yield engine, place
    engine.dispose()


def load(stores: Sequence[Store], count: int) -> dict[str, object]:
    """Fill stores with the same calls; when, and how many seconds that took."""
    began = time.perf_counter()
    ledger_filling.fill([each.engine for each in stores], count)
    for each in stores:
        with each.engine.begin() as connection:
            connection.execute(
                text("INSERT INTO rollup_state (id, version) VALUES (1, :version)"),
                {"version": VERSION},
            )
        if each.engine.dialect.name == "postgresql":
            options = {"isolation_level": "AUTOCOMMIT"}
            with each.engine.connect().execution_options(**options) as connection:
                connection.exec_driver_sql("VACUUM ANALYZE")
    found: dict[str, object] = {
        "lines": count,
        "filled": datetime.now(UTC).isoformat(timespec="seconds"),
        "load_s": round(time.perf_counter() - began, 1),
    }
    for each in stores:
        if each.note is not None:
            each.note.write_text(json.dumps(found) + "\n")
    return found
