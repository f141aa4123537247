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
from collections.abc import Awaitable, Sequence
from pathlib import Path
from threading import Lock
from zlib import crc32

import msgspec

from federation.errors import EvidenceUnwritable
from federation.schema.records import Line, Record
from federation.storage.disk_trial import DiskTrial
from federation.storage.durability import removed, sync_directory
from federation.storage.group_commit import GroupCommit

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


class Extent:
    """Segments as far as they are written: what one sync covers."""

    __slots__ = ("_left", "_nameless_in", "_newest", "number", "segment", "synced", "tried")

    def __init__(
        self, left: list[Path], newest: int, number: int, segment: int, nameless_in: Path | None
    ) -> None:
        """Segments before the newest, from the oldest on, and the newest, open and ours from here
        on. Names in the directory `nameless_in` are not on the disk yet."""
        self._left = left
        self._newest = newest
        self._nameless_in = nameless_in
        self.number = number
        """That of the last line."""
        self.segment = segment
        """That of the newest segment."""
        self.synced = 0
        """How many of the segments are on the disk."""
        self.tried = False
        """The next one, or its name, was not only looked for: a failure may have lost it."""

    def sync(self) -> None:
        """Have them on the disk. Raises `EvidenceUnwritable`."""
        try:
            for path in self._left:
                self.tried = False
                with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
                    self.tried = True
                    _datasync(file.fileno())
                self.synced += 1
            self.tried = True
            _datasync(self._newest)
            self.synced += 1
            if self._nameless_in is not None:
                sync_directory(self._nameless_in)
        except OSError as error:
            raise _unwritable(error) from error

    def release(self) -> None:
        """Close the file."""
        with contextlib.suppress(OSError):  # of what is written, the sync has told
            os.close(self._newest)


