"""Opening a connection: judged addresses in turn, TLS, Unix sockets, and proxies.

The trap: a connection is made to an address and verified against a name. The name given to
TLS is always the origin's, never the proxy's and never the address.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Awaitable, Callable

from federation.domain import hosts
from federation.errors import UpstreamFailed
from federation.schema.http import Origin
from federation.transport.connection import Connection
from federation.transport.head import authority
from federation.transport.names import HostNames, exhausted, is_ours, refuse
from federation.transport.proxies import Proxies, Proxy
from federation.transport.tls import client_context
from federation.transport.tunnel import Tunnel

_LEAST_TRY_S = 0.25
"""What an address gets at least before the next one is tried."""


class Dialer:
    """Makes connections. Holds the TLS context, which is built at the first need, and anew
    where `authorities` says something else."""

    def __init__(
        self,
        names: HostNames,
        proxies: Proxies,
        tls: Callable[[str], ssl.SSLContext] = client_context,
        authorities: Callable[[], str] = lambda: "",
    ) -> None:
        self._names = names
        self.proxies = proxies
        self._build_tls = tls
        self._authorities = authorities
        self._trusted = ""
        self._tls: ssl.SSLContext | None = None
        self._building = asyncio.Lock()

    def proxy_for(self, origin: Origin) -> Proxy | None:
        """Return the proxy that stands before an origin, if one does."""
        return self.proxies.choose(origin)

    async def dial(
        self, origin: Origin, make: Callable[[], Connection], budget_s: float
    ) -> Connection:
        """Return a connection ready for its first request.

        `budget_s` is shared among the origin's addresses; the caller enforces it as a whole.
        Raises `UpstreamFailed`, or `UpstreamError` for a forbidden destination. On any error,
        cancellation included, nothing stays open.
        """
        made: list[Connection] = []

        def factory() -> Connection:
            connection = make()
            made.append(connection)
            return connection

        try:
            await self._open(origin, factory, budget_s)
        except ssl.SSLCertVerificationError as fault:
            _drop(made)
            raise UpstreamFailed(
                f"the certificate of {origin.host} is not trusted: {fault.verify_message}"
            ) from fault
        except ssl.SSLError as fault:
            _drop(made)
            raise UpstreamFailed(
                f"no TLS connection to {origin.host}: {fault.reason or fault}"
            ) from fault
        except OSError as fault:
            _drop(made)
            if is_ours(fault):
                raise exhausted(origin.host, fault) from fault
            raise UpstreamFailed(f"cannot connect to {origin.host}: {_cause(fault)}") from fault
        except BaseException:
            _drop(made)
            raise
        _drop(made[:-1])
        return made[-1]

    async def _open(
        self, origin: Origin, factory: Callable[[], Connection], budget_s: float
    ) -> None:
        if origin.scheme == "http+unix":
            await asyncio.get_running_loop().create_unix_connection(factory, origin.path)
            return
        proxy = self.proxy_for(origin)
        if proxy is None:
            await self._direct(origin, factory, budget_s)
            return
        refuse(origin.host, hosts.forbidden_name(origin.host, private=origin.private))
        if origin.scheme == "https":
            await self._through(proxy, origin, factory, budget_s)
        else:
            await self._reach(proxy, factory, budget_s)

    async def _direct(
        self, origin: Origin, factory: Callable[[], Connection], budget_s: float
    ) -> None:
        loop = asyncio.get_running_loop()
        context = await self._context() if origin.scheme == "https" else None
        name = origin.host.strip("[]") if context else None

        async def attempt(address: str) -> None:
            await loop.create_connection(
                factory, address, origin.port, ssl=context, server_hostname=name
            )

        addresses = await self._names.addresses(origin.host, origin.port, private=origin.private)
        self._names.prefer(origin.host, await _in_turn(addresses, attempt, budget_s))

    async def _reach(
        self, proxy: Proxy, factory: Callable[[], asyncio.Protocol], budget_s: float
    ) -> None:
        """Connect to the proxy itself. The operator named it, so inside addresses are fine."""
        origin = Origin(proxy.scheme, proxy.host, proxy.port, private=True)
        context = await self._context() if proxy.scheme == "https" else None
        name = proxy.host if context else None
        loop = asyncio.get_running_loop()

        async def attempt(address: str) -> None:
            await loop.create_connection(
                factory, address, proxy.port, ssl=context, server_hostname=name
            )

        addresses = await self._names.addresses(origin.host, origin.port, private=True)
        self._names.prefer(origin.host, await _in_turn(addresses, attempt, budget_s))

    async def _through(
        self,
        proxy: Proxy,
        origin: Origin,
        factory: Callable[[], Connection],
        budget_s: float,
    ) -> None:
        loop = asyncio.get_running_loop()
        context = await self._context()
        host = authority(Origin("tunnel", origin.host, origin.port))
        tunnels: list[Tunnel] = []

        def make_tunnel() -> Tunnel:
            tunnel = Tunnel(loop)
            tunnels.append(tunnel)
            return tunnel

        try:
            await self._reach(proxy, make_tunnel, budget_s)
            transport = await tunnels[-1].ask(host, proxy.authorization)
            connection = factory()
            secured = await loop.start_tls(
                transport, connection, context, server_hostname=origin.host.strip("[]")
            )
        except BaseException:
            for tunnel in tunnels:
                tunnel.abort()
            raise
        if secured is None:
            raise UpstreamFailed(f"no TLS connection to {origin.host}: it was closed")
        connection.connection_made(secured)

    async def _context(self) -> ssl.SSLContext:
        async with self._building:
            trusted = self._authorities()
            if self._tls is None or self._trusted != trusted:
                loop = asyncio.get_running_loop()
                self._tls = await loop.run_in_executor(None, self._build_tls, trusted)
                self._trusted = trusted
            return self._tls


async def _in_turn(
    addresses: list[str], attempt: Callable[[str], Awaitable[None]], budget_s: float
) -> str:
    """Try each address with its share of the time; the last one takes what is left."""
    loop = asyncio.get_running_loop()
    until = loop.time() + budget_s
    for left in range(len(addresses), 1, -1):
        address = addresses[-left]
        try:
            async with asyncio.timeout(max((until - loop.time()) / left, _LEAST_TRY_S)):
                await attempt(address)
        except ssl.SSLError:
            raise
        except OSError:  # a timeout is one
            continue
        return address
    await attempt(addresses[-1])
    return addresses[-1]


def _drop(connections: list[Connection]) -> None:
    for connection in connections:
        connection.abort()


def _cause(fault: OSError) -> str:
    """Say what went wrong in the system's words, without the address that we tried."""
    if isinstance(fault, ConnectionRefusedError):
        return "the connection was refused"
    if isinstance(fault, ConnectionError):
        return "the connection was closed"
    return os.strerror(fault.errno).lower() if fault.errno else "network error"
