"""Retention of kept contents: erasure, legal holds, expiry. Blocks; one thread at a time.

The trap is who wins. A legal hold stands above everything: what it covers is neither erased nor
expired, and a wish to erase waits and says so. Whatever destroys is written into the evidence
log first, under pseudonyms; the log itself never changes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import replace
from threading import Lock
from typing import Final

from federation.control.custody import Custody
from federation.control.notebook import Notebook
from federation.control.payload_intake import PayloadIntake
from federation.errors import NotFound
from federation.evidence.records import DataMoved
from federation.evidence.sealing import Unsealable, key_named
from federation.storage.payloads import SqlPayloads
from federation.storage.sealing_entries import ErasureEntry, HoldEntry, KeyEntry
from federation.storage.sealing_keys import SqlSealingKeys
from federation.storage.sealing_logs import SealingLogs
from federation.storage.secrets import new_id

log = logging.getLogger(__name__)

SWEEP_MOST: Final = 500
"""Rows deleted in one transaction: other writers wait for no more than that."""


class Retention:
    """Erasures, holds and the end of contents. Methods raise `Unavailable` where a store cannot
    be reached, and `EvidenceUnwritable`: then nothing was destroyed."""

    def __init__(
        self,
        custody: Custody,
        keys: SqlSealingKeys,
        payloads: SqlPayloads,
        intake: PayloadIntake,
        notebook: Notebook,
        logs: SealingLogs,
    ) -> None:
        self.custody = custody
        self._keys = keys
        self._payloads = payloads
        self._intake = intake
        self._notebook = notebook
        self._logs = logs
        self._opening = Lock()
        self._is_open = False

    def ensure(self) -> None:
        """Open where that is not done yet; from any thread."""
        with self._opening:
            if not self._is_open:
                self.open()

    def open(self) -> None:
        """Destroy again what a restored backup brought back, and put that on record; take up
        holds and erasures that it knows nothing of, and delete rows that were erased since."""
        self._recall()
        back = self.custody.open()
        if back:
            log.warning("a backup had brought destroyed keys back", extra={"keys": len(back)})
            self._note("restored", keys=back)
        self._erase_again()
        self._remove_again()
        self._is_open = True

    def holds(self) -> list[HoldEntry]:
        """The holds in force, oldest first."""
        return [hold for hold in self._keys.holds() if hold.released_ms is None]

    def hold(self, tenant: str, subject: str, reason: str, by: str) -> HoldEntry:
        """Keep a person's contents (all of the tenant's where `subject` is empty) until the
        hold is released, whatever their time and whoever wishes them gone."""
        made = HoldEntry(new_id("hold"), tenant, subject, reason, by, self._notebook.now_ms())
        self._note("held", tenant, subject, id=made.id, by=by)
        self._logs.holds.add([made])
        self._keys.hold(made)
        self.custody.look_again()
        return made

    def release(self, hold: HoldEntry, by: str) -> None:
        """End a hold; what had waited for it happens with the next sweep. Raises `NotFound`."""
        now_ms = self._notebook.now_ms()
        self._note("released", hold.tenant, hold.subject, id=hold.id, by=by)
        self._logs.holds.add([replace(hold, released_ms=now_ms)])
        if not self._keys.release(hold.id, now_ms):
            raise NotFound(f"There is no hold '{hold.id}' in force.")
        self.custody.look_again()

    def held_by(self, tenant: str, subject: str) -> list[HoldEntry]:
        """The holds that cover a person."""
        return [hold for hold in self.holds() if hold.covers(tenant, subject)]

    def erase(self, tenant: str, subject: str, by: str) -> ErasureEntry:
        """Make a person's contents unreadable for good, here and in every backup; all that was
        kept of calls that have ended by now. Where a hold covers them the erasure waits: its
        `done_ms` is None. A call that has begun by now and ends later loses its content as well,
        unless a hold covers its person then; who calls later begins anew."""
        self._intake.run()
        wish = ErasureEntry(new_id("erasure"), tenant, subject, by, self._notebook.now_ms())
        held = bool(self.held_by(tenant, subject))
        if held:
            self._note("erasure_waits", tenant, subject, id=wish.id, by=by)
        self._logs.erasures.add([wish])
        self._keys.ask_erasure(wish)
        return wish if held else self._erase(wish)

    def blank(self, tenant: str, subject: str) -> bool:
        """Whether a pseudonym was erased, with all that there was."""
        gone = bool(self._keys.erased(tenant, subject))
        return gone and not self.custody.keys_of(tenant, subject)

    def told(self, tenant: str, subject: str, by: str) -> None:
        """Put on record that somebody asked who is behind a pseudonym, or which one they have."""
        self._note("named", tenant, subject, by=by)

    def erasures(self) -> list[ErasureEntry]:
        """Every erasure that was asked for, oldest first."""
        return self._keys.erasures()

    def sweep(self, now_ms: int) -> None:
        """Do what its time has come for: erasures that nothing holds any more, and contents
        and keys beyond their day."""
        for wish in self._keys.erasures():
            if wish.done_ms is None and not self.held_by(wish.tenant, wish.subject):
                self._erase(wish)
        if self._erase_again():
            self._remove_again()
        # Holds are asked for before each step: one that came meanwhile covers what follows.
        while self._payloads.expire(now_ms, self.holds(), SWEEP_MOST) == SWEEP_MOST:
            pass
        self._expire_keys(now_ms)
        self._keys.forget()

    def _recall(self) -> None:
        """What stands in the logs and not in the store, into the store."""
        self._logs.holds.level()
        self._logs.erasures.level()
        holds = {hold.id: hold for hold in self._keys.holds()}
        for hold in self._logs.holds.read().values():
            known = holds.get(hold.id)
            if known is None:
                self._keys.hold(hold)
            elif known.released_ms is None and hold.released_ms is not None:
                self._keys.release(hold.id, hold.released_ms)
        wishes = {wish.id: wish for wish in self._keys.erasures()}
        for wish in self._logs.erasures.read().values():
            before = wishes.get(wish.id)
            if before is None:
                self._keys.ask_erasure(wish)
            elif before.done_ms is None and wish.done_ms is not None:
                self._keys.finish_erasure(wish.id, wish.done_ms, wish.keys)

    def _erase_again(self) -> int:
        """Destroy keys that a person's erasure did not find, because the store of keys that was
        there by then was an older one: they are back with the right one. How many."""
        back = self._keys.outlived()
        for key in back:
            log.warning("a key of an erased person had come back", extra={"key": key.id})
            self._note("erasing", key.tenant, key.subject, keys=[key.id])
            self.custody.destroy([key], "erased")
        return len(back)

    def _remove_again(self) -> None:
        """Delete the rows of erased people whose keys are destroyed: a restored backup of the
        data may have brought them back, for nobody to read. Their erasure is on record."""
        dead = self._logs.tombstones.read()
        people: dict[str, set[str]] = {}
        for wish in self._keys.erasures():
            if wish.done_ms is not None:
                people.setdefault(wish.tenant, set()).add(wish.subject)

        def gone(sealed: bytes) -> bool:
            try:
                return key_named(sealed) in dead
            except Unsealable:
                return False

        rows = 0
        for tenant, subjects in people.items():
            each = sorted(subjects)
            for at in range(0, len(each), SWEEP_MOST):
                rows += self._payloads.remove_sealed(tenant, each[at : at + SWEEP_MOST], gone)
        if rows:
            log.warning("a backup had brought erased rows back", extra={"rows": rows})

    def _erase(self, wish: ErasureEntry) -> ErasureEntry:
        keys = self.custody.keys_of(wish.tenant, wish.subject)
        names = [key.id for key in keys]
        about = (wish.tenant, wish.subject)
        self._note("erasing", *about, id=wish.id, by=wish.by, keys=names)
        self.custody.destroy(keys, "erased")
        rows = self._payloads.remove(*about)
        done = replace(wish, done_ms=self._notebook.now_ms(), keys=len(keys))
        self._note("erased", *about, id=wish.id, by=wish.by)
        self._logs.erasures.add([done])
        self._keys.finish_erasure(wish.id, done.done_ms or 0, len(keys))
        self.custody.look_again()
        # What came in between, by a replica that did not know yet.
        self.blot_out(*about)
        log.info("contents erased", extra={"erasure": wish.id, "keys": len(keys), "rows": rows})
        return done

    def blot_out(self, tenant: str, subject: str) -> None:
        """Destroy what was made for a pseudonym while it was erased; for one that is."""
        keys = self.custody.keys_of(tenant, subject)
        if keys:
            self._note("erasing", tenant, subject, keys=[key.id for key in keys])
            self.custody.destroy(keys, "erased")
            self._payloads.remove(tenant, subject)

    def _expire_keys(self, now_ms: int) -> None:
        """Destroy keys that nothing needs any more."""
        while old := self.custody.expired(now_ms, self.holds(), SWEEP_MOST):
            by_tenant: dict[str, list[KeyEntry]] = {}
            for key in old:
                by_tenant.setdefault(key.tenant, []).append(key)
            for tenant, keys in by_tenant.items():
                self._note("expired", tenant, keys=[key.id for key in keys])
                self.custody.destroy(keys, "expired")

    def _note(
        self,
        event: str,
        tenant: str = "",
        subject: str = "",
        *,
        id: str = "",  # noqa: A002  the record's own word
        by: str = "",
        keys: Iterable[str] = (),
    ) -> None:
        now_ms = self._notebook.now_ms()
        record = DataMoved(now_ms, event, tenant, subject, id, by, tuple(keys))
        self._notebook.write(record)


class SpoolKeys:
    """The keys that workers seal with on the way here: a new one now and then, and the older
    ones destroyed as soon as nothing needs them. `publish` hears of each new one, `taken` says
    which one every connected worker uses, by its writer."""

    def __init__(
        self,
        owner: str,
        custody: Custody,
        intake: PayloadIntake,
        clock: Callable[[], float],
        every_s: float = 3600.0,
    ) -> None:
        self.taken: Callable[[], dict[str, str]] = dict
        self._owner = owner
        self._custody = custody
        self._intake = intake
        self._clock = clock
        self._every_s = every_s
        self._newest = ""
        self._made_s = 0.0

    @property
    def made(self) -> bool:
        """Whether workers have one at all."""
        return bool(self._newest)

    def due(self) -> bool:
        """Whether it is time for a new one."""
        return not self._newest or self._clock() - self._made_s >= self._every_s

    def make(self) -> tuple[str, bytes]:
        """A new key for all workers: its id and itself."""
        key = self._custody.spool_key(self._owner)
        self._newest, self._made_s = key.id, self._clock()
        return key.id, key.key

    def retire(self) -> int:
        """Destroy the older keys, once every worker uses the newest one and all that was
        spooled is taken in; how many there were."""
        if not self._newest or not self._intake.settled(self._newest, self.taken()):
            return 0
        self._intake.run()
        older = [key for key in self._custody.spool_keys(self._owner) if key != self._newest]
        return self._custody.destroy(older, "spool")
