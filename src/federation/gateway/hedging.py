"""Hedging: asking a second deployment when the first takes longer than it nearly always does.

Off unless a route says `hedge: true`. The first answer wins; the other attempt is canceled, its
connection closed, and what it used is charged. The trap is a deployment that has become slow:
canceled attempts do not measure how slow it is. So hedges count against the retry budget of the
deployment that they ask, and the calls that get no hedge measure it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from federation.errors import FederationError, Recovery, UpstreamError
from federation.gateway.admission import Promise
from federation.gateway.attempt import expected_tokens
from federation.gateway.call import AnyCall
from federation.gateway.cooling import cool, well
from federation.gateway.deciding import may_still
from federation.gateway.provider_limits import take_all
from federation.gateway.world import Situation, World
from federation.resilience.recovery import Tries, recover
from federation.schema.http import ClientReply
from federation.telemetry import metrics

_CHAT = "chat"
Asked = Callable[[int], Awaitable[ClientReply]]
"""Asks one deployment once; its first step begins the attempt."""


def hedged_after_s(world: World, situation: Situation, call: AnyCall, index: int) -> float | None:
    """How long this deployment is waited for before another is asked, too; None for ever.

    The 95th percentile of whole answers; of a stream the 99th to its first token, or the
    expected time where none was measured.
    """
    snapshot = situation.snapshot
    route = snapshot.routes.get(call.glance.model or snapshot.settings.default_model or "")
    if route is None or not route.hedge or call.operation != _CHAT:
        return None
    if world.situation is not situation:
        return None  # the board follows a newer snapshot, whose indexes are others
    live = world.health.columns
    if call.glance.stream:
        return (live.p99_first_ms[index] or live.first_token_ms[index]) / 1000.0
    return live.p95_ms[index] / 1000.0


class Hedge:
    """One deployment asked, and perhaps another: `rest` are those that may be."""

    __slots__ = ("_attempt", "_call", "_finished", "_rest", "_situation", "_tries", "_world")

    def __init__(
        self,
        world: World,
        situation: Situation,
        call: AnyCall,
        attempt: Asked,
        tries: Tries,
        rest: list[int],
    ) -> None:
        self._world = world
        self._situation = situation
        self._call = call
        self._attempt = attempt
        self._tries = tries
        self._rest = rest
        self._finished: list[int] = []

    async def ask(self, first: Promise, after_s: float) -> ClientReply:
        """The answer of the faster one. Raises the first one's `UpstreamError` where neither
        answers. Whoever was asked besides is taken out of `rest`, and counted."""
        runs = {self._start(first): first.index}
        try:
            await asyncio.wait(runs, timeout=after_s)
            if not self._finished and (second := self._second()) is not None:
                runs[self._start(second)] = second.index
            return await self._faster(runs, first.index)
        finally:
            await _end(runs)

    def _start(self, promise: Promise) -> asyncio.Task[ClientReply]:
        task = asyncio.create_task(self._run(promise))
        # A task that is canceled before its first step never runs at all.
        task.add_done_callback(lambda _: promise.drop())
        return task

    async def _run(self, promise: Promise) -> ClientReply:
        promise.keep()
        try:
            return await self._attempt(promise.index)
        finally:
            self._finished.append(promise.index)

    async def _faster(self, runs: dict[asyncio.Task[ClientReply], int], first: int) -> ClientReply:
        failure: BaseException | None = None
        hedged = len(runs) > 1
        while runs:
            done, _ = await asyncio.wait(runs, return_when=asyncio.FIRST_COMPLETED)
            # Of two that answer in the same step the later one has had the last word in the
            # call's account.
            for task in sorted(done, key=lambda each: -self._finished.index(runs[each])):
                index, error = runs.pop(task), task.exception()
                if error is None:
                    if hedged:
                        self._won(index, first)
                    return task.result()
                if index == first:
                    failure = error
                else:
                    self._lost(index, error)
            if failure is not None and _final(failure):
                break
        assert failure is not None  # noqa: S101 - the first one has run and did not answer
        raise failure

    def _won(self, index: int, first: int) -> None:
        deployment = self._situation.snapshot.deployments[index]
        self._call.account.settle(deployment)
        winner = "first" if index == first else "second"
        self._world.meter.add(metrics.HEDGES, (deployment.provider.id, winner))

    def _lost(self, index: int, error: BaseException) -> None:
        """The second one failed: the first may still answer. Raises what is a bug."""
        if not isinstance(error, FederationError):
            raise error
        if isinstance(error, UpstreamError):
            world, deployment = self._world, self._situation.snapshot.deployments[index]
            cool(world, self._situation, deployment, recover(error, 1, world.rng))

    def _second(self) -> Promise | None:
        """Another one that has room, is well, and may be asked more than it has to be."""
        if self._tries.left < 2:
            return None
        world, snapshot = self._world, self._situation.snapshot
        now = world.clock()
        for index in well(world, self._situation, self._rest):
            if not may_still(world, self._situation, self._call, index):
                continue
            promise = world.entrance.at_once(snapshot, (index,))
            if promise is None:
                continue
            deployment = snapshot.deployments[index]
            provider, tokens = deployment.provider, expected_tokens(self._call)
            wanted = provider.limits.wanted(provider.id, 1, tokens)
            # What is refused here is no attempt: it takes nothing of what retries share.
            if world.health.could_retry(deployment.id, now) and take_all(
                world.leases, wanted, world.wall
            ):
                world.health.may_retry(deployment.id, now)
                self._rest.remove(index)
                self._tries.spend()
                return promise
            promise.drop()
        return None


def _final(error: BaseException) -> bool:
    """Whether the first one's failure is the call's, whoever else is asked."""
    return not isinstance(error, UpstreamError) or error.recovery is Recovery.FAIL


async def _end(runs: dict[asyncio.Task[ClientReply], int]) -> None:
    """Cancel who was not fast enough, and hang up on an answer that came all the same."""
    for task in runs:
        task.cancel()
    for told in await asyncio.gather(*runs, return_exceptions=True):
        if isinstance(told, ClientReply) and not isinstance(told.body, bytes):
            await told.body.aclose()
