"""Roll-ups made anew from the lines, a day at a time.

The trap: lines come in meanwhile. Each day is one transaction that keeps writers out, so a day
that is done stays exact by what is added to it, and one still to come is summed with all. Of
the longest roll-ups parts would be summed twice that way: they are made at the end, of the days.
"""

from __future__ import annotations

from sqlalchemy import Connection, Engine, delete, func, insert, or_, select

from federation.storage.analytics_entries import DAY_MS
from federation.storage.analytics_spans import GRAINS, LONG_MS
from federation.storage.engine import reading, writing
from federation.storage.entries import RUNNING
from federation.storage.rollups import VERSION, Tally, apply, stretch
from federation.storage.rollups_facts import line_of
from federation.storage.tables import calls, cost_rollups, rollup_state

_WITHIN_A_DAY = [grain for grain in GRAINS if grain <= DAY_MS]
_AT_ONCE = 20_000
"""Sums held in memory before they are written."""


def is_current(engine: Engine) -> bool:
    """Whether the roll-ups are those of this version of the code."""
    with reading(engine) as connection:
        return connection.scalar(select(rollup_state.c.version)) == VERSION


def rebuild(engine: Engine) -> int:
    """Sum every line anew; how many days that were. Idempotent; goes on after a failure.

    Raises `Unavailable`.
    """
    with reading(engine) as connection:
        span = select(func.min(calls.c.started_ms), func.max(calls.c.started_ms))
        first, last = connection.execute(span).one()
    days = [] if first is None else range(first // DAY_MS, last // DAY_MS + 1)
    with writing(engine) as connection:
        _lock(connection)
        connection.execute(delete(rollup_state))
        outside = delete(cost_rollups)
        if days:
            at = cost_rollups.c.at_ms
            outside = outside.where(or_(at < days[0] * DAY_MS, at >= (days[-1] + 1) * DAY_MS))
        connection.execute(outside)
    for day in days:
        with writing(engine) as connection:
            _lock(connection)
            _one_day(connection, day * DAY_MS)
    for start_ms in sorted({day * DAY_MS // LONG_MS * LONG_MS for day in days}):
        with writing(engine) as connection:
            _lock(connection)
            stretch(connection, start_ms)
    with writing(engine) as connection:
        connection.execute(delete(rollup_state))
        connection.execute(insert(rollup_state).values(id=1, version=VERSION))
    return len(days)


def _one_day(connection: Connection, start_ms: int) -> None:
    end_ms, r = start_ms + DAY_MS, cost_rollups.c
    mine = delete(cost_rollups).where(r.grain != LONG_MS, r.at_ms >= start_ms, r.at_ms < end_ms)
    connection.execute(mine)
    lines = select(calls.c.line).where(
        calls.c.started_ms >= start_ms, calls.c.started_ms < end_ms, calls.c.outcome != RUNNING
    )
    tally = Tally()
    with connection.execute(lines.execution_options(yield_per=1000)) as rows:
        for (json,) in rows:
            tally.add(line_of(json))
            if len(tally) > _AT_ONCE:
                apply(connection, tally, _WITHIN_A_DAY)
                tally = Tally()
    apply(connection, tally, _WITHIN_A_DAY)


def _lock(connection: Connection) -> None:
    """Keep writers out until the transaction ends; SQLite does so anyway."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("LOCK TABLE cost_rollups IN EXCLUSIVE MODE")
