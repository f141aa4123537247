"""How quick the ledger's sums are: `python -m bench.ledger [lines] [sqlite|postgres ...]`.

A store holds a year of calls (`bench.ledger_filling`: 40 tenants, 400 keys, 5,000 users, 30
models), and each question is asked three times. What is stored is the slowest of them, the most
that a processor worked for one, and how far memory rose while they were answered; then a gateway
serves calls on that store while the same is asked of it (`bench.ledger_serving`).
bench/results/ledger.json keeps the last run of each store.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "support"))

from bench import ledger_filling, ledger_serving  # noqa: E402  the path comes first
from bench.environment import busy  # noqa: E402
from bench.ledger_filling import DAYS, START  # noqa: E402
from postgres_server import PostgresServer  # noqa: E402
from sqlalchemy import Engine, text  # noqa: E402

from federation.storage.analytics import SqlAnalytics  # noqa: E402
from federation.storage.analytics_entries import DAY_MS, CostQuery, LineQuery  # noqa: E402
from federation.storage.engine import FILE, open_engine, open_postgres, prepare_schema  # noqa: E402
from federation.storage.rollups import VERSION  # noqa: E402

RESULTS = ROOT / "bench" / "results" / "ledger.json"
END = START + DAYS * DAY_MS
SAMPLE = 5_000


def questions() -> dict[str, CostQuery]:
    """What people ask, by a name; of the whole year and of its second half."""
    end, half = END, START + DAYS // 2 * DAY_MS

    def ask(start: int, tenant: str | None, *by: str, **more: object) -> CostQuery:
        return CostQuery(start, end, tenant, by, **more)  # type: ignore[arg-type]

    berlin = {"zone": "Europe/Berlin"}
    return {
        "all, total": ask(START, None),
        "all by day": ask(START, None, "day"),
        "all by day and model": ask(START, None, "day", "model"),
        "all by tenant and provider": ask(START, None, "tenant", "provider"),
        "all by key": ask(START, None, "key"),
        "all by user": ask(START, None, "user"),
        "all by tag": ask(START, None, "tag"),
        "all by day, Berlin": ask(START, None, "day", **berlin),
        "all by day, Kolkata": ask(START, None, "day", zone="Asia/Kolkata"),
        "all of one tenant by day and key": ask(START, "tenant-3", "day", "key"),
        "all of one tenant by day, Berlin": ask(START, "tenant-3", "day", **berlin),
        "half by hour": ask(half, None, "hour"),
        "half by hour and provider, Berlin": ask(half, None, "hour", "provider", **berlin),
        "all against a baseline": ask(START, None, banded=True),
        "ragged half, total": CostQuery(half + 61_001, end - 7_777, None),
        "ragged half of a tenant by model": CostQuery(half + 1, end - 1, "tenant-3", ("model",)),
        "half of one user": ask(half, None, "day", where=(("user", "user-7"),)),
        "a day of users with tags": CostQuery(end - DAY_MS, end, None, ("user", "tag")),
    }


def _timed(work: Callable[[], int], engine: Engine) -> dict[str, float]:
    times, cpu, size = [], [], 0
    for _ in range(3):
        began, used = time.perf_counter(), time.process_time() + _server_s(engine)
        size = work()
        times.append(time.perf_counter() - began)
        cpu.append(time.process_time() + _server_s(engine) - used)
    return {"slowest_s": round(max(times), 3), "cpu_s": round(max(cpu), 3), "groups": size}


def _server_s(engine: Engine) -> float:
    """Seconds of a processor that the server's processes for us have used."""
    if engine.dialect.name == "sqlite":
        return 0.0
    asked = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend'"
    used = 0
    with engine.connect() as connection:
        for pid in connection.scalars(text(asked)):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            used += int(fields[11]) + int(fields[12])
    return used / os.sysconf("SC_CLK_TCK")


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@dataclass
class Store:
    """A filled store, and how a gateway is put on it."""

    engine: Engine
    place: Callable[[Path], dict[str, str]]


