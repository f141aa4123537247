"""Issuers that are trusted: their public keys, fetched and kept, and where they answer.

The trap: an issuer that is away must not lock everybody out, and one that has taken a key back
must not be believed for ever. Keys are fetched again every few minutes; what was fetched last
stays for a day where that fails. A key that nobody knows makes us look at once, but not often:
tokens that name one cost an attacker nothing.
"""

from __future__ import annotations

import asyncio
import logging
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Final

import msgspec

from federation.config.sign_in_settings import IssuerSettings, SignInSettings
from federation.credentials import oidc
from federation.credentials.oidc import Endpoints
from federation.domain.sign_in import TrustedIssuer
from federation.errors import FederationError, UpstreamFailed
from federation.ports import Transport
from federation.schema.http import Timeouts, WireRequest

log = logging.getLogger(__name__)

FRESH_S: Final = 300.0
STALE_S: Final = 86_400.0
AGAIN_S: Final = 10.0
"""After a failure, and between two looks for a key that nobody knows."""
TIMEOUTS: Final = Timeouts(connect_s=5.0, first_byte_s=10.0, idle_s=10.0, total_s=15.0)

Resolve = Callable[[str], str | None]
"""The secret behind a reference, None where there is none."""

Known = tuple[IssuerSettings, tuple[str, ...]]
"""An issuer and the keys of it that were fetched."""


@dataclass(slots=True)
class _Held:
    """What is known of an issuer."""

    keys: tuple[str, ...] = ()
    endpoints: Endpoints | None = None
    fetched_s: float | None = None
    next_s: float = 0.0
    looking: asyncio.Lock = field(default_factory=asyncio.Lock)


async def asked(transport: Transport, request: WireRequest) -> bytes:
    """The body of an identity provider's answer, whole. Raises `UpstreamError`."""
    exchange = await transport.send(request, TIMEOUTS)
    try:
        body = await exchange.body(oidc.ANSWER_BYTES)
    finally:
        await exchange.aclose()
    if exchange.status != 200:
        message = f"The identity provider answers with status {exchange.status}."
        raise UpstreamFailed(message, upstream_status=exchange.status)
    return body


class Issuers:
    """Every issuer of the settings; for one event loop but `trusted`, which may wait for a Vault.
    `clock` is monotonic seconds."""

    def __init__(
        self,
        transport: Transport,
        settings: Callable[[], SignInSettings],
        resolve: Resolve,
        clock: Callable[[], float],
    ) -> None:
        self.transport = transport
        self._settings = settings
        self._resolve = resolve
        self._clock = clock
        self._held: dict[tuple[str, str, bool], _Held] = {}

    def known(self) -> tuple[Known, ...]:
        """Those whose tokens are let in, with the keys that were fetched."""
        rows = [row for row in self._settings().issuers if row.bearer]
        return tuple((row, self._keys(row) if row.secret is None else ()) for row in rows)

    def trusted(self, known: Iterable[Known]) -> tuple[TrustedIssuer, ...]:
        """What is `known`, with the secrets that issuers share with us. Blocks; for any thread."""
        return tuple(
            replace(row.trusted, keys=keys if row.secret is None else self._shared(row.secret))
            for row, keys in known
        )

    def find(self, name: str) -> IssuerSettings | None:
        """The issuer of this name at whose door people sign in."""
        rows = self._settings().issuers
        return next((row for row in rows if row.trusted.name == name and row.client_id), None)

    def doors(self) -> list[str]:
        """The names of those at whose door people sign in."""
        return [row.trusted.name for row in self._settings().issuers if row.client_id]

    def secret(self, row: IssuerSettings) -> str | None:
        """The secret with which we present ourselves as a client."""
        return None if row.client_secret is None else self._resolve(row.client_secret)

    async def refresh(self) -> bool:
        """Look at those that are due; whether any key is another one."""
        rows = [row for row in self._settings().issuers if row.secret is None]
        kept = {self._place(row) for row in rows}
        self._held = {place: held for place, held in self._held.items() if place in kept}
        due = [row for row in rows if self._of(row).next_s <= self._clock()]
        found = await asyncio.gather(*(self._look(row) for row in due))
        return any(found)

    async def endpoints(self, row: IssuerSettings) -> Endpoints:
        """Where an identity provider answers. Raises `UpstreamError`, `ConfigError`."""
        held = self._of(row)
        if held.endpoints is None:
            async with held.looking:
                if held.endpoints is None:
                    await self._fetch(row, held)
        assert held.endpoints is not None  # noqa: S101 - the fetch has set or raised
        return held.endpoints

    async def keys(self, row: IssuerSettings) -> tuple[str, ...]:
        """The keys of an identity provider, fetched anew where that was not done just now."""
        held = self._of(row)
        if held.fetched_s is None or self._clock() - held.fetched_s >= AGAIN_S:
            await self._look(row)
        return held.keys

    def _keys(self, row: IssuerSettings) -> tuple[str, ...]:
        held = self._of(row)
        if held.fetched_s is None or self._clock() - held.fetched_s > STALE_S:
            return ()
        return held.keys

    async def _look(self, row: IssuerSettings) -> bool:
        """Fetch an issuer's keys; whether they are others. What goes wrong is logged."""
        held = self._of(row)
        async with held.looking:
            before = self._keys(row)
            try:
                await self._fetch(row, held)
            except FederationError as error:
                held.next_s = self._clock() + AGAIN_S
                extra = {"issuer": row.trusted.name, "reason": error.message}
                log.warning("an issuer's keys cannot be fetched", extra=extra)
            return before != self._keys(row)

    async def _fetch(self, row: IssuerSettings, held: _Held) -> None:
        issuer, private = row.trusted.issuer, row.private
        url = row.jwks_url
        if not url or row.client_id:
            body = await asked(self.transport, oidc.discovery(issuer, private=private))
            held.endpoints = oidc.read_discovery(body, issuer, private=private)
            url = url or held.endpoints.jwks
        keys = oidc.read_jwks(await asked(self.transport, oidc.fetch(url, private=private)))
        now_s = self._clock()
        held.keys, held.fetched_s, held.next_s = keys, now_s, now_s + FRESH_S

    def _shared(self, reference: str) -> tuple[str, ...]:
        secret = self._resolve(reference)
        return () if secret is None else (_shared(secret),)

    def _of(self, row: IssuerSettings) -> _Held:
        return self._held.setdefault(self._place(row), _Held())

    def _place(self, row: IssuerSettings) -> tuple[str, str, bool]:
        return (row.trusted.issuer, row.jwks_url, row.private)


def _shared(secret: str) -> str:
    k = urlsafe_b64encode(secret.encode()).rstrip(b"=").decode()
    return msgspec.json.encode({"kty": "oct", "k": k, "alg": "HS256"}).decode()
