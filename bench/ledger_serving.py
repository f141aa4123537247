"""Whether workers feel it when somebody asks the ledger: `bench.ledger` calls this.

A whole gateway is started on the store that was filled, and one worker is asked at a fixed rate,
in windows that take turns: alone; while the management API is asked for sums over the year, one
question after another, as fast as it answers; and while a process beside it does nothing but
count, at the priority at which control works on questions. The last is what any work on the same
processors does, whoever does it: on a machine without a free one it is most of what is seen.

Told are medians over the turns of a call's latency, of the processor time that the worker used
for a call, and of how long control took to say what is no work (`control_p99_ms`: its event loop's
lag is in there); and by how much a window differed from the quiet one just before it, in the
median of the turns.
"""

from __future__ import annotations

import http.client
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from bench import accounting, targets
from bench.run import upstream

from federation.control.threads import LATER

RATE = 200
SECONDS = 5.0
TURNS = 6
_FIGURES = ("p50_ms", "p99_ms", "worker_us", "control_p99_ms")
_ROOT = Path(__file__).resolve().parent.parent
_SMALL = "/v1/keys?limit=1"
_QUESTIONS = (
    "group_by=user",
    "group_by=tag",
    "group_by=day&group_by=model",
    "group_by=tenant&group_by=provider",
    "group_by=key&timezone=Europe/Berlin",
    "group_by=day&timezone=Asia/Kolkata",
)


class _Asking:
    """Asks for sums over and over in a thread, until it is stopped."""

    def __init__(self, port: int, stretch: str) -> None:
        self.answered = 0
        self.refused = ""
        self._port, self._stretch = port, stretch
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        if self.refused:
            raise SystemExit(self.refused)

    def _ask(self) -> None:
        link = http.client.HTTPConnection("127.0.0.1", self._port, timeout=120)
        while not (self._over.is_set() or self.refused):
            by = _QUESTIONS[self.answered % len(_QUESTIONS)]
            path = f"/v1/analytics/costs?{self._stretch}&{by}"
            self._get(link, path)
            self.answered += 1
        link.close()

    def _get(self, link: http.client.HTTPConnection, path: str) -> None:
        link.request("GET", path, headers={"authorization": f"Bearer {targets.KEY}"})
        answer = link.getresponse()
        said = answer.read()
        if answer.status != 200:
            self.refused = f"{path}: {answer.status} {said[:300]!r}"


class _Lagging(_Asking):
    """Asks control for next to nothing, some times a second, and notes how long that took."""

    def __init__(self, port: int) -> None:
        super().__init__(port, "")
        self.took: list[float] = []

    def _ask(self) -> None:
        link = http.client.HTTPConnection("127.0.0.1", self._port, timeout=120)
        while not (self._over.wait(0.05) or self.refused):
            began = time.perf_counter()
            self._get(link, _SMALL)
            self.took.append(time.perf_counter() - began)
        link.close()


def beside(place: Callable[[Path], dict[str, str]], stretch: str) -> dict[str, Any]:
    """The latency of calls in milliseconds, with and without questions in turn.

    `place` puts the filled store where a data directory wants it, and gives the environment.
    """
    with tempfile.TemporaryDirectory(prefix="federation-ledger-") as name, upstream() as (_, port):
        scratch = Path(name)
        request = scratch / "request"
        request.write_bytes(targets.chat_request("bench", 1024))

        def launch(folder: Path, own: int, upstream_port: int) -> targets.Launch:
            plain = targets.FEDERATION.launch(folder, own, upstream_port)
            return replace(plain, environment={**plain.environment, **place(folder / "data")})

        running = targets.start(replace(targets.FEDERATION, launch=launch), scratch, port)
        try:
            return _turns(running, request, stretch)
        finally:
            running.stop()


class _Counting:
    """A process that only counts, as far behind in priority as control's questions."""

    def __enter__(self) -> Self:
        count = f"import os\nos.nice({LATER})\nwhile True: pass"
        self._process = subprocess.Popen([sys.executable, "-c", count])
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()


def _turns(running: targets.Running, request: Path, stretch: str) -> dict[str, Any]:
    windows: dict[str, list[dict[str, float]]] = {"quiet": [], "asked": [], "counted": []}
    answered = 0
    _paced(running.port, request)  # meanwhile control begins, and everything grows warm
    for _ in range(TURNS):
        windows["quiet"].append(_window(running, request))
        with _Asking(running.port, stretch) as asking:
            windows["asked"].append(_window(running, request))
        answered += asking.answered
        windows["quiet"].append(_window(running, request))
        with _Counting():
            windows["counted"].append(_window(running, request))
    found: dict[str, Any] = {"rate": RATE, "turns": TURNS, "questions": answered}
    before = {"asked": windows["quiet"][::2], "counted": windows["quiet"][1::2]}
    for when, each in windows.items():
        found[when] = {name: _median(row[name] for row in each) for name in _FIGURES}
    for when, quiet in before.items():
        pairs = list(zip(quiet, windows[when], strict=True))
        found[f"{when}_more"] = {
            name: _median(then[name] - now[name] for now, then in pairs) for name in _FIGURES
        }
    return found


def _median(values: Iterable[float]) -> float:
    return round(statistics.median(values), 2)


def _window(running: targets.Running, request: Path) -> dict[str, float]:
    """A few seconds of calls; what they took of time and of the worker's processor."""
    root, mark = running.process.pid, running.worker_mark
    used = accounting.cpu_of(root, mark)
    with _Lagging(running.port) as lagging:
        found = _paced(running.port, request)
    used = accounting.cpu_of(root, mark) - used
    return {
        "p50_ms": found["p50_us"] / 1000,
        "p99_ms": found["p99_us"] / 1000,
        "worker_us": used / found["requests"] * 1e6,
        "control_p99_ms": sorted(lagging.took)[len(lagging.took) * 99 // 100] * 1000,
    }


def _paced(port: int, request: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.paced", "--port", str(port), "--request", str(request)]
    command += ["--rate", str(RATE), "--connections", "2", "--seconds", str(SECONDS)]
    said = subprocess.run(command, capture_output=True, text=True, check=True, cwd=_ROOT)
    found: dict[str, float] = json.loads(said.stdout)
    if found["not_ok"]:
        raise SystemExit(f"{found['not_ok']} calls were not answered")
    return found
