"""A listener in a thread of its own, a handler that plays by path, and raw sockets to it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import select
import socket
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, Self, TypeVar

import uvloop

from federation.domain.routes import ListenerLimits
from federation.errors import FederationError, NotFound, UpstreamCut
from federation.listener.connection import Connection
from federation.listener.intake import Intake
from federation.listener.server import Server
from federation.schema.http import ByteStream, ClientReply, ClientRequest

T = TypeVar("T")

LIMITS = ListenerLimits(
    head_bytes=4000,
    head_count=30,
    body_bytes=100_000,
    head_s=0.4,
    body_s=0.3,
    idle_s=1.0,
    write_s=0.5,
    connections=300,
)
LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}
WAIT_S = 5.0


def render_error(error: FederationError, path: str) -> ClientReply:
    return ClientReply(
        error.status, [(b"content-type", b"text/plain")], f"{path}|{error.message}".encode()
    )


class Pieces:
    """A stream of given pieces; an exception among them is raised, an event waited for."""

    def __init__(self, *script: bytes | Exception | asyncio.Event | None) -> None:
        self._script = list(script)
        self.reads = 0
        self.closed = 0

    async def read(self) -> bytes:
        self.reads += 1
        while self._script:
            step = self._script.pop(0)
            if step is None:
                await asyncio.sleep(0)
            elif isinstance(step, asyncio.Event):
                await step.wait()
            elif isinstance(step, Exception):
                raise step
            else:
                return step
        return b""

    async def aclose(self) -> None:
        self.closed += 1
        await asyncio.sleep(0)


class Endless:
    """A stream that never ends and never waits."""

    def __init__(self) -> None:
        self.closed = 0

    async def read(self) -> bytes:
        await asyncio.sleep(0)
        return b"x" * 32_768

    async def aclose(self) -> None:
        self.closed += 1


class Behind:
    """The handler: `/echo` gives the body back, `/wait` waits for ever, and so on."""

    def __init__(self) -> None:
        self.requests: list[ClientRequest] = []
        self.cancelled = 0
        self.finished = 0
        self.streams: list[Any] = []
        self.plays: dict[str, Callable[[], ByteStream | bytes]] = {}
        self.headers: list[tuple[bytes, bytes]] = [(b"content-type", b"text/plain")]
        self.status = 200

    async def __call__(self, request: ClientRequest) -> ClientReply:
        self.requests.append(request)
        if request.path in self.plays:
            body = self.plays[request.path]()
            if not isinstance(body, bytes):
                self.streams.append(body)
            return ClientReply(self.status, list(self.headers), body)
        if request.path == "/wait":
            await self._wait()
        if request.path == "/late":
            return await self._late()
        if request.path == "/pause":
            await asyncio.sleep(float(request.query))
            self.finished += 1
        if request.path == "/missing":
            raise NotFound("no such model")
        if request.path == "/bug":
            raise ValueError("a secret")
        if request.path == "/quits":
            raise asyncio.CancelledError
        return ClientReply(200, list(self.headers), request.body or request.path.encode())

    async def _wait(self) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise

    async def _late(self) -> ClientReply:
        """Answers with a stream although the client has gone."""
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        self.cancelled += 1
        self.streams.append(Pieces(b"never seen"))
        return ClientReply(200, [], self.streams[-1])


class Rig:
    """A running server and what can be asked about it."""

    def __init__(self, kind: str, limits: ListenerLimits) -> None:
        self.behind = Behind()
        self.faults: list[tuple[BaseException, str]] = []
        self._limits = limits
        self.loop = LOOPS[kind]()
        self._thread = threading.Thread(target=self.loop.run_forever)
        listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = listening.getsockname()[1]
        self._thread.start()
        self.server = self.run(self._start(listening))

    async def _start(self, listening: socket.socket) -> Server:
        server = Server(
            self.behind,
            self._limits,
            render_error,
            lambda fault, request_id: self.faults.append((fault, request_id)),
        )
        await server.serve(listening)
        return server

    def run(self, work: Coroutine[Any, Any, T], timeout: float = 20.0) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(timeout)

    def signal(self, event: asyncio.Event) -> None:
        self.loop.call_soon_threadsafe(event.set)

    def connect(self) -> Client:
        return Client(self.port)

    def until(self, holds: Callable[[], object], within_s: float = WAIT_S) -> float:
        """Wait until something holds; returns how long that took."""
        began = time.monotonic()
        while not holds():
            assert time.monotonic() - began < within_s, "did not come to hold in time"
            time.sleep(0.002)
        return time.monotonic() - began

    def tasks(self) -> int:
        """Tasks in the server's loop, but for the one that counts."""

        async def count() -> int:
            await asyncio.sleep(0)
            return len(asyncio.all_tasks()) - 1

        return self.run(count())

    def kept(self) -> int:
        """Connections and parsers that something still holds on to, if only a circle."""
        return sum(isinstance(each, Connection | Intake) for each in gc.get_objects())

    def stop(self) -> None:
        self.run(self.server.aclose())
        left = self.tasks()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.close()
        assert left == 0, "tasks are left behind"


