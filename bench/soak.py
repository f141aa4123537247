"""`make soak`: does a worker's memory stay flat, and does nothing fail, over a long run?

200,000 whole answers and 2,000 streams, a fifth of which hang up in the middle, in slices;
the worker's resident memory is read after each. Flat means: the median of the last quarter is
within 5 % of the median of the first quarter after warming up. The short dose allows 4 MiB
besides: ten thousand calls are over before the allocator has settled, and a leak worth the
name (half a kilobyte a call) still shows.

    python -m bench.soak [--short] [--target nginx] [--out FILE]
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from bench import accounting, environment, measure, targets
from bench.run import OUT, upstream

_ALLOWED = 0.05
_EVENTS = 64
_LARGE_EVERY = 5
"""Every fifth slice posts 100 kB bodies, so that large buffers come and go."""


@dataclass(frozen=True)
class Dose:
    """How much is asked in all, and in how many slices."""

    requests: int
    streams: int
    slices: int
    warm_slices: int
    unsettled_mib: float = 0.0
    """Growth that says nothing yet, because the dose is too small for it."""


LONG = Dose(200_000, 2_000, 40, 8)
SHORT = Dose(10_000, 200, 10, 3, unsettled_mib=4.0)


@dataclass(frozen=True)
class Slice:
    """What one slice did, and the memory after it."""

    requests: int
    request_errors: int
    streams: int
    aborted: int
    stream_failures: int
    worker_mib: float
    tree_mib: float


def _hold_streams(port: int, request: Path, count: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "bench.streams", "--port", str(port)]
    command += ["--request", str(request), "--streams", str(min(count, 32))]
    command += ["--limit", str(count), "--abort-every", "5", "--spread-s", "0.2"]
    command += ["--seconds", "120", "--expected", str(_EVENTS)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, cwd=OUT.parent.parent)


def _slice(running: targets.Running, dose: Dose, folder: Path, *, large: bool) -> Slice:
    wanted = dose.requests // dose.slices
    client = _hold_streams(running.port, folder / "stream", dose.streams // dose.slices)
    root, requests, errors = running.process.pid, 0, 0
    while requests < wanted:
        body = folder / ("large" if large and not requests else "small")
        done = measure.whole(running.place, body, 32, 1)
        if not done.requests:
            raise targets.TargetFailed(f"{running.target.name} answers no longer")
        requests += done.requests
        errors += done.errors
    said = json.loads(client.communicate(timeout=180)[0])
    return Slice(
        requests=requests,
        request_errors=errors,
        streams=said["streams"],
        aborted=said["aborted"],
        stream_failures=said["failures"],
        worker_mib=round(accounting.worker_rss(root, running.worker_mark) / 2**20, 2),
        tree_mib=round(accounting.tree_rss(root) / 2**20, 2),
    )


def _ends(values: list[float]) -> tuple[float, float]:
    """The medians of the first and of the last quarter."""
    quarter = max(1, len(values) // 4)
    return statistics.median(values[:quarter]), statistics.median(values[-quarter:])


def soak(dose: Dose, target: targets.Target) -> dict[str, object]:
    """Run every slice; the result says whether memory stayed flat and nothing failed."""
    scratch = Path(tempfile.mkdtemp(prefix="federation-soak-"))
    slices: list[Slice] = []
    began = time.perf_counter()
    try:
        with upstream("--gap-ms", "3") as (_, port):
            for name, size, stream in (
                ("small", 1024, False),
                ("large", 100_000, False),
                ("stream", 1024, True),
            ):
                request = targets.chat_request(target.model, size, stream=stream)
                (scratch / name).write_bytes(request)
            running = targets.start(target, scratch, port)
            try:
                idle = accounting.worker_rss(running.process.pid, running.worker_mark) / 2**20
                for number in range(dose.slices + dose.warm_slices):
                    large = number % _LARGE_EVERY == 0
                    slices.append(_slice(running, dose, scratch, large=large))
                    _tell(number, slices[-1])
            finally:
                running.stop()
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    measured = slices[dose.warm_slices :]
    first, last = _ends([one.worker_mib for one in measured])
    drift = last / first - 1
    flat = abs(last - first) <= max(_ALLOWED * first, dose.unsettled_mib)
    failures = sum(one.stream_failures + one.request_errors for one in slices)
    return {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "environment": environment.describe(),
        "target": target.name,
        "seconds": round(time.perf_counter() - began, 1),
        "requests": sum(one.requests for one in measured),
        "streams": sum(one.streams for one in measured),
        "aborted": sum(one.aborted for one in measured),
        "failures": failures,
        "idle_mib": round(idle, 2),
        "drift": round(drift, 4),
        "flat": flat,
        "passed": flat and not failures,
        "slices": [asdict(one) for one in slices],
    }


def _tell(number: int, one: Slice) -> None:
    print(
        f"slice {number}: {one.requests} requests, {one.streams} streams, {one.aborted} aborted, "
        f"{one.request_errors + one.stream_failures} failures, {one.worker_mib} MiB",
        file=sys.stderr,
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--requests", type=int, default=0)
    parser.add_argument("--target", choices=("federation", "nginx"), default="federation")
    parser.add_argument("--out", type=Path, default=OUT / "soak.json")
    args = parser.parse_args()
    dose = SHORT if args.short else LONG
    if args.requests:
        dose = replace(dose, requests=args.requests)
    target = targets.NGINX if args.target == "nginx" else targets.FEDERATION
    result = soak(dose, target)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(result, indent=1) + "\n")
    shown = {key: result[key] for key in result if key not in ("slices", "environment")}
    print(json.dumps(shown, indent=1))
    return 0 if result["passed"] else 1


if __name__ == "__main__":
    sys.exit(main())
