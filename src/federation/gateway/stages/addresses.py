"""Addresses: pictures and files that a call names must not lead into our own network.

The stage stands before everything that gives a call to a provider, and before the checks of
content, for it decides alike whatever policies say. Names that look public are looked up where a
host of our own might fetch them. Two traps: most calls name none, and must not be read for it, so
a glance's counts and one quick look at the bytes come first; and whoever fetches a name asks for
it again, and may be told another address, so such hosts need a guard of their own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from functools import partial
from typing import Final

from federation.errors import InvalidRequest, Unavailable, UpstreamError
from federation.gateway.call import Call, Handler, OperationCall
from federation.gateway.content_addresses import (
    check_body,
    check_chat,
    check_found,
    may_name_any,
    refused,
)
from federation.gateway.threads import BIG, off_loop, weight
from federation.gateway.world import World
from federation.schema.glance import Glance
from federation.schema.http import ClientReply
from federation.transport.names import HostNames, system_resolve

LOOKUP_S: Final = 1.0
"""A name of which nobody says in time where it leads passes: the provider asks for itself."""
MOST: Final = 64
"""Different names in a call: each is a question to somebody's servers."""
_PORT: Final = 443


class AddressCheck:
    """The stage; one for each worker."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._names = HostNames(system_resolve)

    def chat(self, call: Call, following: Handler[Call]) -> Awaitable[ClientReply]:
        """Pass the call on. Raises `InvalidRequest` for an address that leads inside."""
        if not _holds_media(call.glance):
            return following(call)
        body = call.request.body
        # A search holds the loop, in a thread too: for a second where all is small values.
        many = weight(body) - len(body) > BIG
        return self._chat(call, following) if many or may_name_any(body) else following(call)

    async def _chat(self, call: Call, following: Handler[Call]) -> ClientReply:
        body, allowed = call.request.body, self._allowed()
        try:
            request = await off_loop(weight(body), call.reading.canonical)
        except InvalidRequest:
            # Not ours to refuse: a provider of the client's language may know what we do not.
            names = await off_loop(weight(body), partial(check_body, body, allowed))
        else:
            names = check_chat(request, allowed)
        await self._look_up(names)
        return await following(call)

    def operation(
        self, call: OperationCall, following: Handler[OperationCall]
    ) -> Awaitable[ClientReply]:
        """The same for operations, whose bodies are looked at as they stand."""
        body = call.request.body
        if weight(body) <= BIG and not may_name_any(body):
            return following(call)
        return self._operation(call, following)

    async def _operation(
        self, call: OperationCall, following: Handler[OperationCall]
    ) -> ClientReply:
        body = call.request.body
        await self._look_up(
            await off_loop(weight(body), partial(check_body, body, self._allowed()))
        )
        return await following(call)

    async def _look_up(self, names: dict[str, str]) -> None:
        """Raise `InvalidRequest` where one of these names leads inside."""
        if not names or not self._may_fetch_inside():
            return
        if len(names) > MOST:
            raise refused(f"they name more than {MOST} hosts", next(iter(names.values())))
        await asyncio.gather(*(self._judge(name, where) for name, where in names.items()))

    async def _judge(self, name: str, where: str) -> None:
        try:
            async with asyncio.timeout(LOOKUP_S):
                found = await self._names.addresses(name, _PORT, private=True)
        except (TimeoutError, Unavailable):
            return
        except UpstreamError as error:
            if error.code == "upstream_address_forbidden":
                raise refused("its name leads to a cloud's metadata service", where) from None
            return
        check_found(found, where, self._allowed())

    def _may_fetch_inside(self) -> bool:
        """Whether any provider may stand in a network of ours."""
        deployments = self._world.current().snapshot.deployments
        return any(
            (each.provider.private or each.provider.local) and each.usable and each.enabled
            for each in deployments
        )

    def _allowed(self) -> tuple[str, ...]:
        return self._world.current().snapshot.settings.content_hosts


def _holds_media(glance: Glance) -> bool:
    """Whether there is more than words in a chat; a part that no list names may be anything, and
    stands under `content.` or the like."""
    if glance.images or glance.audio or glance.files:
        return True
    return bool(glance.unlisted) and any("." in name for name in glance.unlisted)
