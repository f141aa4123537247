"""The event loop of our processes: uvloop where there is one."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from typing import Any

if sys.platform == "win32":
    new_loop = asyncio.new_event_loop
else:
    from uvloop import new_event_loop as new_loop


def run_loop(main: Coroutine[Any, Any, None]) -> None:
    """Run a process's main coroutine to its end."""
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(main)
