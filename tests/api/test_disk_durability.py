"""`disk` durability from a client's side: what it has seen end is on the disk, and a slow disk
holds up whoever waits for it, and nobody else."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from forgetful_disk import ForgetfulDisk
from gateway_rig import (
    CHAT,
    HELLO,
    STREAM,
    answers,
    eventually,
    refused,
    request_bytes,
    rig,
    status,
    streams,
)
from inprocess import Gateway
from scripted import DONE, Behave, Upstream, chunk

from federation.domain.policies import Attachment, Durable, Mode, Policy
from federation.storage.group_commit import GroupCommit
from federation.storage.journal import JournalWriter

CONTENT = chunk("Hel"), chunk("lo."), chunk(finish="stop")
AT_ONCE = (b"".join((*CONTENT, DONE)),)
ONE_BY_ONE = (*CONTENT, DONE)
LAST_TOGETHER = (chunk("Hello."), chunk(finish="stop") + DONE)


@dataclass
class Place:
    """A gateway, its clients, and the disk under its journal."""

    running: Gateway
    client: httpx.AsyncClient
    upstreams: list[Upstream]
    disk: ForgetfulDisk
    directory: Path

    def ends(self) -> list[str]:
        """Calls whose ends a loss of power would leave."""
        left = self.disk.after_a_loss_of_power(self.directory)
        return [call for kind, call in left if kind == "ended"]

    def everything(self) -> list[tuple[str, str]]:
        """Kinds of all records that were written, and their calls."""
        return self.disk.written(self.directory)

    async def raw(self, body: dict[str, Any]) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.running.port)
        writer.write(request_bytes(json.dumps(body).encode()))
        return reader, writer


async def within(seconds: float, reader: asyncio.StreamReader) -> bytes:
    """What comes in this time, of what does not end."""
    came = b""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while piece := await reader.read(65536):
                came += piece
    return came


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> ForgetfulDisk:
    return ForgetfulDisk(monkeypatch)


@asynccontextmanager
async def place(
    behave: Behave,
    disk: ForgetfulDisk,
    tmp_path: Path,
    durability: str = "disk",
    policies: tuple[Policy, ...] = (),
) -> AsyncIterator[Place]:
    commit = GroupCommit()
    journal = JournalWriter(tmp_path, "w", durability, commit=commit)
    async with rig(behave, journal=journal, policies=policies) as (running, client, upstreams):
        yield Place(running, client, upstreams, disk, tmp_path)
        disk.goes_on.set()
        disk.fails = None
    commit.close()
    journal.close()


async def test_no_answer_is_out_before_its_record_is_on_the_disk(
    disk: ForgetfulDisk, tmp_path: Path
) -> None:
    async with place(answers(), disk, tmp_path) as there:

        async def ask() -> None:
            reply = await there.client.post(CHAT, json=HELLO)
            assert reply.status_code == 200
            assert reply.headers["x-federation-call-id"] in there.ends()

        for _ in range(4):
            await asyncio.gather(*(ask() for _ in range(16)))
        left = there.disk.after_a_loss_of_power(tmp_path)
        assert len(there.ends()) == 64
        assert len([call for kind, call in left if kind == "started"]) == 64


async def test_answers_that_wait_share_a_sync(disk: ForgetfulDisk, tmp_path: Path) -> None:
    async with place(answers(), disk, tmp_path) as there:
        disk.goes_on.clear()
        asked = [asyncio.create_task(there.client.post(CHAT, json=HELLO)) for _ in range(30)]
        await eventually(lambda: len(there.upstreams[0].seen) == 30)
        await asyncio.sleep(0.2)
        assert not any(one.done() for one in asked)
        disk.goes_on.set()
        assert {reply.status_code for reply in await asyncio.gather(*asked)} == {200}
        assert len(disk.syncs) <= 4


@pytest.mark.parametrize("events", [AT_ONCE, ONE_BY_ONE, LAST_TOGETHER])
async def test_a_stream_shows_its_content_at_once_and_its_end_once_it_is_safe(
    disk: ForgetfulDisk, tmp_path: Path, events: tuple[bytes, ...]
) -> None:
    async with place(streams(*events, gap_s=0.05), disk, tmp_path) as there:
        disk.goes_on.clear()
        reader, writer = await there.raw(STREAM)
        if events is not AT_ONCE:
            async with asyncio.timeout(10):
                await reader.readuntil(b"lo.")
        await asyncio.sleep(0.1)
        assert b"[DONE]" not in await within(0.05, reader)
        assert there.ends() == []
        disk.goes_on.set()
        async with asyncio.timeout(10):
            await reader.readuntil(b"0\r\n\r\n")
        assert len(there.ends()) == 1
        writer.close()


async def test_a_disk_that_stands_still_holds_up_no_events(
    disk: ForgetfulDisk, tmp_path: Path
) -> None:
    many = [chunk(f"word{number} ") for number in range(50)]
    behave = streams(*many, chunk(finish="stop"), DONE, gap_s=0.01)
    async with place(behave, disk, tmp_path) as there:
        reader, writer = await there.raw(STREAM)
        async with asyncio.timeout(10):
            await reader.readuntil(b"word3 ")
            disk.goes_on.clear()
            waiting = asyncio.create_task(there.client.post(CHAT, json=HELLO | {"model": "nobody"}))
            await asyncio.sleep(0.05)
            await reader.readuntil(b"word49 ")
        assert not waiting.done()
        disk.goes_on.set()
        refused(await waiting, 404)
        writer.close()


async def test_a_refusal_is_on_the_disk_before_it_is_read(
    disk: ForgetfulDisk, tmp_path: Path
) -> None:
    async with place(status(400), disk, tmp_path) as there:
        reply = await there.client.post(CHAT, json=HELLO)
        assert reply.status_code == 400
        assert len(there.ends()) == 1


async def test_a_disk_that_fails_turns_answers_into_refusals_and_is_tried_again(
    disk: ForgetfulDisk, tmp_path: Path
) -> None:
    async with place(answers(), disk, tmp_path) as there:
        disk.fails = ".log"
        refused(await there.client.post(CHAT, json=HELLO), 503, "evidence_unwritable")
        assert len(there.upstreams[0].seen) == 1
        # Known to be broken: the next ones are refused before a token is spent.
        for _ in range(3):
            refused(await there.client.post(CHAT, json=HELLO), 503, "evidence_unwritable")
        assert len(there.upstreams[0].seen) == 1
        disk.fails = None
        for _ in range(3):
            reply = await there.client.post(CHAT, json=HELLO)
            assert reply.status_code == 200
            assert reply.headers["x-federation-call-id"] in there.ends()


async def test_a_probe_says_that_the_disk_refuses_records_until_it_takes_them(
    disk: ForgetfulDisk, tmp_path: Path
) -> None:
    async with place(answers(), disk, tmp_path) as there:
        assert (await there.client.get("/health/ready")).status_code == 200
        disk.fails = "w."
        refused(await there.client.post(CHAT, json=HELLO), 503, "evidence_unwritable")
        for _ in range(2):
            told = await there.client.get("/health/ready")
            refused(told, 503, "evidence_unwritable")
            assert "Input/output error" in told.json()["error"]["message"]
        asked = [there.client.get("/health/ready") for _ in range(8)]
        assert {told.status_code for told in await asyncio.gather(*asked)} == {503}
        assert {each.suffix for each in tmp_path.glob("w.*")} == {".log"}
        # Nobody has to call, and be refused, for the probe to find that the disk is well again.
        disk.fails = None
        for _ in range(2):
            assert (await there.client.get("/health/ready")).status_code == 200
        assert (await there.client.post(CHAT, json=HELLO)).status_code == 200
        assert {each.suffix for each in tmp_path.glob("w.*")} == {".log"}


async def test_a_gateway_that_promises_no_disk_is_ready_without_one(
    disk: ForgetfulDisk, tmp_path: Path
) -> None:
    """Only calls of which a policy demands it are refused then."""
    policy = Policy("durable", (Durable(),))
    async with place(answers(), disk, tmp_path, "process", (policy,)) as there:
        disk.fails = "w."
        refused(await there.client.post(CHAT, json=HELLO), 503, "evidence_unwritable")
        assert (await there.client.get("/health/ready")).status_code == 200


@pytest.mark.parametrize("events", [AT_ONCE, ONE_BY_ONE, LAST_TOGETHER])
async def test_a_stream_whose_end_the_disk_refuses_says_so_and_is_cut(
    disk: ForgetfulDisk, tmp_path: Path, events: tuple[bytes, ...]
) -> None:
    async with place(streams(*events, gap_s=0.05), disk, tmp_path) as there:
        disk.fails = ".log"
        reader, writer = await there.raw(STREAM)
        async with asyncio.timeout(10):
            said = await reader.read()
        assert b"evidence_unwritable" in said
        assert b"[DONE]" not in said.partition(b"evidence_unwritable")[0]
        assert not said.endswith(b"0\r\n\r\n") or b'"error"' in said
        writer.close()


async def test_a_client_that_leaves_while_its_answer_waits_leaves_one_line(
    disk: ForgetfulDisk, tmp_path: Path
) -> None:
    async with place(answers(), disk, tmp_path) as there:
        disk.goes_on.clear()
        reader, writer = await there.raw(HELLO)
        await eventually(lambda: len(there.upstreams[0].seen) == 1)
        await asyncio.sleep(0.1)
        writer.close()
        await eventually(lambda: there.running.server.in_flight == 0)
        disk.goes_on.set()
        await eventually(lambda: len(there.ends()) == 1)
        reply = await there.client.post(CHAT, json=HELLO)
        assert reply.status_code == 200
        assert len(there.ends()) == 2
        del reader


async def test_a_policy_asks_for_the_disk_for_those_whom_it_binds(
    disk: ForgetfulDisk, tmp_path: Path
) -> None:
    bound = Attachment(routes=("chat",))
    policy = Policy("safe", (Durable(),), attach=bound)
    async with place(answers(), disk, tmp_path, "process", (policy,)) as there:
        free = HELLO | {"model": "p0/acme-large"}
        for _ in range(3):
            assert (await there.client.post(CHAT, json=free)).status_code == 200
        await asyncio.sleep(0.1)
        assert disk.syncs == []
        reply = await there.client.post(CHAT, json=HELLO)
        assert reply.status_code == 200
        assert reply.headers["x-federation-call-id"] in there.ends()
        assert len(there.ends()) == 4, "nothing is missing before it"
        disk.fails = ".log"
        assert (await there.client.post(CHAT, json=free)).status_code == 200
        refused(await there.client.post(CHAT, json=HELLO), 503, "evidence_unwritable")


async def test_a_policy_in_report_mode_asks_for_no_disk(
    disk: ForgetfulDisk, tmp_path: Path
) -> None:
    policy = Policy("safe", (Durable(),), Mode.REPORT)
    async with place(answers(), disk, tmp_path, "process", (policy,)) as there:
        assert (await there.client.post(CHAT, json=HELLO)).status_code == 200
        assert disk.syncs == []


async def test_while_a_disk_is_tried_again_no_further_call_reaches_a_provider(
    disk: ForgetfulDisk, tmp_path: Path
) -> None:
    async with place(answers(), disk, tmp_path) as there:
        disk.fails = ".log"
        refused(await there.client.post(CHAT, json=HELLO), 503, "evidence_unwritable")
        assert len(there.upstreams[0].seen) == 1
        disk.goes_on.clear()
        asked = []
        for _ in range(4):
            asked.append(asyncio.create_task(there.client.post(CHAT, json=HELLO)))
            await asyncio.sleep(0.05)
        disk.goes_on.set()
        for reply in await asyncio.gather(*asked):
            refused(reply, 503, "evidence_unwritable")
        assert len(there.upstreams[0].seen) == 1
        disk.fails = None
        assert (await there.client.post(CHAT, json=HELLO)).status_code == 200
        assert (await there.client.post(CHAT, json=HELLO)).status_code == 200


async def test_who_is_refused_by_the_disk_before_a_provider_is_asked_has_an_end_on_record(
    disk: ForgetfulDisk, tmp_path: Path
) -> None:
    async with place(answers(), disk, tmp_path) as there:
        disk.fails = ".log"
        refused(await there.client.post(CHAT, json=HELLO), 503, "evidence_unwritable")
        refused(await there.client.post(CHAT, json=HELLO), 503, "evidence_unwritable")
        disk.fails = None
        assert (await there.client.post(CHAT, json=HELLO)).status_code == 200
        everyone = there.everything()
        begun = [call for kind, call in everyone if kind == "started"]
        assert len(begun) == 3
        assert sorted(begun) == sorted(call for kind, call in everyone if kind == "ended")


async def test_a_client_that_leaves_while_the_disk_is_tried_again_has_an_end_on_record(
    disk: ForgetfulDisk, tmp_path: Path
) -> None:
    async with place(answers(), disk, tmp_path) as there:
        disk.fails = ".log"
        refused(await there.client.post(CHAT, json=HELLO), 503, "evidence_unwritable")
        disk.goes_on.clear()
        _, writer = await there.raw(HELLO)
        await eventually(lambda: len(there.everything()) >= 3)
        writer.close()
        await eventually(lambda: there.running.server.in_flight == 0)
        disk.fails = None
        disk.goes_on.set()
        await eventually(lambda: [kind for kind, _ in there.everything()].count("ended") == 2)


async def test_a_policy_that_asks_for_a_disk_that_fails_spends_nothing_on_further_calls(
    disk: ForgetfulDisk, tmp_path: Path
) -> None:
    policy = Policy("safe", (Durable(),), attach=Attachment(routes=("chat",)))
    free = HELLO | {"model": "p0/acme-large"}
    async with place(answers(), disk, tmp_path, "process", (policy,)) as there:
        disk.fails = ".log"
        for _ in range(3):
            refused(await there.client.post(CHAT, json=HELLO), 503, "evidence_unwritable")
            assert len(there.upstreams[0].seen) == 1
        assert (await there.client.post(CHAT, json=free)).status_code == 200
        refused(await there.client.post(CHAT, json=HELLO), 503, "evidence_unwritable")
        assert len(there.upstreams[0].seen) == 2
        disk.fails = None
        assert (await there.client.post(CHAT, json=HELLO)).status_code == 200
        assert (await there.client.post(CHAT, json=free)).status_code == 200
