"""Reading journals while their writers still append to them.

The trap: a last line without its newline is not an error, its writer may be in the middle
of it. It becomes one ("torn") only when nothing can follow: a next segment exists, or the
writer is gone.
"""

from __future__ import annotations

import fcntl
import os
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, NamedTuple, Protocol, TypeAlias, TypeVar
from zlib import crc32

import msgspec

from federation.schema.usage import Usage
from federation.storage.journal import segment_path

CHUNK_BYTES = 1024 * 1024


class Began(msgspec.Struct, frozen=True, tag="started", gc=False):
    """The part of a `CallStarted` that an index of calls needs."""

    call: str
    at_ms: int
    tenant: str
    key: str
    requested: str
    deployment: str


class Tried(msgspec.Struct, frozen=True, gc=False):
    """The part of an `AttemptRecord` that an index of attempts needs."""

    deployment: str
    started_ms: int
    error: str = ""
    total_ms: float = 0.0
    usage: Usage = Usage()
    cost_nano: int | None = 0


class Ended(msgspec.Struct, frozen=True, tag="ended", gc=False):
    """The part of a `CallEnded` that an index of calls needs."""

    call: str
    at_ms: int
    tenant: str
    key: str
    requested: str
    outcome: str
    deployment: str = ""
    started_ms: int = 0
    duration_ms: float = 0.0
    usage: Usage = Usage()
    cost_nano: int | None = 0
    attempts: tuple[Tried, ...] = ()
    team: str = ""
    user: str = ""
    tags: dict[str, str] = {}
    findings: dict[str, int] = {}
    refusals: dict[str, int] = {}
    watched: dict[str, int] = {}
    pots: dict[str, int] = {}
    client_id: str = ""


class Entry(msgspec.Struct, gc=False):
    """A journal line as far as an index needs it, and the whole of it as it was written.

    Most of a line is the decision, which nobody who takes lines in reads: leaving it
    unparsed saves half of what taking a call in costs. Not frozen, so that `read_entry` can
    put the text to what was read of it without making all anew; nobody else changes one.
    """

    writer: str
    seq: int
    record: Began | Ended
    json: bytes = b""
    """The JSON of `schema.records.Line`."""


