"""Roll-ups made anew from the lines, a day at a time, while lines come in.

A day's rows are dropped first. Then one moment of the store is looked at, which keeps no writer
out: what its lines come to is added, less what rows had been added again by that moment. What
comes in after it is added by whoever takes it in, so the sum of both is the sum of the lines,
and each step writes only for a moment: money waits for the same lock.

The trap: that is only true of one rebuilder. Each leaves its turn in `rollup_state`, counts its
steps there, and stops where it finds another's turn. Of the longest roll-ups a part is still old
meanwhile: they are made at the end, of the days. So whoever reads them asks first, at the same
moment of the store, whether they are whole (`are_whole`).
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from sqlalchemy import Connection, Engine, delete, func, insert, or_, select, update

from federation.errors import Unavailable
from federation.storage.analytics_entries import DAY_MS
from federation.storage.analytics_moment import at_once
from federation.storage.analytics_spans import LONG_MS
from federation.storage.engine import reading, writing
from federation.storage.entries import RUNNING
from federation.storage.rollups import (
    GRAINS_OF,
    VERSION,
    WITHIN_A_DAY,
    Tally,
    apply,
    stretch,
    take_off,
)
from federation.storage.rollups_facts import line_of
from federation.storage.tables import calls, cost_rollups, rollup_state

BUILDING: Final = "rollups_building"
UNMADE: Final = "rollups_unmade"
Told = Callable[[int, int], None]
"""How many of how many days are done."""
_AT_ONCE = 2_000
"""Groups held in memory before they are written: some tenths of a second of the write lock."""
_LINES_A_STEP = 50_000
"""About a second of reading."""
_VERSION, _TURN, _STEPS = 1, 2, 3
"""Rows of `rollup_state`: the first while roll-ups are whole, the others while they are made."""
STILL_S: Final = 300.0
"""A replica that holds the lock and made no step for so long is taken for dead: it may be a
machine that stands still. Should it go on, it finds another's turn."""
_LOOK_S: Final = 1.0
_GONE: Final = """
SET LOCAL tcp_keepalives_idle = 5;
SET LOCAL tcp_keepalives_interval = 2;
SET LOCAL tcp_keepalives_count = 3;
SET LOCAL idle_in_transaction_session_timeout = 0
"""
"""The server keeps the lock of a machine that is gone for two hours, unless it asks after it."""


def are_whole(connection: Connection) -> bool:
    """Whether the roll-ups that this connection sees are whole, and of this version of the code."""
    return _state(connection, _VERSION) == VERSION


def building() -> Unavailable:
    """What is said where nothing but roll-ups could answer, and they are being made."""
    return Unavailable(
        "The ledger's sums are being made anew. Ask again soon, or for a shorter time.",
        code=BUILDING,
        retry_after_s=30.0,
    )


def missing(connection: Connection) -> Unavailable:
    """What is said to who would look at roll-ups that are not whole: whether they are being made
    (or were, by somebody who died of it), or nobody has asked for costs yet."""
    if _state(connection, _TURN) is not None:
        return building()
    return Unavailable("Nobody has made sums of this store's calls yet.", code=UNMADE)


def is_current(engine: Engine) -> bool:
    """Whether the roll-ups are whole, and those of this version of the code."""
    with reading(engine) as connection:
        return are_whole(connection)


def rebuild(engine: Engine, told: Told = lambda _done, _whole: None) -> int:
    """Sum every line anew; how many days that were. Idempotent; begins again after a failure.

    Waits while a replica is at it, and takes over from one that makes no step any more. Raises
    `Unavailable`, also where another took over.
    """
    with _one_replica(engine) as waited:
        if waited and is_current(engine):
            return 0
        return _rebuild(engine, secrets.randbelow(1 << 31), told)


