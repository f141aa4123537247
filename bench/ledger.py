"""How quick the ledger's sums are: `python -m bench.ledger [lines] [sqlite|postgres ...]`.

Lines are made up (50,000 a day; 40 tenants, 400 keys of which a few do most, 30 models, three
of them for each key), taken in as ingest does, and each question is asked three times. What is
stored is the slowest of them, and how far memory rose while they were answered;
bench/results/ledger.json keeps the last run of each store.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import msgspec

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "support"))

from bench.environment import busy  # noqa: E402
from postgres_server import PostgresServer  # noqa: E402  the path comes first
from sqlalchemy import Engine  # noqa: E402

from federation.schema.records import AttemptRecord, CallEnded, Line  # noqa: E402
from federation.schema.usage import Usage  # noqa: E402
from federation.storage.analytics import SqlAnalytics  # noqa: E402
from federation.storage.analytics_entries import DAY_MS, CostQuery, LineQuery  # noqa: E402
from federation.storage.calls import SqlCalls  # noqa: E402
from federation.storage.engine import open_engine, open_postgres, prepare_schema  # noqa: E402
from federation.storage.entries import Position  # noqa: E402
from federation.storage.journal_reader import Entry  # noqa: E402
from federation.storage.rollups_facts import line_of  # noqa: E402

RESULTS = ROOT / "bench" / "results" / "ledger.json"
START = 1_735_689_600_000  # 2025-01-01
PER_DAY = 50_000
BATCH = 2_000
_WORDS = {"models": 30, "tenants": 40, "keys": 400, "users": 5_000, "tags": 20}


def records(count: int, random: Random) -> Iterator[CallEnded]:
    """Calls in the order of their time, a few late."""
    for n in range(count):
        at = START + n * DAY_MS // PER_DAY
        if n % 1000 == 0:
            at -= random.randrange(DAY_MS)
        key = _few(random, _WORDS["keys"])
        model = (key * 7 + _few(random, 3)) % _WORDS["models"]
        usage = Usage(random.randrange(8_000), random.randrange(900), cached=random.randrange(99))
        cost = usage.input * 2_500 + usage.output * 10_000
        name = f"p{model % 8}/model-{model}"
        tried: tuple[AttemptRecord, ...] = (
            AttemptRecord(name, at, 200, "", 120.0, 900.0, usage, cost),
        )
        if n % 50 == 0:
            failed = AttemptRecord("p9/other", at, 503, "upstream_failed", 0.0, 9.0)
            tried = (failed, *tried)
        yield CallEnded(
            f"call_{n:012d}",
            at + 900,
            f"tenant-{key % _WORDS['tenants']}",
            f"key_{key}",
            "chat",
            "auto",
            "ok" if n % 100 else "error",
            200,
            deployment=name,
            started_ms=at,
            duration_ms=900.5,
            usage=usage,
            cost_nano=cost,
            attempts=tried,
            tags={"job": f"j{random.randrange(_WORDS['tags'])}"} if n % 2 else {},
            user=f"user-{_few(random, _WORDS['users'])}" if n % 4 == 0 else "",
        )


def _few(random: Random, most: int) -> int:
    """Less than `most`, and mostly far less, as it is with customers."""
    return int(most * random.random() ** 4)


def load(engine: Engine, count: int) -> dict[str, float]:
    """Take lines in; microseconds of one, with and without making it up."""
    calls, spent, began = SqlCalls(engine), 0.0, time.perf_counter()
    batch: list[Entry] = []
    for n, record in enumerate(records(count, Random(7)), 1):
        body = msgspec.json.encode(Line("w", n, record))
        batch.append(Entry("w", n, line_of(body), body))
        if len(batch) == BATCH or n == count:
            at = time.perf_counter()
            calls.take("w", batch, Position(1, n, n))
            spent += time.perf_counter() - at
            batch = []
    return {
        "take_us_per_line": round(spent / count * 1e6, 1),
        "load_s": round(time.perf_counter() - began, 1),
    }


def questions(count: int) -> dict[str, CostQuery]:
    """What people ask, by a name; of all the time and of its second half."""
    days = max(1, count // PER_DAY)
    end, half = START + days * DAY_MS, START + days // 2 * DAY_MS

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


def _timed(work: Callable[[], int]) -> dict[str, float]:
    times, size = [], 0
    for _ in range(3):
        began = time.perf_counter()
        size = work()
        times.append(time.perf_counter() - began)
    return {"slowest_s": round(max(times), 3), "groups": size}


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@contextmanager
def store(kind: str) -> Iterator[Engine]:
    """An empty store, as in production but for the place of its files."""
    with tempfile.TemporaryDirectory(prefix="federation-ledger-") as place:
        if kind == "postgres":
            server = PostgresServer(fsync=True)
            engine = open_postgres(server.database())
            prepare_schema(engine)
        else:
            path = Path(place) / "federation.db"
            engine = open_engine(path, synchronous="NORMAL")
            prepare_schema(engine, path)
        yield engine
        engine.dispose()
        if kind == "postgres":
            server.close()


def measure(kind: str, count: int) -> dict[str, object]:
    """Load a store and ask everything."""
    with store(kind) as engine:
        loaded = load(engine, count)
        with engine.connect() as connection:
            rolled = connection.exec_driver_sql("SELECT count(*) FROM cost_rollups").scalar()
        if kind == "postgres":
            with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.exec_driver_sql("ANALYZE")
        analytics = SqlAnalytics(engine)
        before, answers = _peak_mb(), {}
        for name, query in questions(count).items():
            answers[name] = _timed(lambda query=query: len(analytics.costs(query)))  # type: ignore[misc]
            print(f"{kind:9}{answers[name]['slowest_s']:8.3f} s  {name}", flush=True)
        page = LineQuery(START, START + count * DAY_MS // PER_DAY, "tenant-3", count // 2, 1000)
        answers["a page of 1,000 lines"] = _timed(lambda: len(analytics.lines(page)))
        rose = round(_peak_mb() - before, 1)
        began = time.perf_counter()
        if count <= 100_000:
            analytics.rebuild()
            loaded["rebuild_s"] = round(time.perf_counter() - began, 1)
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "lines": count,
        "rollup_rows": rolled,
        **loaded,
        "memory_rose_mb": rose,
        "answers": answers,
        "note": busy(),
    }


def main(arguments: list[str]) -> int:
    """Measure, print and store; 1 where a question took longer than the goal."""
    counts = [int(word) for word in arguments if word.isdigit()]
    kinds = [word for word in arguments if not word.isdigit()] or ["sqlite", "postgres"]
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    late = 0
    for kind in kinds:
        results[kind] = found = measure(kind, counts[0] if counts else 1_000_000)
        goal = 1.0 if kind == "postgres" else 3.0
        answers = found["answers"]
        assert isinstance(answers, dict)
        late += sum(answer["slowest_s"] > goal for answer in answers.values())
        print({key: value for key, value in found.items() if key != "answers"})
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    return int(late > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
