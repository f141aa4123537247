"""Stored responses as workers ask for them: sealed on the way in, opened for their tenant alone.

The trap is a response whose worker died: nobody would ever finish it. A round looks once a
second whether those who still have something to finish live, and gives up what they left.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence

from federation.control.ingest import Ingest
from federation.control.ports import ResponseStore
from federation.control.response_seals import ResponseSeals
from federation.control.threads import Errands
from federation.domain.routes import Settings
from federation.errors import Unavailable
from federation.evidence.receipts import response_name
from federation.evidence.sealing import Unsealable
from federation.schema.storing import (
    COMPLETED,
    FAILED,
    LONGEST,
    MISSING,
    RUNNING,
    TOO_LARGE,
    TOO_LONG,
    Answered,
    Asked,
    Chain,
    Done,
    Find,
    Found,
    Held,
    Ids,
    Mark,
    Owners,
    Remove,
    Running,
    Save,
)
from federation.storage.entries import CallEntry, ResponseEntry

log = logging.getLogger(__name__)

ROUND_S = 1.0
SWEEP_S = 60.0
SWEEP_MOST = 500
"""Entries deleted in one transaction: other writers wait for no more than that."""
_DAY_MS = 86_400_000


class ResponseDesk:
    """Answers workers. `settings` are those in force; `alive` says of a writer whether its
    process lives; `receipt_key` is that of the workers; `clock` counts Unix seconds, and so does
    `age`, by which answers are deleted."""

    def __init__(
        self,
        store: ResponseStore,
        seals: ResponseSeals,
        settings: Callable[[], Settings],
        alive: Callable[[str], bool],
        receipt_key: bytes,
        clock: Callable[[], float],
        age: Callable[[], float],
    ) -> None:
        self._store = store
        self._receipt_key = receipt_key
        self._seals = seals
        self._settings = settings
        self._alive = alive
        self._clock = clock
        self._age = age
        self._errands = Errands("responses")
        self._swept_s = 0.0
        self._well = True

    def watch(self, ingest: Ingest) -> None:
        """Delete what was kept of calls that were lost before their end was on record: nobody got
        it, and no record says what it was."""
        heard = ingest.on_lost

        def lost(writer: str, calls: Sequence[CallEntry]) -> None:
            heard(writer, calls)
            now_ms = int(self._clock() * 1000)
            for each in calls:
                self._drop(each.record.tenant, each.record.call, now_ms)

        ingest.on_lost = lost

    def _drop(self, tenant: str, call: str, now_ms: int) -> None:
        name = response_name(self._receipt_key, call)
        entry = self._store.find(tenant, name, now_ms)
        # One in the background is told to its client as failed.
        if entry is not None and entry.status == COMPLETED:
            self._remove(Remove(tenant, name), now_ms)
            log.warning("an answer without a record was deleted", extra={"call": call})

    async def answer(self, asked: Asked) -> Answered:
        """Do what a worker asks. Raises `Unavailable` where the store does not take it."""
        return await self._errands.run(self._answer, asked)

    async def follow(self) -> None:
        """Delete what has expired and give up what is lost, until cancelled."""
        while True:
            try:
                await self._errands.run(self.round)
                self._well = True
            except (Unavailable, OSError) as error:
                if self._well:
                    log.error("stored responses wait", extra={"reason": str(error)})  # noqa: TRY400
                self._well = False
            await asyncio.sleep(ROUND_S)

    def close(self) -> None:
        """End the thread."""
        self._errands.close()

    def round(self) -> None:
        """One look at what is lost or expired. Blocks."""
        for writer in dict.fromkeys(writer for writer, _ in self._store.running()):
            if not self._alive(writer):
                lost = self._store.abandon(writer, FAILED)
                log.warning(
                    "responses lost with their worker", extra={"writer": writer, "responses": lost}
                )
        now = self._age()
        if not 0 <= now - self._swept_s < SWEEP_S:
            now_ms, holds = int(now * 1000), self._seals.holds
            while self._store.expire(now_ms, SWEEP_MOST, holds) == SWEEP_MOST:
                pass
            self._swept_s = now

    def _answer(self, asked: Asked) -> Answered:
        now_ms = int(self._clock() * 1000)
        match asked:
            case Save():
                return Done(self._save(asked, now_ms))
            case Find():
                entry = self._store.find(asked.tenant, asked.id, now_ms)
                return Found(self._opened([entry] if entry is not None else []))
            case Chain():
                return self._chain(asked, now_ms)
            case Owners():
                return Found(self._opened(self._store.owners(asked.tenant, asked.items, now_ms)))
            case Mark():
                over = asked.status not in RUNNING
                return Done(self._store.mark(asked.tenant, asked.id, asked.status, over=over))
            case Remove():
                return Done(self._remove(asked, now_ms))
            case Running():
                return Ids(tuple(each for _, each in self._store.running(asked.writer)))

    def _save(self, asked: Save, now_ms: int) -> bool:
        """Whether it is kept now, also where an answer got lost and this is the second time."""
        days = self._settings().responses.keep_days
        running = asked.status in RUNNING
        until_ms = now_ms + days * _DAY_MS
        subject, sealed = self._seals.seal(asked, now_ms, until_ms)
        entry = ResponseEntry(
            asked.id,
            asked.tenant,
            asked.previous,
            asked.status,
            asked.writer if running else "",
            now_ms,
            until_ms,
            len(asked.payload),
            sealed,
            subject,
        )
        if asked.writer and not running:
            return self._store.finish(entry, asked.items)
        if self._store.add(entry, asked.items):
            return True
        found = self._store.find(asked.tenant, asked.id, now_ms)
        return found is not None and found.status == asked.status

    def _remove(self, asked: Remove, now_ms: int) -> bool:
        """Delete a response; one that is held is only out of its client's reach from now on."""
        return self._store.remove(asked.tenant, asked.id, now_ms, self._seals.holds)

    def _chain(self, asked: Chain, now_ms: int) -> Found:
        most_bytes = self._settings().listener.body_bytes
        entries = self._store.chain(asked.tenant, asked.id, now_ms, LONGEST, most_bytes)
        if sum(entry.size for entry in entries) > most_bytes:
            return Found(fault=TOO_LARGE)
        if not entries or entries[-1].previous:
            return Found(fault=TOO_LONG if len(entries) >= LONGEST else MISSING)
        held = self._opened(reversed(entries))
        return Found(held) if len(held) == len(entries) else Found(fault=MISSING)

    def _opened(self, entries: Iterable[ResponseEntry]) -> tuple[Held, ...]:
        """What the entries say. One whose key is gone or elsewhere counts as absent."""
        held: list[Held] = []
        for entry in entries:
            try:
                payload = self._seals.open(entry.tenant, entry.id, entry.sealed)
            except Unsealable:
                log.error("a stored response cannot be opened", extra={"response": entry.id})  # noqa: TRY400
                continue
            held.append(Held(entry.id, entry.status, payload))
        return tuple(held)
