from __future__ import annotations

import sqlite3
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from federation.errors import ConfigError, Unavailable
from federation.storage.accounts import SqlKeys
from federation.storage.backups import check_sqlite, dump_sqlite
from federation.storage.budgets_sql import SqlBudgets
from federation.storage.engine import (
    open_engine,
    prepare_schema,
    probe,
    reading,
    writing,
)
from federation.storage.limits_sql import SqlLimits
from federation.storage.tables import HEAD
from federation.storage.upgrade import scripts, upgrade, upgrade_to


def described(path: Path) -> dict[str, object]:
    """Columns, indexes and table options, in a form that two stores can be compared by."""
    with sqlite3.connect(path) as connection:
        tables = [
            name
            for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type='table'")
            if not name.startswith("sqlite_")
        ]
        found: dict[str, object] = {}
        for table in tables:
            columns = connection.execute(f"PRAGMA table_info('{table}')").fetchall()
            keys = connection.execute(f"PRAGMA foreign_key_list('{table}')").fetchall()
            indexes = []
            for row in connection.execute(f"PRAGMA index_list('{table}')").fetchall():
                parts = connection.execute(f"PRAGMA index_info('{row[1]}')").fetchall()
                indexes.append((row[1], row[2], row[3], row[4], parts))
            options = connection.execute(
                "SELECT ncol, wr FROM pragma_table_list WHERE name = ?", (table,)
            ).fetchall()
            found[table] = (columns, keys, sorted(indexes), options)
    connection.close()
    return found


def fresh(path: Path) -> Engine:
    engine = open_engine(path)
    prepare_schema(engine, path)
    return engine


def test_a_fresh_store_and_a_migrated_one_are_the_same(tmp_path: Path) -> None:
    fresh(tmp_path / "fresh.db").dispose()
    migrated = open_engine(tmp_path / "migrated.db")
    upgrade(migrated, "base")
    migrated.dispose()
    assert described(tmp_path / "fresh.db") == described(tmp_path / "migrated.db")


def test_ids_become_their_tenants_and_what_was_set_and_counted_stays(tmp_path: Path) -> None:
    engine = open_engine(tmp_path / "store.db")
    upgrade_to(engine, "0011")
    limit = "('{}', '{}', 'key', '*', 'requests', 5, 60, 'token_bucket', 0, '', 7)"
    budget = "('b', 'acme', 'key', '*', 5, 'total', 'UTC', 1, '[50]', 7)"
    meters = ("acme/own/-", "acme/shared/k", "acme/tier.pro.month/x", "*/shared/r")
    with writing(engine) as connection:
        for row in (limit.format("own", "acme"), limit.format("shared", "*")):
            connection.execute(text(f"INSERT INTO limits VALUES {row}"))
        connection.execute(text(f"INSERT INTO budgets VALUES {budget}"))
        for meter in meters:
            tenant = meter.partition("/")[0]
            connection.execute(
                text(f"INSERT INTO limit_meters VALUES ('{meter}', '{tenant}', 'seen', 0, 9)")
            )
    assert upgrade(engine, "0011")[0] == "0013"
    limits = SqlLimits(engine)
    assert [(each.tenant, each.id) for each in limits.list(None)] == [
        ("acme", "own"),
        ("*", "shared"),
    ]
    (kept,) = SqlBudgets(engine).list(None)
    assert (kept.id, kept.tenant, kept.limit_nano, kept.alerts) == ("b", "acme", 5, (50,))
    limits.save(replace(limits.list("acme")[0], tenant="other"))
    with reading(engine) as connection:
        found = set(connection.scalars(text("SELECT id FROM limit_meters WHERE state = 'seen'")))
    assert found == {"acme/own/-", "acme/*shared/k", "acme/*tier.pro.month/x", "*/shared/r"}
    engine.dispose()


def test_keys_of_an_old_store_are_there_and_nobody_is_known_to_have_made_them(
    tmp_path: Path,
) -> None:
    engine = open_engine(tmp_path / "store.db")
    upgrade_to(engine, "0017")
    with writing(engine) as connection:
        connection.execute(text("INSERT INTO tenants (id, name, created_ms) VALUES ('t', 't', 0)"))
        columns = "(id, hash, name, tenant, role, created_ms, models, providers, hint)"
        row = "('key_1', x'00', 'n', 't', 'admin', 0, '[]', '[]', '')"
        connection.execute(text(f"INSERT INTO virtual_keys {columns} VALUES {row}"))
    upgrade(engine, "0017")
    keys = SqlKeys(engine)
    assert keys.find("key_1", "t") is not None
    assert keys.hands(["key_1"]) == []
    engine.dispose()


def test_the_head_that_code_names_is_the_newest_migration() -> None:
    assert scripts().get_current_head() == HEAD


def test_an_old_store_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    engine = open_engine(path)
    with writing(engine) as connection:
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)"))
    upgrade(engine, "base")
    with reading(engine) as connection:
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) == HEAD
    prepare_schema(engine, path)
    engine.dispose()


def test_a_prepared_store_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    engine = fresh(path)
    before = described(path)
    prepare_schema(engine, path)
    assert described(path) == before
    engine.dispose()


def test_a_store_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    engine = fresh(path)
    with writing(engine) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(ConfigError, match="newer version of Federation"):
        prepare_schema(engine, path)
    engine.dispose()


def test_a_file_that_is_no_store_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    path.write_bytes(b"this is not a database, but it is long enough to look like a file" * 20)
    engine = open_engine(path)
    with pytest.raises(ConfigError, match="cannot be used as a store"):
        prepare_schema(engine, path)
    engine.dispose()


def test_only_its_owner_can_read_a_store(tmp_path: Path) -> None:
    path = tmp_path / "data" / "store.db"
    fresh(path).dispose()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_store_that_takes_no_writes_is_unavailable(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    engine = fresh(path)
    probe(engine)
    engine.dispose()
    with sqlite3.connect(path) as other:
        other.execute("DROP TABLE tenants")
    other.close()
    with pytest.raises(Unavailable) as caught:
        probe(engine)
    assert caught.value.code == "store_unavailable"
    with pytest.raises(Unavailable), reading(engine) as connection:
        connection.execute(text("SELECT * FROM tenants"))
    engine.dispose()


def test_commits_survive_power_loss_unless_asked_otherwise(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    for synchronous, code in (("FULL", 2), ("NORMAL", 1)):
        engine = open_engine(path, synchronous=synchronous)
        with reading(engine) as connection:
            assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == code
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        engine.dispose()


@pytest.mark.parametrize("name", ["a?b", "a#b", "a%20b", "a b"])
def test_a_store_lies_where_it_is_said_and_is_copied_from_there(tmp_path: Path, name: str) -> None:
    store, to = tmp_path / name / "store.db", tmp_path / "to"
    fresh(store).dispose()
    to.mkdir()
    dump = dump_sqlite(store, to, lambda *_: None)
    assert dump.revision == HEAD
    assert check_sqlite(store) == []
    assert [path.name for path in tmp_path.iterdir() if path != to] == [name]
