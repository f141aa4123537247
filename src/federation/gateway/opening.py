"""The beginning of a stream: up to the first content another deployment may still take over."""

from __future__ import annotations

import asyncio

from federation.errors import UpstreamGarbled, UpstreamTimeout
from federation.gateway.attempt import Attempt
from federation.ports import Exchange
from federation.schema.tap import StreamTap

_LONGEST = 1024 * 1024
"""Bytes that may come before the first content."""


async def opened(exchange: Exchange, tap: StreamTap, attempt: Attempt, within_s: float) -> bytes:
    """What a stream begins with, its first content included: keep-alives are no answer.

    Bounded by so many seconds since the attempt began, and in size. Raises `UpstreamGarbled`,
    `UpstreamTimeout`, and what the tap raises.
    """
    opening = await _more(exchange, tap)
    if not tap.started:
        opening += await _until_content(exchange, tap, attempt.left(within_s))
    return opening


async def _more(exchange: Exchange, tap: StreamTap) -> bytes:
    """The next events of an answer that has not begun yet."""
    data = await exchange.read()
    if not data:
        raise UpstreamGarbled("The provider ended a stream without an answer.")
    return tap.feed(data)


async def _until_content(exchange: Exchange, tap: StreamTap, within_s: float) -> bytes:
    opening = bytearray()
    try:
        async with asyncio.timeout(within_s):
            while not tap.started:
                if len(opening) > _LONGEST:
                    raise UpstreamGarbled("The provider's stream has no beginning.")
                opening += await _more(exchange, tap)
    except TimeoutError:
        raise UpstreamTimeout("The provider kept a stream open and did not answer.") from None
    return bytes(opening)
