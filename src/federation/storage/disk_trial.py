"""A look at a disk that has refused something: does it take anything again?

The trap: a disk that hangs holds the thread that looks. However many ask, one thread waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable


class DiskTrial:
    """Belongs to one event loop. `look` blocks, and raises where the disk takes nothing."""

    def __init__(self, look: Callable[[], None]) -> None:
        self._look = look
        self._under_way: asyncio.Future[None] | None = None

    def passed(self) -> Awaitable[None]:
        """For the end of a look, which is begun where none is under way. Raises as it does."""
        if self._under_way is None or self._under_way.done():
            self._under_way = asyncio.ensure_future(asyncio.to_thread(self._look))
        return asyncio.shield(self._under_way)
