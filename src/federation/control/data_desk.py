"""Kept contents as people ask for them: read, hold, erase, rotate keys; and the task behind it.

The trap: whoever reads a content must be seen reading it, so the record comes first and the
content after. A person is named by the id that calls carry; stores and log know a pseudonym.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

import msgspec

from federation.control.custody_parts import KeyGone, Rotation
from federation.control.ledger import Ledger
from federation.control.notebook import Notebook
from federation.control.payload_intake import TABLE, PayloadIntake
from federation.control.permissions import Permission, home, may, reach
from federation.control.retention import Retention, SpoolKeys
from federation.control.threads import Errands
from federation.domain.access import VirtualKey
from federation.domain.pseudonyms import is_pseudonym
from federation.errors import FederationError, Forbidden, InvalidRequest, NotFound, Unavailable
from federation.evidence.records import DataMoved
from federation.evidence.sealing import Row, Unsealable, commitment
from federation.schema.link import SpoolKey
from federation.schema.payloads import Payload
from federation.schema.records import CallEnded
from federation.storage.payloads import SqlPayloads
from federation.storage.sealing_entries import (
    ErasureEntry,
    HoldEntry,
    PayloadEntry,
    PayloadFilter,
)

log = logging.getLogger(__name__)

ROUND_S: Final = 1.0
SWEEP_S: Final = 60.0
_decode = msgspec.msgpack.Decoder(Payload).decode


@dataclass(frozen=True, slots=True)
class Opened:
    """A kept content that was opened."""

    entry: PayloadEntry
    payload: Payload = field(repr=False)
    proven: bool | None
    """Whether it is what the call's record commits to; None where there is no record of it."""


