"""How a child process learns that its launcher is no more: a pipe that ends.

The launcher alone holds the writing end. The trap: that holds only as long as the end is
never inherited, or a child would keep itself and its siblings alive.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable


def watch(fd: int, on_end: Callable[[], None]) -> None:
    """Call `on_end` once, on the running loop, when the launcher's end is closed."""
    loop = asyncio.get_running_loop()
    os.set_blocking(fd, False)

    def readable() -> None:
        if os.read(fd, 1) == b"":
            loop.remove_reader(fd)
            on_end()

    loop.add_reader(fd, readable)
