"""Control's end of one worker's purse, in the worker's own loop: frames travel by its next turn."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from inprocess import Gateway

from federation.control.budgets_alerts import Alarm
from federation.control.money_leases import MoneyDesk
from federation.control.threads import Errands
from federation.domain.budgets import Budget, BudgetBook, Standing
from federation.gateway.money import Money
from federation.gateway.purse import Purse
from federation.pricing.pots import Played, Turn
from federation.schema.money import FromPurse, MoneyAsk, MoneyBeat, ToPurse
from federation.storage.budgets_memory import MemoryPots


class Kept(MemoryPots):
    """Remembers how pots stood after each turn."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Standing] = []

    def turn(self, turn: Turn) -> Played:
        played = super().turn(turn)
        self.seen.extend(played.standings.values())
        return played


@dataclass
class Bank:
    """Budgets of one worker, and how they stand."""

    store: Kept
    purse: Purse
    alarms: list[Alarm] = field(default_factory=list)

    def tell(self, message: ToPurse) -> None:
        asyncio.get_running_loop().call_soon(self.purse.accept, message)

    def count(self) -> int:
        return 1

    async def stands(self, budget: str = "b") -> Standing:
        """How the only pot of a budget stands, once nothing of it is held any more."""
        end = time.monotonic() + 10
        while True:
            for held in list(self.purse._held.values()):
                held.give_back()
                self.purse._changed[held.pot.id] = held
            self.purse.report()
            await asyncio.sleep(0.02)
            (pot,) = self.store.standings("default", budget)
            if not pot.reserved_nano:
                return pot
            assert time.monotonic() < end, pot


@asynccontextmanager
async def bank(gateway: Gateway, *budgets: Budget, overruns: bool = False) -> AsyncIterator[Bank]:
    """Give a gateway these budgets; at the end no pot was ever overdrawn, but for `overruns`."""
    errands, book, loop = Errands("money"), BudgetBook(budgets), asyncio.get_running_loop()

    def send(message: FromPurse) -> bool:
        if isinstance(message, MoneyAsk):
            loop.call_soon(desk.ask, "w", message, made.tell)
        else:
            loop.call_soon(desk.report, "w", message, made.tell)
        return True

    made = Bank(Kept(), Purse(send, time.monotonic))
    desk = MoneyDesk(made.store, errands, made, lambda: book, time.monotonic, made.alarms.append)
    task = asyncio.create_task(desk.run())
    made.purse.accept(MoneyBeat())
    money = gateway.world.money = Money(made.purse)
    money.follow(budgets)
    try:
        yield made
        over = [pot for pot in made.store.seen if pot.hard and pot.left_nano < 0]
        assert overruns or not over
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        errands.close()
