"""What each anchor has taken is known: to control, to commands, and after a restart."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from control_plane import plane
from evidence_world import World

from federation.api.status import get_status
from federation.control.anchorage import Anchored, read_anchored
from federation.control.evidence_task import EvidenceTask
from federation.storage.anchors import FileAnchor
from federation.telemetry import metrics


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path / "data")
    made.anchors = (FileAnchor(tmp_path / "near"), FileAnchor(tmp_path / "away" / "far"))
    yield made
    made.close()


def lines(path: Path) -> int:
    return len(path.read_bytes().splitlines()) if path.is_file() else 0


def wished(world: World) -> None:
    (world.data / "evidence" / "wanted").write_text("1")


def test_each_stands_for_itself_and_one_that_was_away_gets_the_newest_on_a_wish(
    world: World, tmp_path: Path
) -> None:
    notary = world.fill(rounds=1)
    near, far = notary.anchored
    now_ms = int(world.clock.now * 1000)
    assert near == Anchored(f"file {tmp_path / 'near'}", 0, now_ms)
    assert (far.checkpoint, far.failing_ms) == (None, now_ms)
    assert "No such file" in far.reason
    assert read_anchored(world.data / "evidence") == notary.anchored
    (tmp_path / "away").mkdir()
    notary.round()
    assert notary.anchored == (near, far), "nobody asked, and there is nothing new"
    wished(world)
    notary.round()
    assert [each.checkpoint for each in notary.anchored] == [0, 0]
    assert [each.failing_ms for each in notary.anchored] == [None, None]
    assert (lines(tmp_path / "near"), lines(tmp_path / "away" / "far")) == (1, 1)
    notary.close()


def test_a_failure_has_one_beginning_over_checkpoints_and_a_restart(
    world: World, tmp_path: Path
) -> None:
    notary = world.fill(rounds=1)
    since_ms = notary.anchored[1].failing_ms
    notary.close()
    world.clock.now += 100
    again = world.fill(rounds=1)
    assert again.anchored[1].failing_ms == since_ms
    taken = again.anchored[0].checkpoint
    assert taken is not None
    assert lines(tmp_path / "near") == taken + 1
    again.close()


def test_a_state_that_cannot_be_kept_holds_nothing_up(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    evidence = world.data / "evidence"
    evidence.mkdir(mode=0o700)
    (evidence / "anchored.json").mkdir()
    world.fill(rounds=2).close()
    assert read_anchored(evidence) == ()
    said = [each for each in caplog.messages if each == "what anchors took is not kept"]
    assert len(said) == 1, "said once"


async def test_a_log_that_stands_still_or_is_not_anchored_is_seen(
    world: World, tmp_path: Path
) -> None:
    control = plane(tmp_path).control
    await control.publish_snapshot()
    world.write("w0-a", 3)
    control.evidence = EvidenceTask(world.notary(checkpoint_s=0))
    following = asyncio.create_task(control.evidence.follow())
    async with asyncio.timeout(10):
        while not any(each.failing_ms for each in control.evidence.anchored):
            await asyncio.sleep(0.01)
    following.cancel()
    status = await get_status(control)
    assert status.status == "degraded"
    assert status.evidence is not None
    assert [each.failing_ms is None for each in status.evidence.anchors] == [True, False]
    assert status.evidence.records
    gauges = control.gauges()
    assert (gauges[metrics.EVIDENCE_KEPT], gauges[metrics.ANCHORS_FAILING]) == (1, 1)
    await control.evidence.close()
