"""Files that are removed, moved away or replaced while they are open: nothing goes where nobody
looks, and nothing is made in their place."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import pytest
from sqlalchemy import Engine

from federation.errors import ConfigError, Unavailable
from federation.schema.payloads import Spooled
from federation.schema.records import CallStarted
from federation.storage.engine import (
    FILE,
    open_engine,
    open_stores,
    prepare_schema,
    probe,
    reading,
    writing,
)
from federation.storage.journal import JournalWriter
from federation.storage.payload_spool import DIRECTORY, Spool


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "federation.db"


@pytest.fixture
def engine(store: Path) -> Engine:
    made = open_engine(store)
    prepare_schema(made, store)
    probe(made)
    return made


def refused(engine: Engine) -> None:
    with pytest.raises(Unavailable, match="removed or replaced"):
        probe(engine)
    with pytest.raises(Unavailable, match="removed or replaced"), reading(engine):
        pass


def test_a_store_whose_file_was_removed_takes_nothing_and_makes_none(
    engine: Engine, store: Path
) -> None:
    store.unlink()
    refused(engine)
    engine.dispose()
    refused(engine)
    assert not store.exists()


def test_a_store_in_whose_place_another_was_put_takes_nothing(engine: Engine, store: Path) -> None:
    store.rename(store.with_name("away"))
    log = Path(f"{store}-wal")
    assert log.exists(), "it would be played into the other one"
    with pytest.raises(Unavailable, match=f"take away {log.name} and"):
        probe(engine)
    log.unlink()
    Path(f"{store}-shm").unlink()
    other = open_engine(store)
    prepare_schema(other, store)
    refused(engine)
    probe(other)


def test_no_store_is_made_beside_the_log_of_one_that_was_moved_away(
    engine: Engine, store: Path
) -> None:
    """Another process would delete the log, and with it what the file lacks."""
    with writing(engine) as connection:
        connection.exec_driver_sql("INSERT INTO tenants (id, name, created_ms) VALUES ('t', '', 1)")
    away = store.with_name("away")
    store.rename(away)
    with pytest.raises(ConfigError, match=r"is missing, and its log federation\.db-wal is there"):
        open_engine(store)
    assert not store.exists()
    away.rename(store)
    engine.dispose()
    again = open_engine(store)
    with reading(again) as connection:
        found = connection.exec_driver_sql("SELECT COUNT(*) FROM tenants WHERE id = 't'")
        assert found.scalar() == 1
    again.dispose()


def test_a_store_that_was_put_back_goes_on(engine: Engine, store: Path) -> None:
    directory = store.parent
    away = directory.with_name("away")
    directory.rename(away)
    refused(engine)
    assert not directory.exists()
    away.rename(directory)
    probe(engine)


def test_a_journal_that_was_moved_away_is_begun_anew_in_its_place(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    journal = JournalWriter(tmp_path / "journal", "w0")
    journal.append(CallStarted("call_1", 1, "default", "key_1", "chat", "auto", "acme/large"))
    (tmp_path / "journal").rename(tmp_path / "archive")
    with caplog.at_level(logging.ERROR):
        journal.extend(())
    assert [path.name for path in (tmp_path / "journal").iterdir()] == ["w0.000002.log"]
    assert (tmp_path / "archive" / "w0.000001.log").stat().st_size
    assert "a journal was removed" in caplog.text
    journal.extend(())
    assert len(list((tmp_path / "journal").iterdir())) == 1, "once is enough"


def test_a_spool_that_was_removed_is_begun_anew(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "w0")
    spool.look()
    assert not (tmp_path / DIRECTORY).exists()
    spool.append(Spooled("call_1", "default", "key_1", b"sealed"))
    shutil.rmtree(tmp_path / DIRECTORY)
    spool.look()
    spool.append(Spooled("call_2", "default", "key_1", b"sealed"))
    assert b"call_2" in (tmp_path / DIRECTORY / "w0.000002.log").read_bytes()


def test_a_store_that_was_there_is_not_made_anew_unasked(tmp_path: Path) -> None:
    log = tmp_path / "evidence" / "spine.000001.log"
    log.parent.mkdir()
    log.write_bytes(b"x")
    with pytest.raises(ConfigError, match=r"there was a store.*federation db create"):
        open_stores(tmp_path)
    assert not (tmp_path / FILE).exists()
    (tmp_path / FILE).touch()
    with pytest.raises(ConfigError, match="is missing or empty"):
        open_stores(tmp_path)
    shared = open_engine(tmp_path / "shared.db")
    with pytest.raises(ConfigError, match="is missing or empty"):
        prepare_schema(shared, beside=tmp_path)
    shared.dispose()
    open_stores(tmp_path, anew=True).close()
    open_stores(tmp_path).close()
