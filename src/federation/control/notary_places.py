"""How far the notary has read each journal, and which writers are gone.

The trap: a place that was read is not one that was sealed. Both are kept, and only what a
checkpoint has sealed is written down; a start reads the rest again.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from federation.evidence.growth import Growth
from federation.storage.evidence_log import At, Found
from federation.storage.journal import segment_path
from federation.storage.journal_reader import BadLine, LineReader, Plain

log = logging.getLogger(__name__)

GONE_CHECK_S = 1.0


class Places:
    """Places in the journals of some directories."""

    def __init__(
        self,
        readers: Sequence[LineReader[Plain]],
        directories: Sequence[Path],
        found: Found,
        clock: Callable[[], float],
    ) -> None:
        self._readers = tuple(zip(readers, directories, strict=True))
        self._clock = clock
        self._at = {name: (at.segment, at.offset) for name, at in found.writers.items()}
        self._closed = set(found.closed)
        self._changed: set[str] = set()
        self._closing: set[str] = set()
        self._touched: set[Path] = set()
        self._checked: dict[str, float] = {}
        self._newest: dict[str, int] = {}

    def follow(self, growth: Growth) -> None:
        """Read all that has been written by now. Raises `OSError`."""
        for reader, directory in self._readers:
            for writer, newest in sorted(reader.writers().items()):
                if writer not in self._closed and writer not in self._closing:
                    self._follow(reader, directory, writer, newest, growth)
        self._newest = {name: growth.seen(name) for name in self._at if name not in self._closing}

    def living(self) -> dict[str, int]:
        """Writers that may still write, and what was last read of each."""
        return dict(sorted(self._newest.items()))

    def sync(self) -> None:
        """Make what was read survive a loss of power. Raises `OSError`."""
        for path in sorted(self._touched):
            fd = os.open(path, os.O_RDONLY)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)
        self._touched.clear()

    def changed(self, growth: Growth) -> tuple[dict[str, At], tuple[str, ...]]:
        """What a checkpoint has to remember: new places, and writers that are gone."""
        places = {
            name: At(*self._at[name], growth.seen(name), growth.link(name).hex())
            for name in sorted(self._changed - self._closing)
        }
        return places, tuple(sorted(self._closing))

    def kept(self, closed: Sequence[str]) -> None:
        """A checkpoint remembers it all now."""
        self._changed.clear()
        self._closed.update(closed)
        for name in closed:
            self._closing.discard(name)
            self._at.pop(name, None)

    def _follow(
        self,
        reader: LineReader[Plain],
        directory: Path,
        writer: str,
        newest: int,
        growth: Growth,
    ) -> None:
        # Asked before the last read, so that nothing can be written after it.
        gone = self._is_gone(reader, writer, newest)
        drained = False
        while not drained:
            segment, offset = self._at.get(writer, (1, 0))
            batch = reader.read(writer, segment, offset, gone=gone)
            for bad in batch.bad:
                _report(bad)
            growth.take(writer, ((line.seq, line.json) for line in batch.lines))
            if (batch.segment, batch.offset) != (segment, offset):
                self._at[writer] = batch.segment, batch.offset
                self._changed.add(writer)
                self._touch(segment_path(directory, writer, segment))
            drained = batch.drained
        if gone:
            self._closing.add(writer)
            self._checked.pop(writer, None)

    def _touch(self, path: Path) -> None:
        if path.exists():
            self._touched.add(path)

    def _is_gone(self, reader: LineReader[Plain], writer: str, newest: int) -> bool:
        now = self._clock()
        if 0 <= now - self._checked.get(writer, 0.0) < GONE_CHECK_S:
            return False
        self._checked[writer] = now
        return reader.gone(writer, newest)


def _report(bad: BadLine) -> None:
    extra = {"writer": bad.writer, "segment": bad.segment, "offset": bad.offset}
    log.error("a journal line is no evidence", extra={**extra, "reason": bad.reason})
