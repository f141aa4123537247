"""`POST /v1/responses`: opens what the call leans on, runs it, and has the answer kept.

Around the chat endpoint, which knows nothing of stored responses: what reaches the pipeline
is a call that stands alone.
"""

from __future__ import annotations

from federation.dialects.openai_responses.client import CLIENT
from federation.domain.access import VirtualKey
from federation.errors import InvalidRequest
from federation.evidence.receipts import response_name
from federation.gateway.call import Call
from federation.gateway.chat import Chat
from federation.gateway.reading import Reading
from federation.gateway.responses.background import Background
from federation.gateway.responses.keeping import KeepingStage
from federation.gateway.responses.opening import Opened, opened
from federation.gateway.responses.store import ResponseStore
from federation.gateway.ruled import facts_of
from federation.gateway.stages.admit import admitted
from federation.gateway.world import Situation, World
from federation.schema.glance import Glance
from federation.schema.http import ClientReply, ClientRequest

_JSON = (b"content-type", b"application/json")


class Responses:
    """One for each worker."""

    def __init__(
        self,
        world: World,
        chat: Chat,
        counting: Chat,
        store: ResponseStore,
        keeping: KeepingStage,
        background: Background,
    ) -> None:
        """`chat` has `keeping` among its stages."""
        self._world = world
        self._chat = chat
        self._counting = counting
        self._store = store
        self._keeping = keeping
        self._background = background

    async def __call__(self, request: ClientRequest, key: VirtualKey) -> ClientReply:
        """Answer a call. Raises what `opened` and the pipeline raise."""
        world = self._world
        situation = world.current()
        settings = situation.snapshot.settings

        def may_keep(glance: Glance) -> bool:
            return self._may_keep(situation, glance, key)

        found = await opened(request, key.tenant, settings, self._store, world.seal_key, may_keep)
        if found.background:
            _check_background(found)
        own = world.ids.next()
        name = response_name(world.receipts.key, own) if found.keep else ""
        call = self._call(self._chat, found, key, own, name)
        if found.background:
            # Refused now: nobody would hear of it later.
            admitted(world.current(), call, world.money)
            body = await self._background.begin(found, call, name)
            identity = call.id.encode()
            marks = [(b"x-request-id", identity), (b"x-federation-call-id", identity)]
            return ClientReply(200, [_JSON, *marks], body)
        if not found.keep:
            return await self._chat.run(call)
        return await self._keeping.run(self._chat, found, call, name)

    async def count(self, request: ClientRequest, key: VirtualKey) -> ClientReply:
        """Count a call with all that it continues or points to; nothing of it is kept. Raises as
        an answer does."""
        settings, world = self._world.current().snapshot.settings, self._world
        found = await opened(
            request, key.tenant, settings, self._store, world.seal_key, lambda _: True
        )
        return await self._counting.run(self._call(self._counting, found, key))

    def _may_keep(self, situation: Situation, glance: Glance, key: VirtualKey) -> bool:
        """Whether policies let us keep what such a call says and is answered."""
        book = situation.book
        if not book.policies:
            return True
        route, at_ms = situation.fleet.named_by(glance.model), int(self._world.wall() * 1000)
        facts = facts_of(glance, key, "chat", route, at_ms, whole=book.conditional)
        return book.rule(facts).obligations.keep_payloads in (None, True)

    def _call(
        self, chat: Chat, found: Opened, key: VirtualKey, own: str = "", name: str = ""
    ) -> Call:
        reading = Reading(CLIENT, found.read, found.going, self._world.seal_key, name, found.makers)
        return chat.glanced(found.request, key, found.going, reading, own)


def _check_background(found: Opened) -> None:
    if not found.keep:
        raise InvalidRequest(
            "A call in the background is fetched later, so it must be kept: leave 'store' out. "
            "Where the gateway keeps nothing, it cannot run in the background.",
            code="background_needs_store",
            param="store",
        )
    if found.glance.stream:
        raise InvalidRequest(
            "A call in the background is not streamed here: leave 'stream' out and fetch it.",
            code="background_not_streamed",
            param="stream",
        )
