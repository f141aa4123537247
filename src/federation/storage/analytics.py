"""Sums over the ledger in the database: from roll-ups where these can tell, else from lines.

The trap: one question takes several statements (a zone that changes its clocks, ragged ends),
and calls end meanwhile. They all see the store as it was at the first one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Engine,
    cast,
    func,
    literal_column,
    select,
)

from federation.errors import InvalidRequest
from federation.storage import rollups_rebuild
from federation.storage.analytics_entries import (
    DAY_MS,
    HOUR_MS,
    TIMES,
    ZERO,
    CostQuery,
    Costs,
    LineQuery,
    Sums,
)
from federation.storage.analytics_moment import at_once
from federation.storage.analytics_spans import GRAINS, Span, cover
from federation.storage.analytics_sums import add, add_call, bucket_of
from federation.storage.calls import entry
from federation.storage.engine import reading
from federation.storage.entries import RUNNING, CallEntry
from federation.storage.rollups import (
    BY_KEY,
    BY_PLACE,
    BY_TAG,
    BY_USER,
    GRAINS_OF,
    SUBJECT_GRAINS,
    TAGGED,
)
from federation.storage.rollups_facts import line_of, name
from federation.storage.tables import calls, cost_rollups

MOST_LINES: Final = 60_000
"""Lines that one question reads: some three seconds."""

MOST_DAYS: Final = 2_000
"""Days whose beginnings are written out in one question; databases take so many values."""

_SUMS = [cast(func.sum(cost_rollups.c[name]), BigInteger) for name in Sums._fields]
"""Cast, because PostgreSQL makes decimals of sums, which take Python longer than the sum took."""


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
        readings = _readings(query)
        found: Costs = {}
        left = MOST_LINES
        with at_once(self._engine) as connection:
            for span in _spans(query, readings):
                if span.grain:
                    for each in readings:
                        _add_rollups(connection, query, each, span, found)
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


@dataclass(frozen=True, slots=True)
class _Reading:
    """Roll-ups of a kind that are added to the answer, or taken off it.

    `subject` is the dimension that their column of that name holds. `rest` is the one in which
    they all stand for calls that have none: what all calls come to, less those that have one.
    """

    kind: str
    sign: int = 1
    subject: str = ""
    rest: str = ""


def _readings(query: CostQuery) -> list[_Reading]:
    """The roll-ups that know all that is asked for; none where none do."""
    where = dict(query.where)
    asked = {*query.group_by, *where}
    if "user" in asked and "tag" in asked:
        return []
    for subject, kind, once in (("user", BY_USER, BY_USER), ("tag", BY_TAG, TAGGED)):
        if subject in asked:
            wanted = where.get(subject)
            readings = [] if wanted == "" else [_Reading(kind, subject=subject)]
            if not wanted:
                readings += [_Reading(BY_KEY, rest=subject), _Reading(once, -1, rest=subject)]
            return readings
    someones = query.tenant is not None or asked & {"tenant", "team", "key"}
    return [_Reading(BY_KEY if someones else BY_PLACE)]


def _spans(query: CostQuery, readings: Sequence[_Reading]) -> Sequence[Span]:
    bucket = bucket_of(query)
    grains = SUBJECT_GRAINS if any(each.subject or each.rest for each in readings) else GRAINS
    return cover(query.start_ms, query.end_ms, bucket, query.zone, grains if readings else ())


def _add_rollups(
    connection: Connection, query: CostQuery, reading: _Reading, span: Span, found: Costs
) -> None:
    for chosen in _rollups_of(span, bucket_of(query), GRAINS_OF[reading.kind]):
        _add_rows(connection, query, reading, span, chosen, found)


def _rollups_of(
    span: Span, bucket: int | None, grains: Sequence[int]
) -> list[list[ColumnElement[bool]]]:
    """Which roll-ups stand for a span, in one or two choices.

    Where days begin at half past, no hour in which one begins can stand for itself; the others
    can, which makes a quarter of the rows.
    """
    c, start, end = cost_rollups.c, span.start_ms, span.end_ms
    whole = [c.grain == span.grain, c.at_ms >= start, c.at_ms < end]
    low, high = -(-start // HOUR_MS) * HOUR_MS, end // HOUR_MS * HOUR_MS
    if bucket != DAY_MS or not span.grain < HOUR_MS or HOUR_MS not in grains:
        return [whole]
    if not low < high <= low + MOST_DAYS * DAY_MS:
        return [whole]
    midnight = -(-(start + span.offset_ms) // DAY_MS) * DAY_MS - span.offset_ms
    # A midnight on a whole hour breaks none: that hour is chosen as an hour, and once only.
    broken = {at // HOUR_MS * HOUR_MS for at in range(midnight, end, DAY_MS) if at % HOUR_MS}
    finer = [at for hour in broken for at in range(hour, hour + HOUR_MS, span.grain)]
    finer += [*range(start, low, span.grain), *range(high, end, span.grain)]
    local = (c.at_ms + span.offset_ms) % DAY_MS
    return [
        [c.grain == HOUR_MS, c.at_ms >= low, c.at_ms < high, local <= DAY_MS - HOUR_MS],
        [c.grain == span.grain, c.at_ms.in_({at for at in finer if start <= at < end})],
    ]


def _add_rows(
    connection: Connection,
    query: CostQuery,
    reading: _Reading,
    span: Span,
    which: Sequence[ColumnElement[bool]],
    found: Costs,
) -> None:
    c = cost_rollups.c
    named = [each for each in query.group_by if each != reading.rest]
    columns = [_column(each, span) for each in named]
    if query.banded:
        columns.append(c.band)
    chosen = select(*columns, *_SUMS).where(c.kind == reading.kind, *which)
    if query.tenant is not None:
        chosen = chosen.where(c.tenant == name(query.tenant))
    for dimension, value in query.where:
        if dimension != reading.rest:
            chosen = chosen.where(_column(dimension, span) == name(value))
    chosen = chosen.group_by(*columns) if columns else chosen
    width = len(columns)
    empty = query.group_by.index(reading.rest) if reading.rest in query.group_by else None
    with connection.execute(chosen.execution_options(yield_per=1000)) as rows:
        for row in map(tuple, rows):
            if row[width] is None:  # the sum of no row at all
                continue
            group = row[:width]
            if empty is not None:
                group = (*group[:empty], "", *group[empty:])
            sums = row[width:]
            add(found, group, sums if reading.sign > 0 else [-value for value in sums])


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
    where = _lines_of(span.start_ms, span.end_ms, None)
    if query.tenant is not None:
        # A ragged end not by the tenant's index, which would be gone through from the tenant's
        # first call on; a long stretch by it, or a small tenant would read everybody's calls.
        is_end = span.end_ms - span.start_ms <= GRAINS[-1]
        tenant = calls.c.tenant.concat("") if is_end else calls.c.tenant
        where.append(tenant == query.tenant)
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
