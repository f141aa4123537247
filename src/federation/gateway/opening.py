"""The beginning of a stream: up to the first content another deployment may still take over."""

from __future__ import annotations

import asyncio
from functools import partial

from federation.dialects.faces import Upstream
from federation.errors import UpstreamError, UpstreamGarbled, UpstreamOversized, UpstreamTimeout
from federation.gateway.attempt import Attempt
from federation.gateway.kept_answer import KeptAnswer
from federation.gateway.threads import at_leisure
from federation.ports import Exchange
from federation.schema.tap import StreamTap

_LONGEST = 1024 * 1024
"""Bytes that may come before the first content."""


async def opened(
    exchange: Exchange,
    tap: StreamTap,
    attempt: Attempt,
    within_s: float,
    kept: KeptAnswer,
    *,
    slow: bool = False,
) -> bytes:
    """What a stream begins with, its first content included: keep-alives are no answer. A `slow`
    tap takes its time for what it is fed.

    Bounded by so many seconds since the attempt began, and in size. What was read is put into
    `kept`. Raises `UpstreamGarbled`, `UpstreamTimeout`, and what the tap raises.
    """

    opening = bytearray()
    until: float | None = None
    """None for the first events: what waits for the head waits for them, too."""
    while True:
        try:
            async with asyncio.timeout_at(until):
                data = await exchange.read()
        except TimeoutError:
            raise UpstreamTimeout("The provider kept a stream open and did not answer.") from None
        if not data:
            raise UpstreamGarbled("The provider ended a stream without an answer.")
        kept.add(data)
        opening += await at_leisure(slow, partial(tap.feed, data))
        if tap.started:
            return bytes(opening)
        if len(opening) > _LONGEST:
            raise UpstreamGarbled("The provider's stream has no beginning.")
        if until is None:
            until = asyncio.get_running_loop().time() + attempt.left(within_s)


async def no_stream(exchange: Exchange, upstream: Upstream) -> UpstreamError:
    """What to say of a successful answer that is no stream: the provider's own error, where it
    holds one."""
    kind = exchange.headers.get(b"content-type", b"")[:80].decode("latin-1")
    try:
        upstream.decode(await exchange.body(_LONGEST))
    except UpstreamOversized:
        pass  # it is none of ours to read: that it came at all is the fault
    except UpstreamError as error:
        return error
    return UpstreamGarbled(f"The provider answered a call for a stream with {kind or 'no type'}.")