class JournalWriter:
    """Appends records for one process; implements `ports.Journal`.

    The process holds a lock on its newest segment as long as it lives, so that others can
    tell a writer that is gone from one that is idle. Not for use by several threads, but for
    `mark`, which the thread of `commit` calls.

    Under `disk` durability each line is synced when it is written, or, with `commit`, a moment
    later with those of others: then `settled` tells when. It also serves who demands more than the
    durability.

    A first segment that the disk refuses is made with the first line that it takes: who cannot
    write must live, to say so to its clients.
    """

    def __init__(
        self,
        directory: Path,
        writer: str,
        durability: str = "process",
        segment_bytes: int = SEGMENT_BYTES,
        commit: GroupCommit | None = None,
    ) -> None:
        self.writer = writer
        self._directory = directory
        self._sync = _is_disk(durability)
        self._commit = commit
        self._turning = Lock()
        """Held while one segment follows another."""
        self._left: list[tuple[int, int]] = []
        """Segments before the newest that were never synced to their end: each with its last
        line."""
        self._safe = 0
        """The last line that is known to be on the disk."""
        self._named = 0
        """The newest segment whose name is on the disk."""
        self._doubtful = False
        """A sync has failed, and none was done since."""
        self._trial = DiskTrial(self._try_disk)
        self._spent = False
        """The segment takes no more lines. It stays open: its lock says that we live."""
        self._segment_bytes = segment_bytes
        self._segment = 0
        self._seq = 0
        self._size = 0
        self._fd, self._path = -1, directory
        if commit is not None:
            commit.files.append(self)
        with contextlib.suppress(EvidenceUnwritable):
            self._rotate()

    @property
    def durability(self) -> str:
        """`process` or `disk`, from the next line on. Setting another raises `ValueError`."""
        return "disk" if self._sync else "process"

    @durability.setter
    def durability(self, durability: str) -> None:
        self._sync = _is_disk(durability)

    @property
    def written(self) -> int:
        """The number of the last line."""
        return self._seq

    @property
    def safe(self) -> int:
        """See `group_commit.Committed`."""
        return self._safe

    @property
    def pending(self) -> bool:
        """See `group_commit.Committed`."""
        return self._sync and self._safe < self._seq

    def append(self, record: Record) -> None:
        """Write one line. On return it is safe against the end of this process, which takes a
        write(2) and a few microseconds; under `disk` durability without a `commit` also against a
        loss of power, by an inline fdatasync.

        Raises `EvidenceUnwritable`; the sequence number is then not used up, save where the line
        was written whole and only its sync failed: readers may have seen it, so it stands.
        """
        seq = self._seq + 1
        body = _encode(Line(self.writer, seq, record))
        self._write(b"%08x %b\n" % (crc32(body), body), seq)

    def extend(self, records: Sequence[Record]) -> None:
        """Write a line each, in order, with one write(2) and one sync for all; as `append`.

        Lines that were written whole before the disk was full stand too. With no records it only
        raises where none could be written, and leaves a segment that somebody removed.
        """
        lines: list[bytes] = []
        seq = self._seq
        for record in records:
            seq += 1
            body = _encode(Line(self.writer, seq, record))
            lines.append(b"%08x %b\n" % (crc32(body), body))
        if lines:
            self._write(b"".join(lines), seq)
        elif self._fd < 0 or self._spent or removed(self._fd, self._path):
            self._rotate()
        elif self._nameless:
            self._name()

    def settled(self, *, on_disk: bool = False) -> Awaitable[None] | None:
        """What to wait for until all that was written is as safe as the durability asks for, or on
        the disk; None where it is. Waiting raises `EvidenceUnwritable`, `written`, where the disk
        refuses."""
        if self._safe == self._seq or not (self._sync or on_disk):
            return None
        if self._commit is not None:
            return self._commit.wait(self)
        self._settle_all()
        return None

    def doubt(self) -> Awaitable[None] | None:
        """See `ports.Journal`."""
        return self._trial.passed() if self._sync and self._doubtful else None

    def mark(self) -> Extent | None:
        """See `group_commit.Committed`."""
        with self._turning:
            if self._fd < 0 or self._safe == self._seq:
                return None
            try:
                newest = os.dup(self._fd)
            except OSError as error:
                raise _unwritable(error) from error
            left = [segment_path(self._directory, self.writer, each) for each, _ in self._left]
            nameless = None if self._named == self._segment else self._directory
            return Extent(left, newest, self._seq, self._segment, nameless)

    def confirm(self, mark: Extent) -> None:
        """See `group_commit.Committed`."""
        self._safe = max(self._safe, mark.number)
        self._doubtful = False
        self._named = max(self._named, mark.segment)
        self._leave(sum(last <= mark.number for _, last in self._left))

    def distrust(self, mark: Extent) -> None:
        """See `group_commit.Committed`."""
        if not mark.tried:
            return
        if mark.synced < len(self._left):
            self._safe = max(self._safe, self._left[mark.synced][1])
            self._leave(mark.synced + 1)
        else:
            self._leave(len(self._left))
            self._give_up()

    def _leave(self, count: int) -> None:
        """Nothing more is to be done for so many of the oldest segments."""
        if count:
            with self._turning:
                del self._left[:count]

    def _settle_all(self) -> None:
        """Have all segments on the disk, here and now. Raises `EvidenceUnwritable`."""
        mark = self.mark()
        if mark is None:
            return
        try:
            mark.sync()
        except EvidenceUnwritable as error:
            error.written = True
            self.distrust(mark)
            raise
        finally:
            mark.release()
        self.confirm(mark)

    def _give_up(self) -> None:
        """After a failed sync the kernel may drop the pages and call them clean: the newest
        segment cannot be trusted with further lines, nor with a second sync."""
        self._spent = self._doubtful = True
        self._safe = self._seq

    def _try_disk(self) -> None:
        """Have something on the disk that is no line. Raises `EvidenceUnwritable`."""
        path = self._directory / f"{self.writer}.try.new"
        try:
            path.write_bytes(b"\n")
            with path.open("rb") as file:
                _datasync(file.fileno())
        except OSError as error:
            raise _unwritable(error) from error
        finally:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)

    def _write(self, data: bytes, seq: int) -> None:
        """Write whole lines, the last of which has this number."""
        size = self._size + len(data)
        if size > self._segment_bytes or self._spent or self._fd < 0:
            if self._commit is None and self._fd >= 0 and self.pending:
                self._settle()
            self._rotate()
            size = len(data)
        if self._sync and self._nameless:
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
            if self._commit is not None:
                self._commit.note()
                return
            try:
                self._settle()
            except EvidenceUnwritable as error:
                error.written = True
                raise

    def close(self) -> None:
        """Give up the lock and the file. Idempotent. What was not synced stays so."""
        with self._turning:
            self._close()

    def _close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _settle(self) -> None:
        """Have what is written on the disk, here and now."""
        try:
            _datasync(self._fd)
            self._safe, self._doubtful = self._seq, False
        except OSError as error:
            self._give_up()
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
        with self._turning:
            if self._safe < self._seq:
                self._left.append((self._segment, self._seq))
            self._close()
            self._fd, self._path, self._segment = fd, path, self._segment + 1
        self._size = 0
        self._spent = False
        if self._nameless:
            self._name()

    @property
    def _nameless(self) -> bool:
        """The segment's name is still to be synced, and nobody else does it."""
        return self._sync and self._commit is None and self._named != self._segment

    def _name(self) -> None:
        """Have the segment's name on the disk before a line that is to be safe there."""
        try:
            sync_directory(self._directory)
        except OSError as error:
            raise _unwritable(error) from error
        self._named = self._segment


def _is_disk(durability: str) -> bool:
    if durability not in ("process", "disk"):
        raise ValueError(f"no durability of a journal: {durability!r}")
    return durability == "disk"


def _unwritable(error: OSError) -> EvidenceUnwritable:
    return _refused(error.strerror or type(error).__name__)


def _refused(why: str) -> EvidenceUnwritable:
    return EvidenceUnwritable(
        f"The gateway cannot write its records ({why}), and serves no call without one. Try again "
        "later; its operator has to see to the data directory."
    )
