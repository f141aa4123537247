"""The dispatcher: decide, then ask deployments in order until one answers.

A deployment may be changed only before the first byte of the answer left for the client.
Which failure allows what is `resilience.recovery`'s to say: there is no status number in
the loop.
"""

from __future__ import annotations

import asyncio

from federation.domain.routes import Deadlines
from federation.errors import RateLimited, UpstreamError, UpstreamGarbled, UpstreamTimeout
from federation.gateway.attempt import Attempt
from federation.gateway.call import Call
from federation.gateway.deciding import decide_call
from federation.gateway.reply import headers, metadata, warnings
from federation.gateway.stream import AnswerStream
from federation.gateway.world import Situation, World
from federation.ports import Exchange
from federation.resilience.recovery import Action, Fail, Retry, Tries
from federation.routing.request import Verdict
from federation.schema.http import ClientReply, Timeouts
from federation.schema.tap import StreamTap
from federation.telemetry import metrics

_ERROR_BODY = 256 * 1024
_OPENING = 1024 * 1024
_EVENTS = b"text/event-stream"
_BYTES_PER_TOKEN = 4
"""For an answer without usage: its framing counts too, so this errs on the dear side."""


class Dispatcher:
    """Turns a call into attempts and an attempt into an answer; one for each worker."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def __call__(self, call: Call) -> ClientReply:
        """The answer of the first deployment that gives one.

        Raises the routing refusal (`NotFound`, `NotEligible`), `RateLimited` where every
        candidate's allowance is used up, or the last `UpstreamError` when nobody answered.
        """
        world = self._world
        situation = world.current()
        verdict = decide_call(world, situation, call)
        tries = Tries(situation.snapshot.settings.attempts)
        failure: UpstreamError | None = None
        order = verdict.order
        last = order[-1]
        for index in order:
            limited = situation.snapshot.deployments[index].provider.limits.rpm is not None
            while not limited or await self._leased(situation, index):
                try:
                    return await self._attempt(call, situation, verdict, index)
                except UpstreamError as error:
                    failure = error
                    action = tries.after(error, world.rng, last=index == last)
                self._cool(situation, index, action)
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

    def _cool(self, situation: Situation, index: int, action: Action) -> None:
        if action.cool_s > 0.0:
            world = self._world
            now = world.clock()
            deployment = situation.snapshot.deployments[index]
            world.health.cool(deployment.id, now + action.cool_s, now)

    async def _leased(self, situation: Situation, index: int) -> bool:
        """Whether the provider's shared request limit allows one more."""
        provider = situation.snapshot.deployments[index].provider
        name = f"rpm/{provider.id}"
        leases = self._world.leases
        if leases.take(name) or await leases.more(name):
            return True
        self._world.meter.add(metrics.LEASE_DENIALS, (provider.id,))
        return False

    async def _attempt(
        self, call: Call, situation: Situation, verdict: Verdict, index: int
    ) -> ClientReply:
        """Ask one deployment. Raises `UpstreamError`; the attempt is closed in every case."""
        face, wire = situation.line(index)
        attempt = Attempt(self._world, call, situation.snapshot.deployments[index])
        exchange: Exchange | None = None
        try:
            request = face.encode(wire, call.glance, call.request.body)
            deadlines = verdict.target.deadlines
            exchange = await self._world.transport.send(
                request, _timeouts(deadlines), attempt.asked
            )
            attempt.answered(exchange.status)
            if exchange.status >= 300:
                body = await exchange.body(_ERROR_BODY)
                raise face.decode_error(wire, exchange.status, exchange.headers, body)
            if call.glance.stream:
                within_s = deadlines.first_token_s
                return await self._open(call, situation, index, attempt, exchange, within_s)
            return await self._whole(call, situation, index, attempt, exchange)
        except BaseException as error:
            attempt.fail(error)
            if exchange is not None:
                await exchange.aclose()
            raise

    async def _whole(
        self, call: Call, situation: Situation, index: int, attempt: Attempt, exchange: Exchange
    ) -> ClientReply:
        face, wire = situation.line(index)
        body = await exchange.body(situation.snapshot.settings.response_bytes)
        answer = face.read_answer(wire, body)
        account = call.account
        account.hear(answer)
        attempt.close(answer.usage or attempt.estimate(len(body) // _BYTES_PER_TOKEN))
        if account.router_chose or call.glance.ask.metadata:
            elapsed_ms = (self._world.clock() - call.started) * 1000.0
            body = face.with_metadata(body, metadata(call, attempt.deployment, elapsed_ms))
        kind = exchange.headers.get(b"content-type", b"application/json")
        pairs = headers(call, situation.marks[index], kind)
        pairs += warnings(face.dropped_fields(wire, call.glance))
        return ClientReply(exchange.status, pairs, body)

    async def _open(
        self,
        call: Call,
        situation: Situation,
        index: int,
        attempt: Attempt,
        exchange: Exchange,
        within_s: float,
    ) -> ClientReply:
        """Read until the answer has begun: up to there another deployment may still take over."""
        face, wire = situation.line(index)
        kind = exchange.headers.get(b"content-type", _EVENTS)
        if not kind.lower().startswith(_EVENTS):
            raise UpstreamGarbled("The provider answered a stream with something else.")
        glance = call.glance
        tap = face.tap(wire, withhold_usage=not glance.usage_asked, choices=glance.choices)
        opening = await _more(exchange, tap)
        if not tap.started:
            opening += await _until_content(exchange, tap, attempt.left(within_s))
        attempt.began()
        endings = [attempt.ending(tap)]
        stream = AnswerStream(exchange, tap, opening, face.render_stream_error, endings)
        pairs = headers(call, situation.marks[index], kind)
        pairs.append((b"cache-control", b"no-cache"))
        pairs += warnings(face.dropped_fields(wire, glance))
        return ClientReply(exchange.status, pairs, stream)


async def _more(exchange: Exchange, tap: StreamTap) -> bytes:
    """The next events of an answer that has not begun yet."""
    data = await exchange.read()
    if not data:
        raise UpstreamGarbled("The provider ended a stream without an answer.")
    return tap.feed(data)


async def _until_content(exchange: Exchange, tap: StreamTap, within_s: float) -> bytes:
    """The events up to the first content, bounded in time and size: keep-alives are no answer."""
    opening = bytearray()
    try:
        async with asyncio.timeout(within_s):
            while not tap.started:
                opening += await _more(exchange, tap)
                if len(opening) > _OPENING:
                    raise UpstreamGarbled("The provider's stream has no beginning.")
    except TimeoutError:
        raise UpstreamTimeout("The provider kept a stream open and did not answer.") from None
    return bytes(opening)


def _timeouts(deadlines: Deadlines) -> Timeouts:
    return Timeouts(
        deadlines.connect_s, deadlines.first_token_s, deadlines.idle_s, deadlines.total_s
    )
