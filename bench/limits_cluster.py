"""`make bench-limits-cluster`: how true limits are over two replicas of two workers each.

The whole service as processes, by the files in `deploy`: PostgreSQL, Redis and nginx before the
replicas. Calls are offered at twice the rate through nginx, for half a minute, over connections
that end up at all four workers. What should come through is known: what the bucket holds, and
the rate for as long as calls were offered. Tokens are those that were really used, as answers
tell them, though each call is let in by an estimate.

    PYTHONPATH=tests/support python -m bench.limits_cluster [--seconds 30] [--out FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import uvloop
from bench import environment
from bench.answers import Answer, Asker
from cluster import Cluster, clustered, fronted, until
from processes import ADMIN
from scripted import Talk, Upstream

OUT = Path(__file__).resolve().parent / "out"
RATE = 100
"""Calls in a second."""
OFFERED = 2.0
"""Times the rate."""
TOKENS = 30
"""What each call costs, as its provider says."""
BURST = 40
OFF = 0.01
_ANSWER_S = 0.1
_QUIET_S = 3.0
"""Until a new limit is in force everywhere, and its bucket is full."""
_ASK = {"model": "chat", "messages": [{"role": "user", "content": "Count."}], "max_tokens": 20}
_REPLY = json.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "acme-large",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "One."},
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 20, "completion_tokens": 10, "total_tokens": TOKENS},
    }
).encode()


@dataclass(frozen=True)
class Wanted:
    """One limit, and how it is tried."""

    name: str
    counts: str
    amount: int
    each: int
    """What a call counts."""
    method: str = "token_bucket"
    burst: int = 0

    @property
    def held(self) -> int:
        """What can be had at once, beyond the rate."""
        return (self.burst or self.amount) if self.method == "token_bucket" else 0


LIMITS = (
    Wanted("requests", "requests", RATE, 1),
    Wanted("requests, fixed window", "requests", RATE, 1, "fixed_window"),
    Wanted("tokens", "tokens", RATE * TOKENS, TOKENS),
)


@dataclass(frozen=True)
class Row:
    """What came of it, in what is counted."""

    limit: str
    seconds: float
    offered: int
    admitted: int
    expected: int
    off_percent: float
    refused: int
    other: dict[str, int]
    workers: list[int]
    """Calls that each worker answered."""


async def answers(talk: Talk) -> None:
    """A provider that takes its time, so that calls come over many connections and thereby to
    every worker; at the same price each time."""
    await asyncio.sleep(_ANSWER_S)
    await talk.answer(_REPLY)


@asynccontextmanager
async def standing(root: Path, *, redis: bool) -> AsyncIterator[tuple[Cluster, int]]:
    """A cluster of two replicas with two workers each, and the port of nginx before it."""
    async with (
        Upstream(answers) as upstream,
        clustered(root, upstream.url, redis=redis, workers=2) as cluster,
    ):
        with fronted(root, cluster) as url:
            yield cluster, int(url.rpartition(":")[2])


async def limited(cluster: Cluster, body: dict[str, Any]) -> None:
    """Have this one limit in force at both replicas, and its bucket full."""
    async with cluster.replicas[0].client() as one, cluster.replicas[1].client() as two:
        for old in (await one.get("/v1/admin/limits")).json()["data"]:
            await one.delete(f"/v1/admin/limits/{old['id']}")
        made = await one.post("/v1/admin/limits", json={"scope": "tenant", **body})
        assert made.status_code == 201, made.text
        name = made.json()["id"]

        async def known() -> bool:
            return (await two.get(f"/v1/admin/limits/{name}")).status_code == 200

        await until(known)
    await asyncio.sleep(_QUIET_S)


async def offered(port: int, seconds: float) -> tuple[list[Answer], float]:
    """The answers to calls at twice the rate, which wait for none of them; and how long it was."""
    asker, loop = Asker(port, ADMIN), asyncio.get_running_loop()
    asked: list[asyncio.Task[Answer]] = []
    await asyncio.sleep(-time.time() % 1.0)  # a fixed window begins with a second
    began = loop.time()
    while (now := loop.time() - began) < seconds:
        due = int(now * RATE * OFFERED) + 1
        asked += [loop.create_task(asker.ask(_ASK)) for _ in range(due - len(asked))]
        await asyncio.sleep(max(0.0, len(asked) / (RATE * OFFERED) - (loop.time() - began)))
    took = loop.time() - began
    found = list(await asyncio.gather(*asked))
    asker.close()
    return found, took


def others(found: list[Answer]) -> dict[str, int]:
    """How many answers were neither a good one nor a refusal, each by what it was."""
    odd = (one for one in found if one.status not in (200, 429))
    return dict(Counter(f"{one.status} {one.problem}" for one in odd))


async def tried(cluster: Cluster, port: int, wanted: Wanted, seconds: float) -> Row:
    """Offer calls under one limit."""
    await limited(
        cluster,
        {
            "counts": wanted.counts,
            "amount": wanted.amount,
            "window": "second",
            "method": wanted.method,
            "burst": wanted.burst,
        },
    )
    before = {row["id"] for row in cluster.calls()}
    found, took = await offered(port, seconds)
    admitted = sum(one.status == 200 for one in found) * wanted.each
    expected = round(wanted.held + wanted.amount * took)
    return Row(
        wanted.name,
        round(took, 2),
        len(found) * wanted.each,
        admitted,
        expected,
        round(100.0 * (admitted - expected) / expected, 3),
        sum(one.status == 429 for one in found),
        others(found),
        await _by_worker(cluster, before, sum(one.status == 200 for one in found)),
    )


async def _by_worker(cluster: Cluster, before: set[str], answered: int) -> list[int]:
    """How many calls each worker's journal has of those that were answered."""
    counts: dict[str, int] = {}

    async def whole() -> bool:
        counts.clear()
        for row in cluster.calls():
            if row["id"] not in before and row["outcome"] == "ok":
                counts[row["writer"]] = counts.get(row["writer"], 0) + 1
        return sum(counts.values()) >= answered

    await until(whole)
    return sorted(counts.values())


