"""The connections to one origin: idle ones last in, first out; a bounded number in all.

The trap: a slot that is freed while somebody waits belongs to the first who waits, and a
waiter that is cancelled at that very moment must hand it on, or the pool shrinks for ever.
"""

from __future__ import annotations

import asyncio
from collections import deque

from federation.errors import FederationError
from federation.schema.http import Origin
from federation.transport.connection import Connection
from federation.transport.head import HeadWriter, authority
from federation.transport.limits import Limits
from federation.transport.proxies import Proxy


class Pool:
    """Idle connections, and the count of all. Not thread-safe; belongs to one event loop."""

    __slots__ = ("active", "heads", "idle", "limits", "opened", "origin", "refusal", "waiting")

    def __init__(
        self, origin: Origin, limits: Limits, active: set[Connection], proxy: Proxy | None
    ) -> None:
        self.origin = origin
        self.limits = limits
        self.active = active
        """The client's connections with an exchange under way, of all pools."""
        self.idle: list[Connection] = []
        self.opened = 0
        self.refusal: tuple[type[FederationError], str] | None = None
        """Why nothing is kept or opened here any more: what to raise, and its message."""
        self.waiting: deque[asyncio.Future[Connection | None]] = deque()
        # A plain proxy is told the whole address; in a tunnel the origin itself is spoken to.
        spoken = proxy if origin.scheme == "http" else None
        name = authority(origin)
        self.heads = HeadWriter(
            name,
            f"http://{name}" if spoken else "",
            (b"proxy-authorization: " + spoken.authorization,)
            if spoken and spoken.authorization
            else (),
        )

    def pop(self, now: float) -> Connection | None:
        """Return the connection that was used last, None where none is good any more."""
        idle = self.idle
        while idle:
            connection = idle.pop()
            if connection.expires > now and connection.usable():
                return connection
            connection.abort()
        return None

    async def slot(self) -> Connection | None:
        """Return an idle connection, or None together with the right to open one.

        Waits while the pool is full. The right is given back by `free`. Raises what the pool
        was closed with.
        """
        if self.refusal is not None:
            kind, message = self.refusal
            raise kind(message)
        if self.opened >= self.limits.per_origin and self.idle:
            self.idle[0].abort()  # asked for a new one although some are idle: make room
        if self.opened < self.limits.per_origin:
            self.opened += 1
            return None
        turn: asyncio.Future[Connection | None] = asyncio.get_running_loop().create_future()
        self.waiting.append(turn)
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                if turn in self.waiting:  # else it has been passed over already
                    self.waiting.remove(turn)
            elif turn.exception() is not None:
                pass  # the pool was closed: there is nothing to hand on
            elif (handed := turn.result()) is None:
                self.free()
            else:
                self.give_back(handed)
            raise

    def give_back(self, connection: Connection) -> None:
        """Take a connection that is ready for another request."""
        if self.refusal is not None:
            connection.abort()
            return
        turn = self._next()
        if turn is None:
            self.idle.append(connection)
        else:
            turn.set_result(connection)

    def forget(self, connection: Connection) -> None:
        """Count a connection as gone, idle or not."""
        if connection in self.idle:
            self.idle.remove(connection)
        self.free()

    def free(self) -> None:
        """Give a slot back, to the first who waits."""
        turn = self._next()
        if turn is None:
            self.opened -= 1
        else:
            turn.set_result(None)

    def trim(self, now: float) -> None:
        """Close the idle connections whose time is over."""
        for connection in [idle for idle in self.idle if idle.expires <= now]:
            connection.abort()

    def close(self, kind: type[FederationError], message: str) -> None:
        """Close every idle connection, and each other when it comes back; who waits fails."""
        self.refusal = kind, message
        while (turn := self._next()) is not None:
            turn.set_exception(kind(message))
        for connection in tuple(self.idle):
            connection.abort()

    def _next(self) -> asyncio.Future[Connection | None] | None:
        while self.waiting:
            turn = self.waiting.popleft()
            if not turn.done():
                return turn
        return None
