"""The dispatcher: decide, then ask deployments in order until one answers.

A deployment may be changed only before the first byte of the answer left for the client.
Which failure allows what is `resilience.recovery`'s to say: there is no status number in
the loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from federation.credentials.plans import ByToken
from federation.domain.routes import Deadlines
from federation.errors import (
    FederationError,
    RateLimited,
    UpstreamDenied,
    UpstreamError,
    UpstreamFailed,
    UpstreamGarbled,
    UpstreamTimeout,
)
from federation.gateway.asking import Asking, ask
from federation.gateway.attempt import Attempt
from federation.gateway.call import Call
from federation.gateway.deciding import decide_call
from federation.gateway.reading import answer_of
from federation.gateway.reply import Pairs, headers, metadata, warnings
from federation.gateway.stream import AnswerStream
from federation.gateway.translating import TranslatingTap
from federation.gateway.world import Line, Situation, World
from federation.ports import Exchange
from federation.resilience.recovery import Action, Fail, Retry, Tries
from federation.routing.request import Verdict
from federation.schema.http import ClientReply, Timeouts
from federation.schema.tap import StreamTap
from federation.telemetry import metrics

_ERROR_BODY = 256 * 1024
_OPENING = 1024 * 1024
_EVENTS = b"text/event-stream"
_JSON = b"application/json"
_BIG = 512 * 1024
"""Bytes of a body that take some milliseconds to translate."""
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
        line = situation.line(index)
        attempt = Attempt(self._world, call, situation.snapshot.deployments[index])
        exchange: Exchange | None = None
        try:
            asking = await self._asking(call, line)
            deadlines = verdict.target.deadlines
            exchange = await self._world.transport.send(
                asking.request, timeouts(deadlines), attempt.asked
            )
            attempt.answered(exchange.status)
            if exchange.status >= 300:
                body = await exchange.body(_ERROR_BODY)
                raise self._refused(line, exchange, body)
            marks = situation.marks[index]
            if call.glance.stream:
                within_s = deadlines.first_token_s
                return await self._open(call, line, marks, attempt, asking, exchange, within_s)
            limit = situation.snapshot.settings.response_bytes
            return await self._whole(call, line, marks, attempt, asking, exchange, limit)
        except BaseException as error:
            attempt.fail(error)
            if exchange is not None:
                await exchange.aclose()
            raise

    async def _asking(self, call: Call, line: Line) -> Asking:
        """The signed request. A big body is translated in a thread: its bytes must not hold
        up everybody else's events."""
        if len(call.request.body) > _BIG and line.upstream.forwards != call.face.name:
            asking = await asyncio.to_thread(ask, call, line)
        else:
            asking = ask(call, line)
        if line.signing is not None:
            signed = await self._world.tokens.sign(line.signing, asking.request)
            return replace(asking, request=signed)
        return asking

    def _refused(self, line: Line, exchange: Exchange, body: bytes) -> UpstreamError:
        error = line.upstream.decode_error(exchange.status, exchange.headers, body)
        if (
            isinstance(line.signing, ByToken)
            and isinstance(error, UpstreamDenied)
            and self._world.tokens.forget(line.signing.spec)
        ):
            return UpstreamFailed(
                "The provider no longer takes our token; it is fetched anew.",
                upstream_status=exchange.status,
            )
        return error

    async def _whole(
        self,
        call: Call,
        line: Line,
        marks: Pairs,
        attempt: Attempt,
        asking: Asking,
        exchange: Exchange,
        limit: int,
    ) -> ClientReply:
        body = await exchange.body(limit)
        account, upstream = call.account, line.upstream
        kind = exchange.headers.get(b"content-type", _JSON)
        response = None
        if asking.translated:
            many = len(body) > _BIG
            response = (
                await asyncio.to_thread(upstream.decode, body) if many else upstream.decode(body)
            )
            answer = answer_of(response)
        else:
            answer = upstream.read_answer(body)
        account.hear(answer)
        attempt.close(answer.usage or attempt.estimate(len(body) // _BYTES_PER_TOKEN))
        if response is not None:
            body, kind = call.reading.rendered(response, line.maker, call.id), _JSON
        if account.router_chose or call.glance.ask.metadata:
            elapsed_ms = (self._world.clock() - call.started) * 1000.0
            body = call.face.with_metadata(body, metadata(call, attempt.deployment, elapsed_ms))
        pairs = headers(call, marks, kind)
        pairs += warnings(asking.losses)
        return ClientReply(exchange.status, pairs, body)

    async def _open(
        self,
        call: Call,
        line: Line,
        marks: Pairs,
        attempt: Attempt,
        asking: Asking,
        exchange: Exchange,
        within_s: float,
    ) -> ClientReply:
        """Read until the answer has begun: up to there another deployment may still take over."""
        upstream, glance = line.upstream, call.glance
        if not upstream.is_stream(exchange.headers):
            raise UpstreamGarbled("The provider answered a stream with something else.")
        tap: StreamTap
        in_band: Callable[[FederationError], bytes]
        if asking.translated:
            renderer = call.face.renderer(call.reading.canonical())
            wrapper = call.reading.wrapper(line.maker)
            tap = TranslatingTap(upstream.decoder(), renderer, wrapper, upstream.forwards, call.id)
            kind, in_band = call.face.stream_type(call.request), renderer.fail
        else:
            tap = upstream.tap(withhold_usage=not glance.usage_asked, choices=glance.choices)
            kind = exchange.headers.get(b"content-type", _EVENTS)
            in_band = call.face.stream_error
        opening = await _more(exchange, tap)
        if not tap.started:
            opening += await _until_content(exchange, tap, attempt.left(within_s))
        attempt.began()
        stream = AnswerStream(exchange, tap, opening, in_band, [attempt.ending(tap)])
        pairs = headers(call, marks, kind)
        pairs.append((b"cache-control", b"no-cache"))
        pairs += warnings(asking.losses)
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


def timeouts(deadlines: Deadlines) -> Timeouts:
    """A route's deadlines in the transport's words."""
    return Timeouts(
        deadlines.connect_s, deadlines.first_token_s, deadlines.idle_s, deadlines.total_s
    )
