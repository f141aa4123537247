"""The event loop of our processes: uvloop where there is one."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

if sys.platform == "win32":
    new_loop = asyncio.new_event_loop
else:
    from uvloop import new_event_loop as new_loop


def run_loop(main: Coroutine[Any, Any, T]) -> T:
    """Run a process's main coroutine to its end; what it returns."""
    with asyncio.Runner(loop_factory=new_loop) as runner:
        return runner.run(main)
