"""Limits in a control process as one object: the desk, what workers ask, and tidying up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from federation.control.frames import pack_limits
from federation.control.limits import LimitDesk
from federation.control.limits_leases import RateDesk, Send
from federation.control.limits_ports import MeterStore
from federation.control.limits_watch import LimitWatch
from federation.control.link_server import LinkServer
from federation.control.threads import Errands
from federation.domain.limits import Limit
from federation.schema.limits import FromRates, ToRates


class Limiting:
    """For one event loop. `others` says how many workers live at other replicas, `wall` the time by
    which all of them count."""

    def __init__(self, replica: str, store: MeterStore, desk: LimitDesk) -> None:
        self._errands = Errands("limits")
        self._link: LinkServer | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self.others: Callable[[], int] = lambda: 0
        self.wall: Callable[[], float] = time.time
        self.desk = desk
        self.rates = RateDesk(
            replica,
            store,
            self._errands,
            lambda: desk.book,
            tell=self._tell,
            count=self._count,
            wall=self._now,
            clock=time.monotonic,
        )
        self.watch = LimitWatch(self.rates, store, self._errands)
        desk.publish = self._publish

    def start(self, link: LinkServer) -> list[asyncio.Task[None]]:
        """Serve the workers of this link from now on; the tasks go on for ever."""
        self._link = link
        self._publish(tuple(self.desk.book.limits.values()), self.desk.book.tiers)
        self._tasks = [
            asyncio.create_task(self.rates.run()),
            asyncio.create_task(self.watch.run()),
        ]
        return self._tasks

    def hear(self, writer: str, message: FromRates, send: Send) -> None:
        """What a worker says."""
        self.rates.hear(writer, message, send)

    async def stop(self) -> None:
        """End."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._errands.close()

    def _publish(self, limits: tuple[Limit, ...], tiers: dict[str, str]) -> None:
        if self._link is not None:
            self._link.publish_limits(pack_limits(limits, tiers))

    def _tell(self, message: ToRates) -> None:
        if self._link is not None:
            self._link.tell_rates(message)

    def _now(self) -> float:
        return self.wall()

    def _count(self) -> int:
        here = len(self._link.sessions) if self._link is not None else 0
        return max(1, here + self.others())
