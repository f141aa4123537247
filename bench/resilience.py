"""`make bench-resilience`: what all of resilience costs a call that goes well, in thread CPU.

One gateway inside this process, without sockets: requests are handed to its desk, and its
transport answers at once. What a call costs is measured whole and with resilience left out (load
shedding and the order of attempts, deadlines, health, circuit and what they tell the other
workers), in turn, many rounds; what is told is the median of the differences in a round. The
trap: a difference of some microseconds is less than what a busy neighbor adds, so a round is
short, its two halves change places, and no round stands for itself.

    python -m bench.resilience [--rounds 600] [--calls 40] [--out FILE]
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvloop
from bench import environment
from inprocess import SECRET, Gateway, deployment, gateway, model, provider, route, snapshot

from federation.gateway import attempt, chat_attempt, dispatcher
from federation.schema.http import ClientReply, ClientRequest, Timeouts

OUT = Path(__file__).resolve().parent / "out"
MOST_US = 15.0
_WARM = 2_000
_FOREVER = Timeouts(30.0, 30.0, 30.0, 30.0)
_BODY = json.dumps(
    {"model": "chat", "messages": [{"role": "user", "content": "hello " * 60}]}
).encode()
_REPLY = json.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "bench-model",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "hello " * 60},
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 60, "completion_tokens": 60, "total_tokens": 120},
    }
).encode()


class _Answer:
    """A provider's answer that is here already."""

    status = 200
    headers = {b"content-type": b"application/json"}  # noqa: RUF012  nobody changes it
    open = False

    async def body(self, _: int) -> bytes:
        return _REPLY

    async def aclose(self) -> None:
        """Nothing is held."""


class _Wire:
    """A transport without a wire."""

    async def send(self, _request: Any, _timeouts: Any, on_sent: Callable[[], None]) -> _Answer:
        on_sent()
        return _Answer()


class _NoHealth:
    """A board that is told nothing and always says the same."""

    def __init__(self, live: Any) -> None:
        self.columns = live

    def live(self, _: float) -> Any:
        return self.columns

    def begin(self, _: str) -> None:
        """Not counted."""

    end = begin


async def _first(
    _world: Any, _situation: Any, _call: Any, order: list[int], asked: Callable[[int], Any]
) -> ClientReply:
    reply: ClientReply = await asked(order[0])
    return reply


def _timeouts(*_: object, **__: object) -> Timeouts:
    return _FOREVER


def _nothing(*_: object) -> None:
    return None


@contextmanager
def left_out(running: Gateway) -> Iterator[None]:
    """Resilience is not there meanwhile."""
    world, replaced = (
        running.world,
        {
            "first_answer": vars(dispatcher),
            "timeouts_for": vars(chat_attempt),
            "Measure": vars(attempt),
        },
    )
    before = {name: module[name] for name, module in replaced.items()}
    kind: Any = type(world)
    health, note = world.health, kind.note
    without = {"first_answer": _first, "timeouts_for": _timeouts, "Measure": _nothing}
    for name, module in replaced.items():
        module[name] = without[name]
    kind.note = _nothing
    world.health = _NoHealth(health.columns)  # type: ignore[assignment]
    try:
        yield
    finally:
        world.health, kind.note = health, note
        for name, module in replaced.items():
            module[name] = before[name]


async def _spent(ask: Callable[[], Awaitable[ClientReply]], calls: int) -> float:
    """Microseconds of thread CPU for each call."""
    began = time.thread_time()
    for _ in range(calls):
        await ask()
    return (time.thread_time() - began) / calls * 1e6


async def measured(rounds: int, calls: int) -> dict[str, Any]:
    """Both, and what lies between them."""
    row = deployment(provider("bench", "http://127.0.0.1:9/v1"), model("bench-model"))
    other = deployment(provider("spare", "http://127.0.0.1:9/v1"), model("bench-model"))
    state = snapshot((row, other), route("chat", row.id, other.id))
    head = {
        b"authorization": f"Bearer {SECRET}".encode(),
        b"content-type": b"application/json",
    }
    request = ClientRequest("POST", "/v1/chat/completions", "", head, _BODY)
    async with gateway(state) as running:
        running.world.transport = _Wire()  # type: ignore[assignment]

        async def ask() -> ClientReply:
            return await running.desk(request)

        reply = await ask()
        assert (reply.status, reply.body) == (200, _REPLY), reply
        await _spent(ask, _WARM)
        whole, bare = [], []
        gc.disable()
        for number in range(rounds):
            for left in (number % 2 == 0, number % 2 == 1):
                # What workers tell each other is sent off twice a second in a real one.
                running.world.measures.clear()
                running.books.records.clear()
                gc.collect(0)
                if left:
                    with left_out(running):
                        bare.append(await _spent(ask, calls))
                else:
                    whole.append(await _spent(ask, calls))
        gc.enable()
    parts = sorted(one - two for one, two in zip(whole, bare, strict=True))
    return {
        "rounds": rounds,
        "calls_a_round": calls,
        "whole_us": round(statistics.median(whole), 2),
        "without_us": round(statistics.median(bare), 2),
        "resilience_us": round(statistics.median(parts), 2),
        "quartiles_us": [round(parts[len(parts) // 4], 2), round(parts[-len(parts) // 4], 2)],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=600)
    parser.add_argument("--calls", type=int, default=40)
    parser.add_argument("--out", type=Path, default=OUT / "resilience.json")
    args = parser.parse_args()
    found = uvloop.run(measured(args.rounds, args.calls))
    result = {
        "command": f"python -m bench.resilience --rounds {args.rounds} --calls {args.calls}",
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "environment": environment.describe(),
        **found,
        "most_us": MOST_US,
        "passed": found["resilience_us"] < MOST_US,
    }
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps({key: result[key] for key in result if key != "environment"}, indent=1))
    return 0 if result["passed"] else 1


if __name__ == "__main__":
    sys.exit(main())
