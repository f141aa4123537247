"""How a child process learns that its launcher is no more, a pipe that ends; and how the launcher
learns that a child is still at work (`bootstrap.pulse`).

The launcher alone holds the writing end. The trap: that holds only as long as the end is
never inherited, or a child would keep itself and its siblings alive.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable

from federation.bootstrap.pulse import SAY_S


def watch(fd: int, on_end: Callable[[], None]) -> None:
    """Call `on_end` once, on the running loop, when the launcher's end is closed."""
    loop = asyncio.get_running_loop()
    os.set_blocking(fd, False)

    def readable() -> None:
        if os.read(fd, 1) == b"":
            loop.remove_reader(fd)
            on_end()

    loop.add_reader(fd, readable)


def beat(fd: int) -> None:
    """Say a byte now and every few seconds, for as long as the running loop turns."""
    loop = asyncio.get_running_loop()

    def say() -> None:
        with contextlib.suppress(OSError):  # nobody reads, or nobody is there
            os.write(fd, b".")
        loop.call_later(SAY_S, say)

    say()
