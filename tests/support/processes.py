"""The whole service as processes: launcher, control and workers, watched from outside."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from gateway_rig import NO_TLS

ADMIN = "fed_admin_0123456789abcdef0123456789abcdef"
READY_S = 30.0
GONE_S = 20.0
KEPT = ("PATH", "HOME", "LANG", "PYTHONPATH")
"""Of the environment of the tests, what a service has too: no operator's settings."""

_LAUNCH = """
import json, sys
from pathlib import Path
from federation.bootstrap.launcher import LaunchOptions, run
given = json.loads(sys.argv[1])
for name in ("data", "config", "run"):
    given[name] = Path(given[name])
sys.exit(run(LaunchOptions(**given)))
"""

PROVIDERS = """
providers:
  - id: acme
    dialect: openai
    base_url: {url}
    credential: env:ACME_KEY
    regions: [eu]
    data_use: none
{more}    models:
      - {{id: acme-large, price: {{input: 2.5, output: 10}}, context: 128000}}
"""
FEDERATION = """
routes:
  - {name: chat, strategy: priority, targets: [acme/acme-large]}
"""


@dataclass
class Service:
    """A running service. `seen` collects every process that it was made of, and when it began: its
    number alone may be another's by the time that a long test ends."""

    process: subprocess.Popen[bytes]
    url: str
    config: Path
    data: Path
    log: Path
    seen: dict[int, str] = field(default_factory=dict)

    def children(self) -> dict[str, int]:
        """The launcher's living children by name: `control`, `worker 0`, ..."""
        return {name: pid for pid, name in sorted(self.everyone().items())}

    def everyone(self) -> dict[int, str]:
        """The names of the launcher's living children; a worker that is being replaced and its
        replacement have the same."""
        listing = subprocess.run(
            ["ps", "-A", "-ww", "-o", "pid=,ppid=,stat=,args="],
            capture_output=True,
            text=True,
            check=True,
        )
        found: dict[int, str] = {}
        for line in listing.stdout.splitlines():
            pid, parent, state, args = line.split(None, 3)
            if int(parent) != self.process.pid or state.startswith("Z"):
                continue
            if "federation.bootstrap.control" in args:
                found[int(pid)] = "control"
            elif "--slot=" in args:
                found[int(pid)] = f"worker {args.partition('--slot=')[2].split()[0]}"
        self.seen |= {pid: began_at(pid) for pid in found}
        return found

    def left(self) -> list[int]:
        """The process ids of what was ever seen and lives."""
        return [pid for pid, began in self.seen.items() if began and began_at(pid) == began]

    def kill(self) -> None:
        """End all of it at once."""
        self.everyone()
        self.process.kill()
        for pid in self.left():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()

    def every(self, name: str) -> set[int]:
        """The process ids under one name."""
        return {pid for pid, known in self.everyone().items() if known == name}

    def workers(self) -> set[int]:
        """The process ids of the workers."""
        return {pid for pid, name in self.everyone().items() if name.startswith("worker")}

    def client(self, key: str = ADMIN, timeout: float = 20.0) -> httpx.AsyncClient:
        """A client with this key."""
        return httpx.AsyncClient(
            base_url=self.url,
            headers={"authorization": f"Bearer {key}"},
            timeout=timeout,
            verify=NO_TLS,
            trust_env=False,
            limits=httpx.Limits(max_connections=None),
        )

    def calls(self) -> dict[str, dict[str, Any]]:
        """The ledger in the store, by call id."""
        with sqlite3.connect(f"file:{self.data}/federation.db?mode=ro", uri=True) as store:
            store.row_factory = sqlite3.Row
            rows = store.execute("select id, outcome, cost_nano, input, output from calls")
            found = {row["id"]: dict(row) for row in rows}
        store.close()
        return found

    async def exits(self, within_s: float = GONE_S) -> int:
        """Wait for the launcher to end; its exit code."""
        end = time.monotonic() + within_s
        while (code := self.process.poll()) is None:
            assert time.monotonic() < end, self.log.read_text()
            await asyncio.sleep(0.02)
        return code

    async def gone(self, within_s: float = GONE_S) -> None:
        """Wait until no process that was ever seen is left."""
        end = time.monotonic() + within_s
        while left := self.left():
            assert time.monotonic() < end, (left, self.log.read_text())
            await asyncio.sleep(0.05)


def began_at(pid: int) -> str:
    """When a process began, in ticks of the system's clock; empty where it is over. A child of a
    launcher that was killed may stay a zombie where nobody adopts it."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] == "Z" else fields[19]


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
    return port


def write_config(root: Path, url: str, federation: str = FEDERATION, more: str = "") -> Path:
    """A configuration directory with one provider at `url`."""
    config = root / "config"
    config.mkdir(exist_ok=True)
    (config / "providers.yaml").write_text(PROVIDERS.format(url=url, more=more))
    (config / "federation.yaml").write_text(federation)
    return config


def start(
    root: Path,
    config: Path,
    port: int,
    workers: int = 2,
    drain_s: float = 10.0,
    environ: Mapping[str, str] | None = None,
    within: Sequence[str] = (),
) -> Service:
    """Start a service, with these variables too; it is the caller's to stop. `within`: a command
    that ends by becoming the one that stands behind it."""
    given = {
        "host": "127.0.0.1",
        "port": port,
        "workers": workers,
        "data": str(root / "data"),
        "config": str(config),
        "run": str(root / "data" / "run"),
        "drain_s": drain_s,
    }
    log = root / "service.log"
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    with log.open("ab") as output:
        process = subprocess.Popen(
            [*within, sys.executable, "-c", _LAUNCH, json.dumps(given)],
            env=kept
            | {"FEDERATION_ADMIN_KEY": ADMIN, "ACME_KEY": "sk-acme-upstream"}
            | dict(environ or {}),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=root,
        )
    return Service(process, f"http://127.0.0.1:{port}", config, root / "data", log)


@asynccontextmanager
async def serving(
    root: Path,
    config: Path,
    workers: int = 2,
    drain_s: float = 10.0,
    environ: Mapping[str, str] | None = None,
    port: int | None = None,
    within: Sequence[str] = (),
) -> AsyncIterator[Service]:
    """A service that is ready; at the end nothing of it is left, whatever happened."""
    service = start(root, config, port or free_port(), workers, drain_s, environ, within)
    try:
        await ready(service, workers)
        yield service
        if service.process.poll() is None:
            service.children()
            service.process.send_signal(signal.SIGTERM)
            assert await service.exits() == 0, service.log.read_text()
        await service.gone()
        assert "Traceback" not in service.log.read_text(), service.log.read_text()
    finally:
        service.kill()


async def ready(service: Service, workers: int) -> None:
    """Wait until the service answers and all of its workers have reported to control."""
    end = time.monotonic() + READY_S
    async with service.client(timeout=5) as client:
        while True:
            assert service.process.poll() is None, service.log.read_text()
            assert time.monotonic() < end, service.log.read_text()
            with suppress(httpx.TransportError):
                reply = await client.get("/admin/status")
                if reply.status_code == 200 and len(reply.json()["workers"]) == workers:
                    break
            await asyncio.sleep(0.05)
    service.children()
