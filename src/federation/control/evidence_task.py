"""The notary as a task of the control process: a thread of its own, tried again on failure.

The trap: whatever happens to the log, calls go on; their journals hold the records until
the log can be kept again. That it stands still is said once.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol

from federation.control.anchorage import Anchored
from federation.control.threads import LATER, Errands
from federation.errors import FederationError

log = logging.getLogger(__name__)

ROUND_S = 1.0
LONGEST_PAUSE_S = 30.0
CLOSE_S = 2.0
"""How long an end waits for what replicas tell each other: more than that is waiting behind it."""


class Keeping(Protocol):
    """A notary: `open` first, then `round` again and again, `close` at the end."""

    @property
    def anchored(self) -> tuple[Anchored, ...]:
        """How the anchors stand. For any thread."""
        ...

    @property
    def sealed(self) -> int:
        """Records under a checkpoint. For any thread."""
        ...

    def open(self) -> None:
        """Take the log up."""
        ...

    def round(self) -> None:
        """Take in what was written, and seal it when it is time."""
        ...

    def close(self) -> None:
        """Seal what is left."""
        ...


class Exchange(Protocol):
    """What replicas tell each other of their logs: `follow` for ever, `close` at the end."""

    async def follow(self) -> None:
        """Post and look until cancelled."""
        ...

    async def close(self) -> None:
        """Post what was sealed last."""
        ...


class EvidenceTask:
    """Keeps the log going, and the other replicas informed, where there are any."""

    def __init__(self, notary: Keeping, exchange: Exchange | None = None) -> None:
        self.kept = True
        """Whether the last round went well."""
        self.reason = ""
        """Why it did not."""
        self._notary = notary
        self._exchange = exchange
        self._thread = Errands("evidence", LATER)
        self._open = False

    @property
    def anchored(self) -> tuple[Anchored, ...]:
        """How the anchors of the log stand."""
        return self._notary.anchored

    @property
    def sealed(self) -> int:
        """Records under a checkpoint."""
        return self._notary.sealed

    async def follow(self) -> None:
        """Keep the log until cancelled. Raises only what is a bug."""
        if self._exchange is None:
            await self._keep()
            return
        both = [asyncio.create_task(each) for each in (self._keep(), self._exchange.follow())]
        try:
            await asyncio.gather(*both)
        finally:
            for task in both:
                task.cancel()
            await asyncio.gather(*both, return_exceptions=True)

    async def _keep(self) -> None:
        pause = ROUND_S
        while True:
            done = await self._try()
            pause = ROUND_S if done else min(2 * pause, LONGEST_PAUSE_S)
            await asyncio.sleep(pause)

    async def close(self) -> None:
        """Seal what is left, post it where that takes no longer than `CLOSE_S`, and end."""
        try:
            if await self._try():
                await self._thread.run(self._notary.close)
        except (FederationError, OSError) as error:
            log.error("the evidence log was left unsealed", extra={"reason": str(error)})  # noqa: TRY400
        finally:
            self._thread.close()
            await self._say_the_last()

    async def _say_the_last(self) -> None:
        if self._exchange is None:
            return
        try:
            await asyncio.wait_for(self._exchange.close(), CLOSE_S)
        except TimeoutError:
            log.warning("the other replicas were not told of the last checkpoint")

    async def _try(self) -> bool:
        try:
            await self._thread.run(self._round)
        except (FederationError, OSError) as error:
            if self.kept:
                log.error("the evidence log stands still", extra={"reason": str(error)})  # noqa: TRY400
            self.kept, self.reason = False, str(error)
            return False
        if not self.kept:
            log.info("the evidence log is kept again")
        self.kept, self.reason = True, ""
        return True

    def _round(self) -> None:
        if not self._open:
            self._notary.open()
            self._open = True
        self._notary.round()
