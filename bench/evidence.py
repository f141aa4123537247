"""What evidence costs a call, and how quick a log is verified: `python -m bench.evidence`.

Three gateways in processes of their own stand before one upstream: without records at all
(`off`), with a journal under `process` and under `disk` durability. They are asked in turn at 500
calls a second, so that whatever else the machine does falls on all alike; what is told is the
median over the rounds of the difference to `off` in the same round. CPU is that of the process
that serves, the thread that syncs its journal included; `records_cpu_us` is that of the two records
alone, which a busy neighbor troubles less. Then a log of RECORDS records is sealed, exported and
verified by both verifiers.
bench/results/evidence.json keeps the last run.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "support"))

import inprocess  # noqa: E402  the path comes first
import uvloop  # noqa: E402
from bench.environment import busy  # noqa: E402
from evidence_world import World, ended, started  # noqa: E402

from federation.bootstrap import assembly  # noqa: E402
from federation.evidence.verify import Verification  # noqa: E402
from federation.schema.records import (  # noqa: E402
    AttemptRecord,
    Candidate,
    Decision,
    Features,
)
from federation.schema.usage import Usage  # noqa: E402
from federation.storage.group_commit import GroupCommit  # noqa: E402
from federation.storage.journal import JournalWriter  # noqa: E402
from federation_verify.log import Log  # noqa: E402

RESULTS = ROOT / "bench" / "results" / "evidence.json"
MODES = ("off", "process", "disk")
ROUNDS = 7
SECONDS = 3.0
RATE = 500
RECORDS = 200_000
AT_MS = 1_700_000_000_000
LIMITS = {"cpu_us": 30, "process_p99_ms": 1.0, "disk_p99_ms": 6.0, "verify_per_s": 100_000}
BODY = json.dumps(
    {"model": "bench/bench-model", "messages": [{"role": "user", "content": "hello " * 60}]}
).encode()


class _NoRecords:
    """The place of the stage that keeps the books, without books."""

    def __init__(self, *_: Any) -> None:
        pass

    async def __call__(self, call: Any, following: Any) -> Any:
        return await following(call)

    def assured(self, _: Any) -> None:
        """Nothing is to be waited for."""


async def _serve(mode: str, upstream: str, directory: Path) -> None:
    """One gateway; prints its port, then its CPU seconds for each line that it reads."""
    journal = None
    if mode == "off":
        vars(assembly)["Recorder"] = _NoRecords
    else:
        journal = JournalWriter(directory, "w0", mode, commit=GroupCommit())
    row = inprocess.deployment(
        inprocess.provider("bench", upstream), inprocess.model("bench-model")
    )
    async with inprocess.gateway(inprocess.snapshot((row,)), journal=journal) as running:
        print(running.port, flush=True)
        lines = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
        while await lines.readline():
            print(time.process_time(), flush=True)


@contextmanager
def _started(*command: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-m", *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as process:
        try:
            yield process
        finally:
            assert process.stdin is not None
            process.stdin.close()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def _cpu_s(process: subprocess.Popen[str]) -> float:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()
    return float(_line(process))


def _round(process: subprocess.Popen[str], port: int, request: Path) -> tuple[float, float]:
    """Microseconds of CPU for each call, and the p99 in milliseconds."""
    before = _cpu_s(process)
    said = subprocess.run(
        [
            *(sys.executable, "-m", "bench.paced", "--port", str(port)),
            *("--request", str(request), "--rate", str(RATE), "--seconds", str(SECONDS)),
        ],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    found = json.loads(said.stdout)
    if found["not_ok"]:
        raise SystemExit(f"{found['not_ok']} calls were not answered")
    return (_cpu_s(process) - before) / found["requests"] * 1e6, found["p99_us"] / 1000


def calls(directory: Path, rounds: int) -> dict[str, Any]:
    """What a call costs under each mode, and the differences."""
    request = directory / "request"
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        f"authorization: Bearer {inprocess.SECRET}\r\ncontent-length: {len(BODY)}\r\n\r\n"
    )
    request.write_bytes(head.encode() + BODY)
    seen: dict[str, list[tuple[float, float]]] = {mode: [] for mode in MODES}
    with ExitStack() as stack:
        upstream = stack.enter_context(_started("bench.upstream"))
        port = json.loads(line)["port"] if (line := _line(upstream)).startswith("{") else int(line)
        url = f"http://127.0.0.1:{port}/v1"
        serving = {}
        for mode in MODES:
            child = stack.enter_context(
                _started("bench.evidence", "--serve", mode, url, str(directory / mode))
            )
            serving[mode] = child, int(_line(child))
        for n in range(rounds + 1):
            for mode in MODES:
                figure = _round(*serving[mode], request)
                if n:  # the first is for warming up
                    seen[mode].append(figure)
    found: dict[str, Any] = {
        mode: {
            "cpu_us": round(statistics.median(cpu for cpu, _ in seen[mode]), 1),
            "p99_ms": round(statistics.median(p99 for _, p99 in seen[mode]), 3),
        }
        for mode in MODES
    }
    for mode in MODES[1:]:
        pairs = list(zip(seen[mode], seen["off"], strict=True))
        found[mode] |= {
            "added_cpu_us": round(statistics.median(on[0] - off[0] for on, off in pairs), 1),
            "added_p99_ms": round(statistics.median(on[1] - off[1] for on, off in pairs), 3),
        }
    return found


def lines(directory: Path) -> float:
    """Microseconds of CPU for the two records of a call with eight candidates: made and written."""
    candidates = tuple(Candidate(f"p{n}/model-{n}", 0.8, 0.7, 0.6, 0.5, 0.9, 0.1) for n in range(8))
    decision = Decision("auto", "quality_first", 1, Features("code", 0.9), candidates, 8)
    attempts = (AttemptRecord("p0/model-0", AT_MS, 200, "", 120.5, 900.5, Usage(100, 300), 9),)
    journal = JournalWriter(directory, "w0")
    took = []
    for _ in range(15):
        before = time.thread_time_ns()
        for _ in range(1000):
            journal.append(started("call_1", AT_MS))
            journal.append(ended("call_1", AT_MS, decision=decision, attempts=attempts))
        took.append((time.thread_time_ns() - before) / 1e6)
    journal.close()
    return round(statistics.median(took), 1)


def verifying(directory: Path, records: int) -> dict[str, Any]:
    """Records a second, of one thread's CPU, and what that took of memory."""
    world = World(directory)
    notary = world.notary()
    notary.open()
    while world.calls * 2 < records:
        world.write("w0-a", 2_500)
        world.write("w1-b", 2_500)
        world.clock.now += 10
        notary.round()
    notary.close()
    export = world.export()
    world.close()
    found: dict[str, Any] = {"records": len(export.entries)}
    checks: dict[str, Callable[[Any], None]] = {
        "federation audit verify": _ours,
        "federation-verify": _theirs,
    }
    for name, check in checks.items():
        took = []
        for _ in range(3):
            before = time.thread_time()
            check(export)
            took.append(time.thread_time() - before)
        found[name] = {"records_per_s": round(len(export.entries) / statistics.median(took))}
    found["rss_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return found


def _ours(export: Any) -> None:
    report = Verification(export.trusted, export.keys).run(export.checkpoints, export.entries)
    assert report.good


def _theirs(export: Any) -> None:
    assert not Log().verify(export.trusted, export.keys, export.checkpoints, export.entries)


def main() -> None:
    """Measure, print and keep."""
    if sys.argv[1:2] == ["--serve"]:
        uvloop.run(_serve(sys.argv[2], sys.argv[3], Path(sys.argv[4])))
        return
    quick = "--quick" in sys.argv
    warning = busy()
    with tempfile.TemporaryDirectory(prefix="federation-evidence-") as name:
        directory = Path(name)
        found = {
            "machine": f"{os.cpu_count()} processors; {warning or 'quiet'}",
            "rate": RATE,
            "limits": LIMITS,
            "records_cpu_us": lines(directory / "lines"),
            "calls": calls(directory, 2 if quick else ROUNDS),
            "verify": verifying(directory / "log", RECORDS // 10 if quick else RECORDS),
        }
    text = json.dumps(found, indent=1)
    print(text)
    if not quick:
        RESULTS.write_text(text + "\n")


if __name__ == "__main__":
    main()
