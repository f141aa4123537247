"""Journals into the store: what workers wrote becomes what can be asked for.

Runs in a thread. The trap: a line may be seen twice (control died between two steps) and
must count once; the store keeps a writer's position in the same transaction as its lines,
and a call's id is unique beneath that.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from federation.control.ports import CallStore
from federation.errors import Unavailable
from federation.storage.entries import CallEntry, Position
from federation.storage.journal_reader import (
    BadLine,
    Batch,
    Began,
    Ended,
    Entry,
    JournalReader,
)

log = logging.getLogger(__name__)

GONE_CHECK_MS = 1_000


def newest_totals(records: Iterable[Began | Ended]) -> dict[str, int]:
    """By pot, the most that any of these records of one writer says that it has spent in all."""
    totals: dict[str, int] = {}
    for record in records:
        if type(record) is Ended and record.pots:
            for pot, total in record.pots.items():
                totals[pot] = max(total, totals.get(pot, 0))
    return totals


@dataclass(slots=True)
class Progress:
    """What has been taken in since control started."""

    lines: int = 0
    bad: int = 0
    lost: int = 0
    lag_ms: int = 0
    """How old the newest line was when it was last taken in."""


class Ingest:
    """Follows every journal in a directory. One thread at a time, in which `on_spent` hears
    what lines say that their writer spent (of a dead one all at once), and `on_gone` that it is
    dead and read to its end.

    `on_lines`, `on_gap` and `on_lost` hear of lines, of numbers that are missing between two,
    and of lost calls before the store keeps anything: what they raise ends the round, which is
    tried again with the same, so they may hear of one twice.
    """

    def __init__(self, reader: JournalReader, calls: CallStore, clock: Callable[[], float]) -> None:
        self.on_spent: Callable[[str, Mapping[str, int]], None] = lambda *_: None
        self.on_gone: Callable[[str], None] = lambda _: None
        self.on_lines: Callable[[Sequence[Entry]], None] = lambda _: None
        self.on_gap: Callable[[str, int, int], None] = lambda *_: None
        self.on_lost: Callable[[str, Sequence[CallEntry]], None] = lambda *_: None
        self.progress = Progress()
        self._reader = reader
        self._calls = calls
        self._clock = clock
        self._positions: dict[str, Position] | None = None
        self._sure = False
        """Whether the store is where it was left: one that was away may come back older."""
        self._checked_ms: dict[str, int] = {}

    def writing(self) -> set[str]:
        """Writers that may still write, or have written what was not taken in. Raises
        `Unavailable` where that is not known yet."""
        positions = self._positions
        if positions is None:
            raise Unavailable("No journal has been read yet.")
        return {name for name, position in list(positions.items()) if not position.closed}

    def run(self) -> None:
        """Take in whatever has been written by now.

        Raises `Unavailable` where the store does not take it; nothing is lost then.
        """
        if self._positions is None or not self._sure:
            self._positions = self._calls.positions()
        self._sure = False
        for writer, newest in sorted(self._reader.writers().items()):
            position = self._positions.get(writer, Position())
            if not position.closed:
                self._follow(self._positions, writer, newest, position)
        self._sure = True

    def abandon(self, writer: str) -> None:
        """A writer of another replica is dead for all that we know: what it left running is lost.

        Its journal lies there, and is taken in should that replica come back. Nothing where the
        journal is here, for then the next round does more. Raises `Unavailable`.
        """
        if writer not in self._reader.writers():
            lost = self._calls.close_writer(writer, None)
            log.warning("calls lost with a replica", extra={"writer": writer, "calls": lost})

    def _follow(
        self, positions: dict[str, Position], writer: str, newest: int, position: Position
    ) -> None:
        # Asked before the last read, so that nothing can be written after it.
        gone = self._is_gone(writer, newest)
        drained = False
        spent: dict[str, int] = {}
        try:
            while not drained:
                batch = self._reader.read(writer, position.segment, position.offset, gone=gone)
                position = positions[writer] = self._take(writer, position, batch, spent)
                drained = batch.drained
                if not gone:
                    self._tell_spent(writer, spent)
        finally:
            self._tell_spent(writer, spent)
        if gone:
            self._calls.take(writer, [], position, position)  # nothing that the store lacks
            position = Position(position.segment, position.offset, position.seq, closed=True)
            if left := self._calls.running(writer):
                self.on_lost(writer, left)
            lost = self._calls.close_writer(writer, position)
            positions[writer] = position
            self._checked_ms.pop(writer, None)
            self.on_gone(writer)
            if lost:
                self.progress.lost += lost
                log.warning("calls lost with their worker", extra={"writer": writer, "calls": lost})

    def _tell_spent(self, writer: str, spent: dict[str, int]) -> None:
        if spent:
            self.on_spent(writer, dict(spent))
            spent.clear()

    def _take(
        self, writer: str, position: Position, batch: Batch, spent: dict[str, int]
    ) -> Position:
        """Keep the lines of a batch; what they say that their writer spent is entered."""
        for bad in batch.bad:
            self._report(bad)
        seq, lines = position.seq, batch.lines
        if [line.seq for line in lines] == list(range(seq + 1, seq + 1 + len(lines))):
            seq += len(lines)
        else:
            lines = [line for line in lines if line.seq > position.seq]
            seq = self._last_seq(writer, seq, lines)
        after = Position(batch.segment, batch.offset, seq)
        if after == position:
            return position
        self.on_lines(lines)
        self._calls.take(writer, lines, after, position)
        if lines:
            for pot, total in newest_totals(line.record for line in lines).items():
                spent[pot] = max(total, spent.get(pot, 0))
            self.progress.lines += len(lines)
            self.progress.lag_ms = max(0, int(self._clock() * 1000) - lines[-1].record.at_ms)
        return after

    def _last_seq(self, writer: str, seq: int, lines: list[Entry]) -> int:
        for line in lines:
            if line.seq != seq + 1:
                extra = {"writer": writer, "after": seq, "found": line.seq}
                log.error("a journal has a gap", extra=extra)
                self.on_gap(writer, seq, line.seq)
            seq = line.seq
        return seq

    def _report(self, bad: BadLine) -> None:
        self.progress.bad += 1
        extra = {"writer": bad.writer, "segment": bad.segment, "offset": bad.offset}
        log.error("a journal line cannot be read", extra={**extra, "reason": bad.reason})

    def _is_gone(self, writer: str, newest: int) -> bool:
        """Whether the writer's process is dead; asked of the system once a second."""
        now_ms = int(self._clock() * 1000)
        if 0 <= now_ms - self._checked_ms.get(writer, 0) < GONE_CHECK_MS:
            return False
        self._checked_ms[writer] = now_ms
        return self._reader.gone(writer, newest)
