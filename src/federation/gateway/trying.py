"""Who is asked after whom: deployments in order, each as often as the recovery table allows.

A deployment may be changed only before the first byte of the answer left for the client.
Which failure allows what is `resilience.recovery`'s to say: there is no status number in
the loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from federation.credentials.plans import ByToken, PerRequest
from federation.domain.routes import Deadlines
from federation.errors import RateLimited, UpstreamDenied, UpstreamError, UpstreamFailed
from federation.gateway.world import Situation, World
from federation.resilience.recovery import Action, Fail, Retry, Tries
from federation.schema.http import ClientReply, Timeouts
from federation.telemetry import metrics


async def first_answer(
    world: World,
    situation: Situation,
    order: list[int],
    attempt: Callable[[int], Awaitable[ClientReply]],
) -> ClientReply:
    """The answer of the first deployment that gives one; `attempt` asks one of them.

    Raises `RateLimited` where every candidate's allowance is used up, or the last
    `UpstreamError` when nobody answered.
    """
    tries = Tries(situation.snapshot.settings.attempts)
    failure: UpstreamError | None = None
    last = order[-1]
    for index in order:
        limited = situation.snapshot.deployments[index].provider.limits.rpm is not None
        while not limited or await leased(world, situation, index):
            try:
                return await attempt(index)
            except UpstreamError as error:
                failure = error
                action = tries.after(error, world.rng, last=index == last)
            _cool(world, situation, index, action)
            if isinstance(action, Fail):
                raise failure
            if not isinstance(action, Retry):
                provider = situation.snapshot.deployments[index].provider.id
                world.meter.add(metrics.FALLBACKS, (provider,))
                break
            await asyncio.sleep(action.after_s)
    if failure is not None:
        raise failure
    raise RateLimited(
        "Every deployment that may serve this call has used up its request limit for this "
        "minute. Try again in a minute, or raise 'limits: {rpm: ...}' in providers.yaml.",
        code="provider_limit_reached",
        retry_after_s=60.0,
    )


async def leased(world: World, situation: Situation, index: int, amount: int = 1) -> bool:
    """Whether the provider's shared request limit allows so many more."""
    provider = situation.snapshot.deployments[index].provider
    name = f"rpm/{provider.id}"
    leases = world.leases
    if leases.take(name, amount) or await leases.more(name, amount):
        return True
    world.meter.add(metrics.LEASE_DENIALS, (provider.id,))
    return False


def _cool(world: World, situation: Situation, index: int, action: Action) -> None:
    if action.cool_s > 0.0:
        now = world.clock()
        deployment = situation.snapshot.deployments[index]
        world.health.cool(deployment.id, now + action.cool_s, now)


def refused(
    world: World, signing: PerRequest | ByToken | None, error: UpstreamError
) -> UpstreamError:
    """A provider's refusal; one of our token is a failure that a new token mends."""
    if (
        isinstance(signing, ByToken)
        and isinstance(error, UpstreamDenied)
        and world.tokens.forget(signing.spec)
    ):
        return UpstreamFailed(
            "The provider no longer takes our token; it is fetched anew.",
            upstream_status=error.upstream_status,
        )
    return error


def timeouts(deadlines: Deadlines) -> Timeouts:
    """A route's deadlines in the transport's words."""
    return Timeouts(
        deadlines.connect_s, deadlines.first_token_s, deadlines.idle_s, deadlines.total_s
    )
