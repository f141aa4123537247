"""Removes what limits leave behind: slots of control processes that died, and meters long over.

The trap is idleness. Where nothing is limited this waits for an event and for no time, so a
gateway without limits never asks its store for anything.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from federation.control.limits_leases import RateDesk
from federation.control.limits_ports import MeterStore
from federation.control.money_reaper import Reaper
from federation.control.threads import Errands
from federation.errors import Unavailable

log = logging.getLogger(__name__)

BEAT_S = 15.0
DEAD_S = 60.0
"""Without a beat for so long, a replica's slots are free. Shorter than for money: nothing is
lost where a call is let in too many."""
SWEEP_EVERY = 40
"""Beats between two sweeps."""


class LimitWatch:
    """One control process's view of who holds slots; for one event loop."""

    def __init__(
        self,
        desk: RateDesk,
        store: MeterStore,
        errands: Errands,
        *,
        wall: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
        beat_s: float = BEAT_S,
    ) -> None:
        self._desk = desk
        self._store = store
        self._errands = errands
        self._wall = wall
        self._clock = clock
        self._beat_s = beat_s
        self._reaper = Reaper(DEAD_S)
        self._rounds = 0

    async def run(self) -> None:
        """Free what an earlier process of ours held, then look after every stir."""
        told = False
        fresh = True
        while True:
            try:
                if fresh:
                    await self._errands.run(self._store.drop, self._desk.holder)
                    fresh = False
                else:
                    await self.look()
                told = False
            except Unavailable as error:
                if not told:
                    log.warning("no slots are looked after", extra={"reason": str(error)})
                told = True
            if not (fresh or self._desk.slots):
                await self._desk.stirred.wait()
            self._desk.stirred.clear()
            await asyncio.sleep(self._beat_s)

    async def look(self) -> list[str]:
        """Beat, free the slots of those that are dead, and return their names."""
        if self._desk.slots:
            await self._errands.run(self._store.beat, self._desk.holder)
        self._rounds += 1
        if self._rounds % SWEEP_EVERY == 0:
            await self._errands.run(self._store.sweep, int(self._wall() * 1000))
        beats = await self._errands.run(self._store.holders)
        dead = [
            holder
            for holder in self._reaper.dead(beats, self._clock())
            if holder != self._desk.holder
        ]
        for holder in dead:
            log.error("a replica that held slots is silent", extra={"replica": holder})
            await self._errands.run(self._store.drop, holder)
        return dead
