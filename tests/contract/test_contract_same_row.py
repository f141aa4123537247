"""Replicas that save one row at the same time, and what clients hear of a database's errors."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sql_stores import KINDS, sql_engine
from sqlalchemy import Engine, Table, insert

from federation.domain.budgets import Budget, Scope
from federation.domain.limits import Counted, Limit, LimitScope
from federation.errors import Unavailable
from federation.storage.budgets_sql import SqlBudgets
from federation.storage.changes import SqlOverrides
from federation.storage.engine import writing
from federation.storage.entries import Override
from federation.storage.limits_sql import SqlLimits
from federation.storage.nodes import SqlNodes, SqlOverflow
from federation.storage.nodes_entries import NodeEntry, OverflowEntry
from federation.storage.tables import budgets, nodes, overflow_providers, provider_overrides
from federation.storage.tables_limits import limits


@pytest.fixture(params=KINDS)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    with sql_engine(request.param, tmp_path) as made:
        yield made


@dataclass
class Row:
    """A table, what another replica puts into it, and how this one saves the same row."""

    table: Table
    save: Callable[[Engine], None]
    kept: Callable[[Engine], bool]
    key: tuple[str, ...] = ("a",)


OVERRIDE = Override("a", enabled=False, changed_ms=2, changed_by="key_1")
BUDGET = Budget("a", "acme", Scope.TEAM, "red", 5)
LIMIT = Limit("a", "acme", LimitScope.TEAM, "red", Counted.TOKENS, 500, 60)
NODE = NodeEntry("a", "http://10.0.0.7/v1", "openai", "eu", (), (), None, "ready", 2, "key_1")
OVERFLOW = OverflowEntry("a", enabled=True, changed_ms=2, changed_by="key_1")

ROWS = {
    "override": Row(
        provider_overrides,
        lambda engine: SqlOverrides(engine).save(OVERRIDE),
        lambda engine: SqlOverrides(engine).list() == [OVERRIDE],
    ),
    "budget": Row(
        budgets,
        lambda engine: SqlBudgets(engine).save(BUDGET),
        lambda engine: SqlBudgets(engine).list(None) == [BUDGET],
        ("acme", "a"),
    ),
    "limit": Row(
        limits,
        lambda engine: SqlLimits(engine).save(LIMIT),
        lambda engine: SqlLimits(engine).list(None) == [LIMIT],
        ("acme", "a"),
    ),
    "node": Row(
        nodes,
        lambda engine: SqlNodes(engine).save(NODE),
        lambda engine: SqlNodes(engine).list() == [NODE],
    ),
    "overflow": Row(
        overflow_providers,
        lambda engine: SqlOverflow(engine).save(OVERFLOW),
        lambda engine: SqlOverflow(engine).list() == [OVERFLOW],
    ),
}


def filled(table: Table, key: tuple[str, ...]) -> dict[str, object]:
    """A row of this key, and of no other meaning."""
    row: dict[str, object] = {
        column.name: column.type.python_type() for column in table.columns if not column.nullable
    }
    return row | {column.name: value for column, value in zip(table.primary_key, key, strict=True)}


@pytest.mark.parametrize("name", ROWS)
def test_of_two_that_save_one_row_the_later_counts_and_none_fails(
    engine: Engine, name: str
) -> None:
    row, failed = ROWS[name], list[Exception]()

    def save() -> None:
        try:
            row.save(engine)
        except Unavailable as error:
            failed.append(error)

    saving = threading.Thread(target=save, daemon=True)
    with writing(engine) as other:
        other.execute(insert(row.table), filled(row.table, row.key))
        saving.start()
        saving.join(0.2)
        assert saving.is_alive(), "it waits for the other"
    saving.join(5)
    assert not failed
    assert row.kept(engine)


def test_a_client_hears_one_sentence_and_nothing_of_what_is_in_the_row(engine: Engine) -> None:
    SqlOverrides(engine).save(OVERRIDE)
    with pytest.raises(Unavailable) as raised, writing(engine) as connection:
        connection.execute(insert(provider_overrides), filled(provider_overrides, ("a",)))
    message = raised.value.message
    assert message.startswith("The store cannot be used just now: ")
    assert "\n" not in message
    assert "DETAIL" not in message
    assert message.endswith(".")
    assert not message.endswith("..")
