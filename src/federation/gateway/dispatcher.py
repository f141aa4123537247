"""The dispatcher: decide, then ask deployments in order until one answers (`trying`)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from federation.errors import (
    FederationError,
    UpstreamGarbled,
)
from federation.gateway.asking import Asking, ask
from federation.gateway.attempt import Attempt
from federation.gateway.call import Call
from federation.gateway.deciding import decide_call
from federation.gateway.opening import opened
from federation.gateway.reading import answer_of
from federation.gateway.reply import Pairs, headers, metadata, warnings
from federation.gateway.stream import AnswerStream
from federation.gateway.translating import TranslatingTap
from federation.gateway.trying import first_answer, refused, timeouts
from federation.gateway.world import Line, Situation, World
from federation.ports import Exchange
from federation.routing.request import Verdict
from federation.schema.chunks import Begun
from federation.schema.http import ClientReply
from federation.schema.tap import StreamTap

_ERROR_BODY = 256 * 1024
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

        def attempt(index: int) -> Awaitable[ClientReply]:
            return self._attempt(call, situation, verdict, index)

        return await first_answer(world, situation, verdict.order, attempt)

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
                error = line.upstream.decode_error(exchange.status, exchange.headers, body)
                raise refused(self._world, line.signing, error)
            marks = situation.marks[index]
            if call.glance.stream:
                within_s = deadlines.first_token_s
                return await self._open(call, line, marks, attempt, asking, exchange, within_s)
            limit = situation.snapshot.settings.response_bytes
            return await self._whole(call, line, marks, attempt, asking, exchange, limit)
        except BaseException as fault:
            attempt.fail(fault)
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
            at = call.started_ms // 1000
            body, kind = call.reading.rendered(response, line.maker, call.id, at), _JSON
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
            reading = call.reading
            renderer = call.face.renderer(reading.canonical())
            wrapper, decoder = reading.wrapper(line.maker), upstream.decoder()
            own = Begun(call.id, "", call.started_ms // 1000)
            tap = TranslatingTap(
                decoder,
                renderer,
                wrapper,
                upstream.forwards,
                own,
                single=glance.choices <= 1,
                identity=reading.identity,
            )
            kind, in_band = call.face.stream_type(call.request), renderer.fail
        else:
            tap = upstream.tap(withhold_usage=not glance.usage_asked, choices=glance.choices)
            kind = exchange.headers.get(b"content-type", _EVENTS)
            in_band = call.face.stream_error
        opening = await opened(exchange, tap, attempt, within_s)
        attempt.began()
        stream = AnswerStream(exchange, tap, opening, in_band, [attempt.ending(tap)])
        pairs = headers(call, marks, kind)
        pairs.append((b"cache-control", b"no-cache"))
        pairs += warnings(asking.losses)
        return ClientReply(exchange.status, pairs, stream)
