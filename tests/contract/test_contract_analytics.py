"""Sums over the ledger, in every store; the one in memory adds call by call, as a person would."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ledger_lines import lines
from msgspec import structs
from postgres_server import postgres
from sqlalchemy import Connection, Engine, delete, event, text

from federation.control.analytics_ports import AnalyticsStore
from federation.control.ports import CallStore
from federation.errors import InvalidRequest, Unavailable
from federation.schema.records import AttemptRecord, CallEnded, CallStarted, Record
from federation.schema.usage import Usage
from federation.storage import analytics as sql
from federation.storage import analytics_moment, rollups, rollups_facts, rollups_rebuild
from federation.storage.analytics import SqlAnalytics
from federation.storage.analytics_entries import (
    DAY_MS,
    GROUPS,
    HOUR_MS,
    CostQuery,
    Costs,
    LineQuery,
    Sums,
)
from federation.storage.analytics_memory import MemoryAnalytics
from federation.storage.calls import SqlCalls
from federation.storage.engine import open_engine, open_postgres, prepare_schema, writing
from federation.storage.entries import Position
from federation.storage.journal_reader import Began, Ended
from federation.storage.memory import MemoryCalls
from federation.storage.rollups import Tally
from federation.storage.tables import cost_rollups, rollup_state

NOON = 1_774_785_600_000  # 2026-03-29T12:00Z: ten hours after Berlin put its clocks forward
ALWAYS = CostQuery(0, NOON * 2, None)


@dataclass
class World:
    calls: CallStore
    sums: AnalyticsStore
    engine: Engine | None = None
    seq: int = 0

    def take(self, *records: Record, writer: str = "w") -> None:
        self.seq += len(records)
        position = Position(1, self.seq, self.seq)
        self.calls.take(writer, lines(*records, writer=writer), position)

    def one(self, query: CostQuery = ALWAYS) -> Sums:
        return self.sums.costs(query).get((), Sums())


def opened(kind: str, place: Path) -> World:
    if kind == "memory":
        memory = MemoryCalls()
        return World(memory, MemoryAnalytics(memory))
    if kind == "sqlite":
        engine = open_engine(place / "store.db", synchronous="NORMAL")
        prepare_schema(engine, place / "store.db")
    else:
        engine = open_postgres(postgres().database())
        prepare_schema(engine)
    sums = SqlAnalytics(engine)
    sums.rebuild()  # of nothing: from here on roll-ups answer, and not lines
    return World(SqlCalls(engine), sums, engine)


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    made = opened(request.param, tmp_path)
    yield made
    if made.engine is not None:
        made.engine.dispose()


def call(
    name: str = "c1",
    *attempts: AttemptRecord,
    at_ms: int = NOON,
    outcome: str = "ok",
    tenant: str = "acme",
    **more: object,
) -> CallEnded:
    tried = attempts or (attempt(),)
    last = tried[-1]
    costs = [each.cost_nano for each in tried]
    record = CallEnded(
        name,
        at_ms + 5,
        tenant,
        "key_1",
        "chat",
        "auto",
        outcome,
        200,
        deployment=last.deployment,
        started_ms=at_ms,
        duration_ms=5.25,
        usage=last.usage,
        cost_nano=None if None in costs else sum(cost or 0 for cost in costs),
        attempts=tried,
    )
    return structs.replace(record, **more)


USED = Usage(10, 5, cached=2)


def attempt(
    deployment: str = "p1/m1",
    cost_nano: int | None = 100,
    usage: Usage = USED,
    error: str = "",
) -> AttemptRecord:
    return AttemptRecord(deployment, NOON, 200, error, 1.0, 2.0, usage, cost_nano)


def began(name: str, at_ms: int = NOON, tenant: str = "acme") -> CallStarted:
    return CallStarted(name, at_ms, tenant, "key_1", "chat", "auto", "p1/m1")


def grouped(world: World, *by: str, **more: object) -> Costs:
    return world.sums.costs(replace(ALWAYS, group_by=by, **more))  # type: ignore[arg-type]


def test_a_call_is_summed_with_its_attempts(world: World) -> None:
    world.take(call())
    assert world.one() == Sums(
        calls=1, duration_us=5250, attempts=1, input=10, output=5, cached=2, cost_nano=100
    )


def test_a_line_that_is_taken_twice_counts_once(world: World) -> None:
    for _ in range(3):
        world.take(began("c1"), call("c1"), call("c1", attempt(cost_nano=7)))
    assert world.one()[:1] + world.one()[-1:] == (1, 100)


def test_what_failed_first_is_its_own_providers(world: World) -> None:
    failed = attempt("p2/m2", 30, Usage(10), "upstream_failed")
    world.take(call("c1", failed, attempt()))
    found = grouped(world, "provider", "model")
    assert found["p1", "m1"].calls == 1
    assert found["p1", "m1"].cost_nano == 100
    assert found["p2", "m2"] == Sums(attempts=1, failed_attempts=1, input=10, cost_nano=30)


def test_an_unknown_price_is_counted_and_adds_nothing(world: World) -> None:
    world.take(call("c1", attempt(cost_nano=None)), call("c2"))
    assert (world.one().unpriced, world.one().cost_nano) == (1, 100)


def test_a_running_call_is_no_line_yet_and_a_lost_one_is(world: World) -> None:
    world.take(began("c1"))
    assert world.one() == Sums()
    world.calls.close_writer("w", Position(closed=True))
    assert world.one() == Sums(calls=1, failed=1, unpriced=1)
    world.calls.close_writer("w", Position(closed=True))
    assert world.one() == Sums(calls=1, failed=1, unpriced=1)


def test_the_late_end_of_a_lost_call_takes_its_place(world: World) -> None:
    world.take(began("c1", NOON - DAY_MS))
    world.calls.close_writer("w", Position(closed=True))
    world.take(call("c1"))
    assert grouped(world, "day") == {(NOON // DAY_MS,): world.one()}
    assert (world.one().calls, world.one().failed, world.one().cost_nano) == (1, 0, 100)


def test_sums_are_exact_beyond_what_a_float_can_count(world: World) -> None:
    world.take(call("c1", attempt(cost_nano=9_000_000_000_123_456_789)), call("c2"))
    assert world.one().cost_nano == 9_000_000_000_123_456_889


def test_a_call_is_in_each_of_its_tags_and_a_plain_one_in_none(world: World) -> None:
    world.take(call("c1", tags={"team": "a", "env": "b"}), call("c2"))
    assert {tag: sums.calls for (tag,), sums in grouped(world, "tag").items()} == {
        "env=b": 1,
        "team=a": 1,
        "": 1,
    }
    assert world.one(replace(ALWAYS, where=(("tag", "env=b"),))).calls == 1


def test_names_that_no_index_holds_are_shortened_and_stay_apart(world: World) -> None:
    long = "x" * 3000
    world.take(
        call("c1", user=long + "a"),
        call("c2", user=long + "b"),
        call("c3", user="nul\0", tags={"t": "é" * 3000}),
    )
    assert len(grouped(world, "user")) == 3
    assert world.one(replace(ALWAYS, where=(("user", long + "b"),))).calls == 1


@pytest.mark.parametrize("by", [(), ("user",), ("day", "user"), ("tag",)])
def test_one_of_several_names_is_enough_and_they_share_one_limit(
    world: World, by: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql, "MOST_LINES", 6)
    users = ("p_1", "p_2", "ann", "bob", "")
    world.take(*(call(f"c{n}", user=user, tags={"t": "1"}) for n, user in enumerate(users)))
    asked = replace(ALWAYS, where=(("user", ("p_1", "p_2", "ann", "nobody")),), group_by=by)
    assert sum(sums.calls for sums in world.sums.costs(asked).values()) == 3
    tagged = replace(asked, where=(*asked.where, ("tag", "t=1")))
    assert sum(sums.calls for sums in world.sums.costs(tagged).values()) == 3
    world.take(call("c6"), call("c7"))
    if world.engine is not None:
        with pytest.raises(InvalidRequest):
            world.sums.costs(tagged)


def test_another_tenants_calls_are_in_no_sum_of_ours(world: World) -> None:
    world.take(call("c1"), call("c2", tenant="other"))
    assert world.one(replace(ALWAYS, tenant="acme")).calls == 1
    assert grouped(world, "tenant", tenant="acme").keys() == {("acme",)}
    assert grouped(world, "user", "tag", tenant="acme", where=(("tenant", "other"),)) == {}


def test_a_local_day_may_have_23_hours(world: World) -> None:
    zone = "Europe/Berlin"
    midnight = NOON - 13 * HOUR_MS
    for hour in range(48):
        world.take(call(f"c{hour}", at_ms=midnight + hour * HOUR_MS))
    day = NOON // DAY_MS
    days = {group: sums.calls for group, sums in grouped(world, "day", zone=zone).items()}
    assert days == {(day,): 23, (day + 1,): 24, (day + 2,): 1}
    hours = grouped(world, "hour", zone=zone)
    assert {at for (at,) in hours} == {midnight + n * HOUR_MS for n in range(48)}


@pytest.mark.parametrize("zone", ["Asia/Kolkata", "Asia/Kathmandu", "America/St_Johns"])
def test_a_local_day_begins_where_the_zone_says(world: World, zone: str) -> None:
    for n in range(96):
        world.take(call(f"c{n}", at_ms=NOON + n * HOUR_MS // 4))
    days = grouped(world, "day", zone=zone)
    assert sum(sums.calls for sums in days.values()) == 96
    assert len(days) == 2
    assert len(grouped(world, "hour", "day", zone=zone)) in (24, 25)


@pytest.mark.parametrize(
    "zone",
    [
        *("Europe/Berlin", "Asia/Kolkata", "America/Los_Angeles", "Pacific/Kiritimati"),
        *("America/St_Johns", "Australia/Lord_Howe"),
    ],
)
@pytest.mark.parametrize("by", [("day",), ("day", "tag"), ("user", "day"), ("tenant", "day")])
def test_local_days_told_from_days_of_utc_are_those_told_from_their_hours(
    world: World, zone: str, by: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    midnight = _midnight(zone, 27)
    for n in range(5 * 24 * 2):
        at = midnight + n * HOUR_MS // 2 + n % 7
        user, tags = ("", "ann", "bob")[n % 3], {"a": str(n % 2)} if n % 5 == 0 else {}
        world.take(call(f"c{n}", at_ms=at, user=user, tags=tags))
    query = CostQuery(midnight - DAY_MS, midnight + 6 * DAY_MS, None, by, zone=zone)
    told = world.sums.costs(query)
    monkeypatch.setattr(sql, "MOST_MOMENTS", 0)
    assert told == world.sums.costs(query)
    assert len({group[by.index("day")] for group in told}) in (5, 6)


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Asia/Kolkata"])
@pytest.mark.parametrize("by", [("day", "user"), ("day", "tag"), ("day",)])
def test_the_hour_after_a_local_midnight_counts_once(
    world: World, zone: str, by: tuple[str, ...]
) -> None:
    midnight = _midnight(zone)
    minute = HOUR_MS // 60
    for n, at in enumerate((-minute, minute, 20 * minute, 5 * HOUR_MS, 9 * HOUR_MS + minute)):
        world.take(call(f"c{n}", at_ms=midnight + at, user="ann" if n == 1 else ""))
    reach = (midnight - DAY_MS, midnight - HOUR_MS, midnight), (DAY_MS, 10 * HOUR_MS)
    for start, length in itertools.product(*reach):
        query = CostQuery(start, midnight + length, None, by, zone=zone)
        counted = sum(sums.calls for sums in world.sums.costs(query).values())
        assert counted == (4 if start == midnight else 5)


def test_ends_of_a_stretch_are_exact_to_the_millisecond(world: World) -> None:
    world.take(*(call(f"c{n}", at_ms=NOON + n) for n in range(10)))
    assert world.one(CostQuery(NOON + 2, NOON + 5, None)).calls == 3
    assert world.one(CostQuery(NOON + 5, NOON + 5, None)).calls == 0


def test_lines_come_in_order_and_go_on_where_they_ended(world: World) -> None:
    world.take(*(call(f"c{n}") for n in range(5)), call("c9", tenant="other"), began("c10"))
    first = world.sums.lines(LineQuery(0, NOON * 2, "acme", limit=2))
    rest = world.sums.lines(LineQuery(0, NOON * 2, "acme", after=first[-1].n))
    assert [each.record.call for each in first + rest] == ["c0", "c1", "c2", "c3", "c4"]
    assert world.sums.lines(LineQuery(0, NOON, None)) == []


def test_too_many_groups_are_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("federation.storage.analytics_sums.MOST_GROUPS", 2)
    world.take(*(call(f"c{n}", user=f"u{n}") for n in range(3)))
    with pytest.raises(InvalidRequest) as caught:
        grouped(world, "user")
    assert caught.value.code == "too_many_groups"


def test_too_many_lines_are_refused_where_roll_ups_cannot_tell(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql, "MOST_LINES", 2)
    world.take(*(call(f"c{n}") for n in range(3)))
    if world.engine is None:
        return
    with pytest.raises(InvalidRequest) as caught:
        grouped(world, "user", "tag")
    assert caught.value.code == "too_many_lines"


def test_lines_are_added_up_in_pieces_where_they_are_many(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql, "_LINES_AT_ONCE", 2)
    monkeypatch.setattr(sql, "_HELD_AT_ONCE", 3)
    for n in range(11):
        tags = {"a": "1"} if n % 2 else {"a": "1", "b": "2"}
        world.take(call(f"c{n}", at_ms=NOON + n * HOUR_MS // 2, user="ann", tags=tags))
    found = grouped(world, "day", "hour", "user", "tag")
    assert sum(sums.calls for group, sums in found.items() if group[3] == "a=1") == 11
    assert len(found) == 12
    assert grouped(world, "user", "tag").keys() == {("ann", "a=1"), ("ann", "b=2")}
    assert grouped(world, "user", "tag")["ann", "a=1"].cost_nano == 1100


def test_roll_ups_are_made_anew_from_the_lines(world: World) -> None:
    world.take(*(call(f"c{n}", at_ms=NOON + n * DAY_MS // 2) for n in range(6)), began("c7"))
    before = grouped(world, "hour", "user")
    if world.engine is not None:
        with writing(world.engine) as connection:
            connection.execute(delete(cost_rollups).where(cost_rollups.c.at_ms > NOON + DAY_MS))
            connection.execute(text("UPDATE cost_rollups SET calls = calls + 1"))
        assert grouped(world, "hour", "user") != before
        with writing(world.engine) as connection:
            connection.execute(delete(rollup_state))
        assert not world.sums.is_current()
        assert world.sums.rebuild() == 4
    assert world.sums.is_current()
    assert grouped(world, "hour", "user") == before


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    made = opened(request.param, tmp_path)
    yield made
    assert made.engine is not None
    made.engine.dispose()


BY = ("hour", "user", "tag", "day"), ("day", "user"), ("user",), ("provider",)


def every_sum(world: World) -> list[Costs]:
    return [grouped(world, *by) for by in (*BY, ("day", "tag", "tenant"))]


def test_lines_come_in_while_roll_ups_are_made_anew(
    database: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever takes lines in waits for no day of them, and none is counted twice or never."""
    reference = opened("memory", Path())
    for world in (database, reference):
        world.take(*(call(f"c{n}", at_ms=NOON + n * DAY_MS // 9, user="ann") for n in range(30)))
        world.take(began("lost"), began("late", NOON + DAY_MS))
        world.calls.close_writer("w", Position(closed=True))
    come = {n: f"new{n}" for n in range(5)}

    def come_in() -> None:
        n, name = come.popitem()
        for world in (database, reference):
            world.take(call(name, at_ms=NOON + n * DAY_MS, user="bob", tags={"n": str(n)}))
            if n == 2:
                world.take(call("late", at_ms=NOON + DAY_MS), call("lost", at_ms=NOON))

    def line_of(json: bytes) -> Began | Ended:
        if len(come) % 2:
            come_in()
        return rollups_facts.line_of(json)

    def at_once(engine: Engine) -> AbstractContextManager[Connection]:
        if come:
            come_in()
        return analytics_moment.at_once(engine)

    monkeypatch.setattr(rollups_rebuild, "line_of", line_of)
    monkeypatch.setattr(rollups_rebuild, "at_once", at_once)
    monkeypatch.setattr(rollups_rebuild, "_AT_ONCE", 2)
    database.sums.rebuild()
    assert not come
    assert every_sum(database) == every_sum(reference)


def test_a_rebuild_that_was_cut_off_is_made_from_the_beginning(
    database: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.take(*(call(f"c{n}", at_ms=NOON + n * HOUR_MS, user=f"u{n}") for n in range(40)))
    before = every_sum(database)
    left = [None] * 5

    def apply(connection: Connection, tally: Tally, grains: Sequence[int]) -> None:
        if not left:
            raise Unavailable("away")
        left.pop()
        rollups.apply(connection, tally, grains)

    monkeypatch.setattr(rollups_rebuild, "_AT_ONCE", 3)
    monkeypatch.setattr(rollups_rebuild, "apply", apply)
    with pytest.raises(Unavailable):
        database.sums.rebuild()
    assert not database.sums.is_current()
    monkeypatch.undo()
    database.sums.rebuild()
    assert database.sums.is_current()
    assert every_sum(database) == before


def test_who_finds_another_making_roll_ups_anew_adds_nothing_more(
    database: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.take(*(call(f"c{n}", at_ms=NOON + n * HOUR_MS, user=f"u{n}") for n in range(40)))
    before = every_sum(database)
    engine = database.engine
    assert engine is not None

    def line_of(json: bytes) -> Began | Ended:
        monkeypatch.setattr(rollups_rebuild, "line_of", rollups_facts.line_of)
        rollups_rebuild._rebuild(engine, 7, lambda _done, _whole: None)
        return rollups_facts.line_of(json)

    monkeypatch.setattr(rollups_rebuild, "line_of", line_of)
    with pytest.raises(Unavailable) as caught:
        database.sums.rebuild()
    assert caught.value.code == "rollups_building"
    assert database.sums.is_current()
    assert every_sum(database) == before


def test_a_replica_waits_for_the_one_that_makes_roll_ups_anew(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    world = opened("postgres", tmp_path)
    assert world.engine is not None
    world.take(*(call(f"c{n}", at_ms=NOON + n * DAY_MS) for n in range(3)))
    begun = threading.Event()

    def line_of(json: bytes) -> Began | Ended:
        begun.set()
        time.sleep(0.2)
        return rollups_facts.line_of(json)

    monkeypatch.setattr(rollups_rebuild, "line_of", line_of)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(world.sums.rebuild)
        assert begun.wait(30)
        assert world.sums.rebuild() == 0
        assert first.result(30) == 3
    assert world.one().calls == 3
    world.engine.dispose()


# Which index.


def test_only_a_ragged_end_is_read_past_the_tenants_index(tmp_path: Path) -> None:
    """A question that no roll-up answers reads the tenant's own calls, not everybody's."""
    world = opened("sqlite", tmp_path)
    assert world.engine is not None
    asked: list[str] = []

    @event.listens_for(world.engine, "before_cursor_execute")
    def note(*said: Any) -> None:
        asked.append(said[2])

    for by, past in ((("user", "tag"), False), (("user",), True)):
        asked.clear()
        world.sums.costs(CostQuery(NOON + 1, NOON + 30 * DAY_MS, "acme", by))
        counted = [each for each in asked if "count(*)" in each]
        assert counted
        assert all(("||" in each) is past for each in counted)
    world.engine.dispose()


# Random ledgers.

_usage = st.builds(
    Usage,
    st.integers(0, 600_000),
    st.integers(0, 1000),
    cached=st.integers(0, 9),
    units=st.sampled_from(({}, {"request": 1}, {"image": 2})),
    estimated=st.booleans(),
)
_attempt = st.builds(
    attempt,
    st.sampled_from(("p1/m1", "p1/m2", "p2/m1")),
    st.none() | st.integers(0, 10**15),
    _usage,
    st.sampled_from(("", "upstream_failed")),
)
ZONES = (
    *("UTC", "Europe/Berlin", "Asia/Kathmandu", "America/St_Johns"),
    *("America/Los_Angeles", "Pacific/Kiritimati"),
)


def _midnight(zone: str, day: int = 30) -> int:
    return int(datetime(2026, 3, day, tzinfo=ZoneInfo(zone)).timestamp()) * 1000


_when = (
    st.integers(NOON - 2 * DAY_MS, NOON + 2 * DAY_MS)
    | st.sampled_from([NOON + n * HOUR_MS // 4 for n in range(-8, 8)])
    | st.sampled_from([_midnight(zone) + n * HOUR_MS // 4 for zone in ZONES for n in (-1, 0, 1)])
)


def _whose(n: int) -> str:
    """A call has one key from its beginning to its end, and so one tenant."""
    return "other" if n % 2 else "acme"


_call = st.builds(
    lambda n, tried, at, outcome, user, tags: call(
        f"c{n}", *tried, at_ms=at, outcome=outcome, tenant=_whose(n), user=user, tags=tags
    ),
    st.integers(0, 12),
    st.lists(_attempt, min_size=1, max_size=3),
    _when,
    st.sampled_from(("ok", "ok", "error", "cut", "canceled")),
    st.sampled_from(("", "ann", "bob")),
    st.dictionaries(st.sampled_from("ab"), st.sampled_from("12"), max_size=2),
)
_step = (
    st.lists(_call, min_size=1, max_size=5)
    | st.builds(lambda n, at: [began(f"c{n}", at, _whose(n))], st.integers(0, 12), _when)
    | st.just("close")
)
_where = st.sampled_from(
    (
        (),
        (("user", "ann"),),
        (("user", ""),),
        (("user", ("ann", "bob", "nobody")),),
        (("tag", "a=1"),),
        (("tag", ""),),
        (("model", "m1"),),
    )
)
_tenant = st.none() | st.just("acme")
_query = st.builds(
    CostQuery,
    _when,
    _when,
    _tenant,
    st.lists(st.sampled_from(GROUPS), unique=True, max_size=4).map(tuple),
    _where,
    st.sampled_from(ZONES),
    st.booleans(),
) | st.builds(
    # Around the beginning of a local day, where roll-ups of several grains stand together.
    lambda zone, before, after, tenant, by, where, banded: CostQuery(
        _midnight(zone) - before, _midnight(zone) + after, tenant, by, where, zone, banded
    ),
    st.sampled_from(ZONES),
    st.sampled_from((0, HOUR_MS // 4, HOUR_MS, DAY_MS)),
    st.sampled_from((HOUR_MS // 4, HOUR_MS, 5 * HOUR_MS, DAY_MS)),
    _tenant,
    st.sampled_from((("day",), ("day", "user"), ("tag", "day"), ("day", "user", "model"))),
    _where,
    st.booleans(),
)


Step = list[CallEnded] | list[CallStarted] | str


def _random_ledgers(make: Callable[[], World]) -> Callable[[], None]:
    @settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
    @given(st.lists(_step, max_size=8), st.lists(_query, min_size=1, max_size=6), st.booleans())
    def check(steps: list[Step], queries: list[CostQuery], anew: bool) -> None:
        made, memory = make(), opened("memory", Path())
        # One of them hears it in pieces and twice, in whatever order a restart would make.
        for world, again in ((memory, False), (made, True)):
            for step in steps:
                if isinstance(step, str):
                    world.calls.close_writer("w", Position(closed=True))
                    continue
                world.take(*step)
                if again:
                    world.take(*step)
        if anew:
            made.sums.rebuild()
        for query in queries:
            assert made.sums.costs(query) == memory.sums.costs(query)

    return check


def _emptied(world: World) -> World:
    assert world.engine is not None
    with writing(world.engine) as connection:
        for table in ("calls", "ingest_offsets", "cost_rollups"):
            connection.exec_driver_sql(f"DELETE FROM {table}")
    return world


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_roll_ups_are_the_sums_of_the_lines_whatever_came_when(kind: str, tmp_path: Path) -> None:
    made = opened(kind, tmp_path)
    _random_ledgers(lambda: _emptied(made))()
    assert made.engine is not None
    made.engine.dispose()


def test_the_order_of_lines_does_not_matter(world: World) -> None:
    records = [call(f"c{n}", at_ms=NOON + n * HOUR_MS, user=f"u{n % 3}") for n in range(20)]
    Random(1).shuffle(records)
    for record in records:
        world.take(record)
    reference = opened("memory", Path())
    reference.take(*sorted(records, key=lambda each: each.at_ms))
    for by in (("hour",), ("user", "day"), ("model",)):
        assert grouped(world, *by) == grouped(reference, *by)