@contextlib.contextmanager
def running(kind: str, limits: ListenerLimits = LIMITS) -> Iterator[Rig]:
    rig = Rig(kind, limits)
    try:
        yield rig
    finally:
        rig.stop()


class Reply:
    """A parsed reply."""

    def __init__(self, status: int, headers: dict[bytes, bytes], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body


class Client:
    """A raw socket that reads replies."""

    def __init__(self, port: int) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=WAIT_S)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = bytearray()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.sock.close()

    def send(self, data: bytes) -> Client:
        self.sock.sendall(data)
        return self

    def ask(self, path: str, body: bytes | None = None, *lines: bytes, method: str = "") -> Reply:
        self.send(request(path, body, *lines, method=method))
        return self.reply(head_only=method == "HEAD")

    def more(self) -> bool:
        piece = self.sock.recv(65536)
        self._buffer += piece
        return bool(piece)

    def readable(self, within_s: float) -> bool:
        return bool(select.select([self.sock], [], [], within_s)[0])

    def upto(self, mark: bytes) -> bytes:
        while mark not in self._buffer:
            assert self.more(), f"closed before {mark!r}: {self._buffer[:500]!r}"
        taken = self.exactly(self._buffer.index(mark))
        self.exactly(len(mark))
        return taken

    def exactly(self, size: int) -> bytes:
        while len(self._buffer) < size:
            assert self.more(), "closed in mid-body"
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken

    def head(self) -> Reply:
        lines = self.upto(b"\r\n\r\n").split(b"\r\n")
        headers: dict[bytes, bytes] = {}
        for line in lines[1:]:
            name, value = line.split(b": ", 1)
            assert name not in headers, f"{name!r} came twice"
            headers[name] = value
        return Reply(int(lines[0].split()[1]), headers, b"")

    def reply(self, head_only: bool = False) -> Reply:
        reply = self.head()
        if head_only or reply.status == 204:
            return reply
        if reply.headers.get(b"transfer-encoding") == b"chunked":
            reply.body = b"".join(self.chunks())
        elif b"content-length" in reply.headers:
            reply.body = self.exactly(int(reply.headers[b"content-length"]))
        else:
            reply.body = self.rest()
        return reply

    def chunks(self) -> Iterator[bytes]:
        while size := int(self.upto(b"\r\n"), 16):
            yield self.exactly(size)
            assert self.exactly(2) == b"\r\n"
        assert self.exactly(2) == b"\r\n"

    def rest(self) -> bytes:
        """Everything up to the end of the connection."""
        while self.more():
            pass
        return self.exactly(len(self._buffer))

    def closed(self) -> bool:
        """Whether the server closes, orderly or not, without another byte."""
        try:
            return self.rest() == b""
        except ConnectionResetError:
            return True


def request(path: str, body: bytes | None = None, *lines: bytes, method: str = "") -> bytes:
    verb = method or ("GET" if body is None else "POST")
    head = [f"{verb} {path} HTTP/1.1".encode(), b"Host: test", *lines]
    if body is not None:
        head.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join([*head, b"", body or b""])


__all__ = [
    "LIMITS",
    "Client",
    "Endless",
    "Pieces",
    "Reply",
    "Rig",
    "UpstreamCut",
    "request",
    "running",
]
