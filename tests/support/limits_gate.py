"""Limits for a gateway in a test: control's end of its one worker, in the worker's own loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from inprocess import Gateway
from limits_rig import Faulty

from federation.control.limits_leases import RateDesk
from federation.control.threads import Errands
from federation.domain.limits import Limit, LimitBook, Meter, meter_limit
from federation.gateway.rates import Rates
from federation.pricing.meters import left
from federation.schema.limits import FromRates, ToRates
from federation.storage.limits_memory import MemoryMeters


@dataclass
class Gate:
    """What is counted for one worker."""

    store: Faulty
    rates: Rates

    def parts(self) -> dict[str, Meter]:
        return {name: part.meter for name, part in self.rates._parts.items()}

    async def left(self, limit: str, wanted: int | None = None) -> int:
        """What is left of the only meter of a limit, once the worker holds nothing of it (and,
        where that is waited for, so much)."""
        end = time.monotonic() + 20
        while True:
            for part in self.rates._parts.values():
                if part.free > 0:
                    self.rates._return(part)
            await asyncio.sleep(0.02)
            (meter,) = (
                each for name, each in self.parts().items() if meter_limit(name)[1] == limit
            )
            found = left(meter, self.store.state(meter))
            if wanted is None or found == wanted:
                return found
            assert time.monotonic() < end, found


@asynccontextmanager
async def gate(
    gateway: Gateway, *limits: Limit, tiers: Mapping[str, str] | None = None
) -> AsyncIterator[Gate]:
    """Give a gateway these limits."""
    errands, book, loop = Errands("limits"), LimitBook(limits, tiers), asyncio.get_running_loop()
    store = Faulty(MemoryMeters())

    def send(message: FromRates) -> bool:
        loop.call_soon(desk.hear, "w", message, tell)
        return True

    def tell(message: ToRates) -> None:
        loop.call_soon(rates.accept, message)

    rates = Rates(send, time.monotonic)
    desk = RateDesk(
        "r1",
        store,
        errands,
        lambda: book,
        tell=tell,
        count=lambda: 1,
        wall=time.time,
        clock=time.monotonic,
    )
    rates.follow(limits, tiers or {})
    gateway.world.rates = rates
    task = asyncio.create_task(desk.run())
    try:
        yield Gate(store, rates)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        errands.close()
