"""The index of the log: which record stands where, and which checkpoint has which root.

It decides nothing and proves nothing; dropped, it is filled again from the log's files.
The trap: triggers keep a slip of the hand from changing a row, not an attacker, who drops
them first. That shows because a verification compares every row with the signed log.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Engine, func, insert, select, text

from federation.storage.engine import reading, writing
from federation.storage.evidence_calls import LedgerCall
from federation.storage.evidence_rows import SqlRows
from federation.storage.journal_reader import Plain, parse_plain
from federation.storage.tables import (
    APPEND_ONLY,
    calls,
    evidence_checkpoints,
    evidence_runs,
)


@dataclass(frozen=True, slots=True)
class IndexedRun:
    """Neighboring records of one writer: where they stand in the log."""

    at: int
    writer: str
    seq: int
    count: int


@dataclass(frozen=True, slots=True)
class IndexedCheckpoint:
    """A checkpoint, and the runs that it sealed."""

    n: int
    size: int
    at_ms: int
    root: bytes
    hash: bytes
    runs: tuple[IndexedRun, ...] = ()


class SqlEvidence:
    """The index in a database; implements `control.notary.Index`.

    The ledger may lie in another one, which replicas share: each has a log of its own.
    """

    def __init__(self, engine: Engine, ledger: Engine | None = None) -> None:
        self._engine = engine
        self._ledger = engine if ledger is None else ledger

    def count(self) -> int:
        """How many checkpoints it knows; they are the first of the log."""
        with reading(self._engine) as connection:
            return connection.scalar(select(func.max(evidence_checkpoints.c.n) + 1)) or 0

    def add(self, checkpoints: Sequence[IndexedCheckpoint]) -> None:
        """Take on the next checkpoints, all or none."""
        if not checkpoints:
            return
        rows = [
            {"n": each.n, "size": each.size, "at_ms": each.at_ms, "root": each.root}
            | {"hash": each.hash}
            for each in checkpoints
        ]
        runs = [
            {"at": run.at, "writer": run.writer, "seq": run.seq, "count": run.count}
            for each in checkpoints
            for run in each.runs
        ]
        with writing(self._engine) as connection:
            connection.execute(insert(evidence_checkpoints), rows)
            if runs:
                connection.execute(insert(evidence_runs), runs)

    def place(self, writer: str, seq: int) -> int | None:
        """Where a record stands in the log; None where no checkpoint covers it yet."""
        r = evidence_runs.c
        query = (
            select(r.at, r.seq, r.count)
            .where(r.writer == writer, r.seq <= seq)
            .order_by(r.seq.desc())
            .limit(1)
        )
        with reading(self._engine) as connection:
            row = connection.execute(query).one_or_none()
        if row is None or seq >= row.seq + row.count:
            return None
        return int(row.at + seq - row.seq)

    def at(self, n: int) -> tuple[str, int] | None:
        """Writer and number of the record at a place of the log; None where there is none yet."""
        r = evidence_runs.c
        query = (
            select(r.at, r.writer, r.seq, r.count).where(r.at <= n).order_by(r.at.desc()).limit(1)
        )
        with reading(self._engine) as connection:
            row = connection.execute(query).one_or_none()
        if row is None or n >= row.at + row[3]:
            return None
        return str(row.writer), int(row.seq + n - row.at)

    def call(self, call: str) -> Plain | None:
        """The newest journal line of a call, as the ledger's index has it."""
        with reading(self._ledger) as connection:
            line = connection.scalar(select(calls.c.line).where(calls.c.id == call))
        return None if line is None else parse_plain(_bytes(line))

    @property
    def rows(self) -> SqlRows:
        """The ledger's calls."""
        return SqlRows(self._ledger)

    @property
    def shared(self) -> bool:
        """Whether the ledger is another database than this, so that others may share it."""
        return self._ledger is not self._engine

    def ledger(self) -> Iterator[LedgerCall]:
        """Every call in the ledger, oldest first."""
        for row in self.rows.all():
            yield LedgerCall(
                row.call, row.writer, row.outcome, row.at_ms, row.line, bool(row.changed)
            )

    def page(self, first: int, limit: int) -> list[IndexedCheckpoint]:
        """Checkpoints from number `first` on, without their runs."""
        c = evidence_checkpoints.c
        query = select(c.n, c.size, c.at_ms, c.root, c.hash).where(c.n >= first)
        with reading(self._engine) as connection:
            rows = connection.execute(query.order_by(c.n).limit(limit))
            return [IndexedCheckpoint(*row) for row in rows]

    def runs(self, after: int, limit: int) -> list[IndexedRun]:
        """Runs that stand in the log after a place, in order."""
        r = evidence_runs.c
        query = select(r.at, r.writer, r.seq, r.count).where(r.at > after)
        with reading(self._engine) as connection:
            rows = connection.execute(query.order_by(r.at).limit(limit))
            return [IndexedRun(row.at, row.writer, row.seq, row[3]) for row in rows]

    def missing_triggers(self) -> list[str]:
        """Triggers against changes that are not there any more."""
        query = text("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        with reading(self._engine) as connection:
            there = {name for (name,) in connection.execute(query)}
        return [name for name in APPEND_ONLY if name not in there]


def _bytes(line: bytes | str) -> bytes:
    return line.encode() if isinstance(line, str) else line
