"""Limits through the whole service: two workers, control, and a provider on loopback."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from gateway_rig import CHAT, HELLO
from processes import FEDERATION, Service, serving, write_config
from scripted import Talk, Upstream, whole

LIMITS = "/v1/admin/limits"
HANGING = HELLO | {"user": "hangs"}
DEFAULTS = """
rate_limits:
  - {name: keys, scope: key, amount: 1000, window: hour}
"""


async def behave(talk: Talk) -> None:
    if talk.seen.json.get("user") == "hangs":
        await asyncio.Event().wait()
    await whole(talk)


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with Upstream(behave) as running:
        yield running


async def eventually(what: Callable[[], Any], within_s: float = 30.0) -> None:
    """Wait until it is so."""
    end = time.monotonic() + within_s
    while not (found := await what()):
        assert time.monotonic() < end, found
        await asyncio.sleep(0.05)


async def put(service: Service, client: httpx.AsyncClient, **body: Any) -> None:
    """Set a limit, and wait until no worker admits calls without it."""
    reply = await client.post(LIMITS, json={"id": "l", "scope": "tenant"} | body)
    assert reply.status_code in (200, 201), reply.text

    async def told() -> bool:
        seen = []
        for _ in range(6):  # new connections, so both workers
            async with service.client() as other:
                seen.append((await other.post(CHAT, json=HELLO)).headers)
        return all("x-ratelimit-limit-requests" in headers for headers in seen)

    if body.get("counts") != "concurrency":
        await eventually(told)


async def statuses(service: Service, count: int, **members: Any) -> Counter[int]:
    """The statuses of so many calls at once, each on a connection of its own."""

    async def once() -> int:
        async with service.client(timeout=40) as client:
            return (await client.post(CHAT, json=HELLO | members)).status_code

    return Counter(await asyncio.gather(*(once() for _ in range(count))))


async def used(client: httpx.AsyncClient) -> int:
    reply = await client.get(f"{LIMITS}/l")
    assert reply.status_code == 200, reply.text
    found: int = reply.json()["meter"]["used"]
    return found


async def test_two_workers_admit_exactly_the_limit_and_a_new_control_goes_on(
    tmp_path: Path, upstream: Upstream
) -> None:
    config = write_config(tmp_path, upstream.url, FEDERATION + DEFAULTS)
    async with serving(tmp_path, config) as service, service.client() as client:
        wide = {"amount": 1000, "window": "day", "method": "fixed_window"}
        await put(service, client, **wide)
        before = await used(client)
        seen = await statuses(service, 6)
        assert seen == {200: 6}

        async def all_back() -> bool:
            return await used(client) == before + 6

        await eventually(all_back)
        await client.post(
            LIMITS, json={"id": "l", "scope": "tenant"} | wide | {"amount": before + 10}
        )
        await asyncio.sleep(0.5)
        seen = await statuses(service, 16)
        assert seen == {200: 4, 429: 12}
        reply = await client.post(CHAT, json=HELLO)
        assert reply.status_code == 429
        assert reply.json()["error"]["limit"]["id"] == "l"
        os.kill(service.children()["control"], signal.SIGKILL)

        async def control_is_back() -> bool:
            return (await client.get(f"{LIMITS}/l")).status_code == 200

        await eventually(control_is_back)
        assert await used(client) == before + 10
        seen = await statuses(service, 4)
        assert seen == {429: 4}


async def test_slots_come_back_after_hang_ups_and_killed_workers(
    tmp_path: Path, upstream: Upstream
) -> None:
    config = write_config(tmp_path, upstream.url)
    async with serving(tmp_path, config) as service, service.client() as client:
        await put(service, client, amount=3, counts="concurrency")
        await asyncio.sleep(0.5)

        async def hang() -> None:
            async with service.client(timeout=60) as other:
                with pytest.raises(httpx.TransportError):
                    await other.post(CHAT, json=HANGING)

        async def taken(count: int) -> bool:
            return await used(client) == count

        async def held() -> bool:
            return await taken(3)

        async def none() -> bool:
            try:
                return await taken(0)
            except httpx.TransportError:
                return False  # it was answered by a worker that was killed

        hanging = [asyncio.create_task(hang()) for _ in range(3)]
        await eventually(held)
        reply = await client.post(CHAT, json=HELLO)
        assert reply.status_code == 429
        assert reply.json()["error"]["code"] == "concurrency_limit_exceeded"
        for each in hanging:
            each.cancel()
        await eventually(none)
        await asyncio.sleep(0.5)  # a worker that was refused asks again only after a pause
        hanging = [asyncio.create_task(hang()) for _ in range(3)]
        await eventually(held)
        for worker in service.workers():
            os.kill(worker, signal.SIGKILL)
        await asyncio.gather(*hanging)
        await eventually(none)

        async def answers() -> bool:
            try:
                return (await statuses(service, 1)) == {200: 1}
            except httpx.TransportError:
                return False  # the workers are being replaced

        await eventually(answers)
