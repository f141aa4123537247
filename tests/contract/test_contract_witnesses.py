"""What replicas post of their logs: one suite for every store, and the double of other suites."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from evidence_web import Board, Cluster, judged
from sql_stores import KINDS, sql_engine

from federation.control.witnesses import PostedStore
from federation.errors import Unavailable
from federation.storage import posted_checkpoints as module
from federation.storage.posted_checkpoints import Posted, SqlPostedCheckpoints

ONE = Posted("1" * 32, "one", 3, b'{"body":{}}\n', b'{"key":1}\n{"key":2}\n')


@pytest.fixture(params=["memory", *KINDS])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[PostedStore]:
    if request.param == "memory":
        yield Board()
        return
    with sql_engine(request.param, tmp_path) as engine:
        yield SqlPostedCheckpoints(engine)


def test_the_newest_of_each_log_is_there_byte_for_byte(store: PostedStore) -> None:
    assert store.list() == []
    store.post(ONE)
    other = replace(ONE, log="0" * 32, replica="two", n=0)
    store.post(other)
    assert store.list() == [other, ONE]
    newer = replace(ONE, n=4, replica="renamed", line=b"newer", keys=b"more")
    store.post(newer)
    assert store.list() == [other, newer]


@pytest.mark.parametrize("n", [2, 3])
def test_an_older_one_and_another_under_the_same_number_change_nothing(
    store: PostedStore, n: int
) -> None:
    store.post(ONE)
    store.post(replace(ONE, n=n, line=b"another"))
    assert store.list() == [ONE]


def test_real_logs_become_one_over_a_real_store(tmp_path: Path) -> None:
    with sql_engine("postgres", tmp_path) as engine:
        cluster = Cluster(tmp_path, board=SqlPostedCheckpoints(engine))
        cluster.join("a")
        cluster.join("b")
        cluster.work()
        exports = cluster.close()
    assert judged(exports) == []
    assert judged({"a": exports["a"]}) == [("missing", "", None)]


def test_a_store_that_cannot_be_reached_says_so(tmp_path: Path) -> None:
    with sql_engine("sqlite", tmp_path) as engine:
        with engine.begin() as connection:
            connection.exec_driver_sql("DROP TABLE posted_checkpoints")
        with pytest.raises(Unavailable):
            SqlPostedCheckpoints(engine).post(ONE)
        with pytest.raises(Unavailable):
            SqlPostedCheckpoints(engine).list()


@pytest.mark.parametrize("kind", KINDS)
def test_no_more_is_read_than_an_honest_store_has(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 33)
    monkeypatch.setattr(module, "MOST_LOGS", 2)
    long = "\N{SNOWMAN}" * 40
    with sql_engine(kind, tmp_path) as engine:
        store = SqlPostedCheckpoints(engine)
        for n in range(3):
            store.post(Posted(str(n), long, n, b"\xff" * 40, b"\x00" * 40))
        cut = [Posted(str(n), long[:33], n, b"\xff" * 33, b"\x00" * 33) for n in range(2)]
        assert store.list() == cut


def test_a_table_that_somebody_holds_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE", "SET LOCAL statement_timeout = 50")
    with sql_engine("postgres", tmp_path) as engine, engine.begin() as other:
        other.exec_driver_sql("LOCK TABLE posted_checkpoints IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(Unavailable):
            SqlPostedCheckpoints(engine).post(ONE)
        with pytest.raises(Unavailable):
            SqlPostedCheckpoints(engine).list()
