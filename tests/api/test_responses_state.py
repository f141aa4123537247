"""Stored responses over real processes: two workers share them, and deaths do not lose them."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from gateway_rig import hung_up
from processes import ADMIN, FEDERATION, Service, ready, serving, write_config
from responses_rig import PATH, events_of
from scripted import Talk, Upstream, whole

BACKGROUND = FEDERATION + "fields: {allow: [background]}\n"
SECRET_WORDS = "the tulips are purple this year"


async def unhurried(talk: Talk) -> None:
    """Answers at once, unless it is asked to hang."""
    if "hang" in talk.seen.json["messages"][-1]["content"]:
        await asyncio.Event().wait()
    await whole(talk)


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with Upstream(unhurried) as running:
        yield running


async def anew(service: Service, method: str, path: str, **given: Any) -> httpx.Response:
    """A request on a connection of its own: workers take turns."""
    async with service.client() as client:
        return await client.request(method, path, **given)


async def ask(service: Service, text: str, **members: Any) -> dict[str, Any]:
    body = {"model": "chat", "input": text} | members
    reply = await anew(service, "POST", PATH, json=body)
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.json()
    return found


async def becomes(service: Service, name: str, status: str, within_s: float = 15.0) -> None:
    end = time.monotonic() + within_s
    while (found := (await anew(service, "GET", f"{PATH}/{name}")).json())["status"] != status:
        assert time.monotonic() < end, (found, service.log.read_text())
        await asyncio.sleep(0.05)


def sealed(service: Service) -> dict[str, bytes]:
    """What stands in the store, by id."""
    with sqlite3.connect(f"file:{service.data}/federation.db?mode=ro", uri=True) as store:
        found = dict(store.execute("select id, sealed from responses").fetchall())
    store.close()
    return found


async def test_every_worker_knows_every_response(tmp_path: Path, upstream: Upstream) -> None:
    config = write_config(tmp_path, upstream.url)
    async with serving(tmp_path, config) as service:
        before = ""
        for turn in range(12):
            members = {"previous_response_id": before} if before else {}
            answer = await ask(service, f"turn {turn}", **members)
            before = answer["id"]
            assert len(upstream.seen[-1].json["messages"]) == 2 * turn + 1
            found = await anew(service, "GET", f"{PATH}/{before}")
            assert found.json() == answer
        reply = await anew(
            service,
            "POST",
            PATH,
            json={"model": "chat", "input": "a", "stream": True, "previous_response_id": before},
        )
        final = events_of(reply.content)[-1]["response"]
        assert (await anew(service, "GET", f"{PATH}/{final['id']}")).json() == final
        assert len(service.calls()) <= 13, "fetching is no call"


async def test_what_is_kept_cannot_be_read_off_the_disk(tmp_path: Path, upstream: Upstream) -> None:
    config = write_config(tmp_path, upstream.url)
    async with serving(tmp_path, config) as service:
        answer = await ask(service, SECRET_WORDS)
        assert list(sealed(service)) == [answer["id"]]
    for path in (tmp_path / "data").rglob("*"):
        if path.is_file():
            assert SECRET_WORDS.encode() not in path.read_bytes(), path


async def test_responses_outlive_control_and_the_whole_service(
    tmp_path: Path, upstream: Upstream
) -> None:
    config = write_config(tmp_path, upstream.url)
    async with serving(tmp_path, config) as service:
        first = await ask(service, "One")
        os.kill(service.children()["control"], signal.SIGKILL)
        given = await ask(service, "While control is away")
        assert given["status"] == "completed"
        await ready(service, 2)
        assert (await anew(service, "GET", f"{PATH}/{first['id']}")).json() == first
        found = await anew(service, "GET", f"{PATH}/{given['id']}")
        assert (found.status_code == 200) == given["store"]
        second = await ask(service, "Two", previous_response_id=first["id"])
    async with serving(tmp_path, config) as service:
        third = await ask(service, "Three", previous_response_id=second["id"])
        assert third["previous_response_id"] == second["id"]
        said = [each["content"] for each in upstream.seen[-1].json["messages"]]
        assert said == ["One", "Hello.", "Two", "Hello.", "Three"]


async def test_a_killed_worker_leaves_its_background_calls_failed(
    tmp_path: Path, upstream: Upstream
) -> None:
    config = write_config(tmp_path, upstream.url, BACKGROUND)
    async with serving(tmp_path, config) as service:
        done = (await ask(service, "quick", background=True))["id"]
        await becomes(service, done, "completed")
        names = [(await ask(service, f"hang {at}", background=True))["id"] for at in range(6)]
        for name in names:
            await becomes(service, name, "in_progress")
        for pid in service.workers():
            os.kill(pid, signal.SIGKILL)
        await ready(service, 2)
        for name in names:
            await becomes(service, name, "failed")
        await becomes(service, done, "completed")
        assert (await ask(service, "Go on", previous_response_id=names[0]))["store"] is True


async def test_any_worker_cancels_what_another_one_runs(tmp_path: Path, upstream: Upstream) -> None:
    config = write_config(tmp_path, upstream.url, BACKGROUND)
    async with serving(tmp_path, config, drain_s=1.0) as service:
        names = [(await ask(service, f"hang {at}", background=True))["id"] for at in range(4)]
        for name in names:
            await becomes(service, name, "in_progress")
        for name in names:
            reply = await anew(service, "POST", f"{PATH}/{name}/cancel")
            assert reply.json()["status"] == "cancelled"
        for seen in upstream.seen:
            await hung_up(seen)
        slow = (await ask(service, "hang on", background=True))["id"]
        await becomes(service, slow, "in_progress")
        left = slow
    with sqlite3.connect(tmp_path / "data" / "federation.db") as store:
        (status,) = store.execute("select status from responses where id = ?", (left,)).fetchone()
    store.close()
    assert status in ("failed", "in_progress"), "given up when the service stopped"
    async with serving(tmp_path, config) as service:
        await becomes(service, left, "failed")


async def test_responses_of_one_tenant_are_nothing_to_another(
    tmp_path: Path, upstream: Upstream
) -> None:
    config = write_config(tmp_path, upstream.url)
    async with serving(tmp_path, config) as running, running.client(ADMIN) as admin:
        with sqlite3.connect(running.data / "federation.db") as store:
            store.execute("INSERT INTO tenants (id, name, created_ms) VALUES ('other', 'Other', 0)")
        store.close()
        made = await admin.post(
            "/v1/keys", json={"name": "n", "role": "developer", "tenant": "other"}
        )
        assert made.status_code in (200, 201), made.text
        secret = made.json()["secret"]
        mine = await ask(running, "One")
        async with running.client(secret) as other:
            assert (await other.get(f"{PATH}/{mine['id']}")).status_code == 404
            body = {"model": "chat", "input": "a", "previous_response_id": mine["id"]}
            assert (await other.post(PATH, json=body)).status_code == 404
            theirs = (await other.post(PATH, json={"model": "chat", "input": "a"})).json()
            assert (await other.get(f"{PATH}/{theirs['id']}")).json() == theirs
        assert (await anew(running, "GET", f"{PATH}/{theirs['id']}")).status_code == 404
