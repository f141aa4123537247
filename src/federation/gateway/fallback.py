"""The loop of retries and fallbacks: deployments are asked in order until one answers.

A deployment may be changed only before the first byte of the answer left for the client.
Which failure allows a retry, and which a fallback, is decided by the table in
`resilience.recovery`: there is no status number in this loop. A deployment without room is
passed over for one that has some; where none has, the call waits.
"""

from __future__ import annotations

import asyncio

from federation.domain.catalogue import Deployment
from federation.errors import RateLimited, UpstreamError, UpstreamTooLong
from federation.gateway.admission import Promise
from federation.gateway.attempt import expected_tokens
from federation.gateway.call import AnyCall
from federation.gateway.cooling import cool
from federation.gateway.deadlines import left_s
from federation.gateway.deciding import changed, may_still
from federation.gateway.hedging import Asked, Hedge, hedged_after_s
from federation.gateway.laps import Laps
from federation.gateway.placement import Placement, knock, leased
from federation.gateway.world import Situation, World
from federation.resilience.recovery import Action, Fail, Retry, Tries
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
    knock(world, call)
    attempts = situation.snapshot.settings.attempts - call.account.tried
    early: UpstreamError | None = None
    if _is_plain(world, situation, call, order[0]):
        try:
            return await attempt(order[0])
        except UpstreamError as error:
            early = error.with_traceback(None)  # which would make a ring with our own frame
    return await FallbackLoop(world, situation, call, order, attempt, attempts).answer(early)


def _is_plain(world: World, situation: Situation, call: AnyCall, index: int) -> bool:
    """Whether a deployment can just be asked: there is no queue before it, no allowance, and no
    other that would be asked beside it."""
    provider = situation.snapshot.deployments[index].provider
    return (
        not world.entrance.lobby.gates
        and not provider.limits.leased
        and hedged_after_s(world, situation, call, index) is None
    )


class FallbackLoop:
    """One call's way through its candidates, retries and second lap included."""

    __slots__ = (
        "_attempt",
        "_call",
        "_failure",
        "_here",
        "_laps",
        "_placement",
        "_rest",
        "_situation",
        "_tries",
        "_world",
    )

    def __init__(
        self,
        world: World,
        situation: Situation,
        call: AnyCall,
        order: list[int],
        attempt: Asked,
        attempts: int,
    ) -> None:
        """`attempts` is how many the call may make, one that `answer` is told of among them."""
        self._world = world
        self._situation = situation
        self._call = call
        self._attempt = attempt
        self._rest = list(order)
        self._here = -1
        self._failure: UpstreamError | None = None
        self._tries = Tries(attempts)
        self._placement = Placement(world, situation, call)
        self._laps = Laps(world, situation, call, len(order) > 1)

    async def answer(self, early: UpstreamError | None = None) -> ClientReply:
        """As `first_answer`; where the first has been asked already, `early` is why in vain."""
        withdrawn = False
        if early is not None:
            self._here = self._rest.pop(0)
            await self._go_on(early)
        while self._rest:
            promise = await self._placement.place(self._rest, self._failure)
            self._rest.remove(promise.index)
            if not may_still(self._world, self._situation, self._call, promise.index):
                promise.drop()
                withdrawn = True
                continue
            if not await self._allowed(promise):
                continue
            try:
                return await self._ask(promise)
            except UpstreamError as error:
                failure = error.with_traceback(None)
            await self._go_on(failure)
        if self._failure is not None:
            raise self._failure
        if withdrawn:
            raise changed()
        raise RateLimited(
            "Every deployment that may serve this call has used up its limit for this minute. "
            "Try again in a minute, or raise 'limits: {rpm: ..., tpm: ...}' in providers.yaml.",
            code="provider_limit_reached",
            retry_after_s=60.0,
        )

    async def _allowed(self, promise: Promise) -> bool:
        """Whether the deployment may be asked, and its provider's limits of a minute allow it; the
        place is held meanwhile, and given up where it may not be used."""
        index = promise.index
        is_leased = self._situation.snapshot.deployments[index].provider.limits.leased
        if not is_leased and not self._laps.second:
            return True
        allowed = False
        try:
            allowed = self._laps.allow(index)
            if allowed and is_leased:
                tokens = expected_tokens(self._call)
                allowed = await leased(self._world, self._situation, index, tokens=tokens)
        finally:
            if not allowed:
                promise.drop()
        return allowed

    async def _ask(self, promise: Promise) -> ClientReply:
        """The answer of one deployment, or of one that is asked beside it."""
        world, index = self._world, promise.index
        if self._laps.second:
            self._tries.return_()
        elif index != self._here:
            self._tries.leave()
        self._here = index
        self._laps.begun_s = world.clock()
        after_s = hedged_after_s(world, self._situation, self._call, index)
        if after_s is None:
            promise.keep()
            return await self._attempt(index)
        hedge = Hedge(world, self._situation, self._call, self._attempt, self._tries, self._rest)
        return await hedge.ask(promise, after_s)

    async def _go_on(self, failure: UpstreamError) -> None:
        """Settle who is asked after this failure, and wait where that takes a pause. Raises the
        failure where nobody is to be asked any more."""
        world, situation, index = self._world, self._situation, self._here
        deployment = situation.snapshot.deployments[index]
        self._failure = failure
        self._rest = self._laps.after(index, failure, self._rest)
        action = self._tries.after(failure, world.rng, last=not self._rest)
        cool(world, situation, deployment, action)
        if await self._again(deployment, action, failure):
            self._rest.insert(0, self._laps.pay(index))
            return
        world.meter.add(metrics.FALLBACKS, (deployment.provider.id,))
        self._rest = self._fitting(deployment, action, failure)

    async def _again(self, deployment: Deployment, action: Action, failure: UpstreamError) -> bool:
        """Whether the same deployment is asked once more, after the pause that this takes."""
        world = self._world
        left = left_s(world, self._call)
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

    def _fitting(self, than: Deployment, action: Action, failure: UpstreamError) -> list[int]:
        """Who may be asked after a failure for which another is to be asked, in which order: only
        who holds more than the one for which the prompt was too long; behind all others who is
        asked with the credential that was refused."""
        deployments, rest = self._situation.snapshot.deployments, self._rest
        if isinstance(failure, UpstreamTooLong):
            size = than.model.context or 1
            return [index for index in rest if (deployments[index].model.context or 0) > size]
        if not action.wide:
            return rest
        return sorted(rest, key=lambda index: deployments[index].provider.id == than.provider.id)
