"""Tokens of providers that exchange a credential for one: fetched once, kept, fetched anew.

The traps. A fetch belongs to nobody: the call that began it may be canceled while a hundred
others wait, so it runs as a task of its own and all of them only watch. A token endpoint that
refuses us must not be asked by every call, so a failure is remembered for a moment. And when
a provider refuses a token, a hundred calls say so at once: what was fetched just now is not
thrown away again.
"""

from __future__ import annotations

import asyncio
import copy
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from msgspec import structs

from federation.credentials.plans import ByToken, PerRequest, SignPlan, Token, TokenSpec
from federation.errors import (
    FederationError,
    UpstreamDenied,
    UpstreamError,
    UpstreamFailed,
    UpstreamOversized,
    UpstreamRateLimited,
)
from federation.ports import Transport
from federation.schema.http import Timeouts, WireRequest

log = logging.getLogger(__name__)

TIMEOUTS: Final = Timeouts(connect_s=5.0, first_byte_s=10.0, idle_s=10.0, total_s=15.0)
ANSWER_BYTES: Final = 256 * 1024

FRESH: Final = 0.8
"""The part of a token's lifetime after which the next one is fetched, beside the calls."""
MARGIN_S: Final = 10.0
"""A token is no longer sent this long before its end: it must still hold when it arrives."""
REFUSED_S: Final = 30.0
FAILED_S: Final = 2.0
"""How long a refusal, and any other failure, of a token endpoint is remembered."""
YOUNG_S: Final = 30.0
"""A token younger than this is not the reason for which a provider refuses a call."""
_MOST: Final = 1024


@dataclass(slots=True)
class _Held:
    """What is known of one token."""

    token: Token | None = field(default=None, repr=False)
    fetched: float = 0.0
    renew_at: float = 0.0
    """By the wall clock, as the token's own end."""
    failure: UpstreamError | None = None
    quiet_until: float = 0.0
    fetching: asyncio.Task[Token] | None = None


class Tokens:
    """The tokens of one worker. `clock` is monotonic, `wall` the Unix time; both in seconds."""

    def __init__(
        self,
        transport: Transport,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._transport = transport
        self._clock = clock
        self._wall = wall
        self._held: dict[str, _Held] = {}

    async def sign(self, plan: SignPlan, request: WireRequest) -> WireRequest:
        """The request as this plan wants it sent; constant signatures are already in it.

        Raises as `get` does.
        """
        if isinstance(plan, PerRequest):
            return plan.sign(request, datetime.fromtimestamp(self._wall(), UTC))
        if isinstance(plan, ByToken):
            added = plan.apply(await self.get(plan.spec))
            return structs.replace(request, headers=request.headers + added)
        return request

    async def get(self, spec: TokenSpec) -> str:
        """A token that holds now; waits only where none does.

        Raises what `TokenSpec.read` and the transport raise, from the last fetch also for a
        moment after it. Canceling a caller does not cancel the fetch that others wait for.
        """
        held = self._held.get(spec.key) or self._new(spec.key)
        now = self._wall()
        token = held.token
        if token is not None and now < token.expires_at - MARGIN_S:
            if now >= held.renew_at and self._clock() >= held.quiet_until:
                self._fetching(held, spec)
            return token.value
        if held.fetching is None and self._clock() < held.quiet_until and held.failure is not None:
            raise copy.copy(held.failure)
        try:
            return (await asyncio.shield(self._fetching(held, spec))).value
        except UpstreamError as error:  # one object must not be raised to many callers
            raise copy.copy(error) from None

    def forget(self, spec: TokenSpec) -> bool:
        """A provider refused a call with this token: fetch another for the next one.

        True where one was dropped. A token that was fetched just now is kept, since the
        account and not the token is then what is refused. Tokens that this one was asked for
        with go along.
        """
        held = self._held.get(spec.key)
        if held is None or held.token is None or self._clock() - held.fetched < YOUNG_S:
            return False
        held.token = None
        if spec.base is not None:
            self.forget(spec.base)
        return True

    async def aclose(self) -> None:
        """Stop what is being fetched. Idempotent."""
        tasks = [held.fetching for held in self._held.values() if held.fetching is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _new(self, key: str) -> _Held:
        if len(self._held) >= _MOST:
            now = self._wall()
            for name, held in list(self._held.items()):
                if held.fetching is None and (held.token is None or held.token.expires_at < now):
                    del self._held[name]
        return self._held.setdefault(key, _Held())

    def _fetching(self, held: _Held, spec: TokenSpec) -> asyncio.Task[Token]:
        """The fetch that is under way, or a new one."""
        if held.fetching is None:
            held.fetching = asyncio.create_task(self._fetch(held, spec))
            held.fetching.add_done_callback(lambda task: _over(held, task))
        return held.fetching

    async def _fetch(self, held: _Held, spec: TokenSpec) -> Token:
        """A new token, also put into `held`. Raises `UpstreamError`, which is put there too."""
        try:
            token = await self._ask(spec)
        except FederationError as error:
            failure = _as_upstream(error)
            refused = isinstance(failure, UpstreamDenied | UpstreamRateLimited)
            held.quiet_until = self._clock() + (REFUSED_S if refused else FAILED_S)
            held.failure = copy.copy(failure)
            log.warning("no token", extra={"token": spec.key[:8], "reason": failure.message})
            raise failure from None
        now = self._wall()
        held.token, held.failure = token, None
        held.fetched = self._clock()
        held.renew_at = now + (token.expires_at - now) * FRESH
        return token

    async def _ask(self, spec: TokenSpec) -> Token:
        base = await self.get(spec.base) if spec.base is not None else ""
        at = datetime.fromtimestamp(self._wall(), UTC)
        exchange = await self._transport.send(spec.request(at, base), TIMEOUTS)
        try:
            body = await exchange.body(ANSWER_BYTES)
        except UpstreamOversized:
            body = b""  # no caller asked for that much: the status tells what to say
        finally:
            await exchange.aclose()
        return spec.read(exchange.status, body, at)


def _as_upstream(error: FederationError) -> UpstreamError:
    """What goes wrong here is never the caller's to mend."""
    if isinstance(error, UpstreamError):
        return error
    return UpstreamFailed(f"No token could be fetched for this provider: {error.message}")


def _over(held: _Held, task: asyncio.Task[Token]) -> None:
    held.fetching = None
    error = None if task.cancelled() else task.exception()
    if error is not None and not isinstance(error, UpstreamError):
        log.error("a token could not be fetched", exc_info=error)
