"""Finds calls of a log that have two `ended` records, by means of temporary files.

A log may hold more calls than fit into memory. So they are distributed over files by a hash of
their id, which puts both ends of a call into the same file, and one file at a time is searched.
The trap: a record counts only once its checkpoint was verified, so ends are kept back until then.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Iterator
from itertools import islice
from tempfile import TemporaryFile
from typing import IO

from federation.evidence.findings import Finding

MOST = 20
"""Calls that ended twice and are told one by one."""
SHELVES = 64
BATCH = 20_000
"""Ends in memory before they are written."""
_LOG = 48
"""Bits of a place; above them stands which log it is in."""
_ENDED = re.compile(
    rb'\{"writer":"[A-Za-z0-9_-]+","seq":[0-9]+,"record":\{"type":"ended","call":"([!#-\[\]-~]{1,200})"'
)


class _Shelf:
    def __init__(self) -> None:
        self.calls: list[bytes] = []
        self.places = array("Q")
        self._calls: IO[bytes] = TemporaryFile()  # noqa: SIM115 - `close` does
        self._places: IO[bytes] = TemporaryFile()  # noqa: SIM115

    def write(self) -> None:
        self._calls.write(b"".join([call + b"\n" for call in self.calls]))
        self._places.write(self.places.tobytes())
        self.calls.clear()
        del self.places[:]

    def twice(self) -> Iterator[tuple[int, str]]:
        self._calls.seek(0)
        calls = self._calls.read().splitlines()
        if len(set(calls)) == len(calls):
            return
        self._places.seek(0)
        seen: set[bytes] = set()
        for call, place in zip(calls, array("Q", self._places.read()), strict=True):
            if call in seen:
                yield place, call.decode()
            seen.add(call)

    def close(self) -> None:
        self._calls.close()
        self._places.close()


class Ends:
    """Ends of calls, by log and place."""

    def __init__(self) -> None:
        self._shelves: list[_Shelf] = []
        self._waiting: list[bytes] = []
        self._places: list[int] = []
        self._logs: list[str] = []
        self._unwritten = 0

    def take(self, call: bytes, n: int) -> None:
        """An end and its place; it is not known to hold."""
        self._waiting.append(call)
        self._places.append(n)

    def hold(self, log: str) -> None:
        """What was taken holds, and stands in this log."""
        if not self._waiting:
            return
        self._shelves = self._shelves or [_Shelf() for _ in range(SHELVES)]
        if log not in self._logs[-1:]:
            self._logs.append(log)
        which, shelves = len(self._logs) - 1 << _LOG, self._shelves
        for call, n in zip(self._waiting, self._places, strict=True):
            shelf = shelves[hash(call) % SHELVES]
            shelf.calls.append(call)
            shelf.places.append(which + n)
        self._unwritten += len(self._waiting)
        self.drop()
        if self._unwritten > BATCH:
            self._write()

    def drop(self) -> None:
        """What was taken since is to be forgotten."""
        self._waiting.clear()
        self._places.clear()

    def again(self) -> Iterator[tuple[str, int, str]]:
        """Log, place and call of every end but the first of its call, in the order of taking."""
        self._write()
        for place, call in sorted(each for shelf in self._shelves for each in shelf.twice()):
            yield self._logs[place >> _LOG], place & (1 << _LOG) - 1, call

    def close(self) -> None:
        """Remove the files."""
        for shelf in self._shelves:
            shelf.close()

    def _write(self) -> None:
        for shelf in self._shelves:
            shelf.write()
        self._unwritten = 0


class EndsOfOne:
    """Hears one log by itself (`verify.Listener`): which of its calls ended twice."""

    def __init__(self) -> None:
        self._ends = Ends()

    def take(self, n: int, line: bytes) -> None:
        """A record and its place; it is not known to hold."""
        found = _ENDED.match(line)
        if found is not None:
            self._ends.take(found[1], n)

    def hold(self) -> None:
        """What was taken holds."""
        self._ends.hold("")

    def findings(self) -> list[Finding]:
        """A finding for every end but the first of its call, the first of them; call it once."""
        self._ends.drop()
        found = list(answered_twice(self._ends.again()))
        self._ends.close()
        return found


def answered_twice(again: Iterable[tuple[str, int, str]]) -> Iterator[Finding]:
    """What is said of log, place and call of ends whose call had one already."""
    for log, n, call in islice(again, MOST):
        message = f"Record {n} is the end of call {call}, which has one already."
        yield Finding("answered_twice", message, n, log=log)
