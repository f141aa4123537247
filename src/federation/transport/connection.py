"""One socket to an origin: an asyncio protocol that feeds httptools and one exchange at a time.

The trap: bytes that arrive when no request is out, or after an answer's end, would be taken
for the answer to the next request. Such a connection is closed, never pooled.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Protocol

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from federation.errors import UpstreamCut, UpstreamError, UpstreamFailed, UpstreamGarbled
from federation.schema.http import Headers
from federation.transport.exchange import Exchange
from federation.transport.limits import Limits
from federation.transport.outbox import Outbox

_HIGH_WATER = 256 * 1024
"""Unread bytes above which the provider is made to wait."""
_CHUNK_BYTES = 2048
_OPENINGS = {
    len(line) + size + 2: line for size in range(1, _CHUNK_BYTES) for line in (b"%x\r\n" % size,)
}
"""By the length of a whole chunk, framing included, the only line that it can begin with."""


class Owner(Protocol):
    """The pool that a connection belongs to."""

    active: set[Connection]

    def give_back(self, connection: Connection) -> None:
        """Take a connection whose answer is complete and which may be used again."""
        ...

    def forget(self, connection: Connection) -> None:
        """Count a connection as gone."""
        ...


class _Refused(Exception):
    """Raised inside a parser callback to stop it; `Connection.refusal` says why."""


class Connection(asyncio.Protocol):
    """A pooled HTTP/1.1 connection. Owned by its pool while idle, by an exchange while busy."""

    __slots__ = (
        "between",
        "clogged",
        "done",
        "exchange",
        "expires",
        "fed",
        "feed",
        "headers",
        "interim",
        "keep",
        "limits",
        "owner",
        "parser",
        "paused",
        "refusal",
        "repeats",
        "seen",
        "served",
        "transport",
    )

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.owner: Owner | None = None
        """Set when the connection stands; who dials owns it before."""
        self.transport: asyncio.Transport | None = None
        self.exchange: Exchange | None = None
        self.expires = 0.0
        self.served = 0
        """Answers received whole on this connection."""
        self.headers: Headers = {}
        self.repeats = 0
        self.fed = 0
        """Bytes received since the body last grew: heads, trailers and chunk extensions."""
        self.seen = 0
        self.done = False
        self.keep = False
        self.interim = False
        self.between = False
        """All that was parsed ended with the end of a chunk, and more of the body is to come."""
        self.paused = False
        self.clogged = False
        self.refusal = ""
        self.parser = HttpResponseParser(self)
        self.feed = self.parser.feed_data

    # What the pool and the client ask.

    def begin(self, exchange: Exchange) -> None:
        """Take up a new exchange; the caller then writes its request."""
        self.exchange = exchange
        self.headers = {}
        self.repeats = self.fed = self.seen = 0
        self.done = self.between = False
        if self.owner is not None:
            self.owner.active.add(self)

    def write(self, data: bytes | memoryview) -> None:
        """Send bytes, unless the socket is gone: the exchange then has its failure."""
        if self.transport is not None:
            self.transport.write(data)

    def post(self, data: bytes, outbox: Outbox) -> None:
        """The same, together with what else is sent in this turn of the event loop."""
        if self.transport is not None:
            outbox.post(self.transport, data)

    def usable(self) -> bool:
        """Tell whether the socket is still open as far as we know."""
        return self.transport is not None and not self.transport.is_closing()

    def abort(self) -> None:
        """Close the socket at once and drop the exchange. Idempotent."""
        exchange, self.exchange = self.exchange, None
        if exchange is not None:
            exchange.connection = None
        self._leave()
        if self.transport is not None:
            self.transport.abort()
            self.transport = None

    def fail(self, kind: type[UpstreamError], message: str) -> None:
        """Close the socket and tell the exchange why."""
        exchange = self.exchange
        self.abort()
        if exchange is not None:
            exchange.fail(kind, message)

    def resume(self) -> None:
        """Read on after backpressure."""
        if self.paused and self.transport is not None:
            self.paused = False
            self.transport.resume_reading()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport; a dead peer must be noticed even when nobody sends."""
        self.transport = transport  # type: ignore[assignment]  # a stream transport, by how we dial
        raw = transport.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def data_received(self, data: bytes) -> None:
        """Parse what arrived, then wake the reader once.

        A stream's event mostly comes alone and as one chunk. Between two chunks the parser need
        not see such a one: it would be where it is, and somebody watches for its content.
        """
        exchange = self.exchange
        if exchange is None:
            self.abort()
            return
        exchange.moved = True
        watched = exchange.watched
        if watched is not None and self.between and not exchange.chunks:
            whole = exchange.whole
            if whole is not None and whole(data):
                return
            opening = _OPENINGS.get(len(data))
            if opening is not None and data.startswith(opening) and data.endswith(b"\r\n"):
                watched(data[len(opening) : -2])
                return
        self._parse(exchange, data)

    def _parse(self, exchange: Exchange, data: bytes) -> None:
        self.fed += len(data)
        try:
            self.feed(data)
        except (HttpParserError, HttpParserUpgrade) as fault:
            if not self.done:
                self._garbled(exchange, fault)
                return
            self.keep = False
        if self.fed > self.limits.head_bytes and self._overlong(exchange):
            return
        if self.done:
            self._finish(exchange)
        elif exchange.arrived - exchange.taken > _HIGH_WATER:
            self._hold(exchange)
        # A size that is not whole yet may follow a chunk's end.
        self.between = self.between and data.endswith(b"\r\n")
        if exchange.watched is not None:
            exchange.push()
            return
        waiter = exchange.waiter
        if (
            waiter is not None
            and exchange.status
            and (exchange.arrived > exchange.wake_above or exchange.ended)
            and not waiter.done()
        ):
            waiter.set_result(None)

    def eof_received(self) -> None:
        """Settle at once: closing in the loop's own time would wait for an unsent request."""
        self._over(None)
        if self.transport is not None:
            self.transport.abort()
            self.transport = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Settle what is open, and untie the knot with the parser, which holds our methods."""
        self._over(exc)
        self.transport = None
        del self.feed, self.parser

    def pause_writing(self) -> None:
        """Note that the provider reads more slowly than we write."""
        self.clogged = True

    def resume_writing(self) -> None:
        """Let the upload go on."""
        self.clogged = False
        exchange = self.exchange
        if exchange is not None and not exchange.uploaded:
            exchange.moved = True
            exchange.wake()

    # What the parser calls.

    def on_message_begin(self) -> None:
        """Stop where a second answer begins: nobody has asked for it."""
        if self.done:
            raise _Refused

    def on_header(self, name: bytes, value: bytes) -> None:
        """Collect a field; trailers land in a dict that nobody reads."""
        headers = self.headers
        name = name.lower()
        if name in headers:
            headers[name] += b", " + value
            self.repeats += 1
        else:
            headers[name] = value

    def on_headers_complete(self) -> None:
        """Publish the head, or skip it where it is an interim one."""
        headers = self.headers
        if len(headers) + self.repeats > self.limits.head_fields:
            self._refuse(f"its head has more than {self.limits.head_fields} fields")
        status = self.parser.get_status_code()
        self.headers = {}
        if not 200 <= status < 600:
            if status == 101 or not 100 <= status < 200:
                self._refuse("its status is none that an answer can have")
            self.interim = True
            return
        exchange = self.exchange
        if exchange is None:  # cannot be: nothing is fed without one
            raise _Refused
        exchange.status = status
        exchange.headers = headers
        if exchange.no_body:
            self.done = True
            self.keep = False

    def on_chunk_header(self) -> None:
        """A chunk has begun."""
        self.between = False

    def on_chunk_complete(self) -> None:
        """It is over."""
        self.between = True

    def on_body(self, data: bytes) -> None:
        """Buffer a piece."""
        exchange = self.exchange
        if exchange is not None:
            exchange.chunks.append(data)
            exchange.arrived += len(data)

    def on_message_complete(self) -> None:
        """Note the end; the connection is settled when all that arrived is parsed."""
        if self.interim:
            self.interim = False
            return
        self.done = True
        self.keep = self.parser.should_keep_alive()

    # How an exchange ends.

    def _finish(self, exchange: Exchange) -> None:
        exchange.ended = True
        exchange.connection = None
        self.exchange = None
        self.served += 1
        if exchange.no_body:
            exchange.chunks.clear()
        owner = self.owner
        if self.keep and exchange.uploaded and owner is not None:
            owner.active.discard(self)
            self._set_expiry(exchange)
            owner.give_back(self)
        else:
            self.abort()

    def _set_expiry(self, exchange: Exchange) -> None:
        keep_s = self.limits.keep_alive_s
        announced = exchange.headers.get(b"keep-alive")
        if announced is not None:
            keep_s = min(keep_s, _announced_s(announced, keep_s))
        self.expires = exchange.loop.time() + keep_s

    def _over(self, exc: Exception | None) -> None:
        """The socket is gone: an answer that is framed by its end is complete, any other cut."""
        exchange, self.exchange = self.exchange, None
        self._leave()
        if exchange is None:
            return
        headers = exchange.headers
        if not exchange.status:
            how = "reset" if exc is not None else "closed"
            exchange.fail(
                UpstreamFailed, f"{exchange.host} {how} the connection before it answered"
            )
        elif (
            exc is None and b"content-length" not in headers and b"transfer-encoding" not in headers
        ):
            exchange.ended = True
            exchange.connection = None
            exchange.wake()
        else:
            exchange.fail(UpstreamCut, f"the answer of {exchange.host} was cut off")

    def _leave(self) -> None:
        owner, self.owner = self.owner, None
        if owner is not None:
            owner.active.discard(self)
            owner.forget(self)

    def _hold(self, exchange: Exchange) -> None:
        if not self.paused and not exchange.unbounded and self.transport is not None:
            self.paused = True
            self.transport.pause_reading()

    def _overlong(self, exchange: Exchange) -> bool:
        """Judge bytes that are not body; called only when many of them may have come.

        A head may share its read with a long body, so its fields are counted exactly then.
        """
        limit = self.limits.head_bytes
        head = exchange.headers
        if (exchange.status and exchange.arrived > self.seen) or self.done:
            size = 0 if self.seen else sum(map(len, head)) + sum(map(len, head.values()))
            self.seen = exchange.arrived
            self.fed = 0
            if size + 4 * len(head) <= limit:
                return False
        if not self.seen:
            exchange.status = 0  # a head that must not be used never came
        self.fail(UpstreamGarbled, f"the head of {exchange.host}'s answer exceeds {limit} bytes")
        return True

    def _refuse(self, reason: str) -> None:
        self.refusal = reason
        raise _Refused

    def _garbled(self, exchange: Exchange, fault: Exception) -> None:
        reason = self.refusal or f"it is not valid HTTP ({fault})"
        self.fail(UpstreamGarbled, f"the answer of {exchange.host} cannot be used: {reason}")


def _announced_s(value: bytes, default: float) -> float:
    """Read `timeout` of a Keep-Alive field, a little early: their clock started before ours."""
    for part in value.split(b","):
        name, _, number = part.strip().partition(b"=")
        if name.strip().lower() == b"timeout" and number.strip().isdigit():
            seconds = float(int(number.strip()[:6]))
            return max(seconds - 1.0, seconds / 2)
    return default
