"""What can go wrong with an answer, over real sockets."""

from __future__ import annotations

import asyncio
import resource
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import pytest

from federation.errors import (
    InvalidRequest,
    UpstreamCut,
    UpstreamError,
    UpstreamFailed,
    UpstreamGarbled,
    UpstreamOversized,
    UpstreamTimeout,
)
from federation.resilience.health import NEUTRAL
from federation.resilience.recovery import blame
from federation.schema.http import Origin, Timeouts, WireRequest
from federation.transport.client import Client

Serve: TypeAlias = Callable[..., Awaitable[Origin]]
QUICK = Timeouts(connect_s=2.0, first_byte_s=0.2, idle_s=0.2, total_s=5.0)
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"


def post(origin: Origin, body: bytes = b"{}", target: str = "/v1/x") -> WireRequest:
    return WireRequest("POST", origin, target, ((b"content-type", b"application/json"),), body)


async def heard(reader: asyncio.StreamReader) -> bytes:
    """Read one request, head and body."""
    head = await reader.readuntil(b"\r\n\r\n")
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            return head + await reader.readexactly(int(line.split(b":")[1]))
    return head


def reset(writer: asyncio.StreamWriter) -> None:
    """Close so that the peer sees a reset, not an end."""
    raw = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def saying(*pieces: bytes, pause_s: float = 0.0, then: str = "wait") -> Callable[..., object]:
    """Script: hear a request, say the pieces, then `close`, `reset` or `wait`."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await heard(reader)
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause_s)
        if then == "reset":
            await asyncio.sleep(0.02)
            reset(writer)
        elif then == "wait":
            await reader.read()

    return script


async def test_a_whole_answer(serve: Serve, client: Client) -> None:
    requests: list[bytes] = []

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await heard(reader))
        writer.write(OK)
        await reader.read()

    origin = await serve(script)
    exchange = await client.send(post(origin, b'{"a":1}'), QUICK)
    assert exchange.status == 200
    assert exchange.headers == {b"content-length": b"5"}
    assert await exchange.body(100) == b"hello"
    await exchange.aclose()
    assert requests[0].startswith(b"POST /v1/x HTTP/1.1\r\ncontent-type: application/json\r\n")
    assert b"\r\nhost: 127.0.0.1:%d\r\n" % origin.port in requests[0]
    assert requests[0].endswith(b"content-length: 7\r\n\r\n" + b'{"a":1}')


async def test_a_refused_connection_is_a_failure(client: Client) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # bound but not listening
        port = held.getsockname()[1]
        origin = Origin("http", "127.0.0.1", port, private=True)
        with pytest.raises(UpstreamFailed, match=r"127\.0\.0\.1: the connection was refused"):
            await client.send(post(origin), QUICK)
    assert client.opened == 0


async def test_without_a_descriptor_the_provider_is_not_at_fault(
    serve: Serve, client: Client
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    origin = await serve(saying(OK))
    with socket.socket() as probe:
        least = probe.fileno()
    resource.setrlimit(resource.RLIMIT_NOFILE, (least, hard))
    try:
        with pytest.raises(UpstreamFailed, match="too many open files") as caught:
            await client.send(post(origin), QUICK)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert caught.value.status == 503
    assert blame(caught.value) in NEUTRAL
    assert client.opened == 0
    exchange = await client.send(post(origin), QUICK)
    assert exchange.status == 200
    await exchange.aclose()


@pytest.mark.parametrize("then", ["close", "reset"])
async def test_a_connection_that_ends_before_the_head_is_a_failure(
    serve: Serve, client: Client, then: str
) -> None:
    origin = await serve(saying(then=then))
    with pytest.raises(UpstreamFailed, match="before it answered"):
        await client.send(post(origin), QUICK)
    origin = await serve(saying(b"HTTP/1.1 200 OK\r\nx: y", then=then))
    with pytest.raises(UpstreamFailed, match="before it answered"):
        await client.send(post(origin), QUICK)


@pytest.mark.parametrize("then", ["close", "reset"])
@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
    ],
)
async def test_a_cut_answer_never_looks_complete(
    serve: Serve, client: Client, raw: bytes, then: str
) -> None:
    origin = await serve(saying(raw, then=then))
    exchange = await client.send(post(origin), QUICK)
    assert await exchange.read() == b"hello"
    with pytest.raises(UpstreamCut):
        await exchange.read()
    exchange = await client.send(post(origin), QUICK)
    with pytest.raises(UpstreamFailed):
        await exchange.body(100)
    await exchange.aclose()


async def test_an_answer_framed_by_its_end(serve: Serve, client: Client) -> None:
    raw = (b"HTTP/1.1 200 OK\r\n\r\nhel", b"lo")
    origin = await serve(saying(*raw, pause_s=0.02, then="close"))
    exchange = await client.send(post(origin), QUICK)
    assert await exchange.body(100) == b"hello"
    origin = await serve(saying(*raw, then="reset"))
    exchange = await client.send(post(origin), QUICK)
    with pytest.raises(UpstreamFailed):
        await exchange.body(100)


async def test_a_chunked_answer_split_at_every_byte(serve: Serve, client: Client) -> None:
    raw = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    pieces = [raw[at : at + 1] for at in range(len(raw))]
    origin = await serve(saying(*pieces, pause_s=0.001))
    exchange = await client.send(post(origin), QUICK)
    assert await exchange.body(100) == b"hello"
    assert client.opened == 1


async def test_interim_answers_are_skipped(serve: Serve, client: Client) -> None:
    interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nlink: x\r\n\r\n"
    origin = await serve(saying(interim, OK, pause_s=0.02))
    exchange = await client.send(post(origin), QUICK)
    assert (exchange.status, await exchange.body(9)) == (200, b"hello")


@pytest.mark.parametrize(
    "raw",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 300 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"a" * 70_000 + b"\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"a" * 500_000,
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-encoding: br\r\ncontent-length: 2\r\n\r\nhi",
    ],
)
async def test_an_answer_that_is_not_the_protocol_is_garbled(
    serve: Serve, client: Client, raw: bytes
) -> None:
    origin = await serve(saying(raw))
    with pytest.raises(UpstreamGarbled):
        await client.send(post(origin), QUICK)
    assert client.busy == 0


async def test_garbage_in_the_middle_of_a_stream(serve: Serve, client: Client) -> None:
    raw = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n"
    origin = await serve(saying(raw, b"not a chunk size\r\n", pause_s=0.02))
    exchange = await client.send(post(origin), QUICK)
    assert await exchange.read() == b"hello"
    with pytest.raises(UpstreamGarbled):
        await exchange.read()


async def test_a_body_over_the_limit(serve: Serve, client: Client) -> None:
    endless = b"HTTP/1.1 200 OK\r\n\r\n"
    origin = await serve(saying(endless, *[b"a" * 100_000] * 50))
    exchange = await client.send(post(origin), QUICK)
    with pytest.raises(UpstreamOversized, match="larger than 1000000 bytes"):
        await exchange.body(1_000_000)


async def test_redirects_are_returned(serve: Serve, client: Client) -> None:
    raw = b"HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n"
    origin = await serve(saying(raw))
    exchange = await client.send(post(origin), QUICK)
    assert exchange.status == 302
    assert await exchange.body(10) == b""


@pytest.mark.parametrize(
    ("script", "phase", "timeouts"),
    [
        (saying(), "first byte", Timeouts(first_byte_s=0.15)),
        (saying(b"HTTP/1.1 2", b"00"), "idle", Timeouts(idle_s=0.15)),
        (saying(*[b"H"], *[b"a"] * 0), "idle", Timeouts(first_byte_s=0.5, idle_s=0.1)),
        (saying(), "total", Timeouts(total_s=0.15)),
    ],
)
async def test_no_head_in_time(
    serve: Serve, client: Client, script: object, phase: str, timeouts: Timeouts
) -> None:
    origin = await serve(script)
    loop = asyncio.get_running_loop()
    start = loop.time()
    with pytest.raises(UpstreamTimeout, match=rf"127\.0\.0\.1 .*phase: {phase}"):
        await client.send(post(origin), timeouts)
    assert 0.09 < loop.time() - start < 0.6
    assert client.opened == 0


async def test_a_stream_that_falls_silent(serve: Serve, client: Client) -> None:
    raw = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    event = b"5\r\nhello\r\n"
    origin = await serve(saying(raw, event, event, event, event, pause_s=0.1))
    exchange = await client.send(post(origin), QUICK)
    received = b"".join([await exchange.read() for _ in range(4)])
    with pytest.raises(UpstreamTimeout, match="idle"):
        await exchange.read()
    assert received == b"hello" * 4


async def test_a_stream_that_never_ends_is_ended(serve: Serve, client: Client) -> None:
    raw = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    origin = await serve(saying(raw, *[b"1\r\na\r\n"] * 200, pause_s=0.01))
    exchange = await client.send(post(origin), Timeouts(total_s=0.3))
    with pytest.raises(UpstreamTimeout, match="total"):
        await exchange.body(10_000)


async def test_bad_requests_never_reach_a_socket(client: Client) -> None:
    origin = Origin("http", "127.0.0.1", 9, private=True)
    for request in (
        post(origin, target="/a\r\nx: y"),
        WireRequest("POST", origin, "/", ((b"x", b"a\r\nb: c"),), b""),
        WireRequest("POST", origin, "/", ((b"x\n", b"a"),), b""),
    ):
        with pytest.raises(InvalidRequest):
            await client.send(request, QUICK)
    assert client.opened == 0


@pytest.mark.parametrize(
    "origin",
    [
        Origin("http", "127.0.0.1", 9),
        Origin("http", "localhost", 9),
        Origin("http", "0x7f.1", 9),
        Origin("http", "2130706433", 9),
        Origin("http", "[::ffff:10.0.0.1]", 9),
        Origin("http", "169.254.169.254", 80, private=True),
        Origin("http", "metadata.google.internal", 80, private=True),
    ],
)
async def test_a_forbidden_destination_is_not_connected_to(client: Client, origin: Origin) -> None:
    with pytest.raises(UpstreamError) as caught:
        await client.send(post(origin), QUICK)
    assert caught.value.code == "upstream_address_forbidden"
    assert client.opened == 0


async def test_a_name_that_is_rebound_is_refused(
    serve: Serve, new_client: Callable[..., Client]
) -> None:
    async def resolve(host: str, port: int) -> list[str]:
        return ["8.8.8.8", "127.0.0.1"]

    origin = await serve(saying(OK))
    client = new_client(resolve=resolve)
    with pytest.raises(UpstreamError, match="loopback"):
        await client.send(post(Origin("http", "rebind.example", origin.port)), QUICK)


async def test_the_next_address_is_tried_and_remembered(
    serve: Serve, new_client: Callable[..., Client]
) -> None:
    asked: list[str] = []

    async def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.9", "127.0.0.1"]  # nobody listens on the first

    origin = await serve(saying(OK, then="close"))
    client = new_client(resolve=resolve)
    named = Origin("http", "two.example", origin.port, private=True)
    for _ in range(2):
        exchange = await client.send(post(named), QUICK)
        assert await exchange.body(10) == b"hello"
    assert asked == ["two.example"]
    assert client._names._known["two.example"][1][0] == "127.0.0.1"


async def test_a_name_without_an_address_is_a_failure(new_client: Callable[..., Client]) -> None:
    async def resolve(host: str, port: int) -> list[str]:
        raise OSError("nothing")

    client = new_client(resolve=resolve)
    with pytest.raises(UpstreamFailed, match=r"the name x\.example cannot be resolved"):
        await client.send(post(Origin("http", "x.example", 80)), QUICK)


async def test_a_resolver_that_is_silent_is_a_timeout(new_client: Callable[..., Client]) -> None:
    async def resolve(host: str, port: int) -> list[str]:
        await asyncio.sleep(60)
        return []

    client = new_client(resolve=resolve)
    with pytest.raises(UpstreamTimeout, match=r"x\.example within 0\.1 s \(phase: connect\)"):
        await client.send(post(Origin("http", "x.example", 80)), Timeouts(connect_s=0.1))
