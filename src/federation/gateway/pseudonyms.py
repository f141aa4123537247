"""The pseudonyms by which a worker names users in its records; only control can resolve them.

A pseudonym is a keyed hash, made here, because no call may wait for a database. The tenant's key
comes from control with the tenant's first call that names anybody, and control hears of each name
once, over the link. The trap: a record cannot be changed later. So a call that comes while there
is no key is refused: its user is neither named in the clear nor by another key.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import secrets
from collections.abc import Callable, Iterable
from typing import Final

from federation.domain.access import VirtualKey
from federation.domain.hands import person_id, person_of
from federation.domain.pseudonyms import covered
from federation.errors import EvidenceUnwritable
from federation.evidence.sealing import KEY_BYTES, pseudonym_now
from federation.schema.glance import Glance
from federation.schema.link import NamesAsk, NamesKey, NamesSeen
from federation.schema.operations import OperationGlance

HELD: Final = 20_000
"""Names held twice over: of those that came lately, and of those before."""
LONGEST: Final = 1_000
"""Characters of a name that control keeps; who has a longer one stays a pseudonym."""
WAIT_S: Final = 10.0
ASK_S: Final = 0.25
SOON_S: Final = 0.05
"""How long names are gathered before control hears of them."""
AT_ONCE: Final = 500
WAITING: Final = 20_000
"""Names that wait for a control that is away; it hears of others when they come again."""
SURE: Final = 4
"""Characters from which on a user's name is looked for in tags and sessions, where it is no
address: a shorter one is a number or a word that says other things, too."""


def user_of(key: VirtualKey, glance: Glance | OperationGlance) -> str:
    """The user whom a call names, else its key's; empty where there is none."""
    return glance.ask.user or glance.user or key.user


class Pseudonyms:
    """The pseudonyms of one worker. Without anybody to `send` to its keys are its own, and
    nobody can resolve what they make."""

    def __init__(self, send: Callable[[NamesAsk | NamesSeen], bool] | None = None) -> None:
        self._send = send
        self._keys: dict[str, tuple[bytes, frozenset[str]]] = {}
        self._young: dict[tuple[str, str], str] = {}
        self._old: dict[tuple[str, str], str] = {}
        self._seen: dict[str, dict[str, str]] = {}
        self._waiting = 0
        self._asked: dict[str, tuple[asyncio.Event, float]] = {}

    def knows(self, tenant: str) -> bool:
        """Whether this tenant's users can be named."""
        return tenant in self._keys

    async def fetch(self, tenant: str) -> None:
        """Have the tenant's key. Raises `EvidenceUnwritable` where it does not come in time."""
        if self._send is None:
            self._keys[tenant] = secrets.token_bytes(KEY_BYTES), frozenset()
            return
        loop = asyncio.get_running_loop()
        deadline = loop.time() + WAIT_S
        while tenant not in self._keys:
            now = loop.time()
            if now >= deadline:
                raise EvidenceUnwritable(
                    "the record of this call may not name its user in the clear, and there is no "
                    "key to make a pseudonym with. Try again in a few seconds",
                    retry_after_s=5.0,
                )
            came, asked = self._asked.get(tenant) or (asyncio.Event(), now - ASK_S)
            if now - asked >= ASK_S:
                self._send(NamesAsk(tenant))
                self._asked[tenant] = came, now
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(came.wait(), ASK_S)

    def accept(self, key: NamesKey) -> None:
        """Name this tenant's users with this key from now on."""
        known = key.key, frozenset(key.erased)
        if self._keys.get(key.tenant) != known:
            self._keys[key.tenant] = known
            self._young = {at: name for at, name in self._young.items() if at[0] != key.tenant}
            self._old = {at: name for at, name in self._old.items() if at[0] != key.tenant}
        if asked := self._asked.pop(key.tenant, None):
            asked[0].set()

    def of(self, tenant: str, user: str) -> str:
        """A user's pseudonym; empty while the tenant's key is not here."""
        place = tenant, user
        return self._young.get(place) or self._found(place)

    def asker(self, key: VirtualKey) -> str:
        """The id under which records hold who asks: with the pseudonym, where it is a person who
        has signed in. While the tenant's key is not here it names nobody."""
        if person_of(key.id) is None:
            return key.id
        return person_id(key.tenant, self.of(key.tenant, key.user))

    def told(
        self, key: VirtualKey, glance: Glance | OperationGlance
    ) -> tuple[str, str, dict[str, str]]:
        """User, session and tags of a call as they may stand in its record."""
        ask, user = glance.ask, user_of(key, glance)
        if not user:
            return "", ask.session, ask.tags
        name = self.of(key.tenant, user)
        if not ask.session and not ask.tags:
            return name, "", ask.tags
        users = _called(key, glance)
        addresses = [user for user in users if "@" in user]
        tags = {
            self._covered(key.tenant, tag, addresses): self._covered(key.tenant, value, users)
            for tag, value in ask.tags.items()
        }
        return name, self._covered(key.tenant, ask.session, users), tags

    def in_id(self, key: VirtualKey, glance: Glance | OperationGlance, given: bytes) -> str:
        """The id that a client gave a call, as it may stand in its record: some hold a name."""
        if not given:
            return ""
        return self._covered(key.tenant, given.decode(), _called(key, glance))

    def reconnected(self) -> None:
        """Control may be another one, which has not heard what was on the way to the one before:
        every name is new to it. Those that it knows cost it a look."""
        self._young, self._old = {}, {}

    def flush(self) -> None:
        """Tell control of the names that are new; what cannot go now goes later."""
        for tenant, users in list(self._seen.items()):
            while users:
                some = dict(itertools.islice(users.items(), AT_ONCE))
                if self._send is None or not self._send(NamesSeen(tenant, some)):
                    return
                self._waiting -= len(some)
                for name in some:
                    del users[name]
            del self._seen[tenant]

    def _covered(self, tenant: str, text: str, users: Iterable[str]) -> str:
        """A text with pseudonyms in the place of users, however they are written."""
        folded = text.casefold()
        for user in users:
            if user.casefold() in folded:
                text = covered(text, user, self.of(tenant, user))
        return text

    def _found(self, place: tuple[str, str]) -> str:
        name = self._old.pop(place, "")
        if not name:
            tenant, user = place
            known = self._keys.get(tenant)
            if known is None:
                return ""
            name = pseudonym_now(known[0], user, known[1])
            if len(user) <= LONGEST and not self._tell(tenant, user, name):
                # Not kept either, so that it is new again when it comes next.
                return name
        if len(self._young) >= HELD:
            self._old, self._young = self._young, {}
        self._young[place] = name
        return name

    def _tell(self, tenant: str, user: str, name: str) -> bool:
        if self._send is None:
            return True
        if self._waiting >= WAITING:
            return False
        if not self._seen:
            asyncio.get_running_loop().call_later(SOON_S, self.flush)
        users = self._seen.setdefault(tenant, {})
        self._waiting += name not in users
        users[name] = user
        return True


def _called(key: VirtualKey, glance: Glance | OperationGlance) -> list[str]:
    """Names that a call gives its user, longer ones first, for one may be a part of another."""
    called = {user for user in (glance.ask.user, glance.user, key.user) if _told_by(user)}
    return sorted(called, key=len, reverse=True)


def _told_by(user: str) -> bool:
    return len(user) >= SURE or "@" in user
