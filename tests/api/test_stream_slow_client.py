"""A client that reads slowly gets the whole of a stream, over real sockets and full buffers."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, cast

import pytest

from federation.dialects.openai.tap import StreamTap
from federation.domain.routes import ListenerLimits
from federation.errors import FederationError, UpstreamError
from federation.gateway.leg import Leg
from federation.gateway.stream import AnswerStream
from federation.listener.server import Server
from federation.schema.http import ClientReply, ClientRequest, Origin, Timeouts, WireRequest
from federation.transport.client import Client

EVENTS = 16_000
"""Ten megabytes: more than the sockets of both sides take in."""
ASKING = b"POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n{}"


def event(number: int, *, escaped: bool, finish: str = "null") -> bytes:
    said = f'say \\"{number}\\" ' if escaped else f"word {number} "
    delta = f'{{"index":0,"delta":{{"content":"{said}{"x" * 600}"}},"finish_reason":{finish}}}'
    return f'data: {{"id":"c","choices":[{delta}]}}\n\n'.encode()


@contextlib.asynccontextmanager
async def provider(*, escaped: bool) -> AsyncIterator[int]:
    """The port of one that sends as quickly as it may."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
        writer.write(head + b"transfer-encoding: chunked\r\n\r\n")
        events = [event(number, escaped=escaped) for number in range(EVENTS)]
        for data in (*events, event(0, escaped=False, finish='"stop"'), b"data: [DONE]\n\n", b""):
            writer.write(b"%x\r\n%b\r\n" % (len(data), data))
            await writer.drain()
        writer.close()
        await writer.wait_closed()

    served = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with served:
        yield served.sockets[0].getsockname()[1]


def refused(error: FederationError, _: ClientRequest | None = None) -> tuple[int, Any, bytes]:
    raise AssertionError(error)


def reading_slowly(port: int) -> bytes:
    """All that comes to one who takes nothing for a while, and has little room for it."""
    with socket.socket() as link:
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        link.connect(("127.0.0.1", port))
        link.settimeout(30)
        link.sendall(ASKING)
        time.sleep(1.0)
        got = bytearray()
        while not got.endswith(b"0\r\n\r\n") and (some := link.recv(65536)):
            got += some
        return bytes(got)


@pytest.mark.parametrize("escaped", [False, True], ids=["plain", "escaped"])
async def test_a_slow_client_gets_every_event(*, escaped: bool) -> None:
    client, ends = Client(), list[str]()

    def ended(outcome: str, _: UpstreamError | None) -> None:
        ends.append(outcome)

    async with provider(escaped=escaped) as upstream:
        origin = Origin("http", "127.0.0.1", upstream, private=True)

        async def answer(_: ClientRequest) -> ClientReply:
            asked = WireRequest("POST", origin, "/", ((b"host", b"x"),), b"{}")
            exchange = await client.send(asked, Timeouts())
            tap, opening = StreamTap(cast("Any", None), withhold_usage=False), b""
            while not opening:
                opening = tap.feed(await exchange.read())
            stream = AnswerStream(
                Leg(exchange, tap, opening, ended, lambda _: b""), error_ends=True
            )
            return ClientReply(200, [(b"content-type", b"text/event-stream")], stream)

        faults: list[BaseException] = []
        note: Callable[..., None] = lambda fault, *_: faults.append(fault)  # noqa: E731
        server = Server(answer, ListenerLimits(), cast("Any", refused), note)
        with socket.create_server(("127.0.0.1", 0)) as listening:
            await server.serve(listening)
            got = await asyncio.to_thread(reading_slowly, listening.getsockname()[1])
            await server.aclose()
        await client.aclose()
    assert faults == []
    assert got.count(b"data: {") == EVENTS + 1
    assert b"data: [DONE]" in got
    assert ends == ["ok"]
