"""One request to a provider, up to the head of a good answer."""

from __future__ import annotations

from federation.credentials.plans import ByToken, PerRequest
from federation.dialects.refusals import classified
from federation.errors import UpstreamDenied, UpstreamError, UpstreamFailed, UpstreamOversized
from federation.gateway.attempt import Attempt
from federation.gateway.stages.record import on_record
from federation.gateway.world import Line, OperationLine, World
from federation.ports import Exchange
from federation.schema.http import Timeouts, WireRequest

_ERROR_BODY = 256 * 1024


async def send(
    world: World,
    line: Line | OperationLine,
    request: WireRequest,
    timeouts: Timeouts,
    attempt: Attempt,
) -> Exchange:
    """The exchange of a successful response. Raises `UpstreamError` for any other, and as
    `on_record` does."""
    on_record(world.journal, attempt.call, attempt.deployment.id)
    attempt.begin()
    exchange = await world.transport.send(request, timeouts, attempt.asked)
    attempt.answered(exchange.status)
    if exchange.status < 300:
        return exchange
    body = await refusal_of(exchange)
    error = line.upstream.decode_error(exchange.status, exchange.headers, body)
    raise refused(world, line.signing, classified(error))


async def refusal_of(exchange: Exchange) -> bytes:
    """What an answer that is no success says; nothing where that is too long, for the status
    tells enough. The exchange is closed. Raises `UpstreamError`."""
    try:
        return await exchange.body(_ERROR_BODY)
    except UpstreamOversized:
        return b""
    finally:
        await exchange.aclose()


def refused(
    world: World, signing: PerRequest | ByToken | None, error: UpstreamError
) -> UpstreamError:
    """A provider's refusal; one of our token is a failure that a new token mends."""
    if (
        isinstance(signing, ByToken)
        and isinstance(error, UpstreamDenied)
        and world.tokens.forget(signing.spec)
    ):
        return UpstreamFailed(
            "The provider no longer takes our token; it is fetched anew.",
            upstream_status=error.upstream_status,
        )
    return error
