"""A worker's desk without sockets: what the provider answers is chosen before."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from inprocess import AllLeases, Books, OneKey, route, snapshot

from federation.bootstrap.assembly import assemble
from federation.domain.catalogue import Deployment
from federation.domain.routes import Settings
from federation.errors import UpstreamGarbled
from federation.gateway.desk import Desk
from federation.gateway.situation import situate
from federation.gateway.tokens import Tokens
from federation.gateway.world import World
from federation.resilience.health import HealthBoard
from federation.routing.intents import UNKNOWN
from federation.routing.request import Memory
from federation.schema.http import Headers, Timeouts, WireRequest
from federation.telemetry.meter import Meter


@dataclass
class Canned:
    """An exchange whose bytes were chosen before."""

    status: int
    headers: Headers
    pieces: list[bytes]
    closed: bool = False
    open = True

    async def read(self) -> bytes:
        return self.pieces.pop(0) if self.pieces else b""

    async def body(self, limit: int) -> bytes:
        data, self.pieces = b"".join(self.pieces), []
        if len(data) > limit:
            raise UpstreamGarbled("too long")
        return data

    def take(self) -> bytes:
        return b""

    def watch(self, arrived: Callable[[bytes], None] | None, whole: object = None) -> bool:
        return False

    def release(self) -> None:
        self.closed = True

    async def aclose(self) -> None:
        self.closed = True


@dataclass
class CannedTransport:
    """A transport that answers every request alike."""

    status: int = 200
    kind: bytes = b"application/json"
    pieces: tuple[bytes, ...] = ()

    async def send(
        self,
        request: WireRequest,
        timeouts: Timeouts,
        on_sent: Callable[[], None] | None = None,
    ) -> Canned:
        if on_sent is not None:
            on_sent()
        return Canned(self.status, {b"content-type": self.kind}, list(self.pieces))


def desk_over(row: Deployment, transport: CannedTransport) -> tuple[Desk, Books]:
    """A desk with one deployment behind the route `chat`, and its books."""
    books = Books()
    world = World(
        transport=transport,
        journal=books,
        meter=Meter(),
        keys=OneKey(),
        leases=AllLeases(),
        tokens=Tokens(transport),
        health=HealthBoard(),
        memory=Memory(lambda text: UNKNOWN),
        rng=random.Random(1),
    )
    state = snapshot((row,), route("chat", row.id), settings=Settings(attempts=1))
    world.adopt(situate(state, date(2026, 1, 1)))
    return assemble(world, Path("/nonexistent/api.sock")), books
