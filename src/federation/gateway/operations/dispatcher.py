"""Operations: decide, then ask deployments in order until one answers (`gateway.fallback`).

Between equal languages the client's bytes go on and the provider's come back, with usage read
off them. Sound and events are handed on as they arrive. Only what must be translated is
taken apart, and what is big is taken apart in a thread.
"""

from __future__ import annotations

from federation.dialects.operations import billing
from federation.dialects.operations.replies import with_metadata
from federation.dialects.operations.upstream import content_type, media_type
from federation.errors import RateLimited, UpstreamError
from federation.gateway.attempt import Attempt
from federation.gateway.call import OperationCall
from federation.gateway.deadlines import plain_timeouts
from federation.gateway.deciding import decide_operation, nobody_else
from federation.gateway.fallback import first_answer
from federation.gateway.funding import fund_operation
from federation.gateway.guarded_answers import screened_error
from federation.gateway.guarded_bodies import PICTURES, WORDLESS, checked_answer
from federation.gateway.guarded_events import GuardedEvents
from federation.gateway.kept_answer import KeptAnswer
from federation.gateway.leg import Leg
from federation.gateway.opening import opened
from federation.gateway.operations.asking import Asking, Reading, all_of, ask
from federation.gateway.placement import leased
from federation.gateway.reply import Pairs, headers, metadata, warnings
from federation.gateway.sending import send
from federation.gateway.stream import AnswerStream
from federation.gateway.threads import checked, off_loop, weight
from federation.gateway.world import OperationLine, Situation, World
from federation.ports import Exchange
from federation.routing.request import Verdict
from federation.schema.http import ClientReply, Timeouts, WireReply, WireRequest
from federation.schema.tap import StreamTap
from federation.schema.usage import Usage

_JSON = b"application/json"


