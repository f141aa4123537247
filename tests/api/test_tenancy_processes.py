"""Tenancy through the whole product: what a worker knows of it, and how soon."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import httpx
from gateway_rig import CHAT, HELLO
from processes import Service, serving, write_config
from scripted import Upstream, whole


async def statuses(service: Service, secret: str, count: int = 8) -> set[int]:
    """Of calls on so many new connections, which spread over the workers."""

    async def once() -> int:
        async with service.client(secret) as client:
            return (await client.post(CHAT, json=HELLO)).status_code

    return set(await asyncio.gather(*(once() for _ in range(count))))


async def within_a_second(service: Service, secret: str, status: int) -> None:
    """Every worker answers with this status, a second after now."""
    await asyncio.sleep(1.0)
    assert await statuses(service, secret) == {status}


async def done(reply: httpx.Response) -> Any:
    assert reply.status_code < 300, reply.text
    return reply.json() if reply.content else None


async def test_every_worker_knows_of_a_change_within_a_second(tmp_path: Path) -> None:
    async with (
        Upstream(whole) as upstream,
        serving(tmp_path, write_config(tmp_path, upstream.url)) as service,
        service.client() as admin,
    ):
        await done(await admin.post("/v1/admin/tenants", json={"id": "acme"}))
        await done(await admin.post("/v1/admin/teams", json={"id": "red", "tenant": "acme"}))
        ada = {"id": "ada", "tenant": "acme", "team": "red"}
        await done(await admin.post("/v1/admin/users", json=ada))
        wish = {"name": "k", "tenant": "acme", "user": "ada"}
        key = await done(await admin.post("/v1/keys", json=wish))
        await within_a_second(service, key["secret"], 200)

        for change, status in ((True, 401), (False, 200)):
            path, body = "/v1/admin/users/ada?tenant=acme", {"suspended": change}
            await done(await admin.patch(path, json=body))
            await within_a_second(service, key["secret"], status)

        path = f"/v1/keys/{key['id']}/rotate"
        new = await done(await admin.post(path, json={"overlap_s": 4}))
        turned = time.monotonic()
        await within_a_second(service, new["secret"], 200)
        if time.monotonic() < turned + 3.5:
            assert await statuses(service, key["secret"], 2) == {200}
        await asyncio.sleep(max(0.0, turned + 4.1 - time.monotonic()))
        assert await statuses(service, key["secret"]) == {401}
        assert await statuses(service, new["secret"]) == {200}

        await done(await admin.patch("/v1/admin/tenants/acme", json={"suspended": True}))
        await within_a_second(service, new["secret"], 401)
