"""The ends of calls over several logs, in files: no call may have two."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from typing import IO
from zlib import crc32

PARTS = 64
"""Files: what is in one of them is in memory at a time."""


class Ends:
    """Log, place and call of each end. Close it, and it leaves nothing behind."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._parts: list[IO[bytes]] = []
        self._waiting: list[tuple[int, int, bytes]] = []

    def add(self, log: int, place: int, call: bytes) -> None:
        """An end that a record tells of, if it holds."""
        self._waiting.append((log, place, call))

    def keep(self) -> None:
        """What was added holds."""
        while self._waiting and len(self._parts) < PARTS:
            part = tempfile.TemporaryFile("w+b")  # noqa: SIM115 - the stack closes it
            self._parts.append(self._stack.enter_context(part))
        for log, place, call in self._waiting:
            self._parts[crc32(call) % PARTS].write(b"%d %d %b\n" % (log, place, call))
        self._waiting.clear()

    def forget(self) -> None:
        """What was added since is not to be used."""
        self._waiting.clear()

    def again(self) -> list[tuple[int, int, str]]:
        """Every end whose call has an earlier one, in the order of adding."""
        found: list[tuple[int, int, str]] = []
        for part in self._parts:
            part.seek(0)
            known: set[bytes] = set()
            for line in part:
                log, place, call = line.rstrip(b"\n").split(b" ", 2)
                if call in known:
                    found.append((int(log), int(place), call.decode("utf-8", "replace")))
                known.add(call)
        return sorted(found)

    def close(self) -> None:
        """Remove the files."""
        self._stack.close()
