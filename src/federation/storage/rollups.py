"""Roll-ups: sums of the ledger's calls by quarter of an hour, hour, day and 32 days.

They are kept in the transaction that takes the lines in, so they are never behind. The trap
is what counts when: a call counts once it has ended or is lost, and a lost one whose end turns
up after all is taken back first. Whoever changes what is summed, or in which groups, raises
`VERSION`: every store then sums its lines anew (`storage.rollups_rebuild`).

Five kinds of rows, each as fine as what is asked of it: where calls went (`BY_PLACE`), and whose
they were (`BY_KEY`), of all calls; and of those alone that name a user or have tags, the user
(`BY_USER`), each tag (`BY_TAG`), and each tagged call once (`TAGGED`). What has no user or tag is
what is left of all: most calls have neither, and pay for neither.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from operator import add
from typing import Any, Final

from sqlalchemy import Connection, delete

from federation.storage.analytics_entries import DAY_MS
from federation.storage.analytics_spans import GRAINS, LONG_MS
from federation.storage.entries import LOST
from federation.storage.journal_reader import Began, Ended, Entry
from federation.storage.rollups_facts import Added, line_of, name, parts, started, tags_of
from federation.storage.tables import cost_rollups

VERSION: Final = 2
BY_PLACE, BY_KEY, BY_USER, BY_TAG, TAGGED = "place", "key", "user", "tag", "tagged"
SUBJECT_GRAINS: Final = tuple(each for each in GRAINS if each != GRAINS[-2])
"""An hour of somebody's calls is hardly fewer rows than its quarters."""
GRAINS_OF: Final = {
    BY_PLACE: GRAINS,
    BY_KEY: GRAINS,
    BY_USER: SUBJECT_GRAINS,
    BY_TAG: SUBJECT_GRAINS,
    TAGGED: SUBJECT_GRAINS,
}

WITHIN_A_DAY: Final = tuple(grain for grain in GRAINS if grain <= DAY_MS)
_QUARTER: Final = GRAINS[-1]
_ASKED_AT_ONCE = 250
_FOLDED_AT = 256
_names = [column.name for column in cost_rollups.c]
KEYS: Final = tuple(column.name for column in cost_rollups.primary_key)
"""The columns of the key, in the order in which rows begin."""
SUMS: Final = tuple(each for each in _names if each not in KEYS)
"""The columns that are summed, in the order of `Sums`."""

_Group = tuple[int, str, str, str, str, tuple[str, ...], str, int]
_Key = tuple[str, int, str, str, str, str, str, str, int]
"""The primary key of `cost_rollups` without its grain."""


class Tally:
    """Sums to be added to the roll-ups; small while a batch is, whatever the batch's calls.

    Most of a batch's calls are alike, so what they add is only put aside for each call, and
    spread over kinds and grains once for all that are.
    """

    def __init__(self) -> None:
        self._added: dict[_Group, list[Added]] = {}

    def __len__(self) -> int:
        return len(self._added)

    def add(self, record: Began | Ended) -> None:
        """Count a call that ended, or was lost (a `Began`)."""
        at = started(record)
        at -= at % _QUARTER
        team = user = ""
        tags: tuple[str, ...] = ()
        if type(record) is Ended:
            team, user = record.team, record.user
            if record.tags:
                tags = tags_of(record)
        for deployment, band, sums in parts(record):
            group = (at, record.tenant, team, record.key, user, tags, deployment, band)
            found = self._added.get(group)
            if found is None:
                self._added[group] = [sums]
                continue
            found.append(sums)
            if len(found) > _FOLDED_AT:
                found[:] = [_summed(found)]

    def take_back(self, record: Began | Ended) -> None:
        """Count a call no more."""
        other = Tally()
        other.add(record)
        for group, added in other._added.items():
            self._added.setdefault(group, []).append(tuple(-each for each in _summed(added)))

    def rows(self, grains: Sequence[int] = GRAINS) -> list[tuple[Any, ...]]:
        """Rows to add for each of these grains, in the order of their keys."""
        level = self._quarters()
        rows: list[tuple[Any, ...]] = []
        for grain in reversed(GRAINS):
            if grain != _QUARTER:
                level = _coarser(level, grain)
            if grain in grains:
                rows += [
                    (kind, grain, *rest, *sums)
                    for (kind, *rest), sums in level.items()
                    if grain in GRAINS_OF[kind] and any(sums)
                ]
        # Two replicas that add to the same rows in one order never wait in a circle.
        rows.sort()
        return rows

    def _quarters(self) -> dict[_Key, Added]:
        whole: dict[_Key, Added] = {}
        for (at, tenant, team, key, user, tags, deployment, band), added in self._added.items():
            sums = _summed(added)
            provider, _, model = deployment.partition("/")
            where = (name(provider), name(model), band)
            who = (name(tenant), name(team), name(key))
            _plus(whole, (BY_PLACE, at, "", "", "", "", *where), sums)
            _plus(whole, (BY_KEY, at, *who, "", *where), sums)
            if user:
                _plus(whole, (BY_USER, at, *who, name(user), *where), sums)
            if tags:
                _plus(whole, (TAGGED, at, *who, "", *where), sums)
            for tag in tags:
                _plus(whole, (BY_TAG, at, *who, tag, *where), sums)
        return whole


