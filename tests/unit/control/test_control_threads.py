from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Callable

import pytest

from federation.control.analytics import AnalyticsDesk
from federation.control.ingest import Progress
from federation.control.ledger import BUSY_LINES, BUSY_ROUND_S, IDLE_ROUND_S, ROUND_S, Ledger
from federation.control.threads import LATER, Errands


def niceness() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


@pytest.mark.skipif(sys.platform != "linux", reason="threads have no priorities elsewhere")
async def test_a_thread_that_nobody_waits_for_stands_back_and_no_other_does() -> None:
    usual, later = Errands("usual"), Errands("later", LATER)
    here = niceness()
    assert await usual.run(niceness) == here
    assert await later.run(niceness) == min(19, here + LATER)
    assert niceness() == here
    usual.close()
    later.close()


@pytest.mark.skipif(sys.platform != "linux", reason="threads have no priorities elsewhere")
async def test_who_asks_for_sums_stands_back_behind_who_asks_a_model() -> None:
    desk = AnalyticsDesk(None, None, lambda: None, lambda: 0.0)  # type: ignore[arg-type,return-value]
    assert await desk._errands.run(niceness) == min(19, niceness() + LATER)
    await desk.close()


async def test_where_a_thread_may_not_stand_back_it_works_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def denied(*_: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "setpriority", denied, raising=False)
    later = Errands("later", LATER)
    for _ in range(2):
        assert await later.run(lambda: 1) == 1
    later.close()


class _Ingest:
    """Takes in as many lines a round as it is told to."""

    def __init__(self, lines: list[int]) -> None:
        self.progress = Progress()
        self._lines = lines

    def run(self) -> None:
        self.progress.lines += self._lines.pop(0)


@pytest.mark.parametrize(
    ("lines", "pauses"),
    [
        ([0, 0, 5, 0], [IDLE_ROUND_S, IDLE_ROUND_S, ROUND_S, IDLE_ROUND_S]),
        ([int(BUSY_LINES * ROUND_S) + 1, 5, 0], [BUSY_ROUND_S, ROUND_S, IDLE_ROUND_S]),
        (
            [BUSY_LINES, int(BUSY_LINES * BUSY_ROUND_S) + 1, 5],
            [BUSY_ROUND_S, BUSY_ROUND_S, ROUND_S],
        ),
    ],
)
async def test_rounds_are_rarer_while_much_comes_in(
    monkeypatch: pytest.MonkeyPatch, lines: list[int], pauses: list[float]
) -> None:
    rested: list[float] = []

    async def rest(pause: float) -> None:
        rested.append(pause)
        if len(rested) == len(pauses):
            raise asyncio.CancelledError

    reads = Errands("reads")
    nothing: Callable[[], None] = lambda: None  # noqa: E731
    ledger = Ledger(None, _Ingest([*lines, 0]), reads, nothing)  # type: ignore[arg-type]
    monkeypatch.setattr(asyncio, "sleep", rest)
    with pytest.raises(asyncio.CancelledError):
        await ledger.follow()
    monkeypatch.undo()
    assert rested == pauses
    await ledger.close()
    reads.close()
