"""What one deployment is asked of an operation: the client's own bytes, or the call in its words.

A call of many inputs may become several requests; they are one attempt at one deployment.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from federation.dialects.losses import refusal
from federation.dialects.operations.losses import FEATURES
from federation.dialects.operations.upstream import OperationUpstream
from federation.gateway.call import OperationCall
from federation.gateway.reply import named
from federation.schema.http import WireReply, WireRequest

ABREAST = 4
"""Requests of one call that are under way at a time."""


@dataclass(frozen=True, slots=True)
class Asking:
    """Requests for one deployment, still to be signed where the line says so."""

    requests: tuple[WireRequest, ...]
    losses: tuple[str, ...]
    asked: Any = None
    """The canonical request where the answer comes in another language; None where the bytes
    are handed on."""


class Reading:
    """A call in the canonical form of its operation, read at most once."""

    __slots__ = ("_call", "_read")

    def __init__(self, call: OperationCall) -> None:
        self._call = call
        self._read: Any = None

    def canonical(self) -> Any:
        """Raises `InvalidRequest`; `LookupError` where the dialect has no canonical form, of
        which routing makes sure."""
        if self._read is None:
            call = self._call
            if call.face.parse is None:
                raise LookupError(f"{call.face.operation} is never translated")
            self._read = call.face.parse(call.request, call.glance)
        return self._read


def ask(call: OperationCall, reading: Reading, upstream: OperationUpstream[Any, Any]) -> Asking:
    """Write the requests for a deployment.

    Raises `InvalidRequest` for what it cannot take, before anything is spent: what its loss
    table refuses, and under `strict` whatever would be left out.
    """
    glance = call.glance
    if upstream.forwards == glance.dialect:
        losses = upstream.dropped_fields(glance)
        if losses and glance.ask.strict:
            raise refusal("unknown_field", losses[0], features=FEATURES)
        return Asking((upstream.forward(glance, call.request),), losses)
    asked = reading.canonical()
    encoded = upstream.encode(asked)
    if encoded.losses and glance.ask.strict:
        raise refusal(encoded.losses[0], features=FEATURES)
    return Asking(encoded.requests, named(encoded.losses, asked.extra), asked)


async def all_of(
    requests: Sequence[WireRequest],
    send: Callable[[WireRequest], Awaitable[WireReply]],
    done: Callable[[], None],
) -> list[WireReply]:
    """The replies to all requests in their order, a few at a time; `done` is called after each.

    Raises the first failure, and cancels what is still under way.
    """
    replies: list[WireReply | None] = [None] * len(requests)
    waiting = iter(enumerate(requests))

    async def work() -> None:
        for place, request in waiting:
            replies[place] = await send(request)
            done()

    tasks = [asyncio.create_task(work()) for _ in range(min(ABREAST, len(requests)))]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return [reply for reply in replies if reply is not None]
