"""`federation db`: what is refused is refused before anything is changed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import Result

from federation.cli import db_files, db_work
from federation.errors import ConfigError
from federation.storage.engine import FILE, opened_stores

Run = Callable[..., Result]


@pytest.fixture
def shared(project: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A backup of a shared database, and what a restoration does to that database."""
    done: list[str] = []
    dump = SimpleNamespace(kind="postgresql", revision="0001")
    monkeypatch.setattr(db_files, "read_manifest", lambda _: (dump, {}))

    @contextmanager
    def fill(*_: Any, **__: Any) -> Iterator[None]:
        done.append("filled")
        yield

    monkeypatch.setattr(db_work, "_into_postgres", fill)
    monkeypatch.setenv("FEDERATION_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    (project / "data" / "journal").mkdir(parents=True)
    (project / "data" / "journal" / "w.000001.log").write_text("a line\n")
    return done


def test_a_restoration_that_is_refused_leaves_the_shared_database_alone(
    alone: Run, shared: list[str], project: Path
) -> None:
    refused = alone("db", "restore", "backup", "--json")
    assert json.loads(refused.stdout)["error"]["code"] == "not_empty"
    assert shared == []
    assert (project / "data/journal/w.000001.log").exists()


@pytest.mark.parametrize("asked", [("data/b",), ("b", "--keys", "data/k")])
def test_no_copy_lies_in_what_is_copied(alone: Run, project: Path, asked: tuple[str, ...]) -> None:
    """The next copy would hold it, and the one after both."""
    with opened_stores(project / "data"):
        pass
    refused = alone("db", "backup", *asked)
    assert refused.exit_code == 2
    assert "lies in the data directory" in refused.stderr
    assert not any((project / made).exists() for made in ("data/b", "b", "data/k"))
    assert alone("db", "backup", "b", "--keys", "k").exit_code == 0


def test_a_restoration_without_the_keys_that_were_named_changes_nothing(
    alone: Run, shared: list[str], project: Path
) -> None:
    refused = alone("db", "restore", "backup", "--force", "--keys", "missing", "--json")
    assert json.loads(refused.stdout)["error"]["code"] == "not_found"
    assert shared == []
    assert (project / "data/journal/w.000001.log").exists()


def test_the_keys_of_another_gateway_are_not_put_over_those_that_are_there(
    alone: Run, shared: list[str], project: Path
) -> None:
    own, others = project / "data" / "keys" / "root", project / "others" / "keys" / "root"
    for directory, key in ((own, "aa"), (others, "bb")):
        directory.mkdir(parents=True)
        (directory / "1.key").write_text(key)

    refused = alone("db", "restore", "backup", "--force", "--keys", "others", "--json")

    assert json.loads(refused.stdout)["error"]["code"] == "other_keys"
    assert shared == []
    assert (own / "1.key").read_text() == "aa"
    assert (project / "data/journal/w.000001.log").exists()
    (others / "1.key").write_text("aa")
    assert alone("db", "restore", "backup", "--force", "--keys", "others").exit_code == 0


def test_an_admin_key_that_was_renewed_since_is_no_other_gateways(
    alone: Run, shared: list[str], project: Path
) -> None:
    (project / "data" / "admin.key").write_text("fed_new")
    (project / "keys").mkdir()
    (project / "keys" / "admin.key").write_text("fed_old")

    done = alone("db", "restore", "backup", "--force", "--keys", "keys", "--json")

    assert done.exit_code == 0, done.output
    assert (project / "data" / "admin.key").read_text() == "fed_old"


def test_a_restoration_says_that_the_secret_of_the_evidence_log_is_missing(
    alone: Run, shared: list[str], project: Path
) -> None:
    row, keys = project / "backup" / "files" / "evidence", project / "keys" / "evidence"
    row.mkdir(parents=True)
    (row / "keys.jsonl").write_text('{"body":{"key":"k1"}}\n{"body":{"key":"k2"}}\n')
    keys.mkdir(parents=True)
    (keys / "k1.seed").write_text("aa")

    done = alone("db", "restore", "backup", "--force", "--keys", "keys", "--json")
    assert json.loads(done.stdout)["unsigned"] == "k2"
    assert "k2" in alone("db", "restore", "backup", "--force").output
    (keys / "k2.seed").write_text("bb")
    done = alone("db", "restore", "backup", "--force", "--keys", "keys", "--json")
    assert json.loads(done.stdout)["unsigned"] is None


def test_what_is_there_stays_where_the_shared_database_cannot_be_filled(
    alone: Run, shared: list[str], project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(db_work, "_into_postgres", fail)
    assert alone("db", "restore", "backup", "--force").exit_code == 1
    assert (project / "data/journal/w.000001.log").exists()


def test_a_restoration_over_what_is_there_puts_it_aside(
    alone: Run, shared: list[str], project: Path
) -> None:
    done = alone("db", "restore", "backup", "--force", "--json")
    assert done.exit_code == 0, done.output
    assert shared == ["filled"]
    aside = Path(json.loads(done.stdout)["aside"])
    assert (aside / "journal/w.000001.log").read_text() == "a line\n"
    assert not (project / "data/journal/w.000001.log").exists()


def test_a_restoration_that_is_broken_off_lets_no_gateway_start_until_it_is_done_again(
    alone: Run, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = project / "data"
    with opened_stores(data):
        pass
    assert alone("db", "backup", "backup").exit_code == 0

    def dies(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(db_files, "put_store", dies)
        alone("db", "restore", "backup", "--force")
    with pytest.raises(ConfigError, match="not finished"), opened_stores(data):
        pass
    assert not (data / FILE).exists(), "no new store was made in its place"
    (data / FILE).touch()
    for arguments in (("check",), ("backup", "half")):
        assert "not finished" in alone("db", *arguments, "--json").output
    assert alone("db", "restore", "backup", "--force").exit_code == 0
    with opened_stores(data):
        pass


def test_a_file_that_was_swept_meanwhile_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "here").write_text("x")
    os.utime(data / "here", ns=(5, 7))
    found = [data / "here", data / "gone"]
    monkeypatch.setattr(db_files, "_data", lambda _: iter(found))
    before = len(list(Path("/dev/fd").iterdir()))
    files = db_files.copy_data(data, tmp_path / "to", lambda *_: None)
    assert list(files) == ["here"]
    assert [path.name for path in (tmp_path / "to" / "files").iterdir()] == ["here"]
    assert (tmp_path / "to" / "files" / "here").stat().st_mtime_ns == 7
    assert (tmp_path / "to" / "files" / "here").stat().st_mode & 0o777 == 0o600
    assert len(list(Path("/dev/fd").iterdir())) == before
