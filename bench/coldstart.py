"""How long until the first answer, how long an import takes, and what a worker has loaded.

python -m bench.coldstart [--rounds N] [--out FILE]
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from bench import environment, targets
from bench.run import OUT, upstream

FORBIDDEN = (
    "alembic",
    "fastapi",
    "numpy",
    "opentelemetry",
    "prometheus_client",
    "pydantic",
    "rich",
    "sqlalchemy",
    "starlette",
    "typer",
    "yaml",
)
"""What an inference worker must never have loaded."""

_TIMED_IMPORT = (
    "import sys, time; before = time.perf_counter(); import {module}; "
    "print(time.perf_counter() - before)"
)
_LOADED = "import sys, json, {module}; print(json.dumps(sorted(sys.modules)))"


def _python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def import_seconds(module: str, rounds: int) -> float:
    """Median time of `import module` in a fresh interpreter, its files in the cache."""
    code = _TIMED_IMPORT.format(module=module)
    return statistics.median(float(_python(code)) for _ in range(rounds))


def loaded_by(module: str) -> list[str]:
    """Names of every module that a process has after importing `module`."""
    names: list[str] = json.loads(_python(_LOADED.format(module=module)))
    return names


def first_answers(rounds: int) -> list[float]:
    """Seconds from starting `federation serve` to its first answer, each with empty data."""
    scratch = Path(tempfile.mkdtemp(prefix="federation-cold-"))
    found = []
    try:
        with upstream() as (_, port):
            for _round in range(rounds):
                running = targets.start(targets.FEDERATION, scratch, port)
                running.stop()
                found.append(running.cold_start_s)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=OUT / "coldstart.json")
    args = parser.parse_args()
    names = loaded_by("federation.bootstrap.worker")
    answers = first_answers(args.rounds)
    result = {
        "environment": environment.describe(),
        "first_answer_s": {
            "median": round(statistics.median(answers), 3),
            "rounds": [round(one, 3) for one in answers],
        },
        "import_s": {
            module: round(import_seconds(module, args.rounds), 4)
            for module in ("federation", "federation.bootstrap.worker", "federation.cli.main")
        },
        "worker_modules": len(names),
        "worker_forbidden": [name for name in names if name.partition(".")[0] in FORBIDDEN],
    }
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps({**result, "modules": names}, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
