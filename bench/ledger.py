"""How quick the ledger's sums are: `bench.ledger [lines] [sqlite|postgres ...] [--keep FOLDER]`.

A store holds a year of calls (`bench.ledger_filling`: 40 tenants, 400 keys, 5,000 users, 30
models), and each question is asked three times. What is stored is the slowest of them, the most
that a processor worked for one, and how far memory rose while they were answered; then a gateway
serves calls on that store while the same is asked of it (`bench.ledger_serving`).
bench/results/ledger.json keeps the last run of each store. With `--keep` what was filled stays in
a folder, and is asked again by the next run (`bench.ledger_stores`).
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "support"))

from bench import ledger_filling, ledger_serving  # noqa: E402  the path comes first
from bench.environment import busy  # noqa: E402
from bench.ledger_filling import DAYS, START  # noqa: E402
from bench.ledger_stores import Store, load, store  # noqa: E402
from sqlalchemy import Engine, text  # noqa: E402

from federation.storage.analytics import SqlAnalytics  # noqa: E402
from federation.storage.analytics_entries import DAY_MS, CostQuery, LineQuery  # noqa: E402

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


def filling_is_taking_in(kind: str) -> None:
    """What is filled in is what ingest would have made; raises `SystemExit`."""
    with store(kind) as one, store(kind) as other:
        ledger_filling.check(one.engine, other.engine, SAMPLE)


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
    parser = argparse.ArgumentParser(prog="bench.ledger")
    parser.add_argument("what", nargs="*", help="how many lines, and which stores")
    parser.add_argument("--keep", type=Path, help="where filled stores stay, and are found again")
    given = parser.parse_args(arguments)
    counts = [int(word) for word in given.what if word.isdigit()]
    kinds = [word for word in given.what if not word.isdigit()] or ["sqlite", "postgres"]
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    count = (counts[0] if counts else 1_000_000) // DAYS * DAYS
    late = 0
    with ExitStack() as stack:
        stores = {kind: stack.enter_context(store(kind, given.keep)) for kind in kinds}
        told = {kind: each.filled(count) for kind, each in stores.items()}
        empty = [kind for kind in kinds if told[kind] is None]
        for kind in kinds:
            filling_is_taking_in(kind)
        if empty:
            loaded = load([stores[kind] for kind in empty], count)
            told |= dict.fromkeys(empty, loaded)
        for kind in kinds:
            found = measure(kind, stores[kind], count) | {"kept": kind not in empty}
            results[kind] = found | (told[kind] or {})
            goal = 1.0 if kind == "postgres" else 3.0
            answers = found["answers"]
            assert isinstance(answers, dict)
            late += sum(answer["slowest_s"] > goal for answer in answers.values())
            print({key: value for key, value in found.items() if key != "answers"}, flush=True)
            RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    return int(late > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
