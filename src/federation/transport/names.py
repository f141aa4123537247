"""Names to judged addresses, remembered for a short while.

The trap: the cache holds what the resolver said, not the verdict, because the same name may be
allowed for one origin (`private`) and forbidden for another.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import time
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from federation.domain import hosts
from federation.errors import Unavailable, UpstreamError, UpstreamFailed
from federation.schema.http import NO_DESCRIPTOR

Resolve: TypeAlias = Callable[[str, int], Awaitable[list[str]]]
"""Name and port to addresses, best first. Raises `OSError` where there are none."""

_MOST = 1024
_OURS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
"""Errors of this machine, whoever was to be connected to."""


async def system_resolve(host: str, port: int) -> list[str]:
    """Ask the system's resolver, off the event loop."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class HostNames:
    """A small cache in front of a resolver; simultaneous questions are asked once."""

    def __init__(
        self,
        resolve: Resolve = system_resolve,
        ttl_s: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._resolve = resolve
        self._ttl_s = ttl_s
        self._clock = clock
        self._known: dict[str, tuple[float, list[str]]] = {}
        self._asking: dict[str, asyncio.Task[list[str]]] = {}

    async def addresses(self, host: str, port: int, *, private: bool) -> list[str]:
        """Return the addresses that may be connected to, best first.

        Raises `UpstreamFailed` where the name has none, `UpstreamError` with the code
        `upstream_address_forbidden` where any of them is not allowed.
        """
        refuse(host, hosts.forbidden_name(host, private=private))
        if hosts.literal(host) is not None:
            return [host.strip("[]")]
        found = await self._lookup(host, port)
        refuse(host, hosts.forbidden(found, private=private))
        return list(found)

    def prefer(self, host: str, address: str) -> None:
        """Remember the address that could be reached: it is tried first from now on."""
        known = self._known.get(host)
        if known is not None and address in known[1] and known[1][0] != address:
            known[1].remove(address)
            known[1].insert(0, address)

    async def aclose(self) -> None:
        """Give up the questions that are out. Idempotent."""
        tasks = tuple(self._asking.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _lookup(self, host: str, port: int) -> list[str]:
        known = self._known.get(host)
        if known is not None and self._clock() < known[0]:
            return known[1]
        task = self._asking.get(host)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._ask(host, port))
            self._asking[host] = task
            task.add_done_callback(lambda done: self._answered(host, done))
        # The one who asked first may go while others wait for the same answer, so nobody
        # awaits the task itself.
        await asyncio.wait((task,))
        if task.cancelled():
            raise Unavailable("the gateway is stopping")
        return task.result()

    async def _ask(self, host: str, port: int) -> list[str]:
        try:
            found = await self._resolve(host, port)
        except (OSError, UnicodeError) as fault:  # an over-long label is a UnicodeError
            if isinstance(fault, OSError) and is_ours(fault):
                raise exhausted(host, fault) from fault
            raise UpstreamFailed(f"the name {host} cannot be resolved") from fault
        if not found:
            raise UpstreamFailed(f"the name {host} has no address")
        return found

    def _answered(self, host: str, task: asyncio.Task[list[str]]) -> None:
        self._asking.pop(host, None)
        if task.cancelled() or task.exception() is not None:
            return
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[host] = (self._clock() + self._ttl_s, task.result())


def is_ours(fault: OSError) -> bool:
    """Whether this machine had no descriptor, or no room, and nobody else is at fault."""
    # The numbers of the resolver's own errors are others, and the same on some systems.
    return fault.errno in _OURS and not isinstance(fault, socket.gaierror)


def exhausted(host: str, fault: OSError) -> UpstreamFailed:
    """What is told then: the resolver needs a descriptor, too, before a connection does."""
    why = os.strerror(fault.errno or 0).lower()
    return UpstreamFailed(
        f"this gateway cannot connect to {host}: {why}; try again in a moment, or let it open more "
        "files (`ulimit -n`)",
        code=NO_DESCRIPTOR,
        status=503,
    )


def refuse(host: str, reason: str | None) -> None:
    """Raise for a destination that the guard forbids; nothing where it gave no reason."""
    if reason is not None:
        raise UpstreamError(
            f"the gateway does not connect to {host}: {reason}",
            code="upstream_address_forbidden",
        )