_decode = msgspec.json.Decoder(Entry).decode
_NAME = re.compile(r"(?P<writer>[A-Za-z0-9_-]+)\.(?P<segment>\d{6,})\.log")


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that cannot be read: where it starts, and why."""

    writer: str
    segment: int
    offset: int
    reason: str


class Written(Protocol):
    """A line, in whatever form it was read."""

    @property
    def writer(self) -> str:
        """Who wrote it."""
        ...


L = TypeVar("L", bound=Written)


@dataclass(frozen=True, slots=True)
class Taken(Generic[L]):
    """What stood between a position and the next; `lines` in order, `bad` beside them.

    `drained` is True where nothing more could be read at this moment.
    """

    segment: int
    offset: int
    drained: bool
    lines: list[L] = field(default_factory=list)
    bad: list[BadLine] = field(default_factory=list)


Batch: TypeAlias = Taken[Entry]


class LineReader(ABC, Generic[L]):
    """Reads every journal in a directory. Holds nothing open between calls."""

    def __init__(self, directory: Path, chunk_bytes: int = CHUNK_BYTES) -> None:
        self._directory = directory
        self._chunk_bytes = chunk_bytes

    def writers(self) -> dict[str, int]:
        """Every writer that left a segment, and its newest segment's number."""
        found: dict[str, int] = {}
        try:
            names = [path.name for path in self._directory.iterdir()]
        except FileNotFoundError:
            return found
        for name in names:
            match = _NAME.fullmatch(name)
            if match is not None:
                writer, segment = match["writer"], int(match["segment"])
                found[writer] = max(segment, found.get(writer, 0))
        return found

    def read(self, writer: str, segment: int, offset: int, *, gone: bool = False) -> Taken[L]:
        """Read on from a position (a new reader starts at segment 1, offset 0).

        `gone` says that the writer will not write any more: what is torn is then reported
        instead of waited for.
        """
        path = segment_path(self._directory, writer, segment)
        # Asked for before reading: a writer opens the next segment after its last line here.
        last = not segment_path(self._directory, writer, segment + 1).exists()
        try:
            data, more = self._chunk(path, offset)
        except FileNotFoundError:
            if last:
                return Taken(segment, offset, drained=True)
            missing = BadLine(writer, segment, offset, "segment is missing")
            return Taken(segment + 1, 0, drained=False, bad=[missing])
        batch: Taken[L] = Taken(segment, offset, drained=last and not more)
        end = self._lines(writer, segment, offset, data, batch)
        rest = len(data) - (end - offset)
        if rest and not more and (gone or not last):
            batch.bad.append(BadLine(writer, segment, end, "torn"))
            end += rest
        if not more and not last:
            return Taken(segment + 1, 0, drained=False, lines=batch.lines, bad=batch.bad)
        return Taken(segment, end, batch.drained, batch.lines, batch.bad)

    def gone(self, writer: str, segment: int) -> bool:
        """True where the process that wrote this newest segment is no more.

        False also where it has meanwhile gone on to the next segment, dead or not: ask again
        about that one.
        """
        try:
            fd = os.open(segment_path(self._directory, writer, segment), os.O_RDONLY)
        except FileNotFoundError:
            return True
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        finally:
            os.close(fd)
        # A writer shows its next segment before it lets go of this one.
        return not segment_path(self._directory, writer, segment + 1).exists()

    def lives(self, writer: str) -> bool:
        """Whether this writer's process is there, so that it may still write."""
        newest = self.writers().get(writer)
        return newest is not None and not self.gone(writer, newest)

    def _chunk(self, path: Path, offset: int) -> tuple[bytes, bool]:
        """Bytes from `offset`, at least one whole line where there is one; is there more?"""
        size = self._chunk_bytes
        with path.open("rb", buffering=0) as file:
            while True:
                data = os.pread(file.fileno(), size, offset)
                if len(data) < size or b"\n" in data:
                    return data, len(data) == size
                size *= 2

    @abstractmethod
    def read_body(self, body: bytes) -> L | None:
        """A line's JSON as it is read here; None where it is no record."""

    def _lines(self, writer: str, segment: int, offset: int, data: bytes, batch: Taken[L]) -> int:
        """Take whole lines off `data` into the batch; the offset after the last of them."""
        read_body, add = self.read_body, batch.lines.append
        at = offset
        *whole, _ = data.split(b"\n")
        for raw in whole:
            body = raw[9:]
            wrong = "checksum"
            if raw[:9] == b"%08x " % crc32(body):
                line = read_body(body)
                wrong = "not a record" if line is None else "another writer's"
                if line is not None and line.writer == writer:
                    add(line)
                    at += len(raw) + 1
                    continue
            batch.bad.append(BadLine(writer, segment, at, wrong))
            at += len(raw) + 1
        return at


def read_entry(body: bytes) -> Entry | None:
    """A line's JSON as far as an index of calls needs it; None where that is no record."""
    try:
        entry = _decode(body)
    except msgspec.DecodeError:
        return None
    entry.json = body
    return entry


class JournalReader(LineReader[Entry]):
    """Reads lines as far as an index of calls needs them."""

    read_body = staticmethod(read_entry)


class Plain(NamedTuple):
    """A line of which nothing was read but whose it is and its place."""

    writer: str
    seq: int
    json: bytes
    """The JSON of `schema.records.Line`."""


_HEAD = re.compile(rb'\{"writer":"([A-Za-z0-9_-]+)","seq":(\d{1,18}),"record":\{')


class PlainReader(LineReader[Plain]):
    """Reads lines of any record, as they were written."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self._before = "", 0

    def read_body(self, body: bytes) -> Plain | None:
        """A line's JSON, read at its beginning only; None where that is no line."""
        # Nearly every line is the one after the line before; that is quicker seen than read.
        writer, seq = self._before
        seq += 1
        if body.startswith(b'{"writer":"%b","seq":%d,"record":{' % (writer.encode(), seq)):
            line: Plain | None = Plain(writer, seq, body)
        else:
            line = parse_plain(body)
        if line is not None:
            self._before = line[:2]
        return line


def parse_plain(body: bytes) -> Plain | None:
    """A line's JSON, read at its beginning only; None where that is no line."""
    head = _HEAD.match(body)
    return None if head is None else Plain(head[1].decode(), int(head[2]), body)
