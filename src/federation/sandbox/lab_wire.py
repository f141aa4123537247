"""The lab's HTTP/1.1 server: lenient, small, and free to misbehave on the wire.

Not the listener, on purpose: that one cannot break a connection, and must not learn to. It
knows at once when a client hangs up, also while nothing is being sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
from collections.abc import Awaitable, Callable, Iterable
from typing import Final, cast
from urllib.parse import unquote

from federation.schema.http import ClientRequest, Headers

_HEAD_BYTES: Final = 65_536
_BODY_BYTES: Final = 33_554_432
_LINGER_ZERO: Final = struct.pack("ii", 1, 0)
_REFUSAL: Final = b"HTTP/1.1 %d X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"

Handle = Callable[[ClientRequest, "Line"], Awaitable[bool]]
"""Answers one request; False where the connection must not take another."""


class Line(asyncio.Protocol):
    """One client's connection, and the pen of whoever answers its requests.

    The handler is cancelled when the client hangs up.
    """

    def __init__(self, number: int, handle: Handle, lines: set[Line]) -> None:
        self.number = number
        self.gone = False
        """The client closed the connection, or we did."""
        self._handle = handle
        self._lines = lines
        self._buffer = bytearray()
        self._task: asyncio.Task[None] | None = None
        self._room: asyncio.Future[None] | None = None

    # asyncio calls these.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection."""
        self._transport = cast("asyncio.Transport", transport)
        self._lines.add(self)

    def data_received(self, data: bytes) -> None:
        """Begin to answer as soon as a request is whole."""
        self._buffer += data
        self._next()

    def eof_received(self) -> bool:
        """The client is gone: what it still waits for cannot be known."""
        self._leave()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        self._leave()
        self._lines.discard(self)
        self.resume_writing()

    def pause_writing(self) -> None:
        """The client reads more slowly than we write."""
        self._room = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        """The client has caught up."""
        if self._room is not None and not self._room.done():
            self._room.set_result(None)
        self._room = None

    # The pen.

    def write(self, data: bytes) -> None:
        """Send bytes as they are."""
        if not self.gone:
            self._transport.write(data)

    async def drained(self) -> None:
        """Wait until the client has read most of what was sent."""
        if self._room is not None:
            await asyncio.shield(self._room)

    def close(self) -> None:
        """Close the connection in order, after what was written."""
        self._transport.close()

    def reset(self) -> None:
        """Drop what is unsent and close with a TCP reset."""
        wrapped = self._transport.get_extra_info("socket")
        if wrapped is not None and wrapped.fileno() >= 0:
            # Loops hand out a guarded socket; a duplicate shares the open file's options.
            with socket.socket(fileno=os.dup(wrapped.fileno())) as duplicate:
                duplicate.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
        self._transport.abort()

    async def stop(self) -> None:
        """Close now, and wait for the handler."""
        task = self._task
        self._transport.abort()
        self._leave()
        if task is not None and task is not asyncio.current_task():
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def _leave(self) -> None:
        if not self.gone:
            self.gone = True
            if self._task is not None:
                self._task.cancel()

    def _next(self) -> None:
        if self._task is not None or self.gone:
            return
        try:
            request = _take(self._buffer)
        except ValueError as refused:
            self.write(_REFUSAL % int(refused.args[0]))
            self.close()
            return
        if request is not None:
            self._task = asyncio.get_running_loop().create_task(self._answer(request))

    async def _answer(self, request: ClientRequest) -> None:
        keep = False
        try:
            keep = await self._handle(request, self)
        finally:
            self._task = None
            if not keep:
                self._transport.close()
        self._next()


def head(status: int, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The head of a response."""
    lines = b"".join(b"%b: %b\r\n" % pair for pair in headers)
    return b"HTTP/1.1 %d Simulated\r\n%b\r\n" % (status, lines)


def chunk(data: bytes) -> bytes:
    """A piece of a chunked body; empty where there is nothing in it, for that would end it."""
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""


LAST_CHUNK: Final = b"0\r\n\r\n"


def _take(buffer: bytearray) -> ClientRequest | None:
    """Cut the first whole request off; `ValueError` holds the status of a refusal."""
    end = buffer.find(b"\r\n\r\n")
    if end < 0:
        if len(buffer) > _HEAD_BYTES:
            raise ValueError(431)
        return None
    lines = bytes(buffer[:end]).split(b"\r\n")
    try:
        method, target, _ = lines[0].decode("latin-1").split(" ")
    except ValueError:
        raise ValueError(400) from None
    headers: Headers = {}
    for line in lines[1:]:
        name, _, value = line.partition(b":")
        headers[name.strip().lower()] = value.strip()
    found = _body(buffer, end + 4, headers)
    if found is None:
        return None
    body, used = found
    del buffer[:used]
    path, _, query = target.partition("?")
    return ClientRequest(method, unquote(path), query, headers, body)


def _body(buffer: bytearray, start: int, headers: Headers) -> tuple[bytes, int] | None:
    """The body and where it ends; None where it is not whole."""
    if headers.get(b"transfer-encoding", b"").lower() == b"chunked":
        return _chunked(buffer, start)
    length = headers.get(b"content-length", b"0")
    if not length.isdigit():
        raise ValueError(400)
    if int(length) > _BODY_BYTES:
        raise ValueError(413)
    end = start + int(length)
    return (bytes(buffer[start:end]), end) if len(buffer) >= end else None


def _chunked(buffer: bytearray, start: int) -> tuple[bytes, int] | None:
    body, place = bytearray(), start
    while True:
        line = buffer.find(b"\r\n", place)
        if line < 0:
            return None
        try:
            size = int(bytes(buffer[place:line]).partition(b";")[0], 16)
        except ValueError:
            raise ValueError(400) from None
        if size < 0:  # it would lead back to itself
            raise ValueError(400)
        if len(body) + size > _BODY_BYTES:
            raise ValueError(413)
        end = line + 2 + size + 2
        if len(buffer) < end:
            return None
        if size == 0:
            return bytes(body), end
        body += buffer[line + 2 : end - 2]
        place = end
