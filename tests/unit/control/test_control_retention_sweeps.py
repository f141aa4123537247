"""Sweeps go by the holds of their moment; what was destroyed leaves every file."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from federation.control.retention import Retention
from federation.storage.sealing_entries import HoldEntry, Holds, KeyEntry
from federation.storage.sealing_keys import SqlSealingKeys, open_keys

HOLD = HoldEntry("h", "acme", "", "a case", "key_1", 1)
WRAPPED = b"a wrapped key that nobody may find" * 3


def test_a_hold_that_comes_during_a_sweep_covers_what_is_left() -> None:
    held: list[HoldEntry] = []
    seen: list[int] = []

    class Keys:
        def holds(self) -> list[HoldEntry]:
            return list(held)

        def erasures(self) -> list[Any]:
            return []

        def outlived(self) -> list[KeyEntry]:
            return []

        def forget(self) -> None:
            seen.append(-1)

    class Payloads:
        def expire(self, _: int, holds: Holds, most: int) -> int:
            seen.append(len(holds()))
            if held:
                return 0
            held.append(HOLD)
            return most

    class Custody:
        def expired(self, _: int, holds: Sequence[HoldEntry], __: int) -> list[KeyEntry]:
            seen.append(len(holds))
            return []

    nobody = cast("Any", None)
    stores = (cast("Any", Custody()), cast("Any", Keys()), cast("Any", Payloads()))
    Retention(*stores, nobody, nobody, nobody).sweep(1000)
    assert seen == [0, 1, 1, -1]


def test_a_destroyed_key_is_gone_once_nobody_reads_any_more(tmp_path: Path) -> None:
    engine = open_keys(tmp_path / "keys.db")
    store = SqlSealingKeys(lambda: engine)
    store.add(KeyEntry("root", "tenant", "acme", "", "", "file:1", b"x" * 60, 1))
    store.add(KeyEntry("k1", "data", "acme", "p", "2026-01", "root", WRAPPED, 1))
    store.forget()

    def found() -> bool:
        return any(WRAPPED in path.read_bytes() for path in tmp_path.iterdir())

    reader = sqlite3.connect(tmp_path / "keys.db")
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM sealing_keys").fetchone()
    assert store.destroy(["k1"], 5, "erased") == 1
    assert found(), "the reader may still see it"
    reader.execute("COMMIT")
    reader.close()
    store.forget()
    assert not found()
    engine.dispose()
