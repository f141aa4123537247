"""What fills a shared database and is broken off half-way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from postgres_server import postgres
from sqlalchemy import text
from typer.testing import CliRunner

from federation.cli.tree import app
from federation.config.stores import DATABASE_VARIABLE
from federation.errors import ConfigError
from federation.storage import backups
from federation.storage.engine import open_stores, opened_stores, reading, writing


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
