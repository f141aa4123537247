"""Who is asked after whom: deployments in order, each as often as the recovery table allows.

A deployment may be changed only before the first byte of the answer left for the client.
Which failure allows what is `resilience.recovery`'s to say: there is no status number in
the loop. One that has no room is passed over for one that has; where none has, the call waits.
"""

from __future__ import annotations

import asyncio

from federation.domain.catalogue import Deployment
from federation.errors import RateLimited, UpstreamError, UpstreamTooLong
from federation.gateway.admission import Promise, Stay, no_room
from federation.gateway.attempt import expected_tokens
from federation.gateway.call import AnyCall
from federation.gateway.cooling import cool, well
from federation.gateway.hedging import Asked, Hedge, hedged_after_s
from federation.gateway.leases import wait_for_all
from federation.gateway.patience import left_s, out_of_time
from federation.gateway.world import Situation, World
from federation.resilience.recovery import Action, Fail, Retry, SecondLap, Tries
from federation.routing.strategies import LOCAL_FIRST
from federation.schema.http import ClientReply
from federation.telemetry import metrics


async def first_answer(
    world: World, situation: Situation, call: AnyCall, order: list[int], attempt: Asked
) -> ClientReply:
    """The answer of the first deployment that gives one; `attempt` asks one of them.

    Raises `Unavailable` where there is no room, `RateLimited` where every candidate's
    allowance is used up, or the last `UpstreamError` when nobody answered in the time that the
    client gives.
    """
    lobby = world.entrance.lobby
    if lobby.busy + lobby.waiting >= lobby.calm:
        world.entrance.check(call)
    early: UpstreamError | None = None
    if _is_plain(world, situation, call, order[0]):
        try:
            return await attempt(order[0])
        except UpstreamError as error:
            early = error
    return await _in_turn(world, situation, call, order, attempt, early)


def _is_plain(world: World, situation: Situation, call: AnyCall, index: int) -> bool:
    """Whether a deployment can just be asked: there is no queue before it, no allowance, and no
    other that would be asked beside it."""
    provider = situation.snapshot.deployments[index].provider
    return (
        not world.entrance.lobby.gates
        and not provider.limits.leased
        and hedged_after_s(world, situation, call, index) is None
    )


async def _in_turn(
    world: World,
    situation: Situation,
    call: AnyCall,
    order: list[int],
    attempt: Asked,
    early: UpstreamError | None,
) -> ClientReply:
    """As `first_answer`; where the first has been asked already, `early` is why in vain."""
    # The attempt that failed early is told to `after`, like any other.
    tries = Tries(situation.snapshot.settings.attempts - call.account.tried + (early is not None))
    failure: UpstreamError | None = None
    rest, here = list(order), -1
    laps = _Laps(world, situation, call, len(order) > 1)
    while rest:
        if early is None:
            promise = await _next(world, situation, call, rest, failure)
            index = promise.index
        else:
            promise, index = Promise(rest[0]), rest[0]
        rest.remove(index)
        deployment = situation.snapshot.deployments[index]
        if early is None and not await _allowed(world, situation, call, promise, laps):
            continue
        if laps.second:
            tries.return_()
        elif index != here:
            tries.leave()
        here = index
        try:
            if early is not None:
                raise early
            laps.begun_s = world.clock()
            after_s = hedged_after_s(world, situation, call, index)
            if after_s is None:
                promise.keep()
                return await attempt(index)
            return await Hedge(world, situation, call, attempt, tries, rest).ask(promise, after_s)
        except UpstreamError as error:
            failure, early = error, None
            rest = laps.after(index, error, rest)
            action = tries.after(error, world.rng, last=not rest)
        cool(world, situation, deployment, action)
        if await _again(world, call, deployment, action, failure):
            rest.insert(0, laps.pay(index))
            continue
        world.meter.add(metrics.FALLBACKS, (deployment.provider.id,))
        rest = _fitting(situation, rest, deployment, action, failure)
    if failure is not None:
        raise failure
    raise RateLimited(
        "Every deployment that may serve this call has used up its limit for this minute. "
        "Try again in a minute, or raise 'limits: {rpm: ..., tpm: ...}' in providers.yaml.",
        code="provider_limit_reached",
        retry_after_s=60.0,
    )


class _Laps:
    """When all have failed: those that may be well again by now, once more each."""

    __slots__ = ("_call", "_lap", "_paid", "_situation", "_world", "begun_s", "second")

    def __init__(self, world: World, situation: Situation, call: AnyCall, several: bool) -> None:
        self._world = world
        self._situation = situation
        self._call = call
        self._lap = SecondLap() if several else None
        self._paid = -1
        self.begun_s = call.started
        """When the attempt began that `after` is told of."""
        self.second = False

    def after(self, index: int, error: UpstreamError, rest: list[int]) -> list[int]:
        """Who may be asked after this failure. The last one's own retry comes before the second
        lap, in which it is listed already: what it says there may take it out again."""
        lap = self._lap
        if lap is None:
            return rest
        now = self._world.clock()
        lap.note(index, error, now - self.begun_s)
        age_s, left = now - self._call.started, left_s(self._world, self._call)
        if self.second:
            return [who for who in rest if lap.fits(who, age_s, left)]
        if rest:
            return rest
        self.second = True
        return lap.order(age_s, left)

    def pay(self, index: int) -> int:
        """The same; its next attempt has been allowed already."""
        self._paid = index if self.second else -1
        return index

    def allow(self, index: int) -> bool:
        """Whether it may be asked now; each answer counts."""
        paid, self._paid = self._paid == index, -1
        if paid or not self.second or self._lap is None:
            return True
        world, now = self._world, self._world.clock()
        deployment = self._situation.snapshot.deployments[index]
        left = left_s(world, self._call)
        return self._lap.fits(index, now - self._call.started, left) and world.health.may_return(
            deployment.id, now
        )


