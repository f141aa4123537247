"""The dispatcher: decide, then ask deployments in order until one answers (`trying`)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from msgspec import structs

from federation.dialects.faces import Upstream
from federation.dialects.untold import Untold
from federation.errors import (
    BudgetExceeded,
    FederationError,
    RateLimited,
    UpstreamError,
)
from federation.gateway.asking import Asking, ask
from federation.gateway.attempt import Attempt
from federation.gateway.call import Call
from federation.gateway.cheaper import cheaper
from federation.gateway.deciding import decide_call, nobody_else
from federation.gateway.funding import fund_chat
from federation.gateway.kept import Kept
from federation.gateway.mending import Mending
from federation.gateway.opening import no_stream, opened
from federation.gateway.patience import patience
from federation.gateway.reading import answer_of
from federation.gateway.reply import Pairs, headers, metadata, warnings
from federation.gateway.sending import send
from federation.gateway.spoken import spoken
from federation.gateway.stream import AnswerStream
from federation.gateway.threads import checked, off_loop
from federation.gateway.translating import TranslatingTap
from federation.gateway.trying import first_answer
from federation.gateway.world import Line, Situation, World
from federation.ports import Exchange
from federation.routing.request import Verdict
from federation.schema.chat import ChatResponse
from federation.schema.chunks import Begun
from federation.schema.glance import Glance
from federation.schema.http import ClientReply, Timeouts
from federation.schema.parts import Refusal, Text, Thinking, ToolCall
from federation.schema.tap import StreamTap

_EVENTS = b"text/event-stream"
_JSON = b"application/json"
_CHARACTERS_PER_TOKEN = 3
"""For an answer without usage: few languages have fewer, so this errs on the dear side."""


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

        asked: list[int] = []

        def attempt(index: int) -> Awaitable[ClientReply]:
            asked.append(index)
            return self._attempt(call, situation, verdict, index)

        order = verdict.order
        while True:
            try:
                return await first_answer(world, situation, call, order, attempt)
            except BudgetExceeded as error:
                order = cheaper(situation, call, order, asked, error.left_nano)
                if not order or call.account.tried >= situation.snapshot.settings.attempts:
                    raise
            except (UpstreamError, RateLimited) as error:
                nobody_else(call, error, verdict)
                raise

    async def _attempt(
        self, call: Call, situation: Situation, verdict: Verdict, index: int
    ) -> ClientReply:
        """Ask one deployment. Raises `UpstreamError`; the attempt is closed in every case."""
        line = situation.line(index)
        attempt = Attempt(self._world, call, situation.snapshot.deployments[index])
        exchange: Exchange | None = None
        try:
            asking = await self._asking(call, situation, line, attempt)
            others = index != verdict.order[-1]
            phases = patience(self._world, situation, call, verdict, index, others=others)
            exchange = await send(self._world, line, asking.request, phases, attempt)
            marks = situation.marks[index]
            if call.glance.stream:
                mend = Mending(self._world, call, situation, verdict, index)
                return await self._open(call, line, marks, attempt, asking, exchange, phases, mend)
            limit = situation.snapshot.settings.response_bytes
            return await self._whole(call, line, marks, attempt, asking, exchange, limit)
        except BaseException as fault:
            attempt.fail(fault)
            if exchange is not None:
                await exchange.aclose()
            raise

    async def _asking(
        self, call: Call, situation: Situation, line: Line, attempt: Attempt
    ) -> Asking:
        """The signed request, paid for. A big body is translated in a thread: its bytes must
        not hold up everybody else's events."""
        forwarded = line.upstream.forwards == call.face.name
        size = 0 if forwarded else len(call.request.body)
        asking = await off_loop(size, partial(ask, call, line))
        if self._world.money.book.scopes:
            asking = await fund_chat(self._world, situation, call, line, attempt, asking)
        if line.signing is not None:
            signed = await self._world.tokens.sign(line.signing, asking.request)
            return structs.replace(asking, request=signed)
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
        if asking.translated or not _lets_out(call, upstream, body):
            response = await off_loop(len(body), partial(upstream.decode, body))
            answer = answer_of(response)
        else:
            answer = upstream.read_answer(body)
        account.hear(answer)
        attempt.close(answer.usage or attempt.estimate(_tokens(response or upstream.decode(body))))
        if account.watching is not None:
            await account.watching.answer(upstream, body, response)
        if response is not None:
            changed = asking.translated
            if call.guarding is not None:
                check = partial(call.guarding.response, response)
                screened = await checked(call.guarding, len(body), check)
                changed, response = changed or screened != response, screened
        if response is not None and changed:
            at = call.started_ms // 1000
            body, kind = call.reading.rendered(response, line.maker, call.id, at), _JSON
        if account.router_chose or call.glance.ask.metadata:
            elapsed_ms = (self._world.clock() - call.started) * 1000.0
            body = call.face.with_metadata(body, metadata(call, attempt.deployment, elapsed_ms))
        pairs = headers(call, marks, kind)
        pairs += warnings(asking.losses, asking.lowered, call.reading.left_out)
        return ClientReply(exchange.status, pairs, body)

    async def _open(
        self,
        call: Call,
        line: Line,
        marks: Pairs,
        attempt: Attempt,
        asking: Asking,
        exchange: Exchange,
        phases: Timeouts,
        mend: Mending,
    ) -> ClientReply:
        """Read until the answer has begun: up to there another deployment may still take over."""
        upstream, glance = line.upstream, call.glance
        if not upstream.is_stream(exchange.headers):
            raise await no_stream(exchange, upstream)
        translated = asking.translated or call.guarding is not None
        mend.forwarded = not translated
        untold: Untold | None = None
        tap: StreamTap
        if translated:
            untold = call.reading.untold()
            tap, in_band = _translating(call, line, untold)
            kind = call.face.stream_type(call.request)
        else:
            tap = upstream.tap(withhold_usage=not glance.usage_asked, choices=glance.choices)
            kind = exchange.headers.get(b"content-type", _EVENTS)
            in_band = call.face.stream_error
        if call.account.watching is not None:
            tap = call.account.watching.along(tap, upstream)
        kept = Kept(whole=mend.allowed)
        slow = call.guarding is not None and call.guarding.slow
        opening = await opened(exchange, tap, attempt, phases.first_byte_s, kept, slow=slow)
        if tap.error is not None:
            raise tap.error
        attempt.began()
        stream = AnswerStream(
            exchange,
            tap,
            opening,
            attempt.ending(tap, partial(spoken, upstream.decoder, kept, _most(glance))),
            in_band,
            tells=None if translated else line.secrets,
            kept=kept,
            mend=mend if mend.allowed else None,
            idle_s=phases.idle_s,
            error_ends=call.face.error_ends,
            slow=slow,
        )
        pairs = [*headers(call, marks, kind), (b"cache-control", b"no-cache")]
        left_out = untold.found() if untold is not None else ()
        pairs += warnings(asking.losses, asking.lowered, left_out)
        return ClientReply(exchange.status, pairs, stream)