@contextmanager
def store(kind: str) -> Iterator[Store]:
    """An empty store, as in production but for the place of its files."""
    with tempfile.TemporaryDirectory(prefix="federation-ledger-") as where:
        if kind == "postgres":
            server = PostgresServer(fsync=True)
            address = server.database()
            engine = open_postgres(address)
            prepare_schema(engine)
            yield Store(engine, lambda _: {"FEDERATION_DATABASE_URL": address})
            engine.dispose()
            server.close()
            return
        path = Path(where) / FILE
        engine = open_engine(path, synchronous="NORMAL")
        prepare_schema(engine, path)

        def place(data: Path) -> dict[str, str]:
            engine.dispose()
            data.mkdir(mode=0o700, parents=True, exist_ok=True)
            for file in path.parent.glob(f"{FILE}*"):
                shutil.move(file, data / file.name)
            return {}

        yield Store(engine, place)
        engine.dispose()


def filling_is_taking_in(kind: str) -> None:
    """What is filled in is what ingest would have made; raises `SystemExit`."""
    with store(kind) as one, store(kind) as other:
        ledger_filling.check(one.engine, other.engine, SAMPLE)


def load(stores: Sequence[Store], count: int) -> float:
    """Fill stores with the same calls; how many seconds that took."""
    began = time.perf_counter()
    ledger_filling.fill([each.engine for each in stores], count)
    for each in stores:
        with each.engine.begin() as connection:
            connection.execute(
                text("INSERT INTO rollup_state (id, version) VALUES (1, :version)"),
                {"version": VERSION},
            )
        if each.engine.dialect.name == "postgresql":
            options = {"isolation_level": "AUTOCOMMIT"}
            with each.engine.connect().execution_options(**options) as connection:
                connection.exec_driver_sql("VACUUM ANALYZE")
    return round(time.perf_counter() - began, 1)


def ask(kind: str, engine: Engine, count: int) -> dict[str, object]:
    """Ask everything; seconds for each question, and what memory it took."""
    analytics = SqlAnalytics(engine)
    before, answers = _peak_mb(), {}
    page = LineQuery(START, END, "tenant-3", count // 2, 1000)
    works: dict[str, Callable[[], int]] = {
        name: lambda query=query: len(analytics.costs(query))  # type: ignore[misc]
        for name, query in questions().items()
    }
    works["a page of 1,000 lines"] = lambda: len(analytics.lines(page))
    for name, work in works.items():
        found = answers[name] = _timed(work, engine)
        told = f"{found['slowest_s']:8.3f} s{found['cpu_s']:8.3f} s of CPU"
        print(f"{kind:9}{told}  {name}", flush=True)
    return {"answers": answers, "memory_rose_mb": round(_peak_mb() - before, 1)}


def measure(kind: str, filled: Store, count: int) -> dict[str, object]:
    """Ask a filled store everything, and serve calls meanwhile."""
    noted = busy()
    with filled.engine.connect() as connection:
        rolled = connection.scalar(text("SELECT count(*) FROM cost_rollups"))
    asked = ask(kind, filled.engine, count)
    stretch = "start_date=2025-01-01&end_date=2025-12-31"
    serving = ledger_serving.beside(filled.place, stretch)
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "lines": count,
        "rollup_rows": rolled,
        **asked,
        "peak_mb": round(_peak_mb(), 1),
        "workers": serving,
        "note": noted,
    }


def main(arguments: list[str]) -> int:
    """Measure, print and store; 1 where a question took longer than the goal."""
    counts = [int(word) for word in arguments if word.isdigit()]
    kinds = [word for word in arguments if not word.isdigit()] or ["sqlite", "postgres"]
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    count = counts[0] if counts else 1_000_000
    for kind in kinds:
        filling_is_taking_in(kind)
    late = 0
    with ExitStack() as stack:
        stores = [stack.enter_context(store(kind)) for kind in kinds]
        load_s = load(stores, count)
        for kind, filled in zip(kinds, stores, strict=True):
            found = measure(kind, filled, count) | {"load_s": load_s}
            results[kind] = found
            goal = 1.0 if kind == "postgres" else 3.0
            answers = found["answers"]
            assert isinstance(answers, dict)
            late += sum(answer["slowest_s"] > goal for answer in answers.values())
            print({key: value for key, value in found.items() if key != "answers"}, flush=True)
            RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    return int(late > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
