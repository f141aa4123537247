"""A year of calls for `bench.ledger`: made up, and brought into a store in bulk.

Many tenants, keys, users and models, of which a few do most, as it is with customers; each week
is like the first. What is written are the lines that workers write and the rows that the store's
own code makes of them, but a day in one go, and the later weeks' roll-ups are the first's with
another time: taking ten million lines in as ingest does would take hours. `check` fills two
stores with a sample, one either way, and wants every row of both alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from random import Random
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, Engine, Table, text

from federation.schema.records import AttemptRecord, CallEnded, Line
from federation.schema.usage import Usage
from federation.storage.analytics_entries import DAY_MS
from federation.storage.analytics_spans import GRAINS, LONG_MS
from federation.storage.calls import SqlCalls, rows_of
from federation.storage.engine import writing
from federation.storage.entries import Position
from federation.storage.journal_reader import Ended, Entry, Tried, read_entry
from federation.storage.rollups import Tally, stretch
from federation.storage.rollups_facts import line_of
from federation.storage.tables import calls, cost_rollups

START = 1_735_689_600_000  # 2025-01-01
DAYS, WEEK = 365, 7
TENANTS, KEYS, USERS, MODELS, TAGS = 40, 400, 5_000, 30, 20
_AT_ONCE = 500
Rows = Iterable[tuple[Any, ...]]
_WITHIN_A_DAY = [grain for grain in GRAINS if grain != LONG_MS]
_encode = msgspec.json.Encoder().encode
_CALL = [column.name for column in calls.c if column.name != "n"]
_ROLLUP = [column.name for column in cost_rollups.c]


class _Habit(NamedTuple):
    """What is alike in all calls of somebody."""

    tenant: str
    key: str
    user: str
    tags: dict[str, str]
    deployment: str


def _few(random: Random, most: int) -> int:
    """Less than `most`, and mostly far less."""
    return int(most * random.random() ** 4)


def _habits(random: Random) -> list[_Habit]:
    """Of users and of programs that name none, each with a few models of their key."""
    found = []
    for who in range(3 * USERS):
        key = _few(random, KEYS)
        for each in range(3):
            model = (key * 7 + each) % MODELS
            tags = {"job": f"j{(key + each) % TAGS}"} if who % 5 == 0 else {}
            user = f"user-{who // 3}" if who % 3 == 0 else ""
            deployment = f"p{model % 8}/model-{model}"
            found.append(_Habit(f"tenant-{key % TENANTS}", f"key_{key}", user, tags, deployment))
    return found


class _Written(NamedTuple):
    """A call of the first week: its row, and its line with places for what the others have."""

    row: tuple[Any, ...]
    line: bytes
    attempts: int


def _first_week(per_day: int) -> Iterator[list[Entry]]:
    """A day's lines at a time; a few are late."""
    random = Random(7)
    habits = _habits(random)
    used = [
        Usage(random.randrange(8_000), random.randrange(900), cached=random.randrange(99))
        for _ in range(997)
    ]
    for day in range(WEEK):
        lines = []
        for each in range(per_day):
            n = day * per_day + each
            at = START + day * DAY_MS + each * DAY_MS // per_day
            if n % 1000 == 0:
                at -= random.randrange(at % DAY_MS + 1)
            habit = habits[_few(random, len(habits))]
            lines.append(_line(n, at, habit, used[n % len(used)]))
        yield lines


def _line(n: int, at: int, habit: _Habit, usage: Usage) -> Entry:
    """A call as its worker writes it, and as ingest reads it."""
    who, deployment = (habit.tenant, habit.key), habit.deployment
    cost = usage.input * 2_500 + usage.output * 10_000
    outcome = "ok" if n % 100 else "error"
    call = _name(n)
    attempt = AttemptRecord(deployment, at, 200, "", 120.0, 900.0, usage, cost)
    tried: tuple[Tried, ...] = (Tried(deployment, at, "", 900.0, usage, cost),)
    attempts: tuple[AttemptRecord, ...] = (attempt,)
    if n % 50 == 0:
        attempts = (AttemptRecord("p9/other", at, 503, "upstream_failed", 0.0, 9.0), attempt)
        tried = (Tried("p9/other", at, "upstream_failed", 9.0), *tried)
    more: dict[str, Any] = {"tags": habit.tags, "user": habit.user}
    more |= {"started_ms": at, "duration_ms": 900.5, "usage": usage, "cost_nano": cost}
    record = CallEnded(
        *(call, at + 900, *who, "chat", "auto", outcome, 200),
        deployment=deployment,
        attempts=attempts,
        **more,
    )
    seen = Ended(
        call, at + 900, *who, "auto", outcome, deployment=deployment, attempts=tried, **more
    )
    return Entry("w", n + 1, seen, _encode(Line("w", n + 1, record)))


def _name(n: int) -> str:
    return f"call_{n:012d}"