def _lets_out(call: Call, upstream: Upstream, body: bytes) -> bool:
    """Whether an answer in the client's language is handed on as it came: nobody checks it, or it
    is so plain that its words are known without reading it in full, and they hold nothing."""
    guarding = call.guarding
    if guarding is None:
        return True
    words = upstream.words(body) if guarding.quick(len(body)) else None
    return words is not None and guarding.lets_out(words)


def _most(glance: Glance) -> int | None:
    """Tokens that the call allows of all its answers together; None where it says nothing."""
    return None if glance.max_output is None else glance.max_output * glance.choices


def _translating(
    call: Call, line: Line, untold: Untold | None
) -> tuple[TranslatingTap, Callable[[FederationError], bytes]]:
    """What turns a provider's stream into the client's, and how an error is told within it."""
    reading, upstream = call.reading, line.upstream
    renderer = call.face.renderer(reading.canonical())
    tap = TranslatingTap(
        upstream.decoder(),
        renderer,
        reading.wrapper(line.maker),
        upstream.forwards,
        Begun(call.id, "", call.started_ms // 1000),
        single=call.glance.choices <= 1,
        identity=reading.identity,
        screen=call.guarding.stream() if call.guarding is not None else None,
        untold=untold,
    )
    return tap, renderer.fail


def _tokens(response: ChatResponse) -> int:
    """Our own count of an answer."""
    characters = 0
    for choice in response.choices:
        for part in choice.parts:
            match part:
                case Text() | Thinking() | Refusal():
                    characters += len(part.text)
                case ToolCall():
                    characters += len(part.name) + len(part.arguments)
                case _:
                    pass
    return -(-characters // _CHARACTERS_PER_TOKEN)
