"""Two thousand exchanges of every kind leave nothing behind."""

from __future__ import annotations

import asyncio
import gc
import random
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeAlias

from collector import only_what_is_new

from federation.errors import UpstreamError
from federation.schema.http import Origin, Timeouts, WireRequest
from federation.transport.client import Client
from federation.transport.connection import Connection
from federation.transport.exchange import Exchange
from federation.transport.limits import Limits

Serve: TypeAlias = Callable[..., Awaitable[Origin]]
T = Timeouts(connect_s=2.0, first_byte_s=0.2, idle_s=1.0, total_s=5.0)
ANSWERS = {
    b"/ok": b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
    b"/chunked": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    b"/stuck": b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhello",
    b"/extra": b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhello",
    b"/bad": b"nonsense",
    b"/silent": b"",
}


class Player(asyncio.Protocol):
    """Answers by path; `/cut` hangs up."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        path = data.split(b" ", 2)[1]
        if path == b"/cut":
            self.transport.abort()
        else:
            self.transport.write(ANSWERS[path])


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").exists() else 0


async def one(client: Client, origin: Origin, chance: random.Random) -> None:
    path = chance.choice(["/ok"] * 6 + ["/chunked"] * 3 + ["/stuck", "/extra", "/bad", "/cut"])
    path = "/silent" if chance.random() < 0.01 else path
    try:
        exchange = await client.send(WireRequest("GET", origin, path, ()), T)
        try:
            if path == "/stuck" or chance.random() < 0.1:
                return
            await exchange.body(100)
        finally:
            await exchange.aclose()
    except UpstreamError:
        return


async def test_nothing_is_left_behind(new_client: Callable[..., Client]) -> None:
    with only_what_is_new():
        await _two_thousand_exchanges(new_client)
        gc.collect()
        left = [thing for thing in gc.get_objects() if isinstance(thing, Connection | Exchange)]
    assert not left


async def _two_thousand_exchanges(new_client: Callable[..., Client]) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Player, "127.0.0.1", 0)
    origin = Origin("http", "127.0.0.1", server.sockets[0].getsockname()[1], private=True)
    client = new_client(limits=Limits(per_origin=16))
    chance = random.Random(7)
    files, tasks = open_files(), len(asyncio.all_tasks())

    async def worker() -> None:
        for _ in range(100):
            task = asyncio.create_task(one(client, origin, chance))
            if chance.random() < 0.1:
                await asyncio.sleep(chance.random() * 0.002)
                task.cancel()
            await asyncio.wait((task,))

    await asyncio.gather(*(worker() for _ in range(20)))
    assert client.busy == 0
    assert client.opened <= 16
    await client.aclose()
    server.close()
    await asyncio.sleep(0.1)
    assert client.opened == 0
    assert len(asyncio.all_tasks()) == tasks
    assert open_files() <= files
