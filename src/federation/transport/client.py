"""The upstream client: one verb, `send`, over pooled connections (`ports.Transport`).

The trap: deadlines are looked at by one sweep every 50 ms, not by a timer per request, so
a timeout fires up to that much late; and nothing here may create a task per request.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable

from federation.errors import (
    Unavailable,
    UpstreamFailed,
    UpstreamHeldBack,
    UpstreamTimeout,
)
from federation.schema.http import NO_CONNECTION, Origin, Timeouts, WireRequest
from federation.transport.connection import Connection
from federation.transport.decoding import BadCoding, decoder_for
from federation.transport.dial import Dialer
from federation.transport.exchange import Exchange
from federation.transport.limits import Limits
from federation.transport.names import HostNames, Resolve, system_resolve
from federation.transport.outbox import Outbox
from federation.transport.pool import Pool
from federation.transport.proxies import DIRECT, Proxies
from federation.transport.tls import client_context

_SWEEP_S = 0.05
_TRIM_S = 1.0
_ONE_WRITE = 64 * 1024
_PIECE = 128 * 1024
_STALE_S = 2.0
"""How soon after a request a pooled connection must break to count as stale.

An idle connection that the provider had closed shows within a round trip. A later break may
be a provider that has worked on the request, and a silent second POST would pay twice.
"""


class Client:
    """A pooled HTTP/1.1 client for one event loop.

    `tls` builds the context at the first https connection, out of what `authorities` says: who
    is trusted beside the system's store, as PEM. What it says later holds for connections made
    from then on. Redirects are returned, never followed; compressed answers are decoded; nothing
    is retried but a request that met a stale pooled connection.
    """

    def __init__(
        self,
        *,
        limits: Limits | None = None,
        proxies: Proxies = DIRECT,
        tls: Callable[[str], ssl.SSLContext] = client_context,
        authorities: Callable[[], str] = lambda: "",
        resolve: Resolve = system_resolve,
    ) -> None:
        self._limits = limits or Limits()
        self._names = HostNames(resolve, self._limits.names_s)
        self._dialer = Dialer(self._names, proxies, tls, authorities)
        self._pools: dict[Origin, Pool] = {}
        self._active: set[Connection] = set()
        self._outbox = Outbox()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._fast = False
        self._trim_at = 0.0
        self._closed = False

    @property
    def busy(self) -> int:
        """How many connections have an exchange under way."""
        return len(self._active)

    @property
    def opened(self) -> int:
        """How many connections there are, those being opened included."""
        return sum(pool.opened for pool in self._pools.values())

    def go_through(self, proxies: Proxies) -> None:
        """Use these proxies from the next connection on; exchanges under way keep theirs."""
        if proxies != self._dialer.proxies:
            self._dialer.proxies = proxies
            retired, self._pools = self._pools, {}
            for pool in retired.values():
                pool.close(UpstreamFailed, f"the way to {pool.origin.host} has just changed")

    async def send(
        self,
        request: WireRequest,
        timeouts: Timeouts,
        on_sent: Callable[[], None] | None = None,
    ) -> Exchange:
        """Send a request and return when the answer's head is there.

        `on_sent` is called once, when the request's first bytes go to a socket: until then
        nobody can have worked on it, whatever is raised. It must not raise.
        Raises `InvalidRequest` before anything is sent, `UpstreamTimeout`, `UpstreamFailed`
        or `UpstreamGarbled` where no head came, `UpstreamError` (code
        `upstream_address_forbidden`) where the destination is not allowed. Cancelling closes
        the socket. The caller reads the exchange to its end or closes it.
        """
        pool = self._pools.get(request.origin) or self._new_pool(request.origin)
        head = pool.heads.render(request)
        loop = self._loop or self._start()
        began = loop.time()
        connection = pool.pop(began)
        retried = False
        while True:
            if connection is None:
                connection = await self._connect(pool, timeouts, began)
            exchange = Exchange(
                loop, connection, pool.origin.host, timeouts.idle_s, began + timeouts.total_s
            )
            if on_sent is not None:
                on_sent()
                on_sent = None
            await self._ask(connection, exchange, request, head, timeouts)
            if exchange.status:
                headers = exchange.headers
                if b"content-encoding" in headers or b"transfer-encoding" in headers:
                    self._unwrap(exchange)
                return exchange
            if retried or not _was_stale(connection, exchange):
                raise exchange.error()
            retried, connection = True, None
            # A pool with no connection left is swept away, and one of another way retired.
            pool = self._pools.get(request.origin) or self._new_pool(request.origin)
            head = pool.heads.render(request)

    async def aclose(self) -> None:
        """Close every connection; what is under way fails. Idempotent."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for connection in tuple(self._active):
            connection.fail(UpstreamFailed, "the gateway closed its connections")
        for pool in self._pools.values():
            pool.close(Unavailable, "the gateway is stopping")
        await self._names.aclose()

    # One exchange, up to its head.

    async def _ask(
        self,
        connection: Connection,
        exchange: Exchange,
        request: WireRequest,
        head: bytes,
        timeouts: Timeouts,
    ) -> None:
        """Write the request and wait until the exchange has a status or a failure."""
        loop, body = exchange.loop, request.body
        exchange.no_body = request.method == "HEAD"
        exchange.began = now = loop.time()
        connection.begin(exchange)
        if not self._fast:
            self._hurry(loop)
        try:
            if len(body) <= _ONE_WRITE:
                exchange.due = now + timeouts.first_byte_s
                exchange.uploaded = True
                connection.post(head + body if body else head, self._outbox)
            else:
                exchange.due = now + timeouts.idle_s
                self._outbox.flush()  # an answer that nobody asked for may have freed it too soon
                await _upload(connection, exchange, head, body)
                exchange.due = loop.time() + timeouts.first_byte_s
            while not exchange.status and exchange.failure is None:
                exchange.waiter = waiter = loop.create_future()
                await waiter
        except BaseException:
            if exchange.connection is not None:  # else it may serve somebody else by now
                exchange.connection.abort()
            raise
        finally:
            exchange.waiter = None

    def _unwrap(self, exchange: Exchange) -> None:
        """Refuse codings that we cannot undo, and arrange for the others to be undone."""
        headers = exchange.headers
        framing = headers.get(b"transfer-encoding", b"chunked")
        if framing.strip().lower() != b"chunked":
            raise exchange.garbled(f"{exchange.host} answered in an unknown transfer coding")
        coding = headers.get(b"content-encoding")
        if coding is None or (exchange.ended and not exchange.arrived):
            return
        try:
            exchange.decoder = decoder_for(coding, self._limits.decoded_bytes)
        except BadCoding as fault:
            raise exchange.garbled(f"{exchange.host}: {fault}") from None
        del headers[b"content-encoding"]
        headers.pop(b"content-length", None)

    # Connections.

    def _start(self) -> asyncio.AbstractEventLoop:
        self._loop = asyncio.get_running_loop()
        return self._loop

    def _new_pool(self, origin: Origin) -> Pool:
        proxy = self._dialer.proxy_for(origin)
        pool = self._pools[origin] = Pool(origin, self._limits, self._active, proxy)
        return pool

    async def _connect(self, pool: Pool, timeouts: Timeouts, began: float) -> Connection:
        """Return a connection: a new one, or where the pool is full the next that gets free."""
        if self._closed:
            raise Unavailable("the gateway is stopping")
        loop = asyncio.get_running_loop()
        budget_s = min(timeouts.connect_s, began + timeouts.total_s - loop.time())
        has_slot = False
        try:
            async with asyncio.timeout(budget_s):
                connection = await pool.slot()
                has_slot = True
                if connection is None:
                    connection = await self._open(pool, budget_s)
        except TimeoutError:
            if has_slot:
                raise UpstreamTimeout(
                    f"no connection to {pool.origin.host} within {budget_s:g} s (phase: connect)"
                ) from None
            raise UpstreamTimeout(
                f"all {self._limits.per_origin} connections to {pool.origin.host} are in use, and "
                f"none came free within {budget_s:g} s (phase: connect)",
                code=NO_CONNECTION,
                status=503,
            ) from None
        return connection

    async def _open(self, pool: Pool, budget_s: float) -> Connection:
        """Use up a slot of the pool for a new connection, or give it back."""
        try:
            connection = await self._dialer.dial(
                pool.origin, lambda: Connection(self._limits), budget_s
            )
        except BaseException:
            pool.free()
            raise
        connection.owner = pool
        if self._closed or not connection.usable():
            connection.abort()
            raise UpstreamFailed(f"{pool.origin.host} closed the connection at once")
        return connection

    # Deadlines.

    def _hurry(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let the clock tick fast while an exchange is under way."""
        if self._timer is not None:
            self._timer.cancel()
        self._fast = True
        self._timer = loop.call_later(_SWEEP_S, self._tick, loop)

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        """Fail what is over time, close what is idle too long, and come again if needed."""
        try:
            self._sweep(loop.time())
        finally:  # deadlines hold for everybody else, whatever one connection does
            self._fast = bool(self._active)
            self._timer = None
            if self._fast or self._pools:
                pause = _SWEEP_S if self._fast else _TRIM_S
                self._timer = loop.call_later(pause, self._tick, loop)

    def _sweep(self, now: float) -> None:
        for connection in tuple(self._active):
            _judge(connection, now)
        if now >= self._trim_at:
            self._trim_at = now + _TRIM_S
            for origin, pool in tuple(self._pools.items()):
                pool.trim(now)
                if not pool.opened:
                    del self._pools[origin]


async def _upload(connection: Connection, exchange: Exchange, head: bytes, body: bytes) -> None:
    """Write a big body as fast as the provider takes it; stop where it answers early."""
    connection.write(head)
    view = memoryview(body)
    for start in range(0, len(body), _PIECE):
        connection.write(view[start : start + _PIECE])
        while connection.clogged and not exchange.status and exchange.failure is None:
            exchange.waiter = waiter = exchange.loop.create_future()
            await waiter
        if exchange.status or exchange.failure is not None:
            return
    exchange.uploaded = True
    exchange.moved = False


def _was_stale(connection: Connection, exchange: Exchange) -> bool:
    """Tell whether the request met a pooled connection that the provider had given up."""
    return (
        connection.served > 0
        and connection.fed == 0
        and exchange.failure is not None
        and exchange.failure[0] is UpstreamFailed
        and exchange.loop.time() - exchange.began < _STALE_S
    )


def _judge(connection: Connection, now: float) -> None:
    """Fail a connection's exchange where one of its deadlines has passed."""
    exchange = connection.exchange
    if exchange is None:
        return
    if now >= exchange.total_due and connection.paused:
        connection.fail(UpstreamHeldBack, f"The client read too slowly what {exchange.host} said.")
        return
    if now >= exchange.total_due:
        phase = "total"
    elif exchange.moved or connection.paused:  # while we hold the provider back it may be silent
        exchange.moved = False
        exchange.due = now + exchange.idle_s
        return
    elif now < exchange.due:
        return
    elif not exchange.uploaded:
        phase = "sending the request"
    else:
        phase = "idle" if connection.fed or exchange.status else "first byte"
    connection.fail(UpstreamTimeout, f"{exchange.host} did not answer in time (phase: {phase})")
