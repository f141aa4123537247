"""Counting the tokens of a call without running it.

The first eligible deployment counts where its dialect knows how; else the count is ours and
says so. What is sent to be counted is content on its way to a provider, so a count passes
the same rules as a call and leaves the same record. It is no sign of a deployment's speed,
so health does not hear of it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from federation.dialects.faces import Counter
from federation.domain.catalogue import Deployment
from federation.errors import UpstreamError
from federation.gateway.call import Call
from federation.gateway.deadlines import plain_timeouts
from federation.gateway.deciding import decide_call
from federation.gateway.entry import ClientLeft, Entry
from federation.gateway.placement import leased
from federation.gateway.reply import headers
from federation.gateway.sending import passed_on, refused
from federation.gateway.stages.record import on_record
from federation.gateway.threads import off_loop, weight
from federation.gateway.world import Line, World
from federation.schema.http import ClientReply, Timeouts, WireRequest

_LIMIT = 256 * 1024
_JSON = b"application/json"
_OURS = (b"x-federation-estimated", b"true")


class Counting:
    """Stands in the dispatcher's place; one for each dialect that counts, for each worker."""

    def __init__(self, world: World, render: Callable[[int], bytes]) -> None:
        self._world = world
        self._render = render

    async def __call__(self, call: Call) -> ClientReply:
        """The count in the client's words. Raises what routing and `encode` raise."""
        world = self._world
        situation = world.current()
        verdict = decide_call(world, situation, call, world.memory.aside())
        index = verdict.order[0]
        line, deployment = situation.line(index), situation.snapshot.deployments[index]
        tokens = None
        # Who has no room for a count, or no request left, is not waited for: we count ourselves.
        stay = world.entrance.stay(deployment.provider.id)
        if stay is not None:
            try:
                if isinstance(line.upstream, Counter) and await leased(world, situation, index):
                    phases = plain_timeouts(world, situation, call, verdict.target, index)
                    tokens = await self._counted(call, deployment, line, line.upstream, phases)
            finally:
                stay.leave()
        pairs = headers(call, situation.marks[index], _JSON)
        if tokens is None:
            tokens = verdict.decision.features.input_tokens
            pairs.append(_OURS)
        return ClientReply(200, pairs, self._render(tokens))

    async def _counted(
        self, call: Call, deployment: Deployment, line: Line, counter: Counter, phases: Timeouts
    ) -> int | None:
        """The provider's count; None where it gave none."""
        world = self._world
        request = await off_loop(weight(call.request.body), partial(_written, call, line, counter))
        on_record(world.journal, call)
        call.account.choose(deployment)
        entry = Entry(world, call.account, deployment.id)
        outcome: BaseException | None = ClientLeft()
        count = None
        try:
            if line.signing is not None:
                request = await world.tokens.sign(line.signing, request)
            else:
                request = passed_on(request, call.request)
            exchange = await world.transport.send(request, phases)
            entry.status = exchange.status
            try:
                body = await exchange.body(_LIMIT)
            finally:
                await exchange.aclose()
            if exchange.status >= 300:
                raise line.upstream.decode_error(exchange.status, exchange.headers, body)
            count = counter.decode_count(body)
            outcome = None
        except UpstreamError as failure:
            outcome = refused(world, line.signing, failure)
        finally:
            entry.write(outcome)
        return count


def _written(call: Call, line: Line, counter: Counter) -> WireRequest:
    """The request that has a call counted. Raises `InvalidRequest`."""
    canonical, _ = call.reading.fitted(line.maker)
    return counter.encode_count(canonical).request
