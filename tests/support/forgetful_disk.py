"""A disk that keeps what was synced, and forgets the rest when the power goes."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import msgspec
import pytest

from federation.storage import journal


class ForgetfulDisk:
    """Stands behind every journal's syncs. `hold` lets syncs begin and not end; with `fails` they
    are refused."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.syncs: list[str] = []
        """Names of the files, in the order in which they were synced."""
        self.fails: str | None = None
        """Syncs of files with this in their names are refused."""
        self.goes_on = threading.Event()
        self.goes_on.set()
        self.begun = threading.Semaphore(0)
        self.given_up: set[str] = set()
        """Files of which a sync was refused."""
        self._kept: dict[int, int] = {}
        patch.setattr(journal, "_datasync", self._sync)

    def _sync(self, fd: int) -> None:
        status, name = os.fstat(fd), Path(f"/proc/self/fd/{fd}").readlink().name
        size = status.st_size
        self.begun.release()
        assert self.goes_on.wait(10)
        if self.fails is not None and self.fails in name:
            self.given_up.add(name)
            raise OSError(errno.EIO, "Input/output error")
        self.syncs.append(name)
        self._kept[status.st_ino] = max(size, self._kept.get(status.st_ino, 0))

    def after_a_loss_of_power(self, directory: Path) -> list[tuple[str, str]]:
        """What is left in the journals of a directory: kinds of records, and their calls."""
        found = []
        for path in sorted(directory.glob("*.log")):
            found += _lines(path.read_bytes()[: self._kept.get(path.stat().st_ino, 0)])
        return found

    def written(self, directory: Path) -> list[tuple[str, str]]:
        """What a reader finds in the journals of a directory while there is power."""
        return [
            line for path in sorted(directory.glob("*.log")) for line in _lines(path.read_bytes())
        ]

    def in_what_was_given_up(self, directory: Path) -> list[tuple[str, str]]:
        """What was written to files of which a sync was refused."""
        return [line for name in self.given_up for line in _lines((directory / name).read_bytes())]


def _lines(data: bytes) -> list[tuple[str, str]]:
    records = [msgspec.json.decode(line[9:])["record"] for line in data.splitlines()]
    return [(record["type"], record["call"]) for record in records]
