"""Users in records, and contents, over two replicas: whole processes, one PostgreSQL, `deploy`.

What one replica has heard or kept the other can tell, and whom one has erased is nobody at the
other.
"""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import psycopg
from cluster import Cluster, clustered, until
from gateway_rig import CHAT, HELLO
from processes import Service
from scripted import Upstream, whole

KEEP = "payloads: {keep: true, days: 30}\n"
PROMPT = "canary-prompt-5e20"
ANNA, BEN = "canary.anna.4d1b@example.org", "canary-ben-77aa"
CANARIES = (ANNA, BEN, PROMPT)
NAMES = "/v1/admin/data/names"
COSTS = "/v1/analytics/costs"
CONTENTS = "/v1/admin/data/payloads"


async def call(client: httpx.AsyncClient, user: str) -> str:
    """A call of a user; its id."""
    body = HELLO | {"messages": [{"role": "user", "content": PROMPT}]}
    body |= {"federation": {"user": user, "tags": {"who": user}}}
    reply = await client.post(CHAT, json=body)
    assert reply.status_code == 200, reply.text
    return reply.headers["x-federation-call-id"]


async def shown(client: httpx.AsyncClient, call: str) -> dict[str, Any]:
    """A call's account at this replica, once it is there and over."""
    found: dict[str, Any] = {}

    async def there() -> bool:
        reply = await client.get(f"/v1/calls/{call}")
        found.update(reply.json() if reply.status_code == 200 else {})
        return found.get("outcome") == "ok"

    await until(there)
    return found


async def named(client: httpx.AsyncClient, call: str, user: str) -> None:
    """Wait until this replica tells who made a call."""

    async def told() -> bool:
        account = await shown(client, call)
        return bool(account["user"] == user and account["tags"] == {"who": user})

    await until(told)


async def subject_of(client: httpx.AsyncClient, user: str) -> str:
    reply = await client.post(NAMES, json={"user": user})
    assert reply.status_code == 200, reply.text
    subject: str = reply.json()["subject"]
    return subject


async def test_whom_one_replica_erases_is_nobody_at_the_other(tmp_path: Path) -> None:
    async with (
        Upstream(whole) as upstream,
        clustered(tmp_path, upstream.url, redis=False, more=KEEP) as cluster,
        cluster.replicas[0].client() as one,
        cluster.replicas[1].client() as two,
    ):
        # Both hear of the tenant's first names in the same moment, and of the same person.
        first, second, other = await asyncio.gather(
            call(one, ANNA), call(two, ANNA), call(two, BEN)
        )
        for at in (one, two):
            await named(at, first, ANNA)
            await named(at, second, ANNA)
            await named(at, other, BEN)
        subject = await subject_of(one, ANNA)
        assert await subject_of(two, ANNA) == subject, "all replicas name her alike"
        for at in (one, two):
            by_tag = (await at.get(f"{COSTS}?tag={quote(f'who={ANNA}')}")).json()
            assert by_tag["total"]["calls"] == 2

            for each in (first, second, other):
                await readable(at, each)

        reply = await two.post("/v1/admin/data/erasures", json={"user": ANNA})
        assert reply.json()["state"] == "done", reply.text
        for at in (one, two):
            await nobody_is_behind(at, subject, first)
            for each in (first, second):
                assert PROMPT not in (await at.get(f"{CONTENTS}/{each}")).text
            await readable(at, other)
        later = await somebody_else(one, subject)
        assert await subject_of(two, ANNA) == await subject_of(one, ANNA) != subject
        await named(two, later, ANNA)
        await named(one, other, BEN)
        found_nowhere(tmp_path, cluster)


async def readable(client: httpx.AsyncClient, call: str) -> None:
    """Wait until this replica reads a call's content, proven by the record of whoever made it."""

    async def there() -> bool:
        reply = await client.get(f"{CONTENTS}/{call}")
        return reply.status_code == 200 and PROMPT in reply.json()["request"]

    await until(there)


async def nobody_is_behind(client: httpx.AsyncClient, subject: str, call: str) -> None:
    async def gone() -> bool:
        account = await shown(client, call)
        return bool(account["user"] == subject and ANNA not in json.dumps(account))

    await until(gone)
    reply = await client.post(NAMES, json={"subject": subject})
    assert reply.json()["user"] is None


async def somebody_else(client: httpx.AsyncClient, subject: str) -> str:
    """A call of her at the replica that did not erase her, once its worker has heard of it; until
    then it goes on with the pseudonym that is nobody's."""
    end = time.monotonic() + 30
    while True:
        made = await call(client, ANNA)
        account = await shown(client, made)
        if account["user"] != subject:
            await named(client, made, ANNA)
            return made
        assert time.monotonic() < end
        await asyncio.sleep(0.2)


def found_nowhere(root: Path, cluster: Cluster) -> None:
    """No name in a table, a file of either replica, or a log."""
    with psycopg.connect(cluster.database) as connection:
        tables = connection.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
        ).fetchall()
        for (table,) in tables:
            for row in connection.execute(f'SELECT t::text FROM "{table}" t'):
                assert not [each for each in CANARIES if each in row[0]], table
    logs: list[Service] = cluster.replicas
    assert all(each.log.is_relative_to(root) for each in logs)
    for path in root.rglob("*"):
        if path.is_file() and not path.is_symlink():
            content = path.read_bytes()
            assert not [each for each in CANARIES if each.encode() in content], path
