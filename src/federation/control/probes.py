"""Asking a provider whether it is there and takes our credential, without spending a token.

The trap: most providers list models at `<base>/models`, not all. An answer that only says
"no such page" still proves that the address is right, so it passes; what fails a provider
is silence, a server error, or a refused credential.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlsplit

from federation.credentials.plans import Signature, SignPlan
from federation.credentials.signers import plan
from federation.domain.catalogue import Provider
from federation.errors import ConfigError, FederationError, Problem
from federation.ports import Transport
from federation.schema.http import Origin, Timeouts, WireRequest

BARRED: Final = "upstream_address_forbidden"
"""The code of a transport's error for an address that it never connects to."""
TIMEOUTS = Timeouts(connect_s=3.0, first_byte_s=5.0, idle_s=5.0, total_s=8.0)


@dataclass(frozen=True, slots=True)
class Probe:
    """What came of asking. `credential`: accepted, refused, missing or unknown."""

    ok: bool
    status: int
    latency_ms: float
    credential: str
    message: str
    barred: bool = False
    """The address is one that the gateway never connects to; nobody was asked."""


Sign = Callable[[SignPlan, WireRequest], Awaitable[WireRequest]]
"""Finishes a request whose sign-in needs its body, a clock or a token."""


class Prober:
    """Asks providers by way of a transport."""

    def __init__(self, transport: Transport, sign: Sign) -> None:
        self._transport = transport
        self._sign = sign

    async def ask(
        self, provider: Provider, secret: str | None, timeouts: Timeouts = TIMEOUTS
    ) -> Probe:
        """Ask once. Never raises for what a provider does."""
        if secret is None and provider.auth.scheme != "none":
            return Probe(
                ok=False,
                status=0,
                latency_ms=0.0,
                credential="missing",
                message="No credential is configured for this provider.",
            )
        began = time.monotonic()
        try:
            signing = _plan(provider, secret)
            request = await self._sign(signing, _request(provider, signing))
            exchange = await self._transport.send(request, timeouts)
            await exchange.aclose()
        except FederationError as error:
            return Probe(
                ok=False,
                status=0,
                latency_ms=_since(began),
                credential="unknown",
                message=error.message,
                barred=error.code == BARRED,
            )
        return _judge(exchange.status, _since(began))


def _plan(provider: Provider, secret: str | None) -> SignPlan:
    try:
        return plan(provider, secret)
    except ValueError:  # its words may repeat a part of the secret
        message = "the credential holds a character that cannot be sent"
        raise ConfigError([Problem(provider.id, None, message)]) from None


def _request(provider: Provider, signing: SignPlan) -> WireRequest:
    """Raises `ConfigError` where the row cannot be called at all."""
    try:
        url = urlsplit(provider.base_url)
        host, port = url.hostname, url.port or (443 if url.scheme == "https" else 80)
    except ValueError:
        host = None
    if not host or url.scheme not in ("http", "https"):
        raise ConfigError([Problem(provider.id, None, "the base address is not an http(s) URL")])
    private = provider.private or provider.local
    origin = Origin(url.scheme, host, port, private=private)
    signature = signing if isinstance(signing, Signature) else Signature()
    target = quote(url.path.rstrip("/"), safe="/:@!$&'()*+,;=~%") + "/models"
    extra = tuple((k.lower().encode(), v.encode()) for k, v in provider.auth.extra.items())
    headers = ((b"accept", b"application/json"), *extra, *signature.headers)
    query = f"?{signature.query}" if signature.query else ""
    return WireRequest("GET", origin, target + query, headers)


def _since(began: float) -> float:
    return round((time.monotonic() - began) * 1000, 1)


def _judge(status: int, latency_ms: float) -> Probe:
    if status in (401, 402, 403):
        said = "The provider refuses our credential, or the account has no funds."
        return Probe(False, status, latency_ms, "refused", said)
    if status >= 500:
        return Probe(False, status, latency_ms, "unknown", "The provider fails just now.")
    if status >= 300:
        said = "The provider answers; it lists no models at this address."
        return Probe(True, status, latency_ms, "unknown", said)
    return Probe(True, status, latency_ms, "accepted", "The provider answers.")