async def burst(cluster: Cluster, port: int) -> dict[str, int]:
    """What comes through of many calls at once where the bucket fills in an hour: its burst."""
    body = {"counts": "requests", "amount": 1, "window": "hour", "burst": BURST}
    await limited(cluster, body)
    asker = Asker(port, ADMIN)
    found = await asyncio.gather(*(asker.ask(_ASK) for _ in range(BURST * 5)))
    asker.close()
    return {
        "burst": BURST,
        "offered": len(found),
        "admitted": sum(one.status == 200 for one in found),
        "refused": sum(one.status == 429 for one in found),
    }


async def measured(seconds: float, *, redis: bool) -> dict[str, Any]:
    """Everything, with one kind of store."""
    with tempfile.TemporaryDirectory(prefix="federation-limits-") as scratch:
        async with standing(Path(scratch), redis=redis) as (cluster, port):
            rows = [await tried(cluster, port, wanted, seconds) for wanted in LIMITS]
            at_once = await burst(cluster, port)
    kept = {
        "true": all(abs(row.off_percent) <= 100.0 * OFF for row in rows),
        "burst": at_once["admitted"] == BURST,
        "nothing_else": not any(row.other for row in rows),
        "every_worker": all(len(row.workers) == 4 for row in rows),
    }
    store = "Redis and PostgreSQL" if redis else "PostgreSQL"
    rows_told = [asdict(row) for row in rows]
    return {"store": store, "rows": rows_told, "at_once": at_once, "kept": kept}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--out", type=Path, default=OUT / "limits_cluster.json")
    args = parser.parse_args()
    stores = [uvloop.run(measured(args.seconds, redis=redis)) for redis in (True, False)]
    result = {
        "command": f"python -m bench.limits_cluster --seconds {args.seconds:g}",
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "environment": environment.describe(),
        "replicas": 2,
        "workers": 4,
        "rate": RATE,
        "offered_times": OFFERED,
        "stores": stores,
        "passed": all(all(each["kept"].values()) for each in stores),
    }
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps({key: result[key] for key in result if key != "environment"}, indent=1))
    return 0 if result["passed"] else 1


if __name__ == "__main__":
    sys.exit(main())
