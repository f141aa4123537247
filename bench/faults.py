"""`make soak-faults`: does everybody get a whole answer where every provider fails at random?

10,000 calls, half of them streamed, arrive at 120 a second at a whole gateway of two workers,
before three providers of `federation lab` each of which answers 3 % of its requests with a 429,
3 % with a 500, and so on for a reset, a stall, a cut and a first token that comes too late.
The text of each answer is compared to the letter. The arrivals do not wait for answers: a
gateway that falls behind is seen.

    python -m bench.faults [--calls 10000] [--rate 120] [--seed 1] [--out FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvloop
from bench import accounting, environment, targets
from bench.answers import Answer, Asker

from federation.transport.limits import Limits

OUT = Path(__file__).resolve().parent / "out"
TEXT = " ".join(f"w{number:02d}" for number in range(1, 61))
"""What every voice here says."""
PERCENT = 3
WORKERS = 2
LEAST_SUCCESS = 0.9995
MOST_LOAD = 1.3
LEAST_RATE = 100.0
DRIFT = 0.05
UNSETTLED_MIB = 4.0
"""Ten thousand calls are over before an allocator has settled; see `bench.soak`."""
FDS_MORE = 16
"""Descriptors that a worker may hold beyond those of an idle one, once the connections to providers
that it keeps for the next call have been idle for too long. Right after the calls it may hold as
many of them as calls were under way at once."""
_WARM = 0.25
_QUIET_S = 8.0
_STORIES = 20
_LIMITS = {"connect_s": 2.0, "first_token_s": 2.0, "idle_s": 2.0, "total_s": 30.0}
_TARGETS = (
    ("faulty-one", "openai", "lab-prefill"),
    ("faulty-two", "anthropic", "lab-prefill"),
    ("faulty-three", "openai", "lab-same"),
)
_BASES = {"openai": "/v1", "anthropic": "/v1"}
_HELLO = [{"role": "user", "content": "Count to sixty."}]


@dataclass(frozen=True)
class Dose:
    """How much is asked, and how fast."""

    calls: int = 10_000
    rate: float = 120.0
    seed: int = 1


@dataclass
class Seen:
    """What was seen while the calls ran."""

    answers: list[Answer] = field(default_factory=list)
    seconds: float = 0.0
    most_in_flight: int = 0
    rss_mib: list[list[float]] = field(default_factory=list)
    """Each worker's, from the first sample to the last."""


def _config(folder: Path, lab: int) -> Path:
    config = folder / "config"
    config.mkdir()
    model = {"context": 128000, "price": {"input": 1, "output": 2}}
    providers: list[dict[str, Any]] = []
    for name, dialect, voice in _TARGETS:
        row: dict[str, Any] = model | {"id": f"{voice}:random-{PERCENT}"}
        if voice == "lab-prefill":
            row["abilities"] = ["sampling", "prefill"]
            row["quirks"] = {"prefill": "prefix"} if dialect == "openai" else {}
        providers.append(
            {
                "id": name,
                "dialect": dialect,
                "base_url": f"http://127.0.0.1:{lab}/{name}{_BASES[dialect]}",
                "auth": {"scheme": "none"},
                "regions": ["eu"],
                "data_use": "none",
                "models": [row],
            }
        )
    named = [f"{row['id']}/{row['models'][0]['id']}" for row in providers]
    route = {"name": "faulty", "strategy": "round_robin", "targets": named, "timeouts": _LIMITS}
    # JSON is YAML: the benchmark needs no YAML writer.
    (config / "providers.yaml").write_text(json.dumps({"providers": providers}))
    (config / "federation.yaml").write_text(json.dumps({"routes": [route]}))
    return config


def _command(*words: str) -> list[str]:
    return [sys.executable, "-m", "federation.cli.main", *words]


def _start(command: list[str], log: Path, **more: str) -> subprocess.Popen[bytes]:
    with log.open("wb") as output:
        return subprocess.Popen(
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=targets.clean_environment() | more,
            start_new_session=True,
        )


def _get(port: int, path: str) -> Any:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}", headers={"authorization": f"Bearer {targets.KEY}"}
    )
    with urllib.request.urlopen(request, timeout=30) as reply:
        return json.load(reply) if "json" in reply.headers["content-type"] else reply.read()


