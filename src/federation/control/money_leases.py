"""Money for workers: every ask, report and death becomes part of a turn of the store.

The trap: an answer is sent after its turn is committed, never before, so a worker spends
nothing that the store does not know of. The limit counts that control knows now, not the one
that a worker read from an older snapshot.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from federation.control.budgets_alerts import Alarm, Alarms
from federation.control.budgets_ports import PotStore
from federation.control.budgets_queue import MoneyQueue
from federation.control.budgets_use import BudgetUse
from federation.control.threads import Errands
from federation.domain.budgets import BudgetBook, Pot, pot_budget
from federation.errors import Unavailable
from federation.pricing.pots import Answer, Ask, Gone, Note, Played, Short, Want
from federation.schema.money import (
    MoneyAck,
    MoneyAsk,
    MoneyGrant,
    MoneyReport,
    MoneyShort,
    MoneyTight,
    PotTotals,
    PotWant,
    ToPurse,
)

log = logging.getLogger(__name__)

LONGEST_WAIT_S = 30.0
PAUSE_S = 0.2
"""After a turn that the store did not take."""
SCARCE = 50
"""Below a fiftieth of the cap, what a worker does not need comes back with its next report."""


class Workers(Protocol):
    """The workers that are connected now."""

    def tell(self, message: ToPurse) -> None:
        """Send to all of them."""
        ...

    def count(self) -> int:
        """How many workers live on the same pots, here and at other replicas; at least 1."""
        ...


async def nobody_else(_: Alarm) -> None:
    """For a desk whose alarms are told in the log alone."""


class MoneyDesk:
    """Speaks with workers' purses on one side and the store on the other; for one event loop."""

    def __init__(
        self,
        store: PotStore,
        errands: Errands,
        workers: Workers,
        book: Callable[[], BudgetBook],
        clock: Callable[[], float],
        on_alarm: Callable[[Alarm], None],
        keep: Callable[[Alarm], Awaitable[None]] = nobody_else,
    ) -> None:
        """`keep` makes an alarm durable before it counts as told; `on_alarm` hears it once."""
        self._store = store
        self._errands = errands
        self._workers = workers
        self._book = book
        self._clock = clock
        self._on_alarm = on_alarm
        self._keep = keep
        self._alarms = Alarms()
        self.use = BudgetUse()
        self._queue = MoneyQueue()
        self._wake = asyncio.Event()
        self._acks: list[tuple[Callable[[ToPurse], None], MoneyReport]] = []
        self._closing: list[asyncio.Future[None]] = []
        self.failing = False
        """The last turn was not taken: calls under hard budgets are refused meanwhile."""

    def ask(self, writer: str, message: MoneyAsk, send: Callable[[ToPurse], None]) -> None:
        """A worker asks; `send` gets the `MoneyGrant` once it is durable."""
        wait_s = min(max(0.0, message.wait_s), LONGEST_WAIT_S)
        wants = tuple(self._want(want) for want in message.wants)

        def reply(answer: Answer | None) -> None:
            send(_grant(message.n, answer))

        self._queue.ask(Ask(writer, message.n, wants, message.ahead), self._clock() + wait_s, reply)
        self._wake.set()

    def report(self, writer: str, message: MoneyReport, send: Callable[[ToPurse], None]) -> None:
        """A worker reports; `send` gets the `MoneyAck` once it is durable."""
        self._queue.note(
            Note(writer, each.pot, each.spent_nano, each.returned_nano, each.overrun_nano)
            for each in message.held
        )
        self._acks.append((send, message))
        self._wake.set()

    def journaled(self, writer: str, totals: Mapping[str, int]) -> None:
        """What a worker's journal says that it had spent of each pot, newest totals."""
        self._queue.note(Note(writer, pot, spent) for pot, spent in totals.items())
        self._wake.set()

    async def close(self, writer: str, totals: Mapping[str, int]) -> None:
        """A worker is dead, and this is all that its journal says: give the rest back.

        Returns when it is durable. Idempotent.
        """
        self.journaled(writer, totals)
        self._queue.close(writer)
        done = asyncio.get_running_loop().create_future()
        self._closing.append(done)
        await done

    async def run(self) -> None:
        """Play turns until cancelled."""
        while True:
            due_s = self._queue.due_s(self._clock())
            if due_s != 0.0:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), due_s)
            self._wake.clear()
            if self._queue.due_s(self._clock()) == 0.0 and not await self._turn():
                await asyncio.sleep(PAUSE_S)

    async def _turn(self) -> bool:
        """One turn; False where the store did not take it."""
        acks, self._acks = self._acks, []
        closing, self._closing = self._closing, []
        turn = self._queue.next(self._clock(), self._workers.count())
        try:
            played = await self._errands.run(self._store.turn, turn)
        except Unavailable as error:
            if not self.failing:
                log.error("the store takes no money turns", extra={"reason": str(error)})  # noqa: TRY400
            self.failing = True
            self._acks[:0], self._closing[:0] = acks, closing
            for reply in self._queue.failed(self._clock()):
                reply(None)
            return False
        self.failing = False
        wanted = self._queue.played(played)
        if wanted:
            self._workers.tell(MoneyTight(sorted(wanted)))
        for send, report in acks:
            self._acknowledge(send, report, played)
        for done in closing:
            done.set_result(None)
        await self._alert(played)
        return True

    def _acknowledge(
        self, send: Callable[[ToPurse], None], report: MoneyReport, played: Played
    ) -> None:
        send(MoneyAck(report.n))
        pots = (played.standings[each.pot] for each in report.held)
        scarce = [pot.pot for pot in pots if pot.hard and pot.left_nano * SCARCE < pot.cap_nano]
        if scarce:
            send(MoneyTight(scarce))

    async def _alert(self, played: Played) -> None:
        self.use.hear(played.standings.values())
        for alarm in self._alarms.due(self._book(), played.standings.values()):
            try:
                await self._keep(alarm)
                first = not alarm.percent or await self._errands.run(
                    self._store.alerted, alarm.pot, alarm.percent
                )
            except Unavailable:
                self._alarms.again(alarm)
                continue
            if first:
                self._on_alarm(alarm)

    def _want(self, want: PotWant) -> Want:
        budget = self._book().budgets.get(pot_budget(want.pot))
        cap, hard = want.cap_nano, want.hard
        if budget is not None:
            cap, hard = budget.limit_nano, budget.hard
        return Want(Pot(want.pot, cap, hard), max(0, want.least_nano), max(0, want.wish_nano))


def _grant(n: int, answer: Answer | None) -> MoneyGrant:
    if answer is None:
        return MoneyGrant(n, failed=True)
    if isinstance(answer, Short):
        return MoneyGrant(n, short=MoneyShort(answer.pot, answer.left_nano))
    if isinstance(answer, Gone):
        return MoneyGrant(n, gone=True)
    leases = [
        PotTotals(
            each.pot, each.granted_nano, each.spent_nano, each.returned_nano, each.overrun_nano
        )
        for each in answer.leases
    ]
    return MoneyGrant(n, leases, answer.tight)
