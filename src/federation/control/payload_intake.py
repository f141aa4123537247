"""Contents out of the workers' spools into the store: opened, and sealed for their person.

Runs in one thread. The trap is the order of three things. A content is in the store, with the
place up to which its spool was read, before its segment is deleted; and a spool's key is
destroyed only when nothing that it sealed is left to be read. After that the spool, and every
copy of it, is unreadable. A line whose key was never here is not lost: another store of keys may
have been put in its place. Its segment is put aside before the place behind it is in the store,
and read again after the next start, once its writer is gone.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from federation.control.custody import Custody
from federation.control.custody_parts import KeyGone, KeyMissing
from federation.errors import Unavailable
from federation.evidence.sealing import Row, Unsealable, pseudonyms
from federation.schema.payloads import Payload, SpoolLine
from federation.storage.entries import Position
from federation.storage.payload_spool import SpoolReader, writer_of
from federation.storage.payloads import SqlPayloads
from federation.storage.sealing_entries import PayloadEntry
from federation.storage.sealing_keys import SqlSealingKeys

log = logging.getLogger(__name__)

SPOOL_TABLE: Final = "spool"
TABLE: Final = "payloads"
_DAY_MS: Final = 86_400_000
_decode = msgspec.msgpack.Decoder(Payload).decode


class PayloadIntake:
    """Follows the spools of one data directory. `run` and `retire` raise `Unavailable` where
    store or keys cannot be reached; nothing is lost then."""

    def __init__(
        self, reader: SpoolReader, store: SqlPayloads, custody: Custody, keys: SqlSealingKeys
    ) -> None:
        self.lost = 0
        """Lines that nobody can read any more."""
        self._reader = reader
        self._store = store
        self._custody = custody
        self._keys = keys
        self._positions: dict[str, Position] | None = None
        self._aside: set[str] | None = None
        """Segments that an earlier start put aside and that are still to be read once more; None
        before the first look."""
        self._missing = 0

    def run(self) -> int:
        """Take in whatever has been spooled by now; how many contents it was."""
        self._bring_back()
        writers = self._reader.writers()
        if not writers:
            return 0
        if self._positions is None:
            self._positions = self._store.positions()
        try:
            return sum(self._follow(writer, newest) for writer, newest in sorted(writers.items()))
        except Unavailable:
            self._positions = None  # a store that was away may come back older than it was
            raise
        finally:
            if self._missing:
                log.error("spooled contents wait for their key", extra={"contents": self._missing})
                self._missing = 0

    def settled(self, newest: str, taken: Mapping[str, str]) -> bool:
        """Whether every worker that may still write seals with this key, and nothing that was put
        aside may need an older one; `taken` says which one a connected worker (by its writer)
        uses."""
        return not self._put_aside() and all(
            taken.get(writer) == newest or self._reader.gone(writer, segment)
            for writer, segment in self._reader.writers().items()
        )

    def _bring_back(self) -> None:
        """Have what an earlier start put aside read once more, of writers of whom nothing else is
        left to be read: they would be past it."""
        aside = self._put_aside()
        if not aside:
            return
        there = self._reader.writers()
        back = {name for name in aside if writer_of(name) not in there}
        for writer in {writer_of(name) for name in back}:
            # A crash may have left the place where the last reading ended.
            self._store.forget_writer(writer)
            if self._positions is not None:
                self._positions.pop(writer, None)
        for name in sorted(back):
            self._reader.bring_back(name)
            aside.discard(name)

    def _put_aside(self) -> set[str]:
        if self._aside is None:
            self._aside = self._reader.aside()
        return self._aside

    def _follow(self, writer: str, newest: int) -> int:
        assert self._positions is not None  # noqa: S101  set by `run`
        # Asked before the last read, so that nothing can be written after it.
        gone = self._reader.gone(writer, newest)
        position, oldest = self._positions.get(writer), self._reader.oldest(writer, newest)
        if position is None or position.segment < oldest:
            # A store that became an older copy of itself names a piece that is dropped by now.
            position = Position(segment=oldest)
        # What comes meanwhile waits for the next run: contents may come faster than they are taken
        # in, and an erasure, a hold or a rotation would wait for ever.
        end = newest, self._reader.size(writer, newest)
        count, drained = 0, False
        while not drained and (gone or (position.segment, position.offset) < end):
            batch = self._reader.read(writer, position.segment, position.offset, gone=gone)
            for bad in batch.bad:
                self.lost += 1
                log.error("a spooled content cannot be read", extra={"reason": bad.reason})
            entries = self._entries(writer, position.segment, batch.lines)
            after = Position(batch.segment, batch.offset, position.seq + len(batch.lines))
            if after != position:
                self._store.take(writer, entries, after)
                self._positions[writer] = position = after
            count += len(entries)
            drained = batch.drained
            self._reader.drop(writer, range(max(1, position.segment - 1), position.segment))
        if gone:
            self._reader.drop(writer, range(position.segment, newest + 1))
            self._store.forget_writer(writer)
            self._positions.pop(writer, None)
        return count

    def _entries(self, writer: str, segment: int, lines: Sequence[SpoolLine]) -> list[PayloadEntry]:
        """What is kept of these lines. Where one waits for its key the segment is put aside, now:
        a position behind the line is next, and whoever starts then would never see it again."""
        missing = self._missing
        entries = [entry for line in lines if (entry := self._entry(line)) is not None]
        if self._missing > missing:
            self._reader.put_aside(writer, segment)
        return entries

    def _entry(self, line: SpoolLine) -> PayloadEntry | None:
        """A spooled content as it is kept; None where its key is gone, or its person."""
        spooled = line.record
        row = Row(spooled.tenant, SPOOL_TABLE, spooled.call)
        try:
            content = self._custody.unseal(row, spooled.sealed)
            payload = _decode(content)
        except KeyMissing:
            self._missing += 1
            return None
        except (KeyGone, Unsealable, msgspec.DecodeError):
            if self._store.find(spooled.call, spooled.tenant) is not None:
                return None  # taken in before; its segment waited for the key of another line
            self.lost += 1
            log.error("a spooled content cannot be opened", extra={"call": spooled.call})  # noqa: TRY400
            return None
        now = self._custody.name(payload.tenant, payload.subject)
        # Asked first: for whom nothing is kept no key is to be made, either.
        entry = None if self._erased_since(payload, now) else self._sealed(payload, content, now)
        if entry is None:
            log.info("a spooled content is of a person erased since", extra={"call": payload.call})
        return entry

    def _sealed(self, payload: Payload, content: bytes, now: str) -> PayloadEntry | None:
        """The content under a key of its person (`now` by pseudonym); None where another replica
        erased them in this moment."""
        until_ms = payload.at_ms + payload.days * _DAY_MS
        own = Row(payload.tenant, TABLE, payload.call)
        subject, sealed = self._custody.seal_of(
            own, payload.subject, payload.at_ms, until_ms, content
        )
        if subject != now and self._erased_since(payload, subject):
            return None
        return PayloadEntry(
            payload.call,
            payload.tenant,
            subject,
            payload.at_ms,
            until_ms,
            len(payload.request) + len(payload.answer),
            sealed,
        )

    def _erased_since(self, payload: Payload, now: str) -> bool:
        """Whether its person (`now` by pseudonym) was erased after this call began. The spool may
        be of a replica that was away by then. What a hold covers by now is kept."""
        naming = self._custody.naming(payload.tenant)
        former = pseudonyms(naming.key.key, payload.subject, naming.erased)[:-1]
        if not former or self._keys.erased_ms(payload.tenant, former) <= payload.at_ms:
            return False
        holds = (hold for hold in self._keys.holds() if hold.released_ms is None)
        return not any(hold.covers(payload.tenant, now) for hold in holds)
