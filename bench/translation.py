"""What it costs to translate a long conversation: `python -m bench.translation [--store]`.

One process, no sockets: a call of 100,000 tokens with 200 calls of tools is read in each
client's language and written in every other provider's. Milliseconds of CPU, the median of the
rounds; a glance and the bytes of both sides stand beside. Exits with 1 where a pair's median
is above the bound.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

from bench.environment import describe

from federation.dialects.faces import ClientFace, Encoded, Upstream
from federation.dialects.table import CLIENTS
from federation.schema.glance import Glance
from federation.schema.http import ClientRequest

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "support"))

from long_conversation import (  # noqa: E402 - beside the tests, not in the package
    CALLS,
    PAIRS,
    TOKENS,
    conversation,
    upstream,
    written,
)

BOUND_MS: Final = 25.0
STORED: Final = Path(__file__).with_name("results") / "translation.json"


def main() -> int:
    """Measure, print, and with `--store` keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--store", action="store_true", help=f"write {STORED.name}")
    given = parser.parse_args()
    rows = measured(given.rounds)
    print(f"{TOKENS} tokens, {CALLS} calls of tools; ms of CPU, median (worst) of {given.rounds}")
    for row in rows:
        print(
            f"  {row['client']:17} -> {row['provider']:17} {row['median_ms']:6.2f} "
            f"({row['worst_ms']:.2f})  glance {row['glance_ms']:.2f}  "
            f"{row['read_bytes']} -> {row['written_bytes']} bytes"
        )
    slowest = max(row["median_ms"] for row in rows)
    print(f"slowest median {slowest:.2f} ms; the bound is {BOUND_MS:.0f} ms")
    if given.store:
        found = {"environment": describe(), "bound_ms": BOUND_MS, "pairs": rows}
        STORED.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    return 0 if slowest < BOUND_MS else 1


def measured(rounds: int) -> list[dict[str, Any]]:
    """A row for each pair of languages."""
    request = conversation()
    asked = {name: written(name, request) for name in {one for one, _ in PAIRS}}
    targets = {name: upstream(name) for name in {other for _, other in PAIRS}}
    took: dict[tuple[str, str], list[float]] = {pair: [] for pair in PAIRS}
    glances: dict[str, list[float]] = {name: [] for name in asked}
    sizes: dict[tuple[str, str], int] = {}
    for _ in range(rounds):
        for name, (call, _seen) in asked.items():
            glances[name].append(_ms(partial(CLIENTS[name].glance, call)))
        for client, provider in PAIRS:
            call, glance = asked[client]
            face, target = CLIENTS[client], targets[provider]
            translate = partial(_translated, face, target, call, glance)
            took[client, provider].append(_ms(translate))
            sizes[client, provider] = len(translate().request.body)
    return [
        {
            "client": client,
            "provider": provider,
            "median_ms": round(statistics.median(took[client, provider]), 2),
            "worst_ms": round(max(took[client, provider]), 2),
            "glance_ms": round(statistics.median(glances[client]), 2),
            "read_bytes": len(asked[client][0].body),
            "written_bytes": sizes[client, provider],
        }
        for client, provider in PAIRS
    ]


def _translated(face: ClientFace, target: Upstream, call: ClientRequest, seen: Glance) -> Encoded:
    return target.encode(face.parse(call, seen))


def _ms(work: Callable[[], object]) -> float:
    gc.collect()
    began = time.process_time_ns()
    work()
    return (time.process_time_ns() - began) / 1e6


if __name__ == "__main__":
    sys.exit(main())
