"""Calls that run on while nobody waits: their clients fetch the answer later.

The trap is that two may end such a call. A client that cancels or deletes asks any worker,
so the one that runs it asks control once a second which of its own are still wanted. And
who ends first has ended it: what comes later changes nothing.
"""

from __future__ import annotations

import asyncio
import logging

import msgspec
from msgspec import Raw

from federation.dialects.openai_responses.errors import failure_item
from federation.dialects.openai_responses.state import answering, waiting
from federation.errors import FederationError, RateLimited, Unavailable, UpstreamGarbled
from federation.gateway.call import Call
from federation.gateway.chat import Chat
from federation.gateway.control_socket import away
from federation.gateway.responses.keeping import LARGEST, UNREADABLE, KeepingRoom
from federation.gateway.responses.opening import Opened
from federation.gateway.responses.store import ResponseStore
from federation.gateway.threads import off_loop
from federation.schema.storing import FAILED, IN_PROGRESS, QUEUED, Save

log = logging.getLogger(__name__)

MOST = 256
"""Calls that one worker runs in the background."""
LOOK_S = 1.0
LONGEST_PAUSE_S = 5.0
_LAST_WORD_S = 2.0


class Background:
    """The background calls of one worker. `writer` is the name by which it is known to live."""

    def __init__(self, chat: Chat, store: ResponseStore, room: KeepingRoom, writer: str) -> None:
        self._chat = chat
        self._store = store
        self._room = room
        self._writer = writer
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._watch: asyncio.Task[None] | None = None
        self._stopping = False
        self._beginning = 0

    async def begin(self, opened: Opened, call: Call, name: str) -> bytes:
        """Start a call and return its response as it stands: queued.

        Raises `RateLimited` where too many run, and `Unavailable` where control cannot keep
        it: an answer that cannot be fetched is not worth paying for.
        """
        if self._stopping:
            raise _draining()
        if len(self._tasks) + self._beginning >= MOST:
            raise RateLimited(
                "Too many calls run in the background here. Try again in a moment.",
                code="too_many_background_calls",
                retry_after_s=5.0,
            )
        self._beginning += 1
        try:
            queued, response = await self._queued(opened, call, name)
            if self._stopping:
                await self._give_up(call, name)
                raise _draining()
        except asyncio.CancelledError:
            # Its client left: perhaps it is kept by now, and nobody would answer it.
            await self._give_up(call, name)
            raise
        finally:
            self._beginning -= 1
        task = asyncio.create_task(self._run(opened, call, name, queued))
        self._tasks[name] = task
        task.add_done_callback(lambda done: self._ended(name, done))
        if self._watch is None:
            self._watch = asyncio.create_task(self._look())
        return response

    async def _queued(self, opened: Opened, call: Call, name: str) -> tuple[bytes, bytes]:
        """The response as it waits, kept: as it is and as its client gets it."""
        canonical = await off_loop(len(opened.read.body), call.reading.canonical)
        request = answering(canonical, opened.previous, background=True)
        queued = waiting(request, name, call.started_ms // 1000, QUEUED)
        save, response = await self._room.finished(
            opened, queued, call, name, writer=self._writer, running=True
        )
        if not await self._room.save(save, call):
            raise away()
        return queued, response

    def cancel(self, name: str) -> None:
        """Stop a call, if it runs here."""
        task = self._tasks.get(name)
        if task is not None:
            task.cancel()

    async def drain(self, within_s: float) -> None:
        """Let what runs finish within the time, then give it up. No call begins any more."""
        self._stopping = True
        tasks = tuple(self._tasks.values())
        if tasks:
            await asyncio.wait(tasks, timeout=within_s)
        for task in tasks:
            task.cancel()
        if self._watch is not None:
            self._watch.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, opened: Opened, call: Call, name: str, queued: bytes) -> None:
        """The call from its start to its end in the store."""
        try:
            if not await self._started(call, name):
                return
            save = await self._answered(opened, call, name, queued)
            pause = 0.0
            while await self._store.save(save) is None:
                pause = min(pause + 1.0, LONGEST_PAUSE_S)
                await asyncio.sleep(pause)
        except BaseException:
            # Cancelled by its client, it is over already and this changes nothing.
            await self._give_up(call, name)
            raise

    async def _started(self, call: Call, name: str) -> bool:
        """Whether it is still wanted. Control being away is no reason to wait."""
        try:
            return await self._store.mark(call.key.tenant, name, IN_PROGRESS)
        except Unavailable:
            return True

    async def _answered(self, opened: Opened, call: Call, name: str, queued: bytes) -> Save:
        """What is to be kept of the call's answer, or of its failure."""
        try:
            reply = await self._chat.run(call)
        except FederationError as error:
            return await self._finished(opened, _failed(queued, error), call, name)
        assert isinstance(reply.body, bytes)  # noqa: S101  never streamed
        try:
            found = await self._finished(opened, reply.body, call, name)
        except UNREADABLE:
            found = None
        if found is not None and len(found.payload) <= LARGEST:
            return found
        unfit = UpstreamGarbled("The provider's answer cannot be read, or is too large to keep.")
        return await self._finished(opened, _failed(queued, unfit), call, name)

    async def _finished(self, opened: Opened, response: bytes, call: Call, name: str) -> Save:
        save, _ = await self._room.finished(opened, response, call, name, writer=self._writer)
        return save

    async def _give_up(self, call: Call, name: str) -> None:
        try:
            async with asyncio.timeout(_LAST_WORD_S):
                await self._store.mark(call.key.tenant, name, FAILED)
        except (Unavailable, TimeoutError):
            log.warning("a background call is left as it is", extra={"call": call.id})

    def _ended(self, name: str, task: asyncio.Task[None]) -> None:
        del self._tasks[name]
        fault = None if task.cancelled() else task.exception()
        if fault is not None:
            log.error("a background call broke", exc_info=fault, extra={"response": name})

    async def _look(self) -> None:
        """Stop what is not wanted any more, for as long as anything runs."""
        while self._tasks:
            await asyncio.sleep(LOOK_S)
            # Before asking: what begins meanwhile is not in the answer.
            known = tuple(self._tasks)
            try:
                wanted = frozenset(await self._store.running(self._writer))
            except Unavailable:
                continue
            for name in known:
                if name not in wanted:
                    self.cancel(name)
        self._watch = None


def _draining() -> Unavailable:
    return Unavailable("Draining: this worker takes no new calls.", code="draining")


def _failed(queued: bytes, error: FederationError) -> bytes:
    """The response of a call that brought none."""
    body: dict[str, Raw] = msgspec.json.decode(queued, type=dict[str, Raw])
    body["status"] = Raw(b'"failed"')
    body["error"] = Raw(msgspec.json.encode(failure_item(error)))
    return msgspec.json.encode(body)
