"""Every implementation of the stores of tenancy, with the tenants `default` and `other` in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from postgres_server import postgres
from sqlalchemy import Engine

from federation.control.tenancy_ports import AnswerStore, IssuedKeys, TenancyStore
from federation.storage.accounts import SqlKeys
from federation.storage.accounts_memory import MemoryKeys
from federation.storage.engine import open_engine, open_postgres, prepare_schema
from federation.storage.tenancy import SqlTenancy
from federation.storage.tenancy_answers import SqlAnswers
from federation.storage.tenancy_memory import MemoryAnswers, MemoryTenancy

KINDS = ("memory", "sqlite", "postgres")


@dataclass
class TenancyStores:
    keys: IssuedKeys
    tenancy: TenancyStore
    answers: AnswerStore


@contextmanager
def tenancy_stores(kind: str, place: Path) -> Iterator[TenancyStores]:
    """New stores of this kind; skips where its server is not installed."""
    if kind == "memory":
        keys = MemoryKeys()
        yield _peopled(TenancyStores(keys, MemoryTenancy(keys), MemoryAnswers()))
        return
    engine = _sqlite(place) if kind == "sqlite" else _postgres()
    try:
        yield _peopled(TenancyStores(SqlKeys(engine), SqlTenancy(engine), SqlAnswers(engine)))
    finally:
        engine.dispose()


def _peopled(stores: TenancyStores) -> TenancyStores:
    for tenant in ("default", "other"):
        stores.keys.ensure_tenant(tenant, 0)
    return stores


def _sqlite(place: Path) -> Engine:
    path = place / "store.db"
    engine = open_engine(path)
    prepare_schema(engine, path)
    return engine


def _postgres() -> Engine:
    engine = open_postgres(postgres().database())
    prepare_schema(engine)
    return engine
