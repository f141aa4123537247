"""A client that holds many streams at once and counts every event: a process of its own.

It prints one JSON object. An event is counted by the blank line that ends it; a stream that
ends without the end marker, with too few events or with a status other than 200 is a failure.
Streams begin spread over one stream's length, as callers do, not in one beat.

    python -m bench.streams --port P --streams 256 --seconds 5 --request FILE
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import httptools
import uvloop

_EVENT = b"data: {"


@dataclass
class Tally:
    """What all streams of this process saw."""

    streams: int = 0
    events: int = 0
    failures: int = 0
    aborted: int = 0
    first_event_ms: list[float] = field(default_factory=list)
    reasons: dict[str, int] = field(default_factory=dict)

    def fail(self, reason: str) -> None:
        self.failures += 1
        self.reasons[reason] = self.reasons.get(reason, 0) + 1


class StreamClient(asyncio.Protocol):
    """One connection that asks for one stream after another."""

    def __init__(
        self,
        request: bytes,
        expected: int,
        tally: Tally,
        abort_after: int | None,
        end: bytes = b"data: [DONE]",
    ) -> None:
        self._end = end
        self._request = request
        self._expected = expected
        self._tally = tally
        self._abort_after = abort_after
        self._transport: asyncio.Transport | None = None
        self._reset(None)

    def _reset(self, done: asyncio.Future[bool] | None) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._done = done
        self._tail = b""
        self._events = 0
        self._ended = False
        self._began = time.perf_counter()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclass of asyncio's.
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._finish("connection lost")

    @property
    def open(self) -> bool:
        """False once the server has closed it, as it may between two streams."""
        return self._transport is not None and not self._transport.is_closing()

    def ask(self) -> asyncio.Future[bool]:
        """Begin a stream; the future tells whether the connection may be used again."""
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._reset(done)
        assert self._transport is not None
        self._transport.write(self._request)
        return done

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._finish("not HTTP")

    def on_body(self, body: bytes) -> None:
        tally = self._tally
        data = self._tail + body
        cut = data.rfind(b"\n\n") + 2
        if cut == 1:
            self._tail = data
            return
        self._tail = data[cut:]
        found = data.count(_EVENT, 0, cut)
        if found and not self._events:
            tally.first_event_ms.append((time.perf_counter() - self._began) * 1000)
        self._events += found
        tally.events += found
        if self._end in data:
            self._ended = True
        if self._abort_after is not None and self._events >= self._abort_after:
            tally.aborted += 1
            self._abort_after = None
            self._resolve(reusable=False)
            self.close()

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if status != 200:
            self._finish(f"status {status}")
        elif not self._ended:
            self._finish("no end marker")
        elif self._events < self._expected:
            self._finish(f"{self._events} events")
        else:
            self._tally.streams += 1
            self._resolve(reusable=bool(self._parser.should_keep_alive()))

    def _finish(self, reason: str) -> None:
        if self._done is not None and not self._done.done():
            self._tally.fail(reason)
            self._resolve(reusable=False)

    def _resolve(self, *, reusable: bool) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_result(reusable)


@dataclass(frozen=True)
class Plan:
    """How many streams to hold, for how long, and which of them hang up."""

    port: int
    request: bytes
    streams: int
    seconds: float
    expected: int
    spread_s: float
    abort_every: int
    """Every n-th stream is hung up on after four events; 0 for none."""
    end: bytes
    """How the last event of a whole stream begins."""
    limit: int
    """Streams in all; 0 for as many as fit into `seconds`."""


class _Load:
    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.tally = Tally()
        self._started = 0
        self._stop_at = time.perf_counter() + plan.seconds

    def _may_start(self) -> bool:
        if self._plan.limit and self._started >= self._plan.limit:
            return False
        return time.perf_counter() < self._stop_at

    async def _connect(self, *, aborts: bool) -> StreamClient | None:
        plan = self._plan
        abort_after = 4 if aborts else None
        client = StreamClient(plan.request, plan.expected, self.tally, abort_after, plan.end)
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(lambda: client, "127.0.0.1", plan.port)
        except OSError as error:
            self.tally.fail(type(error).__name__)
            await asyncio.sleep(0.05)
            return None
        return client

    async def slot(self, index: int) -> None:
        """Hold one stream after the other until the time or the count is used up."""
        plan = self._plan
        await asyncio.sleep(plan.spread_s * index / plan.streams)
        client: StreamClient | None = None
        while self._may_start():
            self._started += 1
            aborts = bool(plan.abort_every) and self._started % plan.abort_every == 0
            if client is not None and (aborts or not client.open):
                client.close()
                client = None
            client = client or await self._connect(aborts=aborts)
            if client is not None and not await client.ask():
                client.close()
                client = None
        if client is not None:
            client.close()


async def run(plan: Plan) -> Tally:
    """Hold the streams of `plan`; returns when the last one is over."""
    load = _Load(plan)
    await asyncio.gather(*(load.slot(index) for index in range(plan.streams)))
    return load.tally


def summarize(tally: Tally, seconds: float) -> dict[str, object]:
    first = sorted(tally.first_event_ms)

    def quantile(share: float) -> float:
        return round(first[min(len(first) - 1, int(share * len(first)))], 3) if first else 0.0

    return {
        "streams": tally.streams,
        "events": tally.events,
        "failures": tally.failures,
        "aborted": tally.aborted,
        "reasons": tally.reasons,
        "seconds": round(seconds, 3),
        "first_event_p50_ms": quantile(0.5),
        "first_event_p99_ms": quantile(0.99),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--request", type=Path, required=True)
    parser.add_argument("--streams", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--expected", type=int, default=65)
    parser.add_argument("--spread-s", type=float, default=1.28)
    parser.add_argument("--abort-every", type=int, default=0)
    parser.add_argument("--end", default="data: [DONE]")
    parser.add_argument("--limit", type=int, default=0)
    args = parser.parse_args()
    plan = Plan(
        port=args.port,
        request=args.request.read_bytes(),
        streams=args.streams,
        seconds=args.seconds,
        expected=args.expected,
        spread_s=args.spread_s,
        abort_every=args.abort_every,
        limit=args.limit,
        end=args.end.encode(),
    )
    began = time.perf_counter()
    tally = uvloop.run(run(plan))
    print(json.dumps(summarize(tally, time.perf_counter() - began)))


if __name__ == "__main__":
    main()
