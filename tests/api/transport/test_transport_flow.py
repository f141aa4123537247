"""Neither side drowns the other, and compressed answers come out plain."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import pytest

from federation.errors import (
    UpstreamFailed,
    UpstreamHeldBack,
    UpstreamOversized,
    UpstreamTimeout,
)
from federation.resilience.recovery import HURRIED, blame
from federation.schema.http import Origin, Timeouts, WireRequest
from federation.transport.client import Client
from federation.transport.limits import Limits

Serve: TypeAlias = Callable[..., Awaitable[Origin]]
T = Timeouts(connect_s=2.0, first_byte_s=5.0, idle_s=5.0, total_s=20.0)


def post(origin: Origin, body: bytes = b"") -> WireRequest:
    return WireRequest("POST", origin, "/", (), body)


async def test_a_provider_waits_for_a_slow_reader(serve: Serve, client: Client) -> None:
    sent = 0
    piece = b"a" * 65536

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (400 * len(piece)))
        for _ in range(400):
            writer.write(piece)
            await writer.drain()
            sent += len(piece)
        await reader.read()

    origin = await serve(script)
    exchange = await client.send(post(origin), T)
    await asyncio.sleep(0.3)
    assert sent < 400 * len(piece) * 0.8  # what the kernel's buffers hold, and no more
    received = 0
    while data := await exchange.read():
        received += len(data)
    assert received == 400 * len(piece)
    assert client.opened == 1
    assert client.busy == 0


async def test_a_provider_that_its_reader_held_back_to_the_end_is_not_at_fault(
    serve: Serve, client: Client
) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 20000000\r\n\r\n" + bytes(20_000_000))
        await reader.read()

    origin = await serve(script)
    exchange = await client.send(post(origin), Timeouts(total_s=2))
    await asyncio.sleep(2.5)
    with pytest.raises(UpstreamHeldBack, match="too slowly") as raised:
        await exchange.body(20_000_000)
    assert blame(raised.value) == HURRIED


async def test_silence_that_we_cause_is_no_timeout(serve: Serve, client: Client) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 20000000\r\n\r\n" + bytes(20_000_000))
        await reader.read()

    origin = await serve(script)
    exchange = await client.send(post(origin), Timeouts(idle_s=0.1))
    await asyncio.sleep(0.4)
    assert len(await exchange.body(20_000_000)) == 20_000_000


async def test_a_big_request_is_sent_whole(serve: Serve, client: Client) -> None:
    body = bytes(range(256)) * 40_000
    received: list[bytes] = []

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(2):
            await reader.readuntil(b"\r\n\r\n")
            await asyncio.sleep(0.1)
            received.append(await reader.readexactly(len(body)))
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")

    origin = await serve(script)
    for _ in range(2):
        exchange = await client.send(post(origin, body), T)
        assert await exchange.body(10) == b"ok"
    assert received == [body, body]


async def test_a_request_may_be_answered_before_it_is_sent(serve: Serve, client: Client) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\ncontent-length: 5\r\n\r\n")
        await asyncio.sleep(0.05)
        writer.write(b"large")
        await asyncio.sleep(0.2)

    origin = await serve(script)
    exchange = await client.send(post(origin, bytes(20_000_000)), T)
    assert exchange.status == 413
    assert await exchange.body(10) == b"large"
    assert client.opened == 0


async def test_a_provider_that_goes_away_during_the_upload(serve: Serve, client: Client) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.abort()

    origin = await serve(script)
    with pytest.raises(UpstreamFailed):
        await client.send(post(origin, bytes(20_000_000)), T)
    assert client.opened == 0


async def test_an_upload_that_is_stuck_times_out(serve: Serve, client: Client) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(1)

    origin = await serve(script)
    with pytest.raises(UpstreamTimeout, match="phase: sending the request"):
        await client.send(post(origin, bytes(20_000_000)), Timeouts(idle_s=0.2))


@pytest.mark.parametrize(
    ("coding", "pack"),
    [("gzip", gzip.compress), ("x-gzip", gzip.compress), ("deflate", zlib.compress)],
)
async def test_a_compressed_answer_comes_out_plain(
    serve: Serve, client: Client, coding: str, pack: Callable[[bytes], bytes]
) -> None:
    text = b'{"a": 1}' * 5000
    packed = pack(text)
    head = f"HTTP/1.1 200 OK\r\ncontent-encoding: {coding}\r\nx: y\r\n"

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(2):
            request = await reader.readuntil(b"\r\n\r\n")
            assert b"accept-encoding: identity\r\n" in request
            writer.write(f"{head}content-length: {len(packed)}\r\n\r\n".encode() + packed)
        await reader.read()

    origin = await serve(script)
    exchange = await client.send(post(origin), T)
    assert exchange.headers == {b"x": b"y"}
    assert await exchange.body(100_000) == text
    exchange = await client.send(post(origin), T)
    received = b""
    while piece := await exchange.read():
        received += piece
    assert received == text
    assert client.opened == 1


async def test_a_compressed_stream_flows_event_by_event(serve: Serve, client: Client) -> None:
    more = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        packer = zlib.compressobj(wbits=31)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\nconnection: close\r\n\r\n")
        for number in range(3):
            event = packer.compress(b"data: %d\n\n" % number) + packer.flush(zlib.Z_SYNC_FLUSH)
            writer.write(event)
            await more.wait()
            more.clear()
        writer.write(packer.flush())

    origin = await serve(script)
    exchange = await client.send(post(origin), T)
    for number in range(3):
        assert await exchange.read() == b"data: %d\n\n" % number
        more.set()
    assert await exchange.read() == b""


async def test_a_bomb_is_refused(serve: Serve, new_client: Callable[..., Client]) -> None:
    packed = gzip.compress(bytes(30_000_000))
    head = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n"

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(head % len(packed) + packed)

    origin = await serve(script)
    client = new_client(limits=Limits(decoded_bytes=1_000_000))
    exchange = await client.send(post(origin), T)
    with pytest.raises(UpstreamOversized, match="larger than 5000 bytes"):
        await exchange.body(5000)
    exchange = await client.send(post(origin), T)
    received: list[bytes] = []

    async def read_all() -> None:
        while piece := await exchange.read():
            received.append(piece)

    with pytest.raises(UpstreamOversized, match="too large"):
        await read_all()
    assert sum(map(len, received)) <= 1_000_000
    await exchange.aclose()
    exchange = await client.send(post(origin), T)
    with pytest.raises(UpstreamOversized, match="too large"):
        await exchange.body(1_000_000)


async def test_answers_without_content_have_nothing_to_decode(serve: Serve, client: Client) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 204 No Content\r\ncontent-encoding: gzip\r\n\r\n")

    origin = await serve(script)
    exchange = await client.send(post(origin), T)
    assert await exchange.body(10) == b""
    head = WireRequest("HEAD", origin, "/", ())
    exchange = await client.send(head, T)
    assert await exchange.read() == b""
