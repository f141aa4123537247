"""The spools in which sealed contents go from workers to control: journals that are not kept.

The trap: a worker's segments before its newest are deleted as soon as they were taken in, the
newest one only with its writer. What is left in it is sealed with a key that control destroys.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import msgspec

from federation.errors import EvidenceUnwritable, Unavailable
from federation.schema.payloads import Spooled, SpoolLine
from federation.storage.durability import sync_directory
from federation.storage.group_commit import GroupCommit
from federation.storage.journal import JournalWriter, segment_path
from federation.storage.journal_reader import LineReader

DIRECTORY = "payloads"
UNOPENED = "unopened"
SEGMENT_BYTES = 4 * 1024 * 1024

_decode = msgspec.json.Decoder(SpoolLine).decode


class Spool:
    """Appends for one worker. Its file is made with the first line: most workers keep nothing."""

    def __init__(self, data: Path, writer: str, commit: GroupCommit | None = None) -> None:
        self.durability = "process"
        self._commit = commit
        self._directory = data / DIRECTORY
        self._name = writer
        self._writer: JournalWriter | None = None

    def append(self, line: Spooled) -> None:
        """Write one line, as `JournalWriter.append`: under `disk` durability it is on the disk
        before whatever `commit` has there of a journal. Raises `EvidenceUnwritable`."""
        if self._writer is None:
            self._writer = JournalWriter(
                self._directory, self._name, self.durability, SEGMENT_BYTES, self._commit
            )
        self._writer.durability = self.durability
        self._writer.append(line)  # type: ignore[arg-type]  # a line's reader knows its record

    def look(self) -> None:
        """Leave a file that somebody removed: what follows would be lost, too. Nothing where the
        disk takes no other one, which the next line says."""
        if self._writer is not None:
            with contextlib.suppress(EvidenceUnwritable):
                self._writer.extend(())

    def close(self) -> None:
        """Give up the file. Idempotent."""
        if self._writer is not None:
            self._writer.close()


class SpoolReader(LineReader[SpoolLine]):
    """Reads spools."""

    def __init__(self, data: Path) -> None:
        super().__init__(data / DIRECTORY)

    def read_body(self, body: bytes) -> SpoolLine | None:
        """A line's content; None where it is none."""
        try:
            return _decode(body)
        except msgspec.DecodeError:
            return None

    def drop(self, writer: str, segments: range) -> None:
        """Delete what was taken in. Raises `Unavailable` where that does not go."""
        try:
            for segment in segments:
                segment_path(self._directory, writer, segment).unlink(missing_ok=True)
        except OSError as error:
            message = f"A spool cannot be deleted: {error.strerror}."
            raise Unavailable(message) from error

    def put_aside(self, writer: str, segment: int) -> None:
        """Keep a segment, and what is still written into it, for when the key of its lines is
        there: `drop` leaves it then. Idempotent. Raises `Unavailable`."""
        aside = self._directory / UNOPENED
        try:
            aside.mkdir(mode=0o700, exist_ok=True)
            path = segment_path(self._directory, writer, segment)
            there = aside / path.name
            # A backup was copied file by file: one from there may be shorter, and no link.
            if not there.exists() or not there.samefile(path):
                draft = there.with_suffix(".new")
                draft.unlink(missing_ok=True)
                os.link(path, draft)
                draft.replace(there)
            sync_directory(aside)
        except OSError as error:
            message = f"A spool cannot be put aside: {error.strerror}."
            raise Unavailable(message) from error

    def aside(self) -> set[str]:
        """The names of the segments that were put aside."""
        return {path.name for path in (self._directory / UNOPENED).glob("*.log")}

    def bring_back(self, name: str) -> None:
        """Have a segment that was put aside read once more. Raises `Unavailable`."""
        try:
            (self._directory / UNOPENED / name).rename(self._directory / name)
        except FileNotFoundError:
            pass  # its keys are lost for good, and somebody has removed it
        except OSError as error:
            message = f"A spool that was put aside cannot be read: {error.strerror}."
            raise Unavailable(message) from error

    def size(self, writer: str, segment: int) -> int:
        """How long a segment is by now, in bytes; 0 where it is not there."""
        try:
            return segment_path(self._directory, writer, segment).stat().st_size
        except FileNotFoundError:
            return 0

    def oldest(self, writer: str, newest: int) -> int:
        """The first segment of a writer that is still there, at most `newest`."""
        found = newest
        while found > 1 and segment_path(self._directory, writer, found - 1).exists():
            found -= 1
        return found


def writer_of(name: str) -> str:
    """Who wrote the segment of this name."""
    return name.partition(".")[0]
