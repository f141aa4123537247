"""Whether control can still be found: its sockets under their names.

The trap: workers that are connected notice nothing when the directory of the sockets is removed.
Only who comes does: a worker that takes a dead one's place, and everybody who asks for the
management API. Another control makes both anew. It would make a store anew, too, where the whole
data directory was taken away, so none is started before the very store is there. Its file is
looked for: a gateway that has nothing to write is not told by its store.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from federation.storage.store_file import identity

LOOK_S: Final = 1.0
LOOKS: Final = 2
"""Looks that find it gone, after which it is: a directory is not moved at one stroke."""

log = logging.getLogger(__name__)


async def undermined(socket: Path, store: Sequence[Path], look_s: float = LOOK_S) -> None:
    """Return once a socket that is there now is there no more, or another one is, while the files
    of the store are those of now."""
    ours, stood, gone = identity(socket), [identity(file) for file in store], 0
    while gone < LOOKS or [identity(file) for file in store] != stood:
        await asyncio.sleep(look_s)
        gone = 0 if identity(socket) == ours else gone + 1
        if gone == LOOKS:
            message = "the sockets were removed while the gateway runs: nobody finds control"
            log.error(message, extra={"directory": str(socket.parent)})
