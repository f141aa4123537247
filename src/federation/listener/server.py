"""The inference plane's HTTP server: accepts, counts, drains.

Several processes may serve one listening socket; each closes only its own copy of it.
"""

from __future__ import annotations

import asyncio
import socket

from federation.domain.routes import ListenerLimits
from federation.listener.connection import Connection
from federation.listener.front import Front, Handler, OnFault, RenderError, Welcome, welcome_all
from federation.listener.hub import Hub

_BACKLOG = 2048
_SETTLE_S = 5.0
_ACCEPTED_S = 0.02


class Server:
    """Serves one handler. Belongs to the event loop that it is made in.

    `limits` may be replaced at any time; connections accepted from then on follow it.
    """

    def __init__(
        self,
        handler: Handler,
        limits: ListenerLimits,
        render_error: RenderError,
        on_fault: OnFault,
        welcome: Welcome = welcome_all,
    ) -> None:
        self._hub = Hub(Front(handler, render_error, on_fault, welcome), limits)
        self._listening: list[asyncio.Server] = []

    @property
    def limits(self) -> ListenerLimits:
        """The limits for new connections."""
        return self._hub.limits

    @limits.setter
    def limits(self, limits: ListenerLimits) -> None:
        self._hub.limits = limits

    @property
    def connections(self) -> int:
        """Open client connections."""
        return len(self._hub.connections)

    @property
    def in_flight(self) -> int:
        """Requests whose answer is not complete yet."""
        return self._hub.in_flight

    @property
    def buffered(self) -> int:
        """Bytes of request bodies in memory, of those that arrive and those being answered."""
        return self._hub.buffered

    async def serve(self, sock: socket.socket) -> None:
        """Begin to accept on a bound stream socket; returns at once."""
        listening = await self._hub.loop.create_server(
            lambda: Connection(self._hub), sock=sock, backlog=_BACKLOG
        )
        self._listening.append(listening)

    async def drain(self, within_s: float, linger_s: float = 0.0) -> None:
        """Accept nothing more, finish what is in flight within the time, then close the rest.

        A connection on which nothing is asked is closed after `linger_s`: a request that was
        on its way when we began is answered, and its client told to connect anew.
        """
        self._hub.linger_s = min(linger_s, within_s)
        self._retire()
        for connection in tuple(self._hub.connections):
            connection.retire()
        if linger_s:
            # What was accepted before we stopped may have no connection object yet.
            await asyncio.sleep(_ACCEPTED_S)
        await self._hub.emptied(within_s)
        await self.aclose()

    async def aclose(self) -> None:
        """Close everything now; returns when the handlers have cleaned up, or after seconds."""
        self._retire()
        hub = self._hub
        for connection in tuple(hub.connections):
            connection.cut()
        await hub.emptied(_SETTLE_S)
        if hub.orphans:
            await asyncio.wait(tuple(hub.orphans), timeout=_SETTLE_S)
        for task in tuple(hub.orphans):
            task.cancel()
        hub.stop()

    def _retire(self) -> None:
        self._hub.draining = True
        for listening in self._listening:
            listening.close()
        self._listening.clear()
