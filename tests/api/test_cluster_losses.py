"""A cluster behind nginx that loses a replica, Redis and PostgreSQL, one after the other.

`make cluster` plays it at length (`FEDERATION_CLUSTER=long`): more load, longer outages.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import httpx
import pytest
from cluster import Cluster, clustered, fronted, killed, until
from gateway_rig import CHAT, HELLO, NO_TLS
from processes import ADMIN
from scripted import Talk, Upstream, whole

LONG = os.environ.get("FEDERATION_CLUSTER") == "long"
CALLERS = 8 if LONG else 2
OUTAGE_S = 15.0 if LONG else 1.5
BUDGETS = "/v1/admin/budgets"
NANO = 1_000_000_000


async def unhurried(talk: Talk) -> None:
    await asyncio.sleep(0.02)
    await whole(talk)


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with Upstream(unhurried) as running:
        yield running


@dataclass
class Load:
    """Callers that go on and on, and what they were told."""

    url: str
    seen: Counter[str] = field(default_factory=Counter)

    def client(self) -> httpx.AsyncClient:
        head = {"authorization": f"Bearer {ADMIN}"}
        return httpx.AsyncClient(
            base_url=self.url, headers=head, timeout=30, verify=NO_TLS, trust_env=False
        )

    async def call(self) -> None:
        async with self.client() as client:
            while True:
                try:
                    reply = await client.post(CHAT, json=HELLO | {"max_tokens": 400})
                except httpx.TransportError:
                    self.seen["cut"] += 1
                else:
                    self.seen[str(reply.status_code)] += 1
                await asyncio.sleep(0.05)

    async def more(self, count: int = 10) -> None:
        """Wait until so many more calls were answered as they should be."""
        wanted = self.seen["200"] + count

        async def answered() -> bool:
            return self.seen["200"] >= wanted

        await until(answered)


@asynccontextmanager
async def loaded(url: str) -> AsyncIterator[Load]:
    load = Load(url)
    callers = [asyncio.ensure_future(load.call()) for _ in range(CALLERS)]
    try:
        yield load
    finally:
        for caller in callers:
            caller.cancel()
        await asyncio.gather(*callers, return_exceptions=True)


async def stands(client: httpx.AsyncClient, budget: str) -> tuple[int, int]:
    """What is spent and reserved, in nano-dollars."""
    reply = await client.get(f"{BUDGETS}/{budget}")
    assert reply.status_code == 200, reply.text
    (pot,) = reply.json()["pots"]
    spent, reserved = (int(Decimal(pot[f"{name}_usd"]) * NANO) for name in ("spent", "reserved"))
    return spent, reserved


async def test_a_cluster_outlives_what_it_loses(tmp_path: Path, upstream: Upstream) -> None:
    async with AsyncExitStack() as stack:
        cluster = await stack.enter_async_context(clustered(tmp_path, upstream.url))
        url = stack.enter_context(fronted(tmp_path, cluster))
        client = await stack.enter_async_context(cluster.replicas[0].client())
        body = {"scope": "tenant", "limit_usd": "1000", "period": "total"}
        reply = await client.post(BUDGETS, json=body)
        assert reply.status_code == 201, reply.text
        budget: str = reply.json()["id"]
        async with loaded(url) as load:
            await load.more()
            assert set(load.seen) == {"200"}
            await a_replica_is_lost(cluster, load, stack, tmp_path, upstream.url)
            await redis_is_lost(cluster, load)
            await postgres_is_lost(cluster, load, client)
            await load.more()
        assert load.seen["401"] == load.seen["402"] == 0, load.seen
        await all_is_settled(cluster, client, budget)


async def a_replica_is_lost(
    cluster: Cluster, load: Load, stack: AsyncExitStack, root: Path, upstream: str
) -> None:
    """Only what was under way on it fails; it comes back, and what it held comes back."""
    before = load.seen.copy()
    lost = cluster.replicas.pop()
    port = int(lost.url.rpartition(":")[2])
    killed(lost)
    await load.more()
    failed = load.seen - before
    assert failed["cut"] + failed["502"] <= 4 * CALLERS, failed
    assert set(failed) <= {"200", "502", "cut"}, failed
    await cluster.start(stack, root, "b", upstream, port)
    await load.more()


async def redis_is_lost(cluster: Cluster, load: Load) -> None:
    """Calls go on under what workers hold; what it knew is read again."""
    assert cluster.redis is not None
    before = load.seen.copy()
    cluster.redis.stop()
    await asyncio.sleep(OUTAGE_S)
    cluster.redis.start()
    await load.more()
    assert set(load.seen - before) <= {"200", "503"}, load.seen


async def postgres_is_lost(cluster: Cluster, load: Load, client: httpx.AsyncClient) -> None:
    """Calls go on under what workers hold; keys and budgets cannot be changed meanwhile."""
    before = load.seen.copy()
    cluster.postgres.kill()
    try:
        began = time.monotonic()
        reply = await client.post("/v1/keys", json={"name": "k", "role": "developer"})
        assert reply.status_code == 503, reply.text
        if LONG:
            # Control is started in vain until the database is there again; workers go on.
            os.kill(cluster.replicas[0].children()["control"], signal.SIGKILL)
        await asyncio.sleep(max(0.0, OUTAGE_S - (time.monotonic() - began)))
    finally:
        cluster.postgres.start()
    await load.more()

    async def made() -> bool:
        reply = await client.post("/v1/keys", json={"name": "k", "role": "developer"})
        return reply.status_code == 201

    await until(made)
    assert set(load.seen - before) <= {"200", "503"}, load.seen


async def all_is_settled(cluster: Cluster, client: httpx.AsyncClient, budget: str) -> None:
    """Nothing stays reserved for calls that are over, and what was spent is what was billed."""

    async def settled() -> bool:
        spent, _ = await stands(client, budget)
        ledger = cluster.calls()
        running = sum(row["outcome"] == "running" for row in ledger)
        return not running and spent == sum(row["cost_nano"] or 0 for row in ledger)

    await until(settled)
