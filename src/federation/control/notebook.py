"""The notebook: where control itself writes records of evidence, from any of its threads.

The notary follows it like a worker's journal and seals what it finds. The trap: an action that
is done but cannot be written down would be one that nobody can prove, so whoever acts writes
first, and does nothing where that is refused.
"""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Callable
from pathlib import Path

from federation.evidence.records import ControlRecord
from federation.storage.control_journal import ControlJournal


class Notebook:
    """Appends records to a journal of this process alone, begun with the first of them.

    `durability` is asked before each: a reload may have changed it.
    """

    def __init__(
        self,
        data: Path,
        clock: Callable[[], float],
        durability: Callable[[], str] = lambda: "process",
        kind: str = "notes",
    ) -> None:
        """`kind` is how the name of the journal begins."""
        self._directory = data / "evidence" / "journal"
        self._clock = clock
        self._durability = durability
        self._kind = kind
        self._journal: ControlJournal | None = None
        self._turn = threading.Lock()

    def now_ms(self) -> int:
        """The time, as records have it."""
        return int(self._clock() * 1000)

    def write(self, *records: ControlRecord) -> None:
        """Append these in order; on return they survive this process or, by the durability, a
        loss of power.

        Raises `EvidenceUnwritable`; those before the one that was refused stand.
        """
        with self._turn:
            if self._journal is None:
                name = f"{self._kind}-{self.now_ms():x}-{os.getpid():x}{secrets.token_hex(2)}"
                self._journal = ControlJournal(self._directory, name)
            for record in records:
                self._journal.append(record, self._durability())

    def close(self) -> None:
        """Give up the file, so that the notary sees that nothing will follow. Idempotent."""
        with self._turn:
            if self._journal is not None:
                self._journal.close()
                self._journal = None
