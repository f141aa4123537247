"""A client that asks at a fixed rate: the same work for every target, at less than full load.

At full load a gateway's figure says as much about the load as about itself: nginx takes
several requests from one wake-up, and on two hardware threads of one core whoever computes
is slowed down by the client that never rests. A fixed rate is what a gateway meets.

    python -m bench.paced --port P --request FILE [--rate 1000] [--connections 8] [--seconds 4]
"""

from __future__ import annotations

import argparse
import asyncio
import json
from pathlib import Path

import uvloop

_END = b"\r\n\r\n"
_LENGTH = b"content-length:"


class _Asking(asyncio.Protocol):
    """One connection: a request, its whole answer, the next."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._answered: asyncio.Future[bool] | None = None
        self._held = b""

    @property
    def open(self) -> bool:
        """False once the server has closed it, as it may between two answers."""
        return self._transport is not None and not self._transport.is_closing()

    def ask(self, request: bytes) -> asyncio.Future[bool]:
        """Send it; the future tells whether its answer was one."""
        assert self._transport is not None
        self._answered = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._answered

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # a stream transport

    def data_received(self, data: bytes) -> None:
        self._held += data
        split = self._held.find(_END)
        if split < 0:
            return
        head = self._held[:split].lower()
        place = head.find(_LENGTH)
        length = int(head[place + len(_LENGTH) :].split(b"\r\n", 1)[0]) if place >= 0 else 0
        if len(self._held) >= split + len(_END) + length:
            self._held = b""
            self._resolve(good=b" 200 " in head[:16])

    def connection_lost(self, exc: Exception | None) -> None:
        self._resolve(good=False)

    def _resolve(self, *, good: bool) -> None:
        if self._answered is not None and not self._answered.done():
            self._answered.set_result(good)


async def _connected(port: int) -> _Asking:
    loop = asyncio.get_running_loop()
    _, asking = await loop.create_connection(_Asking, "127.0.0.1", port)
    return asking


async def _ask(port: int, request: bytes, start: float, end: float, gap: float) -> list[float]:
    """Seconds for each answer; a negative one for an answer that was none."""
    loop = asyncio.get_running_loop()
    asking = await _connected(port)
    took: list[float] = []
    due = start
    while due < end:
        if (pause := due - loop.time()) > 0:
            await asyncio.sleep(pause)
        began = loop.time()
        try:
            asking = asking if asking.open else await _connected(port)
            good = await asking.ask(request)
        except OSError:
            good = False
        took.append(loop.time() - began if good else -1.0)
        if not good:
            break
        due = max(due + gap, loop.time() - gap)
    asking.close()
    return took


async def _run(given: argparse.Namespace) -> None:
    request = given.request.read_bytes()
    start = asyncio.get_running_loop().time() + 0.05
    gap = given.connections / given.rate
    each = [
        _ask(given.port, request, start + gap * i / given.connections, start + given.seconds, gap)
        for i in range(given.connections)
    ]
    took = sorted(value for one in await asyncio.gather(*each) for value in one)
    good = [value for value in took if value >= 0.0]
    print(
        json.dumps(
            {
                "requests": len(good),
                "seconds": given.seconds,
                "p50_us": round(good[len(good) // 2] * 1e6) if good else 0,
                "p99_us": round(good[len(good) * 99 // 100] * 1e6) if good else 0,
                "not_ok": len(took) - len(good),
                "socket_errors": 0,
            }
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.paced")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--request", type=Path, required=True)
    parser.add_argument("--rate", type=float, default=1000.0)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=4.0)
    given = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(given))


if __name__ == "__main__":
    main()
