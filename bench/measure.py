"""The measurements: whole answers at full load and at a fixed rate, and many streams."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from bench import accounting

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Whole:
    """Whole answers at some number of connections. CPU is the target's whole tree."""

    requests: int
    errors: int
    cpu_us: float
    """Per request, with all that is done for it afterwards."""
    worker_us: float
    """The part of it in the processes that answer."""
    per_second: float
    p50_us: float
    p99_us: float


@dataclass(frozen=True)
class Streams:
    """Streams held at once. CPU is the target's whole tree."""

    events: int
    failures: int
    cpu_us: float
    """Per event that reached the client, everything else of the stream included."""
    worker_us: float
    first_p50_ms: float
    first_p99_ms: float
    cpu_share: float
    """Of one core, while the streams ran."""
    reasons: dict[str, int]


@dataclass(frozen=True)
class Place:
    """Whom to ask: the root of the process tree, its port, the mark of those that answer."""

    root: int
    port: int
    worker: str = ""


def whole(place: Place, request: Path, connections: int, seconds: float) -> Whole:
    """Post `request` for `seconds` on `connections` connections, as fast as they are answered."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--latency"]
    command += ["--timeout", "20s", "-s", str(HERE / "post.lua")]
    return _posted(place, [*command, f"http://127.0.0.1:{place.port}/"], request)


def paced(place: Place, request: Path, seconds: float) -> Whole:
    """Post `request` on 8 connections, 1,000 times a second or as often as they are answered."""
    command = [sys.executable, "-m", "bench.paced", "--port", str(place.port)]
    return _posted(place, [*command, "--request", str(request), "--seconds", str(seconds)], request)


def _posted(place: Place, command: list[str], request: Path) -> Whole:
    root, worker = place.root, place.worker
    before, worker_before = accounting.cpu_seconds(root), accounting.cpu_of(root, worker)
    done = subprocess.run(
        command,
        env={**os.environ, "REQUEST": str(request)},
        capture_output=True,
        text=True,
        check=True,
        cwd=HERE.parent,
    )
    accounting.settle(root)
    used = accounting.cpu_seconds(root) - before
    worker_used = accounting.cpu_of(root, worker) - worker_before
    said = json.loads(done.stdout.strip().splitlines()[-1])
    count = max(1, said["requests"])
    return Whole(
        requests=said["requests"],
        errors=said["not_ok"] + said["socket_errors"],
        cpu_us=used / count * 1e6,
        worker_us=worker_used / count * 1e6,
        per_second=said["requests"] / said["seconds"],
        p50_us=said["p50_us"],
        p99_us=said["p99_us"],
    )


def streams(
    place: Place,
    request: Path,
    count: int,
    seconds: float,
    expected: int,
    end: str = "data: [DONE]",
) -> Streams:
    """Hold `count` streams for `seconds` (each is finished), two client processes at most."""
    root, port, worker = place.root, place.port, place.worker
    shares = [count] if count < 128 else [count // 2, count - count // 2]
    before, worker_before = accounting.cpu_seconds(root), accounting.cpu_of(root, worker)
    clients = [
        subprocess.Popen(
            [
                *(sys.executable, "-m", "bench.streams"),
                *("--port", str(port), "--request", str(request), "--streams", str(share)),
                *("--seconds", str(seconds), "--expected", str(expected), "--end", end),
            ],
            stdout=subprocess.PIPE,
            cwd=HERE.parent,
        )
        for share in shares
    ]
    said = [json.loads(client.communicate(timeout=seconds + 120)[0]) for client in clients]
    accounting.settle(root)
    used = accounting.cpu_seconds(root) - before
    worker_used = accounting.cpu_of(root, worker) - worker_before
    events = sum(one["events"] for one in said)
    reasons: dict[str, int] = {}
    for one in said:
        for reason, number in one["reasons"].items():
            reasons[reason] = reasons.get(reason, 0) + number
    return Streams(
        events=events,
        failures=sum(one["failures"] for one in said),
        cpu_us=used / max(1, events) * 1e6,
        worker_us=worker_used / max(1, events) * 1e6,
        first_p50_ms=max(one["first_event_p50_ms"] for one in said),
        first_p99_ms=max(one["first_event_p99_ms"] for one in said),
        cpu_share=used / max(one["seconds"] for one in said),
        reasons=reasons,
    )


def plain(result: Whole | Streams) -> dict[str, object]:
    """The result as JSON-ready values."""
    return asdict(result)
