"""Stored responses in the database: an older store, and what is left of a deleted one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Engine, text

from federation.storage.engine import open_engine, prepare_schema, reading
from federation.storage.entries import ResponseEntry
from federation.storage.responses import SqlResponses
from federation.storage.upgrade import scripts

ENTRY = ResponseEntry("resp_1", "default", "", "completed", "", 0, 1 << 50, 1, b"sealed")


def first_version(path: Path) -> Engine:
    """A store as the first version left it, with a tenant in it."""
    engine = open_engine(path)
    directory = scripts()
    with engine.begin() as connection:
        context = MigrationContext.configure(connection, opts={"as_sql": False})
        with Operations.context(context):
            for step in directory.iterate_revisions("0001", "base"):
                step.module.upgrade()
                context.stamp(directory, step.revision)
        connection.execute(text("INSERT INTO tenants VALUES ('default', 'Default', 5)"))
    return engine


def test_a_store_of_the_first_version_keeps_responses_after_its_upgrade(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    engine = first_version(path)
    prepare_schema(engine, path)
    store = SqlResponses(lambda: engine)
    assert store.add(ENTRY, ("msg_1",))
    assert store.owners("default", ("msg_1",), 0) == [ENTRY]
    with reading(engine) as connection:
        assert connection.scalar(text("SELECT created_ms FROM tenants")) == 5
    engine.dispose()


def test_nothing_is_left_of_what_was_deleted(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    engine = open_engine(path)
    prepare_schema(engine, path)
    store = SqlResponses(lambda: engine)
    store.add(ENTRY, ("msg_1", "msg_2"))
    store.add(replace(ENTRY, id="resp_2", expires_ms=5), ("msg_3",))
    assert store.remove("default", "resp_1", 0)
    assert store.expire(5, 10) == 1
    with reading(engine) as connection:
        for table in ("responses", "response_items"):
            assert connection.scalar(text(f"SELECT count(*) FROM {table}")) == 0
    engine.dispose()


def test_the_sweep_and_the_watch_read_no_more_than_they_need(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    engine = open_engine(path)
    prepare_schema(engine, path)
    plans = {
        "SELECT id FROM responses WHERE expires_ms <= 5 LIMIT 9": "responses_expires",
        "SELECT writer, id FROM responses WHERE writer <> ''": "responses_running",
    }
    with reading(engine) as connection:
        for query, index in plans.items():
            plan = str(connection.execute(text(f"EXPLAIN QUERY PLAN {query}")).fetchall())
            assert index in plan, plan
    engine.dispose()
