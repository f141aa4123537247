"""The ends of calls, over all logs that are given, in files: no call may have two.

The calls are spread over files by a checksum, and beside each of them stand their logs and places.
One end costs a fraction of a microsecond, and no memory that stays.
"""

from __future__ import annotations

import tempfile
from array import array
from contextlib import ExitStack
from typing import IO
from zlib import crc32

PARTS = 64
"""Pairs of files: what is in one of them is in memory at a time."""
FULL = 16_000
MANY = 1 << 40
"""More records than a log has: log and place are one number."""


class Ends:
    """Log, place and call of each end. Close it, and it leaves nothing behind."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._files: list[tuple[IO[bytes], IO[bytes]]] = []
        # Numbers and bytes only: a tuple for each would have the garbage collector go about.
        self._calls: list[bytes] = []
        self._places: list[int] = []
        self._held = 0

    def add(self, log: int, place: int, call: bytes) -> None:
        """An end that a record tells of, if it holds."""
        self._calls.append(call)
        self._places.append(log * MANY + place)

    def keep(self) -> None:
        """What was added holds."""
        self._held = len(self._calls)
        if self._held >= FULL:
            self._spread()

    def forget(self) -> None:
        """What was added since is not to be used."""
        del self._calls[self._held :], self._places[self._held :]

    def again(self) -> list[tuple[int, int, str]]:
        """Every end whose call has an earlier one, in the order of adding."""
        self.forget()
        self._spread()
        found: list[tuple[int, int, str]] = []
        for names, places in self._files:
            names.seek(0)
            calls = names.read().splitlines()
            if len(frozenset(calls)) == len(calls):
                continue
            places.seek(0)
            known: set[bytes] = set()
            for call, place in zip(calls, array("Q", places.read()), strict=True):
                if call in known:
                    found.append((*divmod(place, MANY), call.decode("ascii")))
                known.add(call)
        return sorted(found)

    def close(self) -> None:
        """Remove the files."""
        self._stack.close()

    def _spread(self) -> None:
        while self._calls and len(self._files) < PARTS:
            self._files.append((self._file(), self._file()))
        parts: list[tuple[list[bytes], list[int]]] = [([], []) for _ in self._files]
        for call, place in zip(self._calls, self._places, strict=True):
            names, places = parts[crc32(call) % PARTS]
            names.append(call)
            places.append(place)
        for (file, beside), (names, places) in zip(self._files, parts, strict=True):
            file.write(b"".join([name + b"\n" for name in names]))
            beside.write(array("Q", places).tobytes())
        self._calls.clear()
        self._places.clear()
        self._held = 0

    def _file(self) -> IO[bytes]:
        return self._stack.enter_context(tempfile.TemporaryFile("w+b"))
