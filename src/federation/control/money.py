"""Money in a control process as one object: leases for workers, and their end when a worker dies.

The trap: the last that a killed worker said stands in its journal; on the link it never came. So
its leases are closed when its journal has been read to the end, with the largest totals in the
whole of it: this process may have taken in only a part of the journal.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Mapping

from federation.control.budgets import BudgetDesk
from federation.control.budgets_alerts import Alarm
from federation.control.budgets_ports import PotStore
from federation.control.ingest import Ingest, newest_totals
from federation.control.link_server import Answer, LinkServer
from federation.control.money_leases import MoneyDesk, nobody_else
from federation.control.money_reaper import Reaper
from federation.control.money_sweep import sweep
from federation.control.money_watch import MoneyWatch, Workers
from federation.control.threads import Errands
from federation.domain.money import nano_to_usd
from federation.errors import Unavailable
from federation.schema.money import FromPurse, MoneyAsk, ToPurse
from federation.storage.journal_reader import JournalReader

log = logging.getLogger(__name__)

LAST_S = 5.0
"""How long the end waits for the leases of workers that have left."""


class Money:
    """Implements `money_leases.Workers` over the link; for one event loop."""

    def __init__(
        self,
        replica: str,
        store: PotStore,
        budgets: BudgetDesk,
        ingest: Ingest,
        journals: JournalReader,
    ) -> None:
        self._store = store
        self._ingest = ingest
        self._journals = journals
        self._book = lambda: budgets.book
        self._link: LinkServer | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._errands = Errands("money")
        self._reads = Errands("money journals")
        self._closing: set[asyncio.Task[None]] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self.others: Callable[[], int] = lambda: 0
        """How many workers live on the same pots at other replicas."""
        self.keep: Callable[[Alarm], Awaitable[None]] = nobody_else
        """Hears every alarm before it counts as told."""
        self.desk = MoneyDesk(
            store, self._errands, self, self._book, time.monotonic, announce, self._keep
        )
        self.watch = MoneyWatch(
            replica,
            store,
            self._errands,
            Reaper(),
            Workers(
                live=self._connected,
                writing=ingest.writing,
                tell=self.tell,
                journal=self._journal,
                close=self._bury,
            ),
            time.monotonic,
        )

    def start(self, link: LinkServer) -> list[asyncio.Task[None]]:
        """Serve the purses of this link's workers from now on; the tasks go on for ever."""
        self._link = link
        self._loop = asyncio.get_running_loop()
        self._ingest.on_spent = self._on_spent
        self._ingest.on_gone = self._on_gone
        self._tasks = [
            asyncio.create_task(self.desk.run()),
            asyncio.create_task(self.watch.run()),
            asyncio.create_task(sweep(self._store, self._reads, self._book, time.time)),
        ]
        return self._tasks

    def hear(self, writer: str, message: FromPurse, answer: Answer) -> None:
        """What a worker says."""
        if isinstance(message, MoneyAsk):
            self.desk.ask(writer, message, answer)
        else:
            self.desk.report(writer, message, answer)

    def tell(self, message: ToPurse) -> None:
        """Send to all workers."""
        if self._link is not None:
            self._link.tell_purses(message)

    def count(self) -> int:
        """How many workers live on the same pots, here and at other replicas; at least 1."""
        here = len(self._link.sessions) if self._link is not None else 0
        return max(1, here + self.others())

    async def stop(self) -> None:
        """Give workers that have left their last turn, and end. After the last ingest."""
        # What the ingest's thread has said last arrives in this turn of the loop.
        await asyncio.sleep(0)
        if self._closing:
            await asyncio.wait(self._closing, timeout=LAST_S)
        ending = [*self._closing, *self._tasks]
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)
        self._errands.close()
        self._reads.close()

    async def _keep(self, alarm: Alarm) -> None:
        await self.keep(alarm)

    def _connected(self) -> Collection[str]:
        sessions = self._link.sessions if self._link is not None else []
        return [session.hello.writer for session in sessions]

    def _on_spent(self, writer: str, totals: Mapping[str, int]) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self.desk.journaled, writer, totals)

    def _on_gone(self, writer: str) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._close_soon, writer)

    def _close_soon(self, writer: str) -> None:
        task = asyncio.create_task(self._close(writer))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _close(self, writer: str) -> None:
        """Where the store cannot be asked, the watch comes to it later."""
        with contextlib.suppress(Unavailable):
            if await self._errands.run(self._store.leases, writer):
                await self.desk.close(writer, await self._journal(writer))

    async def _bury(self, writer: str, totals: Mapping[str, int]) -> None:
        await self.desk.close(writer, totals)
        await self._reads.run(self._ingest.abandon, writer)

    async def _journal(self, writer: str) -> Mapping[str, int]:
        try:
            return await self._reads.run(self._read, writer)
        except OSError as error:
            raise Unavailable(f"The journal of {writer} cannot be read: {error}") from error

    def _read(self, writer: str) -> dict[str, int]:
        """The totals in a whole journal."""
        totals: dict[str, int] = {}
        segment, offset = 1, 0
        while True:
            batch = self._journals.read(writer, segment, offset, gone=True)
            for pot, total in newest_totals(line.record for line in batch.lines).items():
                totals[pot] = max(total, totals.get(pot, 0))
            if batch.drained:
                return totals
            segment, offset = batch.segment, batch.offset


def announce(alarm: Alarm) -> None:
    """Say in the log what a budget's owner should hear."""
    extra = {
        "budget": alarm.budget,
        "pot": alarm.pot,
        "limit_usd": f"{nano_to_usd(alarm.cap_nano):f}",
        "spent_usd": f"{nano_to_usd(alarm.spent_nano):f}",
    }
    if alarm.percent:
        log.warning("a budget is %d %% spent", alarm.percent, extra=extra)
    else:
        over = f"{nano_to_usd(alarm.overrun_nano):f}"
        log.error("a provider billed above the bound", extra={**extra, "overrun_usd": over})
