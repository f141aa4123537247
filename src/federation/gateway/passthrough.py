"""The governed pass-through: a request that has no operation of its own, sent as it stands.

Off until the operator names a provider and its row lists methods and paths. Key, rules, fields,
ids and price are judged before a byte leaves; nothing is tried twice, because nobody knows
what a repetition would do. The answer's ids come back wrapped (`operations.ownership`).
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any, Final

from federation.dialects.openai.errors import decode_error, render_error
from federation.dialects.operations.faces import OperationClient
from federation.dialects.operations.ownership import Known, enclose_id, for_client, with_own_ids
from federation.dialects.operations.passthrough import (
    Passage,
    admit,
    build,
    created_id,
    provider_of,
    returned_headers,
)
from federation.dialects.operations.taps import ByteTap
from federation.dialects.operations.upstream import media_type
from federation.domain.access import VirtualKey
from federation.errors import (
    Forbidden,
    NotEligible,
    NotFound,
    RateLimited,
    UpstreamError,
    UpstreamMissing,
    UpstreamOversized,
)
from federation.gateway.admission import Stay
from federation.gateway.call import Handler, OperationCall, Stage, compose
from federation.gateway.deadlines import plain_timeouts
from federation.gateway.deciding import PASSAGE, judged
from federation.gateway.deciding import refused as refused_by_rules
from federation.gateway.entry import CANCELED, ClientLeft, Entry
from federation.gateway.funding import patience_s
from federation.gateway.guarded_answers import screened_error
from federation.gateway.guarded_bodies import (
    checked_answer,
    checked_passage,
    may_be_text,
    may_be_wordless,
)
from federation.gateway.leg import Leg
from federation.gateway.operations.endpoint import call_of
from federation.gateway.placement import Placement, leased
from federation.gateway.reply import Pairs, headers
from federation.gateway.ruled import Ruled, max_nano_of, rules_of
from federation.gateway.safeguards import Guarding
from federation.gateway.sending import passed_on, refusal_of, refused
from federation.gateway.stages.guard import ContentGuard, classified
from federation.gateway.stages.record import on_record
from federation.gateway.stages.report_mode import watched
from federation.gateway.stream import AnswerStream
from federation.gateway.threads import checked, off_loop
from federation.gateway.world import PassageLine, Situation, World
from federation.governance.obligations import Obligations, demands
from federation.ports import Exchange
from federation.routing.fleet import Fleet
from federation.routing.masks import indexes_of
from federation.routing.operations import admit_passage
from federation.schema.http import ClientReply, ClientRequest
from federation.schema.operations import OperationGlance
from federation.schema.tap import StreamTap
from federation.schema.usage import Usage

_JSON: Final = b"application/json"


def _read(call: OperationCall, passage: Passage, guarding: Guarding) -> None:
    """Look at a passage as it would be checked, and hand nothing on."""
    kind = call.request.headers.get(b"content-type", b"")
    checked_passage(guarding, kind, passage)


def _never(request: ClientRequest) -> OperationGlance:
    raise LookupError("a passage is admitted, not glanced at")


_FACE: Final[OperationClient[Any, Any]] = OperationClient(PASSAGE, "openai", _never, render_error)


class PassThrough:
    """Answers everything below `/passthrough/`; one for each worker."""

    def __init__(
        self,
        world: World,
        stages: tuple[Stage[OperationCall], ...],
        guard: ContentGuard,
    ) -> None:
        self._world = world
        self._stages = stages
        self._guard = guard

    async def __call__(self, request: ClientRequest, key: VirtualKey) -> ClientReply:
        """The provider's answer. Raises `Forbidden` where nobody lets the request through, as
        `admit` does for its form, and what the stages raise."""
        situation = self._world.current()
        provider = provider_of(request.path)[0]
        line = situation.passages.get(provider)
        if line is None:
            raise Forbidden(
                "Nothing is passed through to this provider. The operator lists it under "
                "'passthrough: {enabled: true, providers: [...]}' in federation.yaml.",
                code="passthrough_off",
            )
        passage = await off_loop(len(request.body), partial(admit, line.passages, request))
        glance = OperationGlance(
            PASSAGE,
            _FACE.dialect,
            passage.model,
            passage.ask,
            governed=passage.governed,
            unlisted=passage.unlisted,
            user=passage.ask.user,
        )
        run = _Run(self._world, situation, line, passage, self._guard)
        call = call_of(self._world, request, glance, _FACE, key)
        return await compose(self._stages, run)(call)


class _Run:
    """One passage under way."""

    __slots__ = (
        "_entry",
        "_guard",
        "_guarding",
        "_hold",
        "_known",
        "_line",
        "_passage",
        "_sent_off",
        "_situation",
        "_stay",
        "_world",
    )

    def __init__(
        self,
        world: World,
        situation: Situation,
        line: PassageLine,
        passage: Passage,
        guard: ContentGuard,
    ) -> None:
        self._guard = guard
        self._guarding: Guarding | None = None
        self._world = world
        self._situation = situation
        self._line = line
        self._passage = passage
        self._hold = ""
        self._known: Known = {}
        self._entry: Entry | None = None
        self._stay: Stay | None = None
        self._sent_off = False
        """Its bytes have left for the provider."""

    async def __call__(self, call: OperationCall) -> ClientReply:
        """Judge, send once, hand back."""
        self._judge(call, judged(self._situation, call), self._situation.fleet)
        if call.account.looks:
            look = partial(_read, call, self._passage)
            return await watched(self._guard.compiled, call, look, self._held, self._sent)
        return await self._held(call, self._sent)

    async def _held(self, call: OperationCall, following: Handler[OperationCall]) -> ClientReply:
        """Hand the passage on as its content may go out. Raises as `_checked` does."""
        ruled = judged(self._situation, call)
        if ruled is not None and demands(ruled.ruling.obligations):
            duties = ruled.ruling.obligations
            passage = await self._checked(call, duties)
            if self._guarding is not None:
                call = classified(self._world, call, self._guarding)
                ruled = judged(self._situation, call)
                self._judge(call, ruled, self._situation.fleet)
                if ruled is not None and ruled.ruling.obligations != duties:
                    passage = await self._checked(call, ruled.ruling.obligations)
            self._passage = passage
        return await following(call)

    async def _sent(self, call: OperationCall) -> ClientReply:
        """Send it once and hand back what comes."""
        world, passage = self._world, self._passage
        owning = partial(with_own_ids, passage, call.key.tenant, world.seal_key)
        passage, self._known = await off_loop(len(passage.body), owning)
        self._passage = passage
        await self._enter(call, passage)
        account = call.account
        account.deployment = f"{passage.provider}/{PASSAGE}"
        account.expected_nano = passage.price_nano
        account.tried = 1
        entry = self._entry = Entry(world, account, account.deployment)
        try:
            exchange = await self._send(call)
            entry.status = exchange.status
            try:
                return await self._answer(call, exchange)
            except BaseException:
                await exchange.aclose()
                raise
        except UpstreamError as error:
            # An answer of success that we cannot use was work for the provider all the same.
            done = 200 <= entry.status < 300
            entry.status = entry.status or error.upstream_status
            self._note(call, error, passage.price_nano if done else 0)
            if isinstance(error, UpstreamMissing):
                raise NotFound("The provider has no such object.") from None
            screened_error(self._guarding, error)
            raise
        except BaseException as fault:
            # The provider may have done what was asked of it, and may bill for it.
            self._note(call, fault, passage.price_nano if self._sent_off else 0)
            raise

    async def _enter(self, call: OperationCall, passage: Passage) -> None:
        """Take a place at the provider, the money, and the request out of the provider's limit:
        last, because who has no money must not use up what all share."""
        world, situation = self._world, self._situation
        stay = await Placement(world, situation, call).stay(indexes_of(self._line.deployments)[0])
        try:
            pots = world.money.pots(call)
            if pots:
                wait_s = patience_s(world, situation, call)
                self._hold = await world.money.reserve(call, pots, passage.price_nano, wait_s)
            await self._lease()
        except BaseException:
            stay.leave()
            world.money.settle(call.account, self._hold, 0)
            raise
        self._stay = stay

    def _judge(self, call: OperationCall, ruled: Ruled | None, fleet: Fleet) -> None:
        """Raises `NotEligible`."""
        among = self._line.deployments
        try:
            admit_passage(
                fleet,
                among,
                call.glance,
                call.key,
                self._passage.price_nano,
                rules_of(ruled),
                max_nano_of(ruled),
            )
        except NotEligible as error:
            refused_by_rules(call, error, among)
            raise

    async def _checked(self, call: OperationCall, duties: Obligations) -> Passage:
        """The passage as its content may go out. Raises `Forbidden`."""
        guarding = self._guarding = await self._guard.begin(duties, call)
        passage = self._passage
        kind = call.request.headers.get(b"content-type", b"")
        body = await checked(
            guarding,
            len(passage.body),
            lambda: checked_passage(guarding, kind, passage),
        )
        return passage if body == passage.body else replace(passage, body=body)

    async def _lease(self) -> None:
        """Take the request out of the provider's limit. Raises `RateLimited`."""
        index = indexes_of(self._line.deployments)[0]
        situation = self._situation
        limited = situation.snapshot.deployments[index].provider.limits.rpm is not None
        if limited and not await leased(self._world, situation, index):
            raise RateLimited(
                "This provider's request limit for this minute is used up.",
                code="provider_limit_reached",
                retry_after_s=60.0,
            )

    async def _send(self, call: OperationCall) -> Exchange:
        world, line = self._world, self._line
        request = build(line.passages, self._passage)
        if line.signing is not None:
            request = await world.tokens.sign(line.signing, request)
        else:
            request = passed_on(request, call.request)
        index = indexes_of(line.deployments)[0]
        phases = plain_timeouts(world, self._situation, call, None, index)
        on_record(world.journal, call)
        exchange = await world.transport.send(request, phases, self._left)
        if exchange.status < 400:
            return exchange
        body = await refusal_of(exchange)
        error = decode_error(line.passages.chat, exchange.status, exchange.headers, body)
        raise refused(world, line.signing, error)

    def _left(self) -> None:
        self._sent_off = True

    async def _answer(self, call: OperationCall, exchange: Exchange) -> ClientReply:
        """JSON whole, with the client's ids in it, and text that is to be checked; anything else
        as it arrives."""
        passage = self._passage
        returned = returned_headers(exchange.status, exchange.headers)
        given = [(b"x-federation-provider", passage.provider.encode())]
        pairs: Pairs = headers(call, given, b"")[1:]
        pairs += [pair for pair in returned if pair[0] != b"x-request-id"]
        guarding, watching = self._guarding, call.account.watching
        kind = media_type(exchange.headers)
        whole = passage.rule.creates or kind == _JSON
        first = b"" if whole else await exchange.read()
        checks = guarding is not None and guarding.safeguard.guard is not None
        if whole or (checks and first and may_be_text(kind, first)):
            body = await self._rest(exchange, first)
            body = await self._owned(call, exchange, body)
            if watching is not None:
                await watching.answer_body(PASSAGE, kind, body)
            if guarding is not None:
                told = body
                body = await checked(
                    guarding, len(told), lambda: checked_answer(guarding, PASSAGE, kind, told)
                )
            self._note(call, None, passage.price_nano)
            return ClientReply(exchange.status, pairs, body)
        if guarding is not None and first:
            guarding.unread("answer", words=not may_be_wordless(kind))
        if not first:
            self._note(call, None, passage.price_nano)
            return ClientReply(exchange.status, pairs, b"")
        tap: StreamTap = ByteTap(Usage())
        if watching is not None:
            tap = watching.along_text(tap, kind)
        ending = partial(self._end, call)
        stream = AnswerStream(Leg(exchange, tap, tap.feed(first), ending, None))
        return ClientReply(exchange.status, pairs, stream)

    async def _rest(self, exchange: Exchange, first: bytes) -> bytes:
        """The body whole, behind what was read of it. Raises `UpstreamError`."""
        most = self._situation.snapshot.settings.response_bytes
        if len(first) > most:
            raise UpstreamOversized(f"the answer is larger than {most} bytes")
        return first + await exchange.body(most - len(first))

    async def _owned(self, call: OperationCall, exchange: Exchange, body: bytes) -> bytes:
        passage, tenant = self._passage, call.key.tenant
        seal_key = self._world.seal_key

        def owned() -> bytes:
            created = created_id(passage, exchange.headers, body)
            enclosed = enclose_id(created, tenant, passage.provider, seal_key) if created else ""
            return for_client(body, created, self._known, enclosed)

        return await off_loop(len(body), owned)

    def _end(self, call: OperationCall, outcome: str, error: UpstreamError | None) -> None:
        fault = ClientLeft() if outcome == CANCELED else error
        self._note(call, fault, self._passage.price_nano)

    def _note(self, call: OperationCall, error: BaseException | None, cost_nano: int) -> None:
        if self._stay is not None:
            self._stay.leave()
        if self._hold:
            self._world.money.settle(call.account, self._hold, cost_nano)
        if self._entry is not None:
            self._entry.write(error, Usage(units={"request": 1}), cost_nano)
