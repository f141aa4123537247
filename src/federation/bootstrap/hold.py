"""Who uses a data directory: a lock that its launcher holds for as long as it lives.

Standard library only, as the launcher is. The trap: the file stays when the launcher is
gone. Only the lock on it, which the operating system takes back even from a killed process,
says that somebody is there; what is written in it says who.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

NAME = "lock"
_ROOM = 256
_SIZE_LIMIT = 4096
_PATIENCE_S = 0.5
"""A command that looks who is there holds the lock, too, for some microseconds."""


@dataclass(frozen=True, slots=True)
class Holder:
    """The launcher that holds a lock; `url` is empty until it listens, `pid` 0 if unknown."""

    pid: int
    url: str

    def __str__(self) -> str:
        return f"process {self.pid or 'unknown'}" + (f" at {self.url}" if self.url else "")


class Held(Exception):
    """Another launcher holds the lock."""

    def __init__(self, holder: Holder) -> None:
        super().__init__(str(holder))
        self.holder = holder


class Hold:
    """The lock, ours. No child inherits it: it must end with the launcher."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def note(self, url: str) -> None:
        """Write down who holds it, and where it listens."""
        text = json.dumps({"pid": os.getpid(), "url": url}).encode()
        # Blanks over what a former holder wrote, in one write: a reader sees no half of it.
        os.pwrite(self._fd, text.ljust(os.fstat(self._fd).st_size), 0)


def reserve(run: Path) -> None:
    """Make the lock's file, with room for what is written down there. Raises `OSError`: a full disk
    is to be noticed before anything is started."""
    fd = os.open(run / NAME, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        if not os.fstat(fd).st_size:
            os.pwrite(fd, b" " * _ROOM, 0)
    finally:
        os.close(fd)


@contextmanager
def hold(run: Path) -> Iterator[Hold]:
    """Hold the lock of a run directory. Raises `Held`, and `OSError` where it cannot be made.

    In the end no socket is left there: many a program that copies a data directory fails at one.
    """
    fd = os.open(run / NAME, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        end = time.monotonic() + _PATIENCE_S
        while not _locked(fd, fcntl.LOCK_EX):
            if time.monotonic() >= end:
                raise Held(_read(fd))
            time.sleep(0.02)
        made = Hold(fd)
        made.note("")
        try:
            yield made
        finally:
            with suppress(OSError):
                for left in run.glob("*.sock"):
                    left.unlink()
    finally:
        os.close(fd)


def holder(run: Path) -> Holder | None:
    """Who holds the lock of a run directory now, None where nobody does."""
    try:
        fd = os.open(run / NAME, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        return None if _locked(fd, fcntl.LOCK_SH) else _read(fd)
    finally:
        os.close(fd)


def _locked(fd: int, kind: int) -> bool:
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read(fd: int) -> Holder:
    try:
        found = json.loads(os.pread(fd, _SIZE_LIMIT, 0))
        return Holder(int(found["pid"]), str(found["url"]))
    except (ValueError, KeyError, TypeError):
        return Holder(0, "")
