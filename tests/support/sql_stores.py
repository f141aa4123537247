"""A new relational store of either kind, for suites that hold both to the same promises."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from postgres_server import postgres
from sqlalchemy import Engine

from federation.storage.engine import open_engine, open_postgres, prepare_schema

KINDS = ("sqlite", "postgres")


@contextmanager
def sql_engine(kind: str, place: Path) -> Iterator[Engine]:
    """An empty store, up to date; skips where its server is not installed."""
    if kind == "sqlite":
        path = place / "store.db"
        engine = open_engine(path)
        prepare_schema(engine, path)
    else:
        engine = open_postgres(postgres().database())
        prepare_schema(engine)
    try:
        yield engine
    finally:
        engine.dispose()
