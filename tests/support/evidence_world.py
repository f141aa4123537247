"""A log of evidence in a test: journals that are written, a notary, exports to tamper with."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from federation.control.evidence_reading import EvidenceReading
from federation.control.notary import Neighbors, Notary, Rhythm
from federation.evidence.checkpoints import checkpoint_line, read_checkpoint
from federation.evidence.signing import read_keys
from federation.schema.records import CallEnded, CallStarted
from federation.storage.anchors import Anchor
from federation.storage.engine import open_engine, prepare_schema
from federation.storage.evidence_index import SqlEvidence
from federation.storage.journal import JournalWriter


class Clock:
    """Unix seconds that move only when told to."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def started(call: str, at_ms: int = 1_700_000_000_000) -> CallStarted:
    return CallStarted(call, at_ms, "default", "key_1", "chat", "auto", "acme/large")


def ended(call: str, at_ms: int = 1_700_000_000_500, **more: Any) -> CallEnded:
    return CallEnded(
        *(call, at_ms, "default", "key_1", "chat", "auto", "ok", 200),
        deployment="acme/large",
        **more,
    )


@dataclass
class World:
    """A data directory with its writers."""

    data: Path
    clock: Clock = field(default_factory=Clock)
    writers: dict[str, JournalWriter] = field(default_factory=dict)
    calls: int = 0
    anchors: tuple[Anchor, ...] = ()
    neighbors: Neighbors | None = None

    def __post_init__(self) -> None:
        path = self.data / "federation.db"
        self.engine = open_engine(path)
        prepare_schema(self.engine, path)
        self.index = SqlEvidence(self.engine)

    def write(self, writer: str, count: int = 1, segment_bytes: int = 1 << 20) -> list[str]:
        """So many calls, two lines each."""
        journal = self.writers.get(writer)
        if journal is None:
            journal = JournalWriter(self.data / "journal", writer, segment_bytes=segment_bytes)
            self.writers[writer] = journal
        made = []
        for _ in range(count):
            self.calls += 1
            made.append(f"call_{self.calls:06d}")
            journal.append(started(made[-1]))
            journal.append(ended(made[-1]))
        return made

    def notary(self, **rhythm: float) -> Notary:
        return Notary(
            self.data, self.index, self.anchors, self.clock, Rhythm(**rhythm), self.neighbors
        )

    def close(self) -> None:
        for journal in self.writers.values():
            journal.close()
        self.engine.dispose()

    def fill(self, rounds: int = 4, calls: int = 5) -> Notary:
        """Two writers' calls under several checkpoints; the notary is still open."""
        notary = self.notary()
        notary.open()
        for _ in range(rounds):
            for writer in ("w0-a", "w1-b"):
                self.write(writer, calls)
            notary.round()
            self.write("w0-a", 1)
            self.clock.now += 10
            notary.round()
        return notary

    def reading(self) -> EvidenceReading:
        return EvidenceReading(self.data)

    def export(self) -> Export:
        reading = self.reading()
        return Export(list(reading.keys()), list(reading.checkpoints()), list(reading.entries()))


@dataclass(repr=False)
class Export:
    """An export in memory, to be tampered with."""

    keys: list[bytes]
    checkpoints: list[bytes]
    entries: list[bytes]

    def __repr__(self) -> str:
        return f"<export of {len(self.entries)} records>"

    @property
    def trusted(self) -> bytes:
        return read_keys(self.keys)[0].public

    def anchors(self) -> list[bytes]:
        """What an anchor would have kept of these checkpoints."""
        read = (read_checkpoint(line) for line in self.checkpoints)
        return [checkpoint_line(each.raw, each.signature) for each in read]

    def copy(self) -> Export:
        return Export(list(self.keys), list(self.checkpoints), list(self.entries))

    def save(self, to: Path) -> Path:
        to.mkdir()
        (to / "keys.jsonl").write_bytes(b"".join(self.keys))
        (to / "checkpoints.jsonl").write_bytes(b"".join(self.checkpoints))
        (to / "entries.jsonl").write_bytes(b"".join(self.entries))
        return to

    def renumber(self) -> None:
        """Give every record the number of its place, as a careful forger would."""
        self.entries = [
            re.sub(rb'^\{"n":\d+', b'{"n":%d' % n, line) for n, line in enumerate(self.entries)
        ]

    def whose(self, n: int) -> tuple[str, int]:
        line = json.loads(self.entries[n])["line"]
        return line["writer"], line["seq"]
