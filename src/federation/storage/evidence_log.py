"""The log's own files: what was sealed, in which order, and the hashes that proofs need.

The records stay in the journals. Here is one line for each checkpoint (`spine.<k>.log`, in
the journals' line format): the signed checkpoint with the order of its records, and how far
each journal was taken in. The trap: the spine alone is the truth. `leaves` and `tiles` are
written before it and trusted only as far as it reaches, so a crash between leaves nothing
half done; and a segment of it begins with the whole state, so that starting reads one.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from zlib import crc32

import msgspec

from federation.errors import EvidenceUnwritable, Unavailable
from federation.storage.durability import sync_directory
from federation.storage.store_file import identity

SEGMENT_CHECKPOINTS = 1_000
HASH = 32
TILE = 256
_NAME = re.compile(r"spine\.(\d{6,})\.log")


class At(msgspec.Struct, frozen=True, array_like=True):
    """How far a writer's journal is in the log."""

    segment: int
    offset: int
    seq: int
    link: str
    """The writer's chain, in hex."""


class State(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a checkpoint leaves behind for the next start."""

    size: int
    """Records in the log."""
    peaks: tuple[str, ...]
    """The tree's right edge, in hex."""
    writers: dict[str, At] = {}
    """Those that were taken on since the checkpoint before; in a segment's first, all."""
    closed: tuple[str, ...] = ()
    """Writers that will write no more, likewise."""


class _Sealed(msgspec.Struct, frozen=True):
    checkpoint: msgspec.Raw
    state: State


_read = msgspec.json.Decoder(_Sealed).decode
_write = msgspec.json.Encoder().encode


class Damaged(Unavailable):
    """The log's own files cannot be trusted; nothing may be sealed on top of them."""

    code = "evidence_damaged"


@dataclass(slots=True)
class Found:
    """The log as its files say it."""

    checkpoints: int = 0
    newest: bytes = b""
    """The newest checkpoint's line, without a newline."""
    size: int = 0
    peaks: tuple[str, ...] = ()
    writers: dict[str, At] = field(default_factory=dict)
    closed: set[str] = field(default_factory=set)

    def fold(self, checkpoint: bytes, state: State) -> None:
        """Take on what one more checkpoint says."""
        self.newest, self.size, self.peaks = checkpoint, state.size, state.peaks
        self.writers.update(state.writers)
        for writer in state.closed:
            self.writers.pop(writer, None)
        self.closed.update(state.closed)


class EvidenceLog:
    """Appends to the log; one process at a time. `found` is what stands in it."""

    def __init__(self, directory: Path, segment_checkpoints: int = SEGMENT_CHECKPOINTS) -> None:
        """Open the log, made where missing.

        Raises `Unavailable` where another process has it open, `Damaged` where its files
        were changed by something else than us, `EvidenceUnwritable` where the disk refuses.
        """
        self._directory = directory
        self._most = segment_checkpoints
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise _unwritable(error) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._begin()
        except BlockingIOError:
            os.close(self._lock)
            raise Unavailable("Another process keeps the evidence log.") from None
        except Exception:
            os.close(self._lock)
            raise

    def _begin(self) -> None:
        segments = spine_segments(self._directory)
        self._segment = segments[-1] if segments else 1
        self._count = 0
        self.found = Found()
        for segment in reversed(segments):
            for checkpoint, state in _segment(self._directory, segment, mend=True):
                self.found.fold(checkpoint, state)
                self._count += segment == self._segment
            if self.found.newest:
                self.found.checkpoints = checkpoint_number(self.found.newest) + 1
                return

    def check(self) -> None:
        """Raise `EvidenceUnwritable` where the log is not in its place any more. Another one that
        was put there would be written over."""
        held = os.fstat(self._lock)
        if identity(self._directory / "lock") != (held.st_dev, held.st_ino):
            raise EvidenceUnwritable(
                "the evidence log was removed or replaced while the gateway runs: put it back, or "
                "stop the gateway and start it on what is there"
            )

    def commit(self, checkpoint: bytes, state: State, leaves: bytes, tiles: bytes) -> None:
        """Seal a checkpoint: on return it survives a loss of power.

        Raises `EvidenceUnwritable`; the log is then as it was.
        """
        first = self.found.size
        try:
            self._put("leaves", first * HASH, leaves)
            self._put("tiles", first // TILE * HASH, tiles)
            self._append(checkpoint, state)
        except OSError as error:
            raise _unwritable(error) from error
        self.found.fold(checkpoint, state)
        self.found.checkpoints += 1

    def close(self) -> None:
        """Let others have the log."""
        os.close(self._lock)

    def _put(self, name: str, offset: int, data: bytes) -> None:
        fd = os.open(self._directory / name, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            while data:
                written = os.pwrite(fd, data, offset)
                data, offset = data[written:], offset + written
        finally:
            os.close(fd)

    def _append(self, checkpoint: bytes, state: State) -> None:
        new = self._count >= self._most
        segment = self._segment + new
        if new or not self._count:
            whole = Found(writers=dict(self.found.writers), closed=set(self.found.closed))
            whole.fold(checkpoint, state)
            closed = tuple(sorted(whole.closed))
            state = State(state.size, state.peaks, whole.writers, closed)
        body = _write(_Sealed(msgspec.Raw(checkpoint), state))
        path = spine_path(self._directory, segment)
        fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            if new or not self._count:
                # Before the line: one that stands, and is not known to, would be written again.
                sync_directory(self._directory)
            _whole_line(fd, b"%08x %b\n" % (crc32(body), body))
        finally:
            os.close(fd)
        self._segment, self._count = segment, 1 if new else self._count + 1


class Hashes:
    """The hashes of leaves, for proofs. Needs no lock: what is sealed never changes."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def leaves(self, start: int, end: int) -> list[bytes]:
        """Leaf hashes from `start` up to `end`. Raises `Damaged` where they are not there."""
        return self._read("leaves", start, end)

    def tiles(self, start: int, end: int) -> list[bytes]:
        """The hashes over whole tiles of 256 leaves."""
        return self._read("tiles", start, end)

    def _read(self, name: str, start: int, end: int) -> list[bytes]:
        try:
            with (self._directory / name).open("rb") as file:
                data = os.pread(file.fileno(), (end - start) * HASH, start * HASH)
        except OSError as error:
            raise Damaged(f"The log's {name} cannot be read: {error.strerror}.") from error
        if len(data) != (end - start) * HASH:
            raise Damaged(f"The log's {name} are not all there: rebuild them.")
        return [data[at : at + HASH] for at in range(0, len(data), HASH)]


def sealed_checkpoints(directory: Path, first: int = 0) -> Iterator[bytes]:
    """Checkpoint lines with their newlines, from number `first` on, in order.

    Needs no lock: a line that is being written is not seen. Raises `Damaged`.
    """
    segments = spine_segments(directory)
    while len(segments) > 1 and _first_number(directory, segments[1]) <= first:
        del segments[0]
    for segment in segments:
        for checkpoint, _ in _segment(directory, segment, mend=False):
            if not first or checkpoint_number(checkpoint) >= first:
                yield checkpoint + b"\n"


def newest_checkpoint(directory: Path) -> bytes | None:
    """The newest checkpoint's line with its newline; None for a log without any."""
    for segment in reversed(spine_segments(directory)):
        found = None
        for found, _ in _segment(directory, segment, mend=False):  # noqa: B007 - the last
            pass
        if found is not None:
            return found + b"\n"
    return None


def checkpoint_number(line: bytes) -> int:
    """The number of a checkpoint that we wrote."""
    return msgspec.json.decode(line, type=_Numbered).body.n


class _Number(msgspec.Struct):
    n: int


class _Numbered(msgspec.Struct):
    body: _Number


def spine_path(directory: Path, segment: int) -> Path:
    """Where a segment of the spine lies; they count up from 1."""
    return directory / f"spine.{segment:06d}.log"


def spine_segments(directory: Path) -> list[int]:
    """The numbers of the segments that are there, in order."""
    try:
        names = [path.name for path in directory.iterdir()]
    except FileNotFoundError:
        return []
    return sorted(int(found[1]) for name in names if (found := _NAME.fullmatch(name)))


def _first_number(directory: Path, segment: int) -> int:
    for checkpoint, _ in _segment(directory, segment, mend=False):
        return checkpoint_number(checkpoint)
    return 1 << 62


def _segment(directory: Path, segment: int, *, mend: bool) -> Iterator[tuple[bytes, State]]:
    """The lines of a segment. `mend` cuts off a line that a crash left unfinished."""
    path = spine_path(directory, segment)
    try:
        with path.open("rb") as file:
            whole = 0
            for line in file:
                if not line.endswith(b"\n"):
                    if mend:
                        os.truncate(path, whole)
                    return
                body = line[9:-1]
                if line[:9] != b"%08x " % crc32(body):
                    raise Damaged(f"The log's file {path.name} is damaged at byte {whole}.")
                sealed = _read(body)
                yield bytes(sealed.checkpoint), sealed.state
                whole += len(line)
    except msgspec.DecodeError as error:
        raise Damaged(f"The log's file {path.name} holds what is no checkpoint.") from error
    except OSError as error:
        raise Damaged(f"The log's file {path.name} cannot be read: {error.strerror}.") from error


def _whole_line(fd: int, data: bytes) -> None:
    """Append all of it and sync, or take back what was written."""
    size = os.fstat(fd).st_size
    try:
        if os.write(fd, data) != len(data):
            raise OSError(28, "the disk took only part of it")
        os.fsync(fd)
    except OSError:
        os.ftruncate(fd, size)
        raise


def _unwritable(error: OSError) -> EvidenceUnwritable:
    return EvidenceUnwritable(f"the evidence log cannot be written: {error.strerror}")
