"""Workers' rates and control's desk without a link between them, and a loop whose time is free.

A virtual loop does not sleep: where nothing is to be done it steps to the next moment at which
something is. Half a minute of traffic takes as long as its arithmetic.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from federation.control.limiting import Limiting
from federation.control.limits import LimitDesk
from federation.control.limits_leases import RateDesk
from federation.control.limits_ports import MeterStore
from federation.control.tenancy_ports import TenancyStore
from federation.control.threads import Errands
from federation.domain.access import Role, VirtualKey
from federation.domain.limits import Limit, LimitBook
from federation.errors import Unavailable
from federation.gateway.rates import Rates
from federation.schema.limits import FromRates, ToRates
from federation.storage.limits_memory import MemoryLimits, MemoryMeters

T = TypeVar("T")
EPOCH_S = 1_764_000_000.0
KEY = VirtualKey("k1", b"", "k", "acme", Role.DEVELOPER, 0, team="red", user="ann")


class _Leaping(selectors.SelectSelector):
    """Steps over the time in which nothing happens."""

    now_s = 0.0

    def select(self, timeout: float | None = None) -> Any:
        if timeout is not None and timeout > 0:
            self.now_s += timeout
            timeout = 0
        return super().select(timeout)


class _VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self.leaping = _Leaping()
        super().__init__(self.leaping)

    def time(self) -> float:
        return self.leaping.now_s


def virtual(main: Coroutine[Any, Any, T]) -> T:
    """Run to the end in virtual time."""
    loop = _VirtualLoop()
    try:
        return loop.run_until_complete(asyncio.wait_for(main, 100_000))
    finally:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.close()


def now_s() -> float:
    """Seconds since the loop began."""
    return asyncio.get_running_loop().time()


class Here:
    """Errands that are done at once, on the loop."""

    async def run(self, errand: Callable[..., T], *args: object) -> T:
        return errand(*args)


class Faulty:
    """A store that can be away."""

    def __init__(self, store: MeterStore) -> None:
        self.store = store
        self.away = False
        self.turns = 0

    def turn(self, turn: Any) -> Any:
        self.turns += 1
        if self.away:
            raise Unavailable("The store is away.")
        return self.store.turn(turn)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)


class Worker:
    """One worker's rates, `delay_s` away from its control process."""

    def __init__(self, replica: Replica, name: str) -> None:
        self.replica, self.name = replica, name
        self.rates = Rates(self._send, now_s)
        self.sent: list[FromRates] = []
        self.heard: list[ToRates] = []
        self.up = True
        self._ticking = asyncio.create_task(self._tick())

    def _send(self, message: FromRates) -> bool:
        if not self.up:
            return False
        self.sent.append(message)
        later = asyncio.get_running_loop().call_later
        later(self.replica.delay_s, self.replica.desk.hear, self.name, message, self._answer)
        return True

    def _answer(self, message: ToRates) -> None:
        asyncio.get_running_loop().call_later(self.replica.delay_s, self.accept, message)

    def accept(self, message: ToRates) -> None:
        if self.up:
            self.heard.append(message)
            self.rates.accept(message)

    def leave(self) -> None:
        """It dies: nothing of it is heard any more."""
        self.up = False
        self._ticking.cancel()
        self.replica.desk.left(self.name)

    async def call(self, key: VirtualKey = KEY, route: str = "chat") -> Any:
        """One call as the stage would have it: `Taken` or `Lack`."""
        plan = self.rates.plan(key, route)
        needs = plan.needs or (1,) * len(plan.parts)
        taken = self.rates.take(plan.parts, needs)
        if taken is not None:
            return taken
        lack = self.rates.lack(plan.parts, needs)
        return lack or await self.rates.more(plan.parts, needs)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(0.5)
            self.rates.tick()


class Replica:
    """A control process with its workers."""

    def __init__(
        self,
        store: MeterStore,
        limits: tuple[Limit, ...],
        workers: int = 1,
        *,
        name: str = "r1",
        delay_s: float = 0.0005,
        everybody: Callable[[], int] | None = None,
    ) -> None:
        self.limits = limits
        self.delay_s = delay_s
        self.book = LimitBook(limits)
        self.desk = RateDesk(
            name,
            store,
            Here(),  # type: ignore[arg-type]
            lambda: self.book,
            tell=self._tell,
            count=everybody or (lambda: len(self.workers)),
            wall=lambda: EPOCH_S + now_s(),
            clock=now_s,
        )
        self.workers: list[Worker] = []
        for number in range(workers):
            self.join(f"{name}w{number}")
        self.running = asyncio.create_task(self.desk.run())

    def join(self, name: str) -> Worker:
        worker = Worker(self, name)
        worker.rates.follow(self.limits, {})
        self.workers.append(worker)
        return worker

    def _tell(self, message: ToRates) -> None:
        for worker in self.workers:
            asyncio.get_running_loop().call_later(self.delay_s, worker.accept, message)


def limiting(
    replica: str,
    tenancy: TenancyStore,
    defaults: Callable[[], tuple[Limit, ...]],
    errands: Errands,
) -> Limiting:
    """Limits of a control process that keeps them in memory."""
    meters = MemoryMeters()
    return Limiting(replica, meters, LimitDesk(MemoryLimits(), meters, tenancy, defaults, errands))
