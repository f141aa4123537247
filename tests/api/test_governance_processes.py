"""Policies as an operator meets them: files beside the configuration of a running service."""

from __future__ import annotations

import asyncio
import shutil
import time
from pathlib import Path
from typing import Any

import httpx
from gateway_rig import CHAT, HELLO, answers
from processes import ADMIN, serving, write_config
from scripted import Upstream

_US = "policy: {name: here, rules: [{data_residency: [us]}]}\n"
_EU = "policy: {name: here, rules: [{data_residency: [eu]}]}\n"


async def test_policies_come_with_the_files_and_do_not_go_with_them(tmp_path: Path) -> None:
    async with Upstream(answers()) as upstream:
        config = write_config(tmp_path, upstream.url)
        policies = config / "policies"
        policies.mkdir()
        (policies / "here.yaml").write_text(_US)
        async with serving(tmp_path, config) as running, running.client(ADMIN) as client:
            reply = await client.post(CHAT, json=HELLO)
            assert reply.status_code == 403, reply.text
            assert "data_residency of here keeps out 1" in reply.json()["error"]["message"]
            story = await _story(client, reply.headers["x-request-id"])
            assert [name.partition("+")[0] for name in story["policies"]] == ["here@1"]
            (refusal,) = story["refusals"]
            assert refusal == f"{story['policies'][0]}.data_residency"

            (policies / "here.yaml").write_text("policy: {name: here, rules: [{condition: 1 + 1}]}")
            await _logged(running.log, "configuration refused", 1)
            assert (await client.post(CHAT, json=HELLO)).status_code == 403
            shutil.rmtree(policies)
            await _logged(running.log, "every policy is gone; those in force stay", 1)
            assert (await client.post(CHAT, json=HELLO)).status_code == 403
            assert upstream.seen == []

            policies.mkdir()
            (policies / "here.yaml").write_text(_EU)
            end = time.monotonic() + 15.0
            while (await client.post(CHAT, json=HELLO)).status_code != 200:
                assert time.monotonic() < end, running.log.read_text()
                await asyncio.sleep(0.1)


async def _story(client: httpx.AsyncClient, call: str) -> dict[str, Any]:
    end = time.monotonic() + 10.0
    while True:
        reply = await client.get(f"/v1/calls/{call}")
        if reply.status_code == 200 and reply.json()["outcome"] != "running":
            found: dict[str, Any] = reply.json()
            return found
        assert time.monotonic() < end, reply.text
        await asyncio.sleep(0.05)


async def _logged(log: Path, words: str, times: int) -> None:
    end = time.monotonic() + 15.0
    while log.read_text().count(words) < times:
        assert time.monotonic() < end, log.read_text()
        await asyncio.sleep(0.05)
