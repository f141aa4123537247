"""Rows of the ledger as a verification reads them, and what is wrong with one.

What a row should hold is made from its own line by the code that ingest uses; so a column that
says something else was changed afterwards.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from sqlalchemy import Engine, Row, select

from federation.storage.calls import CALL_COLUMNS, rows_of
from federation.storage.engine import reading
from federation.storage.entries import LOST, RUNNING
from federation.storage.journal_reader import Began, read_entry
from federation.storage.tables import calls, ingest_offsets

PAGE = 10_000
AT_ONCE = 500
_OUTCOME = CALL_COLUMNS.index("outcome")


class LedgerRow(NamedTuple):
    """A row, by what a verification asks of it."""

    n: int
    call: str
    writer: str
    outcome: str
    running: bool
    """Whether it has no end: it runs, or is lost."""
    at_ms: int
    """When it ended or, where that is unknown, began."""
    line: bytes
    changed: tuple[str, ...]
    """Columns that do not say what the line says; of a line that is none, `line`."""


class Taken(NamedTuple):
    """How far a writer's journal has been taken in."""

    seq: int
    closed: bool
    """Its process is gone: whatever it left running is lost."""


class SqlRows:
    """The calls of a ledger, and how far it has come. Reads only."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def named(self, ids: Iterable[str]) -> dict[str, LedgerRow]:
        """The rows of calls, by id; those that are there."""
        with reading(self._engine) as connection:
            rows = connection.execute(select(calls).where(calls.c.id.in_(list(ids))))
            return {row.id: _row(row) for row in rows}

    def numbered(self, numbers: Iterable[int]) -> list[LedgerRow]:
        """Rows by their places in the store, in that order; those that are there."""
        query = select(calls).where(calls.c.n.in_(list(numbers))).order_by(calls.c.n)
        with reading(self._engine) as connection:
            return [_row(row) for row in connection.execute(query)]

    def numbers(self) -> Iterator[list[int]]:
        """The places of all rows, in order, by pages."""
        query = select(calls.c.n).order_by(calls.c.n).limit(PAGE)
        page: list[int] = []
        while True:
            after = query.where(calls.c.n > page[-1]) if page else query
            with reading(self._engine) as connection:
                page = list(connection.scalars(after))
            if not page:
                return
            yield page

    def all(self) -> Iterator[LedgerRow]:
        """Every row, oldest first."""
        query, after, full = select(calls).order_by(calls.c.n).limit(AT_ONCE), None, True
        while full:
            with reading(self._engine) as connection:
                rows = connection.execute(
                    query if after is None else query.where(calls.c.n > after)
                ).all()
            for row in rows:
                after = row.n
                yield _row(row)
            full = len(rows) == AT_ONCE

    def taken(self) -> dict[str, Taken]:
        """How far each writer's journal was taken in; what is before that has its row."""
        c = ingest_offsets.c
        with reading(self._engine) as connection:
            rows = connection.execute(select(c.writer, c.seq, c.closed))
            return {row.writer: Taken(row.seq, row.closed) for row in rows}


def _row(row: Row[Any]) -> LedgerRow:
    # Whoever changed a line may have made it text.
    line = row.line if isinstance(row.line, bytes) else str(row.line).encode()
    at_ms = row.started_ms if row.ended_ms is None else row.ended_ms
    running = row.outcome in (RUNNING, LOST)
    changed = _changed((*row[1:-1], line))
    return LedgerRow(row.n, row.id, row.writer, row.outcome, running, at_ms, line, changed)


def _changed(there: tuple[Any, ...]) -> tuple[str, ...]:
    entry = read_entry(there[-1])
    if entry is None:
        return ("line",)
    began, ended = rows_of(entry.writer, [entry])
    (due,) = began or ended
    if there == due:
        return ()
    # A call that has only begun is lost or runs; which of them its line cannot know.
    open_ended = isinstance(entry.record, Began) and there[_OUTCOME] == LOST
    return tuple(
        name
        for at, (name, one, other) in enumerate(zip(CALL_COLUMNS, there, due, strict=True))
        if one != other and not (open_ended and at == _OUTCOME)
    )
