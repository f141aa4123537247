"""Everything that can go wrong at once, over whole processes and each store: no cent too many.

Four workers (for PostgreSQL and Redis two each of two replicas), a budget of five dollars, calls
of up to ten cents: whole and streamed ones, failures, hang-ups, and workers killed at random. The
database's own history says how the budget stood after each change. `FEDERATION_STORM=long` asks
a thousand calls.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from cluster import Cluster, clustered, until
from gateway_rig import CHAT, HELLO
from money_stores import remember, remembered
from processes import FEDERATION, Service, serving, write_config
from scripted import DONE, Talk, Upstream, chunk, completion
from sqlalchemy import Engine

from federation.domain.budgets import Standing
from federation.storage.engine import open_engine, open_postgres

BUDGETS = "/v1/admin/budgets"
NANO = 1_000_000_000
CAP = 5 * NANO
WAIT = "budgets: {wait_s: 1}\n"
ASK = HELLO | {"max_tokens": 9_500}
"""May cost nearly ten cents at `write_config`'s prices."""
LONG = os.environ.get("FEDERATION_STORM") == "long"
CALLS, AT_ONCE = (1_000, 250) if LONG else (90, 45)


async def bills(talk: Talk) -> None:
    """Bills what it likes within the bound; `user` says what goes wrong."""
    asked, chance = talk.seen.json, random.Random()
    output = chance.randint(3_000, 9_000)
    usage = {"prompt_tokens": 10, "completion_tokens": output, "total_tokens": 10 + output}
    if asked.get("user") == "free":
        usage = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
    await asyncio.sleep(chance.random() * 0.05)
    if asked.get("user") == "fails":
        await talk.answer(b'{"error": {"message": "no"}}', 500)
    elif asked.get("user") == "hangs":
        await talk.begin_stream()
        await talk.event(chunk("Hel"))
        await asyncio.Event().wait()
    elif not asked.get("stream"):
        await talk.answer(completion(model=asked["model"], usage=usage))
    else:
        await talk.begin_stream()
        await talk.event(chunk("Hello"))
        await talk.event(chunk(finish="stop"))
        await talk.event(chunk(choices=[], usage=usage))
        await talk.event(DONE)
        await talk.end_stream()


@dataclass
class Storm:
    """A gateway of one kind, its store's history, and what clients were told."""

    services: list[Service]
    engine: Engine
    cluster: Cluster | None
    seen: Counter[str]

    def ledger(self) -> dict[str, Any]:
        """What each call cost, by its id; 0 where nobody can know."""
        if self.cluster is None:
            rows = self.services[0].calls()
            return {call: row["cost_nano"] or 0 for call, row in rows.items()}
        return {row["id"]: row["cost_nano"] or 0 for row in self.cluster.calls()}

    async def call(self, n: int, chance: random.Random) -> None:
        kind = chance.choices(("", "fails", "hangs"), (80, 10, 10))[0]
        body = ASK | {"stream": kind == "hangs" or chance.random() < 0.4}
        body |= {"user": kind} if kind else {}
        service = self.services[n % len(self.services)]
        patience = 1.5 if kind == "hangs" else 40.0
        async with service.client(timeout=patience) as client:
            try:
                reply = await client.post(CHAT, json=body)
                self.seen[str(reply.status_code)] += 1
            except httpx.TransportError:
                self.seen["cut"] += 1

    async def refused(self, n: int) -> bool:
        """Whether a call is refused for want of money."""
        async with self.services[n % len(self.services)].client() as client:
            return (await client.post(CHAT, json=ASK | {"user": "free"})).status_code == 402

    async def kills(self, chance: random.Random, times: int) -> None:
        for _ in range(times):
            await asyncio.sleep(0.3 + chance.random())
            service = chance.choice(self.services)
            if workers := service.workers():
                os.kill(chance.choice(sorted(workers)), signal.SIGKILL)


@asynccontextmanager
async def storm(kind: str, root: Path, url: str) -> AsyncIterator[Storm]:
    async with AsyncExitStack() as stack:
        if kind == "sqlite":
            config = write_config(root, url, FEDERATION + WAIT)
            service = await stack.enter_async_context(serving(root, config, workers=4))
            engine = open_engine(service.data / "federation.db")
            made = Storm([service], engine, None, Counter())
        else:
            shared = clustered(root, url, redis=kind == "redis", workers=2)
            cluster = await stack.enter_async_context(shared)
            engine = open_postgres(cluster.database)
            made = Storm(cluster.replicas, engine, cluster, Counter())
        stack.callback(engine.dispose)
        remember(engine)
        yield made


async def budget_of(client: httpx.AsyncClient, limit: str) -> str:
    """The id of a new budget of the tenant."""
    body = {"scope": "tenant", "limit_usd": limit, "period": "total"}
    reply = await client.post(BUDGETS, json=body)
    assert reply.status_code == 201, reply.text
    return str(reply.json()["id"])


async def stands(client: httpx.AsyncClient, budget: str) -> tuple[int, int, int]:
    """What is spent, reserved and left, in nano-dollars."""
    reply = await client.get(f"{BUDGETS}/{budget}")
    assert reply.status_code == 200, reply.text
    (pot,) = reply.json()["pots"]
    spent, reserved, left = (
        int(Decimal(pot[f"{name}_usd"]) * NANO) for name in ("spent", "reserved", "left")
    )
    return spent, reserved, left


@pytest.mark.parametrize("kind", ["sqlite", "postgres", "redis"])
async def test_a_storm_spends_five_dollars_at_most_and_leaves_nothing_reserved(
    tmp_path: Path, kind: str
) -> None:
    chance = random.Random(kind)
    async with (
        Upstream(bills) as upstream,
        storm(kind, tmp_path, upstream.url) as made,
        made.services[0].client() as client,
    ):
        budget, nothing = [await budget_of(client, limit) for limit in ("5", "0.000001")]

        async def known() -> bool:
            told = await asyncio.gather(*(made.refused(n) for n in range(24)))
            return all(told)

        # Whoever refuses for the later one has heard of the other. No call costs anything here.
        await until(known, 30.0)
        assert (await client.delete(f"{BUDGETS}/{nothing}")).status_code in (200, 204)

        async def some(first: int) -> None:
            for n in range(first, CALLS, AT_ONCE):
                await made.call(n, chance)

        killing = asyncio.ensure_future(made.kills(chance, 6 if LONG else 2))
        await asyncio.gather(*(some(first) for first in range(AT_ONCE)))
        await killing

        async def settled() -> bool:
            spent, reserved, left = await stands(client, budget)
            assert left >= 0
            assert (reserved, spent) == (0, sum(made.ledger().values()))
            return True

        await until(settled, 120.0)  # a dead worker is missed after a while, and its journal read
        spent, _, left = await stands(client, budget)
        assert spent + left == CAP
        assert made.seen["200"] > 10
        assert spent >= made.seen["200"] * 3_000 * 10_000, "whoever had an answer has paid it"
        history = remembered(made.engine)
        assert history
        assert [pot for pot in history if _over(pot)] == []


def _over(pot: Standing) -> bool:
    return pot.hard and pot.left_nano < 0
