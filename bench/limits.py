"""How true limits are, and what they cost: `python -m bench.limits [seconds]`.

Two figures. Half a minute of calls, twice as many as the limit lets in, spread over the rates of
four workers and the desks of two control processes, each with its own view of the store: how many
are admitted. They share one process here, and frames pass its loop instead of a link. And the
thread CPU of the stage for one call, with no limit, one, three and six.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "support"))

import redis  # noqa: E402  the path comes first
from postgres_server import PostgresServer  # noqa: E402
from redis_server import RedisServer  # noqa: E402

from federation.control.limits_leases import RateDesk  # noqa: E402
from federation.control.limits_ports import MeterStore  # noqa: E402
from federation.control.threads import Errands  # noqa: E402
from federation.domain.access import Role, VirtualKey  # noqa: E402
from federation.domain.limits import (  # noqa: E402
    Counted,
    Limit,
    LimitBook,
    LimitScope,
    Method,
)
from federation.gateway.rates import Rates, Taken  # noqa: E402
from federation.gateway.stages.limit import Limiter  # noqa: E402
from federation.schema.http import ClientReply  # noqa: E402
from federation.schema.limits import FromRates, MeterPart, ToRates  # noqa: E402
from federation.storage.engine import open_engine, open_postgres, prepare_schema  # noqa: E402
from federation.storage.limits_memory import MemoryMeters  # noqa: E402
from federation.storage.limits_redis import RedisMeters  # noqa: E402
from federation.storage.limits_sql import SqlMeters  # noqa: E402

OUT = ROOT / "bench" / "results" / "limits.json"
REPLICAS, WORKERS = 2, 2
RATE = 100
KEY = VirtualKey("k1", b"", "k", "acme", Role.DEVELOPER, 0, team="red", user="ann")
BURSTS = {Method.TOKEN_BUCKET: 20, Method.SLIDING_WINDOW: 0, Method.FIXED_WINDOW: 0}


def limit(method: Method) -> Limit:
    scope, counts = LimitScope.TENANT, Counted.REQUESTS
    # What slides is taken again by the next call, so a short window wastes the time until then.
    window_s = 10 if method is Method.SLIDING_WINDOW else 1
    amount = RATE * window_s
    return Limit("l", "acme", scope, "acme", counts, amount, window_s, method, BURSTS[method])


class Worker:
    """One worker's rates; frames pass the loop's next turn, as over a link."""

    def __init__(self, name: str, desk: RateDesk, limits: tuple[Limit, ...]) -> None:
        self.name, self.desk, self.frames = name, desk, 0
        self.rates = Rates(self._send, time.monotonic)
        self.rates.follow(limits, {})

    def _send(self, message: FromRates) -> bool:
        self.frames += 1
        loop = asyncio.get_running_loop()
        loop.call_soon(self.desk.hear, self.name, message, self.answer)
        return True

    def answer(self, message: ToRates) -> None:
        asyncio.get_running_loop().call_soon(self.rates.accept, message)

    async def call(self) -> bool:
        plan = self.rates.plan(KEY, "chat")
        needs = plan.needs or ()
        found: Any = self.rates.take(plan.parts, needs) or self.rates.lack(plan.parts, needs)
        found = found or await self.rates.more(plan.parts, needs)
        return isinstance(found, Taken)


async def admitted(stores: list[MeterStore], method: Method, seconds: float) -> dict[str, Any]:
    """Offer twice the rate for so long; what came through, and how many frames that took."""
    limits = (limit(method),)
    book, errands, tasks = LimitBook(limits), [], []
    workers: list[Worker] = []

    def tell(message: ToRates) -> None:
        for worker in workers:
            worker.answer(message)

    for number, store in enumerate(stores):
        errands.append(Errands(f"limits {number}"))
        desk = RateDesk(
            f"r{number}",
            store,
            errands[-1],
            lambda: book,
            tell=tell,
            count=lambda: REPLICAS * WORKERS,
            wall=time.time,
            clock=time.monotonic,
        )
        tasks.append(asyncio.create_task(desk.run()))
        workers += [Worker(f"r{number}w{each}", desk, limits) for each in range(WORKERS)]
    through, offered, passed = await _flood(workers, seconds)
    for running in tasks:
        running.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for each in errands:
        each.close()
    return {
        "method": method.value,
        "seconds": round(passed, 2),
        "offered": offered,
        "admitted": through,
        "expected": round(RATE * passed + BURSTS[method]),
        "off_percent": round(100 * (through / (RATE * passed) - 1), 2),
        "frames": sum(worker.frames for worker in workers),
    }


async def _flood(workers: list[Worker], seconds: float) -> tuple[int, int, float]:
    """Calls admitted, calls offered, and how long it took."""
    rng, through, offered = random.Random(1), [0], 0
    calls: set[asyncio.Task[None]] = set()

    async def one(worker: Worker) -> None:
        if await worker.call():
            through[0] += 1

    # From one full second to another, or a fixed window would be counted that is not over.
    await asyncio.sleep(1 - time.time() % 1)
    began = time.monotonic()
    ticked = began
    while (now := time.monotonic()) < began + seconds:
        due = int((now - began) * 2 * RATE)
        while offered < due:
            offered += 1
            task = asyncio.create_task(one(rng.choice(workers)))
            calls.add(task)
            task.add_done_callback(calls.discard)
        if now - ticked > 0.5:
            ticked = now
            for worker in workers:
                worker.rates.tick()
        await asyncio.sleep(rng.expovariate(2 * RATE))
    if calls:
        await asyncio.wait(calls)
    return through[0], offered, time.monotonic() - began


def cost_us(count: int, calls: int = 20_000) -> float:
    """Thread CPU of the stage beyond its following, with so many limits, from what is held."""
    scopes = (
        (LimitScope.KEY, "k1"),
        (LimitScope.TENANT, "acme"),
        (LimitScope.USER, "ann"),
        (LimitScope.TEAM, "red"),
        (LimitScope.ROUTE, "chat"),
        (LimitScope.ROUTE, "*"),
    )
    rates = Rates(lambda _: True, time.monotonic)
    rates.follow(
        [
            Limit(f"l{n}", "acme", scope, subject, Counted.REQUESTS, 10**9)
            for n, (scope, subject) in enumerate(scopes[:count])
        ],
        {},
    )
    world: Any = SimpleNamespace(rates=rates, wall=time.time)
    call: Any = SimpleNamespace(
        key=KEY, glance=SimpleNamespace(model="chat"), face=SimpleNamespace(dialect="openai")
    )
    reply = ClientReply(200, [], b"")

    async def following(_: Any) -> ClientReply:
        reply.headers = []
        return reply

    for part in rates.plan(KEY, "chat").parts if count else ():
        part.credit(MeterPart(10**8, 10**8, 1000, 10**7), time.monotonic())
    stage = Limiter(world)

    async def run(handler: Callable[[Any], Any]) -> float:
        began = time.thread_time()
        for _ in range(calls):
            await handler(call)
        return (time.thread_time() - began) / calls * 1e6

    best = [
        min(asyncio.run(run(handler)) for _ in range(5))
        for handler in (lambda each: stage(each, following), following)
    ]
    return best[0] - best[1]


@contextmanager
def stores() -> Iterator[dict[str, list[MeterStore]]]:
    """Each kind of store, as each replica sees it."""
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        made: dict[str, list[MeterStore]] = {}
        memory = MemoryMeters()
        made["memory"] = [memory] * REPLICAS
        engine = open_engine(place / "limits.db", synchronous="NORMAL")
        prepare_schema(engine, place / "limits.db")
        made["sqlite"] = [SqlMeters(engine) for _ in range(REPLICAS)]
        server = PostgresServer()
        stack.callback(server.close)
        shared = open_postgres(server.database())
        prepare_schema(shared)
        made["postgres"] = [SqlMeters(shared) for _ in range(REPLICAS)]
        quick = RedisServer(history=False)
        stack.callback(quick.close)
        made["redis"] = [
            RedisMeters(redis.Redis.from_url(quick.url), SqlMeters(shared)) for _ in range(REPLICAS)
        ]
        yield made


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 30.0
    cost = {str(count): round(cost_us(count), 2) for count in (0, 1, 3, 6)}
    print(f"stage, thread CPU in us, by number of limits: {cost}")
    rows = []
    with stores() as kinds:
        for kind, replicas in kinds.items():
            for method in BURSTS:
                row = {"store": kind} | asyncio.run(admitted(replicas, method, seconds))
                rows.append(row)
                print(row, flush=True)
    OUT.write_text(json.dumps({"rate": RATE, "cost_us": cost, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
