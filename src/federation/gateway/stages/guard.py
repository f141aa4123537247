"""Guard: what a policy demands of content, before a byte of it leaves.

The stage checks what goes out and hands on, with the call, what is to check what comes back.
The traps: tens of milliseconds of compiling and of reading long texts do not belong on the
loop; and a surface that no check covers is refused, not let through.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict

from msgspec import structs

from federation.errors import Forbidden
from federation.gateway.call import Call, Handler, OperationCall
from federation.gateway.safeguards import Guarding, Safeguard, demands, safeguard_of
from federation.gateway.world import World
from federation.governance.obligations import Obligations
from federation.schema.http import ClientReply

_BIG = 32 * 1024
"""Bytes of a body that take some milliseconds to check."""
_KEPT = 64
_JSON = b"application/json"


class ContentGuard:
    """The stage; one for each worker."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._made: OrderedDict[Obligations, Safeguard] = OrderedDict()

    async def chat(self, call: Call, following: Handler[Call]) -> ClientReply:
        """Pass the call on with what may leave of it.

        Raises `Forbidden` for content that a policy does not allow, `PayloadTooLarge` for more
        than it checks, and `Unavailable` where a required check could not be made.
        """
        duties = call.duties
        if duties is None or not demands(duties):
            return await following(call)
        guarding = await self._begin(duties, call.id)
        call.account.guarding = guarding
        request = call.reading.canonical()
        if len(call.request.body) > _BIG:
            screened = await asyncio.to_thread(guarding.request, request)
        else:
            screened = guarding.request(request)
        reading = call.reading.screened(screened)
        return await following(structs.replace(call, reading=reading, guarding=guarding))

    async def operation(
        self, call: OperationCall, following: Handler[OperationCall]
    ) -> ClientReply:
        """The same for other operations, whose bodies are JSON: what is none is refused."""
        duties = call.duties
        if duties is None or not demands(duties):
            return await following(call)
        guarding = await self._begin(duties, call.id)
        call.account.guarding = guarding
        kind = call.request.headers.get(b"content-type", _JSON).partition(b";")[0].strip()
        if kind != _JSON:
            raise Forbidden(
                "A policy demands that content is checked, and uploads of this kind cannot be. "
                "Send the call as JSON, or have the policy leave this operation out.",
                code="content_unchecked",
            )

        def checked() -> OperationCall:
            body = guarding.text(call.request.body.decode(), "body").encode()
            if body == call.request.body:
                return structs.replace(call, guarding=guarding)
            request = structs.replace(call.request, body=body)
            glance = call.face.glance(request)
            return structs.replace(call, request=request, glance=glance, guarding=guarding)

        if len(call.request.body) > _BIG:
            call = await asyncio.to_thread(checked)
        else:
            call = checked()
        return await following(call)

    async def _begin(self, duties: Obligations, call_id: str) -> Guarding:
        key = self._world.seal_key
        safeguard = self._made.get(duties)
        if safeguard is None:
            safeguard = await asyncio.to_thread(safeguard_of, duties, key)
            self._made[duties] = safeguard
            if len(self._made) > _KEPT:
                self._made.popitem(last=False)
        return Guarding.begin(safeguard, key, call_id)
