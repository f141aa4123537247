"""What a worker does with the snapshots that control sends it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, tzinfo
from types import SimpleNamespace
from typing import Any, cast

import pytest
from inprocess import deployment, model, provider, route, snapshot

from federation.bootstrap import following
from federation.gateway.world import Situation

LAST_DAY = datetime(2031, 5, 4, 23, 59, 59, 950_000, UTC)
NEXT_DAY = datetime(2031, 5, 5, 0, 0, 1, tzinfo=UTC)


async def test_a_model_that_retires_is_asked_no_more_when_its_last_day_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Clock(datetime):
        told = LAST_DAY

        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Any:
            return cls.told

    adopted: asyncio.Queue[Situation] = asyncio.Queue()

    def adopt(situation: Situation) -> None:
        adopted.put_nowait(situation)
        Clock.told = NEXT_DAY

    monkeypatch.setattr(following, "datetime", Clock)
    nobody = cast("Any", SimpleNamespace(via=b"federation"))
    follower = following.Following(nobody, nobody, nobody, nobody, adopt=adopt, stop=lambda: None)
    row = deployment(provider("p0", "http://127.0.0.1:1"), model("m", retires="2031-05-04"))
    follower.follow_snapshot(snapshot((row,), route("chat", row.id)))
    running = asyncio.create_task(follower.adopt_for_ever())
    try:
        async with asyncio.timeout(10):
            ready = [(await adopted.get()).fleet.resolve("chat").ready for _ in range(2)]
            assert ready == [1, 0]
            follower.follow_snapshot(snapshot((row, row), route("chat", row.id)))
            assert len((await adopted.get()).snapshot.deployments) == 2
            assert adopted.empty()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
