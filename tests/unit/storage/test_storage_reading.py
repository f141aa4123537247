"""Who only reads waits for nobody: a store that another program writes can still be read."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

import pytest
from sqlalchemy import text

from federation.errors import Unavailable
from federation.storage import engine as engines
from federation.storage.engine import open_engine, prepare_schema, reading, writing


def test_a_reader_does_not_wait_for_a_writer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "BUSY_MS", 200)
    store = tmp_path / "store.db"
    engine = open_engine(store)
    prepare_schema(engine, store)
    other = sqlite3.connect(store, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    began = time.monotonic()
    with reading(engine) as connection:
        assert connection.scalar(text("SELECT count(*) FROM calls")) == 0
    assert time.monotonic() - began < 0.15
    with pytest.raises(Unavailable, match="locked"), writing(engine):
        pass
    other.close()
    with writing(engine) as connection:
        connection.execute(text("DELETE FROM calls"))
    engine.dispose()
