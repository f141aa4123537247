"""A replica's retention as a process of its own, told what to do and when, to be killed at will.

Run as a program: `retaining.py DATA DATABASE`. It opens, says so, and then does what a line of its
input says, at that moment: `hold SUBJECT AT`, `erase SUBJECT AT`, `release HOLD AT`,
`sweep DAYS AT`, `rotate begin AT`, `rotate on AT`.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from federation.control.custody import Custody
from federation.control.notebook import Notebook
from federation.control.payload_intake import PayloadIntake
from federation.control.retention import Retention
from federation.errors import NotFound
from federation.storage.engine import open_engine, open_postgres, prepare_schema
from federation.storage.payload_spool import SpoolReader
from federation.storage.payloads import SqlPayloads
from federation.storage.sealing_keys import SqlSealingKeys, prepare_keys
from federation.storage.sealing_logs import open_sealing_logs
from federation.storage.sealing_roots import MasterRoot

TENANT = "acme"
DAY_MS = 86_400_000


def replica(data: Path, database: str) -> tuple[Retention, SqlSealingKeys, Engine]:
    """A replica over a data directory of its own and the database that all share: an address, or
    the path of an SQLite file."""
    is_path = "://" not in database
    engine = open_engine(Path(database)) if is_path else open_postgres(database)
    prepare_schema(engine)
    prepare_keys(engine)
    keys = SqlSealingKeys(lambda: engine)
    logs = open_sealing_logs([data / "keys", data])
    custody = Custody(keys, MasterRoot(b"0123456789abcdef" * 2), logs.tombstones, time.time)
    payloads = SqlPayloads(engine)
    intake = PayloadIntake(SpoolReader(data), payloads, custody, keys)
    notebook = Notebook(data, time.time)
    return Retention(custody, keys, payloads, intake, notebook, logs), keys, engine


def records(data: Path) -> list[dict[str, Any]]:
    """What a replica has put on record about contents, in order, by all of its processes."""
    found: list[dict[str, Any]] = []
    for path in sorted((data / "evidence" / "journal").glob("notes-*.log")):
        lines = path.read_bytes().splitlines(keepends=True)
        whole = (line.partition(b" ")[2] for line in lines if line.endswith(b"\n"))
        found += [json.loads(line)["record"] for line in whole]
    return sorted(found, key=lambda record: record["at_ms"])


def of(written: list[dict[str, Any]], event: str, subject: str) -> list[dict[str, Any]]:
    """The records of one event about one person."""
    told = ({"subject": "", "after": []} | each for each in written)
    return [each for each in told if (each["event"], each["subject"]) == (event, subject)]


def _done(retention: Retention, word: str, about: str) -> dict[str, Any]:
    if word == "erase":
        wish = retention.erase(TENANT, about, "key_b")
        return {"id": wish.id, "turn": wish.done_ms}
    if word == "release":
        (hold,) = (each for each in retention.holds() if each.id == about)
        retention.release(hold, "key_a")
    elif word == "sweep":
        retention.sweep(int(time.time() * 1000) + int(about) * DAY_MS)
    elif word == "rotate":
        return {"left": retention.custody.rotate(TENANT, begin=about == "begin").left}
    else:
        try:
            hold = retention.hold(TENANT, about, "case", "key_a")
        except NotFound:
            return {"id": None}
        return {"id": hold.id, "turn": hold.created_ms}
    return {}


def main(data: Path, database: str) -> None:
    retention, _, _ = replica(data, database)
    retention.open()
    print("{}", flush=True)
    for line in sys.stdin:
        word, about, at = line.split()
        time.sleep(max(0.0, float(at) - time.time()))
        print(json.dumps(_done(retention, word, about)), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
