"""The ledger as it is asked for: journals taken in continually, and at once on a miss.

The trap: a client may ask for a call before the next round of ingest. A call that is not
there, or still looks as if it were running, is looked for in the journals before an answer.
While the store takes no writes that cannot be done: then a call that is not there may well
exist, and a total may lack calls, so the answer is that nobody can tell, never a wrong one.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from federation.control.acceptance import Acceptance
from federation.control.ingest import Ingest, Progress
from federation.control.ports import CallStore
from federation.control.threads import LATER, Errands
from federation.errors import NotFound, Unavailable
from federation.storage.entries import RUNNING, CallEntry, CallFilter, Sum

log = logging.getLogger(__name__)

ROUND_S = 0.2
BUSY_ROUND_S = 1.0
"""Between two rounds while much comes in: what a round costs by itself is then shared by many."""
BUSY_LINES = 50
"""A second, from which on it is much."""
IDLE_ROUND_S = 0.5
"""Between two rounds while nothing comes in; who asks for a call is not kept waiting by it."""
LONGEST_PAUSE_S = 1.0
"""Between two rounds while they fail."""


class Ledger:
    """Calls, by way of a store that follows the journals."""

    def __init__(
        self,
        calls: CallStore,
        ingest: Ingest,
        errands: Errands,
        probe: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._calls = calls
        self._ingest = ingest
        self._reads = errands
        self._probe = probe
        self._follower = Errands("ingest", LATER)
        self._clock = clock
        self._acceptance = Acceptance()
        self._taken = True
        """Whether the last round took in all there was."""
        self._readable = True
        self._turn = asyncio.Lock()
        """A round that fails has waited for the store long enough for all who ask meanwhile."""

    @property
    def writable(self) -> bool:
        """Whether the store takes writes (`Acceptance`)."""
        return self._acceptance.good

    @property
    def progress(self) -> Progress:
        """What has been taken in since control started."""
        return self._ingest.progress

    async def follow(self) -> None:
        """Take journals in until cancelled. Raises only what is a bug."""
        pause = ROUND_S
        while True:
            before = self.progress.lines
            if await self._catch_up():
                lines = self.progress.lines - before
                busy = lines > BUSY_LINES * pause
                pause = BUSY_ROUND_S if busy else ROUND_S if lines else IDLE_ROUND_S
            else:
                pause = min(2 * pause, LONGEST_PAUSE_S)
            await asyncio.sleep(pause)

    async def catch_up(self) -> bool:
        """Take in what has been written by now; whether that was possible.

        A store that refuses, and journals that cannot be read, are tried again later, by
        `follow` alone: nobody who asks waits for a store that is known to be away.
        """
        if not self._current:
            return False
        async with self._turn:
            return self._current and await self._take()

    async def _catch_up(self) -> bool:
        async with self._turn:
            return await self._take()

    async def _take(self) -> bool:
        try:
            await self._follower.run(self._round)
        except Unavailable as error:
            self._refused(error)
            return False
        except OSError as error:
            if self._readable:
                log.error("the journals cannot be read", extra={"reason": str(error)})  # noqa: TRY400
            self._readable = False
            return False
        if not self._taken:
            log.info("the store takes writes again")
        self._acceptance.took()
        self._taken = self._readable = True
        return True

    def _refused(self, error: Unavailable) -> None:
        before = self.writable
        self._acceptance.refused(error, self._clock())
        if before and not self.writable:
            log.error("the store takes no writes", extra={"reason": error.message})
        elif self._taken:
            log.warning("the store is locked", extra={"reason": error.message})
        self._taken = False

    def _round(self) -> None:
        if not self.writable:
            self._probe()
        self._ingest.run()

    async def find(self, call: str, tenant: str | None) -> CallEntry:
        """One call. Raises `NotFound`, also for another tenant's; `Unavailable` where its end
        may be known to the journals only."""
        found = await self._reads.run(self._calls.find, call, tenant)
        if found is None or found.outcome == RUNNING:
            known = await self.catch_up()
            found = await self._reads.run(self._calls.find, call, tenant)
            if not known:
                self._check_current()
        if found is None:
            raise NotFound(f"There is no call '{call}'.")
        return found

    async def page(self, wanted: CallFilter) -> list[CallEntry]:
        """Calls, newest first. Raises `Unavailable` where the newest may be missing."""
        self._check_current()
        return await self._reads.run(self._calls.page, wanted)

    async def sums(self, since_ms: int, tenant: str | None) -> list[Sum]:
        """Totals of calls started since then, by deployment and outcome.

        Raises `Unavailable` where calls may be missing.
        """
        self._check_current()
        return await self._reads.run(self._calls.sums, since_ms, tenant)

    @property
    def _current(self) -> bool:
        return self._taken and self._readable

    def _check_current(self) -> None:
        if self._current:
            return
        what = "The store takes no writes" if self._readable else "The journals cannot be read"
        raise Unavailable(
            f"{what} just now, so the ledger is not up to date. Nothing is lost: ask again soon.",
            code="ledger_behind",
            retry_after_s=5.0,
        )

    async def close(self) -> None:
        """Take in what is left, and end the thread."""
        try:
            await self._catch_up()
        finally:
            self._follower.close()
