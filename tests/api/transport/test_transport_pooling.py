"""Connections that are used again: order, expiry, staleness, the bound."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from federation.errors import Unavailable, UpstreamFailed, UpstreamTimeout
from federation.resilience.health import NEUTRAL
from federation.resilience.recovery import blame
from federation.schema.http import Origin, Timeouts, WireRequest
from federation.transport import proxies
from federation.transport.client import Client
from federation.transport.connection import Connection
from federation.transport.limits import Limits
from federation.transport.pool import Pool

Serve: TypeAlias = Callable[..., Awaitable[Origin]]
T = Timeouts(connect_s=2.0, first_byte_s=2.0, idle_s=2.0, total_s=5.0)
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"


def get(origin: Origin, target: str = "/") -> WireRequest:
    return WireRequest("GET", origin, target, ())


class Counting:
    """Answers every request; `behave` decides what else happens after the n-th answer."""

    def __init__(self, answer: bytes = OK) -> None:
        self.answer = answer
        self.connections = 0
        self.requests = 0
        self.per_connection: list[int] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = self.connections
        self.connections += 1
        self.per_connection.append(0)
        while True:
            try:
                await reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError:
                return
            self.requests += 1
            self.per_connection[number] += 1
            await self.reply(number, writer)

    async def reply(self, number: int, writer: asyncio.StreamWriter) -> None:
        writer.write(self.answer)


async def ask(client: Client, origin: Origin, target: str = "/") -> bytes:
    exchange = await client.send(get(origin, target), T)
    return await exchange.body(1000)


async def test_one_after_another_needs_one_connection(serve: Serve, client: Client) -> None:
    server = Counting()
    origin = await serve(server)
    for _ in range(10):
        assert await ask(client, origin) == b"hello"
    assert server.connections == 1
    assert client.opened == 1


async def test_the_last_used_is_used_next(serve: Serve, client: Client) -> None:
    server = Counting()
    origin = await serve(server)
    await asyncio.gather(*(ask(client, origin) for _ in range(4)))
    assert server.connections == 4
    for _ in range(6):
        await ask(client, origin)
    assert sorted(server.per_connection) == [1, 1, 1, 7]


async def test_extra_bytes_never_reach_the_next_request(serve: Serve, client: Client) -> None:
    server = Counting(OK + b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil")
    origin = await serve(server)
    for _ in range(3):
        assert await ask(client, origin) == b"hello"
    assert server.connections == 3


async def test_late_extra_bytes_close_the_idle_connection(serve: Serve, client: Client) -> None:
    class Late(Counting):
        async def reply(self, number: int, writer: asyncio.StreamWriter) -> None:
            writer.write(OK)
            await writer.drain()
            await asyncio.sleep(0.03)
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil")

    server = Late()
    origin = await serve(server)
    for _ in range(2):
        assert await ask(client, origin) == b"hello"
        await asyncio.sleep(0.1)
        assert client.opened == 0
    assert server.connections == 2


async def test_idle_connections_expire(serve: Serve, new_client: Callable[..., Client]) -> None:
    server = Counting()
    origin = await serve(server)
    client = new_client(limits=Limits(keep_alive_s=0.1))
    await ask(client, origin)
    await asyncio.sleep(0.15)
    await ask(client, origin)
    assert server.connections == 2


async def test_expired_connections_are_closed_though_nobody_asks(
    serve: Serve, new_client: Callable[..., Client]
) -> None:
    origin = await serve(Counting())
    client = new_client(limits=Limits(keep_alive_s=0.1))
    await ask(client, origin)
    assert client.opened == 1
    await asyncio.sleep(1.4)
    assert client.opened == 0
    assert client._pools == {}
    assert client._timer is None or not client._fast


async def test_the_provider_may_announce_less(serve: Serve, client: Client) -> None:
    server = Counting(OK.replace(b"OK\r\n", b"OK\r\nkeep-alive: timeout=0\r\n"))
    origin = await serve(server)
    await ask(client, origin)
    await ask(client, origin)
    assert server.connections == 2


class Dying(Counting):
    """Closes or resets each connection when its second request comes."""

    def __init__(self, how: str, before: bytes = b"", lives: int = 1) -> None:
        super().__init__()
        self.how = how
        self.before = before
        self.lives = lives

    async def reply(self, number: int, writer: asyncio.StreamWriter) -> None:
        if self.per_connection[number] <= self.lives:
            writer.write(OK)
            return
        if self.before:
            writer.write(self.before)
            await writer.drain()
            await asyncio.sleep(0.02)
        if self.how == "reset":
            raw = writer.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()


@pytest.mark.parametrize("how", ["close", "reset"])
async def test_a_stale_connection_is_replaced_silently(
    serve: Serve, client: Client, how: str
) -> None:
    server = Dying(how)
    origin = await serve(server)
    for _ in range(5):
        assert await ask(client, origin) == b"hello"
    assert server.connections == 5


async def test_a_replacement_is_pooled_though_the_pool_was_empty_for_a_moment(
    serve: Serve, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    forget = Pool.forget

    def forget_and_sweep(pool: Pool, connection: Connection) -> None:
        forget(pool, connection)
        client._sweep(asyncio.get_running_loop().time() + 2.0)

    monkeypatch.setattr(Pool, "forget", forget_and_sweep)
    server = Dying("close")
    origin = await serve(server)
    for _ in range(2):
        assert await ask(client, origin) == b"hello"
    assert (server.connections, client.opened) == (2, 1)


async def test_a_fresh_connection_that_breaks_is_a_failure(serve: Serve, client: Client) -> None:
    server = Dying("close", lives=0)
    origin = await serve(server)
    with pytest.raises(UpstreamFailed):
        await ask(client, origin)
    assert server.connections == 1


async def test_the_replacement_is_tried_once(serve: Serve, client: Client) -> None:
    class OnlyFirst(Counting):
        async def reply(self, number: int, writer: asyncio.StreamWriter) -> None:
            if self.requests == 1:
                writer.write(OK)
            else:
                writer.transport.abort()

    server = OnlyFirst()
    origin = await serve(server)
    await ask(client, origin)
    with pytest.raises(UpstreamFailed):
        await ask(client, origin)
    assert server.requests == 3


async def test_once_a_byte_of_the_answer_came_nothing_is_sent_again(
    serve: Serve, client: Client
) -> None:
    server = Dying("close", before=b"HTTP/1.1 2")
    origin = await serve(server)
    await ask(client, origin)
    with pytest.raises(UpstreamFailed):
        await ask(client, origin)
    assert server.requests == 2


async def test_a_connection_that_breaks_late_is_no_stale_one(
    serve: Serve, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("federation.transport.client._STALE_S", 0.05)

    class Worker(Counting):
        async def reply(self, number: int, writer: asyncio.StreamWriter) -> None:
            if self.requests > 1:
                await asyncio.sleep(0.1)  # it has worked on the request
                writer.transport.abort()
            writer.write(OK)

    server = Worker()
    origin = await serve(server)
    await ask(client, origin)
    with pytest.raises(UpstreamFailed):
        await ask(client, origin)
    assert server.requests == 2


async def test_a_full_pool_makes_requests_wait_their_turn(
    serve: Serve, new_client: Callable[..., Client]
) -> None:
    server = Counting()
    origin = await serve(server)
    client = new_client(limits=Limits(per_origin=2))
    answers = await asyncio.gather(*(ask(client, origin) for _ in range(20)))
    assert answers == [b"hello"] * 20
    assert server.connections == 2


async def test_waiting_for_a_connection_has_the_connect_deadline(
    serve: Serve, new_client: Callable[..., Client]
) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    origin = await serve(silent)
    client = new_client(limits=Limits(per_origin=1))
    first = asyncio.create_task(client.send(get(origin), T))
    await asyncio.sleep(0.05)
    with pytest.raises(UpstreamTimeout, match="connect") as caught:
        await client.send(get(origin), Timeouts(connect_s=0.1))
    assert (caught.value.code, caught.value.status) == ("connections_exhausted", 503)
    assert blame(caught.value) in NEUTRAL, "the provider has as many of our calls as we let it have"
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert client.opened == 0


async def test_who_waited_for_a_slot_and_then_finds_nobody_blames_the_provider(
    new_client: Callable[..., Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def dial(*_: object) -> Connection:
        await asyncio.sleep(60)
        raise AssertionError

    client = new_client(limits=Limits(per_origin=1))
    monkeypatch.setattr(client._dialer, "dial", dial)
    origin = Origin("http", "192.0.2.1", 80)
    asked = [client.send(get(origin), Timeouts(connect_s=limit_s)) for limit_s in (0.05, 0.2)]
    for found in await asyncio.gather(*asked, return_exceptions=True):
        assert isinstance(found, UpstreamTimeout)
        assert blame(found) not in NEUTRAL, found


async def test_a_full_pool_goes_on_after_failures(
    serve: Serve, new_client: Callable[..., Client]
) -> None:
    server = Dying("close", lives=0)
    origin = await serve(server)
    client = new_client(limits=Limits(per_origin=2))
    results = await asyncio.gather(
        *(ask(client, origin) for _ in range(10)), return_exceptions=True
    )
    assert all(isinstance(result, UpstreamFailed) for result in results)
    assert client.opened == 0


async def test_a_unix_socket(serve: Serve, client: Client, tmp_path: Path) -> None:
    seen: list[bytes] = []

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(OK)
        await reader.read()

    origin = await serve(script, unix=tmp_path / "api.sock")
    assert await ask(client, origin, "/api/x") == b"hello"
    assert seen[0].startswith(b"GET /api/x HTTP/1.1\r\n")
    assert b"host: control\r\n" in seen[0]
    gone = Origin("http+unix", "control", 0, str(tmp_path / "gone.sock"), private=True)
    with pytest.raises(UpstreamFailed, match="cannot connect to control"):
        await ask(client, gone)


async def test_a_closed_client_refuses_and_fails_what_is_under_way(
    serve: Serve, client: Client
) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    origin = await serve(silent)
    waiting = asyncio.create_task(client.send(get(origin), T))
    await asyncio.sleep(0.05)
    await client.aclose()
    with pytest.raises(UpstreamFailed):
        await waiting
    with pytest.raises(Unavailable):
        await client.send(get(origin), T)
    await client.aclose()


async def test_a_new_way_leaves_no_connection_behind(
    serve: Serve, new_client: Callable[..., Client]
) -> None:
    go_on = asyncio.Event()

    class Slow(Counting):
        async def reply(self, number: int, writer: asyncio.StreamWriter) -> None:
            await go_on.wait()
            writer.write(OK)

    origin = await serve(server := Slow())
    client = new_client(limits=Limits(per_origin=1))
    asked = asyncio.create_task(ask(client, origin))
    while not server.requests:
        await asyncio.sleep(0.01)
    (retired,) = client._pools.values()
    waiting = asyncio.create_task(ask(client, origin))
    await asyncio.sleep(0.01)
    client.go_through(proxies.parse(http="http://127.0.0.1:9"))
    with pytest.raises(UpstreamFailed):
        await waiting
    go_on.set()
    assert await asked == b"hello"
    assert (retired.idle, retired.opened) == ([], 0)


@pytest.mark.parametrize("size", [0, 300_000])
async def test_the_caller_hears_once_that_its_request_has_left(
    serve: Serve, client: Client, size: int
) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served = 0
        while True:
            await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(size)
            served += 1
            if served > 1:  # a stale connection: the client asks anew
                writer.transport.abort()
                return
            writer.write(OK)

    origin = await serve(script)
    heard: list[int] = []
    request = WireRequest("POST", origin, "/", (), b"x" * size)
    for times in (1, 2):
        exchange = await client.send(request, T, lambda: heard.append(1))
        await exchange.body(1000)
        assert len(heard) == times


async def test_a_request_that_never_left_is_not_said_to_have(client: Client) -> None:
    heard: list[int] = []
    nobody = Origin("http", "127.0.0.1", 1, private=True)
    with pytest.raises(UpstreamFailed):
        await client.send(get(nobody), T, lambda: heard.append(1))
    assert heard == []