async def stay_at(world: World, situation: Situation, call: AnyCall, index: int) -> Stay:
    """A place at the one provider that can be asked, for something that is no attempt.

    Raises `Unavailable` where there is no room in time, and `UpstreamTimeout` where the client
    gives no more.
    """
    entrance = world.entrance
    lobby = entrance.lobby
    if lobby.busy + lobby.waiting >= lobby.calm:
        entrance.check(call)
    promise = await _room(world, situation, call, [index], entrance.rules.wait_s)
    if promise is None:
        raise no_room() if left_s(world, call) > 0.0 else out_of_time(None)
    promise.keep()
    return Stay(lobby, situation.snapshot.deployments[index].provider.id)


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


async def _allowed(
    world: World, situation: Situation, call: AnyCall, promise: Promise, laps: _Laps
) -> bool:
    """The same for a place that is held meanwhile, and given up where it may not be used."""
    is_leased = situation.snapshot.deployments[promise.index].provider.limits.leased
    if not is_leased and not laps.second:
        return True
    allowed = False
    try:
        allowed = laps.allow(promise.index)
        if allowed and is_leased:
            tokens = expected_tokens(call)
            allowed = await leased(world, situation, promise.index, tokens=tokens)
    finally:
        if not allowed:
            promise.drop()
    return allowed


async def _next(
    world: World,
    situation: Situation,
    call: AnyCall,
    rest: list[int],
    failure: UpstreamError | None,
) -> Promise:
    """A place at the first of these; where there are queues, at who has room."""
    if world.entrance.lobby.gates:
        return await _place(world, situation, call, rest, failure)
    return Promise(rest[0])


async def _place(
    world: World,
    situation: Situation,
    call: AnyCall,
    rest: list[int],
    failure: UpstreamError | None,
) -> Promise:
    """Room at the first of these that has it, or that comes to have it. Who is cooling down is
    asked only where nobody else could be. Raises what the client gets where there is none."""
    entrance = world.entrance
    ready = well(world, situation, rest) or rest
    promise = None
    if own := _own(situation, call, ready):
        promise = await _room(world, situation, call, own, entrance.overflow.max_wait_s)
    promise = promise or await _room(world, situation, call, ready, entrance.rules.wait_s)
    promise = promise or entrance.at_once(situation.snapshot, rest)
    if promise is not None:
        return promise
    if left_s(world, call) <= 0.0:
        raise out_of_time(failure)
    raise failure or no_room()


def _own(situation: Situation, call: AnyCall, ready: list[int]) -> list[int]:
    """Our own hosts, where the call is to wait for them before it goes elsewhere: the strategy
    says so by putting one of them first."""
    decision, deployments = call.account.decision, situation.snapshot.deployments
    if decision is None or decision.strategy != LOCAL_FIRST:
        return []
    own = [index for index in ready if deployments[index].provider.local]
    return own if own[:1] == ready[:1] else []


async def _room(
    world: World, situation: Situation, call: AnyCall, indexes: list[int], within_s: float
) -> Promise | None:
    """Room at one of these, now or within so many seconds."""
    entrance, snapshot = world.entrance, situation.snapshot
    promise = entrance.at_once(snapshot, indexes)
    if promise is not None:
        return promise
    return await entrance.wait(snapshot, call, indexes, min(within_s, left_s(world, call)))


async def _again(
    world: World, call: AnyCall, deployment: Deployment, action: Action, failure: UpstreamError
) -> bool:
    """Whether the same deployment is asked once more, after the pause that this takes. Raises
    the failure where nobody is to be asked any more."""
    left = left_s(world, call)
    if isinstance(action, Fail) or left <= 0.0:
        raise failure
    after_s = action.after_s if isinstance(action, Retry) else left
    if after_s >= left or not world.health.may_retry(deployment.id, world.clock()):
        return False
    lobby = world.entrance.lobby
    lobby.busy += 1
    try:
        await asyncio.sleep(after_s)
    finally:
        lobby.busy -= 1
    return True


def _fitting(
    situation: Situation, rest: list[int], than: Deployment, action: Action, failure: UpstreamError
) -> list[int]:
    """Who may be asked after a failure for which another is to be asked, in which order."""
    if isinstance(failure, UpstreamTooLong):
        return _larger(situation, rest, than)
    return _others_first(situation, rest, than) if action.wide else rest


def _larger(situation: Situation, rest: list[int], than: Deployment) -> list[int]:
    """Those that hold more than the one for which the prompt was too long."""
    deployments, size = situation.snapshot.deployments, than.model.context or 1
    return [index for index in rest if (deployments[index].model.context or 0) > size]


def _others_first(situation: Situation, rest: list[int], than: Deployment) -> list[int]:
    """Behind all others those that are asked with the credential that was refused."""
    deployments, provider = situation.snapshot.deployments, than.provider.id
    return sorted(rest, key=lambda index: deployments[index].provider.id == provider)
