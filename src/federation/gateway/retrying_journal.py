"""A journal that writes again what it could not write, before it takes any further record.

On a disk that is nearly full a short line may fit where a long one does not. A call's beginning
would go on record, the call would reach a provider, and its end would be refused, call after
call. So the ends that were refused are kept, and written before anything else.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Awaitable, Sequence

from federation.errors import EvidenceUnwritable
from federation.ports import Journal
from federation.schema.records import CallEnded, Record

log = logging.getLogger(__name__)


class RetryingJournal:
    """Implements `ports.Journal` in front of another one."""

    __slots__ = ("_journal", "_owed")

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._owed: deque[CallEnded] = deque()

    @property
    def owes(self) -> bool:
        """An end has still to be written."""
        return bool(self._owed)

    def stuck(self) -> bool:
        """Whether a call of now would be refused: an end has still to be written, or there is
        nothing to write to."""
        if self._owed:
            return True
        try:
            self._journal.extend(())
        except EvidenceUnwritable:
            return True
        return False

    def owe(self, record: CallEnded, why: str) -> None:
        """Write this before anything else."""
        if not self._owed:
            log.error("the journal takes no records: no call is served", extra={"reason": why})
        self._owed.append(record)

    def pay(self) -> None:
        """Write what is owed. Raises `EvidenceUnwritable`; what was not written stays owed."""
        while self._owed:
            record = self._owed.popleft()
            try:
                self._journal.append(record)
            except EvidenceUnwritable as error:
                if not error.written:
                    self._owed.appendleft(record)
                raise
            if not self._owed:
                log.info("the journal takes records again")

    def append(self, record: Record) -> None:
        """See `ports.Journal`."""
        if self._owed:
            self.pay()
        self._journal.append(record)

    def extend(self, records: Sequence[Record]) -> None:
        """See `ports.Journal`."""
        if self._owed:
            self.pay()
        self._journal.extend(records)

    def settled(self, *, on_disk: bool = False) -> Awaitable[None] | None:
        """See `ports.Journal`."""
        return self._journal.settled(on_disk=on_disk)

    def doubt(self) -> Awaitable[None] | None:
        """See `ports.Journal`."""
        return self._journal.doubt()
