"""How a budget stands in one period, among many periods and subjects."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from money_stores import MoneyWorld, money_world
from sqlalchemy import Engine, event, func, select

from federation.domain.budgets import Lease, Pot, Standing
from federation.pricing.pots import Ask, Note, Turn, Want
from federation.storage.engine import reading, writing
from federation.storage.pots_rows import make_pots, save_leases
from federation.storage.tables import money_leases, money_pots

DAY_MS = 86_400_000
SUBJECTS, PERIODS = 50, 62
START = 10 * DAY_MS


@pytest.fixture(params=["sqlite", "postgres", "redis"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MoneyWorld]:
    with money_world(request.param, tmp_path) as made:
        yield made


def name(subject: int, period: int) -> str:
    return f"acme/daily/u{subject:02}/{period * DAY_MS}"


def filled(world: MoneyWorld) -> Engine:
    """Two months of a budget for each of many, as one day after another leaves them."""
    assert world.engine is not None
    pots = [Pot(name(s, p), 1000) for s in range(SUBJECTS) for p in range(1, PERIODS + 1)]
    other = Pot(f"acme/other/-/{START}", 1000)
    with writing(world.engine) as connection:
        make_pots(connection, [*pots, other, Pot(f"acme/daily/x/1{START}", 7)])
        save_leases(connection, [Lease("w1", pot.id, 100, 30, 20) for pot in pots])
        save_leases(connection, [Lease("w0", pots[0].id, 9, 5, 0, 0, closed=True)])
        connection.execute(
            money_pots.update()
            .values(spent_nano=30, reserved_nano=50)
            .where(money_pots.c.cap_nano == 1000, money_pots.c.budget == "daily")
        )
    return world.engine


class Watch:
    """Counts what is asked of the stores behind."""

    def __init__(self, engine: Engine, patch: pytest.MonkeyPatch) -> None:
        self.asked = 0

        def statement(*_: Any) -> None:
            self.asked += 1

        event.listen(engine, "before_cursor_execute", statement)
        run: Any = redis.client.Pipeline.execute
        send: Any = redis.Redis.execute_command

        def pipeline(pipe: Any, *rest: Any, **named: Any) -> Any:
            self.asked += 1
            return run(pipe, *rest, **named)

        def command(client: Any, *rest: Any, **named: Any) -> Any:
            self.asked += 1
            return send(client, *rest, **named)

        patch.setattr(redis.client.Pipeline, "execute", pipeline)
        patch.setattr(redis.Redis, "execute_command", command)


def generations(engine: Engine) -> int:
    with reading(engine) as connection:
        return int(connection.scalar(select(func.sum(money_pots.c.generation))) or 0)


def test_one_period_is_read_with_few_questions_and_nothing_changes(
    world: MoneyWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, store = filled(world), world.replica()
    before, watch = generations(engine), Watch(engine, monkeypatch)
    found = store.of_period("acme", "daily", START)
    assert watch.asked <= 3
    assert found == [Standing(name(s, 10), 1000, True, 30, 50) for s in range(SUBJECTS)]
    assert generations(engine) == before
    assert store.of_period("acme", "daily", 3) == []
    assert store.of_period("other", "daily", START) == []
    (first,) = (each for each in store.of_period("acme", "daily", DAY_MS) if "u00" in each.pot)
    assert first.spent_nano == (35 if world.kind == "redis" else 30), "what ended counts as spent"


def test_many_pots_are_read_in_batches(world: MoneyWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    engine, store = filled(world), world.replica()
    before, watch = generations(engine), Watch(engine, monkeypatch)
    assert len(store.standings("acme", "daily")) == SUBJECTS * PERIODS + 1
    assert watch.asked <= 1 + 2 * 7
    assert generations(engine) == before


def test_what_is_being_spent_is_seen_beside_what_nobody_touched(world: MoneyWorld) -> None:
    engine, store = filled(world), world.replica()
    pot = Pot(name(7, 10), 1000)
    store.turn(Turn(asks=(Ask("w2", 1, (Want(pot, 200, 200),)),)))
    store.turn(Turn(notes=(Note("w2", pot.id, 60),)))
    found = {each.pot: each for each in store.of_period("acme", "daily", START)}
    assert len(found) == SUBJECTS
    assert found[pot.id] == Standing(pot.id, 1000, True, 90, 190)
    assert found[name(8, 10)] == Standing(name(8, 10), 1000, True, 30, 50)
    assert world.replica().standings("acme", "daily") == store.standings("acme", "daily")
    with reading(engine) as connection:
        count = select(func.count()).select_from(money_leases).where(money_leases.c.pot == pot.id)
        assert connection.scalar(count) == 2
