"""Budgets and limits that two replicas change at the same time: the second sees the first's."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sql_stores import KINDS, sql_engine
from sqlalchemy import Engine

from federation.domain.budgets import Budget, Scope
from federation.domain.limits import Counted, Limit, LimitScope
from federation.storage.budgets_sql import SqlBudgets
from federation.storage.limits_sql import SqlLimits

BUDGET = Budget("b1", "acme", Scope.TEAM, "red", 5)
LIMIT = Limit("l1", "acme", LimitScope.TEAM, "red", Counted.TOKENS, 500, 60)


@pytest.fixture(params=KINDS)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    with sql_engine(request.param, tmp_path) as made:
        yield made


def refuse(_: object) -> None:
    raise ValueError("not so")


def test_a_budget_is_changed_made_and_ended_alone(engine: Engine) -> None:
    store = SqlBudgets(engine)
    seen: list[Budget | None] = []

    def put(after: Budget | None) -> Callable[[Budget | None], Budget | None]:
        def edit(before: Budget | None) -> Budget | None:
            seen.append(before)
            return after

        return edit

    assert store.change("acme", "b1", put(BUDGET)) == BUDGET
    more = replace(BUDGET, limit_nano=6, alerts=(9,))
    assert store.change("acme", "b1", put(more)) == more
    with pytest.raises(ValueError, match="not so"):
        store.change("acme", "b1", refuse)
    assert store.list(None) == [more]
    assert store.change("acme", "b1", put(None)) is None
    assert store.change("acme", "b1", put(None)) is None
    assert store.list(None) == []
    assert seen == [None, BUDGET, more, None]


def test_a_limit_is_changed_made_and_ended_alone(engine: Engine) -> None:
    store = SqlLimits(engine)
    seen: list[Limit | None] = []

    def put(after: Limit | None) -> Callable[[Limit | None], Limit | None]:
        def edit(before: Limit | None) -> Limit | None:
            seen.append(before)
            return after

        return edit

    assert store.change("acme", "l1", put(LIMIT)) == LIMIT
    more = replace(LIMIT, amount=6)
    assert store.change("acme", "l1", put(more)) == more
    with pytest.raises(ValueError, match="not so"):
        store.change("acme", "l1", refuse)
    assert store.list(None) == [more]
    assert store.change("acme", "l1", put(None)) is None
    assert store.list(None) == []
    assert seen == [None, LIMIT, more]


@pytest.mark.parametrize("there", [True, False], ids=["there", "not there yet"])
def test_a_replica_that_comes_second_sees_what_the_first_put_there(
    engine: Engine, there: bool
) -> None:
    store, seen = SqlLimits(engine), list[Limit | None]()
    if there:
        store.save(LIMIT)
    first, second = replace(LIMIT, amount=1), replace(LIMIT, amount=2)

    def later(before: Limit | None) -> Limit:
        seen.append(before)
        return second

    coming = threading.Thread(target=lambda: store.change("acme", "l1", later), daemon=True)

    def edit(before: Limit | None) -> Limit:
        coming.start()
        coming.join(0.3)
        assert not seen, "it waits"
        return first

    store.change("acme", "l1", edit)
    coming.join(5)
    assert seen == [first]
    assert store.list(None) == [second]
