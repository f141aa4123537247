"""`make bench`: every target side by side in one run, a table with ratios, and JSON.

Rounds go through all targets in turn (A B C, A B C, ...), and a figure is the median over the
rounds, so that a machine that grows slower or faster under way does so for everyone. What
counts is CPU time by the operating system's accounting, and its ratio to a bare nginx proxy
in the same run: absolute times belong to one machine.

    python -m bench.run [--quick] [--no-peers] [--only NAME ...] [--rounds N] [--out FILE]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench import accounting, environment, measure, table, targets

OUT = Path(__file__).resolve().parent / "out"
EVENTS = 64
PACED = 8
"""The number of connections at the fixed rate; also the name of its figures."""


@dataclass(frozen=True)
class Case:
    """A row of the table: one kind of request to one target."""

    name: str
    target: str
    model: str
    body_bytes: int = 1024
    streams: bool = False
    """Measured with streams too."""
    path: str = targets.CHAT
    end: str = "data: [DONE]"
    """How a stream's last event begins."""


@dataclass
class Found:
    """Everything measured of one case, a list with an entry for each round."""

    case: Case
    whole: dict[int, list[measure.Whole]] = field(default_factory=dict)
    streams: dict[int, list[measure.Streams]] = field(default_factory=dict)
    silent: str = ""
    """Why streams were given up."""


@dataclass(frozen=True)
class Effort:
    """How long to measure."""

    rounds: int
    seconds_paced: float
    seconds_one: float
    seconds_many: float
    seconds_streams: float
    stream_counts: tuple[int, ...]
    warm_seconds: float
    """Before a row's first figure; a just-in-time compiler needs seconds."""


FULL = Effort(3, 5, 3, 4, 4.0, (64, 256), 4)
QUICK = Effort(2, 2, 1, 2, 2.0, (256,), 1)

CASES = (
    Case("direct", "direct", "bench-model", streams=True),
    Case("nginx", "nginx", "bench-model", streams=True),
    Case("federation route", "federation", "bench", streams=True),
    Case("federation auto", "federation", "auto"),
    Case("federation governed", "federation governed", "bench", streams=True),
    Case(
        "federation translated",
        "federation",
        "bench",
        streams=True,
        path="/v1/messages",
        end='data: {"type":"message_stop"',
    ),
    Case("litellm", "litellm", "bench-model", streams=True),
    Case("portkey", "portkey", "bench-model", streams=True),
    Case("direct 100 kB", "direct", "bench-model", 100_000),
    Case("nginx 100 kB", "nginx", "bench-model", 100_000),
    Case("federation 100 kB", "federation", "bench", 100_000),
)


