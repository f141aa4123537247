"""Records looked up in the journals by writer and number, as they stand there now.

For exports and proofs, which want what is on the disk and not what should be: a line whose
checksum is wrong is handed on all the same, for the verification to name. The trap: a
writer's journal is read forwards only, because that is how a log asks for it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path

from federation.storage.journal import segment_path
from federation.storage.journal_reader import Plain, parse_plain

BLOCK_BYTES = 256 * 1024
MOST_OPEN = 64


class JournalLines:
    """Records from the journals in some directories; a writer's is in one of them."""

    def __init__(self, directories: Sequence[Path]) -> None:
        self._directories = directories
        self._cursors: OrderedDict[str, _Cursor] = OrderedDict()

    def run(self, writer: str, first: int, count: int) -> Iterator[tuple[int, bytes]]:
        """Numbers and JSON of those records from `first` on that are there, in order."""
        cursor = self._cursors.get(writer)
        if cursor is None or cursor.passed >= first:
            cursor = _Cursor(self._home(writer), writer)
            cursor.skip_to(first)
            self._cursors[writer] = cursor
        self._cursors.move_to_end(writer)
        if len(self._cursors) > MOST_OPEN:
            self._cursors.popitem(last=False)
        yield from cursor.until(first, first + count)

    def _home(self, writer: str) -> Path:
        for directory in self._directories:
            if segment_path(directory, writer, 1).exists():
                return directory
        return self._directories[0]


class _Cursor:
    """A place in a writer's journal."""

    def __init__(self, directory: Path, writer: str) -> None:
        self.passed = 0
        """The number of the last record that was handed out or skipped."""
        self._directory = directory
        self._writer = writer
        self._segment = 1
        self._offset = 0
        self._block: list[bytes] = []

    def skip_to(self, seq: int) -> None:
        """Begin with the last segment whose first record is not after `seq`."""
        while (first := self._first(self._segment + 1)) is not None and first <= seq:
            self._segment += 1

    def until(self, first: int, end: int) -> Iterator[tuple[int, bytes]]:
        while self.passed < end - 1:
            line = self._peek()
            if line is None:
                return
            if line.seq >= end:
                return
            self._block.pop()
            if line.seq >= first and line.seq > self.passed:
                self.passed = line.seq
                yield line.seq, line.json

    def _peek(self) -> Plain | None:
        """The next line that is one; it stays."""
        while True:
            while self._block:
                line = parse_plain(self._block[-1][9:])
                if line is not None and line.writer == self._writer:
                    return line
                self._block.pop()
            if not self._read():
                return None

    def _read(self) -> bool:
        """Another block of whole lines; False at the end."""
        path = segment_path(self._directory, self._writer, self._segment)
        size = BLOCK_BYTES
        try:
            with path.open("rb") as file:
                while True:
                    file.seek(self._offset)
                    data = file.read(size)
                    end = data.rfind(b"\n") + 1
                    if end or len(data) < size:
                        break
                    size *= 2
        except FileNotFoundError:
            data, end = b"", 0
        if not end:
            if not segment_path(self._directory, self._writer, self._segment + 1).exists():
                return False
            self._segment, self._offset = self._segment + 1, 0
            return True
        self._offset += end
        self._block = data[: end - 1].split(b"\n")
        self._block.reverse()
        return True

    def _first(self, segment: int) -> int | None:
        try:
            with segment_path(self._directory, self._writer, segment).open("rb") as file:
                line = parse_plain(file.readline()[9:-1])
        except FileNotFoundError:
            return None
        return None if line is None else line.seq
