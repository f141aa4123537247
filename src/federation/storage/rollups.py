"""Roll-ups: sums of the ledger's calls by quarter of an hour, hour and day.

They are kept in the transaction that takes the lines in, so they are never behind. The trap
is what counts when: a call counts once it has ended or is lost, and a lost one whose end turns
up after all is taken back first. Whoever changes what is summed, or in which groups, raises
`VERSION`: every store then sums its lines anew (`storage.rollups_rebuild`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, select

from federation.storage.analytics_entries import ZERO, Sums, plus
from federation.storage.analytics_spans import GRAINS
from federation.storage.entries import LOST
from federation.storage.journal_reader import Began, Ended, Entry
from federation.storage.rollups_facts import facts, line_of, started
from federation.storage.tables import calls, cost_rollups

VERSION: Final = 1
BY_KEY, BY_USER, BY_TAG = "key", "user", "tag"

_ASKED_AT_ONCE = 500
_names = [column.name for column in cost_rollups.c]
_keys = [column.name for column in cost_rollups.primary_key]


Key = tuple[str, int, int, str, str, str, str, str, str, int]
"""The primary key of `cost_rollups`."""


class Tally:
    """Sums to be added to the roll-ups; small while a batch is, whatever the batch's calls."""

    def __init__(self) -> None:
        self._sums: dict[Key, Sums] = {}

    def __len__(self) -> int:
        return len(self._sums)

    def add(self, record: Began | Ended) -> None:
        """Count a call that ended, or was lost (a `Began`)."""
        self._count(record, 1)

    def take_back(self, record: Began | Ended) -> None:
        """Count a call no more."""
        self._count(record, -1)

    def _count(self, record: Began | Ended, sign: int) -> None:
        grain = GRAINS[-1]
        at = started(record) // grain * grain
        for f, sums in facts(record, tagged=True):
            added = sums if sign > 0 else Sums(*map(int.__neg__, sums))
            who, place = (f.tenant, f.team, f.key), (f.provider, f.model, f.band)
            self._plus((BY_TAG, grain, at, *who, f.tag, *place), added)
            if f.first:
                self._plus((BY_KEY, grain, at, *who, "", *place), added)
                self._plus((BY_USER, grain, at, *who, f.user, *place), added)

    def _plus(self, key: Key, sums: Sums) -> None:
        before = self._sums.get(key)
        self._sums[key] = sums if before is None else plus(before, sums)

    def rows(self) -> list[tuple[Any, ...]]:
        """Rows to add for each grain, in the order of their keys."""
        whole: dict[Key, Sums] = {}
        for (kind, _, at, *rest), sums in self._sums.items():
            for grain in GRAINS:
                key: Any = (kind, grain, at // grain * grain, *rest)
                before = whole.get(key)
                whole[key] = sums if before is None else plus(before, sums)
        # Two replicas that add to the same rows in one order never wait in a circle.
        return [(*key, *sums) for key, sums in sorted(whole.items()) if sums != ZERO]


def _adding(mark: str) -> str:
    sums = ", ".join(f"{n} = cost_rollups.{n} + excluded.{n}" for n in Sums._fields)
    return (
        f"INSERT INTO cost_rollups ({', '.join(_names)}) "  # noqa: S608  names of columns
        f"VALUES ({', '.join([mark] * len(_names))}) "
        f"ON CONFLICT ({', '.join(_keys)}) DO UPDATE SET {sums}"
    )


_ADD: Final = {"sqlite": _adding("?"), "postgresql": _adding("%s")}
"""Texts, given tuples: SQLAlchemy's handling of a row's parameters costs more than the row."""


def apply(connection: Connection, tally: Tally) -> None:
    """Add what was counted, within the caller's transaction."""
    if rows := tally.rows():
        connection.exec_driver_sql(_ADD[connection.dialect.name], rows)


def count(connection: Connection, lines: Sequence[Entry]) -> Tally:
    """What these lines add to a store that has not taken them in yet.

    Ask within the transaction that takes them in. A line that is there already adds nothing.
    """
    ends: dict[str, Ended] = {}
    for line in lines:
        if isinstance(line.record, Ended):
            ends.setdefault(line.record.call, line.record)
    known = _known(connection, list(ends))
    tally = Tally()
    for call, record in ends.items():
        found = known.get(call)
        if found is not None and found.ended_ms is not None:
            continue
        if found is not None and found.outcome == LOST:
            tally.take_back(line_of(found.line))
        tally.add(record)
    return tally


def _known(connection: Connection, ids: list[str]) -> Mapping[str, Any]:
    found: dict[str, Any] = {}
    wanted = select(calls.c.id, calls.c.outcome, calls.c.ended_ms, calls.c.line)
    for n in range(0, len(ids), _ASKED_AT_ONCE):
        query = wanted.where(calls.c.id.in_(ids[n : n + _ASKED_AT_ONCE]))
        found |= {row.id: row for row in connection.execute(query)}
    return found


def lost(records: Iterable[bytes]) -> Tally:
    """What calls add that are lost from now on; each as the line of its beginning."""
    tally = Tally()
    for json in records:
        tally.add(line_of(json))
    return tally
