"""Replicas of one PostgreSQL while one makes the roll-ups anew, stands still, or is killed."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from ledger_lines import lines
from postgres_server import postgres
from sqlalchemy import Engine, select, text

from federation.errors import Unavailable
from federation.schema.records import AttemptRecord, CallEnded
from federation.schema.usage import Usage
from federation.storage import analytics as sql
from federation.storage import rollups_rebuild
from federation.storage.analytics import SqlAnalytics
from federation.storage.analytics_entries import DAY_MS, CostQuery, Sums
from federation.storage.calls import SqlCalls
from federation.storage.engine import open_postgres, prepare_schema, reading, writing
from federation.storage.entries import Position
from federation.storage.rollups import VERSION
from federation.storage.tables import rollup_state
from federation.storage.tables_sums import SUM
from federation.storage.upgrade import upgrade

NOON = 1_774_785_600_000
DAYS = 6
BY_DAY = CostQuery(NOON - DAY_MS, NOON + DAYS * DAY_MS, None, ("day", "user"))

# Another replica, which sums one day and is then long about the next one.
REPLICA = """
import sys, time
from federation.storage import rollups_facts, rollups_rebuild
from federation.storage.engine import open_postgres
seen = 0
def line_of(json):
    global seen
    seen += 1
    if seen == 5:
        print("half", flush=True)
        time.sleep(float(sys.argv[2]))
    return rollups_facts.line_of(json)
rollups_rebuild.line_of = line_of
rollups_rebuild._AT_ONCE = 1
try:
    print("days", rollups_rebuild.rebuild(open_postgres(sys.argv[1])), flush=True)
except Exception as error:
    print(getattr(error, "code", error), flush=True)
"""


def take(engine: Engine, name: str, day: int, seq: int) -> None:
    at = NOON + day * DAY_MS
    attempt = AttemptRecord("p/m", at, 200, "", 1.0, 2.0, Usage(10, 5), 7)
    record = CallEnded(
        *(name, at + 5, "acme", "key_1", "chat", "auto", "ok", 200),
        deployment="p/m",
        started_ms=at,
        usage=Usage(10, 5),
        cost_nano=7,
        attempts=(attempt,),
        user=f"u{seq % 3}",
    )
    SqlCalls(engine).take("w", lines(record), Position(1, seq, seq))


def filled() -> tuple[str, Engine]:
    """Three calls a day that were summed, but by a version before."""
    address = postgres().database()
    engine = open_postgres(address)
    prepare_schema(engine)
    for n in range(3 * DAYS):
        take(engine, f"c{n}", n // 3, n + 1)
    with writing(engine) as connection:
        connection.execute(rollup_state.insert().values(id=1, version=VERSION - 1))
    return address, engine


@contextmanager
def replica(address: str, long_s: float) -> Iterator[subprocess.Popen[str]]:
    """Another process, in the midst of making the roll-ups anew."""
    command = [sys.executable, "-c", REPLICA, address, str(long_s)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "half\n"
            yield process
        finally:
            process.kill()


def calls_of(found: dict[Any, Sums]) -> int:
    return sum(sums.calls for sums in found.values())


def test_half_made_sums_answer_nobody_and_few_lines_do(monkeypatch: pytest.MonkeyPatch) -> None:
    address, engine = filled()
    here = SqlAnalytics(engine)
    with replica(address, 60):
        with reading(engine) as connection:
            made = connection.scalar(
                text(f"SELECT sum(calls) FROM cost_rollups WHERE kind='key' AND grain={DAY_MS}")
            )
            # Some days are in the old sums, some in the new, one in half: no sum of the ledger.
            assert connection.scalar(select(rollup_state.c.version).filter_by(id=1)) is None
        assert made is not None
        assert calls_of(here.costs(BY_DAY)) == 3 * DAYS
        take(engine, "new", 1, 99)
        assert calls_of(here.costs(BY_DAY)) == 3 * DAYS + 1
        monkeypatch.setattr(sql, "MOST_LINES", 5)
        with pytest.raises(Unavailable) as caught:
            here.costs(BY_DAY)
        assert caught.value.code == "rollups_building"
        short = here.costs(replace(BY_DAY, start_ms=NOON, end_ms=NOON + DAY_MS // 4))
        assert calls_of(short) == 3
    engine.dispose()


def test_a_replica_that_is_killed_leaves_a_turn_that_holds_up_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rollups_rebuild, "_LOOK_S", 0.05)
    address, engine = filled()
    here = SqlAnalytics(engine)
    with replica(address, 60) as process:
        process.send_signal(signal.SIGKILL)
        process.wait(30)
        assert not here.is_current()
        take(engine, "new", 1, 99)
        assert here.rebuild() == DAYS
    monkeypatch.setattr(sql, "MOST_LINES", 0)
    assert calls_of(here.costs(BY_DAY)) == 3 * DAYS + 1
    assert here.costs(replace(BY_DAY, group_by=()))[()].cost_nano == 7 * (3 * DAYS + 1)
    engine.dispose()


def test_who_stands_still_is_taken_for_dead_and_adds_nothing_afterwards(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rollups_rebuild, "_LOOK_S", 0.05)
    monkeypatch.setattr(rollups_rebuild, "STILL_S", 0.3)
    address, engine = filled()
    here = SqlAnalytics(engine)
    with replica(address, 5) as process:
        process.send_signal(signal.SIGSTOP)
        assert here.rebuild() == DAYS
        process.send_signal(signal.SIGCONT)
        said, _ = process.communicate(timeout=30)
    assert said == "rollups_building\n"
    assert here.is_current()
    monkeypatch.setattr(sql, "MOST_LINES", 0)
    assert calls_of(here.costs(BY_DAY)) == 3 * DAYS
    engine.dispose()


def test_a_replica_is_waited_for_as_long_as_it_makes_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollups_rebuild, "_LOOK_S", 0.05)
    address, engine = filled()
    here = SqlAnalytics(engine)
    with replica(address, 5) as process:
        began = time.monotonic()
        assert here.rebuild() == 0
        assert time.monotonic() - began < 60
        said, _ = process.communicate(timeout=30)
    assert said == f"days {DAYS}\n"
    monkeypatch.setattr(sql, "MOST_LINES", 0)
    assert calls_of(here.costs(BY_DAY)) == 3 * DAYS
    engine.dispose()


def test_sums_are_whole_numbers_in_a_fresh_store_and_in_a_migrated_one() -> None:
    for make in (prepare_schema, lambda engine: upgrade(engine, "base")):
        engine = open_postgres(postgres().database())
        make(engine)
        large = f"SELECT {SUM}(x), pg_typeof({SUM}(x))::text FROM (VALUES (%s::bigint), (1)) v (x)"
        with reading(engine) as connection:
            found = connection.exec_driver_sql(large, (2**63 - 2,)).one()
            assert tuple(found) == (2**63 - 1, "bigint")
            none = connection.exec_driver_sql(f"SELECT {SUM}(calls) FROM cost_rollups").scalar()
            assert none is None
        with pytest.raises(Unavailable, match="out of range"), reading(engine) as connection:
            connection.exec_driver_sql(large, (2**63 - 1,))
        engine.dispose()
