"""Retention of kept contents: erasure, legal holds, expiry. Blocks; one thread at a time.

The trap is who wins. A legal hold stands above everything: what it covers is neither erased nor
expired, and a wish to erase waits and says so. Which of the two came first is decided in the store
that replicas share (`storage.sealing_turns`), and goes on record with its turn. Whatever destroys
is written into the evidence log first, under pseudonyms; the log itself never changes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from threading import Lock
from typing import Final

from federation.control.custody import Custody
from federation.control.notebook import Notebook
from federation.control.payload_intake import PayloadIntake
from federation.errors import EvidenceUnwritable, NotFound
from federation.evidence.records import DataMoved
from federation.evidence.sealing import Unsealable, key_named, pseudonyms
from federation.storage.payloads import SqlPayloads
from federation.storage.sealing_entries import DATA, ErasureEntry, HoldEntry, KeyEntry
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

    def hold(
        self, tenant: str, subject: str, reason: str, by: str, former: Collection[str] = ()
    ) -> HoldEntry:
        """Keep a person's contents (all of the tenant's where `subject` is empty) until the
        hold is released, whatever their time and whoever wishes them gone. Raises `NotFound` where
        they were erased before: nothing is left to be held. `former` are the pseudonyms that the
        person has had."""
        wished = HoldEntry(new_id("hold"), tenant, subject, reason, by, 0)
        self._note("holding", tenant, subject, id=wished.id, by=by)
        self._logs.holds.add([wished])
        made = self._keys.hold(wished, self._notebook.now_ms())
        if made is None:
            after = self.erased_before(tenant, {subject})
            self._note("nothing_held", tenant, subject, id=wished.id, by=by, after=after)
            raise NotFound(f"'{subject}' was erased: nothing is left to be held.")
        try:
            self._stands(made, self.erased_before(tenant, {subject, *former}))
        except EvidenceUnwritable:
            self._keys.release(made.id, self._notebook.now_ms())
            raise
        return made

    def _stands(self, hold: HoldEntry, after: Iterable[str] = ()) -> None:
        """Write down a hold that stands."""
        about = (hold.tenant, hold.subject)
        self._note("held", *about, id=hold.id, by=hold.by, turn=hold.created_ms, after=after)
        self._logs.holds.add([hold])
        self.custody.look_again()

    def erased_before(self, tenant: str, subjects: Collection[str]) -> list[str]:
        """The erasures of these pseudonyms that are done: what they reached is gone."""
        return [
            wish.id
            for wish in self._keys.erasures()
            if wish.tenant == tenant and wish.subject in subjects and wish.done_ms is not None
        ]

    def sealed_elsewhere(self, tenant: str) -> bool:
        """Whether some of what is kept of a tenant was sealed with keys that are not here: those
        of another gateway, or newer ones. An erasure does not reach it."""
        named = {_key_of(head) for head in self._payloads.samples(tenant)}
        return any(key is not None and self._keys.find(key) is None for key in named)

    def former(self, tenant: str, user: str) -> list[str]:
        """Every pseudonym that a person has had."""
        gone = frozenset(self._keys.erased(tenant, ever=True))
        return pseudonyms(self.custody.naming(tenant).key.key, user, gone)

    def release(self, hold: HoldEntry, by: str) -> None:
        """End a hold; what had waited for it happens with the next sweep. Raises `NotFound`."""
        self._note("released", hold.tenant, hold.subject, id=hold.id, by=by)
        now_ms = self._notebook.now_ms()
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
            self._waits(wish)
        self._logs.erasures.add([wish])
        self._keys.ask_erasure(wish)
        return wish if held else self._erase(wish)

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
        while self._payloads.expire(now_ms, self.holds, SWEEP_MOST) == SWEEP_MOST:
            pass
        self._expire_keys(now_ms)
        self._keys.forget()

    def _recall(self) -> None:
        """What stands in the logs and not in the store, into the store; what was done in the store
        by who ended before it was on record, onto it."""
        self._logs.holds.level()
        self._logs.erasures.level()
        holds = {hold.id: hold for hold in self._keys.holds()}
        for hold in self._logs.holds.read().values():
            known = holds.get(hold.id)
            if known is None and hold.created_ms:
                self._keys.take_up(hold)
            elif known is not None and known.released_ms is None:
                if hold.released_ms is not None:
                    self._keys.release(hold.id, hold.released_ms)
                elif not hold.created_ms:
                    self._stands(known)
        wishes = {wish.id: wish for wish in self._keys.erasures()}
        for wish in self._logs.erasures.read().values():
            before = wishes.get(wish.id)
            if before is None:
                self._keys.ask_erasure(wish)
            elif before.done_ms is None and wish.done_ms is not None:
                self._keys.finish_erasure(wish.id, wish.done_ms, wish.keys)
            elif before.done_ms is not None and wish.done_ms is None:
                self._done(before)

    def _erase_again(self) -> int:
        """Destroy keys that a person's erasure did not find, because the store of keys that was
        there by then was an older one: they are back with the right one. How many."""
        back = self._keys.outlived()
        for key in back:
            log.warning("a key of an erased person had come back", extra={"key": key.id})
            self._end("erasing", key.tenant, key.subject, [key], "erased")
        return len(back)

    def _remove_again(self) -> None:
        """Delete the rows of erased people whose keys are destroyed: a restored backup of the
        data may have brought them back, for nobody to read. Their erasure is on record."""
        # A key that a hold has spared has a tombstone, and lives.
        dead = self._logs.tombstones.read().keys() - {key.id for key in self._keys.living(DATA)}
        people: dict[str, set[str]] = {}
        for wish in self._keys.erasures():
            if wish.done_ms is not None:
                people.setdefault(wish.tenant, set()).add(wish.subject)

        def gone(sealed: bytes) -> bool:
            return _key_of(sealed) in dead

        rows = 0
        for tenant, subjects in people.items():
            each = sorted(subjects)
            for at in range(0, len(each), SWEEP_MOST):
                rows += self._payloads.remove_sealed(tenant, each[at : at + SWEEP_MOST], gone)
        if rows:
            log.warning("a backup had brought erased rows back", extra={"rows": rows})

    def _erase(self, wish: ErasureEntry) -> ErasureEntry:
        keys = self.custody.keys_of(wish.tenant, wish.subject)
        about = (wish.tenant, wish.subject)
        names = [key.id for key in keys]
        self._note("erasing", *about, id=wish.id, by=wish.by, keys=names)
        done = self.custody.erase(wish, keys)
        if done.done_ms is None:
            self._waits(wish)
            return wish
        try:
            self._done(done)
        except EvidenceUnwritable:
            self._is_open = False  # it is done, and is told by whoever opens this next
            raise
        rows = self._payloads.remove(*about, self.holds)
        self.custody.look_again()
        # What came in between, by a replica that did not know yet.
        self.blot_out(*about)
        log.info("contents erased", extra={"erasure": wish.id, "keys": done.keys, "rows": rows})
        return done

    def _waits(self, wish: ErasureEntry) -> None:
        """Write down that holds came before an erasure."""
        holds = [hold.id for hold in self.held_by(wish.tenant, wish.subject)]
        self._note("erasure_waits", wish.tenant, wish.subject, id=wish.id, by=wish.by, after=holds)

    def _done(self, wish: ErasureEntry) -> None:
        """Write down an erasure that is done, and the holds that it had waited for."""
        about, turn = (wish.tenant, wish.subject), wish.done_ms or 0
        after = [
            hold.id
            for hold in self._keys.holds()
            if hold.covers(*about) and wish.asked_ms <= (hold.released_ms or 0) < turn
        ]
        self._note("erased", *about, id=wish.id, by=wish.by, turn=turn, after=after)
        self._logs.erasures.add([wish])

    def blot_out(self, tenant: str, subject: str) -> None:
        """Destroy what was made for a pseudonym while it was erased; for one that is."""
        keys = self.custody.keys_of(tenant, subject)
        if keys:
            self._end("erasing", tenant, subject, keys, "erased")
            self._payloads.remove(tenant, subject, self.holds)

    def _expire_keys(self, now_ms: int) -> None:
        """Destroy keys that nothing needs any more."""
        while old := self.custody.expired(now_ms, self.holds(), SWEEP_MOST):
            by_tenant: dict[str, list[KeyEntry]] = {}
            for key in old:
                by_tenant.setdefault(key.tenant, []).append(key)
            for tenant, keys in by_tenant.items():
                self._end("expired", tenant, "", keys, "expired")

    def _end(
        self, event: str, tenant: str, subject: str, keys: Sequence[KeyEntry], why: str
    ) -> None:
        """Destroy keys, but for those that a hold covers by now."""
        names = [key.id for key in keys]
        self._note(event, tenant, subject, keys=names)
        if self.custody.destroy(keys, why) < len(names):
            living = {key.id for key in self._keys.living(DATA, tenant)}
            if spared := [name for name in names if name in living]:
                self._note("spared", tenant, subject, keys=spared)

    def _note(
        self,
        event: str,
        tenant: str = "",
        subject: str = "",
        *,
        id: str = "",  # noqa: A002  the record's own word
        by: str = "",
        keys: Iterable[str] = (),
        turn: int = 0,
        after: Iterable[str] = (),
    ) -> None:
        about, of = (event, tenant, subject, id, by), tuple(keys)
        now_ms = self._notebook.now_ms()
        record = DataMoved(now_ms, *about, keys=of, turn=turn, after=tuple(after))
        self._notebook.write(record)


def _key_of(sealed: bytes) -> str | None:
    """The key that sealed something; None where nobody could have."""
    try:
        return key_named(sealed)
    except Unsealable:
        return None


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
        return not self._newest or not 0 <= self._clock() - self._made_s < self._every_s

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
