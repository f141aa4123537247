"""Control as a real process: its start, its socket, its death and its heir."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from followers import Ignoring

from federation.control.worker_link import WorkerLink
from federation.domain.access import Role
from federation.domain.snapshot import KeyRing, Snapshot
from federation.schema.link import Hello, LeaseAsk, LeaseGrant, Report
from federation.schema.records import CallEnded, CallStarted
from federation.storage.journal import JournalWriter
from federation.storage.keyring import Keys

PROVIDERS = """
providers:
  - id: acme
    dialect: openai
    base_url: http://127.0.0.1:9/v1
    limits: {rpm: 5}
    models:
      - {id: large, price: {input: 2.5, output: 10}, context: 128000}
"""


class Gateway:
    """A data directory, and one control process at a time over it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.data, self.config, self.run = home / "data", home / "config", home / "data" / "run"
        self.config.mkdir()
        (self.config / "providers.yaml").write_text(PROVIDERS)
        self.lifeline, self.writing = os.pipe()
        self.hearing, self.beat = os.pipe()
        self.process: subprocess.Popen[bytes] | None = None
        self.said = b""

    def start(self) -> None:
        argv = [sys.executable, "-m", "federation.bootstrap.control", f"--data={self.data}"]
        argv += [f"--config={self.config}", f"--run={self.run}", "--workers=1"]
        argv += ["--url=http://127.0.0.1:8123", f"--lifeline={self.lifeline}"]
        argv += [f"--beat={self.beat}"]
        known = ("PATH", "HOME", "PYTHONPATH", "PYTHONPYCACHEPREFIX", "COVERAGE_PROCESS_START")
        environ = {name: os.environ[name] for name in known if name in os.environ}
        self.process = subprocess.Popen(
            argv,
            cwd=self.home,
            env=environ,
            pass_fds=(self.lifeline, self.beat),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def end(self, number: signal.Signals | None = signal.SIGTERM, within_s: float = 20.0) -> int:
        assert self.process is not None
        if number is not None:
            self.process.send_signal(number)
        self.said, _ = self.process.communicate(timeout=within_s)
        return self.process.returncode

    def orphan(self) -> None:
        os.close(self.writing)
        self.writing = -1

    @property
    def admin(self) -> str:
        return (self.data / "admin.key").read_text().strip()

    async def api(self, path: str, method: str = "GET", secret: str = "") -> httpx.Response:
        """Ask, as soon as somebody answers."""
        transport = httpx.AsyncHTTPTransport(uds=str(self.run / "api.sock"))
        async with asyncio.timeout(20), httpx.AsyncClient(transport=transport) as client:
            while True:
                try:
                    headers = {"x-api-key": secret or self.admin}
                    return await client.request(method, f"http://control{path}", headers=headers)
                except (httpx.TransportError, FileNotFoundError):
                    await asyncio.sleep(0.02)


class Worker(Ignoring):
    """The least that a worker does on the link."""

    def __init__(self, run: Path) -> None:
        self.snapshot: Snapshot | None = None
        self.ring: KeyRing | None = None
        self.granted: list[int] = []
        self.link = WorkerLink(run / "link.sock", Hello(0, os.getpid(), "w0"), self)

    def follow_snapshot(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot

    def follow_keys(self, ring: KeyRing) -> None:
        self.ring = ring

    def hear_grant(self, grant: LeaseGrant) -> None:
        self.granted.append(grant.amount)


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    made = Gateway(tmp_path)
    yield made
    if made.process is not None and made.process.poll() is None:
        made.end(signal.SIGKILL)
    for fd in (made.lifeline, made.hearing, made.beat):
        os.close(fd)
    if made.writing >= 0:
        made.orphan()


async def until(condition: object, within_s: float = 20.0) -> None:
    assert callable(condition)
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(0.01)


async def test_control_starts_serves_and_stops(gateway: Gateway) -> None:
    gateway.start()
    worker = Worker(gateway.run)
    task = asyncio.create_task(worker.link.run())
    await until(lambda: worker.ring)
    assert worker.snapshot is not None
    assert worker.ring is not None
    large = next(each for each in worker.snapshot.deployments if each.id == "acme/large")
    assert large.usable
    found = Keys(worker.ring).find(gateway.admin)
    assert found is not None
    assert found.role is Role.ADMIN

    assert (await gateway.api("/health/startup")).status_code == 200
    assert os.read(gateway.hearing, 1) == b".", "it tells the launcher that it works"
    status = (await gateway.api("/admin/status")).json()
    assert (status["status"], status["workers"][0]["pid"]) == ("ok", os.getpid())
    assert worker.link.send(LeaseAsk("rpm/acme", 8))
    assert worker.link.send(Report(0, {"federation_journal_errors_total": 1.0}, {}, {}, []))
    await until(lambda: worker.granted)
    assert worker.granted == [5]
    assert "federation_journal_errors_total 1.0" in (await gateway.api("/metrics")).text
    modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in gateway.run.glob("*.sock")}
    assert modes == {"link.sock": 0o600, "api.sock": 0o600}
    assert stat.S_IMODE(gateway.run.stat().st_mode) == 0o700

    await asyncio.to_thread(gateway.end)
    task.cancel()
    assert gateway.process is not None
    assert gateway.process.returncode == 0
    assert gateway.said.count(gateway.admin.encode()) == 2
    assert b"curl http://127.0.0.1:8123/v1/chat/completions" in gateway.said


async def test_nothing_that_was_written_is_lost_when_control_is_killed(gateway: Gateway) -> None:
    gateway.start()
    await gateway.api("/health/startup")
    made = (await gateway.api("/v1/keys")).json()
    version = (await gateway.api("/admin/status")).json()["config"]["version"]
    journal = JournalWriter(gateway.data / "journal", "w0")
    for n in range(100):
        journal.append(CallStarted(f"c{n}", 1000, "default", "admin", "chat", "auto", "acme/large"))
        journal.append(CallEnded(f"c{n}", 1001, "default", "admin", "chat", "auto", "ok", 200))
        if n == 50:
            await asyncio.sleep(0.25)
            await asyncio.to_thread(gateway.end, signal.SIGKILL)
    gateway.start()
    assert (await gateway.api("/v1/calls/c99")).json()["outcome"] == "ok"
    calls = (await gateway.api("/v1/calls?limit=500")).json()["data"]
    assert sorted(call["id"] for call in calls) == sorted(f"c{n}" for n in range(100))
    assert (await gateway.api("/v1/keys")).json() == made
    assert (await gateway.api("/admin/status")).json()["config"]["version"] == version
    assert await asyncio.to_thread(gateway.end) == 0
    assert gateway.admin.encode() not in gateway.said


async def test_what_was_written_before_the_end_is_taken_in_at_the_end(gateway: Gateway) -> None:
    gateway.start()
    await gateway.api("/health/startup")
    journal = JournalWriter(gateway.data / "journal", "w0")
    journal.append(CallEnded("c1", 1001, "default", "admin", "chat", "auto", "ok", 200))
    journal.close()
    assert await asyncio.to_thread(gateway.end) == 0
    gateway.start()
    lines = (await gateway.api("/admin/status")).json()["store"]["lines"]
    assert lines == 0
    assert (await gateway.api("/v1/calls/c1")).json()["outcome"] == "ok"


async def test_files_are_reloaded_and_bad_ones_are_not(gateway: Gateway) -> None:
    gateway.start()
    await gateway.api("/health/startup")
    file = gateway.config / "federation.yaml"
    file.write_text("routes: [{name: fast, targets: [acme/large]}]\n")
    async with asyncio.timeout(15):
        while (await gateway.api("/admin/status")).json()["config"]["routes"] != 1:
            await asyncio.sleep(0.1)
    file.write_text("rutes: []\n")
    assert gateway.process is not None
    gateway.process.send_signal(signal.SIGHUP)
    async with asyncio.timeout(15):
        while not (found := (await gateway.api("/admin/status")).json()["config"])["problems"]:
            await asyncio.sleep(0.1)
    assert "rutes" in found["problems"][0]
    assert found["routes"] == 1


async def test_a_reload_never_opens_a_gateway_that_was_started_with_keys(gateway: Gateway) -> None:
    gateway.start()
    worker = Worker(gateway.run)
    task = asyncio.create_task(worker.link.run())
    await until(lambda: worker.ring)
    file = gateway.config / "federation.yaml"
    file.write_text("server: {open: true}\nstrategy: priority\n")
    await until(lambda: worker.snapshot and worker.snapshot.settings.strategy == "priority")
    assert worker.snapshot is not None
    assert not worker.snapshot.settings.open
    task.cancel()


async def test_a_bad_configuration_at_the_start_ends_with_78(gateway: Gateway) -> None:
    (gateway.config / "federation.yaml").write_text("strategi: priority\n")
    gateway.start()
    assert await asyncio.to_thread(gateway.end, None) == 78
    assert b"federation.yaml:1" in gateway.said
    assert b"strategy" in gateway.said


async def test_a_data_directory_that_cannot_be_made_ends_with_78(gateway: Gateway) -> None:
    gateway.data.write_text("a file")
    gateway.start()
    assert await asyncio.to_thread(gateway.end, None) == 78
    assert b"cannot be used" in gateway.said


async def test_an_orphaned_control_waits_for_its_workers_and_ends(gateway: Gateway) -> None:
    gateway.start()
    worker = Worker(gateway.run)
    task = asyncio.create_task(worker.link.run())
    await until(lambda: worker.ring)
    gateway.orphan()
    await asyncio.sleep(0.5)
    assert gateway.process is not None
    assert gateway.process.poll() is None
    task.cancel()
    began = time.monotonic()
    assert await asyncio.to_thread(gateway.end, None) == 0
    assert time.monotonic() - began < 10
