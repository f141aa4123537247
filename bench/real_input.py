"""`make report`: eighty real prompts through the simulated providers with `auto`.

Starts the sandbox and the gateway, asks, and reads each call's account back from the
ledger. Savings are against the best single model (the highest default quality of all rows):
what it would have charged for the same numbers of tokens. Providers, prices and answers are
simulated; prompts, intents, decisions and the arithmetic are real.

    python -m bench.real_input [--strategies NAME ...] [--out FOLDER]
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from bench import environment, targets
from bench.prompts import Prompt, choose
from bench.report import render
from bench.run import OUT

_MOST_TOKENS = 1024
_AT_ONCE = 8
_STRATEGIES = ("quality_first", "speed", "cost_optimized")


@dataclass(frozen=True)
class Asked:
    """One prompt's way through the gateway."""

    source: str
    row: int
    turn: int
    status: int
    error: str
    intent: str
    confidence: float
    difficulty: float
    deployment: str
    attempts: int
    input_tokens: int
    output_tokens: int
    cost_nano: int
    quality: float
    """Of the chosen model for this prompt, as the decision saw it."""
    best_quality: float
    """Of the best single model, for the same prompt."""
    duration_ms: float


@contextlib.contextmanager
def sandbox(time_scale: float) -> Iterator[list[dict[str, Any]]]:
    """The simulated providers' rows while they run."""
    command = [sys.executable, "-m", "federation.bootstrap.sandbox", f"--time-scale={time_scale}"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())["rows"]
    finally:
        process.terminate()
        process.wait(10)


def _gateway(rows: list[dict[str, Any]]) -> targets.Target:
    def launch(folder: Path, port: int, _upstream: int) -> targets.Launch:
        config = folder / "config"
        config.mkdir(parents=True)
        (config / "providers.yaml").write_text(json.dumps({"providers": rows}))
        return targets.federation_launch(folder, port, config)

    return targets.Target("federation", launch, model="auto")


class Client:
    """Asks the gateway; a connection for each request, so that threads share nothing."""

    def __init__(self, port: int) -> None:
        self._port = port

    def __call__(self, method: str, path: str, body: object = None) -> tuple[int, Any, Any]:
        """Status, headers and parsed body."""
        link = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        try:
            headers = {"authorization": f"Bearer {targets.KEY}"}
            raw = None
            if body is not None:
                raw = json.dumps(body).encode()
                headers["content-type"] = "application/json"
            link.request(method, path, raw, headers)
            reply = link.getresponse()
            return reply.status, reply.headers, json.loads(reply.read())
        finally:
            link.close()


def _price(rows: list[dict[str, Any]], deployment: str) -> tuple[int, int]:
    """Nano-dollars per million tokens, in and out."""
    for row in rows:
        for model in row["models"]:
            if f"{row['id']}/{model['id']}" == deployment:
                price = model["price"]
                return _nano(price["input"]), _nano(price["output"])
    raise KeyError(deployment)


def _nano(usd: str) -> int:
    return int(Decimal(usd) * 10**9)


def best_single(rows: list[dict[str, Any]]) -> str:
    """The deployment with the highest default quality."""
    offers = [
        (model["quality"]["default"]["mean"], f"{row['id']}/{model['id']}")
        for row in rows
        for model in row["models"]
    ]
    return max(offers)[1]


def _converse(client: Client, talk: list[Prompt], strategy: str, best: str) -> list[Asked]:
    """Ask a conversation's prompts in turn, each with all that was said before."""
    messages: list[dict[str, str]] = []
    found = []
    for turn, prompt in enumerate(talk):
        messages.append({"role": "user", "content": prompt.text})
        status, headers, answer = client(
            "POST",
            targets.CHAT,
            {
                "model": "auto",
                "messages": messages,
                "max_tokens": _MOST_TOKENS,
                "federation": {"strategy": strategy, "session": f"{talk[0].source}-{talk[0].row}"},
            },
        )
        text = ""
        if status == 200:
            text = answer["choices"][0]["message"]["content"] or ""
        messages.append({"role": "assistant", "content": text})
        call = _story(client, headers.get("x-federation-call-id"))
        found.append(_account(prompt, turn, status, answer, call, best))
    return found


def _story(client: Client, name: str | None, patience_s: float = 15.0) -> dict[str, Any]:
    """The call's account; the ledger answers a moment after the first calls can be made."""
    end = time.monotonic() + patience_s
    while name and time.monotonic() < end:
        status, _, call = client("GET", f"/v1/calls/{name}")
        if status == 200 and isinstance(call, dict):
            return call
        time.sleep(0.1)
    return {}


def _account(
    prompt: Prompt, turn: int, status: int, answer: Any, call: dict[str, Any], best: str
) -> Asked:
    decision = call.get("decision") or {}
    features = decision.get("features") or {}
    qualities = {
        one["deployment"]: one.get("quality", 0.0) for one in decision.get("candidates", [])
    }
    deployment = call.get("deployment", "")
    usage = call.get("usage") or {}
    return Asked(
        source=prompt.source,
        row=prompt.row,
        turn=turn,
        status=status,
        error="" if status == 200 else str(answer.get("error", {}).get("message", ""))[:200],
        intent=features.get("intent", "unknown"),
        confidence=round(features.get("confidence", 0.0), 3),
        difficulty=round(features.get("difficulty", 0.0), 3),
        deployment=deployment,
        attempts=len(call.get("attempts") or []),
        input_tokens=usage.get("input", 0),
        output_tokens=usage.get("output", 0),
        cost_nano=call.get("cost_nano") or 0,
        quality=round(qualities.get(deployment, 0.0), 4),
        best_quality=round(qualities.get(best, 0.0), 4),
        duration_ms=round(call.get("duration_ms") or 0.0, 1),
    )


def run(strategies: list[str], time_scale: float) -> dict[str, Any]:
    """Ask everything once under each strategy."""
    talks = choose()
    scratch = Path(tempfile.mkdtemp(prefix="federation-report-"))
    result: dict[str, Any] = {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "environment": environment.describe(),
        "prompts": sum(len(talk) for talk in talks),
        "chained": sum(len(talk) for talk in talks if len(talk) > 1),
        "strategies": {},
    }
    try:
        with sandbox(time_scale) as rows:
            best = best_single(rows)
            result["best_single"] = best
            result["best_price"] = _price(rows, best)
            for strategy in strategies:
                running = targets.start(_gateway(rows), scratch, 0)
                try:
                    client = Client(running.port)
                    with ThreadPoolExecutor(_AT_ONCE) as pool:
                        asked = pool.map(
                            lambda talk: _converse(client, talk, strategy, best),  # noqa: B023
                            talks,
                        )
                        calls = [asdict(one) for talk in asked for one in talk]
                finally:
                    running.stop()
                result["strategies"][strategy] = calls
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return result


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--strategies", nargs="+", default=list(_STRATEGIES))
    parser.add_argument("--time-scale", type=float, default=1.0)
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args()
    result = run(args.strategies, args.time_scale)
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "real_input.json").write_text(json.dumps(result, indent=1) + "\n")
    text = render(result)
    (args.out / "real_input.md").write_text(text)
    print(text)
    answered = [call["status"] == 200 for calls in result["strategies"].values() for call in calls]
    return 0 if all(answered) else 1


if __name__ == "__main__":
    sys.exit(main())
