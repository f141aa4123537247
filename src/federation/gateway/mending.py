"""Where a stream that broke goes on, so that the client gets one whole answer.

The eligible candidates are asked in order, each in the ways that it offers: to go on after
the words so far (a model that takes them as its own), to answer anew (what it repeats to the
letter is left out), or to go on because it is told to. What was told is read again by the
decoder of who told it and rendered once more, unseen, so that the new renderer stands where
the client's reader stands. No other deployment than the verdict's is asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from msgspec import structs

from federation.dialects.faces import Encoded, StreamRenderer
from federation.dialects.untold import Untold
from federation.domain.catalogue import Ability, Deployment
from federation.domain.routes import LONGEST_S, MEND_EXACT, MEND_OFF
from federation.errors import (
    CallerError,
    FederationError,
    InvalidRequest,
    Recovery,
    Unavailable,
    UpstreamDiverged,
    UpstreamError,
    UpstreamGarbled,
    UpstreamTimeout,
)
from federation.gateway.admission import no_room
from federation.gateway.asking import Asking
from federation.gateway.attempt import Attempt, expected_tokens
from federation.gateway.call import Call
from federation.gateway.deadlines import left_s, timeouts_for
from federation.gateway.deciding import may_still
from federation.gateway.funding import fund_rest
from federation.gateway.kept_answer import KeptAnswer
from federation.gateway.leg import Leg
from federation.gateway.opening import no_stream
from federation.gateway.output_estimate import counted
from federation.gateway.placement import leased
from federation.gateway.sending import send
from federation.gateway.threads import BIG, at_leisure
from federation.gateway.translating import TranslatingTap
from federation.gateway.world import Line, Situation, World
from federation.ports import Exchange
from federation.resilience.delivered import Delivered
from federation.resilience.recovery import SecondLap
from federation.resilience.seam import Again, Ground, Onward, Seam
from federation.routing.request import Verdict
from federation.schema.chat import ASSISTANT, USER, ChatRequest, Message, Reasoning
from federation.schema.chunks import Begun, Chunk
from federation.schema.parts import Text
from federation.schema.tap import StreamTap
from federation.schema.usage import Usage, plus
from federation.telemetry import metrics

_GO_ON = (
    "Your answer above was cut off. Go on with it exactly where it stops: write only what comes "
    "next, beginning with the very next character, without repeating or explaining anything."
)
_CHARACTERS_PER_TOKEN = 4
_MANY = 8192
"""Chunks of an answer that take milliseconds to go through, and to render once more."""


@dataclass(frozen=True, slots=True)
class _Way:
    """How a deployment is asked to go on, and what its answer is held against."""

    request: Callable[[ChatRequest, Delivered], ChatRequest]
    seam: Callable[[Ground], Seam]


def _begun(request: ChatRequest, told: Delivered) -> ChatRequest:
    """The words so far stand as the beginning of the model's own answer. Blanks at their end
    are refused by some, and come again with what follows."""
    words = Message(ASSISTANT, (Text(told.text.rstrip()),))
    thinks = Reasoning(enabled=False) if request.reasoning is not None else None
    return structs.replace(
        request,
        messages=(*request.messages, words),
        begun=True,
        reasoning=thinks,
        max_output=_rest(request, told),
    )


def _bidden(request: ChatRequest, told: Delivered) -> ChatRequest:
    turns = (Message(ASSISTANT, (Text(told.text),)), Message(USER, (Text(_GO_ON),)))
    return structs.replace(
        request, messages=(*request.messages, *turns), max_output=_rest(request, told)
    )


def _rest(request: ChatRequest, told: Delivered) -> int | None:
    if request.max_output is None:
        return None
    return max(request.max_output - len(told.text) // _CHARACTERS_PER_TOKEN, 1)


_PREFILL = _Way(_begun, lambda ground: Onward(ground, native=True))
_ANEW = _Way(lambda request, _: request, Again)
_BIDDEN = _Way(_bidden, lambda ground: Onward(ground, native=False))


class Mending:
    """One call's broken stream; a call may break more than once. Implements `stream.Mend`."""

    _untold: Untold
    """Of what the client was told; there once that was read."""

    def __init__(
        self, world: World, call: Call, situation: Situation, verdict: Verdict, index: int
    ) -> None:
        self._world = world
        self._call = call
        self._situation = situation
        self._verdict = verdict
        self._index = index
        self._told: list[Chunk] | None = None
        self._broken = {index}
        self._began_s = call.started
        self._lap = SecondLap()
        self._slow = call.guarding is not None and call.guarding.slow
        self.forwarded = False
        """Whether the client was told events as they came, read or not."""

    @property
    def allowed(self) -> bool:
        """Whether the route lets it be mended, and it is one answer."""
        return self._verdict.target.mend != MEND_OFF and self._call.glance.choices <= 1

    async def __call__(self, kept: KeptAnswer, error: UpstreamError) -> Leg | None:
        """Where the answer goes on; None where nobody can make it whole."""
        try:
            if self._told is None:
                self._told = await at_leisure(self._slow or kept.long, partial(self._read, kept))
        except FederationError:
            return None  # what can be forwarded need not be readable
        told = Delivered()
        told.add(self._told)
        if not told.whole or told.finished:
            return None
        for index in self._candidates(error):
            if not may_still(self._world, self._situation, self._call, index):
                continue
            for way in self._ways(index, told):
                if self._spent():
                    return None
                began_s = self._world.clock()
                try:
                    found = await self._try(index, way)
                except UpstreamError as failure:
                    failure.with_traceback(None)  # which leads to a tap that keeps it: a ring
                    if failure.recovery is Recovery.FAIL and way is not _PREFILL:
                        return None
                    self._lap.note(index, failure, self._world.clock() - began_s)
                    if _says_why(failure, way):
                        continue
                    break
                except (CallerError, Unavailable):
                    break
                self._call.account.mended = True
                self._index, self._began_s = index, began_s
                self._world.meter.add(metrics.MENDED, (self._deployment(index).provider.id,))
                return found
            self._broken.add(index)
        return None

    def _deployment(self, index: int) -> Deployment:
        return self._situation.snapshot.deployments[index]

    def _spent(self) -> bool:
        """Whether the call has had its attempts, or its time."""
        attempts = self._situation.snapshot.settings.attempts
        return self._call.account.tried >= attempts or left_s(self._world, self._call) <= 0.0

    def _candidates(self, error: UpstreamError) -> Iterator[int]:
        """Everybody else in the order of the verdict, then who broke: unless it fell silent.
        Then once more those that failed or broke by then, while there is time for another
        silence. Where there is nobody else, nobody who was silent is asked again."""
        broke, world, lap = self._index, self._world, self._lap
        now = world.clock()
        self._broken.add(broke)
        self._note(broke, error, now)
        for index in self._verdict.order:
            if index not in self._broken:
                yield index
        if not isinstance(error, UpstreamTimeout):
            yield broke
        for index in lap.order(0.0, LONGEST_S) if len(self._verdict.order) > 1 else ():
            if lap.fits(index, world.clock() - now, left_s(world, self._call)):
                yield index

    def _note(self, broke: int, error: UpstreamError, now: float) -> None:
        """One that went on until its time was over was not silent, and would do so again."""
        phases = timeouts_for(
            self._world, self._situation, self._call, self._verdict, broke, others=True
        )
        is_over = isinstance(error, UpstreamTimeout) and now - self._began_s >= phases.total_s
        if not is_over:
            self._lap.note(broke, error, phases.first_byte_s)

    def _ways(self, index: int, told: Delivered) -> Iterator[_Way]:
        if told.continues and Ability.PREFILL in self._deployment(index).model.abilities:
            yield _PREFILL
        yield _ANEW
        if told.continues and self._verdict.target.mend != MEND_EXACT:
            yield _BIDDEN

    def _read(self, kept: KeptAnswer) -> list[Chunk]:
        """What the client was told, read again. Raises `UpstreamGarbled` where something was let
        through that cannot be read: its words would be told twice."""
        line = self._situation.line(self._index)
        told: list[Chunk] = []
        self._untold = self._call.reading.untold()
        tap = self._tap(line, self._renderer(()), told=told, untold=self._untold)
        passing = line.upstream.tap(withhold_usage=False, choices=1)
        for piece in kept.pieces():
            tap.feed(passing.feed(piece))
        if tap.malformed and self.forwarded:
            raise UpstreamGarbled("What was told of the answer cannot be read.")
        return told

    def _renderer(self, told: tuple[Chunk, ...]) -> StreamRenderer:
        renderer = self._call.face.renderer(self._call.reading.canonical())
        renderer.render(list(told))
        return renderer

    def _tap(
        self,
        line: Line,
        renderer: StreamRenderer,
        *,
        told: list[Chunk],
        untold: Untold,
        seam: Seam | None = None,
    ) -> TranslatingTap:
        call = self._call
        return TranslatingTap(
            line.upstream.decoder(),
            renderer,
            call.reading.wrapper(line.maker),
            line.upstream.forwards,
            Begun(call.id, "", call.started_ms // 1000),
            choices=1,
            identity=call.reading.identity,
            screen=call.guarding.stream() if call.guarding is not None else None,
            seam=seam,
            told=told,
            untold=untold,
        )

    def _ground(self) -> Ground:
        told = Delivered()
        told.add(self._told or ())
        spent = Usage()
        for attempt in self._call.account.attempts:
            spent = plus(spent, attempt.usage)
        shape = self._call.reading.canonical().format
        return Ground(told, spent, structured=shape is not None and shape.kind != "text")

    async def _try(self, index: int, way: _Way) -> Leg:
        """Ask one deployment in one way, up to where its answer joins what was told."""
        world, line = self._world, self._situation.line(index)
        told = list(self._told or ())
        many = len(told) > _MANY
        ground = await at_leisure(many, self._ground)
        asking = await self._asking(line, way, ground.told)
        seam = way.seam(ground)
        before = 0 if way is _ANEW else len(told)
        renderer = await at_leisure(many, partial(self._renderer, tuple(told)))
        untold = self._untold.copy()
        tap: StreamTap = self._tap(line, renderer, told=told, untold=untold, seam=seam)
        if self._call.account.watching is not None:
            tap = self._call.account.watching.along(tap, line.upstream)
        others = any(each not in self._broken for each in self._verdict.order if each != index)
        await self._room(index, others=others)
        attempt = Attempt(world, self._call, self._deployment(index))
        ending = attempt.ending(tap, lambda _: counted(told[before:]))
        exchange: Exchange | None = None
        try:
            await fund_rest(world, self._situation, self._call, line, attempt, asking)
            phases = timeouts_for(
                world, self._situation, self._call, self._verdict, index, others=others
            )
            exchange = await send(world, line, asking.request, phases, attempt)
            if not line.upstream.is_stream(exchange.headers):
                raise await no_stream(exchange, line.upstream)
            within_s = phases.first_byte_s + phases.idle_s
            opening = await _joined(exchange, tap, seam, attempt.left(within_s), slow=self._slow)
        except BaseException as fault:
            if tap.events and isinstance(fault, UpstreamError):
                ending("cut", fault)
            attempt.fail(fault)
            if exchange is not None:
                await exchange.aclose()
            raise
        self._told, self._untold = told, untold
        return Leg(exchange, tap, opening, ending, renderer.fail)

    async def _room(self, index: int, *, others: bool) -> None:
        """Return where there is room for an attempt that begins now, also within what the provider
        allows a minute. With others to turn to nobody is waited for. Raises `Unavailable`."""
        entrance, snapshot = self._world.entrance, self._situation.snapshot
        promise = entrance.at_once(snapshot, (index,))
        if promise is None and not others:
            within_s = min(entrance.rules.wait_s, left_s(self._world, self._call))
            promise = await entrance.wait(snapshot, self._call, (index,), within_s)
        if promise is None:
            raise no_room()
        allowed = not self._deployment(index).provider.limits.leased
        try:
            if not allowed:
                tokens = expected_tokens(self._call)
                allowed = await leased(self._world, self._situation, index, tokens=tokens)
        finally:
            if not allowed:
                promise.drop()
        if not allowed:
            raise no_room()
        promise.keep()

    async def _asking(self, line: Line, way: _Way, told: Delivered) -> Asking:
        """Raises `InvalidRequest` for what the deployment cannot be asked, and what the guard
        raises."""
        many = len(self._call.request.body) + len(told.text) > BIG
        encoded = await at_leisure(self._slow or many, partial(self._encoded, line, way, told))
        if encoded.losses and self._call.glance.ask.strict:
            raise InvalidRequest("The answer cannot go on there without a loss.")
        asking = Asking(encoded.request, True, encoded.losses)
        if line.signing is None:
            return asking
        signed = await self._world.tokens.sign(line.signing, asking.request)
        return structs.replace(asking, request=signed)

    def _encoded(self, line: Line, way: _Way, told: Delivered) -> Encoded:
        canonical, _ = self._call.reading.fitted(line.maker)
        request = way.request(canonical, told)
        if self._call.guarding is not None:
            # What was told has the client's own values in it again.
            request = self._call.guarding.again(request)
        return line.upstream.encode(request)


def _says_why(failure: UpstreamError, way: _Way) -> bool:
    """Whether another way may do where this one did not: it was another answer, or the words
    so far were refused. Who is silent is not asked in another way at once."""
    if isinstance(failure, UpstreamTimeout):
        return False
    return isinstance(failure, UpstreamDiverged) or way is _PREFILL


async def _joined(
    exchange: Exchange, tap: StreamTap, seam: Seam, within_s: float, *, slow: bool
) -> bytes:
    """What the client gets first of the new answer."""
    opening = bytearray()
    try:
        async with asyncio.timeout(within_s):
            while not ((seam.joined and opening) or tap.complete):
                data = await exchange.read()
                if not data:
                    opening += await at_leisure(slow, tap.close)
                    break
                opening += await at_leisure(slow, partial(tap.feed, data))
                if tap.error is not None:
                    raise tap.error
    except TimeoutError:
        raise UpstreamTimeout("The deployment asked to go on did not do so in time.") from None
    if not tap.complete and not (seam.joined and opening):
        raise UpstreamGarbled("The deployment asked to go on ended without an answer.")
    return bytes(opening)
