"""Kept contents in a test: a data directory with its keys, its spools and its evidence log."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Engine

from federation.control.custody import Custody
from federation.control.custody_parts import Root
from federation.control.notebook import Notebook
from federation.control.payload_intake import TABLE, PayloadIntake
from federation.control.retention import Retention, SpoolKeys
from federation.evidence.sealing import Row, SealingKey
from federation.gateway.payload_box import PayloadBox
from federation.schema.payloads import Payload
from federation.storage.engine import open_engine, prepare_schema
from federation.storage.payload_spool import DIRECTORY, Spool, SpoolReader
from federation.storage.payloads import SqlPayloads
from federation.storage.sealing_keys import SqlSealingKeys, open_keys
from federation.storage.sealing_logs import open_sealing_logs
from federation.storage.sealing_roots import FileRoot

DAY_MS = 86_400_000
NOW_S = 1_763_700_000.0


class Clock:
    """Unix seconds that move only when told to."""

    def __init__(self, now: float = NOW_S) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def days(self, count: float) -> None:
        self.now += count * 86_400


def payload(call: str, subject: str, at_ms: int, days: int = 30, tenant: str = "acme") -> Payload:
    return Payload(
        call,
        tenant,
        subject,
        at_ms,
        days,
        "chat",
        b"",
        f"question of {subject} in {call}".encode(),
        f"answer to {subject} in {call}".encode(),
    )


@dataclass
class World:
    """One gateway's contents, without its processes. `open` again after a restore."""

    data: Path
    clock: Clock = field(default_factory=Clock)
    root: Root | None = None
    commitments: dict[str, str] = field(default_factory=dict)
    written: int = 0

    def __post_init__(self) -> None:
        self.open()

    @property
    def keys_directory(self) -> Path:
        return self.data / "keys"

    def open(self) -> None:
        path = self.data / "federation.db"
        self.engine: Engine = open_engine(path)
        prepare_schema(self.engine, path)
        self.keys = SqlSealingKeys(lambda: open_keys(self.keys_directory / "keys.db"))
        places = [self.keys_directory, self.data]
        root = FileRoot(self.keys_directory / "root") if self.root is None else self.root
        logs = open_sealing_logs(places)
        self.custody = Custody(self.keys, root, logs.tombstones, self.clock)
        self.payloads = SqlPayloads(self.engine)
        self.intake = PayloadIntake(SpoolReader(self.data), self.payloads, self.custody, self.keys)
        self.notebook = Notebook(self.data, self.clock)
        self.retention = Retention(
            self.custody, self.keys, self.payloads, self.intake, self.notebook, logs
        )
        self.retention.open()
        self.spool_keys = SpoolKeys("here", self.custody, self.intake, self.clock)
        self.new_worker()

    def new_worker(self) -> None:
        """A worker with a spool of its own and the newest key."""
        self.written += 1
        self.writer = f"w{self.written}-1-1"
        self.spool = Spool(self.data, self.writer)
        self.box = PayloadBox(self.spool)
        self.box.use(SealingKey(*self.spool_keys.make()))

    def spools(self) -> list[str]:
        """Names of what lies in the directory of spools."""
        return sorted(path.name for path in (self.data / DIRECTORY).iterdir())

    def say(self, call: str, subject: str, days: int = 30, tenant: str = "acme") -> None:
        """A call whose content is kept."""
        made = payload(call, subject, int(self.clock() * 1000), days, tenant)
        self.commitments[call] = self.box.keep(made)

    def read(self, call: str) -> bytes:
        """The sealed content of a call, opened; raises as `Custody.content` does."""
        entry = self.payloads.find(call, None)
        assert entry is not None
        return self.custody.content(Row(entry.tenant, TABLE, call), entry.sealed)

    def name(self, subject: str, tenant: str = "acme") -> str:
        return self.custody.name(tenant, subject)

    def close(self) -> None:
        self.spool.close()
        self.notebook.close()
        self.custody.close()
        self.engine.dispose()

    def backup(self, directory: Path, to: Path) -> None:
        """Copy a directory as it stands; close first."""
        shutil.copytree(directory, to)
