"""Giving up: the provider sees its socket closed at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import pytest

from federation.schema.http import Origin, Timeouts, WireRequest
from federation.transport.client import Client

Serve: TypeAlias = Callable[..., Awaitable[Origin]]
T = Timeouts(connect_s=2.0, first_byte_s=20.0, idle_s=20.0, total_s=50.0)
STREAM = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n"


def post(origin: Origin, body: bytes = b"{}") -> WireRequest:
    return WireRequest("POST", origin, "/", (), body)


class Watching:
    """Says `first` to a request, then notes when its peer is gone."""

    def __init__(self, first: bytes = b"", *, reads: bool = True) -> None:
        self.first = first
        self.reads = reads
        self.heard = asyncio.Event()
        self.gone = asyncio.Event()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(self.first)
        self.heard.set()
        try:
            while await reader.read(65536):
                pass
        except ConnectionError:
            pass
        self.gone.set()

    async def sees_the_end(self) -> None:
        await asyncio.wait_for(self.gone.wait(), 0.1)


async def test_cancelling_before_the_head_closes_the_socket(serve: Serve, client: Client) -> None:
    server = Watching()
    origin = await serve(server)
    task = asyncio.create_task(client.send(post(origin), T))
    await server.heard.wait()
    task.cancel()
    await server.sees_the_end()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (client.busy, client.opened) == (0, 0)


async def test_cancelling_in_the_middle_of_the_head(serve: Serve, client: Client) -> None:
    server = Watching(b"HTTP/1.1 200 OK\r\nx: ")
    origin = await serve(server)
    task = asyncio.create_task(client.send(post(origin), T))
    await server.heard.wait()
    await asyncio.sleep(0.02)
    task.cancel()
    await server.sees_the_end()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_cancelling_an_upload_closes_the_socket(serve: Serve, client: Client) -> None:
    gone = asyncio.Event()
    started = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        started.set()
        await asyncio.sleep(0.1)  # reads nothing: the upload is stuck
        try:
            while await reader.read(1 << 20):
                pass
        except ConnectionError:
            pass
        gone.set()

    origin = await serve(script)
    task = asyncio.create_task(client.send(post(origin, b"a" * 20_000_000), T))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(gone.wait(), 1.0)
    assert (client.busy, client.opened) == (0, 0)


@pytest.mark.parametrize("raw", [STREAM, b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhello"])
async def test_closing_in_the_middle_of_an_answer_closes_the_socket(
    serve: Serve, client: Client, raw: bytes
) -> None:
    server = Watching(raw)
    origin = await serve(server)
    exchange = await client.send(post(origin), T)
    assert await exchange.read() == b"hello"
    await exchange.aclose()
    await server.sees_the_end()
    assert (client.busy, client.opened) == (0, 0)


async def test_closing_unread_closes_the_socket(serve: Serve, client: Client) -> None:
    server = Watching(STREAM)
    origin = await serve(server)
    exchange = await client.send(post(origin), T)
    await exchange.aclose()
    await exchange.aclose()
    await server.sees_the_end()


@pytest.mark.parametrize("verb", ["read", "body"])
async def test_a_cancelled_reader_may_still_close(serve: Serve, client: Client, verb: str) -> None:
    server = Watching(STREAM)
    origin = await serve(server)
    exchange = await client.send(post(origin), T)
    if verb == "read":
        await exchange.read()
    waiting = exchange.read() if verb == "read" else exchange.body(1000)
    task = asyncio.create_task(waiting)
    await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert client.busy == 1
    await exchange.aclose()
    await server.sees_the_end()


async def test_cancelling_while_connecting_leaves_nothing(
    new_client: Callable[..., Client],
) -> None:
    accepted = asyncio.Event()

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.set()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(hold, "127.0.0.1", 0)
    client = new_client()
    port = server.sockets[0].getsockname()[1]
    # https towards a server that never says a word: the handshake hangs
    origin = Origin("https", "127.0.0.1", port, private=True)
    task = asyncio.create_task(client.send(post(origin), T))
    await accepted.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (client.busy, client.opened) == (0, 0)
    server.close()
    await asyncio.wait_for(server.wait_closed(), 1.0)


async def test_cancelled_just_when_the_answer_came_it_hurts_nobody_else(
    serve: Serve, client: Client
) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello")

    origin = await serve(script)
    request = WireRequest("GET", origin, "/", ())
    for delay in range(30):
        task = asyncio.create_task(client.send(request, T))
        for _ in range(delay):
            await asyncio.sleep(0)
        task.cancel()
        results = await asyncio.gather(task, client.send(request, T), return_exceptions=True)
        assert not isinstance(results[1], BaseException)
        assert await results[1].body(10) == b"hello"
    assert client.busy == 0
