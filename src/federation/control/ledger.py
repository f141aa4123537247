"""The ledger as it is asked for: journals taken in continually, and at once on a miss.

The trap: a client may ask for a call before the next round of ingest. A call that is not
there, or still looks as if it were running, is looked for in the journals before an answer.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from federation.control.ingest import Ingest, Progress
from federation.control.ports import CallStore
from federation.control.threads import Errands
from federation.errors import NotFound, Unavailable
from federation.storage.entries import RUNNING, CallEntry, CallFilter, Sum

log = logging.getLogger(__name__)

ROUND_S = 0.2
LONGEST_PAUSE_S = 1.0
"""Between two rounds while they fail."""


class Ledger:
    """Calls, by way of a store that follows the journals."""

    def __init__(
        self, calls: CallStore, ingest: Ingest, errands: Errands, probe: Callable[[], None]
    ) -> None:
        self._calls = calls
        self._ingest = ingest
        self._reads = errands
        self._probe = probe
        self._follower = Errands("ingest")
        self.writable = True
        """Whether the store took the last write, or a trial of one."""
        self._readable = True

    @property
    def progress(self) -> Progress:
        """What has been taken in since control started."""
        return self._ingest.progress

    async def follow(self) -> None:
        """Take journals in until cancelled. Raises only what is a bug."""
        pause = ROUND_S
        while True:
            done = await self.catch_up()
            pause = ROUND_S if done else min(2 * pause, LONGEST_PAUSE_S)
            await asyncio.sleep(pause)

    async def catch_up(self) -> bool:
        """Take in what has been written by now; whether that was possible.

        A store that refuses, and journals that cannot be read, are tried again later.
        """
        try:
            await self._follower.run(self._round)
        except Unavailable as error:
            if self.writable:
                log.error("the store takes no writes", extra={"reason": error.message})  # noqa: TRY400
            self.writable = False
            return False
        except OSError as error:
            if self._readable:
                log.error("the journals cannot be read", extra={"reason": str(error)})  # noqa: TRY400
            self._readable = False
            return False
        if not self.writable:
            log.info("the store takes writes again")
        self.writable = self._readable = True
        return True

    def _round(self) -> None:
        if not self.writable:
            self._probe()
        self._ingest.run()

    async def find(self, call: str, tenant: str | None) -> CallEntry:
        """One call. Raises `NotFound`, also for another tenant's."""
        found = await self._reads.run(self._calls.find, call, tenant)
        if found is None or found.outcome == RUNNING:
            await self.catch_up()
            found = await self._reads.run(self._calls.find, call, tenant)
        if found is None:
            raise NotFound(f"There is no call '{call}'.")
        return found

    async def page(self, wanted: CallFilter) -> list[CallEntry]:
        """Calls, newest first."""
        return await self._reads.run(self._calls.page, wanted)

    async def sums(self, since_ms: int, tenant: str | None) -> list[Sum]:
        """Totals of calls started since then, by deployment and outcome."""
        return await self._reads.run(self._calls.sums, since_ms, tenant)

    async def close(self) -> None:
        """Take in what is left, and end the thread."""
        try:
            await self.catch_up()
        finally:
            self._follower.close()
