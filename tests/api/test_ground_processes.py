"""What a gateway stands on is taken away while it serves: it says so, keeps what it can, and makes
nothing in the place of what was there."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from gateway_rig import CHAT, HELLO
from processes import FEDERATION, Service, serving, write_config
from scripted import Upstream, whole

PATIENCE_S = 30.0
KEEPING = FEDERATION + "\npayloads: {keep: true, days: 1}\n"


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with Upstream(whole) as running:
        yield running


async def until(true: Callable[[], Awaitable[bool]], service: Service) -> None:
    end = time.monotonic() + PATIENCE_S
    while not await true():
        assert time.monotonic() < end, service.log.read_text()[-3000:]
        await asyncio.sleep(0.1)


async def call(service: Service) -> str:
    async with service.client() as client:
        reply = await client.post(CHAT, json=HELLO)
    assert reply.status_code == 200, reply.text
    return reply.headers["x-federation-call-id"]


def answers(service: Service, path: str, status: int) -> Callable[[], Awaitable[bool]]:
    async def look() -> bool:
        with suppress(httpx.TransportError):
            async with service.client() as client:
                return (await client.get(path)).status_code == status
        return False

    return look


async def test_a_store_that_is_taken_away_keeps_nothing_until_it_is_back(
    tmp_path: Path, upstream: Upstream
) -> None:
    async with serving(tmp_path, write_config(tmp_path, upstream.url), workers=1) as service:
        store = service.data / "federation.db"
        away = store.with_name("away.db")
        store.rename(away)
        await until(answers(service, "/health/ready", 503), service)
        answered = await call(service)
        async with service.client() as client:
            made = await client.post("/v1/keys", json={"name": "lost", "role": "developer"})
        assert made.status_code == 503, "a key that is lost with the process"
        assert "removed or replaced" in made.json()["error"]["message"]
        assert not store.exists()
        away.rename(store)
        await until(answers(service, "/health/ready", 200), service)

        async def taken() -> bool:
            return answered in service.calls()

        await until(taken, service)
    assert "was removed or replaced" in service.log.read_text()


async def test_control_is_found_again_after_its_sockets_were_removed(
    tmp_path: Path, upstream: Upstream
) -> None:
    async with serving(tmp_path, write_config(tmp_path, upstream.url), workers=1) as service:
        before = service.every("control")
        shutil.rmtree(service.data / "run")

        async def another() -> bool:
            return bool(service.every("control") - before)

        await until(another, service)
        await until(answers(service, "/admin/status", 200), service)
        await call(service)
    assert "nobody finds control" in service.log.read_text()


async def test_contents_are_kept_after_their_spool_was_removed(
    tmp_path: Path, upstream: Upstream
) -> None:
    config = write_config(tmp_path, upstream.url, KEEPING)
    async with serving(tmp_path, config, workers=1) as service:
        await call(service)
        shutil.rmtree(service.data / "payloads")

        async def begun() -> bool:
            return (service.data / "payloads").exists()

        await until(begun, service)
        kept = await call(service)
        await until(answers(service, f"/v1/admin/data/payloads/{kept}", 200), service)
