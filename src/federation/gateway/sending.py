"""One request to a provider, up to the head of a good answer."""

from __future__ import annotations

import re

from msgspec import structs

from federation.credentials.plans import ByToken, PerRequest
from federation.dialects.refusals import classified
from federation.errors import UpstreamDenied, UpstreamError, UpstreamFailed, UpstreamOversized
from federation.gateway.attempt import Attempt
from federation.gateway.stages.record import on_record
from federation.gateway.world import Line, OperationLine, World
from federation.ports import Exchange
from federation.schema.http import ClientRequest, Timeouts, WireRequest

_ERROR_BODY = 256 * 1024
_VIA = b"via"
_GATEWAYS = re.compile(rb"\b1\.1 federation[\w-]{0,40}")
_CHAIN = 8
"""Gateways of our kind, one behind the other, that a request names."""


async def send(
    world: World,
    line: Line | OperationLine,
    request: WireRequest,
    timeouts: Timeouts,
    attempt: Attempt,
) -> Exchange:
    """The exchange of a successful response. Raises `UpstreamError` for any other, and as
    `on_record` does."""
    if line.signing is None:
        request = passed_on(request, attempt.call.request)
    on_record(world.journal, attempt.call, attempt.deployment.id)
    attempt.begin()
    exchange = await world.transport.send(request, timeouts, attempt.asked)
    attempt.answered(exchange.status)
    if exchange.status < 300:
        return exchange
    body = await refusal_of(exchange)
    error = line.upstream.decode_error(exchange.status, exchange.headers, body)
    raise refused(world, line.signing, classified(error))


def passed_on(request: WireRequest, asked: ClientRequest) -> WireRequest:
    """The request with the gateways that the call has come through, so that each of them finds it
    when it comes back. Proxies of other kinds are nobody's business. Not for what is signed."""
    via = asked.headers.get(_VIA)
    names = _GATEWAYS.findall(via)[-_CHAIN:] if via is not None else ()
    if not names:
        return request
    headers = tuple(
        (name, b", ".join((*names, value)) if name == _VIA else value)
        for name, value in request.headers
    )
    return structs.replace(request, headers=headers)


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
