"""The first words with a proxy: CONNECT, and its answer.

The trap: the proxy's credentials go into this head and nowhere else; the origin, which
speaks inside the tunnel, never sees them.
"""

from __future__ import annotations

import asyncio

from federation.errors import UpstreamFailed

_MOST = 16 * 1024
_FIRST, _FINAL, _REFUSED = 100, 200, 300


class Tunnel(asyncio.Protocol):
    """Holds the connection to a proxy until TLS with the origin takes it over."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[bytes] = loop.create_future()
        self._received = b""

    async def ask(self, authority: str, authorization: bytes) -> asyncio.Transport:
        """Return the transport, a way through to `authority` (`host:port`).

        Raises `UpstreamFailed` where the proxy refuses; its own words are not repeated.
        """
        transport = self._transport
        if transport is None:
            raise UpstreamFailed("the proxy closed the connection")
        request = f"CONNECT {authority} HTTP/1.1\r\nhost: {authority}\r\n".encode("ascii")
        if authorization:
            request += b"proxy-authorization: " + authorization + b"\r\n"
        transport.write(request + b"\r\n")
        status = _status(await self._answer)
        if status is None:
            raise UpstreamFailed("the proxy's answer is not valid HTTP")
        if not _FINAL <= status < _REFUSED:
            hint = "; check the proxy's user and password" if status == 407 else ""
            raise UpstreamFailed(f"the proxy refused to connect (status {status}){hint}")
        return transport

    def abort(self) -> None:
        """Close the connection at once. Idempotent."""
        self._answer.cancel()
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = transport  # type: ignore[assignment]  # a stream transport, by how we dial

    def data_received(self, data: bytes) -> None:
        """Collect the proxy's head. Nobody may speak in the tunnel before we do; where there is
        none, a page may follow, which nobody reads. What goes before the head is passed over."""
        if self._answer.done():
            return
        self._received += data
        head, end, rest = self._received.partition(b"\r\n\r\n")
        status = _status(head)
        while end and status is not None and _FIRST <= status < _FINAL:
            head, end, rest = rest.partition(b"\r\n\r\n")
            status = _status(head)
        if not end:
            if len(self._received) > _MOST:
                self._answer.set_result(b"")
            return
        speaks = status is not None and status < _REFUSED and rest
        self._answer.set_result(b"" if speaks else head)

    def connection_lost(self, exc: Exception | None) -> None:
        """End the wait: an empty answer is no answer."""
        self._transport = None
        if not self._answer.done():
            self._answer.set_exception(UpstreamFailed("the proxy closed the connection"))
            self._answer.exception()  # looked at: whoever waited may have gone


def _status(head: bytes) -> int | None:
    parts = head.split(b"\r\n", 1)[0].split(b" ", 2)
    if len(parts) < 2 or not parts[0].startswith(b"HTTP/1.") or not parts[1].isdigit():
        return None
    return int(parts[1])
