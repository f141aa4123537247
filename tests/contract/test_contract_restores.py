"""What fills a shared database and is broken off half-way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from postgres_server import postgres
from sqlalchemy import Engine, text
from typer.testing import CliRunner

from federation.cli.tree import app
from federation.config.stores import DATABASE_VARIABLE
from federation.errors import ConfigError
from federation.storage import backups
from federation.storage.engine import open_stores, opened_stores, reading, writing
from federation.storage.sealing_keys import STORE, open_keys, prepare_keys


def run(database: str, data: Path, *arguments: str) -> int:
    named = [*arguments, "--data", str(data), "--config", str(data.parent)]
    return CliRunner().invoke(app, named, env={DATABASE_VARIABLE: database}).exit_code


def test_nobody_starts_on_a_shared_database_whose_restore_was_broken_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database, data, backup = postgres().database(), tmp_path / "data", str(tmp_path / "b")
    with opened_stores(data, database) as stores, writing(stores.durable) as connection:
        connection.execute(text("INSERT INTO tenants (id, name, created_ms) VALUES ('t', 't', 1)"))
    assert run(database, data, "db", "backup", backup) == 0

    def dies(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(backups, "load_postgres", dies)
        assert run(database, data, "db", "restore", backup, "--force") == 1
    for replica in (data, tmp_path / "other"):
        with pytest.raises(ConfigError, match="not finished"):
            open_stores(replica, database)
    assert run(database, data, "db", "restore", backup, "--force") == 0
    with (
        opened_stores(tmp_path / "other", database) as stores,
        reading(stores.durable) as connection,
    ):
        found = connection.execute(text("SELECT count(*) FROM tenants WHERE id = 't'"))
        assert found.scalar() == 1


def test_nobody_starts_on_a_shared_database_to_which_a_move_was_broken_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database, data = postgres().database(), tmp_path / "data"
    with opened_stores(data) as stores, writing(stores.durable) as connection:
        connection.execute(text("INSERT INTO tenants (id, name, created_ms) VALUES ('t', 't', 1)"))

    def dies(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(backups, "_copy_rows", dies)
        assert run(database, data, "db", "move") == 1
    with pytest.raises(ConfigError, match="not finished"):
        open_stores(tmp_path / "other", database)
    assert run(database, data, "db", "move", "--force") == 0
    with opened_stores(tmp_path / "other", database) as stores, reading(stores.durable) as found:
        assert found.execute(text("SELECT count(*) FROM tenants WHERE id = 't'")).scalar() == 1


def test_nor_where_its_keys_were_not_put_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database, data = postgres().database(), tmp_path / "data"
    backup, keys = str(tmp_path / "b"), ("--keys", str(tmp_path / "k"))
    with opened_stores(data, database):
        pass
    assert run(database, data, "db", "backup", backup, *keys) == 0

    def dies(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(backups, "load_keys", dies)
        assert run(database, data, "db", "restore", backup, *keys, "--force") == 1
    with pytest.raises(ConfigError, match="not finished"):
        open_stores(tmp_path / "other", database)
    assert run(database, data, "db", "check") == 1
    assert run(database, data, "db", "backup", str(tmp_path / "half")) == 1
    assert run(database, data, "db", "restore", backup, *keys, "--force") == 0
    for replica in (tmp_path / "other", data):
        open_stores(replica, database).close()
    assert run(database, data, "db", "check") == 0


def test_nor_where_the_keys_of_a_move_were_not_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database, data = postgres().database(), tmp_path / "data"
    with opened_stores(data):
        pass
    own = open_keys(data / "keys" / STORE)
    prepare_keys(own)
    own.dispose()

    def dies(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(backups, "move_keys", dies)
        assert run(database, data, "db", "move") == 1
    with pytest.raises(ConfigError, match="not finished"):
        open_stores(tmp_path / "other", database)
    assert run(database, data, "db", "move", "--force") == 0
    open_stores(tmp_path / "other", database).close()


def test_nor_on_one_that_was_to_be_emptied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database, data, backup = postgres().database(), tmp_path / "data", str(tmp_path / "b")
    with opened_stores(data, database):
        pass
    assert run(database, data, "db", "backup", backup) == 0
    wipe = backups.wipe

    def dies(engine: Engine) -> None:
        wipe(engine)
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(backups, "wipe", dies)
        assert run(database, data, "db", "restore", backup, "--force") == 1
    with pytest.raises(ConfigError, match="not finished"):
        open_stores(tmp_path / "other", database)
