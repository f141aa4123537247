"""One attempt at a chat: a deployment is asked once, and its answer becomes the client's.

Between equal languages the client's bytes go on and the provider's come back, with usage read
off them. What must be translated or checked is taken apart; what is big, in a thread.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from msgspec import structs

from federation.dialects.faces import Upstream
from federation.dialects.untold import Untold
from federation.errors import FederationError, UpstreamOversized
from federation.gateway.asking import Asking, ask
from federation.gateway.attempt import Attempt
from federation.gateway.call import Call
from federation.gateway.deadlines import timeouts_for
from federation.gateway.funding import fund_chat
from federation.gateway.guarded_answers import screened, screened_error
from federation.gateway.kept_answer import KeptAnswer
from federation.gateway.leg import Leg
from federation.gateway.mending import Mending
from federation.gateway.opening import no_stream, opened
from federation.gateway.output_estimate import estimated_output
from federation.gateway.reading import answer_of
from federation.gateway.reply import Pairs, headers, metadata, warnings
from federation.gateway.sending import send
from federation.gateway.stream import AnswerStream
from federation.gateway.threads import BIG, checked, off_loop, weight
from federation.gateway.translating import TranslatingTap
from federation.gateway.world import Line, Situation, World
from federation.ports import Exchange
from federation.routing.request import Verdict
from federation.schema.chat import ChatResponse
from federation.schema.chunks import Begun
from federation.schema.glance import Answer, Glance
from federation.schema.http import ClientReply, Timeouts
from federation.schema.parts import Refusal, Text, Thinking, ToolCall

_EVENTS = b"text/event-stream"
_JSON = b"application/json"
_UNCACHED = (b"cache-control", b"no-cache")
_GOOD = 200
"""Whatever the provider said of its good answer: 205 has no body, and 206 is a part of one."""
_CHARACTERS_PER_TOKEN = 3
"""For an answer without usage: few languages have fewer, so this errs on the dear side."""


class ChatAttempt:
    """One attempt at the deployment with this index; nothing is begun before `answer`."""

    __slots__ = ("_call", "_index", "_line", "_situation", "_verdict", "_world")

    def __init__(
        self, world: World, situation: Situation, call: Call, verdict: Verdict, index: int
    ) -> None:
        self._world = world
        self._situation = situation
        self._call = call
        self._verdict = verdict
        self._index = index
        self._line = situation.line(index)

    async def answer(self) -> ClientReply:
        """Raises `UpstreamError`; the attempt is closed in every case."""
        world, situation, call, index = self._world, self._situation, self._call, self._index
        attempt = Attempt(world, call, situation.snapshot.deployments[index])
        exchange: Exchange | None = None
        try:
            forwards = self._line.upstream.forwards == call.face.name
            asking = ask(call, self._line) if forwards else await self._translated()
            if world.money.book.scopes or self._line.signing is not None:
                asking = await self._covered(attempt, asking)
            others = index != self._verdict.order[-1]
            phases = timeouts_for(world, situation, call, self._verdict, index, others=others)
            exchange = await send(world, self._line, asking.request, phases, attempt)
            if call.glance.stream:
                return await self._open(attempt, asking, exchange, phases)
            return await self._whole(attempt, asking, exchange)
        except BaseException as fault:
            attempt.fail(fault)
            if exchange is not None:
                await exchange.aclose()
            screened_error(call.guarding, fault)
            raise

    def _warnings(self, asking: Asking, left_out: tuple[str, ...]) -> Pairs:
        return warnings(asking.losses, asking.lowered, left_out, self._verdict.strangers)

    async def _translated(self) -> Asking:
        """The request in the deployment's language. A big body is translated in a thread: its
        bytes must not hold up everybody else's events."""
        call = self._call
        return await off_loop(weight(call.request.body), partial(ask, call, self._line))

    async def _covered(self, attempt: Attempt, asking: Asking) -> Asking:
        """The same request, paid for and signed."""
        world, call, line = self._world, self._call, self._line
        if world.money.book.scopes:
            asking = await fund_chat(world, self._situation, call, line, attempt, asking)
        if line.signing is not None:
            signed = await world.tokens.sign(line.signing, asking.request)
            return structs.replace(asking, request=signed)
        return asking

    async def _whole(self, attempt: Attempt, asking: Asking, exchange: Exchange) -> ClientReply:
        call = self._call
        most = self._situation.snapshot.settings.response_bytes
        try:
            body = await exchange.body(most)
        except UpstreamOversized as error:
            raise attempt.oversized(error, most) from None
        account, upstream, size = call.account, self._line.upstream, len(body)
        kind = exchange.headers.get(b"content-type", _JSON)
        if size > BIG:
            answer, response = await self._read(attempt, asking, body)
        else:
            answer, response, count = self._looked(asking, body)
            attempt.close(answer.usage or attempt.estimate(count))
            account.hear(answer)
        if account.watching is not None:
            await account.watching.answer(upstream, body, response)
        if response is not None:
            changed = asking.translated
            if call.guarding is not None:
                check = partial(screened, call.guarding, body, response, changed=changed)
                changed, told = await checked(call.guarding, size, check)
                response = told
            if changed:
                body, kind = await off_loop(size, partial(self._rendered, response)), _JSON
        if account.router_chose or call.glance.ask.metadata:
            elapsed_ms = (self._world.clock() - call.started) * 1000.0
            facts = metadata(call, attempt.deployment, elapsed_ms)
            body = await off_loop(size, partial(call.face.with_metadata, body, facts))
        account.hear(answer)  # one that was asked beside it may have been heard meanwhile
        pairs = headers(call, self._situation.marks[self._index], kind, call.face.id_header)
        pairs += self._warnings(asking, call.reading.left_out)
        return ClientReply(_GOOD, pairs, body)

    async def _read(
        self, attempt: Attempt, asking: Asking, body: bytes
    ) -> tuple[Answer, ChatResponse | None]:
        """What a long answer says of itself, and all of it where it must be translated or checked.
        The attempt is closed."""
        answer, response, _ = await attempt.read(
            len(body),
            partial(self._looked, asking, body),
            lambda found: found[0].usage or attempt.estimate(found[2]),
        )
        self._call.account.hear(answer)
        return answer, response

    def _looked(self, asking: Asking, body: bytes) -> tuple[Answer, ChatResponse | None, int]:
        """The same, and our own count where the provider gives none."""
        upstream, response = self._line.upstream, None
        if asking.translated or not _lets_out(self._call, upstream, body):
            response = upstream.decode(body)
            answer = answer_of(response)
        else:
            answer = upstream.read_answer(body)
        count = 0 if answer.usage is not None else _counted(upstream, body, response)
        return answer, response, count

    def _rendered(self, response: ChatResponse) -> bytes:
        call = self._call
        at = call.started_ms // 1000
        return call.reading.rendered(response, self._line.maker, call.id, at)

    async def _open(
        self, attempt: Attempt, asking: Asking, exchange: Exchange, phases: Timeouts
    ) -> ClientReply:
        """Read until the answer has begun: up to there another deployment may still take over."""
        call, line, situation = self._call, self._line, self._situation
        upstream, glance, guarding = line.upstream, call.glance, call.guarding
        if not upstream.is_stream(exchange.headers):
            raise await no_stream(exchange, upstream)
        mend = Mending(self._world, call, situation, self._verdict, self._index)
        mend.forwarded = not asking.translated and guarding is None
        if mend.forwarded:
            kind, untold = exchange.headers.get(b"content-type", _EVENTS), None
            tap = upstream.tap(withhold_usage=not glance.usage_asked, choices=glance.choices)
            in_band = call.face.stream_error
        else:
            kind, untold = call.face.stream_type(call.request), call.reading.untold()
            tap, in_band = _translating(call, line, untold)
        if call.account.watching is not None:
            tap = call.account.watching.along(tap, upstream)
        kept = KeptAnswer(whole=mend.allowed)
        slow = guarding is not None and guarding.slow
        opening = await opened(exchange, tap, attempt, phases.first_byte_s, kept, slow=slow)
        if tap.error is not None:
            raise tap.error
        attempt.began()
        ending = attempt.ending(
            tap, partial(estimated_output, upstream.decoder, kept, _most(glance))
        )
        stream = AnswerStream(
            Leg(exchange, tap, opening, ending, in_band),
            tells=line.secrets if mend.forwarded else None,
            kept=kept,
            mend=mend if mend.allowed else None,
            idle_s=phases.idle_s,
            error_ends=call.face.error_ends,
            slow=slow,
        )
        pairs = headers(call, situation.marks[self._index], kind, call.face.id_header)
        pairs.append(_UNCACHED)
        left_out = untold.found() if untold is not None else ()
        pairs += self._warnings(asking, left_out)
        return ClientReply(_GOOD, pairs, stream)


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
        choices=call.glance.choices,
        identity=reading.identity,
        screen=call.guarding.stream() if call.guarding is not None else None,
        untold=untold,
    )
    return tap, renderer.fail


def _counted(upstream: Upstream, body: bytes, response: ChatResponse | None) -> int:
    """Our own count of an answer, which may have been read already."""
    characters = 0
    for choice in (response or upstream.decode(body)).choices:
        for part in choice.parts:
            match part:
                case Text() | Thinking() | Refusal():
                    characters += len(part.text)
                case ToolCall():
                    characters += len(part.name) + len(part.arguments)
                case _:
                    pass
    return -(-characters // _CHARACTERS_PER_TOKEN)
