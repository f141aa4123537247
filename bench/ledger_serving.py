"""Whether workers feel it when somebody asks the ledger: `bench.ledger` calls this.

A whole gateway is started on the store that was filled, one worker is asked at a fixed rate, and
in every other turn the management API is asked for sums over the year, one question after
another, as fast as it answers. Told are the medians over the turns of the latency with and
without questions, and how many questions were answered meanwhile.
"""

from __future__ import annotations

import http.client
import json
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from bench import targets
from bench.run import upstream

RATE = 200
SECONDS = 6.0
TURNS = 5
_ROOT = Path(__file__).resolve().parent.parent
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
        self._port, self._stretch = port, stretch
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _ask(self) -> None:
        link = http.client.HTTPConnection("127.0.0.1", self._port, timeout=120)
        while not self._over.is_set():
            by = _QUESTIONS[self.answered % len(_QUESTIONS)]
            path = f"/v1/analytics/costs?{self._stretch}&{by}"
            link.request("GET", path, headers={"authorization": f"Bearer {targets.KEY}"})
            answer = link.getresponse()
            said = answer.read()
            if answer.status != 200:
                raise SystemExit(f"{path}: {answer.status} {said[:300]!r}")
            self.answered += 1
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
            return _turns(running.port, request, stretch)
        finally:
            running.stop()


def _turns(port: int, request: Path, stretch: str) -> dict[str, Any]:
    quiet, asked, answered = [], [], 0
    _paced(port, request)
    for _ in range(TURNS):
        quiet.append(_paced(port, request))
        with _Asking(port, stretch) as asking:
            asked.append(_paced(port, request))
        answered += asking.answered
    found = {
        when: {
            name: round(statistics.median(each[name] for each in turns) / 1000, 2)
            for name in ("p50_us", "p99_us")
        }
        for when, turns in (("quiet", quiet), ("asked", asked))
    }
    return {
        "rate": RATE,
        "questions": answered,
        **{f"{when}_{name[:3]}_ms": ms for when, row in found.items() for name, ms in row.items()},
    }


def _paced(port: int, request: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.paced", "--port", str(port), "--request", str(request)]
    command += ["--rate", str(RATE), "--connections", "2", "--seconds", str(SECONDS)]
    said = subprocess.run(command, capture_output=True, text=True, check=True, cwd=_ROOT)
    found: dict[str, float] = json.loads(said.stdout)
    if found["not_ok"]:
        raise SystemExit(f"{found['not_ok']} calls were not answered")
    return found
