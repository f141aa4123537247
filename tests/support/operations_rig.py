"""A gateway in front of make-believe providers of embeddings, ranks, pictures and sound."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx
from gateway_rig import http_client
from inprocess import Gateway, deployment, gateway, model, provider, snapshot
from operations_world import PROVIDERS
from scripted import Behave, Talk, Upstream

from federation.domain.catalogue import Deployment, Model, Price, Provider, Rates
from federation.domain.policies import Policy
from federation.domain.routes import Deadlines, ListenerLimits, Route, Settings, Target
from federation.schema.http import Origin, WireReply, WireRequest

PER_TOKEN = 100_000_000
"""Nano-dollars for a million tokens: 100 for one."""

Change = Callable[[Deployment], Deployment]


def answering(answer: Callable[[WireRequest], WireReply]) -> Behave:
    """A provider whose answers are written by a function."""

    async def behave(talk: Talk) -> None:
        method, target, _ = talk.seen.head.split(" ")
        headers = tuple((n.encode(), v.encode()) for n, v in talk.seen.headers.items())
        reply = answer(WireRequest(method, Origin("http", "x", 1), target, headers, talk.seen.body))
        kind = reply.headers.get(b"content-type", b"").decode()
        extra = "".join(
            f"{name.decode()}: {value.decode()}\r\n"
            for name, value in reply.headers.items()
            if name != b"content-type"
        )
        await talk.answer(reply.body, reply.status, extra, kind)

    return behave


def vectors(dialect: str = "openai") -> Behave:
    """Embeds in the words of this provider of `operations_world.PROVIDERS`."""
    return answering(PROVIDERS[dialect][3])


def offers(*operations: str, name: str = "acme-1", **facts: Any) -> Model:
    """A model that does these operations at a price by the token."""
    row = model(
        name,
        operations=operations,
        abilities=frozenset(),
        input_modalities=("text",),
        family="acme",
        dimensions=4,
        price=Price(Rates(input=PER_TOKEN, output=PER_TOKEN)),
        max_output=None,
    )
    return replace(row, **facts)


class Place:
    """One provider of a rig: how it behaves and what its row says."""

    def __init__(self, behave: Behave, offered: Model, dialect: str = "openai", **row: Any) -> None:
        self.upstream = Upstream(behave)
        self.offered = offered
        self.dialect = dialect
        self.row = row

    def deployed(self, place: int) -> Deployment:
        base = f"http://127.0.0.1:{self.upstream.port}"
        paths = {
            "openai": "/v1",
            "cohere": "/v2",
            "gemini": "/v1beta",
            "jina": "/v1",
            "voyage": "/v1",
        }
        row: Provider = provider(
            f"p{place}", base + paths.get(self.dialect, ""), dialect=self.dialect, **self.row
        )
        return deployment(row, self.offered)


@asynccontextmanager
async def places(
    *given: Place,
    settings: Settings | None = None,
    deadlines: Deadlines | None = None,
    routes: tuple[Route, ...] = (),
    limits: ListenerLimits | None = None,
    policies: tuple[Policy, ...] = (),
    timeout: float = 20.0,
) -> AsyncIterator[tuple[Gateway, httpx.AsyncClient, list[Upstream]]]:
    """A gateway whose route `work` has these places, in order."""
    upstreams = [place.upstream for place in given]
    for upstream in upstreams:
        await upstream.__aenter__()
    rows = tuple(place.deployed(at) for at, place in enumerate(given))
    work = Route("work", "priority", tuple(Target(row.id) for row in rows), deadlines=deadlines)
    state = replace(snapshot(rows, work, *routes, settings=settings), policies=policies)
    try:
        async with (
            gateway(state, limits=limits) as running,
            http_client(running.url, timeout) as client,
        ):
            yield running, client, upstreams
    finally:
        for upstream in upstreams:
            await upstream.__aexit__()
