"""Evidence over the whole service: control is killed while calls run, and nothing is missing.

Answered means that a client has read the last byte. Its record must then be in the log
once, whatever happened to control meanwhile.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
from gateway_rig import CHAT, HELLO
from processes import FEDERATION, Service, serving, write_config
from scripted import DONE, Talk, Upstream, whole

from federation.control.evidence_reading import EvidenceReading
from federation.evidence.signing import read_keys
from federation.evidence.verify import Verification
from federation_verify.log import Log

EVIDENCE = (
    FEDERATION
    + """
evidence:
  checkpoint_s: 0.5
  heartbeat_s: 1
  anchors: ["file:{anchor}"]
"""
)


async def unhurried(talk: Talk) -> None:
    await asyncio.sleep(0.005)
    await whole(talk)


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with Upstream(unhurried) as running:
        yield running


class Clients:
    """Clients that ask until they are told to stop; `answered` are the ids of whole answers."""

    def __init__(self) -> None:
        self.answered: list[str] = []
        self.stopped = False

    async def ask(self, service: Service, number: int) -> None:
        stream = number % 2 == 1
        async with service.client() as client:
            while not self.stopped:
                with suppress(httpx.TransportError):
                    reply = await client.post(CHAT, json=HELLO | {"stream": stream})
                    if reply.status_code == 200 and (not stream or reply.content.endswith(DONE)):
                        self.answered.append(reply.headers["x-federation-call-id"])


async def killed(service: Service, times: int, chance: random.Random) -> None:
    """Kill control so many times, each time somewhere in its start or its work."""
    for _ in range(times):
        pid = await until(lambda: service.children().get("control"))
        await asyncio.sleep(chance.uniform(0.3, 2.2))
        os.kill(pid, signal.SIGKILL)
        while service.children().get("control") == pid:
            await asyncio.sleep(0.02)


T = TypeVar("T")


async def until(found: Callable[[], T | None], within_s: float = 20.0) -> T:
    """What is there at last."""
    end = time.monotonic() + within_s
    while not (value := found()):
        assert time.monotonic() < end, "it never came about"
        await asyncio.sleep(0.05)
    return value


def sealed(data: Path) -> int:
    """The number of checkpoints, none where there is no log yet."""
    return sum(1 for _ in EvidenceReading(data).checkpoints())


def ended_calls(entries: list[bytes]) -> Counter[str]:
    records = (json.loads(line)["line"]["record"] for line in entries)
    return Counter(record["call"] for record in records if record["type"] == "ended")


async def test_control_is_killed_again_and_again_and_every_answered_call_is_proven(
    tmp_path: Path, upstream: Upstream
) -> None:
    anchor = tmp_path / "elsewhere.jsonl"
    config = write_config(tmp_path, upstream.url, EVIDENCE.replace("{anchor}", str(anchor)))
    async with serving(tmp_path, config) as service:
        clients = Clients()
        asking = [asyncio.ensure_future(clients.ask(service, n)) for n in range(6)]
        await killed(service, 4, random.Random(7))
        before = sealed(service.data)
        await until(lambda: sealed(service.data) > before)
        clients.stopped = True
        await asyncio.gather(*asking)
        service.process.send_signal(signal.SIGTERM)
        assert await service.exits() == 0
        ledger = service.calls()
    assert len(clients.answered) > 100
    reading = EvidenceReading(tmp_path / "data")
    keys, checkpoints = reading.keys(), list(reading.checkpoints())
    entries, anchored = list(reading.entries()), anchor.read_bytes().splitlines(keepends=True)
    trusted = read_keys(keys)[0].public
    report = Verification(trusted, keys).run(checkpoints, entries, anchored)
    assert report.findings == []
    assert not Log().verify(trusted, keys, checkpoints, entries, anchored)
    ended = ended_calls(entries)
    assert set(ended.values()) == {1}, "no call twice"
    assert set(clients.answered) <= ended.keys(), "no answered call without a record"
    assert ended.keys() <= ledger.keys()
    kinds = Counter(json.loads(line)["line"]["record"]["type"] for line in entries)
    assert kinds["log_opened"] >= 2
    assert kinds["log_closed"] == 1, "only the last end was meant"
    assert kinds["heartbeat"]
    assert 0 < len(anchored) <= len(checkpoints)


async def test_who_asks_has_a_running_gateway_anchor_what_was_written(
    tmp_path: Path, upstream: Upstream
) -> None:
    away = tmp_path / "away" / "elsewhere.jsonl"
    text = EVIDENCE.replace("{anchor}", str(away)).replace("checkpoint_s: 0.5", "checkpoint_s: 60")
    config = write_config(tmp_path, upstream.url, text)
    async with serving(tmp_path, config) as service:

        async def anchored() -> tuple[int, Any]:
            command = ("audit", "anchor", "--data", str(service.data), "--json")
            done = await asyncio.to_thread(
                subprocess.run,
                [sys.executable, "-m", "federation", *command],
                capture_output=True,
                check=False,
            )
            return done.returncode, json.loads(done.stdout)

        code, told = await anchored()
        assert (code, told["error"]["anchors"][0]["checkpoint"]) == (1, None)
        async with service.client() as client:
            status = (await client.get("/admin/status")).json()
            assert (status["status"], status["evidence"]["kept"]) == ("degraded", True)
            assert "No such file" in status["evidence"]["anchors"][0]["reason"]
            away.parent.mkdir()
            assert (await client.post(CHAT, json=HELLO)).status_code == 200
            code, told = await anchored()
            assert code == 0, told
            assert (await client.get("/admin/status")).json()["status"] == "ok"
        newest = json.loads(away.read_bytes().splitlines()[-1])
        assert newest["body"]["size"] == told["records"]


def replaced(service: Service, before: set[int]) -> bool | None:
    return bool(service.workers() - before) or None


async def test_workers_are_killed_at_random_and_four_write_one_log_that_misses_nothing(
    tmp_path: Path, upstream: Upstream
) -> None:
    text = EVIDENCE.replace("{anchor}", str(tmp_path / "elsewhere.jsonl"))
    config = write_config(tmp_path, upstream.url, text)
    chance = random.Random(11)
    async with serving(tmp_path, config, workers=4) as service:
        clients = Clients()
        asking = [asyncio.ensure_future(clients.ask(service, n)) for n in range(8)]
        for _ in range(3):
            await asyncio.sleep(chance.uniform(0.2, 0.8))
            before = service.workers()
            os.kill(chance.choice(sorted(before)), signal.SIGKILL)
            await until(partial(replaced, service, before), 60.0)
        clients.stopped = True
        await asyncio.gather(*asking)
        async with service.client() as client:
            end = time.monotonic() + 60
            # Whoever died last is known to be dead a second later, or at the next start.
            while (await client.get("/v1/calls?outcome=running")).json()["data"]:
                assert time.monotonic() < end
                await asyncio.sleep(0.1)
        service.process.send_signal(signal.SIGTERM)
        assert await service.exits() == 0
        ledger = service.calls()
    assert clients.answered
    reading = EvidenceReading(tmp_path / "data")
    keys, checkpoints = reading.keys(), list(reading.checkpoints())
    entries = list(reading.entries())
    trusted = read_keys(keys)[0].public
    assert Verification(trusted, keys).run(checkpoints, entries).findings == []
    assert not Log().verify(trusted, keys, checkpoints, entries)
    records = [json.loads(line)["line"] for line in entries]
    places = Counter((line["writer"], line["seq"]) for line in records)
    assert set(places.values()) == {1}, "no number twice"
    by_type: dict[str, set[str]] = {"started": set(), "ended": set(), "lost": set()}
    for line in records:
        if line["record"]["type"] in by_type:
            by_type[line["record"]["type"]].add(line["record"]["call"])
    assert set(clients.answered) <= by_type["ended"], "no answered call without a record"
    assert by_type["started"] <= by_type["ended"] | by_type["lost"], "none is left open"
    assert not by_type["lost"] & by_type["ended"]
    lost = {name for name, call in ledger.items() if call["outcome"] == "lost"}
    assert lost == by_type["lost"]


def test_the_independent_verifier_loads_nothing_of_the_gateway() -> None:
    look = (
        "import sys, federation_verify.main\n"
        "print([name for name in sys.modules if name.split('.')[0] in "
        "('federation', 'msgspec', 'sqlalchemy', 'typer', 'pydantic')])"
    )
    ran = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
