"""Waiting for room at a provider: `resilience.admission`, with futures and a clock.

A place is promised before it is taken: whoever holds a `Promise` keeps it in the very step
in which the attempt begins (the attempt then counts for itself and gives the place back when
it is closed), or drops it, and the next in the queue gets it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from federation.domain.access import Role
from federation.domain.catalogue import Deployment
from federation.domain.live import Live
from federation.domain.routes import Admission, Overflow
from federation.domain.snapshot import Snapshot
from federation.errors import Unavailable
from federation.gateway.call import AnyCall
from federation.resilience.admission import CRITICAL, UNLIMITED, Gate, Lobby, share
from federation.resilience.health import USUAL_ANSWER
from federation.resilience.overflow import Load, crowded

STANDARD = 3
"""The priority of a call that does not say any."""
_BACK_S = 1.0
_NONE: frozenset[int] = frozenset()


class Stay:
    """A place at a provider for something that is no attempt: a pass-through, a count."""

    __slots__ = ("_gate", "_lobby")

    def __init__(self, lobby: Lobby, provider: str) -> None:
        self._lobby: Lobby | None = lobby
        self._gate = lobby.gates.get(provider)
        lobby.busy += 1
        if self._gate is not None:
            self._gate.take(0)

    def leave(self) -> None:
        """Give the place back; idempotent."""
        lobby, self._lobby = self._lobby, None
        if lobby is None:
            return
        lobby.busy -= 1
        if self._gate is not None:
            self._gate.give(0)


class Promise:
    """A deployment that may be asked now, and the place there that is held for it."""

    __slots__ = ("_gate", "index")

    def __init__(self, index: int, gate: Gate | None = None) -> None:
        self.index = index
        self._gate = gate

    def keep(self) -> None:
        """The attempt begins in this very step, and takes the place."""
        gate, self._gate = self._gate, None
        if gate is not None:
            gate.promised -= 1

    def drop(self) -> None:
        """Nobody comes for it. After `keep`, nothing is left to drop."""
        gate, self._gate = self._gate, None
        if gate is not None:
            gate.promised -= 1
            gate.admit()


@dataclass(slots=True)
class Entrance:
    """Where the calls of one worker wait."""

    slot: int = 0
    """Which of the workers it is: they divide a provider's limit among them."""
    lobby: Lobby = field(default_factory=Lobby)
    rules: Admission = field(default_factory=Admission)
    overflow: Overflow = field(default_factory=Overflow)
    hosts: tuple[tuple[int, Gate], ...] = ()
    """The deployments on hosts of our own, by their index in the current snapshot."""
    _critical: frozenset[str] = frozenset()

    def follow(self, snapshot: Snapshot) -> None:
        """Obey a new snapshot's limits; who waits goes on waiting."""
        settings = snapshot.settings
        self.rules = settings.admission
        self._critical = frozenset(self.rules.critical)
        limits: dict[str, int | None] = {}
        for deployment in snapshot.deployments:
            provider = deployment.provider
            limit = provider.limits.concurrency
            if limit is not None:
                limits[provider.id] = share(limit, settings.workers, self.slot)
            elif _is_host(deployment):
                limits[provider.id] = None
        self.lobby.set(limits, self.rules.queue, self.rules.calls)
        self.overflow = settings.overflow
        self.hosts = tuple(
            (index, self.lobby.gates[deployment.provider.id])
            for index, deployment in enumerate(snapshot.deployments)
            if _is_host(deployment)
        )

    def crowded(self, live: Live) -> frozenset[int]:
        """The deployments on hosts of our own that should be spared further calls."""
        busy = [each for each in self.hosts if each[1].used or each[1].promised]
        if not busy:
            return _NONE
        return frozenset(
            index for index, gate in busy if crowded(_load(index, gate, live), self.overflow)
        )

    def check(self, call: AnyCall) -> None:
        """Raise `Unavailable` where a worker that has too much to do is to refuse this call."""
        if self.lobby.sheds(self.rank(call)):
            raise Unavailable(
                "Too many calls are under way. Try again in a moment; calls with "
                "X-Federation-Priority: 1 are still taken, of keys that may say so.",
                code="overloaded",
                retry_after_s=_BACK_S,
            )

    def rank(self, call: AnyCall) -> int:
        """How important a call is: what it says, as far as its key may say so. Were it not for
        that, everybody's calls would be critical."""
        said, key = call.glance.ask.priority or STANDARD, call.key
        trusted = key.role is Role.ADMIN or not {key.id, key.tenant}.isdisjoint(self._critical)
        return said if said > CRITICAL or trusted else CRITICAL + 1

    def stay(self, provider: str) -> Stay | None:
        """A place at a provider that has room now; None where it has none."""
        gate = self.lobby.gates.get(provider)
        return Stay(self.lobby, provider) if gate is None or gate.free else None

    def at_once(self, snapshot: Snapshot, indexes: Sequence[int]) -> Promise | None:
        """The first of these deployments that has room now; None where none has."""
        gates = self.lobby.gates
        for index in indexes:
            gate = gates.get(snapshot.deployments[index].provider.id)
            if gate is None:
                return Promise(index)
            if gate.free:
                gate.promised += 1
                return Promise(index, gate)
        return None

    async def wait(
        self, snapshot: Snapshot, call: AnyCall, indexes: Sequence[int], within_s: float
    ) -> Promise | None:
        """Wait for room at any of these deployments, none of which has it now.

        None after so many seconds, where the queues are full, or where somebody more important
        needed the place. Cancelled, it has left them.
        """
        lobby = self.lobby
        behind: dict[str, int] = {}
        for index in indexes:
            behind.setdefault(snapshot.deployments[index].provider.id, index)
        gates = tuple(gate for name in behind if (gate := lobby.gates.get(name)) is not None)
        waiter = lobby.join(gates, call.key.tenant, self.rank(call))
        if waiter is None:
            return None
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def wake() -> None:
            if not turn.done():
                turn.set_result(None)

        waiter.wake = wake
        try:
            await asyncio.wait((turn,), timeout=within_s)
        except asyncio.CancelledError:
            waiter.end()
            if waiter.gate is not None:
                Promise(0, waiter.gate).drop()
            raise
        waiter.end()
        if waiter.gate is None:
            return None
        return Promise(behind[waiter.gate.provider], waiter.gate)


def _is_host(deployment: Deployment) -> bool:
    """Whether it is on a host of our own that can be asked."""
    return deployment.provider.local and deployment.enabled and deployment.usable


def _load(index: int, gate: Gate, live: Live) -> Load:
    limit = None if gate.limit == UNLIMITED else gate.limit
    call_s = live.first_token_ms[index] / 1000.0 + USUAL_ANSWER / live.tokens_per_s[index]
    return Load(gate.used + gate.promised, gate.waiting, gate.tokens, limit, call_s)


def no_room() -> Unavailable:
    """What a call gets for which there was no room in time, or no place to wait."""
    return Unavailable(
        "Every deployment that may serve this call is busy, and too many calls wait already or "
        "this one has waited too long. Try again in a moment, or raise 'limits: "
        "{concurrency: ...}' in providers.yaml.",
        code="overloaded",
        retry_after_s=_BACK_S,
    )
