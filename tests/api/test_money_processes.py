"""Budgets through the whole service: two workers, control, and a provider on loopback."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from gateway_rig import CHAT, HELLO
from processes import FEDERATION, Service, serving, write_config
from scripted import Talk, Upstream, whole

BUDGETS = "/v1/admin/budgets"
ASK = HELLO | {"max_tokens": 400}
"""May cost about .0044 USD at `write_config`'s prices and costs .000075, or .000055 streamed."""
NANO = 1_000_000_000


async def unhurried(talk: Talk) -> None:
    """`user` names what goes wrong, if anything."""
    fault = talk.seen.json.get("user", "")
    await asyncio.sleep(0.02)
    if fault == "fails":
        await talk.answer(b'{"error": {"message": "no"}}', 500)
    elif fault == "hangs":
        await asyncio.Event().wait()
    else:
        await whole(talk)


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with Upstream(unhurried) as running:
        yield running


async def set_budget(client: httpx.AsyncClient, usd: str, **more: Any) -> str:
    body = {"scope": "tenant", "limit_usd": usd, "period": "total"} | more
    reply = await client.post(BUDGETS, json=body)
    assert reply.status_code in (200, 201), reply.text
    name: str = reply.json()["id"]
    await asyncio.sleep(0.2)  # it reaches the workers by their links
    return name


async def stands(client: httpx.AsyncClient, budget: str) -> tuple[int, int, int]:
    """What is spent, reserved and left, in nano-dollars."""
    reply = await client.get(f"{BUDGETS}/{budget}")
    assert reply.status_code == 200, reply.text
    (pot,) = reply.json()["pots"]
    spent, reserved, left = (
        int(Decimal(pot[f"{name}_usd"]) * NANO) for name in ("spent", "reserved", "left")
    )
    return spent, reserved, left


async def watched(client: httpx.AsyncClient, budget: str, over: asyncio.Event) -> int:
    """Look until it is over that the cap holds; how often it was looked at."""
    looks = 0
    while not over.is_set():
        spent, reserved, left = await stands(client, budget)
        assert spent >= 0 <= reserved
        assert left >= 0, "spent + reserved <= cap"
        looks += 1
        await asyncio.sleep(0.02)
    return looks


async def settled(service: Service, client: httpx.AsyncClient, budget: str) -> int:
    """What is spent, once nothing is reserved and the ledger says the same."""
    end = time.monotonic() + 40
    while True:
        spent, reserved, _ = await stands(client, budget)
        ledger = sum(row["cost_nano"] or 0 for row in service.calls().values())
        if not reserved and spent == ledger:
            return spent
        assert time.monotonic() < end, (spent, reserved, ledger, service.log.read_text()[-2000:])
        await asyncio.sleep(0.25)


async def statuses(service: Service, count: int, **members: Any) -> Counter[int]:
    """The statuses of so many calls at once, each on a connection of its own."""

    async def once() -> int:
        async with service.client(timeout=40) as client:
            return (await client.post(CHAT, json=ASK | members)).status_code

    return Counter(await asyncio.gather(*(once() for _ in range(count))))


async def test_a_budget_is_never_overspent_by_two_workers_and_nothing_leaks(
    tmp_path: Path, upstream: Upstream
) -> None:
    wait = "budgets: {wait_s: 1}\n"
    config = write_config(tmp_path, upstream.url, FEDERATION + wait)
    async with serving(tmp_path, config) as service, service.client() as client:
        # Room for two calls at a time, and for some forty that cost what they cost.
        budget = await set_budget(client, "0.009")
        over = asyncio.Event()
        watching = asyncio.ensure_future(watched(client, budget, over))
        seen = await statuses(service, 40)
        seen += await statuses(service, 30, stream=True)
        assert set(seen) == {200, 402}
        over.set()
        assert await watching > 3
        spent = await settled(service, client, budget)
        assert spent <= 9_000_000
        assert sum(row["outcome"] == "ok" for row in service.calls().values()) == seen[200]
        reply = await client.get("/v1/analytics/budgets")
        assert [row["id"] for row in reply.json()["data"]] == [budget]


async def test_errors_hang_ups_and_a_killed_worker_give_back_what_they_reserved(
    tmp_path: Path, upstream: Upstream
) -> None:
    config = write_config(tmp_path, upstream.url)
    async with serving(tmp_path, config) as service, service.client() as client:
        budget = await set_budget(client, "1")
        assert set(await statuses(service, 3, user="fails")) == {502}
        assert set(await statuses(service, 10)) == {200}

        async def hang_up() -> None:
            async with service.client(timeout=0.5) as impatient:
                with pytest.raises(httpx.TimeoutException):
                    await impatient.post(CHAT, json=ASK | {"user": "hangs", "stream": True})

        await asyncio.gather(*(hang_up() for _ in range(6)))

        async def cut_off() -> None:
            async with service.client(timeout=30) as lost:
                with pytest.raises(httpx.TransportError):
                    await lost.post(CHAT, json=ASK | {"user": "hangs"})

        before = len(upstream.seen)
        hanging = [asyncio.ensure_future(cut_off()) for _ in range(8)]
        while len(upstream.seen) < before + 8:
            await asyncio.sleep(0.02)
        _, reserved, left = await stands(client, budget)
        assert reserved > 8 * 4_000_000
        assert left >= 0
        for worker in service.workers():
            os.kill(worker, signal.SIGKILL)
        await asyncio.gather(*hanging)
        await asyncio.sleep(1.0)
        spent = await settled(service, client, budget)
        assert spent >= 10 * 75_000
        assert set(await statuses(service, 6)) == {200}
        assert await settled(service, client, budget) == spent + 6 * 75_000


async def test_a_budget_outlives_control_and_the_whole_service(
    tmp_path: Path, upstream: Upstream
) -> None:
    config = write_config(tmp_path, upstream.url)
    async with serving(tmp_path, config) as service, service.client() as client:
        budget = await set_budget(client, "0.02")
        assert set(await statuses(service, 8)) == {200}
        control = service.children()["control"]
        os.kill(control, signal.SIGKILL)
        # What is leased is spent without control; what is not waits for it.
        assert set(await statuses(service, 4)) <= {200, 503}
        end = time.monotonic() + 20
        while (await client.get(f"{BUDGETS}/{budget}")).status_code != 200:
            assert time.monotonic() < end
            await asyncio.sleep(0.1)
        assert set(await statuses(service, 4)) == {200}
        spent = await settled(service, client, budget)
    async with serving(tmp_path, config) as service, service.client() as client:
        assert await settled(service, client, budget) == spent
        await set_budget(client, "0.0001", id=budget)
        reply = await client.post(CHAT, json=ASK)
        assert reply.status_code == 402, "what was spent before counts"
