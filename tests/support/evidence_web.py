"""Replicas that witness each other's logs, in one process: real notaries, a store in memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from evidence_world import Clock, Export, World

from federation.control.notary import Notary
from federation.control.witnesses import PostedStore, Witnesses
from federation.errors import Unavailable
from federation.evidence.web import Web
from federation.storage.evidence_calls import SpooledCalls
from federation.storage.posted_checkpoints import Posted
from federation_verify.web import Web as TheirWeb

Exports = dict[str, Export]
Found = list[tuple[str, str, int | None]]
"""Kind, name of the log, and record."""


@dataclass
class Board:
    """The shared store: `control.witnesses.PostedStore`."""

    rows: dict[str, Posted] = field(default_factory=dict)
    away: bool = False

    def post(self, posted: Posted) -> None:
        if self.away:
            raise Unavailable("The store is away.")
        before = self.rows.get(posted.log)
        if before is None or before.n < posted.n:
            self.rows[posted.log] = posted

    def list(self) -> list[Posted]:
        return [self.rows[log] for log in sorted(self.rows)]


class Replica:
    """One of them."""

    def __init__(
        self, root: Path, name: str, number: int, board: PostedStore, clock: Clock
    ) -> None:
        self.name = name
        self.board = board
        self.world = World(root / name, clock)
        self.world.calls = 1000 * number
        self.open()

    def open(self, name: str = "") -> None:
        """Begin, or go on, perhaps under another name."""
        self.name = name or self.name
        self.witnesses = Witnesses(self.name, self.board)
        self.world.neighbors = self.witnesses
        self.notary: Notary = self.world.notary(checkpoint_s=10.0, heartbeat_s=20.0)
        self.notary.open()

    def work(self, calls: int = 2) -> None:
        self.world.write(f"{self.name}-w0", calls)
        self.notary.round()
        self.witnesses.exchange()

    def close(self) -> Export:
        self.notary.close()
        self.witnesses.exchange()
        return self.export()

    def export(self) -> Export:
        return self.world.export()


@dataclass
class Cluster:
    """Replicas with one clock and one store."""

    root: Path
    clock: Clock = field(default_factory=Clock)
    board: PostedStore = field(default_factory=Board)
    replicas: dict[str, Replica] = field(default_factory=dict)
    joined: int = 0

    def join(self, name: str) -> Replica:
        made = Replica(self.root, name, self.joined, self.board, self.clock)
        self.joined += 1
        self.replicas[name] = made
        return made

    def work(self, rounds: int = 8) -> None:
        """So many checkpoints of each, with heartbeats between them."""
        for _ in range(rounds):
            self.clock.now += 10
            for replica in self.replicas.values():
                replica.work()

    def close(self) -> Exports:
        exports = {name: replica.close() for name, replica in self.replicas.items()}
        for replica in self.replicas.values():
            replica.world.close()
        return exports


def judged(
    exports: Exports,
    trusted: list[bytes] | None = None,
    anchors: list[bytes] | None = None,
    through_ms: int | None = None,
    *,
    only_keys: bool = False,
) -> Found:
    """Our findings over several logs, once the independent verifier has agreed to them."""
    keys = trusted or [next(iter(exports.values())).trusted]
    ours = web_of(exports, keys, anchors or [], through_ms, only_keys=only_keys)
    told = [
        *((name, found) for name, report in ours.reports.items() for found in report.findings),
        *((found.log, found) for found in ours.findings),
    ]
    theirs = TheirWeb(keys, through_ms, only_keys)
    members = [theirs.add(name, export.keys) for name, export in exports.items()]
    for member, export in zip(members, exports.values(), strict=True):
        theirs.read(member, export.checkpoints, export.entries, anchors or [])
    theirs.compare()
    they_told = [
        *((each.name, problem) for each in members for problem in each.log.problems),
        *theirs.problems,
    ]
    mine = [(found.kind, name, found.record) for name, found in told]
    assert [(found.kind, name, found.record) for name, found in they_told] == mine
    assert theirs.beside == ours.unasked
    return mine


def web_of(
    exports: Exports,
    keys: list[bytes],
    anchors: list[bytes],
    through_ms: int | None = None,
    *,
    only_keys: bool = False,
) -> Web:
    """Our own verdict."""
    with SpooledCalls(ledger=False) as calls:
        counted = calls if len(exports) > 1 else None
        web = Web(keys, counted, through_ms=through_ms, only_keys=only_keys)
        for name, export in exports.items():
            web.add(name, export.keys)
        for name, export in exports.items():
            web.read(name, export.checkpoints, export.entries, anchors)
        web.judge()
    return web
