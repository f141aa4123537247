"""The store's calls held against the signed log, both ways.

From the log to the store while the log is verified: each call of it has its row, and every
column says what the signed line says. Then the rows that this did not confirm: each must be a
line of a journal. The trap: a gateway may run beside. What ingest has not taken in yet is
counted and no finding, and what is not sealed yet is looked for in the journals.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from federation.evidence.findings import Finding
from federation.storage.entries import LOST, RUNNING
from federation.storage.evidence_lines import JournalLines
from federation.storage.evidence_rows import AT_ONCE, LedgerRow, SqlRows
from federation.storage.journal import segment_path
from federation.storage.journal_reader import Began, parse_plain, read_entry

MOST = 20
"""Findings that are named; a store that was made anew would name every call."""
_CALL = re.compile(
    rb'\{"writer":"([A-Za-z0-9_-]+)","seq":(\d+),"record":\{"type":"(started|ended|lost)",'
    rb'(?:"at_ms":\d+,)?"call":"([^"\\]+)"'
)
_CHUNK = 1 << 16


class _Logged(NamedTuple):
    """A record of a call in the log."""

    n: int
    writer: str
    seq: int
    kind: str
    call: str
    line: bytes


class RowCheck:
    """Hears the log as it is verified (`evidence.verify.Listener`); then `rest`. Use it once.

    What it found counts only where the log was good. Raises `Unavailable` where the store
    cannot be read.
    """

    def __init__(self, rows: SqlRows, journals: Sequence[Path], *, shared: bool) -> None:
        """`shared`: other replicas' calls are in the store, and their journals are elsewhere."""
        self.held = 0
        """Rows that say, in every column, what their record says."""
        self.behind = 0
        """Records of calls that the store has not taken in yet."""
        self._rows = rows
        self._journals = journals
        self._lines = JournalLines(journals)
        self._shared = shared
        self._taken = rows.taken()
        self._waiting: list[_Logged] = []
        self._held = _Numbers()
        """Rows with an end that were compared."""
        self._findings: dict[str, Finding] = {}
        self._more = False

    def take(self, n: int, line: bytes) -> None:
        """A record of the log and its place."""
        found = _CALL.match(line)
        if found is not None:
            writer, seq, kind, call = found.groups()
            self._waiting.append(
                _Logged(n, writer.decode(), int(seq), kind.decode(), call.decode(), line)
            )
            if len(self._waiting) == AT_ONCE:
                self._compare()

    def hold(self) -> None:
        """Nothing waits for a checkpoint: findings count only once all hold."""

    def rest(self) -> Iterator[Finding]:
        """Compare what is left, and the rows that no record confirmed; then all findings."""
        self._compare()
        for page in self._rows.numbers():
            others = self._held.others(page)
            for at in range(0, len(others), AT_ONCE):
                # In the order of the journals, which are read forwards only.
                for row in sorted(self._rows.numbered(others[at : at + AT_ONCE]), key=_place):
                    self._unconfirmed(row)
        yield from self._findings.values()
        if self._more:
            yield Finding("index", "More calls of the store are not as the log has them.")

    def _compare(self) -> None:
        """What waits against its rows."""
        logged, self._waiting = self._waiting, []
        if any(each.seq > self._seq(each.writer) for each in logged):
            # Before the rows are read: what was taken in by now is among them.
            self._taken = self._rows.taken()
        rows = self._rows.named({each.call for each in logged})
        for each in logged:
            row = rows.get(each.call)
            if each.kind == "lost":
                # Where its worker is known to be gone, `_rightly_running` finds it.
                self.behind += row is not None and row.outcome == RUNNING and not self._gone(row)
            elif each.seq > self._seq(each.writer):
                self.behind += 1
            elif row is None:
                self._found(each.call, "has no row in the store", each)
            elif each.kind == "started":
                if _place(row)[0] != each.writer:
                    self._found(each.call, "has another worker's record in the store", each)
            elif row.line == each.line:
                self._held.add(row.n)
                self._compared(row, each)
            elif not self._ended_otherwise(row):
                self._found(each.call, "has another record in the store than in the log", each)

    def _compared(self, row: LedgerRow, logged: _Logged | None) -> None:
        """A row whose line is a record of the log, or of a journal, or another replica's."""
        if row.changed:
            what = ", ".join(row.changed)
            self._found(row.call, f"was changed in the store: {what}", logged)
        elif row.running and not self._rightly_running(row):
            self._found(row.call, f"cannot be {row.outcome}, as the store says", logged)
        else:
            self.held += 1

    def _rightly_running(self, row: LedgerRow) -> bool:
        """Whether a call without an end is lost where its worker is gone, and else runs."""
        if self._fits(row):
            return True
        self._taken = self._rows.taken()
        return all(self._fits(again) for again in self._rows.numbered([row.n]))

    def _fits(self, row: LedgerRow) -> bool:
        gone = self._gone(row)
        # Another replica gives up calls of a worker whose journal it cannot read.
        return not row.running or (row.outcome == LOST) == gone or (self._shared and not gone)

    def _gone(self, row: LedgerRow) -> bool:
        taken = self._taken.get(row.writer)
        return taken is not None and taken.closed

    def _ended_otherwise(self, row: LedgerRow) -> bool:
        """Whether a call has two ends in the journals, of which the store has the other."""
        entry = read_entry(row.line)
        if entry is None or isinstance(entry.record, Began) or entry.record.call != row.call:
            return False
        return self._in_journal(row) is True

    def _unconfirmed(self, row: LedgerRow) -> None:
        if self._in_journal(row) is False:
            self._found(row.call, "is in the store and in no journal", None)
        else:
            self._compared(row, None)

    def _in_journal(self, row: LedgerRow) -> bool | None:
        """Whether a journal here has the row's line; None where its writer is another replica's."""
        line = parse_plain(row.line)
        if line is None:
            return False
        if not any(segment_path(each, line.writer, 1).exists() for each in self._journals):
            return None if self._shared else False
        return any(found == row.line for _, found in self._lines.run(line.writer, line.seq, 1))

    def _seq(self, writer: str) -> int:
        taken = self._taken.get(writer)
        return 0 if taken is None else taken.seq

    def _found(self, call: str, what: str, logged: _Logged | None) -> None:
        if call in self._findings:
            return
        if len(self._findings) == MOST:
            self._more = True
            return
        message = f"Call {call} {what}."
        if logged is None:
            self._findings[call] = Finding("index", message)
        else:
            self._findings[call] = Finding(
                "index", message, logged.n, writer=logged.writer, seq=logged.seq
            )


def _place(row: LedgerRow) -> tuple[str, int]:
    line = parse_plain(row.line)
    return ("", 0) if line is None else (line.writer, line.seq)


class _Numbers:
    """A set of numbers, a bit for each; most lie side by side."""

    def __init__(self) -> None:
        self._chunks: dict[int, bytearray] = {}

    def add(self, number: int) -> None:
        chunk = self._chunks.setdefault(number // _CHUNK, bytearray(_CHUNK // 8))
        at, bit = divmod(number % _CHUNK, 8)
        chunk[at] |= 1 << bit

    def others(self, numbers: Iterable[int]) -> list[int]:
        """Those that are not among them."""
        return [each for each in numbers if not self._has(each)]

    def _has(self, number: int) -> bool:
        chunk = self._chunks.get(number // _CHUNK)
        at, bit = divmod(number % _CHUNK, 8)
        return chunk is not None and bool(chunk[at] & 1 << bit)
