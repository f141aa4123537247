"""The ledger in the relational store: journal lines in, calls and sums out.

The trap: taking lines in is the one thing here that every call pays for. Statements are
texts made once and given tuples, because per-row parameter handling would cost more than
SQLite's own work.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Engine, Row, Select, Table, case, func, select, update

from federation.schema.records import Line
from federation.storage import rollups
from federation.storage.engine import reading, writing
from federation.storage.entries import (
    LOST,
    RUNNING,
    CallEntry,
    CallFilter,
    Position,
    Sum,
    must_stand,
)
from federation.storage.journal_reader import Began, Ended, Entry
from federation.storage.revisions import alone
from federation.storage.tables import calls, client_ids, ingest_offsets

_line = msgspec.json.Decoder(Line).decode

LATEST_MS = 2**62
"""After every call."""
CALL_COLUMNS = [column.name for column in calls.c if column.name != "n"]
"""What a row says, in the order of `rows_of`; `line` is the last."""
_OFFSET = [column.name for column in ingest_offsets.c]
_AT_START = {"id", "writer", "tenant", "key", "requested"}

Values = tuple[Any, ...]


class SqlCalls:
    """Calls and ingest positions in a database; `control.ports.CallStore`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        mark = "%s" if engine.dialect.name == "postgresql" else "?"
        at_end = _assigned(name for name in CALL_COLUMNS if name not in _AT_START)
        self._began = _insert(calls, CALL_COLUMNS, mark, "NOTHING")
        self._ended = _insert(
            calls, CALL_COLUMNS, mark, f"UPDATE SET {at_end} WHERE calls.ended_ms IS NULL", "(id)"
        )
        self._known_as = _insert_known(mark)
        self._position = _insert(
            ingest_offsets, _OFFSET, mark, f"UPDATE SET {_assigned(_OFFSET[1:])}", "(writer)"
        )

    def positions(self) -> dict[str, Position]:
        """How far each writer's journal has been taken in."""
        with reading(self._engine) as connection:
            rows = connection.execute(select(ingest_offsets))
            return {
                row.writer: Position(row.segment, row.offset, row.seq, row.closed) for row in rows
            }

    def take(
        self, writer: str, lines: Sequence[Entry], position: Position, after: Position | None = None
    ) -> None:
        """Take in a writer's lines up to a position, all or nothing.

        Idempotent by call: a line taken in twice changes nothing. Raises `Unavailable` where the
        store is not `after` the last lines: it has become an older copy of itself.
        """
        began, ended = rows_of(writer, lines)
        known_as = [(r.client_id, r.call) for r in _ends(lines) if r.client_id]
        with writing(self._engine) as connection:
            alone(connection, f"ledger {writer}")
            _check(connection, writer, after)
            tally = rollups.count(connection, lines)
            # What still runs came last, mostly: `n`, and so the order of pages, follows.
            _many(connection, self._ended, ended)
            _many(connection, self._began, began)
            _many(connection, self._known_as, known_as)
            rollups.apply(connection, tally)
            self._save(connection, writer, position)

    def running(self, writer: str) -> list[CallEntry]:
        """Calls that a writer has begun and not ended, in the order of their beginning."""
        query = select(calls).where(calls.c.writer == writer, calls.c.outcome == RUNNING)
        with reading(self._engine) as connection:
            return [entry(row) for row in connection.execute(query.order_by(calls.c.n))]

    def close_writer(self, writer: str, position: Position | None) -> int:
        """Mark calls that a dead writer left running as lost; how many there were.

        Without a position its journal may still be taken in where it lies: a call whose end it
        holds is lost no more then.
        """
        running = (calls.c.writer == writer) & (calls.c.outcome == RUNNING)
        with writing(self._engine) as connection:
            alone(connection, f"ledger {writer}")
            lines = connection.scalars(select(calls.c.line).where(running)).all()
            connection.execute(update(calls).where(running).values(outcome=LOST))
            rollups.apply(connection, rollups.lost(lines))
            if position is not None:
                self._save(connection, writer, position)
        return len(lines)

    def find(self, call: str, tenant: str | None) -> CallEntry | None:
        """One call; None where there is none, or it is another tenant's (None: any tenant)."""
        query = select(calls).where(calls.c.id == call)
        if tenant is not None:
            query = query.where(calls.c.tenant == tenant)
        with reading(self._engine) as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else entry(row)

    def page(self, wanted: CallFilter) -> list[CallEntry]:
        """Calls, newest first, at most `limit`."""
        query, place = select(calls), calls.c.n
        if wanted.client_id is not None:
            query, place = _known_as(query, wanted.client_id), client_ids.c.n
        query = query.order_by(place.desc()).limit(wanted.limit)
        for column, value in (
            (calls.c.tenant, wanted.tenant),
            (calls.c.outcome, wanted.outcome),
            (calls.c.deployment, wanted.deployment),
            (calls.c.requested, wanted.requested),
        ):
            if value is not None:
                query = query.where(column == value)
        if wanted.key is not None:
            query = query.where(calls.c.key.in_(wanted.key))
        if wanted.before is not None:
            query = query.where(place < wanted.before)
        if wanted.since_ms is not None or wanted.until_ms is not None:
            until_ms = LATEST_MS if wanted.until_ms is None else wanted.until_ms
            query = _within(query, wanted.since_ms or 0, until_ms)
        with reading(self._engine) as connection:
            return [entry(row) for row in connection.execute(query)]

    def sums(self, since_ms: int, tenant: str | None) -> list[Sum]:
        """Totals of calls started since then, by deployment and outcome."""
        with reading(self._engine) as connection:
            rows = connection.execute(_sums(since_ms, tenant))
            return [Sum(*row) for row in rows]

    def _save(self, connection: Connection, writer: str, at: Position) -> None:
        _many(connection, self._position, [(writer, at.segment, at.offset, at.seq, at.closed)])


