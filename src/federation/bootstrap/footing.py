"""Whether control can still be found: its sockets under their names.

The trap: workers that are connected notice nothing when the directory of the sockets is removed.
Only who comes does: a worker that takes a dead one's place, and everybody who asks for the
management API. Another control makes both anew. It would make a store anew, too, where the whole
data directory was taken away, so none is started before the store is there.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final

from federation.storage.store_file import identity

LOOK_S: Final = 1.0
LOOKS: Final = 2
"""Looks that find it gone, after which it is: by then it is known whether the store is, too."""

log = logging.getLogger(__name__)


async def undermined(socket: Path, stands: Callable[[], bool], look_s: float = LOOK_S) -> None:
    """Return once a socket that is there now is there no more, or another one is, while the store
    `stands`."""
    ours, gone = identity(socket), 0
    while gone < LOOKS or not stands():
        await asyncio.sleep(look_s)
        gone = 0 if identity(socket) == ours else gone + 1
        if gone == LOOKS:
            message = "the sockets were removed while the gateway runs: nobody finds control"
            log.error(message, extra={"directory": str(socket.parent)})
