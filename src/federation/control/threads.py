"""Where blocking work of the control process goes: a thread of its own for each errand.

The trap: the store's thread is one. Two changes can therefore never interleave, and one
that takes long holds up the next; ingest has another thread, so reads stay quick under load.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class Errands:
    """One thread; `await run(...)` from the loop."""

    def __init__(self, name: str) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix=name)

    async def run(self, errand: Callable[..., T], *args: object) -> T:
        """Do it in the thread. A cancelled caller does not stop it: it runs to its end."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, errand, *args)

    def close(self) -> None:
        """Finish what runs and end the thread."""
        self._pool.shutdown()
