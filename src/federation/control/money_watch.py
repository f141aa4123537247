"""Which workers live and so keep their leases of money; those of dead workers are closed.

The trap is a start. Workers outlive a control process and come back to the next one, so what a
writer of ours holds is not an orphan's before they had the time to do so.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass

from federation.control.acceptance import Acceptance
from federation.control.budgets_ports import PotStore
from federation.control.money_reaper import BEAT_S, Reaper
from federation.control.threads import Errands
from federation.errors import Unavailable
from federation.schema.money import MoneyBeat, ToPurse

log = logging.getLogger(__name__)

AGAIN_S = 0.5
GRACE_S = 10.0
"""For workers of the process before us to connect."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workers:
    """What a watch knows of this gateway's workers, and does about their leases."""

    live: Callable[[], Collection[str]]
    """Those that are connected."""
    writing: Callable[[], Collection[str]] = tuple
    """Those whose journal may still grow: one that lost its link for a moment is not dead."""
    tell: Callable[[ToPurse], None]
    journal: Callable[[str], Awaitable[Mapping[str, int]]]
    """What a worker spent of each pot, by its journal."""
    close: Callable[[str, Mapping[str, int]], Awaitable[None]]
    """End its leases, with what it spent of each pot."""


class MoneyWatch:
    """One control process's view of who lives; for one event loop."""

    def __init__(
        self,
        replica: str,
        store: PotStore,
        errands: Errands,
        reaper: Reaper,
        workers: Workers,
        clock: Callable[[], float],
    ) -> None:
        self._replica = replica
        self._store = store
        self._errands = errands
        self._reaper = reaper
        self._workers = workers
        self._clock = clock
        self._joined = asyncio.Event()
        self._acceptance = Acceptance()

    @property
    def kept(self) -> bool:
        """Whether the store takes beats: of an idle gateway it is asked nothing else."""
        return self._acceptance.good

    def joined(self) -> None:
        """A worker came: it leases nothing before it has heard that somebody keeps its beat."""
        self._joined.set()

    async def run(self) -> None:
        """Give workers time to connect, end orphans, then beat until cancelled."""
        due_s = self._clock() + GRACE_S
        told = False
        while True:
            self._joined.clear()
            try:
                await self.beat()
                if self._clock() >= due_s:
                    await self.bury()
                    due_s = self._clock() + BEAT_S
                pause_s, told = max(0.0, due_s - self._clock()), False
            except Unavailable as error:
                if not told:
                    log.warning("no beat is kept", extra={"reason": str(error)})
                pause_s, told = AGAIN_S, True
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._joined.wait(), pause_s)

    async def beat(self) -> None:
        """Say in the store that our workers live, and then tell them so. Raises `Unavailable`."""
        try:
            await self._errands.run(self._store.beat, self._replica, list(self._workers.live()))
        except Unavailable as error:
            self._acceptance.refused(error, self._clock())
            raise
        self._acceptance.took()
        self._workers.tell(MoneyBeat())

    async def bury(self) -> list[str]:
        """Close the leases of workers that are dead, and return their names.

        Ours are dead when they are neither connected nor writing, and their journal says what
        they spent. For those of other replicas only the beats are known; what their journals
        say comes late, and is charged then. Raises `Unavailable`.
        """
        beats = await self._errands.run(self._store.beats)
        live = {*self._workers.live(), *self._workers.writing()}
        ours = [writer for writer, (replica, _) in beats.items() if replica == self._replica]
        orphans = sorted(set(ours) - live)
        for writer in orphans:
            await self._workers.close(writer, await self._workers.journal(writer))
        dead = [writer for writer in self._reaper.dead(beats, self._clock()) if writer not in live]
        strangers = sorted(set(dead) - set(ours))
        for writer in strangers:
            log.error("a worker of another replica is silent", extra={"writer": writer})
            await self._workers.close(writer, {})
        return orphans + strangers
