"""A worker from its start to its end, in the test's own loop, with a stand-in for control."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx
import pytest
from gateway_rig import CHAT, HELLO, eventually, http_client, refused
from inprocess import SECRET, OneKey, deployment, model, provider, route, snapshot
from scripted import Upstream, whole

from federation.bootstrap import following
from federation.bootstrap import worker as worker_module
from federation.bootstrap.worker import Options, Worker, on_fault, options
from federation.control.frames import frame, pack_ring, pack_snapshot
from federation.control.link_server import LinkServer, WorkerEvents
from federation.domain.catalogue import Limits
from federation.domain.snapshot import KeyRing, Snapshot
from federation.schema.link import Hello, LeaseAsk, LeaseGrant, Measure, Report
from federation.schema.records import CallEnded, CallStarted
from federation.storage.journal_reader import JournalReader
from federation.storage.keyring import key_hash


@dataclass
class Control:
    """What a worker sees of control: the link, and what it reported."""

    link: LinkServer
    state: Snapshot
    upstream: Upstream
    reports: list[Report] = field(default_factory=list)
    writable: bool = True
    left: int = 0
    """What remains of every allowance."""

    def grant(self, ask: LeaseAsk, sharers: int) -> LeaseGrant:
        amount = min(ask.amount, self.left)
        self.left -= amount
        return LeaseGrant(ask.name, amount, 10**15)

    def publish(self, state: Snapshot | None = None, *, keyed: bool = True) -> None:
        self.link.publish_snapshot(pack_snapshot(state or self.state))
        key = replace(OneKey().key, hash=key_hash(b"hash key", SECRET))
        self.link.publish_keys(pack_ring(KeyRing(1, b"hash key", (key,) if keyed else ())))


@dataclass
class Life:
    """A running worker."""

    task: asyncio.Task[None]
    control: Control
    client: httpx.AsyncClient
    lifeline: int
    hearing: int
    """Where it says that it works."""

    def launcher_dies(self) -> None:
        if self.lifeline >= 0:
            os.close(self.lifeline)
        self.lifeline = -1

    async def ends(self) -> None:
        await asyncio.wait_for(self.task, 10)


@asynccontextmanager
async def life(tmp_path: Path, *, publish: bool = True) -> AsyncIterator[Life]:
    run = tmp_path / "run"
    run.mkdir()
    reading, writing = os.pipe()
    hearing, beat = os.pipe()
    async with Upstream(whole) as upstream:
        row = deployment(provider("p0", upstream.url), model("acme-large"))
        state = snapshot((row,), route("chat", row.id))
        control = Control(None, state, upstream)  # type: ignore[arg-type]
        control.link = LinkServer(
            run / "link.sock",
            events=WorkerEvents(report=control.reports.append),
            lease=control.grant,
            store_writable=lambda: control.writable,
        )
        await control.link.start()
        if publish:
            control.publish()
        with socket.create_server(("127.0.0.1", 0)) as listening:
            listening.setblocking(False)
            given = Options(tmp_path, tmp_path, run, reading, listening.fileno(), 0, 5.0, beat)
            task = asyncio.ensure_future(Worker(given).run())
            url = f"http://127.0.0.1:{listening.getsockname()[1]}"
            async with http_client(url) as client:
                worker = Life(task, control, client, writing, hearing)
                try:
                    yield worker
                finally:
                    task.cancel()
                    await asyncio.gather(task, return_exceptions=True)
                    await control.link.stop()
                    for fd in (reading, hearing, beat):
                        os.close(fd)
                    worker.launcher_dies()
                    gc.unfreeze()


def test_the_command_line_is_the_launchers() -> None:
    given = ["--data=/d", "--config=/c", "--run=/r", "--lifeline=4", "--fd=5", "--slot=1"]
    assert options(given) == Options(Path("/d"), Path("/c"), Path("/r"), 4, 5, 1, 30.0)
    assert options([*given, "--drain-s=2.5"]).drain_s == 2.5
    assert options([*given, "--beat=6"]).beat == 6


async def test_a_client_that_comes_too_early_waits_for_the_first_snapshot(tmp_path: Path) -> None:
    async with life(tmp_path, publish=False) as worker:
        early = asyncio.ensure_future(worker.client.post(CHAT, json=HELLO))
        await asyncio.sleep(0.2)
        assert not early.done()
        assert os.read(worker.hearing, 1) == b"."
        worker.control.publish()
        assert (await early).status_code == 200


async def test_a_worker_that_has_settled_moves_its_heap_once_and_off_its_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved: list[int] = []

    def move() -> int:
        moved.append(threading.get_ident())
        return 1

    monkeypatch.setattr(worker_module, "SETTLED_S", 0.05)
    monkeypatch.setattr(worker_module, "collapse_heap", move)
    async with life(tmp_path) as worker:
        assert (await worker.client.post(CHAT, json=HELLO)).status_code == 200
        await eventually(lambda: bool(moved))
        await asyncio.sleep(0.2)
    assert len(moved) == 1
    assert moved != [threading.get_ident()]


async def test_a_call_is_in_the_journal_before_its_answer_ends(tmp_path: Path) -> None:
    async with life(tmp_path) as worker:
        reply = await worker.client.post(CHAT, json=HELLO)
        reader = JournalReader(tmp_path / "journal")
        ((writer, segment),) = reader.writers().items()
        assert not reader.gone(writer, segment)
        lines = (tmp_path / "journal" / f"{writer}.000001.log").read_text().splitlines()
        assert len(lines) == 2
        assert '"type":"started"' in lines[0]
        assert '"type":"ended"' in lines[1]
        assert reply.headers["x-federation-call-id"] in lines[1]
        assert CallStarted.__struct_config__.tag == "started"
        assert CallEnded.__struct_config__.tag == "ended"


async def test_what_control_says_is_obeyed_at_once(tmp_path: Path) -> None:
    async with life(tmp_path) as worker:
        control, client = worker.control, worker.client
        assert (await client.post(CHAT, json=HELLO)).status_code == 200
        control.publish(keyed=False)
        await asyncio.sleep(0.1)
        refused(await client.post(CHAT, json=HELLO), 401, "invalid_api_key")
        control.publish(replace(control.state, version=2, routes={}))
        await asyncio.sleep(0.1)
        refused(await client.post(CHAT, json=HELLO), 404, "model_not_found")
        control.writable = False
        for _ in range(100):
            reply = await client.get("/health/ready")
            if reply.status_code == 503:
                break
            await asyncio.sleep(0.05)
        refused(reply, 503, "store_not_writable")


async def test_what_a_worker_saw_is_reported_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "REPORT_S", 0.05)
    async with life(tmp_path) as worker:
        for _ in range(3):
            await worker.client.post(CHAT, json=HELLO)
        reports = worker.control.reports
        await eventually(lambda: sum(len(report.measures) for report in reports) == 3)
        await asyncio.sleep(0.2)
        counted: dict[str, float] = {}
        for report in reports:
            for name, amount in report.counters.items():
                counted[name] = counted.get(name, 0.0) + amount
        requests = [amount for name, amount in counted.items() if "requests_total" in name]
        assert sum(requests) == 3
        assert sum(len(report.measures) for report in reports) == 3


async def test_without_control_a_worker_goes_on_and_finds_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "REPORT_S", 0.05)
    async with life(tmp_path) as worker:
        assert (await worker.client.post(CHAT, json=HELLO)).status_code == 200
        await worker.control.link.stop()
        seen = len(worker.control.reports)
        for _ in range(3):
            assert (await worker.client.post(CHAT, json=HELLO)).status_code == 200
        await asyncio.sleep(0.2)
        reports = worker.control.reports
        assert len(reports) <= seen + 1
        await worker.control.link.start()
        worker.control.publish()
        await eventually(lambda: sum(len(report.measures) for report in reports) == 4)


async def test_a_limited_provider_is_used_within_what_control_grants(tmp_path: Path) -> None:
    async with life(tmp_path, publish=False) as worker:
        state = worker.control.state
        row = state.deployments[0]
        limited = replace(row, provider=replace(row.provider, limits=Limits(rpm=3)))
        worker.control.left = 3
        worker.control.publish(replace(state, deployments=(limited,)))
        replies = [await worker.client.post(CHAT, json=HELLO) for _ in range(5)]
        assert [reply.status_code for reply in replies] == [200, 200, 200, 429, 429]
        assert len(worker.control.upstream.seen) == 3


async def test_other_workers_measures_are_heeded(tmp_path: Path) -> None:
    async with life(tmp_path) as worker:
        state = worker.control.state
        healthy = state.deployments[0]
        other = replace(healthy, id="ill/acme-large", provider=replace(healthy.provider, id="ill"))
        chat = route("chat", other.id, healthy.id)
        both = (other, healthy)
        worker.control.publish(replace(state, version=2, deployments=both, routes={"chat": chat}))
        await asyncio.sleep(0.1)
        reply = await worker.client.post(CHAT, json=HELLO)
        assert reply.headers["x-federation-provider"] == "ill"
        failures = [
            Measure(other.id, int(time.time() * 1000), False, 0.0, 1.0, 0, "upstream_failed")
        ] * 10
        reader, writer = await asyncio.open_unix_connection(str(tmp_path / "run" / "link.sock"))
        writer.write(frame(Hello(1, 1, "w1")) + frame(Report(1, {}, {}, {}, failures)))
        await writer.drain()
        await asyncio.sleep(0.1)
        reply = await worker.client.post(CHAT, json=HELLO)
        assert reply.headers["x-federation-provider"] == "p0"
        writer.close()
        await writer.wait_closed()
        assert reader is not None


async def test_a_worker_whose_launcher_is_gone_finishes_what_it_has(tmp_path: Path) -> None:
    async with life(tmp_path) as worker:
        go_on = asyncio.Event()

        async def slow(talk: object) -> None:
            await go_on.wait()
            await whole(talk)  # type: ignore[arg-type]

        worker.control.upstream.behave = slow
        asking = asyncio.ensure_future(worker.client.post(CHAT, json=HELLO))
        await eventually(lambda: len(worker.control.upstream.seen) == 1)
        worker.launcher_dies()
        await asyncio.sleep(0.1)
        assert not worker.task.done()
        go_on.set()
        reply = await asking
        assert reply.status_code == 200
        assert reply.headers["connection"] == "close"
        await worker.ends()


async def test_a_snapshot_that_cannot_be_applied_ends_the_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with life(tmp_path) as worker:
        assert (await worker.client.post(CHAT, json=HELLO)).status_code == 200

        def broken(*_: object) -> None:
            raise LookupError("a bug")

        monkeypatch.setattr(following, "situate", broken)
        worker.control.publish(replace(worker.control.state, version=2))
        with pytest.raises(LookupError):
            await worker.ends()


def test_a_bug_is_logged_under_the_id_that_the_client_has(
    caplog: pytest.LogCaptureFixture,
) -> None:
    on_fault(LookupError("a bug"), "req_1")
    (record,) = caplog.records
    assert record.exc_info is not None
    assert record.__dict__["request_id"] == "req_1"


async def test_a_worker_without_a_journal_asks_nobody_and_is_not_ready(tmp_path: Path) -> None:
    blocked = tmp_path / "journal"
    blocked.write_text("")
    async with life(tmp_path) as worker:
        client = worker.client
        for _ in range(2):
            refused(await client.get("/health/ready"), 503, "evidence_unwritable")
            refused(await client.post(CHAT, json=HELLO), 503, "evidence_unwritable")
        assert worker.control.upstream.seen == []
        blocked.unlink()
        assert (await client.get("/health/ready")).status_code == 200
        assert (await client.post(CHAT, json=HELLO)).status_code == 200
