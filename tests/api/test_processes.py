"""Launcher, control and workers as processes: what they survive, and what is lost (nothing)."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from gateway_rig import CHAT, HELLO
from processes import ADMIN, FEDERATION, Service, began_at, free_port, serving, start, write_config
from scripted import DONE, Talk, Upstream, whole

PRICES = {False: 10 * 2500 + 5 * 10_000, True: 10 * 2500 + 3 * 10_000}
"""What a whole and a streamed answer of `scripted.whole` cost, in nano-dollars."""


async def unhurried(talk: Talk) -> None:
    """A provider that takes some milliseconds; `hang` in the user field makes it silent."""
    if talk.seen.json.get("user") == "hang":
        await asyncio.Event().wait()
    await asyncio.sleep(0.005)
    await whole(talk)


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with Upstream(unhurried) as running:
        yield running


@dataclass
class Load:
    """Clients that ask until they are told to stop; `ended` maps call ids to their prices."""

    ended: dict[str, int] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    stopped: bool = False

    async def client(self, service: Service, number: int) -> None:
        stream = number % 2 == 1
        async with service.client() as client:
            while not self.stopped:
                try:
                    reply = await client.post(CHAT, json=HELLO | {"stream": stream})
                except httpx.TransportError as error:
                    self.failed.append(repr(error))
                    return
                if reply.status_code != 200:
                    self.failed.append(reply.text)
                    return
                assert not stream or reply.content.endswith(DONE)
                self.ended[reply.headers["x-federation-call-id"]] = PRICES[stream]


async def until(holds: Callable[[], bool], within_s: float = 15.0) -> None:
    end = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < end, "it never came about"
        await asyncio.sleep(0.05)


async def ask(client: httpx.AsyncClient, **members: Any) -> httpx.Response:
    return await client.post(CHAT, json=HELLO | members)


async def asked_anew(service: Service, key: str, count: int, **members: Any) -> list[int]:
    """The statuses of calls on so many new connections, which spread over the workers."""

    async def once() -> int:
        async with service.client(key) as client:
            return (await ask(client, **members)).status_code

    return list(await asyncio.gather(*(once() for _ in range(count))))


async def listed(client: httpx.AsyncClient) -> dict[str, dict[str, Any]]:
    """Every call that the management API lists, by id."""
    found: dict[str, dict[str, Any]] = {}
    before = ""
    while True:
        reply = await client.get(f"/v1/calls?limit=500{before}")
        assert reply.status_code == 200, reply.text
        page = reply.json()
        found |= {row["id"]: row for row in page["data"]}
        if page["next"] is None:
            return found
        before = f"&before={page['next']}"


async def test_sigterm_under_load_loses_no_line_of_the_ledger(
    tmp_path: Path, upstream: Upstream
) -> None:
    async with serving(tmp_path, write_config(tmp_path, upstream.url)) as service:
        load = Load()
        clients = [asyncio.ensure_future(load.client(service, number)) for number in range(12)]
        await until(lambda: len(load.ended) >= 150, 30)
        service.process.send_signal(signal.SIGTERM)
        assert await service.exits() == 0
        load.stopped = True
        await asyncio.gather(*clients)
        assert len(load.failed) == 12, "every client noticed that the service is gone"
        await service.gone()
        ledger = service.calls()
        assert {row["outcome"] for row in ledger.values()} <= {"ok", "canceled"}
        answered = {call: ledger[call]["cost_nano"] for call in load.ended}
        assert answered == load.ended
        ok = [row for row in ledger.values() if row["outcome"] == "ok"]
        assert sum(row["cost_nano"] for row in ok) >= sum(load.ended.values())
        assert len(ok) - len(load.ended) <= 12, "at most one answer a client was cut on its way"


async def test_calls_under_way_are_finished_before_a_service_ends(
    tmp_path: Path, upstream: Upstream
) -> None:
    async def slow(talk: Talk) -> None:
        await asyncio.sleep(1.0)
        await whole(talk)

    upstream.behave = slow
    async with (
        serving(tmp_path, write_config(tmp_path, upstream.url)) as service,
        service.client() as client,
    ):
        asking = [asyncio.ensure_future(ask(client, stream=place % 2 == 1)) for place in range(4)]
        await until(lambda: len(upstream.seen) == 4)
        service.process.send_signal(signal.SIGTERM)
        replies = await asyncio.gather(*asking)
        assert [reply.status_code for reply in replies] == [200] * 4
        assert replies[1].content.endswith(DONE)
        assert await service.exits() == 0
        assert {row["outcome"] for row in service.calls().values()} == {"ok"}
        assert list((service.data / "run").glob("*.sock")) == [], "the directory can be copied"
        with pytest.raises(httpx.ConnectError):
            await asked_anew(service, "x", 1)


async def test_a_killed_worker_takes_no_line_along_and_is_replaced(
    tmp_path: Path, upstream: Upstream
) -> None:
    async with serving(tmp_path, write_config(tmp_path, upstream.url)) as service:
        before = service.workers()
        assert len(before) == 2
        load = Load()
        clients = [asyncio.ensure_future(load.client(service, number)) for number in range(8)]
        await until(lambda: len(load.ended) >= 60, 30)
        load.stopped = True
        await asyncio.gather(*clients)
        assert load.failed == []
        async with service.client() as client:
            hanging = [asyncio.ensure_future(ask(client, user="hang")) for _ in range(4)]
            await until(lambda: sum(seen.json.get("user") == "hang" for seen in upstream.seen) == 4)
            await asyncio.sleep(0.05)  # their `started` lines are written while they wait
            for pid in before:
                os.kill(pid, signal.SIGKILL)
            for broken in await asyncio.gather(*hanging, return_exceptions=True):
                assert isinstance(broken, httpx.TransportError)
        await until(lambda: len(service.workers() - before) == 2)
        async with service.client() as client:
            assert (await ask(client)).status_code == 200
            end = time.monotonic() + 15
            while True:
                ledger = await listed(client)
                lost = [row for row in ledger.values() if row["outcome"] == "lost"]
                if len(lost) == 4 or time.monotonic() > end:
                    break
                await asyncio.sleep(0.1)
            assert len(lost) == 4
            assert {row["error"] for row in lost} == {"worker_died"}
            costs = {call: ledger[call]["cost_nano"] for call in load.ended}
            assert costs == load.ended
            assert len(ledger) == len(load.ended) + 4 + 1
            stats = (await client.get("/v1/stats")).json()
            assert stats["cost_nano"] == sum(load.ended.values()) + PRICES[False]
            assert stats["outcomes"] == {"ok": len(load.ended) + 1, "lost": 4}


async def test_while_control_is_dead_calls_go_on_and_it_comes_back(
    tmp_path: Path, upstream: Upstream
) -> None:
    async with serving(tmp_path, write_config(tmp_path, upstream.url)) as service:
        control, workers = service.children()["control"], service.workers()
        load = Load()
        clients = [asyncio.ensure_future(load.client(service, number)) for number in range(4)]
        await until(lambda: len(load.ended) >= 20)
        os.kill(control, signal.SIGKILL)
        made = len(load.ended)
        await until(lambda: len(load.ended) >= made + 20)
        await until(lambda: service.children().get("control", control) != control)
        async with service.client() as client:
            end = time.monotonic() + 20
            while (reply := await client.get("/v1/stats")).status_code != 200:
                assert reply.json()["error"]["code"] == "control_unavailable"
                assert time.monotonic() < end, reply.text
                await asyncio.sleep(0.1)
            load.stopped = True
            await asyncio.gather(*clients)
            assert load.failed == []
            stats = (await client.get("/v1/stats")).json()
            assert stats["calls"] == len(load.ended)
            assert stats["cost_nano"] == sum(load.ended.values())
            end = time.monotonic() + 15
            while len((await client.get("/admin/status")).json()["workers"]) < 2:
                assert time.monotonic() < end, "the workers did not find the new control"
                await asyncio.sleep(0.1)
        assert service.workers() == workers, "no worker was restarted"


async def test_a_killed_launcher_takes_everyone_along(tmp_path: Path, upstream: Upstream) -> None:
    async with serving(tmp_path, write_config(tmp_path, upstream.url)) as service:
        async with service.client() as client:
            reply = await ask(client)
            assert reply.status_code == 200
        assert len(service.children()) == 3
        service.process.kill()
        await service.gone()
        assert list(service.calls()) == [reply.headers["x-federation-call-id"]]


async def test_when_everything_is_killed_at_once_the_next_start_has_every_line(
    tmp_path: Path, upstream: Upstream
) -> None:
    config = write_config(tmp_path, upstream.url)
    async with serving(tmp_path, config) as service:
        load = Load()
        clients = [asyncio.ensure_future(load.client(service, number)) for number in range(8)]
        await until(lambda: len(load.ended) >= 80, 30)
        for pid in (service.process.pid, *service.children().values()):
            os.kill(pid, signal.SIGKILL)
        await asyncio.gather(*clients)
        await service.gone()
    async with serving(tmp_path, config) as service, service.client() as client:
        ledger = await listed(client)
        costs = {call: ledger[call]["cost_nano"] for call in load.ended}
        assert costs == load.ended
        assert (await ask(client)).status_code == 200


async def test_a_revoked_key_stops_working_within_a_second_on_every_worker(
    tmp_path: Path, upstream: Upstream
) -> None:
    async with (
        serving(tmp_path, write_config(tmp_path, upstream.url)) as service,
        service.client() as admin,
    ):
        made = await admin.post("/v1/keys", json={"name": "short-lived"})
        assert made.status_code == 201, made.text
        key, secret = made.json()["id"], made.json()["secret"]
        end = time.monotonic() + 5
        while set(await asked_anew(service, secret, 8)) != {200}:
            assert time.monotonic() < end, "a new key must work soon"
        assert (await admin.delete(f"/v1/keys/{key}")).status_code == 200
        await asyncio.sleep(1.0)
        assert set(await asked_anew(service, secret, 16)) == {401}
        assert set(await asked_anew(service, ADMIN, 4)) == {200}
        ledger = await listed(admin)
        assert key in {row["key"] for row in ledger.values()}
        assert secret not in service.log.read_text()


async def test_a_changed_configuration_is_taken_and_a_bad_one_is_not(
    tmp_path: Path, upstream: Upstream
) -> None:
    config = write_config(tmp_path, upstream.url)
    async with serving(tmp_path, config) as service, service.client() as client:
        assert (await ask(client, model="fast")).status_code == 404

        async def becomes(code: int, model: str) -> None:
            end = time.monotonic() + 15
            while set(await asked_anew(service, ADMIN, 8, model=model)) != {code}:
                assert time.monotonic() < end, service.log.read_text()
                await asyncio.sleep(0.1)

        async def problems() -> list[str]:
            found: list[str] = (await client.get("/admin/status")).json()["config"]["problems"]
            return found

        fast = FEDERATION + "  - {name: fast, targets: [acme/acme-large]}\n"
        (config / "federation.yaml").write_text(fast)
        await becomes(200, "fast")
        (config / "federation.yaml").write_text(fast + "rutes: []\n")
        end = time.monotonic() + 15
        while not (found := await problems()):
            assert time.monotonic() < end
            await asyncio.sleep(0.1)
        assert "federation.yaml:5" in found[0]
        assert "routes" in found[0]
        assert set(await asked_anew(service, ADMIN, 8, model="fast")) == {200}
        (config / "federation.yaml").write_text(FEDERATION)
        service.process.send_signal(signal.SIGHUP)
        await becomes(404, "fast")
        assert await problems() == []
        assert (await ask(client)).status_code == 200


async def test_a_request_limit_is_shared_by_the_workers(tmp_path: Path, upstream: Upstream) -> None:
    config = write_config(tmp_path, upstream.url, more="    limits: {rpm: 20}\n")
    minutes: list[int] = []

    async def count(talk: Talk) -> None:
        minutes.append(int(time.time()) // 60)
        await whole(talk)

    upstream.behave = count
    async with serving(tmp_path, config) as service, service.client() as client:
        began = int(time.time()) // 60
        assert (await ask(client)).status_code == 200, "the very first call is served"
        statuses = await asked_anew(service, ADMIN, 60)
        windows = int(time.time()) // 60 - began + 1
        assert set(statuses) == {200, 429}
        assert 20 <= len(upstream.seen) <= 20 * windows
        assert statuses.count(200) == len(upstream.seen) - 1
        reply = await ask(client)
        if windows == 1 and int(time.time()) // 60 == began:
            assert reply.status_code == 429
            assert reply.json()["error"]["code"] == "provider_limit_reached"


async def test_a_port_that_is_taken_is_named_and_the_exit_code_is_one(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        config = write_config(tmp_path, "http://127.0.0.1:1/v1")
        service = start(tmp_path, config, port)
        try:
            assert await service.exits() == 1
        finally:
            service.process.kill()
        said = service.log.read_text()
        assert f"127.0.0.1:{port}" in said
        assert "--port" in said
        assert "Traceback" not in said


async def test_a_bad_configuration_is_named_by_file_and_line_and_the_exit_code_is_78(
    tmp_path: Path,
) -> None:
    config = write_config(tmp_path, "http://127.0.0.1:1/v1", FEDERATION + "rutes: []\n")
    service = start(tmp_path, config, free_port())
    try:
        assert await service.exits(30) == 78
        await service.gone()
    finally:
        service.kill()
    said = service.log.read_text()
    assert "federation.yaml:4" in said
    assert "rutes" in said
    assert "routes" in said
    assert "Traceback" not in said


async def test_what_took_the_number_of_a_process_of_a_service_is_not_ended_with_it(
    tmp_path: Path,
) -> None:
    code = "import time; time.sleep(60)"
    with (
        subprocess.Popen([sys.executable, "-c", code]) as launcher,
        subprocess.Popen([sys.executable, "-c", code]) as other,
        subprocess.Popen([sys.executable, "-c", code]) as worker,
    ):
        service = Service(launcher, "", tmp_path, tmp_path, tmp_path / "log")
        service.seen = {other.pid: "1", worker.pid: began_at(worker.pid), launcher.pid: ""}
        assert service.left() == [worker.pid]
        service.kill()
        assert worker.wait(10) == launcher.wait(10) == -signal.SIGKILL
        assert other.poll() is None
        assert service.left() == []
        await service.gone(0.0)
        other.kill()
