"""The governed pass-through: a request that has no operation of its own, sent as it stands.

Off until the operator names a provider and its row lists methods and paths. Key, rules, fields,
ids and price are judged before a byte leaves; nothing is tried twice, because nobody knows
what a repetition would do. The answer's ids come back wrapped (`operations.ownership`).
"""

from __future__ import annotations

import asyncio
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
    NotFound,
    RateLimited,
    UpstreamError,
    UpstreamMissing,
)
from federation.gateway.attempt import CANCELED
from federation.gateway.call import OperationCall, compose
from federation.gateway.operations.endpoint import BIG, call_of
from federation.gateway.reply import Pairs, headers
from federation.gateway.stages.admit import Admission
from federation.gateway.stages.record import Recorder
from federation.gateway.stream import AnswerStream
from federation.gateway.trying import leased, refused, timeouts
from federation.gateway.world import PassageLine, Situation, World
from federation.ports import Exchange
from federation.resilience.recovery import blame
from federation.routing.masks import indexes_of
from federation.routing.operations import admit_passage
from federation.schema.http import ClientReply, ClientRequest
from federation.schema.operations import OperationGlance
from federation.schema.records import AttemptRecord
from federation.schema.usage import Usage

OPERATION: Final = "passthrough"
_ERROR_BODY: Final = 256 * 1024
_JSON: Final = b"application/json"


def _never(request: ClientRequest) -> OperationGlance:
    raise LookupError("a passage is admitted, not glanced at")


_FACE: Final[OperationClient[Any, Any]] = OperationClient(OPERATION, "openai", _never, render_error)


class PassThrough:
    """Answers everything below `/passthrough/`; one for each worker."""

    def __init__(self, world: World, stages: tuple[Recorder, Admission]) -> None:
        self._world = world
        self._stages = stages

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
        if len(request.body) > BIG:
            passage = await asyncio.to_thread(admit, line.passages, request)
        else:
            passage = admit(line.passages, request)
        glance = OperationGlance(
            OPERATION,
            _FACE.dialect,
            passage.model,
            passage.ask,
            governed=passage.governed,
            unlisted=passage.unlisted,
            user=passage.ask.user,
        )
        run = _Run(self._world, situation, line, passage)
        call = call_of(self._world, request, glance, _FACE, key)
        return await compose(self._stages, run)(call)


class _Run:
    """One passage under way."""

    __slots__ = ("_known", "_line", "_passage", "_situation", "_started", "_world")

    def __init__(
        self, world: World, situation: Situation, line: PassageLine, passage: Passage
    ) -> None:
        self._world = world
        self._situation = situation
        self._line = line
        self._passage = passage
        self._known: Known = {}
        self._started = 0.0

    async def __call__(self, call: OperationCall) -> ClientReply:
        """Judge, send once, hand back."""
        world, line, passage = self._world, self._line, self._passage
        fleet = self._situation.fleet
        admit_passage(fleet, line.deployments, call.glance, call.key, passage.price_nano)
        passage, self._known = with_own_ids(passage, call.key.tenant, world.seal_key)
        self._passage = passage
        await self._lease()
        account = call.account
        account.deployment = f"{passage.provider}/{OPERATION}"
        account.expected_nano = passage.price_nano
        account.tried = 1
        self._started = world.clock()
        status = 0
        try:
            exchange = await self._send()
            status = exchange.status
            try:
                return await self._answer(call, exchange)
            except BaseException:
                await exchange.aclose()
                raise
        except UpstreamError as error:
            self._note(call, status or error.upstream_status, blame(error), 0)
            if isinstance(error, UpstreamMissing):
                raise NotFound("The provider has no such object.") from None
            raise
        except BaseException:
            # The provider may have done what was asked of it, and may bill for it.
            self._note(call, status, CANCELED, passage.price_nano)
            raise

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

    async def _send(self) -> Exchange:
        world, line = self._world, self._line
        request = build(line.passages, self._passage)
        if line.signing is not None:
            request = await world.tokens.sign(line.signing, request)
        deadlines = self._situation.snapshot.settings.deadlines
        exchange = await world.transport.send(request, timeouts(deadlines))
        if exchange.status < 400:
            return exchange
        try:
            body = await exchange.body(_ERROR_BODY)
        finally:
            await exchange.aclose()
        error = decode_error(line.passages.chat, exchange.status, exchange.headers, body)
        raise refused(world, line.signing, error)

    async def _answer(self, call: OperationCall, exchange: Exchange) -> ClientReply:
        """JSON whole, with the client's ids in it; anything else as it arrives."""
        passage = self._passage
        returned = returned_headers(exchange.status, exchange.headers)
        given = [(b"x-federation-provider", passage.provider.encode())]
        pairs: Pairs = headers(call, given, b"")[1:]
        pairs += [pair for pair in returned if pair[0] != b"x-request-id"]
        if passage.rule.creates or media_type(exchange.headers) == _JSON:
            body = await exchange.body(self._situation.snapshot.settings.response_bytes)
            body = await self._owned(call, exchange, body)
            self._note(call, exchange.status, "", passage.price_nano)
            return ClientReply(exchange.status, pairs, body)
        first = await exchange.read()
        if not first:
            self._note(call, exchange.status, "", passage.price_nano)
            return ClientReply(exchange.status, pairs, b"")
        tap = ByteTap(Usage())
        ending = partial(self._end, call, exchange.status)
        stream = AnswerStream(exchange, tap, tap.feed(first), None, [ending])
        return ClientReply(exchange.status, pairs, stream)

    async def _owned(self, call: OperationCall, exchange: Exchange, body: bytes) -> bytes:
        passage, tenant = self._passage, call.key.tenant
        seal_key = self._world.seal_key

        def owned() -> bytes:
            created = created_id(passage, exchange.headers, body)
            enclosed = enclose_id(created, tenant, passage.provider, seal_key) if created else ""
            return for_client(passage, body, created, self._known, enclosed)

        return await asyncio.to_thread(owned) if len(body) > BIG else owned()

    def _end(
        self, call: OperationCall, status: int, outcome: str, error: UpstreamError | None
    ) -> None:
        word = blame(error) if error is not None else ""
        self._note(
            call, status, CANCELED if outcome == CANCELED else word, self._passage.price_nano
        )

    def _note(self, call: OperationCall, status: int, error: str, cost_nano: int) -> None:
        world = self._world
        elapsed_ms = (world.clock() - self._started) * 1000.0
        call.account.attempts.append(
            AttemptRecord(
                deployment=call.account.deployment,
                started_ms=int(world.wall() * 1000 - elapsed_ms),
                status=status,
                error=error,
                total_ms=round(elapsed_ms, 3),
                usage=Usage(units={"request": 1}),
                cost_nano=cost_nano,
            )
        )
