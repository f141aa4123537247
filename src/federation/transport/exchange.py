"""One request's answer, as it comes in: what `Client.send` returns.

The trap: when an exchange is handed out its connection may already serve another request,
because an answer that arrived whole gives its connection back at once. So nothing here
touches the connection after `connection` has become None.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from federation.errors import (
    UpstreamCut,
    UpstreamError,
    UpstreamFailed,
    UpstreamGarbled,
    UpstreamOversized,
)
from federation.schema.http import Headers
from federation.transport.decoding import BadCoding, Decoder, TooMuch

_RELEASE_S = 1.0
_TURN = 64 * 1024
"""Bytes of an answer that are handed out before others have their turn. Who reads them works at
each event, and one that says nothing may be two bytes long."""


class Socket(Protocol):
    """What an exchange asks of the connection that it is read from."""

    def abort(self) -> None:
        """Close at once and forget the exchange."""
        ...

    def resume(self) -> None:
        """Go on reading after backpressure."""
        ...


class Exchange:
    """A provider's answer whose head is there (`ports.Exchange`).

    One reader at a time. An answer that ends before its framing says so never looks
    complete: `read` raises `UpstreamCut` (parts have been handed on), `body` raises
    `UpstreamFailed` (nothing has, so the same deployment may be asked again).

    The connection writes the public attributes below `headers`; they are this room's own.
    """

    __slots__ = (
        "arrived",
        "began",
        "chunks",
        "connection",
        "decoder",
        "due",
        "ended",
        "failure",
        "headers",
        "host",
        "idle_s",
        "loop",
        "moved",
        "no_body",
        "parted",
        "status",
        "taken",
        "total_due",
        "turning",
        "unbounded",
        "unpacked",
        "uploaded",
        "waiter",
        "wake_above",
        "watched",
        "whole",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        connection: Socket,
        host: str,
        idle_s: float,
        total_due: float,
    ) -> None:
        self.status = 0
        self.headers: Headers = {}
        self.loop = loop
        self.connection: Socket | None = connection
        self.host = host
        self.idle_s = idle_s
        self.due = total_due
        """When this phase is over time, on the loop's clock."""
        self.total_due = total_due
        self.began = 0.0
        self.moved = False
        """Something arrived since the deadlines were last looked at."""
        self.chunks: list[bytes] = []
        self.arrived = 0
        """Body bytes received so far, as framed (before any decoding)."""
        self.taken = 0
        """How many of them the reader has."""
        self.wake_above = -1
        """The reader is woken when more than this has arrived, or at the end."""
        self.unbounded = False
        """The reader takes everything: no backpressure."""
        self.uploaded = False
        self.no_body = False
        self.ended = False
        self.failure: tuple[type[UpstreamError], str] | None = None
        self.waiter: asyncio.Future[None] | None = None
        self.decoder: Decoder | None = None
        self.parted = False
        """Of what had arrived only a part was handed out."""
        self.turning = False
        """The rest of it is about to be pushed."""
        self.unpacked = b""
        """What the decoder made, and the reader has not got yet."""
        self.watched: Callable[[bytes], None] | None = None
        self.whole: Callable[[bytes], bool] | None = None

    @property
    def open(self) -> bool:
        """More may arrive: neither the end nor a failure is known yet."""
        return self.connection is not None

    def watch(
        self,
        arrived: Callable[[bytes], None] | None,
        whole: Callable[[bytes], bool] | None = None,
    ) -> bool:
        """Give `arrived` what comes, and `b""` at the end and at a failure; None ends that.
        `whole` is asked first for a read that may be just one chunk.

        False where this answer can only be read, because it must be decoded.
        """
        if arrived is not None and self.decoder is not None:
            return False
        self.watched, self.whole = arrived, whole
        return True

    def push(self) -> None:
        """Give whoever watches what has arrived, and tell of an end that is known."""
        watched = self.watched
        if watched is not None and self.chunks:
            watched(self.take())
            watched = self.watched  # it may have had enough
        if watched is not None and self.connection is None and not self.chunks:
            watched(b"")

    def take(self) -> bytes:
        """Return what has arrived and was not read, without waiting; `b""` for nothing. Of much
        it is a part, and whoever watches is given the rest in turns."""
        chunks = self.chunks
        if not chunks:
            return b""
        data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        chunks.clear()
        if len(data) > _TURN:
            return self._first(data)
        self.taken = self.arrived
        if self.connection is not None:
            self.connection.resume()
        return data

    def _first(self, data: bytes) -> bytes:
        """What is handed out of much; the rest waits for the next turn."""
        self.parted = True
        self.chunks.append(data[_TURN:])
        self.taken = self.arrived - len(data) + _TURN
        if self.watched is not None and not self.turning:
            self.turning = True
            self.loop.call_soon(self._next_turn)
        return data[:_TURN]

    def _next_turn(self) -> None:
        self.turning = False
        if self.chunks:
            self.push()

    async def read(self) -> bytes:
        """Return what has arrived of the body, or a part of much; `b""` at its end.

        Raises `UpstreamTimeout`, `UpstreamGarbled` or `UpstreamCut`; `UpstreamOversized` for what
        unpacks to more than may be held.
        """
        if self.decoder is not None:
            return await self._read_decoded(self.decoder)
        chunks = self.chunks
        if self.parted:
            self.parted = False
            await asyncio.sleep(0)
        while not chunks:
            if self.ended:
                return b""
            if self.failure is not None:
                raise self.error()
            self.waiter = waiter = self.loop.create_future()
            try:
                await waiter
            finally:
                self.waiter = None
        return self.take()

    async def body(self, limit: int) -> bytes:
        """Return the rest of the body, whole.

        Raises `UpstreamTimeout`, `UpstreamFailed`, or `UpstreamOversized` above `limit` bytes.
        """
        if self.decoder is not None:
            return await self._decoded_body(self.decoder, limit)
        if not self.ended:
            await self._rest(limit)
        if self.arrived - self.taken > limit:
            raise self._too_large(limit)
        self.taken = self.arrived
        chunks = self.chunks
        if len(chunks) == 1:
            return chunks.pop()
        data = b"".join(chunks)
        chunks.clear()
        return data

    async def aclose(self) -> None:
        """Close the socket unless the answer was received to its end. Idempotent."""
        if self.connection is not None:
            self.connection.abort()
        # What is thrown away must not look like an empty answer.
        if self.chunks or self.unpacked or not self.ended:
            self.chunks.clear()
            self.unpacked, self.decoder = b"", None
            self.ended = False
            self.failure = self.failure or (
                UpstreamCut,
                f"the answer of {self.host} was closed before its end",
            )

    def release(self) -> None:
        """Let the connection serve again once the answer's framing has ended too.

        For an answer that said itself that it is over: what may still come is its last
        chunk. Nobody waits for it; after a second without it the socket is closed.
        """
        if self.connection is not None:
            self.total_due = min(self.total_due, self.loop.time() + _RELEASE_S)
            self.connection.resume()

    def fail(self, kind: type[UpstreamError], message: str) -> None:
        """Note why the answer cannot go on; the first reason stays. The reader is woken."""
        if self.failure is None and not self.ended:
            self.failure = (kind, message)
        self.connection = None
        self.wake()

    def wake(self) -> None:
        """Let whoever waits or watches look again."""
        if self.watched is not None:
            self.push()
        waiter = self.waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    async def _rest(self, limit: int) -> None:
        """Wait until all of the body is buffered, or more than `limit` bytes of it."""
        most = self.taken + limit
        self._refuse_announced(limit)
        self.wake_above = most
        self.unbounded = True
        try:
            while not self.ended and self.failure is None and self.arrived <= most:
                if self.connection is not None:
                    self.connection.resume()
                self.waiter = waiter = self.loop.create_future()
                await waiter
        finally:
            self.waiter = None
            self.wake_above = -1
            self.unbounded = False
        if self.arrived <= most and self.failure is not None:
            raise self.error(whole=True)

    def _refuse_announced(self, limit: int) -> None:
        length = self.headers.get(b"content-length")
        if length is not None and int(length) - self.taken > limit:
            raise self._too_large(limit)

    async def _read_decoded(self, decoder: Decoder) -> bytes:
        """What comes next when it is unpacked. A few bytes may hold millions, and those are had
        without waiting for anybody: so the loop goes round once for every `_TURN` of them."""
        if not self.unpacked:
            self.unpacked = await self._unpacked(decoder)
        if len(self.unpacked) >= _TURN:
            await asyncio.sleep(0)
        piece, self.unpacked = self.unpacked[:_TURN], self.unpacked[_TURN:]
        return piece

    async def _unpacked(self, decoder: Decoder) -> bytes:
        while True:
            try:
                piece = decoder.pull()
                if piece:
                    break
                packed = await self._packed(decoder)
                if not packed:
                    decoder.finish()
                    return b""
            except BadCoding as fault:
                raise self.garbled(f"{self.host}: {fault}") from None
            except TooMuch as fault:
                raise self._given_up(UpstreamOversized, f"{self.host}: {fault}") from None
            decoder.push(packed)
        return piece

    async def _packed(self, decoder: Decoder) -> bytes:
        """The bytes as they arrive."""
        self.decoder = None
        try:
            return await self.read()
        finally:
            self.decoder = decoder

    async def _decoded_body(self, decoder: Decoder, limit: int) -> bytes:
        pieces: list[bytes] = []
        size = 0
        try:
            while piece := await self._read_decoded(decoder):
                pieces.append(piece)
                size += len(piece)
                if size > limit:
                    raise self._too_large(limit)
        except UpstreamCut as cut:
            raise UpstreamFailed(cut.message) from None
        return b"".join(pieces)

    def error(self, *, whole: bool = False) -> UpstreamError:
        """Build the failure anew: an exception raised twice would keep both tracebacks.

        `whole` says that no part of the answer has been handed on.
        """
        kind, message = self.failure or (UpstreamCut, "")
        return (UpstreamFailed if whole and kind is UpstreamCut else kind)(message)

    def _too_large(self, limit: int) -> UpstreamError:
        message = f"the answer of {self.host} is larger than {limit} bytes"
        return self._given_up(UpstreamOversized, message)

    def garbled(self, message: str) -> UpstreamError:
        """Give the answer up for good, close the socket, and return what to raise."""
        return self._given_up(UpstreamGarbled, message)

    def _given_up(self, kind: type[UpstreamError], message: str) -> UpstreamError:
        self.failure = (kind, message)
        self.ended = False
        self.chunks.clear()
        if self.connection is not None:
            self.connection.abort()
        return kind(message)
