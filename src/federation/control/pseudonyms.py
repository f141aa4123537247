"""The users behind the pseudonyms in records: their names, kept sealed and told to who may know.

Workers ask here for the keys that pseudonyms are made with, and report each name once. The trap:
after an erasure no name may be found for a pseudonym ever again. So a name that comes late is
dropped, and one that was kept while another replica erased it is destroyed at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Final

from federation.control.custody import NAMES_TABLE
from federation.control.custody_parts import KeyGone
from federation.control.permissions import Permission, may, reach
from federation.control.pseudonym_words import parts_of
from federation.control.retention import Retention
from federation.control.threads import LATER, Errands
from federation.domain.access import VirtualKey
from federation.domain.pseudonyms import covered, is_pseudonym
from federation.errors import FederationError, InvalidRequest, Unavailable
from federation.evidence.sealing import Row, Unsealable, pseudonyms
from federation.schema.link import NamesAsk, NamesKey, NamesSeen
from federation.storage.pseudonyms import SqlPseudonyms
from federation.storage.sealing_entries import NAMES
from federation.storage.sealing_keys import SqlSealingKeys

log = logging.getLogger(__name__)

LOOK_S: Final = 2.0
"""Between two looks whether somebody was erased, here or by another replica."""
AGAIN_S: Final = 0.25
AT_ONCE: Final = 500
"""Names that are kept in one go."""
WAITING: Final = 100_000
"""Names that wait for a store that is away; beyond them a pseudonym stays without a name."""
MOST_TOLD: Final = 1_000
"""Tenants whose keys workers have from the start; they ask for others."""
NOTED: Final = 20_000
"""People who have signed in, of whom it is remembered that their names are kept."""
MOST_TENANTS: Final = 200
"""In which a user is looked for at once."""
_BAD: Final = ("sealing_key_wrong", "sealing_key_missing")
"""Codes of keys that do not open while the store is there."""


class PseudonymDesk:
    """One for each gateway. `publish` hears of keys for workers; `begun` says whether there may
    be any key at all. Methods for people raise `Unavailable` where keys cannot be reached."""

    def __init__(
        self,
        retention: Retention,
        keys: SqlSealingKeys,
        store: SqlPseudonyms,
        begun: Callable[[], bool],
        clock: Callable[[], float],
    ) -> None:
        self.publish: Callable[[NamesKey], None] = lambda _: None
        self._retention = retention
        self._keys = keys
        self._store = store
        self._begun = begun
        self._clock = clock
        self._later = Errands("names", LATER)
        self._reads = Errands("names-read")
        self._asked: set[str] = set()
        self._asking = asyncio.Event()
        self._seen: dict[str, dict[str, str]] = {}
        self._seeing = asyncio.Event()
        self._noted: dict[tuple[str, str], str] = {}
        """The pseudonyms of people whose names were kept by `note`."""
        self._changes = 0
        self._bad: set[str] = set()
        """Tenants whose keys do not open."""
        self._waiting: set[Callable[[], Awaitable[None]]] = set()
        """What did not go, the last time."""

    def hear(self, message: NamesAsk | NamesSeen) -> None:
        """What a worker says."""
        if isinstance(message, NamesAsk):
            self._asked.add(message.tenant)
            self._asking.set()
        elif message.tenant in self._bad and len(self._seen.get(message.tenant, ())) >= AT_ONCE:
            pass  # They would take the room of all others.
        elif sum(map(len, self._seen.values())) < WAITING:
            self._seen.setdefault(message.tenant, {}).update(message.users)
            self._seeing.set()

    async def follow(self) -> None:
        """Answer workers and keep names until cancelled. Raises only what is a bug."""
        await self._try(self._remember)
        await asyncio.gather(
            self._for_ever(self._asking, self._answer), self._for_ever(self._seeing, self._keep)
        )

    async def close(self) -> None:
        """Keep what was heard, and end the threads."""
        left, now = -1, sum(map(len, self._seen.values()))
        while now != left and now and await self._try(self._keep):
            left, now = now, sum(map(len, self._seen.values()))
        self._later.close()
        self._reads.close()

    async def subjects(self, tenant: str | None, user: str) -> tuple[str, ...]:
        """What records may call a user: by the pseudonym, and before there were any, by name.

        A pseudonym is taken as it stands. `tenant` None is all of them; raises
        `InvalidRequest` where these are too many.
        """
        if not user or is_pseudonym(user) or not self._begun():
            return (user,)
        return await self._reads.run(self._subjects, tenant, user)

    def stands_for(self, tenant: str, user: str) -> str:
        """What records call a user of this tenant, for whoever may block. Raises `Unavailable`
        where keys cannot be reached."""
        if is_pseudonym(user):
            return user
        self._retention.ensure()
        return self._retention.custody.name(tenant, user)

    def note(self, tenant: str, user: str) -> str:
        """What records call somebody of this name; it is kept before any record says it. Raises
        `Unavailable` where keys or the store cannot be reached. Blocks."""
        try:
            self._retention.ensure()
            subject = self._retention.custody.name(tenant, user)
            if self._noted.get((tenant, user)) != subject:
                self._kept(tenant, {subject: user})
                if len(self._noted) >= NOTED:
                    self._noted.clear()
                self._noted[tenant, user] = subject
        except (KeyGone, Unsealable) as error:
            raise _closed() from error
        return subject

    def ever(self, tenant: str, user: str) -> tuple[str, ...]:
        """The name of a user, who is given by it or by a pseudonym, and each pseudonym that they
        have had. Empty where nobody knows any more whose it was. Raises as `note`. Blocks."""
        self._retention.ensure()
        custody = self._retention.custody
        try:
            name = self._opened(tenant, {user}).get(user) if is_pseudonym(user) else user
            if name is None:
                return ()
            gone = frozenset(self._keys.erased(tenant, ever=True))
            chain = pseudonyms(custody.naming(tenant).key.key, name, gone)
        except (KeyGone, Unsealable) as error:
            raise _closed() from error
        return name, *chain

    async def tags(self, tenant: str | None, tag: str) -> tuple[str, ...]:
        """What records may call a tag that names a user: the tag itself is the last. `tenant`
        None is all of them; raises `InvalidRequest` where these are too many for an address. A
        tenant whose key does not open now is left out."""
        parts = parts_of(tag)
        if not parts or not self._begun():
            return (tag,)
        return await self._reads.run(self._tags, tenant, tag, parts)

    async def shown(
        self, asker: VirtualKey, tenant: str | None, subjects: Iterable[str]
    ) -> dict[str, str]:
        """Names by pseudonym, for who may see a tenant's people; without those that were
        erased, and those that nobody told of. Raises `NotFound` for a tenant out of reach."""
        seen = reach(asker, tenant)
        wanted = {subject for subject in subjects if is_pseudonym(subject)}
        if not wanted or not may(asker, Permission.READ_TENANCY) or not self._begun():
            return {}
        return await self._reads.run(self._opened, seen, wanted)

    async def asked(self, asker: VirtualKey, tenant: str, subject: str) -> None:
        """Put on record that this pseudonym is told for its name, or the other way; before it
        is. Raises `EvidenceUnwritable`."""
        await self._reads.run(self._retention.told, tenant, subject, asker.id)

    async def _for_ever(self, news: asyncio.Event, errand: Callable[[], Awaitable[None]]) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(news.wait(), LOOK_S)
            news.clear()
            if not await self._try(errand):
                news.set()
                await asyncio.sleep(AGAIN_S)

    async def _try(self, errand: Callable[[], Awaitable[None]]) -> bool:
        try:
            await errand()
        except (FederationError, OSError, KeyGone, Unsealable) as error:
            # The last two: the store of keys is not the one that goes with these.
            if errand not in self._waiting:
                log.error("names wait", extra={"reason": str(error)})  # noqa: TRY400
            self._waiting.add(errand)
            return False
        self._waiting.discard(errand)
        return True

    async def _remember(self) -> None:
        """Tell workers at the start what they will ask for: no call is to wait for it."""
        if self._begun():
            there = await self._reads.run(self._keys.living, NAMES)
            self._asked |= {key.tenant for key in there[-MOST_TOLD:]}
            self._asking.set()

    async def _answer(self) -> None:
        """Tell workers what they asked for, and all of it anew where somebody was erased."""
        asked = set(self._asked)
        if asked or self._begun():
            for key in await self._reads.run(self._keys_for, asked):
                self.publish(key)
                self._asked.discard(key.tenant)

    async def _keep(self) -> None:
        for tenant, users in list(self._seen.items()):
            some = dict(itertools.islice(users.items(), AT_ONCE))
            if not await self._later.run(self._each, tenant, self._kept, tenant, some):
                continue
            for subject in some:
                del users[subject]
            if users:
                self._seeing.set()
            else:
                del self._seen[tenant]

    def _keys_for(self, asked: set[str]) -> list[NamesKey]:
        self._retention.ensure()
        custody = self._retention.custody
        changes = self._keys.erased_changes()
        if changes != self._changes:
            custody.look_again()
            gone = (each for each in self._keys.erasures() if each.done_ms is not None)
            asked = asked | {each.tenant for each in gone}
        keys: list[NamesKey] = []
        for tenant in sorted(asked):
            self._each(tenant, self._key_for, tenant, keys)
        self._changes = changes
        return keys

    def _key_for(self, tenant: str, keys: list[NamesKey]) -> None:
        naming = self._retention.custody.naming(tenant)
        keys.append(NamesKey(tenant, naming.key.key, sorted(naming.erased)))

    def _each(self, tenant: str, errand: Callable[..., None], *args: object) -> bool:
        """Do it; False where it fails by this tenant's keys: the others' have to go on."""
        try:
            errand(*args)
        except (KeyGone, Unsealable, Unavailable) as error:
            if isinstance(error, Unavailable) and error.code not in _BAD:
                raise
            if tenant not in self._bad:
                self._bad.add(tenant)
                reason = str(error) or type(error).__name__
                log.error("a tenant's names wait", extra={"tenant": tenant, "reason": reason})  # noqa: TRY400
            return False
        self._bad.discard(tenant)
        return True

    def _kept(self, tenant: str, users: Mapping[str, str]) -> None:
        """Keep who is new, sealed. Who was erased since a worker named them stays so."""
        self._retention.ensure()
        custody = self._retention.custody
        custody.look_again()
        naming = custody.naming(tenant)
        gone = naming.erased | self._store.known(tenant, users)
        new = {subject: user for subject, user in users.items() if subject not in gone}
        self._store.add(tenant, custody.seal_names(tenant, new), int(self._clock() * 1000))
        # In this very moment, too, by another thread or replica.
        for subject in new.keys() & set(self._keys.erased(tenant)):
            self._retention.blot_out(tenant, subject)

    def _subjects(self, tenant: str | None, user: str) -> tuple[str, ...]:
        custody = self._retention.custody
        found = {custody.name(each, user): each for each in self._named_in(tenant)}
        if tenant is None:
            known = {subject for subject, _, _ in self._store.find(None, found)}
            return (*sorted(known), user)
        return (*found, user)

    def _tags(self, tenant: str | None, tag: str, parts: list[str]) -> tuple[str, ...]:
        told: dict[str, None] = {}
        # Most tags name nobody, and are then what records call them.
        for each in self._named_in(tenant, may_be_many=not any("@" in part for part in parts)):
            try:
                names = {part: self._retention.custody.name(each, part) for part in parts}
            except Unavailable:
                continue
            there = {subject for subject, _, _ in self._store.find(each, names.values())}
            known = [part for part in parts if names[part] in there]
            whole = tag
            for part in known:
                told[covered(tag, part, names[part])] = None
                whole = covered(whole, part, names[part])
            told[whole] = None
        return (*(each for each in told if each != tag), tag)

    def _named_in(self, tenant: str | None, *, may_be_many: bool = False) -> list[str]:
        """The tenants in which calls have named anybody; none where they may be too many."""
        there = {key.tenant for key in self._keys.living(NAMES, tenant)}
        if len(there) > MOST_TENANTS:
            if may_be_many:
                return []
            message = "You see too many tenants to look for a user in all: say which one."
            raise InvalidRequest(message, param="tenant")
        return sorted(there)

    def _opened(self, seen: str | None, wanted: set[str]) -> dict[str, str]:
        custody = self._retention.custody
        opened: dict[str, str] = {}
        for subject, tenant, sealed in self._store.find(seen, wanted):
            # Erased, or from a backup that is younger than that of the keys.
            with contextlib.suppress(KeyGone, Unsealable):
                row = Row(tenant, NAMES_TABLE, subject)
                opened[subject] = custody.unseal(row, sealed).decode()
        return opened


def _closed() -> Unavailable:
    message = "The keys to the names of this tenant's people do not open."
    return Unavailable(message, code="sealing_key_missing")
