"""Sums over the ledger in the database: from roll-ups where these can tell, else from lines.

The trap: one question takes several statements (a zone that changes its clocks, ragged ends),
and calls end meanwhile. They all see the store as it was at the first one, which asks whether the
roll-ups are whole: another replica may be making them anew, and then lines answer, or nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import neg
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Engine,
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
    Key,
    LineQuery,
    Sums,
)
from federation.storage.analytics_moment import at_once
from federation.storage.analytics_spans import GRAINS, Span, cover
from federation.storage.analytics_sums import Gathered, add, bucket_of, names
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
from federation.storage.tables_sums import SUM

MOST_LINES: Final = 60_000
"""Lines that one question reads: some three seconds."""

TOO_MANY_LINES: Final = "too_many_lines"

MOST_MOMENTS: Final = 30_000
"""Roll-ups whose beginnings are written out in one question; databases take so many values."""
_FINEST: Final = GRAINS[-1]
_ROWS_AT_ONCE: Final = 5_000
"""Where processors are busy, each time that a server is asked for more takes some milliseconds."""

_LINES_AT_ONCE, _HELD_AT_ONCE = 1_000, 20_000
_SUMS: Final = {
    dialect: [getattr(func, name)(cost_rollups.c[each], type_=BigInteger) for each in Sums._fields]
    for dialect, name in (("sqlite", "sum"), ("postgresql", SUM))
}


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
        too many groups, or too many lines where roll-ups cannot answer; and `Unavailable` with
        the code `rollups_building` for too many lines while roll-ups are made anew."""
        with at_once(self._engine) as connection:
            if rollups_rebuild.are_whole(connection):
                found = _summed(connection, query, _readings(query))
            else:
                try:
                    found = _summed(connection, query, [])
                except InvalidRequest as refused:
                    if refused.code != TOO_MANY_LINES:
                        raise
                    raise rollups_rebuild.building() from refused
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
    `once`: each call is in one of their groups, so that these are taken off that rest, too.
    """

    kind: str
    sign: int = 1
    subject: str = ""
    rest: str = ""
    once: bool = False


def _readings(query: CostQuery) -> list[_Reading]:
    """The roll-ups that know all that is asked for; none where none do."""
    where = dict(query.where)
    asked = {*query.group_by, *where}
    if "user" in asked and "tag" in asked:
        return []
    for subject, kind, tagged in (("user", BY_USER, BY_USER), ("tag", BY_TAG, TAGGED)):
        if subject in asked:
            wanted, once = where.get(subject), kind == tagged
            if wanted:
                return [_Reading(kind, subject=subject)]
            every = _Reading(BY_KEY, rest=subject)
            others = _Reading(tagged, -1, rest=subject)
            if wanted == "":
                return [every, others]
            named = _Reading(kind, subject=subject, once=once)
            return [named, every] if once else [named, every, others]
    someones = query.tenant is not None or asked & {"tenant", "team", "key"}
    return [_Reading(BY_KEY if someones else BY_PLACE)]


def _summed(connection: Connection, query: CostQuery, readings: Sequence[_Reading]) -> Costs:
    found: Costs = {}
    left = MOST_LINES
    for span in _spans(query, readings):
        if span.grain:
            for each in readings:
                _add_rollups(connection, query, each, span, found)
        else:
            left = _add_lines(connection, query, span, found, left)
    return found


def _spans(query: CostQuery, readings: Sequence[_Reading]) -> Sequence[Span]:
    bucket = bucket_of(query)
    grains = SUBJECT_GRAINS if any(each.subject or each.rest for each in readings) else GRAINS
    return cover(query.start_ms, query.end_ms, bucket, query.zone, grains if readings else ())


@dataclass(frozen=True, slots=True)
class _Part:
    """Roll-ups that stand for a part of a span.

    `moved` is how many days further they count than the roll-ups of whole days that they are in
    have them counted: there they are taken off.
    """

    where: Sequence[ColumnElement[bool]]
    offset_ms: int
    moved: int = 0


def _add_rollups(
    connection: Connection, query: CostQuery, reading: _Reading, span: Span, found: Costs
) -> None:
    for part in _parts(span, bucket_of(query), GRAINS_OF[reading.kind]):
        _add_rows(connection, query, reading, part, found)


def _parts(span: Span, bucket: int | None, grains: Sequence[int]) -> list[_Part]:
    """Which roll-ups stand for a span.

    Local days are told from days of UTC, of which what belongs to the day before or after is
    moved there: two hours of a day are read and not all.
    """
    c, start, end, offset = cost_rollups.c, span.start_ms, span.end_ms, span.offset_ms

    def direct(low: int, high: int) -> list[_Part]:
        some = [c.grain == span.grain, c.at_ms >= low, c.at_ms < high]
        return [_Part(some, offset)] if low < high else []

    low, high = -(-start // DAY_MS) * DAY_MS, end // DAY_MS * DAY_MS
    ahead = (offset + DAY_MS // 2) % DAY_MS - DAY_MS // 2
    if bucket != DAY_MS or not ahead or low >= high:
        return direct(start, end)
    times = _times(*((DAY_MS - ahead, DAY_MS) if ahead > 0 else (0, -ahead)), grains)
    if (high - low) // DAY_MS * sum(map(len, times.values())) > MOST_MOMENTS:
        return direct(start, end)
    days = [c.grain == DAY_MS, c.at_ms >= low, c.at_ms < high]
    parts = [_Part(days, offset - ahead), *direct(start, low), *direct(high, end)]
    for grain, each in times.items():
        moments = [day + time for day in range(low, high, DAY_MS) for time in each]
        which = [c.grain == grain, c.at_ms.in_(moments)]
        parts.append(_Part(which, offset, 1 if ahead > 0 else -1))
    return parts


def _times(low: int, high: int, grains: Sequence[int]) -> dict[int, list[int]]:
    """When the roll-ups begin that stand for a part of every day, by their grain."""
    hours = range(-(-low // HOUR_MS) * HOUR_MS, high // HOUR_MS * HOUR_MS, HOUR_MS)
    if HOUR_MS not in grains or not hours:
        return {_FINEST: list(range(low, high, _FINEST))}
    rest = [*range(low, hours.start, _FINEST), *range(hours.stop, high, _FINEST)]
    return {HOUR_MS: list(hours)} | ({_FINEST: rest} if rest else {})


def _add_rows(
    connection: Connection,
    query: CostQuery,
    reading: _Reading,
    part: _Part,
    found: Costs,
) -> None:
    c = cost_rollups.c
    named = [each for each in query.group_by if each != reading.rest]
    columns = [_column(each, part.offset_ms) for each in named]
    if query.banded:
        columns.append(c.band)
    chosen = select(*columns, *_SUMS[connection.dialect.name]).where(
        c.kind == reading.kind, *part.where
    )
    if query.tenant is not None:
        chosen = chosen.where(c.tenant == name(query.tenant))
    for dimension, value in query.where:
        if dimension != reading.rest:
            chosen = chosen.where(_column(dimension, 0).in_(names(value)))
    chosen = chosen.group_by(*columns) if columns else chosen
    with connection.execute(chosen.execution_options(yield_per=_ROWS_AT_ONCE)) as rows:
        if part.moved or reading.rest or reading.once:
            _take_in(map(tuple, rows), query, reading, part.moved, found)
            return
        width = len(columns)
        for row in map(tuple, rows):
            if row[width] is not None:  # the sum of no row at all
                add(found, row[:width], row[width:])


def _take_in(
    rows: Iterable[tuple[Any, ...]], query: CostQuery, reading: _Reading, moved: int, found: Costs
) -> None:
    """Add rows of groups and sums to the answer, and take them off where they count already."""
    by = query.group_by
    width = len(by) - (reading.rest in by) + query.banded
    empty = by.index(reading.rest) if reading.rest in by else None
    subject = by.index(reading.subject) if reading.once else None
    day = by.index("day") if moved else 0
    signed = moved or reading.once or reading.sign < 0
    named_ones: dict[tuple[Key, ...], list[Sequence[int]]] = {}
    for row in rows:
        if row[width] is None:  # the sum of no row at all
            continue
        group, sums = row[:width], row[width:]
        if empty is not None:
            group = (*group[:empty], "", *group[empty:])
        less = tuple(map(neg, sums)) if signed else ()
        if reading.sign < 0:
            sums, less = less, sums
        before = (*group[:day], group[day] - moved, *group[day + 1 :]) if moved else None
        add(found, group, sums)
        if before is not None:
            add(found, before, less)
        if subject is not None:
            for each, off in ((group, less), (before, sums)):
                if each is not None:
                    rest = (*each[:subject], "", *each[subject + 1 :])
                    named_ones.setdefault(rest, []).append(off)
    for group, several in named_ones.items():
        add(found, group, [sum(values) for values in zip(*several, strict=True)])


def _column(dimension: str, offset: int) -> ColumnElement[Any]:
    if dimension in TIMES:
        # Written out: PostgreSQL takes two parameters of one value for two different groups.
        length = TIMES[dimension]
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
            code=TOO_MANY_LINES,
        )
    chosen = select(calls.c.line).where(*where).execution_options(yield_per=_LINES_AT_ONCE)
    gathered = Gathered(query, span.offset_ms)
    with connection.execute(chosen) as rows:
        for some in rows.partitions():
            for (json,) in some:
                gathered.add(line_of(json))
            if len(gathered) >= _HELD_AT_ONCE:
                gathered.into(found)
    gathered.into(found)
    return left - count


def _lines_of(start_ms: int, end_ms: int, tenant: str | None) -> list[ColumnElement[bool]]:
    where = [
        calls.c.started_ms >= start_ms,
        calls.c.started_ms < end_ms,
        calls.c.outcome != RUNNING,
    ]
    return where if tenant is None else [*where, calls.c.tenant == tenant]
