"""Two replicas on one PostgreSQL and one Redis: what holds at one holds at the other."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from cluster import Cluster, clustered, until
from gateway_rig import CHAT, HELLO
from processes import Service
from scripted import Talk, Upstream, whole

BUDGETS = "/v1/admin/budgets"
ASK = HELLO | {"max_tokens": 400}
"""May cost about .0044 USD at `write_config`'s prices and costs .000075."""
NANO = 1_000_000_000


async def unhurried(talk: Talk) -> None:
    """`user` says that it fails."""
    await asyncio.sleep(0.02)
    if talk.seen.json.get("user") == "fails":
        await talk.answer(b'{"error": {"message": "no"}}', 500)
    else:
        await whole(talk)


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with Upstream(unhurried) as running:
        yield running


async def minted(client: httpx.AsyncClient) -> tuple[str, str]:
    reply = await client.post("/v1/keys", json={"name": "k", "role": "developer"})
    assert reply.status_code == 201, reply.text
    return reply.json()["id"], reply.json()["secret"]


async def status(service: Service, secret: str) -> int:
    async with service.client(secret) as client:
        return (await client.post(CHAT, json=HELLO)).status_code


async def stands(client: httpx.AsyncClient, budget: str) -> tuple[int, int, int]:
    """What is spent, reserved and left, in nano-dollars."""
    reply = await client.get(f"{BUDGETS}/{budget}")
    assert reply.status_code == 200, reply.text
    (pot,) = reply.json()["pots"]
    spent, reserved, left = (
        int(Decimal(pot[f"{name}_usd"]) * NANO) for name in ("spent", "reserved", "left")
    )
    return spent, reserved, left


async def called(service: Service, count: int, **members: Any) -> Counter[int]:
    async def once() -> int:
        async with service.client(timeout=40) as client:
            return (await client.post(CHAT, json=ASK | members)).status_code

    return Counter(await asyncio.gather(*(once() for _ in range(count))))


@pytest.mark.parametrize("redis", [True, False], ids=["redis", "database"])
async def test_what_is_decided_at_one_replica_holds_at_the_other(
    tmp_path: Path, upstream: Upstream, redis: bool
) -> None:
    async with (
        clustered(tmp_path, upstream.url, redis=redis) as cluster,
        cluster.replicas[0].client() as one,
        cluster.replicas[1].client() as two,
    ):
        await keys_end_everywhere(cluster, one, two)
        await a_budget_is_one(cluster, one, two)
        await a_provider_is_switched_everywhere(cluster, one, two)
        if redis:
            await what_one_saw_fail_is_avoided_by_the_other(one, two)
        await each_knows_the_other(one, two)
    for service in cluster.replicas:
        the_log_is_whole(cluster, service)


async def keys_end_everywhere(
    cluster: Cluster, one: httpx.AsyncClient, two: httpx.AsyncClient
) -> None:
    key, secret = await minted(one)

    async def answers(expected: int, service: Service) -> bool:
        return await status(service, secret) == expected

    for service in cluster.replicas:
        await until(partial(answers, 200, service))
    assert (await two.delete(f"/v1/keys/{key}")).status_code in (200, 204)
    assert await until(lambda: answers(401, cluster.replicas[1])) < 15
    assert await until(lambda: answers(401, cluster.replicas[0])) < 15


async def a_budget_is_one(cluster: Cluster, one: httpx.AsyncClient, two: httpx.AsyncClient) -> None:
    body = {"scope": "tenant", "limit_usd": "0.009", "period": "total"}
    reply = await one.post(BUDGETS, json=body)
    assert reply.status_code == 201, reply.text
    budget = reply.json()["id"]

    async def known() -> bool:
        return (await two.get(f"{BUDGETS}/{budget}")).status_code == 200

    await until(known)
    over = asyncio.Event()

    async def watched() -> None:
        while not over.is_set():
            spent, reserved, left = await stands(two, budget)
            assert spent >= 0 <= reserved
            assert left >= 0, "spent + reserved <= cap"
            await asyncio.sleep(0.05)

    watching = asyncio.ensure_future(watched())
    seen: Counter[int] = Counter()
    for _ in range(4):
        for counted in await asyncio.gather(*(called(each, 20) for each in cluster.replicas)):
            seen += counted
    over.set()
    await watching
    assert set(seen) <= {200, 402}, seen
    assert seen[200] * 75_000 <= 9_000_000

    async def settled() -> bool:
        spent, reserved, _ = await stands(one, budget)
        ledger = sum(row["cost_nano"] or 0 for row in cluster.calls())
        # The calls of before the budget are in the ledger, and not in it.
        return reserved == 0 and spent == seen[200] * 75_000 <= ledger

    await until(settled)
    assert (await one.delete(f"{BUDGETS}/{budget}")).status_code == 204


async def a_provider_is_switched_everywhere(
    cluster: Cluster, one: httpx.AsyncClient, two: httpx.AsyncClient
) -> None:
    reply = await one.post("/v1/providers/acme/disable")
    assert reply.status_code == 200, reply.text

    async def refused() -> bool:
        return (await two.post(CHAT, json=HELLO)).status_code >= 400

    await until(refused)
    assert (await two.post("/v1/providers/acme/enable", json={"force": True})).status_code == 200

    async def taken() -> bool:
        return (await one.post(CHAT, json=HELLO)).status_code == 200

    await until(taken)


async def what_one_saw_fail_is_avoided_by_the_other(
    one: httpx.AsyncClient, two: httpx.AsyncClient
) -> None:
    """Its circuit opens at both, though only one has ever called it in vain."""

    async def opened() -> bool:
        await one.post(CHAT, json=HELLO | {"user": "fails"})
        circuits = [
            {
                each["id"]: each["circuit"]
                for each in (await at.get("/admin/status")).json()["deployments"]
            }
            for at in (one, two)
        ]
        return all(circuit.get("acme/acme-large") == "open" for circuit in circuits)

    await until(opened)


async def each_knows_the_other(one: httpx.AsyncClient, two: httpx.AsyncClient) -> None:
    async def known() -> bool:
        seen = [(await at.get("/admin/status")).json()["replicas"] for at in (one, two)]
        return all(
            [(each["id"], each["alive"], each["workers"]) for each in replicas]
            == [("a", True, 1), ("b", True, 1)]
            for replicas in seen
        )

    await until(known)


def the_log_is_whole(cluster: Cluster, service: Service) -> None:
    """Each replica's own log verifies, with the shared ledger held against it."""
    command = [sys.executable, "-P", "-m", "federation.cli.main", "audit", "verify", "--json"]
    command += [f"--data={service.data}", f"--config={service.config}"]
    done = subprocess.run(
        command,
        check=False,
        env=os.environ | cluster.environ,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["findings"] == []