def _written(line: Entry) -> _Written:
    row = rows_of("w", [line])[1][0]
    at = row[_CALL.index("started_ms")]
    body = line.json.replace(b'"seq":%d,' % line.seq, b'"seq":%d,', 1)
    body = body.replace(row[0].encode(), b"%b", 1).replace(b"%d" % (at + 900), b"%d")
    return _Written(row, body.replace(b"%d" % at, b"%d"), body.count(b"%d" % at))


def _later(day: int, per_day: int, written: Sequence[_Written]) -> Iterator[tuple[Any, ...]]:
    """The rows of a day like an earlier one."""
    later = (day - day % WEEK) * DAY_MS
    for n, (row, line, attempts) in enumerate(written, day * per_day):
        call, at = _name(n), row[7] + later
        body = line % (n + 1, call.encode(), at + 900, *(at,) * attempts)
        yield (call, *row[1:7], at, at + 900, *row[9:13], body)


def fill(engines: Sequence[Engine], count: int) -> None:
    """Bring the same year of some `count` calls into empty stores."""
    per_day = count // DAYS
    for engine in engines:
        with writing(engine) as connection:
            for index in cost_rollups.indexes:
                index.drop(connection)
    week: list[list[_Written]] = []
    for lines in _first_week(per_day):
        for line in lines[:: max(1, len(lines) // 20)]:
            assert line_of(line.json) == line.record, "a line is not read as it was meant"
        week.append([_written(line) for line in lines])
        tally = Tally()
        for line in lines:
            tally.add(line.record)
        rows, sums = rows_of("w", lines)[1], tally.rows(_WITHIN_A_DAY)
        for engine in engines:
            with writing(engine) as connection:
                _put(connection, "calls", _CALL, rows)
                _put(connection, "cost_rollups", _ROLLUP, sums)
    for engine in engines:
        for day in range(WEEK, DAYS):
            with writing(engine) as connection:
                _put(connection, "calls", _CALL, _later(day, per_day, week[day % WEEK]))
                _repeat(connection, day)
            if day % 60 == 0:
                print(f"{engine.dialect.name:10} day {day} of {DAYS}", flush=True)
        for start_ms in range(START // LONG_MS * LONG_MS, START + DAYS * DAY_MS, LONG_MS):
            with writing(engine) as connection:
                stretch(connection, start_ms)
        with writing(engine) as connection:
            for index in cost_rollups.indexes:
                index.create(connection)


def _repeat(connection: Connection, day: int) -> None:
    """The roll-ups of a day like one of the first week."""
    first = START + day % WEEK * DAY_MS
    names = ", ".join(_ROLLUP)
    moved = names.replace("at_ms", f"at_ms + {(day - day % WEEK) * DAY_MS}")
    grains = ", ".join(map(str, _WITHIN_A_DAY))
    connection.exec_driver_sql(
        f"INSERT INTO cost_rollups ({names}) SELECT {moved} FROM cost_rollups "
        f"WHERE at_ms >= {first} AND at_ms < {first + DAY_MS} AND grain IN ({grains}) "
        "AND kind IN ('key', 'place', 'tag', 'tagged', 'user')"
    )


def _put(connection: Connection, table: str, names: Sequence[str], rows: Rows) -> None:
    columns = ", ".join(f'"{name}"' for name in names)
    if connection.dialect.name == "sqlite":
        marks = ", ".join("?" * len(names))
        insert = f"INSERT INTO {table} ({columns}) VALUES ({marks})"
        connection.exec_driver_sql(insert, list(rows))
        return
    driver = connection.connection.driver_connection
    assert driver is not None
    with (
        driver.cursor() as cursor,
        cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy,
    ):
        some = iter(rows)
        while held := ["\t".join(map(_cell, row)) for row in islice(some, _AT_ONCE)]:
            copy.write("\n".join(held) + "\n")


def _cell(value: object) -> str:
    """A value as `COPY` reads it; made-up names need no escapes."""
    if value is None:
        return "\\N"
    return "\\\\x" + value.hex() if isinstance(value, bytes) else str(value)


def check(one: Engine, other: Engine, count: int) -> None:
    """Fill two stores, as ingest does and in bulk; raises `SystemExit` where any row differs."""
    taking, per_day = SqlCalls(one), count // DAYS
    week = [[_written(line) for line in lines] for lines in _first_week(per_day)]
    for day in range(DAYS):
        bodies = [row[-1] for row in _later(day, per_day, week[day % WEEK])]
        lines = [line for body in bodies if (line := read_entry(body)) is not None]
        taking.take("w", lines, Position(1, lines[-1].seq, lines[-1].seq))
    fill([other], count)
    for table in (calls, cost_rollups):
        rows = [_every(engine, table) for engine in (one, other)]
        if rows[0] != rows[1]:
            raise SystemExit(f"{table.name}: what is filled in is not what ingest makes")


def _every(engine: Engine, table: Table) -> list[tuple[Any, ...]]:
    names = ", ".join(f'"{column.name}"' for column in table.c if column.name != "n")
    with engine.connect() as connection:
        found = [
            tuple(row) for row in connection.execute(text(f"SELECT {names} FROM {table.name}"))
        ]
    return sorted(found, key=repr)
