"""Signing in: a key or a code for a session, a session for access tokens, and the end of it.

The trap: an access token runs by itself, so what ends a session has to reach every door. The
ring of signers and of ended sessions is made here, sent to the workers at once, and looked up
in the store twice a second for what another replica has ended.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from federation.config.sign_in_settings import SignInSettings
from federation.control.sign_in_issuers import Issuers, Known
from federation.control.sign_in_keys import TokenKeys
from federation.control.sign_in_ports import SessionStore
from federation.control.threads import Errands
from federation.credentials.bearers import Bearers
from federation.credentials.issuing import SPARE_S, Schedule, access_token
from federation.credentials.lockout import Lockout
from federation.credentials.refreshes import Turn, proven, read_refresh, refresh_token, turn_of
from federation.credentials.subjects import KEY_SUBJECT, ended, narrowed, subject_of
from federation.domain.access import VirtualKey
from federation.domain.sign_in import TokenRing
from federation.domain.snapshot import KeyRing
from federation.errors import RateLimited, Unauthorized, Unavailable
from federation.ports import KeyFinder
from federation.storage.sessions_entries import Session

log = logging.getLogger(__name__)

LOOK_S: Final = 0.4
"""Between two looks at what was ended elsewhere: a part of the second within which it counts."""
LOOK_ALONE_S: Final = 5.0
"""The same where this process alone ends sessions: that is in force at once."""
KEYS_S: Final = 60.0
ENDED_MOST: Final = 50_000
LONGEST_S: Final = 30 * 86_400
"""After a month a session ends, however often it was refreshed."""
SWEEP_S: Final = 3_600.0


@dataclass(frozen=True, slots=True)
class Granted:
    """What somebody gets who signed in."""

    access: str = field(repr=False)
    refresh: str = field(repr=False)
    expires_s: int
    """Seconds that the access token is good for."""
    session: Session
    key: VirtualKey


class SignInDesk:
    """Sessions of one gateway. `publish` hears every new ring; `clock` is Unix seconds,
    `look_s` lies between two looks at what other replicas ended."""

    def __init__(
        self,
        store: SessionStore,
        token_keys: TokenKeys,
        issuers: Issuers,
        settings: Callable[[], SignInSettings],
        errands: Errands,
        clock: Callable[[], float],
        hash_key: bytes,
        look_s: float = LOOK_S,
    ) -> None:
        self._store = store
        self._token_keys = token_keys
        self._settings = settings
        self._errands = errands
        self._clock = clock
        self._look_s = look_s
        self._proofs = hmac.digest(hash_key, b"federation/refresh-tokens/1", "sha256")
        self._plan: Schedule | None = None
        self._planned_s = 0.0
        self._told: tuple[tuple[str, bytes], ...] = ()
        self._virtual: KeyFinder | None = None
        self._renewing = asyncio.Lock()
        self.issuers = issuers
        self.lockout = Lockout()
        self.bearers = Bearers(clock)
        self.publish: Callable[[TokenRing], None] = lambda _: None
        self.ring = TokenRing()

    def follow_keys(self, ring: KeyRing, keys: KeyFinder) -> None:
        """Keys and people are these from now on."""
        self._virtual = keys
        self.bearers.follow(ring, keys)

    async def renew(self) -> None:
        """Gather signers and ended sessions again, and put them in force where they changed.
        Raises `Unavailable`."""
        async with self._renewing:
            ring = await self._errands.run(self._gather, self.issuers.known())
            if replace(ring, version=self.ring.version) != self.ring:
                self.ring = ring
                self.bearers.trust(ring)
                self.publish(ring)

    async def follow(self) -> None:
        """Keep the ring up to date until cancelled."""
        await asyncio.gather(self._follow_sessions(), self._follow_issuers())

    async def with_key(self, secret: str, scopes: Sequence[str], source: str) -> Granted:
        """A session for who has a virtual key. Raises `Unauthorized`, `RateLimited`.

        A token is no key: a short one would become a long one.
        """
        self.admit((source,))
        key = self._virtual.find(secret) if self._virtual is not None else None
        if key is None:
            raise self.failed((source,))
        return await self.open(key, scopes)

    async def open(
        self, key: VirtualKey, scopes: Sequence[str] = (), name: str | None = None
    ) -> Granted:
        """A session for somebody who was let in; `name` is its id where it has to have this
        one. Raises `Unauthorized` where scopes leave nothing, or the name is taken: the session
        of that name is then ended, because what it was opened with was used twice."""
        narrowed(key, tuple(scopes))
        now_ms = self._now_ms()
        session = Session(
            id=name or f"ses_{secrets.token_hex(16)}",
            tenant=key.tenant,
            subject=subject_of(key),
            salt=secrets.token_bytes(16),
            created_ms=now_ms,
            turned_ms=now_ms,
            expires_ms=self._end_ms(key, now_ms, now_ms),
            scopes=tuple(scopes),
        )
        if not await self._errands.run(self._store.add, session):
            await self._end(session.id, "a code was used twice")
            raise ended()
        return await self._granted(session, narrowed(key, session.scopes))

    async def refresh(self, token: str, source: str) -> Granted:
        """The next tokens of a session. Raises `Unauthorized`, `RateLimited`.

        The last token again, a moment after it was replaced, brings the same next one: the
        answer was lost, or two asked at once. Any older one ends the session.
        """
        self.admit((source,))
        said = read_refresh(token)
        session = None
        if said is not None:
            session = await self._errands.run(self._store.find, said.session)
        if said is None or session is None or not proven(said, self._proofs, session.salt):
            raise self.failed((source,))
        now_ms = self._now_ms()
        if session.ended_ms is not None or session.expires_ms <= now_ms:
            raise ended()
        key = await self._holder(session)
        turn = turn_of(said, session.n, session.turned_ms / 1000, now_ms / 1000)
        if turn is Turn.REUSED:
            await self._end(session.id, "a refresh token was used twice")
            log.warning("a refresh token was used twice", extra={"session": session.id})
            raise ended()
        if turn is Turn.NEW:
            expires_ms = self._end_ms(key, session.created_ms, now_ms)
            turning = (session.id, session.n, now_ms, expires_ms)
            if not await self._errands.run(self._store.turn, *turning):
                return await self._second(session, key)
            session = replace(session, n=session.n + 1, turned_ms=now_ms, expires_ms=expires_ms)
        return await self._granted(session, key)

    async def revoke(self, token: str, *, everywhere: bool = False) -> bool:
        """End the session of one of our tokens, on every worker within a second; `everywhere`
        all sessions of who has it. Whether there was any; what is no token of ours is none."""
        name = await self._session_of(token)
        session = None if name is None else await self._errands.run(self._store.find, name)
        if session is None:
            return False
        if everywhere:
            now_ms = self._now_ms()
            await self._errands.run(self._store.end_all, session.subject, now_ms, "revoked")
        await self._end(session.id, "revoked")
        return True

    async def end_key(self, key: str) -> None:
        """End every session that was opened with a key, because its secret may be known: to
        whom, and with which secret a session was opened, nobody can tell."""
        subject = f"{KEY_SUBJECT}{key}"
        if await self._errands.run(self._store.end_all, subject, self._now_ms(), "rotated"):
            await self.renew()

    def admit(self, names: Sequence[str]) -> None:
        """Raise `RateLimited` while one of these names is locked."""
        wait_s = self.lockout.wait_s(names, time.monotonic())
        if wait_s > 0:
            message = "Too many sign-ins have failed. Wait, then try again."
            raise RateLimited(
                message, code="sign_in_locked", retry_after_s=float(round(wait_s + 1))
            )

    def failed(self, names: Sequence[str]) -> Unauthorized:
        """Note a failure; what to raise for it. It does not say what was wrong."""
        self.lockout.fail(names, time.monotonic())
        return Unauthorized("The sign-in was refused.", code="sign_in_refused")

    async def _second(self, session: Session, key: VirtualKey) -> Granted:
        """For whom another request was faster, with the same token."""
        found = await self._errands.run(self._store.find, session.id)
        if found is None or found.ended_ms is not None:
            raise ended()
        return await self._granted(found, key)

    async def _holder(self, session: Session) -> VirtualKey:
        """Whose a session is, as they are now; it ends with them."""
        try:
            return self.bearers.of_session(session.subject, session.scopes)
        except Unauthorized:
            await self._end(session.id, "its holder is in force no more")
            raise

    async def _session_of(self, token: str) -> str | None:
        said = read_refresh(token)
        if said is None:
            found = self.bearers.session_of(token)
            return None if found is None else found[0]
        session = await self._errands.run(self._store.find, said.session)
        if session is None or not proven(said, self._proofs, session.salt):
            return None
        return said.session

    async def _end(self, session: str, reason: str) -> None:
        await self._errands.run(self._store.end, session, self._now_ms(), reason)
        await self.renew()

    async def _granted(self, session: Session, key: VirtualKey) -> Granted:
        if self._plan is None:
            await self.renew()
        signer = None if self._plan is None else self._plan.signs
        if signer is None:
            raise Unavailable("No token can be signed just now.", retry_after_s=5.0)
        now_s = int(self._clock())
        name = secrets.token_hex(8)
        scopes = session.scopes
        access = access_token(signer, self.ring, session.subject, session.id, scopes, name, now_s)
        refresh = refresh_token(self._proofs, session.salt, session.id, session.n)
        return Granted(access, refresh, self.ring.access_s, session, key)

    def _end_ms(self, key: VirtualKey, created_ms: int, now_ms: int) -> int:
        ends = [now_ms + self._settings().refresh_s * 1000, created_ms + LONGEST_S * 1000]
        if key.expires_ms is not None:
            ends.append(key.expires_ms)
        return min(ends)

    def _gather(self, known: Sequence[Known]) -> TokenRing:
        settings, now_s = self._settings(), self._clock()
        if self._plan is None or not self._planned_s <= now_s < self._planned_s + KEYS_S:
            self._plan, self._planned_s = self._token_keys.now(now_s, settings.access_s), now_s
            self._told = tuple((key.id, key.public) for key in self._plan.tells)
        horizon_ms = int((now_s - settings.access_s - SPARE_S) * 1000)
        over = self._store.ended(horizon_ms, ENDED_MOST + 1)
        not_before_s = over[-1][1] // 1000 + 1 if len(over) > ENDED_MOST else 0
        return TokenRing(
            version=self.ring.version + 1,
            issuer=settings.issuer,
            access_s=settings.access_s,
            keys=self._told,
            issuers=self.issuers.trusted(known),
            ended=frozenset(name for name, _ in over[:ENDED_MOST]),
            not_before_s=not_before_s,
        )

    async def _follow_sessions(self) -> None:
        swept_s, told = -SWEEP_S, False
        while True:
            try:
                await self.renew()
                if time.monotonic() - swept_s > SWEEP_S:
                    await self._errands.run(self._store.sweep, self._now_ms() - LONGEST_S * 1000)
                    swept_s = time.monotonic()
                told = False
            except Unavailable as error:
                if not told:
                    log.warning("no ended session is heard of", extra={"reason": str(error)})
                told = True
            await asyncio.sleep(self._look_s)

    async def _follow_issuers(self) -> None:
        while True:
            await self.issuers.refresh()
            await asyncio.sleep(1.0)

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)
