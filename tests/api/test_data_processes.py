"""Contents that are kept, as an operator meets them: a running service, its CLI, its files.

The canary: words that stand in prompts, answers and keys are looked for in every file of the
data directory, in logs, metrics and errors. They may be nowhere, for what is kept is sealed.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from pathlib import Path
from typing import Any

import httpx
from gateway_rig import CHAT
from named_users import cli, files
from processes import FEDERATION, serving, write_config
from scripted import Talk, Upstream, completion

KEEP = FEDERATION + "payloads: {keep: true, days: 30}\n"
PROMPT, ANSWER, PII = "canary-prompt-7f3a", "canary-answer-91c2", "canary.person@example.org"
SECRET = "sk-canary-upstream-0123456789abcdef"
BROKEN = "canary-fault"


async def behave(talk: Talk) -> None:
    """Answers with the canary; fails with it in the error where the prompt asks for that."""
    body = talk.seen.json
    said = body["messages"][-1]["content"]
    if BROKEN in said:
        failed = {"error": {"message": f"bad: {said} {SECRET}", "type": "server_error"}}
        await talk.answer(json.dumps(failed).encode(), 500)
        return
    if body.get("stream"):
        await talk.begin_stream()
        for piece in (f"{ANSWER} ", "and more"):
            chunk = {
                "id": "c1",
                "object": "chat.completion.chunk",
                "created": 1,
                "model": "acme-large",
                "choices": [{"index": 0, "delta": {"content": piece}, "finish_reason": None}],
            }
            await talk.event(b"data: " + json.dumps(chunk).encode() + b"\n\n")
        end = chunk | {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
        await talk.event(b"data: " + json.dumps(end).encode() + b"\n\ndata: [DONE]\n\n")
        await talk.end_stream()
        return
    await talk.answer(completion(ANSWER))


def call(user: str, **more: Any) -> dict[str, Any]:
    content = f"{PROMPT} of {user}, write to {PII}"
    return {
        "model": "chat",
        "user": user,
        "messages": [{"role": "user", "content": content}],
    } | more


async def data_of(client: httpx.AsyncClient, name: str) -> dict[str, Any]:
    """A kept content, once control has taken it in."""
    end = time.monotonic() + 30.0
    while True:
        reply = await client.get(f"/v1/admin/data/payloads/{name}")
        if reply.status_code != 404:
            assert reply.status_code == 200, reply.text
            found: dict[str, Any] = reply.json()
            return found
        assert time.monotonic() < end, reply.text
        await asyncio.sleep(0.1)


async def until(check: Any, what: str, within_s: float = 30.0) -> None:
    end = time.monotonic() + within_s
    while not await check():
        assert time.monotonic() < end, what
        await asyncio.sleep(0.1)


async def test_contents_are_kept_sealed_read_held_erased_and_found_nowhere(tmp_path: Path) -> None:
    async with Upstream(behave) as upstream:
        config = write_config(tmp_path, upstream.url, KEEP)
        environ = {"ACME_KEY": SECRET}
        async with (
            serving(tmp_path, config, 1, environ=environ) as running,
            running.client() as client,
        ):
            whole = await client.post(CHAT, json=call("anna"))
            assert whole.status_code == 200, whole.text
            streamed = await client.post(CHAT, json=call("ben", stream=True))
            assert ANSWER in streamed.text
            asked = {"model": "chat", "user": "anna", "input": f"{PROMPT} {PII}", "store": True}
            reply = await client.post("/v1/responses", json=asked)
            stored = f"/v1/responses/{reply.json()['id']}"
            assert ANSWER in (await client.get(stored)).text
            failed = await client.post(CHAT, json=call(f"{BROKEN}"))
            assert failed.status_code >= 500
            assert SECRET not in failed.text
            ids = [reply.headers["x-request-id"] for reply in (whole, streamed)]

            kept = [await data_of(client, each) for each in ids]
            for found, user in zip(kept, ("anna", "ben"), strict=True):
                assert found["user"] == user
                assert found["proven"] is True
                assert found["cut"] is False
                assert PROMPT in found["request"]
                assert ANSWER in found["answer"]
            assert "[DONE]" in kept[1]["answer"]
            listed = (await client.get("/v1/admin/data/payloads")).json()
            assert {each["call"] for each in listed["data"]} >= set(ids)

            code, text = cli(running, "data", "hold", "case 7", "--subject", "ben", "--json")
            assert code == 0, text
            hold = json.loads(text)["id"]
            code, text = cli(running, "data", "erase", "--subject", "ben", "--yes")
            assert code == 0, text
            assert "waits for a legal hold" in text
            assert hold in text
            code, text = cli(running, "data", "erase", "--subject", "anna", "--yes")
            assert code == 0, text
            # Of the content, and of the name as soon as control has kept it.
            assert re.search(r"Erased: [12] keys", text)
            assert (await client.get(f"/v1/admin/data/payloads/{ids[0]}")).status_code == 404
            assert (await client.get(stored)).status_code == 404
            assert (await data_of(client, ids[1]))["user"] == "ben"

            code, text = cli(running, "data", "rotate", "--most", "1")
            assert code == 0, text
            assert (await data_of(client, ids[1]))["proven"] is True
            assert (await client.post(CHAT, json=call("cleo"))).status_code == 200
            metrics = (await client.get("/metrics")).text
            erasures = (await client.get("/v1/admin/data/erasures")).json()["data"]
            assert sorted(each["state"] for each in erasures) == ["done", "waiting"]

            # The key of the spools is replaced after an erasure, and the old one destroyed.
            async def retired() -> bool:
                stones = (running.data / "tombstones.jsonl").read_bytes()
                return b'"why":"spool"' in stones

            await until(retired, "the former key of the spools is still there")
            log = running.log.read_text()
        for text in (metrics, log):
            for canary in (PROMPT, ANSWER, PII, SECRET, BROKEN):
                assert canary not in text
        assert (running.data / "last-time").is_file(), "the next start goes by it"
        code, text = cli(running, "audit", "verify", "--data", str(running.data))
        assert code == 0, text
        for path, content in files(tmp_path / "data"):
            for canary in (PROMPT, ANSWER, PII, SECRET):
                assert canary.encode() not in content, (path, canary)


async def test_nothing_is_kept_unless_it_is_asked_for(tmp_path: Path) -> None:
    async with Upstream(behave) as upstream:
        config = write_config(tmp_path, upstream.url)
        async with serving(tmp_path, config, workers=1) as running, running.client() as client:
            reply = await client.post(CHAT, json=call("anna"))
            name = reply.headers["x-request-id"]
            assert (await client.get(f"/v1/admin/data/payloads/{name}")).status_code == 404

            policies = config / "policies"
            policies.mkdir()
            (policies / "keep.yaml").write_text(
                "policy: {name: keep, rules: [{payloads: {keep: true, days: 7}}]}\n"
            )

            async def known() -> bool:
                reply = await client.post(CHAT, json=call("anna"))
                assert reply.status_code in (200, 503), reply.text
                found = await client.get(f"/v1/admin/data/payloads/{reply.headers['x-request-id']}")
                return found.status_code == 200

            await until(known, "the policy keeps nothing")
        assert not [path for path, text in files(tmp_path / "data") if PROMPT.encode() in text]
