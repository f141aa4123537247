"""What all connections of one server share: the front, the counters, the date and the clock's tick.

One sweeper looks after every deadline: a timer per request would cost more than the request's
parsing, and nobody minds whether a slow client is hung up on a tenth of a second later.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from email.utils import formatdate
from typing import Protocol, cast

from federation.domain.routes import ListenerLimits
from federation.errors import FederationError, Unavailable
from federation.listener.front import Front
from federation.listener.inflate import inflated
from federation.listener.intake import Inbound
from federation.listener.replyhead import render_headers, reply_head
from federation.schema.http import ClientReply, ClientRequest
from federation.transport.outbox import Outbox

SWEEP_S = 0.1


class Swept(Protocol):
    """A connection as the hub sees it."""

    deadline: float
    """In the loop's time; infinite while nothing is waited for."""

    def expire(self) -> None:
        """The deadline has passed."""
        ...

    def retire(self) -> None:
        """Close as soon as nothing is owed to the client."""
        ...

    def cut(self) -> None:
        """Close now."""
        ...


class Hub:
    """Shared state of a server's connections. Belongs to one event loop."""

    __slots__ = (
        "_date_second",
        "_emptied",
        "_sweep",
        "buffered",
        "connections",
        "date",
        "draining",
        "front",
        "in_flight",
        "limits",
        "linger_s",
        "loop",
        "orphans",
        "outbox",
    )

    def __init__(self, front: Front, limits: ListenerLimits) -> None:
        self.front = front
        self.limits = limits
        self.loop = asyncio.get_running_loop()
        self.connections: set[Swept] = set()
        self.orphans: set[asyncio.Task[None]] = set()
        """Tasks whose client has gone, still cleaning up. The loop itself holds tasks weakly."""
        self.outbox = Outbox()
        """Whole answers on their way; flushed before their transports are used otherwise."""
        self.in_flight = 0
        self.buffered = 0
        """Bytes of request bodies that connections and their handlers hold."""
        self.draining = False
        self.linger_s = 0.0
        """How long a connection may stay idle while we drain."""
        self.date = b""
        """The `date` header line of this second."""
        self._date_second = 0
        self._emptied: asyncio.Event = asyncio.Event()
        self._sweep: asyncio.TimerHandle | None = None
        self._tick()

    @property
    def idle_s(self) -> float:
        """How long a connection may stay idle now."""
        return self.linger_s if self.draining else self.limits.idle_s

    def check_room(self) -> None:
        """Raise `Unavailable` where request bodies take more memory than they may."""
        if self.buffered > self.limits.bodies_bytes:
            raise self.no_room()

    def no_room(self) -> Unavailable:
        """The refusal of a request for whose body there is no room."""
        return Unavailable("Too many large requests at once; try again soon.", retry_after_s=1)

    async def answer(self, inbound: Inbound, room: Room) -> ClientReply:
        """The reply to a request whose body may still be compressed, and must have its room."""

        async def handler(request: ClientRequest) -> ClientReply:
            if request.body or inbound.coding:
                self.check_room()
            if inbound.coding:
                limit = self.limits.body_bytes
                request = await inflated(request, inbound.coding, limit, room.grow)
            return await self.front.handler(request)

        return await replace(self.front, handler=handler).answer(inbound.request)

    def refusal(self, error: FederationError, path: str) -> bytes:
        """The whole reply to a request that is refused before it was read."""
        reply = self.front.explain(error, path)
        body = cast("bytes", reply.body)
        framing = b"content-length: %d\r\n" % len(body)
        headers = render_headers(reply.headers)
        return reply_head(reply.status, self.date, headers, framing, False, False) + body

    def leave(self, connection: Swept) -> None:
        """Forget a connection that is gone."""
        self.connections.discard(connection)
        if not self.connections:
            self._emptied.set()

    async def emptied(self, within_s: float) -> None:
        """Return once no connection is left, or when the time is over."""
        if not self.connections:
            return
        self._emptied.clear()
        try:
            await asyncio.wait_for(self._emptied.wait(), within_s)
        except TimeoutError:
            return

    def adopt(self, task: asyncio.Task[None]) -> None:
        """Hold on to a task that outlives its connection."""
        self.orphans.add(task)
        task.add_done_callback(self.orphans.discard)

    def stop(self) -> None:
        """End the sweeping."""
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None

    def _tick(self) -> None:
        # First of all, so that nothing below can end the sweeping.
        self._sweep = self.loop.call_later(SWEEP_S, self._tick)
        now = self.loop.time()
        overdue = [each for each in self.connections if each.deadline <= now]
        for connection in overdue:
            connection.expire()
        second = int(time.time())
        if second != self._date_second:
            self._date_second = second
            self.date = b"date: %b\r\n" % formatdate(second, usegmt=True).encode()


class Room:
    """What one connection holds of the room that there is for request bodies."""

    __slots__ = ("_held", "_hub")

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._held = 0

    def hold(self, size: int) -> None:
        """Hold so many bytes from now on. Refuses nothing: see `Hub.check_room`."""
        self._hub.buffered += size - self._held
        self._held = size

    def add(self, more: int) -> None:
        """Hold so many bytes more. Refuses nothing either."""
        self.hold(self._held + more)

    def grow(self, more: int) -> None:
        """Hold more; raises `Unavailable` where there is no room for it."""
        self.add(more)
        self._hub.check_room()