class DataDesk:
    """One for each gateway. `publish` hears of keys for workers; `wanted` says whether any
    content may have to be kept, `begun` whether there may be anything at all; `forget` puts, for
    a tenant and a name or pseudonym, a pseudonym where the name is kept beside contents; `age` is
    the time by which things are deleted."""

    def __init__(
        self,
        retention: Retention,
        spool_keys: SpoolKeys,
        payloads: SqlPayloads,
        intake: PayloadIntake,
        notebook: Notebook,
        ledger: Ledger,
        wanted: Callable[[], bool],
        begun: Callable[[], bool],
        forget: Callable[[str, str, str], None],
        clock: Callable[[], float],
        age: Callable[[], float],
    ) -> None:
        self.publish: Callable[[SpoolKey], None] = lambda _: None
        self.spool_keys = spool_keys
        self._retention = retention
        self._payloads = payloads
        self._intake = intake
        self._notebook = notebook
        self._ledger = ledger
        self._wanted = wanted
        self._begun = begun
        self._forget = forget
        self._clock = clock
        self._age = age
        self._errands = Errands("data")
        self._open = False
        self._well = True
        self._swept_s = 0.0
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def lost(self) -> int:
        """Contents that nobody can read any more, of those that this process has taken in."""
        return self._intake.lost

    async def prepare(self) -> None:
        """Have a key ready for workers, before the first of them comes, where one is needed.
        Never raises: what does not go now is tried again."""
        await self._try(self._prepare)

    async def follow(self) -> None:
        """Take contents in, rotate the workers' key and sweep, until cancelled. Raises only
        what is a bug."""
        while True:
            await self._try(self._round)
            await asyncio.sleep(ROUND_S)

    async def close(self) -> None:
        """Take in what is left, and let go of keys and thread."""
        await self._try(self._intake.run)
        await self._errands.run(self._retention.custody.close)
        self._errands.close()
        self._notebook.close()

    async def page(
        self,
        asker: VirtualKey,
        tenant: str | None,
        user: str | None,
        limit: int,
        before: tuple[int, str] | None,
    ) -> list[PayloadEntry]:
        """What is kept, newest first, unopened. Raises `NotFound`."""
        seen = reach(asker, tenant)
        if user is not None:
            seen = home(asker, tenant)

        def found() -> list[PayloadEntry]:
            self._intake.run()
            subjects = None if user is None else self._names(seen or "", user)
            return self._payloads.page(PayloadFilter(seen, subjects, limit, before))

        return await self._errands.run(found)

    async def read(self, asker: VirtualKey, call: str) -> Opened:
        """What was said and answered in a call; that it was read is put on record first.
        Raises `NotFound`; 410 where it was erased."""
        seen = reach(asker, None)
        entry = await self._errands.run(self._found, call, seen)
        try:
            record = (await self._ledger.find(call, seen)).record
        except NotFound:
            record = None
        said = record.payload if isinstance(record, CallEnded) else ""
        return await self._errands.run(self._opened, entry, said, asker.id)

    async def holds(self, asker: VirtualKey, tenant: str | None) -> list[HoldEntry]:
        """The holds in force that the asker can see, oldest first."""
        seen = reach(asker, tenant)
        found = await self._errands.run(self._retention.holds)
        return [hold for hold in found if seen in (None, hold.tenant)]

    async def hold(
        self, asker: VirtualKey, tenant: str | None, user: str | None, reason: str
    ) -> tuple[HoldEntry, list[str]]:
        """Set a hold on a person, or on everything of a tenant; with the erasures of the person
        that came first. Raises `NotFound`, also for a pseudonym that was erased: nothing is left to
        be held."""
        place = home(asker, tenant)

        def made() -> tuple[HoldEntry, list[str]]:
            if user is None:
                return self._retention.hold(place, "", reason, asker.id), []
            if is_pseudonym(user):
                held = self._retention.hold(place, user, reason, asker.id)
            else:
                held = self._hold_by_name(place, user, reason, asker.id)
            former = {user} if is_pseudonym(user) else self._retention.former(place, user)
            return held, self._retention.erased_before(place, former)

        return await self._errands.run(made)

    def _hold_by_name(self, place: str, user: str, reason: str, by: str) -> HoldEntry:
        """A hold on each pseudonym of a person; the one on that of now."""
        while True:
            former = self._retention.former(place, user)
            now, *older = self._names(place, user)
            try:
                held = self._retention.hold(place, now, reason, by, former)
            except NotFound:
                continue  # erased in this moment by another replica: they are somebody else now
            for each in older:
                with contextlib.suppress(NotFound):
                    self._retention.hold(place, each, reason, by)
            return held

    async def release(self, asker: VirtualKey, hold: str) -> None:
        """End a hold; what waited for it happens now. Raises `NotFound`."""
        found = [each for each in await self.holds(asker, None) if each.id == hold]
        if not found:
            raise NotFound(f"There is no hold '{hold}' in force.")

        def ended() -> None:
            self._retention.release(found[0], asker.id)
            self._retention.sweep(int(self._age() * 1000))

        await self._errands.run(ended)

    async def erase(
        self, asker: VirtualKey, tenant: str | None, user: str
    ) -> tuple[ErasureEntry, list[HoldEntry]]:
        """Erase a person's contents, and the holds that it waits for, if any. Raises
        `NotFound`."""
        place = home(asker, tenant)

        def erased() -> tuple[ErasureEntry, list[HoldEntry]]:
            # Taken in first: what waits to be may be somebody's whom nothing else names yet.
            self._intake.run()
            subjects = self._names(place, user)
            self._forget(place, user, subjects[0])
            done = [self._retention.erase(place, each, asker.id) for each in subjects]
            # What its spools held is unreadable as soon as their key is gone.
            if self.spool_keys.made:
                self._new_spool_key()
            waiting = [each for each in done if each.done_ms is None]
            held = [self._retention.held_by(place, each.subject) for each in waiting]
            whole = replace(done[0], keys=sum(each.keys for each in done))
            holds = {hold.id: hold for each in held for hold in each}
            return (waiting or [whole])[0], list(holds.values())

        return await self._errands.run(erased)

    async def sealed_elsewhere(self, asker: VirtualKey, tenant: str | None) -> bool:
        """Whether an erasure leaves something of a tenant, whose keys are not in our store of
        keys. Raises `NotFound`."""
        return await self._errands.run(self._retention.sealed_elsewhere, home(asker, tenant))

    async def erasures(self, asker: VirtualKey, tenant: str | None) -> list[ErasureEntry]:
        """Every erasure that the asker can see, oldest first."""
        seen = reach(asker, tenant)
        found = await self._errands.run(self._retention.erasures)
        return [each for each in found if seen in (None, each.tenant)]

    async def rotate(
        self, asker: VirtualKey, tenant: str | None, *, root: bool, begin: bool, most: int | None
    ) -> Rotation:
        """Bring keys under a newer one; see `Custody.rotate`. Raises `NotFound`, `Forbidden`."""
        place = self._root_or_home(asker, tenant, root=root)

        def turned() -> Rotation:
            custody = self._retention.custody
            if place is None:
                stands = custody.rotate_root(begin=begin, most=most)
            else:
                stands = custody.rotate(place, begin=begin, most=most)
            event = "rotating" if stands.left else "rotated"
            now_ms, keys = self._now_ms(), (stands.newest,)
            self._notebook.write(DataMoved(now_ms, event, place or "", by=asker.id, keys=keys))
            return stands

        return await self._errands.run(turned)

    async def keys(self, asker: VirtualKey, tenant: str | None, *, root: bool) -> Rotation:
        """Which keys are wrapped by which. Raises `NotFound`, `Forbidden`."""
        place = self._root_or_home(asker, tenant, root=root)
        return await self._errands.run(self._retention.custody.standing, place)

    def _root_or_home(self, asker: VirtualKey, tenant: str | None, *, root: bool) -> str | None:
        if not root:
            return home(asker, tenant)
        if tenant is not None:
            raise InvalidRequest("The root is above all tenants: leave 'tenant' out.")
        if not may(asker, Permission.ALL_TENANTS):
            raise Forbidden("Only an administrator rotates the root key.")
        return None

    def _found(self, call: str, tenant: str | None) -> PayloadEntry:
        entry = self._payloads.find(call, tenant)
        if entry is None:
            self._intake.run()
            entry = self._payloads.find(call, tenant)
        if entry is None:
            raise NotFound(f"Nothing is kept of the call '{call}'.")
        return entry

    def _opened(self, entry: PayloadEntry, said: str, by: str) -> Opened:
        self._notebook.write(
            DataMoved(self._now_ms(), "read", entry.tenant, entry.subject, by=by, call=entry.call)
        )
        try:
            content = self._retention.custody.content(
                Row(entry.tenant, TABLE, entry.call), entry.sealed
            )
            payload = _decode(content)
        except KeyGone:
            message = "This content was erased: its key was destroyed."
            raise NotFound(message, status=410, code="content_erased") from None
        except (Unsealable, msgspec.DecodeError) as error:
            message = "This content does not open: it was changed, or its key is missing."
            raise Unavailable(message, code="content_unreadable") from error
        proven = commitment(payload.salt, content) == said if said else None
        return Opened(entry, payload, proven)

    def _names(self, tenant: str, user: str) -> tuple[str, ...]:
        """A person's pseudonyms, the one of now first; one that was given as it stands."""
        if is_pseudonym(user):
            return (user,)
        # Another replica may have erased them in this moment.
        self._retention.custody.look_again()
        return tuple(self._retention.custody.names(tenant, user))

    def _prepare(self) -> None:
        if not self._begun():
            return
        if not self._open:
            self._retention.ensure()
            self._open = True
        if self._wanted() and self.spool_keys.due():
            self._new_spool_key()

    def _round(self) -> None:
        self._prepare()
        if not self._open:
            return
        self._intake.run()
        self.spool_keys.retire()
        now = self._age()
        if not 0 <= now - self._swept_s < SWEEP_S:
            self._retention.sweep(int(now * 1000))
            self._swept_s = now

    def _new_spool_key(self) -> None:
        made = SpoolKey(*self.spool_keys.make())
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self.publish, made)

    async def _try(self, errand: Callable[[], object]) -> None:
        self._loop = asyncio.get_running_loop()
        try:
            await self._errands.run(errand)
        except (FederationError, OSError) as error:
            if self._well:
                log.error("kept contents wait", extra={"reason": str(error)})  # noqa: TRY400
            self._well = False
        else:
            self._well = True

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)
