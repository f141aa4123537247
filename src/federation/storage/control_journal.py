"""The journal of the control process itself: starts, heartbeats, changes of keys.

In the format of the workers' journals, in a directory of its own, because what reads those
into the ledger knows calls only.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from federation.storage.journal import JournalWriter


class ControlJournal:
    """Appends control's own records. Not for use by several threads."""

    def __init__(self, directory: Path, writer: str) -> None:
        """Begin a new journal under a name that no process ever had."""
        self.writer = writer
        self._lines = JournalWriter(directory, writer)

    def append(self, record: msgspec.Struct, durability: str = "process") -> None:
        """Write one record. Raises `EvidenceUnwritable`."""
        self._lines.durability = durability
        self._lines.extend(())  # leaves a file that somebody removed: what follows would be lost
        self._lines.append(record)  # type: ignore[arg-type]  # a line's reader knows its record

    def close(self) -> None:
        """Give up the file. Idempotent."""
        self._lines.close()
