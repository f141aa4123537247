"""What exact budgets cost: `python -m bench.money [calls]`.

Two figures. Thread CPU of a reservation and its settlement from a lease, which is what nearly
every call pays. And how long a reservation takes that asks the store, with 32 calls at once, for
each store; the servers are started here and write to the disk as in production.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "support"))

import redis  # noqa: E402  the path comes first
from postgres_server import PostgresServer  # noqa: E402
from redis_server import RedisServer  # noqa: E402

from federation.control.budgets_ports import PotStore  # noqa: E402
from federation.control.money_leases import MoneyDesk  # noqa: E402
from federation.control.threads import Errands  # noqa: E402
from federation.domain.budgets import Budget, BudgetBook, Scope, Spender  # noqa: E402
from federation.domain.money import NANO  # noqa: E402
from federation.gateway.purse import Purse  # noqa: E402
from federation.schema.money import (  # noqa: E402
    FromPurse,
    MoneyAsk,
    MoneyBeat,
    MoneyGrant,
    PotTotals,
    ToPurse,
)
from federation.storage.budgets_memory import MemoryPots  # noqa: E402
from federation.storage.budgets_sql import SqlPots  # noqa: E402
from federation.storage.engine import open_engine, open_postgres, prepare_schema  # noqa: E402
from federation.storage.redis_pots import RedisPots  # noqa: E402

AT_ONCE = 32
SCOPES = {
    Scope.KEY: "k1",
    Scope.USER: "ann",
    Scope.TEAM: "red",
    Scope.TENANT: "acme",
    Scope.SESSION: "*",
    Scope.TAG: "job=night",
}
SPENDER = Spender("acme", "k1", "red", "ann", "s1", ("job=night",))


def book(count: int, limit_usd: int) -> BudgetBook:
    named = list(SCOPES.items())[:count]
    return BudgetBook(
        Budget(f"b{n}", "acme", scope, subject, limit_usd * NANO)
        for n, (scope, subject) in enumerate(named)
    )


def leased(budgets: int, calls: int) -> float:
    """Microseconds of thread CPU for finding the pots, reserving and settling."""
    purse = Purse(lambda _: True, time.monotonic)
    purse.accept(MoneyBeat())
    found = book(budgets, 1_000_000)
    totals = [PotTotals(pot.id, 1 << 60, 0, 0, 0) for pot in found.pots(SPENDER, 0)]
    purse.accept(MoneyGrant(1, totals))
    holds = [f"call{n}.1" for n in range(calls)]

    async def run() -> float:
        began = time.thread_time()
        for hold in holds:
            await purse.reserve(hold, found.pots(SPENDER, 1000), 1000)
            purse.settle(hold, 100)
        return time.thread_time() - began

    return asyncio.run(run()) / calls * 1e6


class Wire:
    """A purse and a desk in one loop, without a link between them; money is always tight."""

    def __init__(self, store: PotStore, budgets: BudgetBook) -> None:
        self.errands = Errands("money")
        self.desk = MoneyDesk(
            store, self.errands, self, lambda: budgets, time.monotonic, lambda _: None
        )
        self.purse = Purse(self.send, time.monotonic)
        self.trips = 0

    def tell(self, message: ToPurse) -> None:
        self.purse.accept(message)

    def count(self) -> int:
        return 4

    def send(self, message: FromPurse) -> bool:
        if isinstance(message, MoneyAsk):
            self.trips += 1
            self.desk.ask("w1", message, self.tell)
        else:
            self.desk.report("w1", message, self.tell)
        return True


async def asked(store: PotStore, calls: int) -> tuple[float, float, float]:
    """Median and 99th percentile in milliseconds, and calls a second, of 32 at once."""
    budgets = book(4, 100)
    pots = budgets.pots(SPENDER, 0)
    wire = Wire(store, budgets)
    running = asyncio.create_task(wire.desk.run())
    took: list[float] = []

    async def client(which: int) -> None:
        for n in range(calls // AT_ONCE):
            hold = f"{which}.{n}"
            began = time.perf_counter()
            # A sixty-fourth of the budget: 32 at once are half of it, so each is exact.
            await wire.purse.reserve(hold, pots, 100 * NANO // 64, 10.0)
            took.append(time.perf_counter() - began)
            await asyncio.sleep(0.001)
            wire.purse.settle(hold, 1000)

    began = time.perf_counter()
    await asyncio.gather(*(client(n) for n in range(AT_ONCE)))
    whole = time.perf_counter() - began
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    wire.errands.close()
    took.sort()
    return took[len(took) // 2] * 1e3, took[len(took) * 99 // 100] * 1e3, len(took) / whole


@contextmanager
def stores() -> Iterator[dict[str, Callable[[], PotStore]]]:
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        sqlite = open_engine(place / "money.db", synchronous="NORMAL")
        prepare_schema(sqlite, place / "money.db")
        stack.callback(sqlite.dispose)
        server = PostgresServer(fsync=True)
        stack.callback(server.close)
        engines = [open_postgres(server.database()) for _ in range(2)]
        for engine in engines:
            prepare_schema(engine)
            stack.callback(engine.dispose)
        hot = RedisServer(history=False)
        stack.callback(hot.close)
        client = redis.Redis.from_url(hot.url, socket_timeout=10)
        stack.callback(client.close)
        yield {
            "memory": MemoryPots,
            "SQLite": lambda: SqlPots(sqlite),
            "PostgreSQL": lambda: SqlPots(engines[0]),
            "Redis and PostgreSQL": lambda: RedisPots(client, engines[1]),
        }


def main() -> None:
    calls = int(sys.argv[1]) if len(sys.argv) > 1 else 3200
    for budgets in (1, 4, 6):
        best = min(leased(budgets, 20_000) for _ in range(3))
        print(f"reserve and settle from a lease, {budgets} budgets: {best:.1f} us thread CPU")
    with stores() as made:
        for name, store in made.items():
            median, p99, rate = asyncio.run(asked(store(), calls))
            print(
                f"reserve through {name}, 4 budgets, {AT_ONCE} at once: "
                f"median {median:.1f} ms, p99 {p99:.1f} ms, {rate:.0f} calls/s"
            )


if __name__ == "__main__":
    main()
