"""One model of one provider, ready to be asked: through our own upstream face and transport.

The kit asks as the gateway would (encode, sign, send, decode), so that what passes here
works there. Answers that several checks look at are asked for once and kept.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar
from urllib.parse import quote, urlsplit

from msgspec import structs

from federation.control.certify.prompts import chat, user
from federation.control.probes import Sign
from federation.credentials.plans import Signature, SignPlan
from federation.credentials.signers import plan
from federation.dialects.faces import Encoded, Upstream
from federation.dialects.table import UPSTREAMS
from federation.domain.catalogue import Deployment, Model, Provider
from federation.domain.routes import Settings
from federation.errors import ConfigError, Problem, UpstreamGarbled, UpstreamRateLimited
from federation.ports import Exchange, Transport
from federation.schema.chat import ChatRequest, ChatResponse
from federation.schema.chunks import Collector, Delta
from federation.schema.http import Headers, Timeouts, WireRequest

TIMEOUTS: Final = Timeouts(connect_s=10.0, first_byte_s=120.0, idle_s=60.0, total_s=240.0)
BODY_BYTES: Final = 16 * 1024 * 1024
_PATIENCE: Final = 2
"""How often a call that met a rate limit is made again."""
_WAIT_S, _LONGEST_S = 5.0, 30.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Raw:
    """An answer before anything was read of it."""

    status: int
    headers: Headers
    body: bytes
    took_ms: float


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole answer."""

    response: ChatResponse
    losses: tuple[str, ...]
    headers: Headers
    took_ms: float


@dataclass(frozen=True, slots=True)
class Streamed:
    """A stream, read to its end."""

    response: ChatResponse
    losses: tuple[str, ...]
    first_ms: float
    """Until the first content."""
    took_ms: float
    pieces: int
    """Chunks with content."""
    complete: bool
    ended: bool
    """The provider itself said that the stream is over."""