@contextlib.contextmanager
def upstream(*options: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The common upstream, ended with the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.upstream", "--events", str(EVENTS), *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=OUT.parent.parent,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        yield process, int(process.stdout.readline())
    finally:
        process.stdin.close()
        process.wait()


STARTS = 3
"""How often a target is started; its cold start is the median, and the last one stays."""


def _start(target: targets.Target, scratch: Path, port: int) -> targets.Running:
    began = []
    for _ in range(STARTS - 1):
        tried = targets.start(target, scratch, port)
        tried.stop()
        began.append(tried.cold_start_s)
    stays = targets.start(target, scratch, port)
    stays.cold_start_s = statistics.median([*began, stays.cold_start_s])
    return stays


def start_all(
    wanted: list[targets.Target],
    scratch: Path,
    port: int,
    notes: list[str],
    running: dict[str, targets.Running],
) -> None:
    """Start every target; one that fails becomes a note and is left out.

    Each is put in `running` as soon as it runs: whoever is interrupted has to stop them.
    """
    for target in wanted:
        try:
            running[target.name] = _start(target, scratch, port)
        except (targets.TargetFailed, OSError) as error:
            notes.append(f"{target.name} is left out: {error}")
            print(f"  {target.name}: left out ({str(error).splitlines()[0]})", file=sys.stderr)


def _write_requests(case: Case, target: targets.Target, folder: Path) -> tuple[Path, Path]:
    stem = case.name.replace(" ", "-")
    whole, stream = folder / f"{stem}.request", folder / f"{stem}.stream"
    headers = target.headers
    limit = None if case.path == targets.CHAT else 256
    for place, streamed in ((whole, False), (stream, True)):
        place.write_bytes(
            targets.chat_request(
                case.model,
                case.body_bytes,
                headers=headers,
                stream=streamed,
                path=case.path,
                limit=limit,
            )
        )
    return whole, stream


def measure_rounds(
    found: list[Found], running: dict[str, targets.Running], effort: Effort, folder: Path
) -> None:
    """Fill `found`, round by round."""
    for number in range(effort.rounds):
        print(f"round {number + 1} of {effort.rounds}", file=sys.stderr)
        for one in found:
            target = running[one.case.target]
            whole, stream = _write_requests(one.case, target.target, folder)
            if number == 0:
                measure.whole(target.place, whole, 8, effort.warm_seconds)
            one.whole.setdefault(PACED, []).append(
                measure.paced(target.place, whole, effort.seconds_paced)
            )
            for count, seconds in ((1, effort.seconds_one), (32, effort.seconds_many)):
                result = measure.whole(target.place, whole, count, seconds)
                one.whole.setdefault(count, []).append(result)
            if one.case.streams:
                _measure_streams(one, target, effort, stream)


def _measure_streams(one: Found, target: targets.Running, effort: Effort, request: Path) -> None:
    """Streams at every count; a target that streams nothing at all is not asked again."""
    for count in effort.stream_counts:
        if one.silent:
            return
        held = measure.streams(
            target.place, request, count, effort.seconds_streams, EVENTS, one.case.end
        )
        if held.events:
            one.streams.setdefault(count, []).append(held)
        else:
            one.silent = f"{one.case.name} streamed nothing: {held.reasons}"


def _median(values: list[float]) -> float:
    return round(statistics.median(values), 3)


def summarize(one: Found) -> dict[str, object]:
    """Medians over the rounds; errors and failures are added up."""
    row: dict[str, object] = {"name": one.case.name}
    for count, results in one.whole.items():
        row[f"whole_{count}"] = {
            "cpu_us": _median([result.cpu_us for result in results]),
            "cpu_us_rounds": [round(result.cpu_us, 2) for result in results],
            "worker_us": _median([result.worker_us for result in results]),
            "per_second": _median([result.per_second for result in results]),
            "per_core_second": _median([1e6 / max(result.cpu_us, 1e-9) for result in results]),
            "p50_us": _median([result.p50_us for result in results]),
            "p99_us": _median([result.p99_us for result in results]),
            "requests": sum(result.requests for result in results),
            "errors": sum(result.errors for result in results),
        }
    for count, held in one.streams.items():
        row[f"streams_{count}"] = {
            "cpu_us": _median([result.cpu_us for result in held]),
            "cpu_us_rounds": [round(result.cpu_us, 2) for result in held],
            "worker_us": _median([result.worker_us for result in held]),
            "first_p50_ms": _median([result.first_p50_ms for result in held]),
            "first_p99_ms": _median([result.first_p99_ms for result in held]),
            "cpu_share": _median([result.cpu_share for result in held]),
            "events": sum(result.events for result in held),
            "failures": sum(result.failures for result in held),
            "reasons": {key: value for result in held for key, value in result.reasons.items()},
        }
    return row


def _memory(running: dict[str, targets.Running]) -> dict[str, dict[str, float]]:
    return {
        name: {
            "worker_mib": round(
                accounting.worker_rss(target.process.pid, target.worker_mark) / 2**20, 1
            ),
            "tree_mib": round(accounting.tree_rss(target.process.pid) / 2**20, 1),
        }
        for name, target in running.items()
    }


def bench(effort: Effort, names: set[str], *, peers: bool) -> dict[str, object]:
    """One whole run; everything that was started is stopped."""
    work_us = [environment.python_work_us()]
    notes = [busy] if (busy := environment.busy()) else []
    scratch = Path(tempfile.mkdtemp(prefix="federation-bench-"))
    running: dict[str, targets.Running] = {}
    try:
        with upstream() as (process, port):
            wanted = [targets.NGINX, targets.FEDERATION, targets.GOVERNED]
            installed = targets.installed_peers(port) if peers else []
            if peers and not installed:
                notes.append("no peer is installed: `make bench-peers` installs them")
            chosen = [one for one in wanted + installed if not names or one.name in names]
            start_all(chosen, scratch, port, notes, running)
            direct = targets.Target("direct", lambda *_: targets.Launch([]))
            everyone = {
                "direct": targets.Running(direct, process, port, "", 0.0, scratch),
                **running,
            }
            idle = _memory(running)
            found = [Found(case) for case in CASES if case.target in everyone]
            measure_rounds(found, everyone, effort, scratch)
            loaded = _memory(running)
    finally:
        for target in running.values():
            target.stop()
        shutil.rmtree(scratch, ignore_errors=True)
    work_us.append(environment.python_work_us())
    return {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "environment": environment.describe(),
        "python_work_us": work_us,
        "rounds": effort.rounds,
        "rows": [summarize(one) for one in found],
        "cold_start_s": {name: round(one.cold_start_s, 3) for name, one in running.items()},
        "memory_idle": idle,
        "memory_loaded": loaded,
        "notes": notes + [one.silent for one in found if one.silent],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--rounds", type=int, default=0)
    parser.add_argument("--out", type=Path, default=OUT / "bench.json")
    args = parser.parse_args()
    effort = QUICK if args.quick else FULL
    if args.rounds:
        effort = replace(effort, rounds=args.rounds)
    result = bench(effort, set(args.only), peers=not (args.no_peers or args.quick))
    result["verdicts"] = table.verdicts(result)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(result, indent=1) + "\n")
    print(table.render(result))
    print(f"\nwritten to {args.out}")


if __name__ == "__main__":
    main()
