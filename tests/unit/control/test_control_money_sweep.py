"""Which budgets of the past are forgotten, and when."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from federation.control.money_sweep import KEPT_MS, long_over, sweep
from federation.control.threads import Errands
from federation.domain.budgets import Budget, BudgetBook, Period, Scope, pot_of
from federation.errors import Unavailable
from federation.storage.budgets_memory import MemoryPots

DAY_MS = 86_400_000
THEN_MS = int(datetime(2026, 3, 15, tzinfo=UTC).timestamp()) * 1000


def budget(period: Period) -> Budget:
    return Budget(period.value, "acme", Scope.TENANT, "acme", 1000, period)


BOOK = BudgetBook(tuple(map(budget, Period)))


@pytest.mark.parametrize(
    ("period", "days"),
    [(Period.DAILY, 1), (Period.MONTHLY, 17), (Period.YEARLY, 292)],
)
def test_a_pot_is_kept_until_long_after_its_period(period: Period, days: int) -> None:
    pot, _ = pot_of(budget(period), "acme", THEN_MS)
    end_ms = THEN_MS + days * DAY_MS
    assert not long_over(BOOK, end_ms + KEPT_MS)(pot.id)
    assert long_over(BOOK, end_ms + KEPT_MS + 1)(pot.id)


def test_the_pot_of_all_times_is_kept_for_ever() -> None:
    pot, _ = pot_of(budget(Period.TOTAL), "acme", THEN_MS)
    assert not long_over(BOOK, THEN_MS * 10)(pot.id)
    assert not long_over(BudgetBook(()), THEN_MS * 10)(pot.id)


def test_a_pot_whose_budget_is_gone_is_kept_for_the_longest_period() -> None:
    pot, start_ms = pot_of(budget(Period.DAILY), "acme", THEN_MS)
    end_ms = start_ms + 366 * DAY_MS
    assert not long_over(BudgetBook(()), end_ms + KEPT_MS)(pot.id)
    assert long_over(BudgetBook(()), end_ms + KEPT_MS + 1)(pot.id)


class Pots(MemoryPots):
    """Is away at first, and then has something to forget."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    def prune(self, over: Callable[[str], bool]) -> int:
        self.asked += 1
        if self.asked == 1:
            raise Unavailable("away")
        return 3


async def test_a_store_that_is_away_is_asked_again(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    pots, errands = Pots(), Errands("sweep")
    task = asyncio.create_task(sweep(pots, errands, lambda: BOOK, time.time, first_s=0.01))
    end = time.monotonic() + 20
    while "were forgotten" not in caplog.text:
        assert time.monotonic() < end
        await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    errands.close()
    assert "old budgets stay" in caplog.text
    assert pots.asked == 2