def _check(connection: Connection, writer: str, after: Position | None) -> None:
    if after is not None:
        at = ingest_offsets.c
        query = select(at.segment, at.offset, at.seq).where(at.writer == writer)
        must_stand(Position(*(connection.execute(query).one_or_none() or ())), after)


def _ends(lines: Iterable[Entry]) -> Iterator[Ended]:
    return (line.record for line in lines if isinstance(line.record, Ended))


def _known_as(query: Select[Any], client_id: str) -> Select[Any]:
    """Calls to which their client gave this id, to be read in the order of its places."""
    known = client_ids.c
    return query.join(client_ids, known.n == calls.c.n).where(known.client_id == client_id)


def _within(query: Select[Any], since_ms: int, until_ms: int) -> Select[Any]:
    """Calls that began in a stretch of time. A page is in the order of places, so the stretch's
    first and last place are found first, off the index alone: else a store would sort all of the
    stretch for each page. The sum keeps it from that index for the rest."""
    n, started = calls.c.n, calls.c.started_ms
    begun = (started >= since_ms) & (started < until_ms)
    first = select(func.min(n)).where(begun).scalar_subquery()
    last = select(func.max(n)).where(begun).scalar_subquery()
    at = started + 0
    return query.where(n >= first, n <= last, at >= since_ms, at < until_ms)


def _sums(since_ms: int, tenant: str | None) -> Select[Any]:
    cost = func.coalesce(func.sum(calls.c.cost_nano), 0)
    unpriced = func.sum(case((calls.c.cost_nano.is_(None), 1), else_=0))
    query = (
        select(
            calls.c.deployment,
            calls.c.outcome,
            func.count(),
            func.sum(calls.c.input),
            func.sum(calls.c.output),
            cost,
            unpriced,
            func.sum(calls.c.duration_ms),
        )
        .where(calls.c.started_ms >= since_ms)
        .group_by(calls.c.deployment, calls.c.outcome)
        .order_by(calls.c.deployment, calls.c.outcome)
    )
    return query if tenant is None else query.where(calls.c.tenant == tenant)


def _insert(table: Table, names: list[str], mark: str, otherwise: str, on: str = "") -> str:
    """An insertion of the columns `names`, in that order, and what to do about a row that is
    there. As text, because both databases read it alike."""
    columns = ", ".join(f'"{name}"' for name in names)
    marks = ", ".join([mark] * len(names))
    start = f"INSERT INTO {table.name} ({columns}) VALUES ({marks})"  # noqa: S608  our own names
    return f"{start} ON CONFLICT {on} DO {otherwise}"


def _insert_known(mark: str) -> str:
    """An insertion of a client's id and the place of a call, of which the id is given."""
    return (
        f"INSERT INTO {client_ids.name} (client_id, n) "  # noqa: S608  our own names
        f"SELECT CAST({mark} AS TEXT), n FROM {calls.name} WHERE id = {mark} "
        "ON CONFLICT DO NOTHING"
    )


def _assigned(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}" = excluded."{name}"' for name in names)


def _many(connection: Connection, statement: str, rows: list[Values]) -> None:
    if rows:
        connection.exec_driver_sql(statement, rows)


def rows_of(writer: str, lines: Sequence[Entry]) -> tuple[list[Values], list[Values]]:
    """Rows for calls begun and calls ended; attempts are in the lines.

    A call that began and ended within these lines, as most do, needs no row for the first.
    """
    began: dict[str, Entry] = {}
    ended: list[Values] = []
    for line in lines:
        record = line.record
        if type(record) is Began:
            began[record.call] = line
        else:
            began.pop(record.call, None)
            ended.append(_ended_row(writer, record, line.json))
    return [_began_row(writer, each.record, each.json) for each in began.values()], ended


def _began_row(writer: str, r: Began | Ended, line: bytes) -> Values:
    return (
        *(r.call, writer, r.tenant, r.key, r.requested, RUNNING, r.deployment),
        *(r.at_ms, None, 0.0, 0, 0, None, line),
    )


def _ended_row(writer: str, r: Began | Ended, line: bytes) -> Values:
    assert isinstance(r, Ended)  # noqa: S101  what is no beginning is an end
    usage = r.usage
    return (
        r.call,
        writer,
        r.tenant,
        r.key,
        r.requested,
        r.outcome,
        r.deployment,
        r.started_ms or r.at_ms,
        r.at_ms,
        r.duration_ms,
        usage.input,
        usage.output,
        r.cost_nano,
        line,
    )


def entry(row: Row[Any]) -> CallEntry:
    """A row of `calls` as those above know it."""
    return CallEntry(row.n, row.outcome, _line(row.line).record)
