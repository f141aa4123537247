"""Has an answer kept before its client sees the end of it.

The trap: an answer must not be lost because it could not be kept. It goes out all the same,
says `store: false`, and is counted.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

import msgspec

from federation.dialects.openai_responses.keeper import Keeper
from federation.dialects.openai_responses.state import stored, unkept
from federation.errors import EvidenceUnwritable, InvalidRequest, PayloadTooLarge, Unavailable
from federation.gateway.call import Call, Handler
from federation.gateway.chat import Chat
from federation.gateway.responses.history import (
    Kept,
    history,
    names_of,
    pack,
    status_of,
    with_members,
)
from federation.gateway.responses.opening import Opened
from federation.gateway.responses.store import ResponseStore
from federation.gateway.stages.keep import subject_of
from federation.gateway.stream import AnswerStream
from federation.gateway.threads import off_loop
from federation.gateway.world import World
from federation.schema.http import ByteStream, ClientReply
from federation.schema.storing import COMPLETED, RUNNING, Save
from federation.telemetry import metrics

log = logging.getLogger(__name__)

UNREADABLE = (
    InvalidRequest,
    PayloadTooLarge,
    msgspec.DecodeError,
    UnicodeDecodeError,
    RecursionError,
)
"""What a provider's answer may raise that is not what its API says."""
LARGEST = 32 * 1024 * 1024
"""Bytes of what is kept of one call."""


class KeepingRoom:
    """Makes records of answers and has them kept; one for each worker."""

    def __init__(self, world: World, store: ResponseStore) -> None:
        self._world = world
        self._store = store

    async def whole(self, body: bytes, opened: Opened, call: Call, name: str) -> bytes:
        """The body of a whole answer under our name, kept or saying that it is not."""
        try:
            save, response = await self.finished(opened, body, call, name)
        except UNREADABLE:
            self._count(call, "unreadable")
            return body
        return response if await self.save(save, call) else unkept(response)

    def stream(self, body: ByteStream, opened: Opened, call: Call, name: str) -> ByteStream:
        """A stream under our name whose end is kept."""

        async def keep(final: bytes) -> bool:
            try:
                save, _ = await self.finished(opened, final, call, name)
            except UNREADABLE:
                self._count(call, "unreadable")
                return False
            return await self.save(save, call)

        return KeptStream(body, Keeper(name, opened.previous), keep)

    async def finished(
        self,
        opened: Opened,
        response: bytes,
        call: Call,
        name: str,
        *,
        writer: str = "",
        running: bool = False,
    ) -> tuple[Save, bytes]:
        """What control is asked to keep of an answer, and the answer under our name.

        `writer` is the worker that answers in the background, `running` whether it still
        does. Raises one of `UNREADABLE` for what could not be shown or continued later.
        """

        def made() -> tuple[Save, bytes]:
            said, members = opened.said.body, {"background": b"true"} if writer else {}
            found = stored(opened.glance, said, response, name, opened.references)
            found = with_members(found, members) if members else found
            kept = Kept(found, call.account.deployment.partition("/")[0])
            history([kept], self._world.seal_key)
            status = status_of(found)
            if status in RUNNING and not running:
                status = COMPLETED  # a provider that answers whole has nothing more to say
            tenant, names = call.key.tenant, names_of(found)
            save = Save(
                *(tenant, name, pack(kept), found.previous, status, writer, names),
                subject=subject_of(call),
            )
            return save, bytes(found.response)

        return await off_loop(len(response) + len(opened.said.body), made)

    async def save(self, save: Save, call: Call) -> bool:
        """Whether it is kept; if not, that is counted and said in the log."""
        if len(save.payload) > LARGEST:
            self._count(call, "too_large")
            return False
        kept = await self._store.save(save)
        if not kept:
            self._count(call, "away" if kept is None else "over")
        return bool(kept)

    async def drop(self, call: Call, name: str) -> None:
        """Delete an answer of which there is no record, and which nobody got."""
        try:
            await self._store.remove(call.key.tenant, name)
        except Unavailable:
            log.warning("an answer without a record is kept", extra={"call": call.id})

    def _count(self, call: Call, reason: str) -> None:
        self._world.meter.add(metrics.RESPONSES_UNKEPT, (reason,))
        log.warning("a response was not kept", extra={"call": call.id, "reason": reason})


class KeepingStage:
    """The stage that has whole answers kept. It stands within the recorder, because what an answer
    is hashed as is what the client gets. One that goes on no record afterwards is deleted: here, or
    by control where the worker has died in between. Whether a stream is kept shows after its end is
    on record: what is hashed of it is the stream under our name, kept."""

    def __init__(self, room: KeepingRoom) -> None:
        self._room = room
        self._wanted: dict[str, tuple[Opened, str]] = {}

    async def run(self, chat: Chat, opened: Opened, call: Call, name: str) -> ClientReply:
        """Put a call through a pipeline with this stage in it, and have its answer kept under this
        name."""
        self._wanted[call.id] = opened, name
        try:
            reply = await chat.run(call)
        except EvidenceUnwritable:
            if call.id not in self._wanted:
                await self._room.drop(call, name)
            raise
        finally:
            self._wanted.pop(call.id, None)
        if not isinstance(reply.body, bytes):
            reply.body = self._room.stream(reply.body, opened, call, name)
        return reply

    async def __call__(self, call: Call, following: Handler[Call]) -> ClientReply:
        """Pass the call on."""
        reply = await following(call)
        if call.id in self._wanted:
            opened, name = self._wanted[call.id]
            if isinstance(reply.body, bytes):
                del self._wanted[call.id]
                reply.body = await self._room.whole(reply.body, opened, call, name)
            elif isinstance(reply.body, AnswerStream):
                reply.body.renamed = Keeper(name, opened.previous)
        return reply


class KeptStream:
    """A stream of events whose last ones wait until the response is kept.

    Implements `schema.http.FlowingStream` around another one, which it closes.
    """

    __slots__ = ("_inner", "_keep", "_keeper", "_over", "_told")

    def __init__(
        self, inner: ByteStream, keeper: Keeper, keep: Callable[[bytes], Awaitable[bool]]
    ) -> None:
        self._inner = inner
        self._keeper = keeper
        self._keep = keep
        self._told = False
        self._over = False

    async def read(self) -> bytes:
        """Whole events; those of the end once the response is kept, or cannot be."""
        keeper = self._keeper
        while True:
            if keeper.final and not self._told:
                kept = await self._keep(keeper.final)
                self._told = True
                return keeper.ending(kept=kept)
            if self._over:
                return b""
            data = await self._inner.read()
            self._over = not data
            out = keeper.feed(data) if data else keeper.close()
            if out:
                return out

    async def flow(
        self, write: Callable[[bytes], bool], _: Callable[[bytes], None] | None = None
    ) -> None:
        """Hand events on as they arrive, up to the end of the response."""
        flow = getattr(self._inner, "flow", None)
        keeper = self._keeper
        if flow is None or self._over or (keeper.final and not self._told):
            return

        def pass_on(data: bytes) -> bool:
            out = keeper.feed(data)
            wanted = write(out) if out else True
            return wanted and (self._told or not keeper.final)

        await flow(pass_on)

    async def aclose(self) -> None:
        """Close what it reads from."""
        await self._inner.aclose()
