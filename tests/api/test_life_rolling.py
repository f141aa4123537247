"""Workers are replaced one by one under load, and nobody notices."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from life_load import SLOW_TEXT, loaded, provider, slow_stream, until
from processes import serving, write_config
from scripted import Upstream

from federation.bootstrap.rolling import DONE, FAILED, RUNNING, progress


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with Upstream(provider) as running:
        yield running


async def federation(*words: str) -> tuple[int, str, str]:
    """A command of ours as a process: its exit code, and what it said."""

    def run() -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "federation.cli.main", *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    done = await asyncio.to_thread(run)
    return done.returncode, done.stdout, done.stderr


async def test_every_worker_is_replaced_and_no_call_fails(
    tmp_path: Path, upstream: Upstream
) -> None:
    async with serving(tmp_path, write_config(tmp_path, upstream.url)) as service:
        before, control = service.workers(), service.children()["control"]
        async with loaded(service) as load, service.client() as client:
            began = [asyncio.Event() for _ in range(6)]
            streams = [asyncio.ensure_future(slow_stream(client, each)) for each in began]
            await asyncio.gather(*(each.wait() for each in began))
            code, said, _ = await federation("restart", "--data", str(service.data))
            assert code == 0, said
            assert "worker 0 is process" in said
            assert "every worker is replaced" in said
            await load.more(40)
            assert await asyncio.gather(*streams) == [SLOW_TEXT] * 6
        assert load.failed == []
        after = service.workers()
        assert len(after) == 2
        assert not after & before
        assert service.children()["control"] == control
        ledger = service.calls()
        async with service.client() as client:
            stats = (await client.get("/v1/stats")).json()
        assert stats["outcomes"] == {"ok": len(load.ended) + 6}
        assert not [row for row in ledger.values() if row["outcome"] == "lost"]


async def test_a_replacement_that_does_not_come_leaves_the_old_ones_running(
    tmp_path: Path, upstream: Upstream
) -> None:
    async with serving(tmp_path, write_config(tmp_path, upstream.url)) as service:
        before, control = service.workers(), service.children()["control"]
        run = service.data / "run"
        async with loaded(service, 1) as load:
            # Without control's snapshot no replacement comes so far that it answers.
            os.kill(control, signal.SIGSTOP)
            try:
                service.process.send_signal(signal.SIGUSR2)
                await until(lambda: len(service.every("worker 0")) == 2)
                assert progress(run).state == RUNNING
                (new,) = service.every("worker 0") - before
                await asyncio.sleep(0.3)
                os.kill(new, signal.SIGKILL)
                await until(lambda: progress(run).state == FAILED)
            finally:
                os.kill(control, signal.SIGCONT)
            assert "worker 0's replacement ended with code -9" in progress(run).said[-1]
            assert service.workers() == before
            await load.more(20)
            code, said, _ = await federation("restart", "--data", str(service.data), "--json")
            assert (code, json.loads(said)["state"]) == (0, DONE)
            assert not service.workers() & before
        assert load.failed == []


async def test_a_service_that_is_stopped_in_the_middle_leaves_no_process_behind(
    tmp_path: Path, upstream: Upstream
) -> None:
    async with serving(tmp_path, write_config(tmp_path, upstream.url)) as service:
        async with service.client() as client:
            began = asyncio.Event()
            stream = asyncio.ensure_future(slow_stream(client, began))
            await began.wait()
            service.process.send_signal(signal.SIGUSR2)
            await until(lambda: progress(service.data / "run").state == RUNNING)
            await until(lambda: len(service.everyone()) > 3)
            service.process.send_signal(signal.SIGTERM)
            assert await stream == SLOW_TEXT, "what runs is finished all the same"
        assert await service.exits() == 0
        await service.gone()
        assert progress(service.data / "run").state == FAILED


async def test_without_a_gateway_the_command_says_so(tmp_path: Path) -> None:
    code, _, said = await federation("restart", "--data", str(tmp_path))
    assert code == 3
    assert "No gateway runs on the data directory" in said
