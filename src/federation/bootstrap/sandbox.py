"""The sandbox process: every simulated provider as an HTTP server of its own on loopback.

    python -m federation.bootstrap.sandbox [--ready-fd N] [--port-base P] [--lifeline FD]

When all of them listen, one line of JSON goes to `--ready-fd` (standard output without it):
`{"ports": {id: port}, "rows": [...]}`, the rows as providers.yaml would have them. It ends
on SIGTERM or SIGINT, and when the other end of `--lifeline` is closed.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import sys
from collections.abc import Sequence
from random import Random

from federation.bootstrap import lifeline
from federation.bootstrap.loop import run_loop
from federation.domain.routes import ListenerLimits
from federation.listener.server import Server
from federation.sandbox.profiles import PROFILES, Profile
from federation.sandbox.provider import SimulatedProvider
from federation.sandbox.rows import rows

_DRAIN_S = 1.0

log = logging.getLogger(__name__)


def on_fault(fault: BaseException, request_id: str) -> None:
    """A bug in the simulation: the stack goes to the log."""
    log.error("unexpected error in the sandbox", exc_info=fault, extra={"request_id": request_id})


def _listen(profile: Profile, port: int) -> socket.socket:
    """A loopback socket; a taken port is an error that names it."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind(("127.0.0.1", port))
    except OSError as error:
        sock.close()
        reason = f"{profile.id} cannot listen on 127.0.0.1:{port}: {error.strerror}"
        raise SystemExit(f"federation: {reason}. Choose another --port-base.") from None
    return sock


async def start(
    *, seed: int = 0, port_base: int = 0, time_scale: float = 1.0
) -> tuple[dict[str, int], list[Server]]:
    """Start every provider; port base 0 takes free ports. The caller closes the servers."""
    ports: dict[str, int] = {}
    servers: list[Server] = []
    for index, profile in enumerate(PROFILES):
        sock = _listen(profile, port_base + index if port_base else 0)
        ports[profile.id] = sock.getsockname()[1]
        random = Random(f"{seed}/{profile.id}")  # noqa: S311  chance for faults, no secret
        provider = SimulatedProvider(profile, random, time_scale=time_scale)
        server = Server(provider, ListenerLimits(), provider.render_error, on_fault)
        await server.serve(sock)
        servers.append(server)
    return ports, servers


async def run(options: argparse.Namespace) -> None:
    """Serve until told to stop."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if options.lifeline is not None:
        lifeline.watch(options.lifeline, stop.set)
    ports, servers = await start(
        seed=options.seed, port_base=options.port_base, time_scale=options.time_scale
    )
    ready = {"ports": ports, "rows": rows(ports, fault_models=options.fault_models)}
    try:
        os.write(options.ready_fd, json.dumps(ready).encode() + b"\n")
    except BrokenPipeError:  # who started us has ended meanwhile, as by Ctrl-C
        stop.set()
    await stop.wait()
    await asyncio.gather(*(server.drain(_DRAIN_S) for server in servers))


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(prog="federation.bootstrap.sandbox")
    made.add_argument("--ready-fd", type=int, default=1)
    made.add_argument("--port-base", type=int, default=0)
    made.add_argument("--lifeline", type=int, default=None)
    made.add_argument("--seed", type=int, default=0)
    made.add_argument("--time-scale", type=float, default=1.0)
    made.add_argument("--fault-models", action="store_true")
    return made


def main(argv: Sequence[str]) -> int:
    """Run the sandbox; the exit code."""
    logging.basicConfig(level=logging.WARNING)
    options = parser().parse_args(argv)
    with contextlib.suppress(KeyboardInterrupt):
        run_loop(run(options))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
