"""Addresses: pictures and files that a call names must not lead into our own network.

The stage stands before everything that gives a call to a provider, and before the checks of
content, for it decides alike whatever policies say. The trap: most calls name none, and must not
be read for it; so a glance's counts and one quick look at the bytes come first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from federation.gateway.call import Call, Handler, OperationCall
from federation.gateway.content_addresses import check_body, check_chat, may_name_any
from federation.gateway.threads import BIG, off_loop, weight
from federation.gateway.world import World
from federation.schema.glance import Glance
from federation.schema.http import ClientReply


class AddressCheck:
    """The stage; one for each worker."""

    def __init__(self, world: World) -> None:
        self._world = world

    def chat(self, call: Call, following: Handler[Call]) -> Awaitable[ClientReply]:
        """Pass the call on. Raises `InvalidRequest`, for an address and for content that cannot
        be read."""
        if not _holds_media(call.glance):
            return following(call)
        if not may_name_any(call.request.body):
            return following(call)
        return self._read_chat(call, following)

    async def _read_chat(self, call: Call, following: Handler[Call]) -> ClientReply:
        request = await off_loop(weight(call.request.body), call.reading.canonical)
        check_chat(request, self._allowed())
        return await following(call)

    def operation(
        self, call: OperationCall, following: Handler[OperationCall]
    ) -> Awaitable[ClientReply]:
        """The same for operations, whose bodies are looked at as they stand."""
        if weight(call.request.body) > BIG:
            return self._big(call, following)
        self._look(call.request.body)
        return following(call)

    async def _big(self, call: OperationCall, following: Handler[OperationCall]) -> ClientReply:
        await asyncio.to_thread(self._look, call.request.body)
        return await following(call)

    def _look(self, body: bytes) -> None:
        if may_name_any(body):
            check_body(body, self._allowed())

    def _allowed(self) -> tuple[str, ...]:
        return self._world.current().snapshot.settings.content_hosts


def _holds_media(glance: Glance) -> bool:
    """Whether there is more than words in a chat; a part that no list names may be anything, and
    stands under `content.` or the like."""
    if glance.images or glance.audio or glance.files:
        return True
    return bool(glance.unlisted) and any("." in name for name in glance.unlisted)
