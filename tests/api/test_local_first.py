"""`local_first` over real sockets: what stays at home, what spills, and what never does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
from gateway_rig import CHAT, HELLO, at_rest, eventually, rig
from inprocess import Gateway
from scripted import Talk, completion

from federation.domain.catalogue import Deployment, Limits, Speed
from federation.domain.routes import Overflow, Route, Settings, Target

HOME = {"model": "home"}


@dataclass
class Host:
    """Answers when it is told to."""

    seen: int = 0
    busy: int = 0
    leave: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))

    async def __call__(self, talk: Talk) -> None:
        self.seen += 1
        self.busy += 1
        try:
            await self.leave.acquire()
            await talk.answer(completion())
        finally:
            self.busy -= 1

    def finish(self, calls: int) -> None:
        for _ in range(calls):
            self.leave.release()


def alter(place: int, row: Deployment) -> Deployment:
    if place:
        return row
    provider = replace(row.provider, local=True, limits=Limits(concurrency=1))
    model = replace(row.model, speed=Speed(100.0, 3000.0))
    return replace(row, provider=provider, model=model)


@asynccontextmanager
async def hosts(*behaviors: Host, **rules: Any) -> AsyncIterator[tuple[Gateway, httpx.AsyncClient]]:
    targets = tuple(Target(f"p{place}/acme-large") for place in range(len(behaviors)))
    settings = Settings(overflow=Overflow(**rules))
    route = Route("home", "local_first", targets)
    async with rig(*behaviors, alter=alter, routes=(route,), settings=settings) as (running, c, _):
        yield running, c


def post(client: httpx.AsyncClient, **more: Any) -> asyncio.Task[httpx.Response]:
    return asyncio.create_task(client.post(CHAT, json=HELLO | HOME | more))


def queued(running: Gateway) -> int:
    return running.world.entrance.lobby.waiting


async def test_calls_wait_at_home_while_the_queue_allows_and_spill_in_turn_after_it() -> None:
    home, alpha, beta = Host(), Host(), Host()
    rules = {"providers": ("p2", "p1"), "max_queue": 2, "max_wait_s": 60.0}
    async with hosts(home, alpha, beta, **rules) as (running, client):
        calls = [post(client)]
        await eventually(lambda: home.busy == 1)
        calls += [post(client), post(client)]
        await eventually(lambda: queued(running) == 2)
        assert alpha.seen == beta.seen == 0
        calls.append(post(client))
        await eventually(lambda: beta.busy == 1)
        calls.append(post(client))
        await eventually(lambda: alpha.busy == 1)
        states = {each.deployment: each.crowded for each in running.world.conditions()}
        assert states["p0/acme-large"]
        home.finish(3)
        alpha.finish(1)
        beta.finish(1)
        providers = [(await call).headers["x-federation-provider"] for call in calls]
        assert providers == ["p0", "p0", "p0", "p2", "p1"]
        await eventually(lambda: at_rest(running))
        calls = [post(client)]
        home.finish(1)
        assert (await calls[0]).headers["x-federation-provider"] == "p0"


async def test_a_wait_at_home_that_gets_too_long_spills() -> None:
    home, away = Host(), Host()
    async with hosts(home, away, max_queue=4, max_wait_s=0.3) as (running, client):
        held = post(client)
        await eventually(lambda: home.busy == 1)
        waits = post(client)
        await eventually(lambda: queued(running) == 1)
        await eventually(lambda: away.busy == 1)
        away.finish(1)
        assert (await waits).headers["x-federation-provider"] == "p1"
        home.finish(1)
        await held


async def test_tokens_in_flight_make_calls_spill() -> None:
    home, away = Host(), Host()
    async with hosts(home, away, max_queue=4, max_wait_s=60.0, max_tokens=1) as (_, client):
        held = post(client)
        await eventually(lambda: home.busy == 1)
        spills = post(client)
        await eventually(lambda: away.busy == 1)
        away.finish(1)
        home.finish(1)
        assert (await spills).headers["x-federation-provider"] == "p1"
        await held


async def test_a_restricted_call_never_spills() -> None:
    home, away = Host(), Host()
    async with hosts(home, away, max_queue=0) as (running, client):
        held = post(client)
        await eventually(lambda: home.busy == 1)
        stays = post(client, federation={"privacy": "restricted"})
        await eventually(lambda: queued(running) == 1)
        spills = post(client)
        await eventually(lambda: away.busy == 1)
        home.finish(2)
        away.finish(1)
        assert (await stays).headers["x-federation-provider"] == "p0"
        assert (await spills).headers["x-federation-provider"] == "p1"
        assert away.seen == 1
        await held
