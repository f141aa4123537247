"""The signing keys of the log: a row of public keys, and the newest one's secret.

`keys.jsonl` holds the row, `<id>.seed` the secret, readable by its owner only. The trap is
the order of a change: the new secret is on the disk before the row names its key, and the
old one goes last; a crash in between leaves a key that can sign.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from federation.errors import EvidenceUnwritable, Unavailable
from federation.storage.durability import sync_directory

SEED_BYTES = 32


class KeyFiles:
    """The key files of one log."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._row = directory / "keys.jsonl"

    def lines(self) -> list[bytes]:
        """The row of public keys, the first one first; empty for a new log."""
        try:
            return self._row.read_bytes().splitlines(keepends=True)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise _unreadable(error) from error

    def mark(self) -> tuple[int, int]:
        """Differs whenever the row has changed."""
        try:
            status = self._row.stat()
        except OSError:
            return 0, 0
        return status.st_size, status.st_mtime_ns

    def seed(self, key: str) -> bytes:
        """A key's secret. Raises `Unavailable` where it is not there."""
        try:
            seed = bytes.fromhex(self._seed(key).read_text("ascii").strip())
        except (OSError, ValueError) as error:
            raise Unavailable(f"The secret of evidence key {key} cannot be read.") from error
        if len(seed) != SEED_BYTES:
            raise Unavailable(f"The secret of evidence key {key} is not 32 bytes.")
        return seed

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Only one process changes keys at a time."""
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            fd = os.open(self._directory / "keys.lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise _unwritable(error) from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)

    def add(self, key: str, seed: bytes, line: bytes) -> None:
        """Keep a key and its secret; call inside `changing`."""
        try:
            fd = os.open(self._seed(key), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            _put(fd, seed.hex().encode() + b"\n")
            # Before the row tells of the key: without its secret it could sign nothing.
            sync_directory(self._directory)
            fd = os.open(self._row, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            _put(fd, line)
            sync_directory(self._directory)
        except OSError as error:
            raise _unwritable(error) from error

    def forget(self, key: str) -> None:
        """Destroy the secret of a key that has a successor. Idempotent."""
        try:
            self._seed(key).unlink(missing_ok=True)
        except OSError as error:
            raise _unwritable(error) from error

    def _seed(self, key: str) -> Path:
        return self._directory / f"{key}.seed"


def ensure(files: KeyFiles, make: Callable[[], tuple[str, bytes, bytes]]) -> list[bytes]:
    """The row of keys; the first is made where there is none (`make`: id, seed, line)."""
    if not files.lines():
        with files.changing():
            if not files.lines():
                files.add(*make())
    return files.lines()


def _put(fd: int, data: bytes) -> None:
    with os.fdopen(fd, "wb") as file:
        size = os.fstat(fd).st_size
        try:
            file.write(data)
            file.flush()
            os.fsync(fd)
        except OSError:
            os.ftruncate(fd, size)
            raise


def _unreadable(error: OSError) -> Unavailable:
    return Unavailable(f"The evidence keys cannot be read: {error.strerror}.")


def _unwritable(error: OSError) -> EvidenceUnwritable:
    return EvidenceUnwritable(f"the evidence keys cannot be written: {error.strerror}")
