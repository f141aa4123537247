"""The append-only journal of one process: one line a record, written before an answer ends.

A journal is a row of segment files `<writer>.<segment>.log`; a line is the CRC-32 of its
JSON as eight hex digits, a space, the JSON of `schema.records.Line`, a newline. The trap:
nothing here is buffered. `process` durability means that the kernel has the line when
`append` returns, so that kill -9 cannot take it back; a buffered file object would.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Sequence
from pathlib import Path
from zlib import crc32

import msgspec

from federation.errors import EvidenceUnwritable
from federation.schema.records import Line, Record

SEGMENT_BYTES = 64 * 1024 * 1024

_encode = msgspec.json.Encoder().encode
# Darwin's fsync does not reach the platter and it has no fdatasync.
_datasync = getattr(os, "fdatasync", os.fsync)


def writer_name(slot: int, pid: int, at_ms: int) -> str:
    """A writer's name, new for each process: its sequence starts at 1 and is never resumed."""
    return f"w{slot}-{at_ms:x}-{pid:x}"


def segment_path(directory: Path, writer: str, segment: int) -> Path:
    """Where a writer's segment lies; segments count up from 1."""
    return directory / f"{writer}.{segment:06d}.log"


class JournalWriter:
    """Appends records for one process; implements `ports.Journal`.

    The process holds a lock on its newest segment as long as it lives, so that others can
    tell a writer that is gone from one that is idle. Not for use by several threads.

    A first segment that the disk refuses is made with the first line that it takes: who cannot
    write must live, to say so to its clients.
    """

    def __init__(
        self,
        directory: Path,
        writer: str,
        durability: str = "process",
        segment_bytes: int = SEGMENT_BYTES,
    ) -> None:
        self.writer = writer
        self._directory = directory
        self._sync = _is_disk(durability)
        self._unsettled = False
        """A line was written since the last sync, with `disk` durability."""
        self._named = False
        """The segment's name is on the disk."""
        self._spent = False
        """The segment takes no more lines. It stays open: its lock says that we live."""
        self._segment_bytes = segment_bytes
        self._segment = 0
        self._seq = 0
        self._size = 0
        self._fd = -1
        with contextlib.suppress(EvidenceUnwritable):
            self._rotate()

    @property
    def durability(self) -> str:
        """`process` or `disk`, from the next line on. Setting another raises `ValueError`."""
        return "disk" if self._sync else "process"

    @durability.setter
    def durability(self, durability: str) -> None:
        self._sync = _is_disk(durability)

    def append(self, record: Record, *, settled: bool = True) -> None:
        """Write one line; on return it is safe under the durability chosen, or, not `settled`,
        written: what is written next, or `extend`, syncs it.

        `process`: one write(2), a few microseconds. `disk`: also an fdatasync, inline, which
        holds the caller's loop for as long as the disk takes. Raises `EvidenceUnwritable`;
        the sequence number is then not used up, save where the line was written whole and
        only its sync failed: readers may have seen it, so it stands.
        """
        seq = self._seq + 1
        body = _encode(Line(self.writer, seq, record))
        self._write(b"%08x %b\n" % (crc32(body), body), seq, settled=settled)

    def extend(self, records: Sequence[Record]) -> None:
        """Write a line each, in order, with one write(2) and one sync for all; as `append`.

        Lines that were written whole before the disk was full stand too.
        """
        lines: list[bytes] = []
        seq = self._seq
        for record in records:
            seq += 1
            body = _encode(Line(self.writer, seq, record))
            lines.append(b"%08x %b\n" % (crc32(body), body))
        if lines:
            self._write(b"".join(lines), seq)
            return
        if self._unsettled:
            self._settle()
        if self._fd < 0 or self._spent:
            self._rotate()
        elif self._sync and not self._named:
            self._name()

    def _write(self, data: bytes, seq: int, *, settled: bool = True) -> None:
        """Write whole lines, the last of which has this number."""
        size = self._size + len(data)
        if size > self._segment_bytes or self._spent or self._fd < 0:
            if self._unsettled:
                self._settle()
            self._rotate()
            size = len(data)
        if self._sync and not self._named:
            self._name()
        try:
            written = os.write(self._fd, data)
        except OSError as error:
            self._take_back()
            raise _unwritable(error) from error
        if written != len(data):
            whole = data.rfind(b"\n", 0, written) + 1
            self._size += whole
            self._seq += data.count(b"\n", 0, whole)
            self._take_back()
            raise _refused("its disk took only part of one")
        self._size = size
        self._seq = seq
        if self._sync:
            self._unsettled = True
            if settled:
                try:
                    self._settle()
                except EvidenceUnwritable as error:
                    error.written = True
                    raise

    def close(self) -> None:
        """Give up the lock and the file. Idempotent."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _settle(self) -> None:
        try:
            _datasync(self._fd)
            self._unsettled = False
        except OSError as error:
            # After a failed sync the kernel may drop the pages and call them clean: this
            # file cannot be trusted with further lines, nor with a second sync.
            self._spent, self._unsettled = True, False
            raise _unwritable(error) from error

    def _take_back(self) -> None:
        """Remove the torn end of a failed write, or leave the segment where that fails too."""
        try:
            os.ftruncate(self._fd, self._size)
        except OSError:
            # A reader takes an unfinished line at the end of a closed segment for what it is.
            self._spent = True

    def _rotate(self) -> None:
        """Open the next segment, locked before it can be seen under its name."""
        path = segment_path(self._directory, self.writer, self._segment + 1)
        draft = path.with_suffix(".new")
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            fd = os.open(draft, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_TRUNC, 0o600)
        except OSError as error:
            raise _unwritable(error) from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            draft.rename(path)
        except OSError as error:
            os.close(fd)
            with contextlib.suppress(OSError):
                draft.unlink()
            raise _unwritable(error) from error
        # Readers may have seen it and gone on to it: whether or not the disk takes its name,
        # nothing may follow in the one before, and it may not vanish.
        self.close()
        self._fd, self._size, self._segment = fd, 0, self._segment + 1
        self._named = self._spent = False
        if self._sync:
            self._name()

    def _name(self) -> None:
        """Have the segment's name on the disk before a line that is to be safe there."""
        try:
            _sync_directory(self._directory)
        except OSError as error:
            raise _unwritable(error) from error
        self._named = True


def _is_disk(durability: str) -> bool:
    if durability not in ("process", "disk"):
        raise ValueError(f"no durability of a journal: {durability!r}")
    return durability == "disk"


def _sync_directory(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _unwritable(error: OSError) -> EvidenceUnwritable:
    return _refused(error.strerror or type(error).__name__)


def _refused(why: str) -> EvidenceUnwritable:
    return EvidenceUnwritable(
        f"The gateway cannot write its records ({why}), and serves no call without one. Try again "
        "later; its operator has to see to the data directory."
    )
