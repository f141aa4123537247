"""Finding a place for one call: at a provider that has room, or in its queue."""

from __future__ import annotations

from federation.errors import UpstreamError
from federation.gateway.admission import Promise, Stay, no_room
from federation.gateway.call import AnyCall
from federation.gateway.cooling import well
from federation.gateway.deadlines import left_s, out_of_time
from federation.gateway.provider_limits import wait_for_all
from federation.gateway.world import Situation, World
from federation.routing.strategies import LOCAL_FIRST
from federation.telemetry import metrics


class Placement:
    """Finds places for the attempts of one call."""

    __slots__ = ("_call", "_situation", "_world")

    def __init__(self, world: World, situation: Situation, call: AnyCall) -> None:
        self._world = world
        self._situation = situation
        self._call = call

    async def stay(self, index: int) -> Stay:
        """A place at the one provider that can be asked, for something that is no attempt.

        Raises `Unavailable` where there is no room in time, and `UpstreamTimeout` where the
        client gives no more.
        """
        knock(self._world, self._call)
        entrance = self._world.entrance
        promise = await self._room([index], entrance.rules.wait_s)
        if promise is None:
            raise no_room() if self._left_s > 0.0 else out_of_time(None)
        promise.keep()
        provider = self._situation.snapshot.deployments[index].provider.id
        return Stay(entrance.lobby, provider)

    async def place(self, indexes: list[int], failure: UpstreamError | None) -> Promise:
        """A place at the first of these; where there are queues, at who has room or comes to have
        it. Who is cooling down is asked only where nobody else could be.

        Where there is none, raises why the last attempt failed, or what the client gets that
        came to none.
        """
        entrance = self._world.entrance
        if not entrance.lobby.gates:
            return Promise(indexes[0])
        ready = well(self._world, self._situation, indexes) or indexes
        promise = None
        if own := self._own(ready):
            promise = await self._room(own, entrance.overflow.max_wait_s)
        promise = promise or await self._room(ready, entrance.rules.wait_s)
        promise = promise or entrance.at_once(self._situation.snapshot, indexes)
        if promise is not None:
            return promise
        if self._left_s <= 0.0:
            raise out_of_time(failure)
        raise failure or no_room()

    @property
    def _left_s(self) -> float:
        return left_s(self._world, self._call)

    def _own(self, ready: list[int]) -> list[int]:
        """Our own hosts, where the call is to wait for them before it goes elsewhere: the
        strategy says so by putting one of them first."""
        decision = self._call.account.decision
        if decision is None or decision.strategy != LOCAL_FIRST:
            return []
        deployments = self._situation.snapshot.deployments
        own = [index for index in ready if deployments[index].provider.local]
        return own if own[:1] == ready[:1] else []

    async def _room(self, indexes: list[int], within_s: float) -> Promise | None:
        """Room at one of these, now or within so many seconds."""
        entrance, snapshot = self._world.entrance, self._situation.snapshot
        promise = entrance.at_once(snapshot, indexes)
        if promise is not None:
            return promise
        return await entrance.wait(snapshot, self._call, indexes, min(within_s, self._left_s))


def knock(world: World, call: AnyCall) -> None:
    """Raises `Unavailable` where a worker that has too much to do is to refuse this call."""
    lobby = world.entrance.lobby
    if lobby.busy + lobby.waiting >= lobby.calm:
        world.entrance.check(call)


async def leased(
    world: World, situation: Situation, index: int, requests: int = 1, tokens: int = 0
) -> bool:
    """Whether the provider's shared limits of a minute allow so many more. A call of more tokens
    than there are in a minute needs all of them. Where one limit says no, none is spent."""
    provider = situation.snapshot.deployments[index].provider
    wanted = provider.limits.wanted(provider.id, requests, tokens)
    allowed = await wait_for_all(world.leases, wanted, world.wall)
    if not allowed:
        world.meter.add(metrics.LEASE_DENIALS, (provider.id,))
    return allowed
