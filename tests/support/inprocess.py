"""A worker's gateway inside the test's own loop: real sockets, no control process."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

from federation.bootstrap.assembly import assemble
from federation.domain.access import Role, VirtualKey
from federation.domain.catalogue import (
    Ability,
    Auth,
    DataUse,
    Deployment,
    Model,
    Price,
    Provider,
    Quality,
    Rates,
    Tier,
)
from federation.domain.routes import Keeping, ListenerLimits, Route, Settings, Target
from federation.domain.snapshot import Snapshot
from federation.errors import EvidenceUnwritable
from federation.gateway.desk import Desk
from federation.gateway.situation import situate
from federation.gateway.tokens import Tokens
from federation.gateway.world import World
from federation.listener.server import Server
from federation.ports import Journal
from federation.resilience.health import HealthBoard
from federation.routing.classifier import load
from federation.routing.request import Memory
from federation.schema.records import CallEnded, CallStarted, Record
from federation.telemetry.meter import Meter
from federation.transport.client import Client

SECRET = "fed_test-key"
TOOLS = frozenset({Ability.TOOLS, Ability.JSON_SCHEMA, Ability.SAMPLING})


def provider(name: str, base_url: str, **changes: object) -> Provider:
    row = Provider(
        id=name,
        name=name.title(),
        tier=Tier.EMERGING,
        dialect="openai",
        base_url=base_url,
        auth=Auth(),
        regions=("eu",),
        certifications=frozenset({"gdpr", "soc2"}),
        data_use=DataUse.NONE,
        private=True,
    )
    return replace(row, **changes)  # type: ignore[arg-type]


def model(name: str, **changes: object) -> Model:
    row = Model(
        id=name,
        maker=True,
        context=128_000,
        max_output=16_000,
        input_modalities=("text", "image"),
        abilities=TOOLS,
        price=Price(Rates(input=2_500_000_000, output=10_000_000_000)),
        quality={"default": Quality(0.8, 0.05)},
    )
    return replace(row, **changes)  # type: ignore[arg-type]


def deployment(row: Provider, offered: Model) -> Deployment:
    return Deployment(id=f"{row.id}/{offered.id}", provider=row, model=offered, usable=True)


def route(name: str, *targets: str, strategy: str = "priority") -> Route:
    return Route(name, strategy, tuple(Target(target) for target in targets))


@dataclass
class Books:
    """A journal in memory; `broken` makes it refuse."""

    records: list[Record] = field(default_factory=list)
    broken: bool = False

    def append(self, record: Record) -> None:
        self.extend([record])

    def extend(self, records: Sequence[Record]) -> None:
        if self.broken:
            raise EvidenceUnwritable("The journal cannot be written.")
        self.records += records

    def doubt(self) -> None:
        return None

    def settled(self, *, on_disk: bool = False) -> None:
        """What is written is safe."""

    @property
    def ended(self) -> list[CallEnded]:
        return [record for record in self.records if isinstance(record, CallEnded)]

    @property
    def started(self) -> list[CallStarted]:
        return [record for record in self.records if isinstance(record, CallStarted)]


@dataclass
class OneKey:
    """A key finder that knows one secret."""

    key: VirtualKey = field(
        default_factory=lambda: VirtualKey("key_1", b"", "test", "default", Role.DEVELOPER, 0)
    )

    def find(self, secret: str) -> VirtualKey | None:
        return self.key if secret == SECRET else None


class AllLeases:
    """Allows everything, or nothing for the names in `denied`."""

    def __init__(self) -> None:
        self.denied: set[str] = set()
        self.taken: list[tuple[str, int]] = []
        self.returned: list[tuple[str, int]] = []

    def take(self, name: str, amount: int = 1) -> bool:
        if name in self.denied:
            return False
        self.taken.append((name, amount))
        return True

    async def more(self, name: str, amount: int = 1) -> bool:
        return False

    def put_back(self, name: str, amount: int, taken_s: float) -> None:
        self.returned.append((name, amount))


@dataclass
class Gateway:
    """A running gateway and the fakes behind it."""

    port: int
    world: World
    books: Books
    keys: OneKey
    leases: AllLeases
    transport: Client
    server: Server
    faults: list[BaseException]
    desk: Desk

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def snapshot(
    deployments: tuple[Deployment, ...],
    *routes: Route,
    settings: Settings | None = None,
    version: int = 1,
    keeps: bool = False,
) -> Snapshot:
    """What a worker decides under. It `keeps` no responses: there is no control to keep them."""
    decided = settings or Settings()
    return Snapshot(
        version=version,
        digest="test",
        settings=decided if keeps else replace(decided, responses=Keeping(store=False)),
        deployments=deployments,
        routes={item.name: item for item in routes},
        secrets={item.provider.id: "upstream-secret" for item in deployments},
    )


@asynccontextmanager
async def gateway(
    state: Snapshot,
    *,
    limits: ListenerLimits | None = None,
    control: Path = Path("/nonexistent/api.sock"),
    clock: Callable[[], float] | None = None,
    journal: Journal | None = None,
) -> AsyncIterator[Gateway]:
    books, keys, leases, transport = Books(), OneKey(), AllLeases(), Client()
    world = World(
        transport=transport,
        journal=journal or books,
        meter=Meter(),
        keys=keys,
        leases=leases,
        tokens=Tokens(transport),
        health=HealthBoard(),
        memory=Memory(load()),
        rng=random.Random(7),
        clock=clock or asyncio.get_running_loop().time,
    )
    world.adopt(situate(state, date(2026, 1, 1)))
    faults: list[BaseException] = []
    desk = assemble(world, control)
    server = Server(
        desk,
        limits or ListenerLimits(),
        desk.refusal,
        lambda fault, _: faults.append(fault),
        desk.welcome,
    )
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        await server.serve(listening)
        try:
            yield Gateway(port, world, books, keys, leases, transport, server, faults, desk)
        finally:
            await server.aclose()
            await desk.drain(0)
            await transport.aclose()
    assert faults == [], faults
