"""The chat endpoints: from a client's request, in any dialect, to a call in the pipeline."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from msgspec import structs

from federation.dialects.faces import ClientFace
from federation.domain.access import VirtualKey
from federation.gateway.call import Account, Call, Handler
from federation.gateway.reading import Reading
from federation.gateway.threads import BIG, off_loop, weight
from federation.gateway.world import World
from federation.schema.glance import Glance
from federation.schema.http import ClientReply, ClientRequest


class Chat:
    """One dialect's chat endpoint; one of each for each worker.

    `chat_of` finds the chat call in a request that is about one (a count).
    """

    def __init__(
        self,
        face: ClientFace,
        world: World,
        pipeline: Handler[Call],
        *,
        operation: str = "chat",
        chat_of: Callable[[ClientRequest], ClientRequest] | None = None,
    ) -> None:
        self._face = face
        self._world = world
        self._operation = operation
        self._chat_of = chat_of
        self._pipeline = pipeline

    def __call__(self, request: ClientRequest, key: VirtualKey) -> Awaitable[ClientReply]:
        """Answer a chat call. Raises `InvalidRequest` before anything is recorded, and what
        the pipeline raises."""
        if weight(request.body) > BIG:
            return self._big(request, key)
        return self._pipeline(self.call(request, key))

    async def _big(self, request: ClientRequest, key: VirtualKey) -> ClientReply:
        return await self._pipeline(await self.read(request, key))

    async def run(self, call: Call) -> ClientReply:
        """Put a call through the pipeline."""
        return await self._pipeline(call)

    async def read(self, request: ClientRequest, key: VirtualKey) -> Call:
        """A call made of a request. A big body is read in a thread: its bytes must not hold
        up everybody else's events."""
        return await off_loop(weight(request.body), partial(self.call, request, key))

    def call(self, request: ClientRequest, key: VirtualKey) -> Call:
        """A call made of a request, ready for the pipeline."""
        world, face = self._world, self._face
        if self._chat_of is not None:
            request = structs.replace(self._chat_of(request), sent=request.body)
        glance = face.glance(request)
        return self.glanced(request, key, glance, Reading(face, request, glance, world.seal_key))

    def glanced(
        self,
        request: ClientRequest,
        key: VirtualKey,
        glance: Glance,
        reading: Reading,
        name: str = "",
    ) -> Call:
        """A call made of a request that was glanced at, under this id or a new one."""
        world = self._world
        # By place: names for all of them would cost each call half a microsecond.
        return Call(
            name or world.ids.next(),
            request,
            world.clock(),
            int(world.wall() * 1000),
            Account(),
            glance,
            self._face,
            reading,
            key,
            self._operation,
        )
