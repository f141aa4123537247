"""The store is away under load: calls go on, who asks is told, nothing is lost, and it comes back.

`FEDERATION_OUTAGE_S` makes the outage as long as one likes (`make store-outage`: 20 s).
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from gateway_rig import CHAT, HELLO
from life_load import SLOW_TEXT, loaded, provider, slow_stream
from processes import Service, serving, write_config
from scripted import Upstream
from small_disks import small_disk

OUTAGE_S = float(os.environ.get("FEDERATION_OUTAGE_S", "7"))
_HOLD = """
import sqlite3, sys
store = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)
store.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with Upstream(provider) as running:
        yield running


@contextmanager
def held(store: Path) -> Iterator[None]:
    """Another process holds the store's lock: nobody else can write."""
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(store)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    try:
        yield
    finally:
        holder.communicate(timeout=10)


async def recovers(client: httpx.AsyncClient, within_s: float = 15.0) -> float:
    """Wait until the service is ready; how long that took."""
    began = time.monotonic()
    while (await client.get("/health/ready")).status_code != 200:
        assert time.monotonic() < began + within_s
        await asyncio.sleep(0.1)
    return time.monotonic() - began


async def told(client: httpx.AsyncClient, method: str, path: str, code: str) -> None:
    """The answer is a 503 that says what is the matter and when to come back."""
    reply = await client.request(method, path, json={"name": "x"} if method == "POST" else None)
    assert reply.status_code == 503, reply.text
    error = reply.json()["error"]
    assert error["code"] == code
    assert "store" in error["message"].lower()
    assert float(reply.headers["retry-after"]) > 0


async def test_while_the_store_is_away_calls_go_on_and_nothing_is_lost(
    tmp_path: Path, upstream: Upstream
) -> None:
    async with (
        serving(tmp_path, write_config(tmp_path, upstream.url)) as service,
        service.client(timeout=30) as client,
    ):
        before = service.everyone()
        async with loaded(service, 1) as load:
            with held(service.data / "federation.db"):
                began = time.monotonic()
                starts = [asyncio.Event() for _ in range(2)]
                streams = [asyncio.ensure_future(slow_stream(client, each)) for each in starts]
                # The first who asks waits as long as one waits for a busy store.
                await told(client, "POST", "/v1/keys", "store_unavailable")
                await told(client, "GET", "/v1/stats", "ledger_behind")
                assert time.monotonic() - began < 12
                asked = time.monotonic()
                await told(client, "GET", "/v1/calls", "ledger_behind")
                await told(client, "GET", f"/v1/calls/{load.ended[-1]}", "ledger_behind")
                assert time.monotonic() - asked < 2, "it is known by then"
                # Workers hear of it with control's next beat.
                while (ready := await client.get("/health/ready")).status_code == 200:
                    assert time.monotonic() - asked < 5
                    await asyncio.sleep(0.1)
                assert ready.status_code == 503
                assert ready.json()["error"]["code"] == "store_not_writable"
                assert (await client.get("/health")).status_code == 200
                while time.monotonic() < began + OUTAGE_S:
                    await load.more(10)
                assert await asyncio.gather(*streams) == [SLOW_TEXT] * 2
            await recovers(client)
            await load.more(10)
        assert load.failed == []
        stats = (await client.get("/v1/stats")).json()
        assert stats["outcomes"] == {"ok": len(load.ended) + 2}
        assert (await client.post("/v1/keys", json={"name": "after"})).status_code == 201
        assert service.everyone() == before, "nobody had to be started anew"
        ledger = service.calls()
        assert set(load.ended) <= set(ledger)


async def statuses(service: Service, count: int) -> dict[str, int]:
    """Calls one after the other over new connections: status by call id."""
    found: dict[str, int] = {}
    for number in range(count):
        async with service.client() as client:
            reply = await client.post(CHAT, json=HELLO)
        if reply.status_code != 200:
            assert reply.json()["error"]["code"] == "evidence_unwritable", reply.text
        found[reply.headers.get("x-federation-call-id", f"none {number}")] = reply.status_code
    return found


async def test_on_a_full_disk_calls_are_refused_in_words_until_there_is_room(
    tmp_path: Path, upstream: Upstream
) -> None:
    """A call that cannot be recorded is refused: the journals lie on the same disk."""
    with small_disk(tmp_path / "data", "24m") as disk:
        async with serving(tmp_path, write_config(tmp_path, upstream.url)) as service:
            before = service.everyone()
            good = await statuses(service, 10)
            assert set(good.values()) == {200}
            ballast = disk / "ballast"
            with ballast.open("wb", buffering=0) as file:
                try:
                    while file.write(b"x" * 65_536):
                        pass
                except OSError:
                    pass
            full = await statuses(service, 60)
            assert 503 in full.values(), "what is left of the journal's last page is soon used up"
            ballast.unlink()
            async with service.client(timeout=30) as client:
                await recovers(client)
                after = await statuses(service, 10)
                assert list(after.values())[-5:] == [200] * 5
                end = time.monotonic() + 15
                while (await client.get("/v1/stats")).status_code != 200:
                    assert time.monotonic() < end
                    await asyncio.sleep(0.1)
            assert service.everyone() == before
            ledger = service.calls()
            answered = [call for each in (good, full, after) for call in each if each[call] == 200]
            assert {ledger[call]["outcome"] for call in answered} == {"ok"}
