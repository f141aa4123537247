"""uvicorn on the control process's own Unix socket.

The trap: uvicorn would open its socket to everyone and take over our signals. It gets a
socket that is bound and closed to others already, and leaves signals alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

BACKLOG = 256


_TICK_S = 1.0
"""How old the date of an answer may be."""


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.over = asyncio.Event()

    async def main_loop(self) -> None:
        """Once a second, not ten times: an idle gateway's processor may sleep meanwhile."""
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_TICK_S):
                    await self.over.wait()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave them to the process, which has more to do at its end than this server."""
        yield


class ApiServer:
    """The management API on a Unix socket."""

    def __init__(self, app: ASGIApp, path: Path) -> None:
        config = uvicorn.Config(
            app,
            loop="none",
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=5,
        )
        self._server = _Server(config)
        self._socket = _listen(path)

    async def run(self) -> None:
        """Serve until `stop`."""
        await self._server.serve(sockets=[self._socket])

    def stop(self) -> None:
        """Take no more requests; `run` returns once those under way are answered."""
        self._server.should_exit = True
        self._server.over.set()


def _listen(path: Path) -> socket.socket:
    """A listening socket that only its owner can reach."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    path.chmod(0o600)
    listener.listen(BACKLOG)
    return listener
