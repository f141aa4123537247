"""Simulated providers on loopback inside the test's own loop, sound or broken, and the kit."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from random import Random
from threading import Thread

from federation.control.certify.bench import Bench, bench
from federation.control.certify.findings import Report, Status
from federation.control.certify.run import certify
from federation.domain.catalogue import (
    Ability,
    Auth,
    DataUse,
    Model,
    Provider,
    Tier,
)
from federation.domain.routes import ListenerLimits
from federation.gateway.tokens import Tokens
from federation.listener.server import Server
from federation.sandbox.profiles import ATLAS, Profile
from federation.sandbox.provider import SimulatedProvider
from federation.sandbox.rows import BASES
from federation.schema.http import ClientReply, ClientRequest
from federation.transport.client import Client

SECRET = "sk-certify-0123456789abcdef0123456789"
Handler = Callable[[ClientRequest], Awaitable[ClientReply]]
Wrap = Callable[[Handler], Handler]


@asynccontextmanager
async def vendor(
    dialect: str = "openai",
    *,
    profile: Profile = ATLAS,
    secret: str = SECRET,
    wrap: Wrap | None = None,
) -> AsyncIterator[Provider]:
    """The row of a running provider that speaks a dialect; `wrap` breaks it."""
    simulated = SimulatedProvider(
        replace(profile, dialect=dialect), Random(0), sleep=at_once, secret=secret
    )
    handler: Handler = simulated if wrap is None else wrap(simulated)
    faults: list[BaseException] = []
    server = Server(
        handler, ListenerLimits(), simulated.render_error, lambda fault, _: faults.append(fault)
    )
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        await server.serve(listening)
        try:
            yield row(dialect, f"http://127.0.0.1:{port}{BASES[dialect]}", profile)
        finally:
            await server.aclose()
    assert faults == [], faults


def row(dialect: str, base_url: str, profile: Profile = ATLAS) -> Provider:
    """A provider's row, as the configuration would make it."""
    return Provider(
        id=profile.id,
        name=profile.name,
        tier=Tier(profile.tier),
        dialect=dialect,
        base_url=base_url,
        auth=Auth(),
        data_use=DataUse.NONE,
        models=tuple(
            Model(
                id=one.id,
                context=one.context,
                max_output=one.max_output,
                input_modalities=one.modalities,
                abilities=frozenset(map(Ability, one.abilities)),
            )
            for one in profile.models
        ),
        simulated=True,
        private=True,
    )


async def at_once(seconds: float) -> None:
    """A provider's wait that takes no time, but lets others have theirs."""
    await asyncio.sleep(0)


async def no_sleep(seconds: float) -> None:
    """A wait that takes no time."""


@asynccontextmanager
async def benched(
    provider: Provider, model: int = 0, secret: str | None = SECRET
) -> AsyncIterator[Bench]:
    """A provider's model, ready to be certified."""
    client = Client()
    try:
        yield bench(
            provider,
            provider.models[model],
            secret,
            transport=client,
            sign=Tokens(client).sign,
            opened=lambda: client.opened,
            sleep=no_sleep,
        )
    finally:
        await client.aclose()


async def report(provider: Provider, model: int = 0, secret: str | None = SECRET) -> Report:
    """The whole kit, run."""
    async with benched(provider, model, secret) as made:
        return await certify(made)


def ended(found: Report, status: Status) -> set[str]:
    """The checks that ended so."""
    return {result.id for result in found.results if result.status is status}


@contextmanager
def served(profile: Profile, *, secret: str = SECRET) -> Iterator[str]:
    """The base address of a simulated provider that runs in a thread of its own."""
    loop = asyncio.new_event_loop()
    opened: Future[str] = Future()
    over = asyncio.Event()

    async def serve() -> None:
        async with vendor(profile.dialect, profile=profile, secret=secret) as provider:
            opened.set_result(provider.base_url)
            await over.wait()

    thread = Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        yield opened.result(10)
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(10)
        loop.close()
