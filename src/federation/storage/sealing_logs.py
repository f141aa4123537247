"""Logs of what must survive the restore of a backup: destroyed keys, holds, and erasures asked for.

The trap: when the store of keys is restored from a backup, it contains keys again that were
destroyed since, and knows nothing of holds that were set since. So each of these is first written
down outside of that store, as a line in a file in several directories. It is enough if one of
them was not restored. Replicas may share a directory: whoever writes or cuts holds the file's lock.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from federation.errors import EvidenceUnwritable, Unavailable
from federation.storage.durability import sync_directory
from federation.storage.sealing_entries import ErasureEntry, HoldEntry

TOMBSTONES, HOLDS, ERASURES = FILES = ("tombstones.jsonl", "holds.jsonl", "erasures.jsonl")


class Tombstone(msgspec.Struct, frozen=True):
    """A destroyed key. Its name says nothing of the person whose it was."""

    id: str
    tenant: str
    at_ms: int
    why: str


E = TypeVar("E", Tombstone, HoldEntry, ErasureEntry)


class SealingLog(Generic[E]):
    """Entries by their `id`, in a file of the same name in each of `places` (directories).

    A later line replaces an earlier one of the same id, unless the earlier one is `over` (its
    hold was released, its erasure done) and the later one is not."""

    def __init__(
        self, places: Sequence[Path], file: str, kind: type[E], over: Callable[[E], bool]
    ) -> None:
        self._paths = [place / file for place in dict.fromkeys(places)]
        self._kind: type[E] = kind
        self._over: Callable[[E], bool] = over

    def add(self, entries: Iterable[E]) -> None:
        """Write these down everywhere, safe from a loss of power. Raises `EvidenceUnwritable`
        where one place does not take them: what they tell of may not be done then, and the
        other places have them no more. A key whose tombstone stood somewhere would be destroyed
        by the next start, though somebody held it meanwhile."""
        lines = b"".join(msgspec.json.encode(entry) + b"\n" for entry in entries)
        written: list[tuple[Path, int, int]] = []
        try:
            for path in self._paths if lines else ():
                before, after = _append(path, lines)
                written.append((path, before, after))
        except EvidenceUnwritable:
            for path, before, after in written:
                _take_back(path, before, after)
            raise

    def read(self) -> dict[str, E]:
        """Every entry that any of the places knows. Raises `Unavailable`."""
        found: dict[str, E] = {}
        for path in self._paths:
            self._read(path, found)
        return found

    def level(self) -> None:
        """Give every place what the others know. Raises as `add` and `read` do."""
        known = self.read()
        for path in self._paths:
            own: dict[str, E] = {}
            self._read(path, own)
            missing = [entry for name, entry in known.items() if own.get(name) != entry]
            if missing:
                _append(path, b"".join(msgspec.json.encode(each) + b"\n" for each in missing))

    def _read(self, path: Path, found: dict[str, E]) -> None:
        try:
            lines = path.read_bytes().splitlines()
        except FileNotFoundError:
            return
        except OSError as error:
            raise Unavailable(f"{path} cannot be read: {error.strerror}.") from error
        for line in lines:
            try:
                entry = msgspec.json.decode(line, type=self._kind)
            except msgspec.DecodeError:
                continue  # torn by a crash: what it tells of was not done yet
            before = found.get(entry.id)
            if before is None or self._over(entry) or not self._over(before):
                found[entry.id] = entry


@dataclass(frozen=True, slots=True)
class SealingLogs:
    """The three logs of one gateway."""

    tombstones: SealingLog[Tombstone]
    holds: SealingLog[HoldEntry]
    erasures: SealingLog[ErasureEntry]


def open_sealing_logs(places: Sequence[Path]) -> SealingLogs:
    """The logs in these directories; nothing is read or made yet."""
    return SealingLogs(
        SealingLog(places, TOMBSTONES, Tombstone, lambda _: True),
        SealingLog(places, HOLDS, HoldEntry, lambda hold: hold.released_ms is not None),
        SealingLog(places, ERASURES, ErasureEntry, lambda wish: wish.done_ms is not None),
    )


def _append(path: Path, lines: bytes) -> tuple[int, int]:
    """Write lines at the end of a file; its sizes before and after. Raises `EvidenceUnwritable`,
    and then nothing of them stands."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(fd, "r+b", buffering=0) as file:
            fcntl.flock(fd, fcntl.LOCK_EX)
            size = os.fstat(fd).st_size
            # A torn line must not swallow the next one.
            if size and os.pread(fd, 1, size - 1) != b"\n":
                lines = b"\n" + lines
            try:
                if file.write(lines) != len(lines):
                    raise EvidenceUnwritable(f"{path.name} took only part of a line")
                os.fsync(fd)
                if not size:
                    sync_directory(path.parent)
            except (OSError, EvidenceUnwritable):
                os.ftruncate(fd, size)
                raise
    except OSError as error:
        raise EvidenceUnwritable(f"{path.name} cannot be written: {error.strerror}") from error
    return size, size + len(lines)


def _take_back(path: Path, before: int, after: int) -> None:
    """Cut off what was written, unless another replica has written behind it. Never raises: a
    file that cannot be cut says what is said of a key that is going to be destroyed."""
    with contextlib.suppress(OSError), path.open("r+b") as file:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX)
        if os.fstat(file.fileno()).st_size == after:
            file.truncate(before)
            os.fsync(file.fileno())
