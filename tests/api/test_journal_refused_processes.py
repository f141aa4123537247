"""A disk that takes no more records, under the whole service: no call is answered without one.

Root may write where modes forbid it, so the disk itself says no: by the process's limit on the size
of files, by a file system that is full, and by one that is mounted read-only.
"""

from __future__ import annotations

import asyncio
import json
import resource
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from gateway_rig import CHAT, HELLO
from processes import Service, free_port, serving, start, write_config
from scripted import Upstream, whole

PATIENCE_S = 30.0
DEMANDING = """
policy:
  name: recorded
  rules:
    - all_requests_logged: true
"""
SMALL = "48k"
"""Of a file system that some dozen calls fill."""


def _mounts() -> bool:
    """Whether file systems can be mounted here, where nobody else sees them."""
    if shutil.which("unshare") is None or shutil.which("nsenter") is None:
        return False
    probe = "mount -t tmpfs -o size=16k tmpfs /mnt"
    tried = subprocess.run(["unshare", "-m", "sh", "-c", probe], capture_output=True, check=False)
    return tried.returncode == 0


mounting = pytest.mark.skipif(not _mounts(), reason="nothing can be mounted here (not root?)")


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with Upstream(whole) as running:
        yield running


async def ask(service: Service) -> httpx.Response:
    """One call, on a connection of its own, so that every worker gets some."""
    async with service.client() as client:
        return await client.post(CHAT, json=HELLO)


