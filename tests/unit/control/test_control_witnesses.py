"""The exchange of checkpoints as a task beside the notary's."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from evidence_web import Board, Cluster, Replica
from evidence_world import Clock

from federation.control import evidence_task
from federation.control import witnesses as module
from federation.control.evidence_task import EvidenceTask
from federation.storage.posted_checkpoints import Posted


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


@dataclass
class Hanging(Board):
    """A store that takes what it is given and says nothing."""

    gate: threading.Event = field(default_factory=threading.Event)

    def post(self, posted: Posted) -> None:
        self.gate.wait(30)
        super().post(posted)


async def test_an_end_does_not_wait_for_a_store_that_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(evidence_task, "CLOSE_S", 0.1)
    board = Hanging()
    replica = Cluster(tmp_path, board=board).join("a")
    replica.world.write("w0-a", 3)
    task = EvidenceTask(replica.notary, replica.witnesses)
    task._open = True
    async with asyncio.timeout(5):
        await task.close()
    assert "were not told of the last checkpoint" in caplog.text
    assert replica.export().checkpoints, "what was written is sealed"
    assert not board.rows
    board.gate.set()
    await until_posted(board, 1)
    replica.world.close()


class Broken(Board):
    """A store with a bug."""

    def list(self) -> list[Posted]:
        raise TypeError("a bug")


async def test_a_bug_ends_both_halves_of_the_task(tmp_path: Path) -> None:
    replica = Cluster(tmp_path, board=Broken()).join("a")
    replica.world.write("w0-a", 3)
    replica.world.clock.now += 10
    replica.notary.round()
    task = EvidenceTask(replica.notary, replica.witnesses)
    task._open = True
    before = asyncio.all_tasks()
    with pytest.raises(TypeError, match="a bug"):
        await task.follow()
    assert asyncio.all_tasks() == before
    with pytest.raises(TypeError, match="a bug"):
        await task.close()
    replica.world.close()