def _rebuild(engine: Engine, turn: int, told: Told) -> int:
    with writing(engine) as connection:
        _lock(connection)
        connection.execute(delete(rollup_state))
        connection.execute(insert(rollup_state).values(id=_TURN, version=turn))
        connection.execute(insert(rollup_state).values(id=_STEPS, version=0))
        span = select(func.min(calls.c.started_ms), func.max(calls.c.started_ms))
        first, last = connection.execute(span).one()
        days = [] if first is None else range(first // DAY_MS, last // DAY_MS + 1)
        outside = delete(cost_rollups)
        if days:
            at = cost_rollups.c.at_ms
            beyond = at < days[0] * DAY_MS, at >= (days[-1] + 1) * DAY_MS
            outside = outside.where(or_(*beyond, cost_rollups.c.kind.not_in(GRAINS_OF)))
        connection.execute(outside)
    for done, day in enumerate(days):
        told(done, len(days))
        _one_day(engine, turn, day * DAY_MS)
    for start_ms in sorted({day * DAY_MS // LONG_MS * LONG_MS for day in days}):
        with _step(engine, turn) as connection:
            stretch(connection, start_ms)
    with _step(engine, turn) as connection:
        connection.execute(delete(rollup_state))
        connection.execute(insert(rollup_state).values(id=_VERSION, version=VERSION))
    return len(days)


def _one_day(engine: Engine, turn: int, start_ms: int) -> None:
    end_ms, r = start_ms + DAY_MS, cost_rollups.c
    # The key begins with kind and grain.
    which = r.kind.in_(GRAINS_OF), r.grain.in_(WITHIN_A_DAY)
    mine = *which, r.at_ms >= start_ms, r.at_ms < end_ms
    with _step(engine, turn) as connection:
        connection.execute(delete(cost_rollups).where(*mine))
    lines = select(calls.c.line).where(
        calls.c.started_ms >= start_ms, calls.c.started_ms < end_ms, calls.c.outcome != RUNNING
    )
    with at_once(engine) as moment:
        # What was taken in since a moment ago: it is among the lines, too.
        again = [tuple(row) for row in moment.execute(select(cost_rollups).where(*mine))]
        with _step(engine, turn) as connection:
            take_off(connection, again)
        tally = Tally()
        with moment.execute(lines.execution_options(yield_per=1000)) as rows:
            for n, (json,) in enumerate(rows, 1):
                tally.add(line_of(json))
                # Also where many lines have few groups: who takes no step is passed over.
                if len(tally) >= _AT_ONCE or n % _LINES_A_STEP == 0:
                    _write(engine, turn, tally)
                    tally = Tally()
        _write(engine, turn, tally)


def _write(engine: Engine, turn: int, tally: Tally) -> None:
    with _step(engine, turn) as connection:
        apply(connection, tally, WITHIN_A_DAY)


@contextmanager
def _step(engine: Engine, turn: int) -> Iterator[Connection]:
    """A transaction that keeps writers out, and is not begun where it is another's turn."""
    with writing(engine) as connection:
        _lock(connection)
        if _state(connection, _TURN) != turn:
            raise building()
        steps = update(rollup_state).where(rollup_state.c.id == _STEPS)
        connection.execute(steps.values(version=rollup_state.c.version + 1))
        yield connection


def _state(connection: Connection, row: int) -> int | None:
    found: int | None = connection.scalar(
        select(rollup_state.c.version).where(rollup_state.c.id == row)
    )
    return found


@contextmanager
def _one_replica(engine: Engine) -> Iterator[bool]:
    """Wait until no other replica rebuilds; whether one did. One that has a store of its own has
    nobody to wait for."""
    if engine.dialect.name != "postgresql":
        yield False
        return
    with writing(engine) as connection:
        connection.exec_driver_sql(_GONE)
        yield _waited(connection)


def _waited(connection: Connection) -> bool:
    """Take the lock, which the death of who has it frees, or see that nothing is done under it;
    whether that took a wait."""
    lock = select(func.pg_try_advisory_xact_lock(func.hashtext("federation roll-ups")))
    waited, seen, since = False, None, time.monotonic()
    while not connection.scalar(lock):
        waited = True
        step = _state(connection, _TURN), _state(connection, _STEPS)
        if step != seen:
            seen, since = step, time.monotonic()
        elif time.monotonic() - since >= STILL_S:
            break
        time.sleep(_LOOK_S)
    return waited


def _lock(connection: Connection) -> None:
    """Keep writers out until the transaction ends; SQLite does so anyway."""
    if connection.dialect.name == "postgresql":
        # Who stands still in the midst of it is cut off: ingest waits for this lock.
        connection.exec_driver_sql(
            "SET LOCAL idle_in_transaction_session_timeout = '60s'; "
            "SET LOCAL lock_timeout = '60s'; "
            "LOCK TABLE cost_rollups IN EXCLUSIVE MODE"
        )