async def until_refused(service: Service, answered: set[str]) -> httpx.Response:
    """Ask until a call is refused; the calls that were answered are added."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        reply = await ask(service)
        if reply.status_code != 200:
            return reply
        answered.add(reply.headers["x-federation-call-id"])
    raise AssertionError("it went on answering")


async def until_answered(service: Service) -> str:
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        reply = await ask(service)
        if reply.status_code == 200:
            return reply.headers["x-federation-call-id"]
        await asyncio.sleep(0.1)
    raise AssertionError(service.log.read_text()[-2000:])


def on_record(journal: Path) -> tuple[set[str], set[str]]:
    """The calls that the journals hold the beginning, and the end, of. No number twice, none
    left out, and nothing unfinished but at the end."""
    started: set[str] = set()
    ended: set[str] = set()
    numbers: dict[str, list[int]] = {}
    for path in sorted(journal.glob("*.log")):
        for line in path.read_bytes().splitlines():
            said = json.loads(line[9:])
            numbers.setdefault(said["writer"], []).append(said["seq"])
            kinds = {"started": started, "ended": ended}
            if said["record"]["type"] in kinds:
                kinds[said["record"]["type"]].add(said["record"]["call"])
    assert all(seen == list(range(1, len(seen) + 1)) for seen in numbers.values()), numbers
    return started, ended


def limited(workers: set[int], most: int) -> None:
    for worker in workers:
        _, hard = resource.prlimit(worker, resource.RLIMIT_FSIZE)
        resource.prlimit(worker, resource.RLIMIT_FSIZE, (most, hard))


async def test_a_disk_that_takes_no_more_bytes_lets_no_call_be_answered(
    tmp_path: Path, upstream: Upstream
) -> None:
    config = write_config(tmp_path, upstream.url)
    async with serving(tmp_path, config, workers=2) as service:
        answered = {await until_answered(service) for _ in range(12)}
        journal = service.data / "journal"
        # The next record of either worker does not fit, or only a part of it does.
        sizes = [path.stat().st_size for path in journal.glob("*.log")]
        workers = service.workers()
        limited(workers, max(sizes) + 100)
        refused = await until_refused(service, answered)
        limited(workers, min(sizes))
        assert refused.status_code == 503, refused.text
        before = len(upstream.seen)
        replies = [await ask(service) for _ in range(12)]
        assert {reply.status_code for reply in replies} == {503}
        assert all("hello" not in reply.text.lower() for reply in replies), "nothing of an answer"
        # Each worker learns it from one call; those that follow are refused before they cost.
        assert len(upstream.seen) - before <= len(workers)
        limited(workers, resource.RLIM_INFINITY)
        answered.add(await until_answered(service))
        answered |= {await until_answered(service) for _ in range(6)}
    started, ended = on_record(journal)
    assert answered <= ended
    assert answered <= started


async def test_journals_that_somebody_removes_are_begun_anew_within_seconds(
    tmp_path: Path, upstream: Upstream
) -> None:
    async with serving(tmp_path, write_config(tmp_path, upstream.url), workers=2) as service:
        await until_answered(service)
        journal = service.data / "journal"
        shutil.rmtree(journal)
        end = time.monotonic() + PATIENCE_S
        while len(list(journal.glob("w*.log"))) < 2:
            assert time.monotonic() < end
            await asyncio.sleep(0.1)
        answered = {await until_answered(service) for _ in range(6)}
        while not answered <= service.calls().keys():
            assert time.monotonic() < end, service.log.read_text()[-2000:]
            await asyncio.sleep(0.1)
    assert "a journal was removed" in service.log.read_text()


def mounted(journal: Path, *then: str) -> Sequence[str]:
    """Put a small file system where journals lie, seen by the service alone."""
    steps = [f"mount -t tmpfs -o size={SMALL},mode=700 tmpfs {journal}", *then]
    return ("unshare", "-m", "sh", "-c", " && ".join([*steps, 'exec "$@"']), "sh")


def inside(service: Service, path: Path) -> Path:
    """The path as the service sees it."""
    return Path(f"/proc/{service.process.pid}/root{path}")


@mounting
async def test_a_full_file_system_lets_no_call_be_answered_without_its_record(
    tmp_path: Path, upstream: Upstream
) -> None:
    journal = tmp_path / "data" / "journal"
    journal.mkdir(parents=True)
    config = write_config(tmp_path, upstream.url)
    async with serving(tmp_path, config, workers=1, within=mounted(journal)) as service:
        answered: set[str] = set()
        refused = await until_refused(service, answered)
        assert refused.status_code == 503
        assert answered, "there was room for some"
        for _ in range(6):
            # A shorter record may still fit where a longer one did not.
            reply = await ask(service)
            assert reply.status_code in (200, 503)
            if reply.status_code == 200:
                answered.add(reply.headers["x-federation-call-id"])
        more = f"mount -o remount,size=8m {journal}"
        subprocess.run(
            ["nsenter", "-t", str(service.process.pid), "-m", "sh", "-c", more], check=True
        )
        answered |= {await until_answered(service) for _ in range(4)}
        started, ended = on_record(inside(service, journal))
        assert answered <= ended
        assert answered <= started


@mounting
async def test_with_records_demanded_nothing_leaves_unrecorded_and_every_end_is_made_up_for(
    tmp_path: Path, upstream: Upstream
) -> None:
    """A line is written before a provider is asked; what could not be ended on record is ended as
    soon as there is room, and nobody is asked before."""
    journal = tmp_path / "data" / "journal"
    journal.mkdir(parents=True)
    config = write_config(tmp_path, upstream.url)
    (config / "policies").mkdir()
    (config / "policies" / "recorded.yaml").write_text(DEMANDING)
    async with serving(tmp_path, config, workers=1, within=mounted(journal)) as service:
        cut = 0
        async with service.client() as client:
            for number in range(400):
                body = HELLO | {"stream": number % 2 == 1, "user": f"u{number}", "seed": number}
                said = b""
                async with client.stream("POST", CHAT, json=body) as reply:
                    with suppress(httpx.RemoteProtocolError):
                        async for data in reply.aiter_bytes():
                            said += data
                if reply.status_code == 200 and body["stream"] and b"[DONE]" not in said:
                    assert b"evidence_unwritable" in said, "the stream says why it ends"
                    cut += 1
                elif reply.status_code != 200:
                    assert reply.status_code == 503
                    assert json.loads(said)["error"]["code"] == "evidence_unwritable"
                    assert reply.headers["x-federation-call-id"].startswith("call_")
                    cut += 1
                if cut > 20:
                    break
        assert cut > 20, "it went on answering"
        more = f"mount -o remount,size=8m {journal}"
        subprocess.run(
            ["nsenter", "-t", str(service.process.pid), "-m", "sh", "-c", more], check=True
        )
        await until_answered(service)
        started, ended = on_record(inside(service, journal))
        assert len(upstream.seen) == len(started), "each that was asked, and no other"
        assert started <= ended, "a call that was refused before it began has an end alone"


@mounting
async def test_where_journals_cannot_be_written_at_all_nothing_is_ever_answered(
    tmp_path: Path, upstream: Upstream
) -> None:
    journal = tmp_path / "data" / "journal"
    journal.mkdir(parents=True)
    config = write_config(tmp_path, upstream.url)
    read_only = mounted(journal, f"mount -o remount,ro {journal}")
    service = start(tmp_path, config, free_port(), 1, within=read_only)
    try:
        assert await service.exits(PATIENCE_S) != 0
        said = service.log.read_text()
        assert str(journal) in said, "it names the place"
        assert "cannot be used" in said
        assert upstream.seen == []
    finally:
        with suppress(ProcessLookupError):
            service.process.kill()
        service.process.wait()