def _summed(added: list[Added]) -> Added:
    return added[0] if len(added) == 1 else tuple(map(sum, zip(*added, strict=True)))


def _plus(whole: dict[_Key, Added], key: _Key, sums: Added) -> None:
    before = whole.get(key)
    whole[key] = sums if before is None else tuple(map(add, before, sums))


def _coarser(level: dict[_Key, Added], grain: int) -> dict[_Key, Added]:
    whole: dict[_Key, Added] = {}
    for (kind, at, *rest), sums in level.items():
        key: Any = (kind, at - at % grain, *rest)
        _plus(whole, key, sums)
    return whole


def _adding(mark: str) -> str:
    sums = ", ".join(f"{n} = cost_rollups.{n} + excluded.{n}" for n in SUMS)
    return (
        f"INSERT INTO cost_rollups ({', '.join(_names)}) "  # noqa: S608  names of columns
        f"VALUES ({', '.join([mark] * len(_names))}) "
        f"ON CONFLICT ({', '.join(KEYS)}) DO UPDATE SET {sums}"
    )


def _asking(mark: str) -> str:
    """Calls that are there; the line only of those whose beginning was summed."""
    marks = ", ".join([mark] * _ASKED_AT_ONCE)
    return (
        f"SELECT id, ended_ms, CASE outcome WHEN '{LOST}' THEN line END "  # noqa: S608  our own names
        f"FROM calls WHERE id IN ({marks})"
    )


_ADD: Final = {"sqlite": _adding("?"), "postgresql": _adding("%s")}
"""Texts, given tuples: SQLAlchemy's handling of a row's parameters costs more than the row."""
_KNOWN: Final = {"sqlite": _asking("?"), "postgresql": _asking("%s")}


def apply(connection: Connection, tally: Tally, grains: Sequence[int] = GRAINS) -> None:
    """Add what was counted, within the caller's transaction."""
    if rows := tally.rows(grains):
        connection.exec_driver_sql(_ADD[connection.dialect.name], rows)


def take_off(connection: Connection, rows: Sequence[Sequence[Any]]) -> None:
    """Take rows off those that are there, within the caller's transaction."""
    width = len(KEYS)
    less = [(*row[:width], *(-value for value in row[width:])) for row in rows]
    if less:
        connection.exec_driver_sql(_ADD[connection.dialect.name], sorted(less))


def count(connection: Connection, lines: Sequence[Entry]) -> Tally:
    """What these lines add to a store that has not taken them in yet.

    Ask within the transaction that takes them in. A line that is there already adds nothing.
    """
    ends: dict[str, Ended] = {}
    for line in lines:
        record = line.record
        if type(record) is Ended:
            ends.setdefault(record.call, record)
    known = _known(connection, list(ends))
    tally = Tally()
    for call, record in ends.items():
        if call in known:
            ended_ms, lost_line = known[call]
            if ended_ms is not None:
                continue
            if lost_line is not None:
                tally.take_back(line_of(lost_line))
        tally.add(record)
    return tally


def _known(connection: Connection, ids: list[str]) -> Mapping[str, tuple[int | None, bytes | None]]:
    found: dict[str, tuple[int | None, bytes | None]] = {}
    asking = _KNOWN[connection.dialect.name]
    for n in range(0, len(ids), _ASKED_AT_ONCE):
        some = ids[n : n + _ASKED_AT_ONCE]
        some += [""] * (_ASKED_AT_ONCE - len(some))
        for call, ended_ms, line in connection.exec_driver_sql(asking, tuple(some)):
            found[call] = ended_ms, line
    return found


def lost(records: Iterable[bytes]) -> Tally:
    """What calls add that are lost from now on; each as the line of its beginning."""
    tally = Tally()
    for json in records:
        tally.add(line_of(json))
    return tally


def stretch(connection: Connection, start_ms: int) -> None:
    """Make the longest roll-ups of one stretch anew, from its days.

    The kinds are named because the key begins with them: else every row of the store is looked at.
    """
    sums = ", ".join(f"SUM({each})" for each in SUMS)
    others = ", ".join(each for each in KEYS if each not in ("grain", "at_ms"))
    r = cost_rollups.c
    connection.execute(
        delete(cost_rollups).where(r.kind.in_(GRAINS_OF), r.grain == LONG_MS, r.at_ms == start_ms)
    )
    kinds = ", ".join(f"'{kind}'" for kind in GRAINS_OF)
    connection.exec_driver_sql(
        f"INSERT INTO cost_rollups (grain, at_ms, {others}, {', '.join(SUMS)}) "  # noqa: S608
        f"SELECT {LONG_MS}, {start_ms}, {others}, {sums} FROM cost_rollups "
        f"WHERE kind IN ({kinds}) AND grain = {DAY_MS} "
        f"AND at_ms >= {start_ms} AND at_ms < {start_ms + LONG_MS} "
        f"GROUP BY {others}"
    )
