"""A stream that hands chunks on as they came, and a client that reads slowly."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from federation.domain.routes import ListenerLimits
from federation.errors import FederationError
from federation.listener.connection import Connection
from federation.listener.front import Front
from federation.listener.hub import Hub
from federation.schema.http import ClientReply, ClientRequest


class Wire(asyncio.Transport):
    """Takes everything, and says that it is full when it was told to be."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.full_at = 0
        self.connection: Connection | None = None

    def write(self, data: Any) -> None:
        self.written.append(bytes(data))
        if len(self.written) == self.full_at and self.connection is not None:
            self.connection.pause_writing()

    def can_write_eof(self) -> bool:
        return True

    def close(self) -> None: ...

    def abort(self) -> None: ...

    def get_write_buffer_size(self) -> int:
        return 1


class Stream:
    """Chunks that come when the test says so; those that nobody takes wait for `read`."""

    def __init__(self) -> None:
        self.forward: Callable[[bytes], None] | None = None
        self.write: Callable[[bytes], bool] | None = None
        self.turn: asyncio.Future[None] | None = None
        self.waiting: list[bytes] = [b"first"]
        self.arrived = asyncio.Event()
        self.reads = self.flows = 0
        self.over = self.closed = False

    def come(self, data: bytes) -> None:
        if self.turn is None:
            self.waiting.append(data)
            self.arrived.set()
        elif self.forward is not None:
            self.forward(b"%x\r\n%b\r\n" % (len(data), data))
        elif self.write is not None and not self.write(data):
            self.hold()

    async def read(self) -> bytes:
        self.reads += 1
        while not self.waiting and not self.over:
            self.arrived.clear()
            await self.arrived.wait()
        return self.waiting.pop(0) if self.waiting else b""

    async def flow(
        self, write: Callable[[bytes], bool], forward: Callable[[bytes], None] | None = None
    ) -> None:
        self.flows += 1
        if self.over or self.waiting:
            return
        self.write, self.forward = write, forward
        self.turn = asyncio.get_running_loop().create_future()
        await self.turn

    def hold(self) -> None:
        turn, self.turn = self.turn, None
        if turn is not None and not turn.done():
            turn.set_result(None)

    def end(self) -> None:
        self.over = True
        self.hold()

    async def aclose(self) -> None:
        self.closed = True


class Stage:
    def __init__(self) -> None:
        self.stream, self.wire = Stream(), Wire()

        async def answer(_: ClientRequest) -> ClientReply:
            return ClientReply(200, [], self.stream)

        def render(error: FederationError, _: str) -> ClientReply:
            return ClientReply(error.status, [], b"")

        self.hub = Hub(Front(answer, render, lambda *_: None), ListenerLimits())
        self.connection = Connection(self.hub)
        self.wire.connection = self.connection
        self.connection.connection_made(self.wire)

    async def ask(self, version: bytes = b"1.1") -> None:
        self.connection.data_received(b"GET / HTTP/%b\r\nHost: a\r\n\r\n" % version)
        await turns()


async def turns() -> None:
    for _ in range(6):
        await asyncio.sleep(0)


async def test_chunks_go_on_as_they_came() -> None:
    stage = Stage()
    await stage.ask()
    stage.stream.come(b"second")
    assert stage.wire.written[1:] == [b"5\r\nfirst\r\n", b"6\r\nsecond\r\n"]
    stage.stream.end()
    await turns()
    assert stage.wire.written[3:] == [b"0\r\n\r\n"]
    assert stage.stream.closed
    stage.hub.stop()


async def test_a_client_that_has_enough_stops_the_flow_until_it_has_read() -> None:
    stage = Stage()
    await stage.ask()
    stage.wire.full_at = 3
    for text in (b"second", b"third", b"fourth"):
        stage.stream.come(text)
    await turns()
    assert stage.wire.written[2:] == [b"6\r\nsecond\r\n"]
    assert (stage.stream.flows, stage.stream.reads) == (1, 1)
    stage.connection.resume_writing()
    await turns()
    assert stage.wire.written[3:] == [b"5\r\nthird\r\n", b"6\r\nfourth\r\n"]
    stage.stream.come(b"fifth")
    assert stage.wire.written[5:] == [b"5\r\nfifth\r\n"]
    stage.stream.end()
    await turns()
    assert stage.wire.written[6:] == [b"0\r\n\r\n"]
    stage.hub.stop()


async def test_a_client_of_http_1_0_gets_no_framing() -> None:
    stage = Stage()
    await stage.ask(b"1.0")
    assert stage.stream.forward is None
    stage.stream.come(b"second")
    assert stage.wire.written[1:] == [b"first", b"second"]
    stage.stream.end()
    await turns()
    assert stage.stream.closed
    stage.hub.stop()


@pytest.mark.parametrize("paused", [False, True])
async def test_a_client_that_leaves_ends_the_stream(paused: bool) -> None:
    stage = Stage()
    await stage.ask()
    if paused:
        stage.connection.pause_writing()
        await turns()
    stage.connection.connection_lost(None)
    await turns()
    assert stage.stream.closed
    stage.connection.pause_writing()  # too late to stop anything
    stage.hub.stop()