@dataclass(slots=True)
class Bench:
    """What checks ask. `opened` counts open connections, where the transport can say."""

    provider: Provider
    model: Model
    secret: str | None = field(repr=False)
    upstream: Upstream
    signing: SignPlan
    transport: Transport
    sign: Sign
    opened: Callable[[], int] | None = None
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    clock: Callable[[], float] = time.monotonic
    _kept: dict[str, Any] = field(default_factory=dict)

    @property
    def quirks(self) -> dict[str, object]:
        """The row's departures from its dialect, the model's before the provider's."""
        return {**self.provider.quirks, **self.model.quirks}

    def other(self, *, model: str = "", secret: str | None = None) -> Bench:
        """The same with another model's name or another credential. Raises `ConfigError`."""
        named = replace(self.model, id=model) if model else self.model
        return bench(
            self.provider,
            named,
            self.secret if secret is None else secret,
            transport=self.transport,
            sign=self.sign,
            sleep=self.sleep,
            clock=self.clock,
        )

    async def once(self, name: str, make: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What `make` returns, asked for by the first who wants it. Failures are not kept."""
        if name not in self._kept:
            self._kept[name] = await make()
        found: T = self._kept[name]
        return found

    async def send(self, request: WireRequest) -> Exchange:
        """Sign and send. Raises as the transport does."""
        return await self.transport.send(await self.sign(self.signing, request), TIMEOUTS)

    async def raw(self, request: WireRequest) -> Raw:
        """The answer to a request, whatever its status."""
        began = self.clock()
        exchange = await self.send(request)
        try:
            body = await exchange.body(BODY_BYTES)
        finally:
            await exchange.aclose()
        return Raw(exchange.status, exchange.headers, body, self._since(began))

    async def ask(self, request: ChatRequest) -> Whole:
        """A whole answer. Raises `InvalidRequest` for what the dialect or the row cannot take,
        and the `UpstreamError` that the provider's refusal means."""
        encoded = self.upstream.encode(request)
        answer = await self._patiently(lambda: self._whole(encoded))
        response = self.upstream.decode(answer.body)
        return Whole(response, encoded.losses, answer.headers, answer.took_ms)

    async def stream(self, request: ChatRequest) -> Streamed:
        """A stream, read to its end. Raises as `ask` does."""
        encoded = self.upstream.encode(structs.replace(request, stream=True))
        return await self._patiently(lambda: self._stream(encoded))

    async def begin(self, request: ChatRequest) -> Exchange:
        """A stream whose head is there; the caller closes it. Raises as `ask` does."""
        encoded = self.upstream.encode(structs.replace(request, stream=True))
        return await self._patiently(lambda: self._begin(encoded))

    async def _whole(self, encoded: Encoded) -> Raw:
        answer = await self.raw(encoded.request)
        if answer.status >= 300:
            raise self.upstream.decode_error(answer.status, answer.headers, answer.body)
        return answer

    async def _begin(self, encoded: Encoded) -> Exchange:
        exchange = await self.send(encoded.request)
        if exchange.status < 300:
            return exchange
        try:
            body = await exchange.body(BODY_BYTES)
        finally:
            await exchange.aclose()
        raise self.upstream.decode_error(exchange.status, exchange.headers, body)

    async def _stream(self, encoded: Encoded) -> Streamed:
        began = self.clock()
        exchange = await self._begin(encoded)
        try:
            if not self.upstream.is_stream(exchange.headers):
                raise UpstreamGarbled("The provider answered a stream with something else.")
            decoder, collector = self.upstream.decoder(), Collector(self.upstream.forwards)
            pieces, first_ms = 0, 0.0
            while data := await exchange.read():
                chunks = decoder.feed(data)
                collector.add(chunks)
                pieces += sum(isinstance(chunk, Delta) for chunk in chunks)
                if pieces and not first_ms:
                    first_ms = self._since(began)
            ended = decoder.done
            rest = decoder.close()
            collector.add(rest)
        finally:
            await exchange.aclose()
        pieces += sum(isinstance(chunk, Delta) for chunk in rest)
        return Streamed(
            collector.response(),
            encoded.losses,
            first_ms,
            self._since(began),
            pieces,
            decoder.complete,
            ended,
        )

    async def _patiently(self, ask: Callable[[], Awaitable[T]]) -> T:
        for _ in range(_PATIENCE):
            try:
                return await ask()
            except UpstreamRateLimited as error:
                await self.sleep(min(error.retry_after_s or _WAIT_S, _LONGEST_S))
        return await ask()

    def _since(self, began: float) -> float:
        return round((self.clock() - began) * 1000.0, 1)

    def page(self, path: str) -> WireRequest:
        """A `GET` of a page below the base address, with the headers of a call."""
        request = self.upstream.encode(chat(user("Hello."))).request
        base = quote(urlsplit(self.provider.base_url).path.rstrip("/"), safe="/:@!$&'()*+,;=~%")
        query = request.target.partition("?")[2]
        if isinstance(self.signing, Signature) and self.signing.query not in query:
            query = self.signing.query
        return structs.replace(
            request,
            method="GET",
            target=base + path + (f"?{query}" if query else ""),
            headers=tuple(pair for pair in request.headers if pair[0] != b"content-type"),
            body=b"",
        )


def bench(
    provider: Provider,
    model: Model,
    secret: str | None,
    *,
    transport: Transport,
    sign: Sign,
    opened: Callable[[], int] | None = None,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Bench:
    """Make a model ready to be asked. Raises `ConfigError` where the row cannot be called."""
    prepare = UPSTREAMS.get(provider.dialect)
    if prepare is None:
        raise _unusable(provider, f"the dialect {provider.dialect!r} is not spoken for chat")
    try:
        signing = plan(provider, secret)
    except ValueError:  # its words may repeat a part of the secret
        raise _unusable(provider, "the credential holds a character that cannot be sent") from None
    try:
        constant = signing if isinstance(signing, Signature) else Signature()
        upstream = prepare(
            Deployment(f"{provider.id}/{model.id}", replace(provider, models=()), model, True),
            Settings(),
            headers=constant.headers,
            query=constant.query,
            secret=secret or "",
            private=provider.private or provider.local,
        )
    except ValueError as error:
        raise _unusable(provider, str(error)) from None
    return Bench(provider, model, secret, upstream, signing, transport, sign, opened, sleep, clock)


def _unusable(provider: Provider, problem: str) -> ConfigError:
    return ConfigError([Problem(f"provider {provider.id}", None, problem)])