def _until_answers(port: int, path: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 60
    while True:
        try:
            _get(port, path)
        except OSError as error:
            if process.poll() is not None or time.monotonic() > end:
                raise targets.TargetFailed(log.read_text()) from error
            time.sleep(0.1)
        else:
            return


def _workers(root: int) -> list[int]:
    marked = (each for each in accounting.tree(root) if "bootstrap.worker" in each.command)
    return sorted(each.pid for each in marked)


def _rss(root: int, workers: list[int]) -> list[float]:
    found = {each.pid: each.rss / 2**20 for each in accounting.tree(root)}
    return [round(found.get(pid, 0.0), 2) for pid in workers]


def _fds(workers: list[int]) -> list[int]:
    """Each worker's open descriptors; none of one that has died."""
    found = []
    for pid in workers:
        try:
            found.append(len(list(Path(f"/proc/{pid}/fd").iterdir())))
        except OSError:
            found.append(0)
    return found


def _fds_at_last(workers: list[int], before: list[int]) -> list[int]:
    """Each worker's descriptors once none has too many, or when idle connections must be closed."""
    end = time.monotonic() + Limits().keep_alive_s + _QUIET_S
    while True:
        fds = _fds(workers)
        few = all(now <= then + FDS_MORE for now, then in zip(fds, before, strict=True))
        if few or time.monotonic() > end:
            return fds
        time.sleep(1.0)


async def _load(port: int, root: int, workers: list[int], dose: Dose) -> Seen:
    seen = Seen()
    asker = Asker(port, targets.KEY)
    running: set[asyncio.Task[Answer]] = set()
    loop = asyncio.get_running_loop()
    samples = max(20, dose.calls // 200)
    began = loop.time()
    for number in range(dose.calls):
        await asyncio.sleep(max(0.0, began + number / dose.rate - loop.time()))
        body = {"model": "faulty", "messages": _HELLO, "stream": number % 2 == 1}
        task = loop.create_task(asker.ask(body))
        running.add(task)
        task.add_done_callback(running.discard)
        task.add_done_callback(lambda done: seen.answers.append(done.result()))
        seen.most_in_flight = max(seen.most_in_flight, len(running))
        if number % max(1, dose.calls // samples) == 0:
            seen.rss_mib.append(_rss(root, workers))
    while running:
        await asyncio.wait(tuple(running))
    seen.seconds = loop.time() - began
    seen.rss_mib.append(_rss(root, workers))
    await asyncio.sleep(0)
    asker.close()
    return seen


def _memory(seen: Seen) -> list[dict[str, Any]]:
    """Each worker's first and last quarter after warming up, and whether that is flat."""
    measured = seen.rss_mib[int(len(seen.rss_mib) * _WARM) :]
    found = []
    for one in zip(*measured, strict=True):
        quarter = max(1, len(one) // 4)
        first, last = sorted(one[:quarter])[quarter // 2], sorted(one[-quarter:])[quarter // 2]
        flat = last - first <= max(DRIFT * first, UNSETTLED_MIB)
        found.append({"first_mib": first, "last_mib": last, "flat": flat})
    return found


def _gauge(port: int, name: str) -> float:
    lines = _get(port, "/metrics").decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(f"{name} "))


def _at_rest(port: int, lab: int) -> dict[str, float]:
    """What is still going on when nobody asks for anything, after so long."""
    end = time.monotonic() + _QUIET_S
    while True:
        left = {
            "lab_in_flight": float(_get(lab, "/lab/log?since=999999999")["in_flight"]),
            # The one is this very request.
            "in_flight": max(0.0, _gauge(port, "federation_inflight_requests") - 1),
            "client_connections": max(0.0, _gauge(port, "federation_client_connections") - 1),
        }
        if not any(left.values()) or time.monotonic() > end:
            return left
        time.sleep(0.5)


def _told(answers: list[Answer]) -> dict[str, Any]:
    whole = [one for one in answers if one.claims and one.text == TEXT]
    false = [one for one in answers if one.claims and one.text != TEXT]
    failed = [one for one in answers if not one.claims]
    took = sorted(one.seconds for one in answers)
    return {
        "success": round(len(whole) / len(answers), 6),
        "whole": len(whole),
        "truncated": len(false),
        "failed": dict(Counter(f"{one.status} {one.problem}" for one in failed)),
        "wrong": [{"call": one.call, "text": one.text} for one in false[:5]],
        "p50_s": round(took[len(took) // 2], 4),
        "p99_s": round(took[int(len(took) * 0.99)], 4),
        "slowest_s": round(took[-1], 3),
    }


def _story(port: int, call: str) -> dict[str, Any]:
    """How a call went that got no answer, as the ledger has it."""
    try:
        found = _get(port, f"/v1/calls/{call}")
    except urllib.error.HTTPError as refused:
        return {"call": call, "outcome": f"the ledger says {refused.code}"}
    decision = found["decision"] or {}
    tried = (f"{one['deployment']}: {one['error'] or 'ok'}" for one in found["attempts"])
    return {
        "call": call,
        "stream": found["stream"],
        "outcome": found["outcome"],
        "error": found["error"],
        "seconds": round((found["duration_ms"] or 0.0) / 1000, 2),
        "order": [one["deployment"] for one in decision.get("candidates", ())],
        "removed": decision.get("removed", {}),
        "attempts": list(tried),
    }


def _seen_by_lab(lab: int, calls: int) -> dict[str, Any]:
    attempts = [one for one in _get(lab, "/lab/log")["attempts"] if one["dialect"]]
    plays = Counter(one["play"].partition("-")[0] for one in attempts)
    return {
        "attempts": len(attempts),
        "load": round(len(attempts) / calls, 4),
        "by_provider": dict(sorted(Counter(one["provider"] for one in attempts).items())),
        "plays": dict(sorted(plays.items())),
        "continued": dict(Counter(one["continuation"] for one in attempts if one["continuation"])),
    }


def soak(dose: Dose) -> dict[str, Any]:
    """Run it; the result says whether each promise was kept."""
    scratch = Path(tempfile.mkdtemp(prefix="federation-faults-"))
    lab_port, port = targets.free_port(), targets.free_port()
    started: list[subprocess.Popen[bytes]] = []
    try:
        words = ("--port", str(lab_port), "--seed", str(dose.seed), "--pace", "0", "--json")
        lab = _start(_command("lab", *words), scratch / "lab.log")
        started.append(lab)
        _until_answers(lab_port, "/lab", lab, scratch / "lab.log")
        config = _config(scratch, lab_port)
        serve = ["serve", "--host", "127.0.0.1", "--port", str(port), "--workers", str(WORKERS)]
        serve += ["--config", str(config), "--data", str(scratch / "data")]
        log = scratch / "gateway.log"
        gateway = _start(_command(*serve), log, FEDERATION_ADMIN_KEY=targets.KEY)
        started.append(gateway)
        _until_answers(port, "/v1/stats", gateway, log)
        return _measured(dose, gateway, log, port, lab_port)
    finally:
        for process in started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
        for process in started:
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
        shutil.rmtree(scratch, ignore_errors=True)


def _measured(
    dose: Dose, gateway: subprocess.Popen[bytes], log: Path, port: int, lab: int
) -> dict[str, Any]:
    workers = _workers(gateway.pid)
    fds_before = _fds(workers)
    seen = uvloop.run(_load(port, gateway.pid, workers, dose))
    left = _at_rest(port, lab)
    fds_kept = _fds(workers)
    fds = _fds_at_last(workers, fds_before)
    same = _workers(gateway.pid) == workers
    stats = _get(port, "/v1/stats")
    stories = [_story(port, one.call) for one in seen.answers if not one.claims and one.call]
    gateway.send_signal(signal.SIGTERM)
    try:
        code = gateway.wait(30)
    except subprocess.TimeoutExpired:
        code = -1
    told, lab_saw = _told(seen.answers), _seen_by_lab(lab, dose.calls)
    memory, rate = _memory(seen), round(dose.calls / seen.seconds, 1)
    kept = {
        "success": told["success"] >= LEAST_SUCCESS,
        "no_truncated_success": not told["truncated"],
        "load": lab_saw["load"] <= MOST_LOAD,
        "rate": rate >= LEAST_RATE,
        "memory_flat": all(one["flat"] for one in memory),
        "nothing_left": not any(left.values())
        and all(now <= then + FDS_MORE for now, then in zip(fds, fds_before, strict=True)),
        "no_worker_died": same,
        "ledger_whole": stats["calls"] == dose.calls and not stats["outcomes"].get("lost"),
        "clean_end": code == 0 and "Traceback" not in log.read_text(errors="replace"),
    }
    return {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "environment": environment.describe(),
        "calls": dose.calls,
        "seconds": round(seen.seconds, 1),
        "calls_per_s": rate,
        "most_in_flight": seen.most_in_flight,
        "limits": _LIMITS,
        "percent_each": PERCENT,
        **told,
        "stories": stories[:_STORIES],
        "providers": lab_saw,
        "ledger": stats["outcomes"],
        "memory": memory,
        "descriptors": {"before": fds_before, "kept": fds_kept, "after": fds},
        "left": left,
        "kept": kept,
        "passed": all(kept.values()),
        "exit_code": code,
        "log": [] if kept["clean_end"] else log.read_text(errors="replace").splitlines()[-60:],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=Dose.calls)
    parser.add_argument("--rate", type=float, default=Dose.rate)
    parser.add_argument("--seed", type=int, default=Dose.seed)
    parser.add_argument("--out", type=Path, default=OUT / "faults.json")
    args = parser.parse_args()
    result = soak(Dose(args.calls, args.rate, args.seed))
    words = f"--calls {args.calls} --rate {args.rate:g} --seed {args.seed}"
    result = {"command": f"python -m bench.faults {words}"} | result
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps({key: result[key] for key in result if key != "environment"}, indent=1))
    return 0 if result["passed"] else 1


if __name__ == "__main__":
    sys.exit(main())
