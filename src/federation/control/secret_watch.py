"""Reads secrets again that lie elsewhere (in a Vault), before what was read is too old.

The trap: whoever keeps them may be away, and nobody may wait for that. So the reading has a
thread of its own, and a new secret is put in force by an ordinary reload.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from federation.control.threads import Errands

log = logging.getLogger(__name__)


class SecretWatch:
    """`refresh` reads every known secret again and says whether one is another now; it blocks
    and never raises. `every_s` is asked before each pause."""

    def __init__(self, refresh: Callable[[], bool], every_s: Callable[[], float]) -> None:
        self._refresh = refresh
        self._every_s = every_s
        self._errands = Errands("secrets")

    async def follow(self, reload: Callable[[], None]) -> None:
        """Look again and again until cancelled; `reload` hears of a change."""
        while True:
            await asyncio.sleep(self._every_s())
            if await self._errands.run(self._refresh):
                log.info("a secret has changed")
                reload()

    def close(self) -> None:
        """End the thread, once it is back."""
        self._errands.close()
