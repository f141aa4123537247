"""Workers' purses and control's desks over one store, in one event loop, with faults.

Frames travel as they would over the link, but by the loop's next turn. A worker's journal is
what `settle` told for its records: all that is left of it after a kill.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
from money_stores import MoneyWorld

from federation.control.budgets_alerts import Alarm
from federation.control.money_leases import MoneyDesk
from federation.control.threads import Errands
from federation.domain.budgets import Budget, BudgetBook, Pot, Spender, Standing
from federation.errors import BudgetExceeded
from federation.gateway.purse import Purse
from federation.schema.money import FromPurse, MoneyAsk, MoneyBeat, ToPurse

_numbers = itertools.count(1)


class Replica:
    """A control process: its desk, and the workers that are connected to it."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.store = rig.world.replica()
        self.workers: list[Worker] = []
        self.errands = Errands("money")
        self.alarms: list[Alarm] = []
        self.desk = MoneyDesk(
            self.store, self.errands, self, lambda: rig.book, time.monotonic, self.alarms.append
        )
        self.task = asyncio.create_task(self.desk.run())

    def tell(self, message: ToPurse) -> None:
        for worker in list(self.workers):
            worker.hear(self, message)

    def count(self) -> int:
        return max(1, len(self.rig.workers))

    async def end(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        self.errands.close()


class Worker:
    """A worker process: its purse, its journal and its end of the link."""

    def __init__(self, rig: Rig, replica: Replica) -> None:
        self.rig = rig
        self.name = f"w{next(_numbers)}"
        self.journal: dict[str, int] = {}
        self.charged = 0
        self.alive = True
        self.linked = True
        self.replica = replica
        self.asked = 0
        replica.workers.append(self)
        self.purse = Purse(self.send, time.monotonic)
        self.purse.accept(MoneyBeat())
        self.ticker = asyncio.create_task(self._tick())

    def send(self, message: FromPurse) -> bool:
        if not (self.alive and self.linked):
            return False
        self.asked += isinstance(message, MoneyAsk)
        asyncio.get_running_loop().call_soon(self._arrive, self.replica, message)
        return True

    def hear(self, replica: Replica, message: ToPurse) -> None:
        asyncio.get_running_loop().call_soon(self._take, replica, message)

    def settle(self, hold: str, cost: int) -> None:
        """Settle, and write it down as the record of the call does."""
        settled = self.purse.settle(hold, cost)
        self.charged += settled.charged_nano
        for pot, total in settled.totals.items():
            self.journal[pot] = max(total, self.journal.get(pot, 0))

    def cut(self) -> None:
        """The link breaks: what is on its way is lost."""
        self.linked = False
        if self in self.replica.workers:
            self.replica.workers.remove(self)

    def connect(self, replica: Replica) -> None:
        """The link is there again, maybe to another control process."""
        self.replica, self.linked = replica, True
        replica.workers.append(self)
        self.purse.accept(MoneyBeat())
        self.purse.reconnected()

    async def kill(self) -> None:
        """kill -9; control sees it and reads the journal to its end."""
        self.alive = False
        self.cut()
        self.ticker.cancel()
        self.rig.workers.remove(self)
        self.rig.dead.append(self)
        await self.replica.desk.close(self.name, dict(self.journal))

    def _arrive(self, replica: Replica, message: FromPurse) -> None:
        if not self.linked or replica is not self.replica or replica.task.done():
            return
        message = msgspec.msgpack.decode(msgspec.msgpack.encode(message), type=FromPurse)

        def answer(reply: ToPurse) -> None:
            self.hear(replica, reply)

        if isinstance(message, MoneyAsk):
            replica.desk.ask(self.name, message, answer)
        else:
            replica.desk.report(self.name, message, answer)

    def _take(self, replica: Replica, message: ToPurse) -> None:
        if self.alive and self.linked and replica is self.replica:
            self.purse.accept(message)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(0.1)
            self.purse.tick()


class Rig:
    """Everything together; `book` holds the budgets that are in force."""

    def __init__(self, world: MoneyWorld, budgets: list[Budget]) -> None:
        self.world = world
        self.book = BudgetBook(budgets)
        self.replicas: list[Replica] = []
        self.workers: list[Worker] = []
        self.dead: list[Worker] = []
        self.refused = 0

    def pots(self, spender: Spender, at_ms: int = 0) -> tuple[Pot, ...]:
        return self.book.pots(spender, at_ms)

    async def call(
        self,
        worker: Worker,
        pots: tuple[Pot, ...],
        worst: int,
        cost: int,
        *,
        takes_s: float = 0.0,
        wait_s: float = 5.0,
    ) -> bool:
        """One call from its reservation to its settlement; False where it was refused."""
        hold = f"call{next(_numbers)}"
        try:
            await worker.purse.reserve(hold, pots, worst, wait_s)
        except BudgetExceeded:
            self.refused += 1
            return False
        try:
            await asyncio.sleep(takes_s)
        finally:
            if worker.alive:
                worker.settle(hold, cost)
        return True

    def spawn(self) -> Worker:
        """One more worker, as the launcher starts one for one that died."""
        worker = Worker(self, random.choice(self.replicas))
        self.workers.append(worker)
        return worker

    async def replace(self, replica: Replica) -> None:
        """A control process dies and another one takes its workers over."""
        workers = list(replica.workers)
        for worker in workers:
            worker.cut()
        await replica.end()
        heir = self.replicas[self.replicas.index(replica)] = Replica(self)
        for worker in workers:
            worker.connect(heir)

    async def settled(self) -> list[Standing]:
        """End every worker as one that leaves does, and return how the pots then stand."""
        for worker in list(self.workers):
            await worker.kill()
        pots = []
        for budget in self.book.budgets:
            pots += self.replicas[0].store.standings(*budget)
        return pots

    @property
    def charged(self) -> int:
        """The ledger's sum: what every settlement charged."""
        return sum(worker.charged for worker in self.workers + self.dead)


@asynccontextmanager
async def money_rig(
    world: MoneyWorld, budgets: list[Budget], *, workers: int = 4, replicas: int = 1
) -> AsyncIterator[Rig]:
    """A rig whose workers are spread over its replicas."""
    rig = Rig(world, budgets)
    rig.replicas = [Replica(rig) for _ in range(replicas)]
    rig.workers = [Worker(rig, rig.replicas[n % replicas]) for n in range(workers)]
    try:
        yield rig
    finally:
        for worker in rig.workers:
            worker.ticker.cancel()
        for replica in rig.replicas:
            await replica.end()
