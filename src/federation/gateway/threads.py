"""Moves work to a thread that would hold up the event loop, and everybody else, for milliseconds.

Small bodies are worked on in the loop itself: a thread would cost more than they do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, TypeVar

from federation.gateway.safeguards import Guarding

_Made = TypeVar("_Made")

BIG: Final = 512 * 1024
"""Bytes of a body that take a millisecond and more to read, to translate or to write."""
_SMALL: Final = 32 * 1024
_VALUE: Final = 128
"""Bytes of prose that it takes as long to read as one small value."""
_STRIDE: Final = 61
"""Every so manieth byte is looked at; a prime, so that no short pattern falls in step with it."""


def weight(body: bytes) -> int:
    """How long a client's body takes to read, in bytes of prose. The trap is a body of many small
    values: of half a megabyte of them each step takes a tenth of a second."""
    size = len(body)
    if size < _SMALL:
        return size
    return size + _VALUE * _STRIDE * body[::_STRIDE].count(b",")


async def off_loop(size: int, work: Callable[[], _Made]) -> _Made:
    """Do it here, or in a thread where so many bytes are to be gone through."""
    return await asyncio.to_thread(work) if size > BIG else work()


async def at_leisure(slow: bool, work: Callable[[], _Made]) -> _Made:
    """Do it here, or in a thread where it is slow whatever its size. Whoever is canceled meanwhile
    waits for it: what it works at is about to be read."""
    if not slow:
        return work()
    under_way = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(under_way)
    except asyncio.CancelledError:
        await asyncio.gather(under_way, return_exceptions=True)
        raise


async def checked(guarding: Guarding, size: int, work: Callable[[], _Made]) -> _Made:
    """Do a check of so many bytes here, or in a thread where it takes milliseconds: patterns of
    the operator's own each read the text once more. Where whoever waits is canceled, the thread
    ends with the slice that it reads."""
    if guarding.quick(size):
        return work()
    try:
        return await asyncio.to_thread(work)
    except asyncio.CancelledError:
        guarding.halt()
        raise
