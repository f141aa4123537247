"""Processes die and configurations change under load: what fails, and what the ledger says."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from gateway_rig import CHAT, HELLO
from life_load import SLOW_TEXT, loaded, provider, slow_stream, until
from processes import FEDERATION, Service, serving, write_config
from scripted import Upstream

LOST_WITHIN_S = 5.0


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with Upstream(provider) as running:
        yield running


async def hang(service: Service, *, stream: bool) -> bool:
    """A call that nobody answers; whether its connection broke."""
    async with service.client() as client:
        try:
            await client.post(CHAT, json=HELLO | {"user": "hang", "stream": stream})
        except httpx.TransportError:
            return True
    return False


async def lost(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    reply = await client.get("/v1/calls?outcome=lost&limit=500")
    assert reply.status_code == 200, reply.text
    found: list[dict[str, Any]] = reply.json()["data"]
    return found


async def test_a_killed_workers_calls_are_lost_in_the_ledger_within_seconds(
    tmp_path: Path, upstream: Upstream
) -> None:
    async with (
        serving(tmp_path, write_config(tmp_path, upstream.url)) as service,
        service.client() as client,
    ):
        hanging = [
            asyncio.ensure_future(hang(service, stream=number % 2 == 1)) for number in range(8)
        ]
        await until(lambda: sum(seen.json.get("user") == "hang" for seen in upstream.seen) == 8)
        await asyncio.sleep(0.3)
        running = (await client.get("/v1/calls?outcome=running")).json()["data"]
        assert len(running) == 8
        before = service.workers()
        killed = time.monotonic()
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        assert await asyncio.gather(*hanging) == [True] * 8
        await until(lambda: len(service.workers() - before) == 2)
        async with service.client() as fresh:
            while len(found := await lost(fresh)) < 8:
                assert time.monotonic() - killed < LOST_WITHIN_S
                await asyncio.sleep(0.05)
            assert {row["id"] for row in found} == {row["id"] for row in running}
            for row in found:
                story = (await fresh.get(f"/v1/calls/{row['id']}")).json()
                assert (story["outcome"], story["error"]) == ("lost", "worker_died")
                assert story["cost_nano"] is None, "nobody knows what the provider did"
            # Once each, and for good.
            await asyncio.sleep(2.5)
            assert len(await lost(fresh)) == 8
            stats = (await fresh.get("/v1/stats")).json()
            assert (stats["outcomes"], stats["unpriced_calls"]) == ({"lost": 8}, 8)
            assert "federation_lost_calls_total 8" in (await fresh.get("/metrics")).text


async def test_of_a_killed_worker_only_calls_in_flight_on_it_fail(
    tmp_path: Path, upstream: Upstream
) -> None:
    config = write_config(tmp_path, upstream.url)
    async with serving(tmp_path, config) as service:
        async with loaded(service, 3) as load:
            victim = service.children()["worker 0"]
            os.kill(victim, signal.SIGKILL)
            await until(lambda: service.children().get("worker 0", victim) != victim)
            # A client whose connection broke has one failed call, and goes on.
            for _ in range(3):
                wanted = len(load.ended) + 40
                await until(lambda wanted=wanted: len(load.ended) >= wanted)  # type: ignore[misc]
        clients = 3 * 4
        assert len(load.failed) <= clients
        for failure in load.failed:
            assert "Error" in failure, "a connection that broke, and no answer of ours"
        # Every call that was answered is in the ledger, and what was not is lost or was not begun.
        async with service.client() as client:
            end = time.monotonic() + LOST_WITHIN_S
            while (await client.get("/v1/calls?outcome=running")).json()["data"]:
                assert time.monotonic() < end
                await asyncio.sleep(0.1)
            stats = (await client.get("/v1/stats")).json()
        ledger = service.calls()
        assert {ledger[call]["outcome"] for call in load.ended} == {"ok"}
        assert set(stats["outcomes"]) <= {"ok", "lost"}
        assert stats["outcomes"].get("lost", 0) <= len(load.failed)


async def test_while_control_is_killed_no_call_fails(tmp_path: Path, upstream: Upstream) -> None:
    async with serving(tmp_path, write_config(tmp_path, upstream.url)) as service:
        control, workers = service.children()["control"], service.workers()
        async with loaded(service) as load, service.client() as client:
            began = [asyncio.Event() for _ in range(4)]
            streams = [asyncio.ensure_future(slow_stream(client, each)) for each in began]
            await asyncio.gather(*(each.wait() for each in began))
            os.kill(control, signal.SIGKILL)
            await load.more(30)
            await until(lambda: service.children().get("control", control) != control)
            assert await asyncio.gather(*streams) == [SLOW_TEXT] * 4
            end = time.monotonic() + 20
            while (reply := await client.get("/v1/stats")).status_code != 200:
                assert reply.json()["error"]["code"] == "control_unavailable"
                assert time.monotonic() < end, reply.text
                await asyncio.sleep(0.1)
            await load.more(20)
        assert load.failed == []
        assert service.workers() == workers
        async with service.client() as client:
            stats = (await client.get("/v1/stats")).json()
        assert stats["outcomes"] == {"ok": len(load.ended) + 4}


async def test_a_reload_under_load_fails_no_call_whether_the_file_is_good_or_bad(
    tmp_path: Path, upstream: Upstream
) -> None:
    config = write_config(tmp_path, upstream.url)
    file = config / "federation.yaml"
    async with serving(tmp_path, config) as service:
        async with loaded(service) as load, service.client() as client:
            began = [asyncio.Event() for _ in range(4)]
            streams = [asyncio.ensure_future(slow_stream(client, each)) for each in began]
            await asyncio.gather(*(each.wait() for each in began))

            async def status() -> dict[str, Any]:
                found: dict[str, Any] = (await client.get("/admin/status")).json()["config"]
                return found

            async def reloads(text: str, *, good: bool) -> None:
                file.write_text(text)
                service.process.send_signal(signal.SIGHUP)
                end = time.monotonic() + 15
                while bool((await status())["problems"]) is good:
                    assert time.monotonic() < end
                    await asyncio.sleep(0.05)
                await load.more(20)

            version = (await status())["version"]
            await reloads(FEDERATION + "rutes: []\n", good=False)
            assert (await status())["version"] == version
            await reloads(FEDERATION + "  - {name: two, targets: [acme/acme-large]}\n", good=True)
            await reloads("{" * 1000, good=False)
            await reloads(FEDERATION, good=True)
            assert (await status())["version"] > version
            assert await asyncio.gather(*streams) == [SLOW_TEXT] * 4
        assert load.failed == []


async def test_a_stop_under_load_finishes_every_stream(tmp_path: Path, upstream: Upstream) -> None:
    async with serving(tmp_path, write_config(tmp_path, upstream.url)) as service:
        async with loaded(service, 1) as load, service.client() as client:
            began = [asyncio.Event() for _ in range(4)]
            streams = [asyncio.ensure_future(slow_stream(client, each)) for each in began]
            await asyncio.gather(*(each.wait() for each in began))
            load.stopped = True
            service.process.send_signal(signal.SIGTERM)
            assert await asyncio.gather(*streams) == [SLOW_TEXT] * 4
        assert await service.exits() == 0
        # A kept connection may be closed while its client, on a busy machine, begins to use it.
        assert len(load.failed) <= 1, load.failed
        assert {row["outcome"] for row in service.calls().values()} == {"ok"}
        assert len(service.calls()) == len(load.ended) + 4
