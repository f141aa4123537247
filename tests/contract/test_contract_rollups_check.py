"""Sums that are not those of their calls are found, whatever was changed, and made anew."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from ledger_lines import lines
from postgres_server import postgres
from sqlalchemy import delete, insert, update
from typer.testing import CliRunner

from federation.cli.tree import app
from federation.config.stores import DATABASE_VARIABLE
from federation.schema.records import AttemptRecord, CallEnded, CallStarted, Record
from federation.schema.usage import Usage
from federation.storage.analytics_entries import DAY_MS
from federation.storage.analytics_spans import LONG_MS, Span
from federation.storage.calls import SqlCalls
from federation.storage.engine import Stores, open_stores, writing
from federation.storage.entries import Position
from federation.storage.rollups_check import wrong_spans
from federation.storage.rollups_rebuild import rebuild
from federation.storage.tables import calls, cost_rollups, rollup_state

FIRST = 20_550 * DAY_MS  # 2026-04-07, which is the 7th day of a stretch of 32
DAYS = 40


class Place:
    """A data directory with calls of some forty days."""

    def __init__(self, root: Path, database: str | None) -> None:
        self.root, self.database = root, database
        self.stores: Stores = open_stores(root / "data", database)
        self.engine = self.stores.durable
        self.taken = 0

    def take(self, *records: Record) -> None:
        self.taken += len(records)
        position = Position(1, self.taken, self.taken)
        SqlCalls(self.engine).take("w", lines(*records, seq=self.taken), position)

    def change(self, statement: Any) -> None:
        with writing(self.engine) as connection:
            assert connection.execute(statement).rowcount

    def run(self, *arguments: str) -> tuple[int, Any]:
        named = [*arguments, "--data", str(self.root / "data"), "--config", str(self.root)]
        environ = {DATABASE_VARIABLE: self.database or ""}
        result = CliRunner().invoke(app, [*named, "--json"], env=environ)
        return result.exit_code, json.loads(result.stdout)


def some_call(n: int, chance: Random) -> CallEnded:
    at = FIRST + chance.randrange(DAYS) * DAY_MS + chance.randrange(DAY_MS)
    tried = tuple(
        AttemptRecord(f"p{k}/m", at, 200, "", 1.0, 2.0, Usage(10, 5), chance.choice((7, None)))
        for k in range(chance.randrange(1, 3))
    )
    return CallEnded(
        *(f"call_{n}", at + 5, chance.choice(("acme", "zeta")), "key_1", "chat", "auto"),
        *(chance.choice(("ok", "error")), 200),
        deployment=tried[-1].deployment,
        started_ms=at,
        usage=tried[-1].usage,
        cost_nano=tried[-1].cost_nano,
        attempts=tried,
        user=chance.choice(("", "ann")),
        tags=chance.choice(({}, {"a": "1", "b": "2"})),
    )


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path, postgres().database() if request.param == "postgres" else None)
    rebuild(made.engine)
    chance = Random(5)
    made.take(*(some_call(n, chance) for n in range(150)))
    yield made
    made.stores.close()


def of_day(n: int) -> Any:
    r = cost_rollups.c
    return (r.kind == "key") & (r.grain == DAY_MS) & (r.at_ms == FIRST + n * DAY_MS)


def test_sums_of_what_came_in_are_right_and_a_running_call_is_in_none(place: Place) -> None:
    place.take(CallStarted("runs", FIRST, "acme", "key_1", "chat", "auto", "p/m"))
    assert wrong_spans(place.engine) == []
    assert rebuild(place.engine) == DAYS
    assert wrong_spans(place.engine) == []


def test_each_kind_of_change_is_found_on_its_day(place: Place) -> None:
    more = cost_rollups.c.cost_nano + 1
    place.change(update(cost_rollups).where(of_day(3)).values(cost_nano=more))
    place.change(delete(cost_rollups).where(of_day(7)))
    zeros = {column.name: 0 for column in cost_rollups.c}
    names = dict.fromkeys(("tenant", "team", "key", "subject", "provider", "model"), "")
    beyond = FIRST + 900 * DAY_MS
    row = zeros | names | {"kind": "key", "grain": DAY_MS, "at_ms": beyond, "calls": 1}
    place.change(insert(cost_rollups).values(row))
    lost = calls.c.started_ms // DAY_MS == FIRST // DAY_MS + 20
    place.change(delete(calls).where(lost))
    wrong = wrong_spans(place.engine)
    days = [FIRST + n * DAY_MS for n in (3, 7, 20, 900)]
    assert [span.start_ms for span in wrong if span.grain == DAY_MS] == days
    stretches = sorted({day // LONG_MS * LONG_MS for day in (days[0], beyond)})
    assert [span.start_ms for span in wrong if span.grain == LONG_MS] == stretches


def test_the_longest_sums_are_held_against_their_days(place: Place) -> None:
    r = cost_rollups.c
    start = FIRST // LONG_MS * LONG_MS
    which = (r.grain == LONG_MS) & (r.at_ms == start)
    place.change(update(cost_rollups).where(which).values(calls=r.calls + 1))
    assert wrong_spans(place.engine) == [Span(start, start + LONG_MS, LONG_MS)]


def test_the_command_names_the_days_and_another_makes_the_sums_anew(place: Place) -> None:
    code, told = place.run("db", "check", "--sums")
    assert (code, told["sums"]) == (0, "checked")
    place.change(update(cost_rollups).where(of_day(3)).values(calls=0))
    code, told = place.run("db", "check")
    assert (code, "sums" in told) == (0, False), "nobody asked for sums"
    code, told = place.run("db", "check", "--sums")
    assert (code, told["error"]["code"]) == (1, "store_unsound")
    first, second = told["error"]["problems"]
    assert first == "the sums of 2026-04-10 are not those of its calls"
    assert second.startswith("the sums of the 32 days from ")
    assert "federation db sum" in told["error"]["hint"]
    assert place.run("db", "sum") == (0, {"object": "sums", "days": DAYS})
    assert place.run("db", "check", "--sums")[0] == 0


def test_sums_that_were_never_made_are_said_to_be_missing(tmp_path: Path) -> None:
    place = Place(tmp_path, None)
    code, told = place.run("db", "check", "--sums")
    assert (code, told["problems"], told["sums"]) == (0, [], "unmade")
    with place.stores.durable.begin() as connection:
        connection.execute(rollup_state.insert().values(id=2, version=7))  # somebody's turn
    code, told = place.run("db", "check", "--sums")
    assert (code, told["error"]["code"]) == (1, "rollups_building")
    place.stores.close()
