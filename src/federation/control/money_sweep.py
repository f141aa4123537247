"""Removes the pots of periods long over: with one for each user and day they would pile up.

The trap: what a period cost is still asked for, and a bill or a journal may come late. So a
pot is kept for two months after its end, and as long as a worker holds anything of it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from federation.control.budgets_ports import PotStore
from federation.control.threads import Errands
from federation.domain.budgets import BudgetBook, pot_budget, pot_end_ms
from federation.errors import Unavailable

log = logging.getLogger(__name__)

FIRST_S: Final = 300.0
EVERY_S: Final = 6 * 3600.0
KEPT_MS: Final = 62 * 86_400_000


def long_over(book: BudgetBook, now_ms: int) -> Callable[[str], bool]:
    """Whether a pot, by its id, is of a period long over."""

    def over(pot: str) -> bool:
        end_ms = pot_end_ms(pot, book.budgets.get(pot_budget(pot)))
        return end_ms is not None and end_ms + KEPT_MS < now_ms

    return over


async def sweep(
    store: PotStore,
    errands: Errands,
    book: Callable[[], BudgetBook],
    wall: Callable[[], float],
    first_s: float = FIRST_S,
) -> None:
    """Forget what is long over, again and again, until cancelled."""
    pause_s = first_s
    while True:
        await asyncio.sleep(pause_s)
        pause_s = EVERY_S
        try:
            gone = await errands.run(store.prune, long_over(book(), int(wall() * 1000)))
        except Unavailable as error:
            log.warning("old budgets stay", extra={"reason": str(error)})
            pause_s = first_s
        else:
            if gone:
                log.info("budgets of periods long over were forgotten", extra={"pots": gone})
