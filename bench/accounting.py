"""What the operating system says a process tree used: CPU time and resident memory.

CPU time is user and system time of every process of the tree, the dead and waited-for
children included, in clock ticks of usually 10 ms: measure over seconds, not milliseconds.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_PROC = Path("/proc")
_PAUSE_S = 0.33


@dataclass(frozen=True)
class Process:
    """One line of /proc: times in seconds, memory in bytes."""

    pid: int
    parent: int
    cpu_s: float
    rss: int
    command: str


def _read(pid: int) -> Process | None:
    """The process, or None where it ended meanwhile."""
    try:
        raw = (_PROC / str(pid) / "stat").read_bytes()
        command = (_PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ")
    except OSError:
        return None
    fields = raw[raw.rindex(b")") + 2 :].split()
    cpu = sum(int(value) for value in fields[11:15]) * _TICK_S
    return Process(
        pid=pid,
        parent=int(fields[1]),
        cpu_s=cpu,
        rss=int(fields[21]) * _PAGE,
        command=command.decode(errors="replace").strip(),
    )


def tree(root: int) -> list[Process]:
    """`root` and all its living descendants."""
    everyone = [
        process
        for entry in _PROC.iterdir()
        if entry.name.isdigit() and (process := _read(int(entry.name))) is not None
    ]
    known = {root}
    found = [process for process in everyone if process.pid == root]
    grown = True
    while grown:
        grown = False
        for process in everyone:
            if process.parent in known and process.pid not in known:
                known.add(process.pid)
                found.append(process)
                grown = True
    return found


def cpu_seconds(root: int) -> float:
    """User and system time that the tree under `root` used so far."""
    return sum(process.cpu_s for process in tree(root))


def cpu_of(root: int, mark: str) -> float:
    """The part of it that processes used whose command line holds `mark` (empty: all)."""
    return sum(process.cpu_s for process in tree(root) if mark in process.command)


def settle(root: int, patience_s: float = 15.0) -> None:
    """Wait until the tree has done what it put off: work for a request counts whenever it is done.

    Over when it used at most a tenth of a core for a third of a second, or when patience ends.
    """
    end = time.monotonic() + patience_s
    before = cpu_seconds(root)
    while time.monotonic() < end:
        time.sleep(_PAUSE_S)
        now = cpu_seconds(root)
        if now - before <= _PAUSE_S / 10:
            return
        before = now


def worker_rss(root: int, mark: str) -> int:
    """Resident bytes of the largest process whose command line holds `mark`.

    An empty mark means any process of the tree.
    """
    return max((process.rss for process in tree(root) if mark in process.command), default=0)


def tree_rss(root: int) -> int:
    """Resident bytes of the whole tree; pages that processes share are counted in each."""
    return sum(process.rss for process in tree(root))
