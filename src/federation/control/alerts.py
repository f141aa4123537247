"""The delivery of alerts: stored before they are sent, and sent until somebody takes them.

The trap is the moment between noting that an alert was sent and sending it: a process that ends
there has told nobody. So an alert is stored first, under a name that follows from what it says
(the pot, which belongs to one period, and the threshold), and whoever finds it due delivers it.
When a restart or another replica finds the same cause again, the alert has its name already, so
it is sent once.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

import msgspec

from federation.control.alerts_channels import Channels, Undelivered
from federation.control.alerts_ports import NoticeStore
from federation.control.budgets_alerts import Alarm
from federation.control.threads import Errands
from federation.domain.budgets import BudgetBook, pot_tenant
from federation.domain.money import nano_to_usd
from federation.errors import Unavailable
from federation.storage.alerts_entries import Notice

log = logging.getLogger(__name__)

PAUSES_S: Final = (5, 30, 120, 600, 1_800, 3_600, 7_200, 14_400, 28_800, 57_600)
"""After each failure; one more is the end. A receiver may be away for a day and a half."""
LOOK_S: Final = 2.0
HELD_MS: Final = 120_000
"""How long a notice is its taker's: longer than any delivery takes."""
AT_ONCE: Final = 20
KEPT_MS: Final = 400 * 86_400_000
"""Longer than the longest period that ends."""
FOR_EVER: Final = "/0"
"""How the pot of a budget without periods ends: what was told of it is never forgotten."""


class AlertDesk:
    """The alerts of one gateway. `clock` is Unix seconds."""

    def __init__(
        self,
        store: NoticeStore,
        channels: Channels,
        book: Callable[[], BudgetBook],
        errands: Errands,
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._channels = channels
        self._book = book
        self._errands = errands
        self._clock = clock
        self._wake = asyncio.Event()
        self.taking = False
        """The last look at the store succeeded."""

    async def keep(self, alarm: Alarm) -> None:
        """See to it that everybody is told who is to be. Idempotent. Raises `Unavailable`."""
        names = self._channels.names(pot_tenant(alarm.pot))
        if not names:
            return
        now_ms = int(self._clock() * 1000)
        body = msgspec.json.encode(self._told(alarm, now_ms)).decode()
        name = notice_id(alarm)
        notices = [Notice(name, each, body, now_ms, now_ms) for each in names]
        if await self._errands.run(self._store.add, notices):
            self._wake.set()

    async def follow(self) -> None:
        """Deliver what is due until cancelled."""
        swept_ms = 0
        while True:
            try:
                await self.deliver()
                now_ms = int(self._clock() * 1000)
                if now_ms - swept_ms > 86_400_000:
                    await self._errands.run(self._store.sweep, now_ms - KEPT_MS, FOR_EVER)
                    swept_ms = now_ms
                self.taking = True
            except Unavailable as error:
                if self.taking:
                    log.warning("no alert is delivered", extra={"reason": str(error)})
                self.taking = False
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), LOOK_S)
            self._wake.clear()

    async def deliver(self) -> int:
        """Deliver what is due now; how many notices that was. Raises `Unavailable`."""
        now_ms = int(self._clock() * 1000)
        taken = await self._errands.run(self._store.take, now_ms, now_ms + HELD_MS, AT_ONCE)
        await asyncio.gather(*(self._deliver(notice) for notice in taken))
        return len(taken)

    async def _deliver(self, notice: Notice) -> None:
        try:
            await self._channels.deliver(notice)
        except Undelivered as error:
            await self._failed(notice, str(error))
            return
        await self._errands.run(self._store.sent, notice)
        log.info("an alert was delivered", extra={"alert": notice.id, "channel": notice.channel})

    async def _failed(self, notice: Notice, problem: str) -> None:
        extra = {"alert": notice.id, "channel": notice.channel, "reason": problem}
        if notice.tries >= len(PAUSES_S):
            log.error("an alert could not be delivered", extra={**extra, "alert_body": notice.body})
            due_ms = None
        else:
            log.warning("an alert was not taken, and is sent again", extra=extra)
            due_ms = int(self._clock() * 1000) + PAUSES_S[notice.tries] * 1000
        await self._errands.run(self._store.failed, notice, due_ms, problem)

    def _told(self, alarm: Alarm, now_ms: int) -> dict[str, object]:
        budget = self._book().budgets.get((pot_tenant(alarm.pot), alarm.budget))
        limit, spent = nano_to_usd(alarm.cap_nano), nano_to_usd(alarm.spent_nano)
        if alarm.percent:
            kind, summary = (
                "budget.threshold",
                f"the budget {alarm.budget} is {alarm.percent} % spent",
            )
        else:
            kind, summary = (
                "budget.overrun",
                f"a provider billed the budget {alarm.budget} too much",
            )
        return {
            "id": notice_id(alarm),
            "type": kind,
            "summary": summary,
            "at": datetime.fromtimestamp(now_ms // 1000, UTC).isoformat().replace("+00:00", "Z"),
            "tenant": pot_tenant(alarm.pot),
            "budget": alarm.budget,
            "scope": budget.scope.value if budget is not None else "",
            "subject": budget.subject if budget is not None else "",
            "period": budget.period.value if budget is not None else "",
            "pot": alarm.pot,
            "percent": alarm.percent,
            "limit_usd": f"{limit:f}",
            "spent_usd": f"{spent:f}",
            "overrun_usd": f"{nano_to_usd(alarm.overruns_nano):f}",
        }


def notice_id(alarm: Alarm) -> str:
    """The name of an alert: of one pot, and one threshold or sum of overruns."""
    what = f"{alarm.percent}" if alarm.percent else f"overrun.{alarm.overruns_nano}"
    digest = hashlib.sha256(f"{what}|{alarm.pot}".encode()).hexdigest()[:24]
    ending = FOR_EVER if alarm.pot.endswith(FOR_EVER) else ""
    return f"alert_{digest}{ending}"