class OperationDispatcher:
    """Turns a call into attempts and an attempt into an answer; one for each worker."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def __call__(self, call: OperationCall) -> ClientReply:
        """The answer of the first deployment that gives one.

        Raises the routing refusal (`NotFound`, `NotEligible`, `InvalidRequest`), `RateLimited`
        where every candidate's allowance is used up, or the last `UpstreamError`.
        """
        world = self._world
        situation = world.current()
        expected = billing.estimate(call.glance)
        verdict = decide_operation(world, situation, call, expected)
        run = _Run(world, call, situation, verdict, expected)
        try:
            return await first_answer(world, situation, call, verdict.order, run.attempt)
        except (UpstreamError, RateLimited) as error:
            nobody_else(call, error, verdict)
            raise


class _Run:
    """One call under way: what its attempts share."""

    __slots__ = ("_call", "_expected", "_reading", "_situation", "_verdict", "_world")

    def __init__(
        self,
        world: World,
        call: OperationCall,
        situation: Situation,
        verdict: Verdict,
        expected: Usage,
    ) -> None:
        self._world = world
        self._call = call
        self._situation = situation
        self._verdict = verdict
        self._expected = expected
        self._reading = Reading(call)

    async def attempt(self, index: int) -> ClientReply:
        """Ask one deployment. Raises `UpstreamError`; the attempt is closed in every case."""
        call, situation, world = self._call, self._situation, self._world
        line = situation.operations[call.operation][index]
        deployment = situation.snapshot.deployments[index]
        attempt = Attempt(world, call, deployment, self._expected)
        try:
            asking = await off_loop(
                weight(call.request.body), lambda: ask(call, self._reading, line.upstream)
            )
            if world.money.book.scopes:
                await fund_operation(world, situation, call, attempt, asking.requests)
            if len(asking.requests) > 1:
                return await self._batches(index, line, asking, attempt)
            exchange = await self._send(index, line, asking.requests[0], attempt)
            attempt.answered(exchange.status)
            try:
                return await self._answer(index, line, asking, attempt, exchange)
            except BaseException:
                await exchange.aclose()
                raise
        except BaseException as error:
            attempt.fail(error)
            screened_error(call.guarding, error)
            raise

    async def _send(
        self, index: int, line: OperationLine, request: WireRequest, attempt: Attempt
    ) -> Exchange:
        """A successful response's head. Raises `UpstreamError` for any other."""
        world = self._world
        if line.signing is not None:
            request = await world.tokens.sign(line.signing, request)
        return await send(world, line, request, self._phases(index), attempt)

    def _phases(self, index: int) -> Timeouts:
        return plain_timeouts(self._world, self._situation, self._call, self._verdict.target, index)

    async def _answer(
        self,
        index: int,
        line: OperationLine,
        asking: Asking,
        attempt: Attempt,
        exchange: Exchange,
    ) -> ClientReply:
        glance = self._call.glance
        if asking.asked is None and line.upstream.is_stream(glance, exchange.headers):
            return await self._open(index, line, asking, attempt, exchange)
        body = await exchange.body(self._situation.snapshot.settings.response_bytes)
        reply = WireReply(exchange.status, exchange.headers, body)
        if asking.asked is not None:
            return await self._translated(index, line, asking, attempt, [reply])
        answer = await attempt.read(
            len(body),
            lambda: line.upstream.read_answer(glance, reply),
            lambda found: found.usage or self._expected,
        )
        self._call.account.hear(answer)
        return await self._reply(index, asking, attempt, body, content_type(exchange.headers))

    async def _batches(
        self, index: int, line: OperationLine, asking: Asking, attempt: Attempt
    ) -> ClientReply:
        """Several requests to one deployment; each counts for the provider's request limit."""
        limits = self._situation.snapshot.deployments[index].provider.limits
        more = len(asking.requests) - 1
        if limits.rpm is not None and not await leased(self._world, self._situation, index, more):
            # Our own count, of which the provider knows nothing: it does not rest for this.
            attempt.withdraw()
            raise UpstreamError(
                f"This call needs {more + 1} requests to the provider, more than are left of its "
                "request limit for this minute. Send fewer inputs, or try again in a minute.",
                code="provider_limit_reached",
                status=RateLimited.status,
                retry_after_s=60.0,
            )
        limit = self._situation.snapshot.settings.response_bytes
        answered = 0

        async def send(request: WireRequest) -> WireReply:
            exchange = await self._send(index, line, request, attempt)
            try:
                body = await exchange.body(limit)
            finally:
                await exchange.aclose()
            return WireReply(exchange.status, exchange.headers, body)

        def done() -> None:
            nonlocal answered
            answered += 1

        try:
            replies = await all_of(asking.requests, send, done)
        except UpstreamError as error:
            if answered:
                attempt.close(_part(self._expected, answered, len(asking.requests)), error)
            raise
        attempt.answered(200)
        return await self._translated(index, line, asking, attempt, replies)

    async def _translated(
        self,
        index: int,
        line: OperationLine,
        asking: Asking,
        attempt: Attempt,
        replies: list[WireReply],
    ) -> ClientReply:
        face, asked = self._call.face, asking.asked
        size = sum(len(reply.body) for reply in replies)
        response = await attempt.read(
            size,
            lambda: line.upstream.decode(asked, replies),
            lambda found: found.usage or self._expected,
        )
        self._call.account.response_model = response.model
        if face.render is None:
            raise LookupError(f"{face.operation} is never translated")
        render = face.render
        body = await off_loop(size, lambda: render(response, asked))
        return await self._reply(index, asking, attempt, body, _JSON)

    async def _reply(
        self, index: int, asking: Asking, attempt: Attempt, body: bytes, kind: bytes
    ) -> ClientReply:
        call = self._call
        guarding, watching = call.guarding, call.account.watching
        if watching is not None:
            await watching.answer_body(call.operation, kind, body)
        if guarding is not None:
            told = body
            body = await checked(
                guarding, len(told), lambda: checked_answer(guarding, call.operation, kind, told)
            )
        wanted = call.account.router_chose or call.glance.ask.metadata
        if wanted and kind.partition(b";")[0] == _JSON and body[:1] == b"{":
            elapsed_ms = (self._world.clock() - call.started) * 1000.0
            facts = metadata(call, attempt.deployment, elapsed_ms)
            body = await off_loop(len(body), lambda: with_metadata(body, facts))
        return ClientReply(200, self._headers(index, asking, kind), body)

    async def _open(
        self,
        index: int,
        line: OperationLine,
        asking: Asking,
        attempt: Attempt,
        exchange: Exchange,
    ) -> ClientReply:
        """Read until the answer has begun: up to there another deployment may still take over."""
        tap: StreamTap = line.upstream.tap(self._call.glance, exchange.headers)
        guarding = self._call.guarding
        if guarding is not None and self._call.operation not in WORDLESS | PICTURES:
            tap = GuardedEvents(tap, guarding)
        watching = self._call.account.watching
        if watching is not None and self._call.operation not in WORDLESS | PICTURES:
            tap = watching.along_transcript(tap)
        within_s = self._phases(index).first_byte_s
        slow = guarding is not None and guarding.slow
        opening = await opened(exchange, tap, attempt, within_s, KeptAnswer(), slow=slow)
        if guarding is not None and tap.error is not None:
            raise tap.error
        attempt.began()
        events = media_type(exchange.headers) == b"text/event-stream"
        in_band = self._call.face.stream_error if events else None
        leg = Leg(exchange, tap, opening, attempt.ending(tap), in_band)
        stream = AnswerStream(leg, slow=slow)
        pairs = self._headers(index, asking, content_type(exchange.headers))
        pairs.append((b"cache-control", b"no-cache"))
        return ClientReply(exchange.status, pairs, stream)

    def _headers(self, index: int, asking: Asking, kind: bytes) -> Pairs:
        pairs = headers(self._call, self._situation.marks[index], kind)
        return pairs + warnings(asking.losses, strangers=self._verdict.strangers)


def _part(whole: Usage, answered: int, asked: int) -> Usage:
    """What was used of a call when some of its requests were answered and one failed."""
    return Usage(input=whole.input * answered // asked, estimated=True)
