"""The exchange of checkpoints as a task beside the notary's."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from evidence_web import Board, Cluster, Replica
from evidence_world import Clock

from federation.control import witnesses as module
from federation.control.evidence_task import EvidenceTask


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_S", 0.01)


async def until_posted(board: Board, count: int) -> None:
    async with asyncio.timeout(10):
        while len(board.rows) < count:
            await asyncio.sleep(0.01)


async def test_what_is_sealed_is_posted_beside_the_rounds_and_once_more_at_the_end(
    tmp_path: Path,
) -> None:
    board, clock = Board(), Clock()
    cluster = Cluster(tmp_path, clock, board)
    replica: Replica = cluster.join("a")
    replica.world.write("w0-a", 3)
    clock.now += 10
    replica.notary.round()
    task = EvidenceTask(replica.notary, replica.witnesses)
    task._open = True
    running = asyncio.create_task(task.follow())
    await until_posted(board, 1)
    (before,) = board.list()
    assert before.n == 0
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await task.close()
    (after,) = board.list()
    assert after.n == 1, "the record of the end is in it"
    assert after.line == replica.export().anchors()[-1]
    replica.world.close()


async def test_a_store_that_is_away_neither_ends_the_task_nor_its_end(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, board=Board(away=True))
    replica = cluster.join("a")
    cluster.work(1)
    task = EvidenceTask(replica.notary, replica.witnesses)
    task._open = True
    running = asyncio.create_task(task.follow())
    await asyncio.sleep(0.1)
    assert not running.done()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await task.close()
    replica.world.close()
