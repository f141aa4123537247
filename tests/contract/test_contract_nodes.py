"""Nodes and overflow providers: one suite for every store."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sql_stores import sql_engine

from federation.control.nodes_ports import NodeStore, OverflowStore
from federation.storage.nodes import SqlNodes, SqlOverflow
from federation.storage.nodes_entries import NodeEntry, OverflowEntry
from federation.storage.nodes_memory import MemoryNodes, MemoryOverflow

BOX = NodeEntry(
    id="box",
    base_url="http://10.0.0.7:8000/v1",
    dialect="openai",
    region="eu",
    models=("qwen3-32b", 'odd "name"'),
    abilities=("tools",),
    concurrency=None,
    state="loading",
    changed_ms=1,
    changed_by="key_1",
)


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def stores(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[tuple[NodeStore, OverflowStore]]:
    if request.param == "memory":
        yield MemoryNodes(), MemoryOverflow()
        return
    with sql_engine(request.param, tmp_path) as engine:
        yield SqlNodes(engine), SqlOverflow(engine)


def test_the_last_word_about_a_node_counts(stores: tuple[NodeStore, OverflowStore]) -> None:
    nodes, _ = stores
    other = replace(BOX, id="attic", models=(), abilities=(), concurrency=4)
    assert nodes.list() == []
    nodes.save(BOX)
    nodes.save(other)
    assert nodes.list() == [other, BOX]
    ready = replace(BOX, state="ready", changed_ms=2)
    nodes.save(ready)
    assert nodes.list() == [other, ready]


def test_overflow_providers_stand_in_the_order_of_decision(
    stores: tuple[NodeStore, OverflowStore],
) -> None:
    _, overflow = stores
    first = OverflowEntry("zeta", enabled=True, changed_ms=1, changed_by="key_1")
    second = OverflowEntry("acme", enabled=True, changed_ms=2, changed_by="key_1")
    overflow.save(second)
    overflow.save(first)
    assert overflow.list() == [first, second]
    gone = replace(first, enabled=False, changed_ms=3)
    overflow.save(gone)
    assert overflow.list() == [second, gone]
