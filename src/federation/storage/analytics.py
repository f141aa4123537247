"""Sums over the ledger in the database: from roll-ups where these can tell, else from lines.

The trap: one question takes several statements (a zone that changes its clocks, ragged ends),
and calls end meanwhile. They all see the store as it was at the first one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Engine, func, literal_column, select

from federation.errors import InvalidRequest
from federation.storage import rollups_rebuild
from federation.storage.analytics_entries import (
    TIMES,
    ZERO,
    CostQuery,
    Costs,
    LineQuery,
    Sums,
)
from federation.storage.analytics_spans import Span, cover
from federation.storage.analytics_sums import add, add_call, bucket_of
from federation.storage.calls import entry
from federation.storage.engine import reading
from federation.storage.entries import RUNNING, CallEntry
from federation.storage.rollups import BY_KEY, BY_TAG, BY_USER
from federation.storage.rollups_facts import line_of, name
from federation.storage.tables import calls, cost_rollups

MOST_LINES: Final = 60_000
"""Lines that one question reads: some three seconds."""

_SUMS = [func.sum(cost_rollups.c[name]) for name in Sums._fields]


class SqlAnalytics:
    """Sums and lines from a database; implements `control.analytics_ports.AnalyticsStore`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def is_current(self) -> bool:
        """Whether the roll-ups are those of this version of the code."""
        return rollups_rebuild.is_current(self._engine)

    def rebuild(self) -> int:
        """Make the roll-ups anew from the lines; how many days that were."""
        return rollups_rebuild.rebuild(self._engine)

    def costs(self, query: CostQuery) -> Costs:
        """Exact sums of ended and lost calls. Raises `InvalidRequest` for more than can be told:
        too many groups, or too many lines where roll-ups cannot answer."""
        kind = _kind(query)
        found: Costs = {}
        left = MOST_LINES
        with _at_once(self._engine) as connection:
            for span in _spans(query, kind):
                if span.grain:
                    _add_rollups(connection, query, kind or BY_KEY, span, found)
                else:
                    left = _add_lines(connection, query, span, found, left)
        return {group: sums for group, sums in found.items() if sums != ZERO}

    def lines(self, query: LineQuery) -> list[CallEntry]:
        """Calls that ended or were lost, in the order in which the store heard of them."""
        chosen = (
            select(calls)
            .where(*_lines_of(query.start_ms, query.end_ms, query.tenant))
            .where(calls.c.n > query.after)
            .order_by(calls.c.n)
            .limit(query.limit)
        )
        with reading(self._engine) as connection:
            return [entry(row) for row in connection.execute(chosen)]


@contextmanager
def _at_once(engine: Engine) -> Iterator[Connection]:
    """A connection that sees the store as it is at its first statement."""
    is_postgres = engine.dialect.name == "postgresql"
    with reading(engine) as connection:
        level = " ISOLATION LEVEL REPEATABLE READ READ ONLY" if is_postgres else ""
        connection.exec_driver_sql(f"BEGIN{level}")
        try:
            yield connection
        finally:
            connection.exec_driver_sql("ROLLBACK")


def _kind(query: CostQuery) -> str | None:
    """The roll-ups that know all that is asked for; None where none do."""
    asked = {*query.group_by, *(dimension for dimension, _ in query.where)}
    if "user" in asked and "tag" in asked:
        return None
    if "tag" in asked:
        return BY_TAG
    return BY_USER if "user" in asked else BY_KEY


def _spans(query: CostQuery, kind: str | None) -> Sequence[Span]:
    bucket = bucket_of(query)
    spans = cover(query.start_ms, query.end_ms, bucket, query.zone)
    if kind is not None:
        return spans
    return [Span(span.start_ms, span.end_ms, 0, span.offset_ms) for span in spans]


def _add_rollups(
    connection: Connection, query: CostQuery, kind: str, span: Span, found: Costs
) -> None:
    c = cost_rollups.c
    columns = [_column(each, span) for each in query.group_by]
    if query.banded:
        columns.append(c.band)
    chosen = select(*columns, *_SUMS).where(
        c.kind == kind, c.grain == span.grain, c.at_ms >= span.start_ms, c.at_ms < span.end_ms
    )
    if query.tenant is not None:
        chosen = chosen.where(c.tenant == name(query.tenant))
    for dimension, value in query.where:
        chosen = chosen.where(_column(dimension, span) == name(value))
    chosen = chosen.group_by(*columns) if columns else chosen
    width = len(columns)
    with connection.execute(chosen.execution_options(yield_per=1000)) as rows:
        for row in rows:
            if row[width] is not None:  # the sum of no row at all
                add(found, tuple(row[:width]), [int(value) for value in row[width:]])


def _column(dimension: str, span: Span) -> ColumnElement[Any]:
    if dimension in TIMES:
        # Written out: PostgreSQL takes two parameters of one value for two different groups.
        length, offset = TIMES[dimension], span.offset_ms
        local = f"((at_ms + {offset}) / {length})"
        return literal_column(local if dimension == "day" else f"({local} * {length} - {offset})")
    return cost_rollups.c["subject" if dimension in ("user", "tag") else dimension]


def _add_lines(
    connection: Connection, query: CostQuery, span: Span, found: Costs, left: int
) -> int:
    """Add the calls of a span one by one; how many more may be read after it."""
    where = _lines_of(span.start_ms, span.end_ms, query.tenant)
    first = select(calls.c.n).where(*where).limit(left + 1).subquery()
    count = connection.scalar(select(func.count()).select_from(first)) or 0
    if count > left:
        raise InvalidRequest(
            f"This needs more than {MOST_LINES:,} single calls to be read. Ask for a shorter "
            "time, or do not combine users with tags.",
            code="too_many_lines",
        )
    chosen = select(calls.c.line).where(*where).execution_options(yield_per=1000)
    with connection.execute(chosen) as rows:
        for (json,) in rows:
            add_call(query, line_of(json), span.offset_ms, found)
    return left - count


def _lines_of(start_ms: int, end_ms: int, tenant: str | None) -> list[ColumnElement[bool]]:
    where = [
        calls.c.started_ms >= start_ms,
        calls.c.started_ms < end_ms,
        calls.c.outcome != RUNNING,
    ]
    return where if tenant is None else [*where, calls.c.tenant == tenant]
