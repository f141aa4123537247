"""What several logs hold of each call, in a file that is gone afterwards, and the ledger beside it.

For verifications over more records than memory holds: rows in, a sort at the end. The trap: a
record is believed once its checkpoint is verified (`hold`), so rows wait until then.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from typing import Final, NamedTuple, Self

from federation.storage.entries import LOST, RUNNING

_WRITER = re.compile(rb'\{"writer":"([A-Za-z0-9_-]+)"')
_TABLES: Final = """
CREATE TABLE said (log TEXT, n INTEGER, kind TEXT, call TEXT, leaf BLOB);
CREATE TABLE ledger (
  call TEXT PRIMARY KEY, writer TEXT, outcome TEXT, at_ms INTEGER, leaf BLOB, changed INTEGER
) WITHOUT ROWID;
"""
_AGAIN: Final = """
SELECT log, n, call FROM (
  SELECT rowid AS at, log, n, call,
  row_number() OVER (PARTITION BY call ORDER BY rowid) AS nth FROM said WHERE kind = 'ended'
) WHERE nth > 1 ORDER BY at
"""
_BY_CALL: Final = """
CREATE TABLE by_call AS SELECT call, max(CASE kind WHEN 'ended' THEN leaf END) AS leaf,
max(kind = 'ended') AS ended, max(kind = 'lost') AS lost, min(log) AS log
FROM said GROUP BY call ORDER BY call
"""


class LedgerCall(NamedTuple):
    """A row of the ledger; `at_ms` is when it ended or, where that is unknown, began."""

    call: str
    writer: str
    outcome: str
    at_ms: int
    line: bytes
    changed: bool = False
    """Whether a column says what the line does not."""


class Apart(NamedTuple):
    """A call of which ledger and logs do not say the same."""

    call: str
    what: str
    """unlogged | unlisted | altered | not_lost"""
    outcome: str
    log: str


class SpooledCalls:
    """Calls of several logs; implements `evidence.web.Calls`. Use it in a `with`."""

    def __init__(self, *, ledger: bool = True) -> None:
        """With `ledger`, all that `against` needs is kept; without, ends alone."""
        self.later = 0
        """Calls of the ledger that ended after the logs, once they were compared."""
        self.running = 0
        """Those that had not ended."""
        self.compared = 0
        # An empty name: a file of SQLite's own that goes with the connection.
        self._file = sqlite3.connect("", isolation_level=None)
        self._file.executescript(f"PRAGMA journal_mode = OFF; {_TABLES} BEGIN;")
        self._waiting: list[tuple[str, int, str, str, bytes]] = []
        self._writers: dict[str, str] = {}
        self._ledger = ledger

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def take(self, log: str, n: int, kind: str, call: str, line: bytes) -> None:
        """A record of a call and its place; it is not known to hold."""
        if not self._ledger:
            if kind == "ended":
                self._waiting.append((log, n, kind, call, b""))
            return
        leaf = sha256(b"\x00" + line).digest() if kind == "ended" else b""
        self._waiting.append((log, n, kind, call, leaf))
        writer = _WRITER.match(line)
        if writer is not None and kind != "lost":
            self._writers[writer[1].decode()] = log

    def hold(self) -> None:
        """What was taken holds."""
        self._file.executemany("INSERT INTO said VALUES (?, ?, ?, ?, ?)", self._waiting)
        self._waiting.clear()

    def drop(self) -> None:
        """What was taken since is to be forgotten."""
        self._waiting.clear()

    def again(self) -> Iterator[tuple[str, int, str]]:
        """Log, place and call of every end but the first of its call, in the order of taking."""
        yield from self._file.execute(_AGAIN)

    def against(
        self, ledger: Iterable[LedgerCall], ends_ms: Mapping[str, int], all_ms: int
    ) -> Iterator[Apart]:
        """Where logs and ledger differ, by call. `ends_ms`: how far each log goes, by its name.

        A call that the logs lack is left out where it ended after its own log did, or, of a
        writer that no log knows, after `all_ms`.
        """
        rows = ((*each[:4], sha256(b"\x00" + each.line).digest(), each.changed) for each in ledger)
        self._file.executemany("INSERT INTO ledger VALUES (?, ?, ?, ?, ?, ?)", rows)
        self._file.execute(_BY_CALL)
        self._file.execute("CREATE UNIQUE INDEX by_call_call ON by_call (call)")
        query = (
            "SELECT l.*, b.leaf, b.ended, b.log "
            "FROM ledger l LEFT JOIN by_call b ON b.call = l.call ORDER BY l.call"
        )
        for row in self._file.execute(query):
            call, writer, outcome, at_ms, leaf, changed, logged, ended, log = row
            if outcome == RUNNING and not (changed or ended):
                self.running += 1
                continue
            self.compared += 1
            own = self._writers.get(writer, "")
            if ended and outcome == LOST:
                yield Apart(call, "not_lost", outcome, log)
            elif changed or (ended and leaf != logged):
                yield Apart(call, "altered", outcome, log or own)
            elif log is None or not (ended or outcome == LOST):
                if at_ms > ends_ms.get(own, all_ms):
                    self.later += 1
                else:
                    yield Apart(call, "unlogged", outcome, own)
        query = (
            "SELECT call, log FROM by_call WHERE (ended OR lost) AND call NOT IN "
            "(SELECT call FROM ledger) ORDER BY call"
        )
        for call, log in self._file.execute(query):
            yield Apart(call, "unlisted", "", log)
