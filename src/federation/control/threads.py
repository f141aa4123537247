"""Where blocking work of the control process goes: a thread of its own for each errand.

The trap: the store's thread is one. Two changes can therefore never interleave, and one
that takes long holds up the next; ingest has another thread, so reads stay quick under load.
Where calls wait for the processor, threads that nobody waits for stand back (`niceness`): they
work in bursts, and a burst on a worker's core would be somebody's latency.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

T = TypeVar("T")

LATER = 5
"""The niceness of work that is done after an answer: a third of the share of what answers.

More would be paid by others: it holds the interpreter lock and the store's write lock at times.
"""


class Errands:
    """One thread; `await run(...)` from the loop."""

    def __init__(self, name: str, niceness: int = 0) -> None:
        self._pool = ThreadPoolExecutor(
            1, thread_name_prefix=name, initializer=_stand_back, initargs=(niceness,)
        )

    async def run(self, errand: Callable[..., T], *args: object) -> T:
        """Do it in the thread, in the caller's context. A cancelled caller does not stop it: it
        runs to its end."""
        within = partial(contextvars.copy_context().run, errand, *args)
        return await asyncio.get_running_loop().run_in_executor(self._pool, within)

    def close(self, *, wait: bool = True) -> None:
        """Finish what runs and end the thread; without `wait`, the caller goes on at once."""
        self._pool.shutdown(wait=wait)


def _stand_back(niceness: int) -> None:
    """Give this thread a lower priority than the rest of the process.

    On Linux alone threads have priorities of their own, against POSIX, by their number. Where
    it may not be done, the thread works as it is: a pool whose initializer fails is broken for
    good.
    """
    if niceness and sys.platform == "linux":
        thread = threading.get_native_id()
        # From where the process stands: to go up from there would need a privilege.
        with contextlib.suppress(OSError):
            now = os.getpriority(os.PRIO_PROCESS, thread)
            os.setpriority(os.PRIO_PROCESS, thread, min(19, now + niceness))
