"""Samples a worker's stack: Python loads this file by itself where PYTHONPATH holds its folder.

Only a process whose command line names `federation.bootstrap.worker` is sampled. A timer of
CPU time (not of wall time) fires a signal, whose action notes the running stack; at the end
the counts are written, a line each: `outermost;...;innermost count`. Time spent in C code is
noted where Python code called it. `PROFILE_MODE=cprofile` uses the exact but heavier profiler.
"""

from __future__ import annotations

import atexit
import cProfile
import os
import signal
import sys
from collections import Counter
from types import FrameType

_INTERVAL_S = 0.001
_stacks: Counter[tuple[str, ...]] = Counter()


def _name(frame: FrameType) -> str:
    code = frame.f_code
    file = code.co_filename
    room = file.rpartition("/federation/")[2] if "/federation/" in file else file.split("/")[-1]
    return f"{room}:{code.co_qualname}"


def _sample(_number: int, frame: FrameType | None) -> None:
    stack = []
    while frame is not None:
        stack.append(_name(frame))
        frame = frame.f_back
    _stacks[tuple(reversed(stack))] += 1


def _write_stacks() -> None:
    signal.setitimer(signal.ITIMER_PROF, 0)
    with open(f"{os.environ['PROFILE_OUT']}.{os.getpid()}", "w") as sink:  # noqa: PTH123
        sink.writelines(f"{';'.join(stack)} {count}\n" for stack, count in _stacks.most_common())


def _begin() -> None:
    if os.environ.get("PROFILE_MODE") == "cprofile":
        profile = cProfile.Profile()
        atexit.register(lambda: profile.dump_stats(f"{os.environ['PROFILE_OUT']}.{os.getpid()}"))
        profile.enable()
        return
    signal.signal(signal.SIGPROF, _sample)
    signal.setitimer(signal.ITIMER_PROF, _INTERVAL_S, _INTERVAL_S)
    atexit.register(_write_stacks)


if "PROFILE_OUT" in os.environ and "federation.bootstrap.worker" in sys.orig_argv:
    _begin()
