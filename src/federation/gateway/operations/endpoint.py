"""The endpoints of operations other than chat: from a client's request to a call."""

from __future__ import annotations

from functools import partial
from typing import Any

from federation.dialects.operations.faces import OperationClient
from federation.dialects.operations.table import client_of, find_client
from federation.domain.access import VirtualKey
from federation.errors import NotFound
from federation.gateway.call import Account, Handler, OperationCall
from federation.gateway.threads import off_loop, weight
from federation.gateway.world import World
from federation.schema.http import ClientReply, ClientRequest
from federation.schema.operations import OperationGlance


class Operations:
    """Answers every path of `operations.table`; one for each worker."""

    def __init__(self, world: World, pipeline: Handler[OperationCall]) -> None:
        self._world = world
        self._pipeline = pipeline

    async def __call__(self, request: ClientRequest, key: VirtualKey) -> ClientReply:
        """Answer a call. Raises `InvalidRequest` before anything is recorded, and what the
        pipeline raises. A big body is looked at in a thread: its bytes must not hold up
        everybody else's events."""
        face = find_client(request.path)
        if face is None:
            raise NotFound(f"No operation answers {request.path[:200]!r}.")
        glance = await off_loop(weight(request.body), partial(face.glance, request))
        return await self._pipeline(call_of(self._world, request, glance, client_of(glance), key))


def call_of(
    world: World,
    request: ClientRequest,
    glance: OperationGlance,
    face: OperationClient[Any, Any],
    key: VirtualKey,
) -> OperationCall:
    """A call made of a request that was glanced at, ready for the pipeline."""
    return OperationCall(
        id=world.ids.next(),
        request=request,
        started=world.clock(),
        started_ms=int(world.wall() * 1000),
        account=Account(),
        glance=glance,
        face=face,
        key=key,
    )
