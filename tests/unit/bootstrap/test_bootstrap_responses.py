"""Stored responses are as safe as the configuration of the moment says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from federation.bootstrap import composition
from federation.domain.routes import Settings
from federation.storage.engine import Stores, open_engine, prepare_schema
from federation.storage.entries import ResponseEntry

ENTRY = ResponseEntry("resp_1", "default", "", "completed", "", 1, 1 << 50, 4, b"kept")


def test_a_reload_that_wants_the_disk_is_heeded_by_stored_responses(tmp_path: Path) -> None:
    durable, quick = open_engine(tmp_path / "durable.db"), open_engine(tmp_path / "quick.db")
    for engine in (durable, quick):
        prepare_schema(engine)
    stores = Stores(durable, quick, durable)
    settings = Settings()
    configuration: Any = SimpleNamespace(snapshot=SimpleNamespace(settings=settings))
    ground: Any = SimpleNamespace(
        configuration=configuration,
        stores=stores,
        journals=SimpleNamespace(lives=lambda _: True),
        master=b"m" * 32,
        ingest=SimpleNamespace(on_lost=lambda *_: None),
    )
    contents: Any = SimpleNamespace(seals=None, age=lambda: 0.0)
    pots: Any = SimpleNamespace()
    desk = composition._responses(ground, pots, contents)
    store = desk._store
    try:
        assert store.add(ENTRY, ())
        assert (_held(durable), _held(quick)) == (False, True)
        configuration.snapshot.settings = replace(settings, durability="disk")
        assert store.add(ENTRY, ())
        assert _held(durable), "waits for the disk"
    finally:
        desk._errands.close()
        stores.close()


def _held(engine: Any) -> bool:
    with engine.connect() as connection:
        return bool(connection.exec_driver_sql("SELECT count(*) FROM responses").scalar())
