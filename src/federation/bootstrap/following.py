"""How a worker follows control: puts into force the snapshots, keys, budgets and limits it is sent.

A worker begins to listen only when it has one of each, so that no call is refused because the
process has just started.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta

from federation.credentials.bearers import Bearers
from federation.dialects.origins import Origins
from federation.domain.budgets import Budget
from federation.domain.limits import Limit
from federation.domain.sign_in import TokenRing
from federation.domain.snapshot import KeyRing, Snapshot
from federation.evidence.sealing import SealingKey
from federation.gateway.provider_limits import ProviderLeases
from federation.gateway.purse import Purse
from federation.gateway.situation import situate
from federation.gateway.world import Situation, World
from federation.schema.limits import ToRates
from federation.schema.link import Beat, Board, LeaseGrant, NamesKey, SpoolKey
from federation.schema.money import ToPurse
from federation.storage.keyring import Keys, internal_key, receipt_key, seal_key

NEWS_S = 60.0
"""Measures of others that are older say nothing of now: a failure of an hour ago must not
count as one in a row."""


class Following:
    """A worker's `Follower`; `ready` is set when it may listen.

    `adopt` is told of every situation before calls are decided under it, `stop` that the worker
    is to drain.
    """

    def __init__(
        self,
        world: World,
        bearers: Bearers,
        leases: ProviderLeases,
        purse: Purse,
        *,
        adopt: Callable[[Situation], None],
        stop: Callable[[], None],
    ) -> None:
        self._world = world
        self._bearers = bearers
        self._leases = leases
        self._purse = purse
        self._adopt = adopt
        self._stop = stop
        self._origins = Origins()
        self._snapshots: asyncio.Queue[Snapshot] = asyncio.Queue()
        self._missing = {"snapshot", "keys", "budgets", "limits"}
        self.ready = asyncio.Event()

    async def adopt_for_ever(self) -> None:
        """Make snapshots ready in a thread, for it takes tens of milliseconds, and adopt the
        newest on the loop; with each day anew, for models retire."""
        snapshot = await self._snapshots.get()
        while True:
            today = datetime.now(UTC).date()
            situation = await asyncio.to_thread(
                situate, snapshot, today, self._world.via, self._origins
            )
            if self._snapshots.empty():
                self._adopt(situation)
                self._has("snapshot")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_until_after_s(today)):
                    snapshot = await self._snapshots.get()

    def connected(self) -> None:
        """Whoever asked an earlier control asks anew."""
        self._purse.reconnected()
        self._world.rates.reconnected()
        self._world.names.reconnected()

    def follow_snapshot(self, snapshot: Snapshot) -> None:
        """It is adopted when it was made ready."""
        self._snapshots.put_nowait(snapshot)

    def follow_keys(self, ring: KeyRing) -> None:
        """Know these keys, and what follows from their common secret."""
        self._bearers.follow(ring, Keys(ring))
        self._world.seal_key = seal_key(ring.hash_key)
        self._world.internal_key = internal_key(ring.hash_key)
        self._world.receipts.key = receipt_key(ring.hash_key)
        self._has("keys")

    def follow_tokens(self, ring: TokenRing) -> None:
        """Trust these issuers."""
        self._bearers.trust(ring)

    def follow_budgets(self, budgets: tuple[Budget, ...]) -> None:
        """Obey these budgets."""
        self._world.money.follow(budgets)
        self._has("budgets")

    def follow_limits(self, limits: tuple[Limit, ...], tiers: dict[str, str]) -> None:
        """Obey these limits."""
        self._world.rates.follow(limits, tiers)
        self._has("limits")

    def hear_board(self, board: Board) -> None:
        """Learn from what others measured, as far as it is news."""
        world = self._world
        now = world.clock()
        oldest_ms = int((world.wall() - NEWS_S) * 1000)
        for measure in board.measures:
            if measure.at_ms >= oldest_ms:
                world.health.note(measure, now)

    def hear_beat(self, beat: Beat) -> None:
        """Note how control is."""
        self._world.store_writable = beat.store_writable

    def hear_money(self, message: ToPurse) -> None:
        """Only another worker gets money again where this one was given up."""
        self._purse.accept(message)
        if self._purse.gone:
            self._stop()

    def hear_grant(self, grant: LeaseGrant) -> None:
        """Spend it."""
        self._leases.granted(grant)

    def hear_rates(self, message: ToRates) -> None:
        """Spend it, or give it back."""
        self._world.rates.accept(message)

    def take_names_key(self, key: NamesKey) -> None:
        """Call users by it."""
        self._world.names.accept(key)

    def take_spool_key(self, key: SpoolKey) -> None:
        """Seal contents with it."""
        self._world.payloads.use(SealingKey(key.id, key.key))

    def _has(self, what: str) -> None:
        self._missing.discard(what)
        if not self._missing:
            self.ready.set()


def _until_after_s(day: date) -> float:
    """How long until a day is over, in UTC."""
    over = datetime.combine(day + timedelta(days=1), time(tzinfo=UTC))
    return (over - datetime.now(UTC)).total_seconds()
