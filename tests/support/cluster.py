"""Two replicas of the whole service on one PostgreSQL and one Redis, as processes."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from outliving import free_port
from postgres_server import PostgresServer, postgres
from processes import FEDERATION, Service, serving, write_config
from psycopg.rows import dict_row
from redis_server import RedisServer

MASTER = "0123456789abcdef" * 4
PATIENCE_S = 40.0
DEPLOY = Path(__file__).resolve().parents[2] / "deploy"


@dataclass
class Cluster:
    """Replicas that are ready, and the servers that they share."""

    replicas: list[Service]
    database: str
    postgres: PostgresServer
    redis: RedisServer | None
    environ: dict[str, str]
    federation: str
    workers: int = 1
    """Of each replica."""

    def calls(self) -> list[dict[str, Any]]:
        """The shared ledger."""
        with psycopg.connect(self.database, row_factory=dict_row) as connection:
            return connection.execute("SELECT id, outcome, cost_nano, writer FROM calls").fetchall()

    async def start(
        self, stack: AsyncExitStack, root: Path, name: str, url: str, port: int | None = None
    ) -> Service:
        """A replica that is ready; whatever is left of it ends with the stack."""
        home = root / name
        home.mkdir(exist_ok=True)
        config = write_config(home, url, self.federation)
        named = self.environ | {"FEDERATION_REPLICA": name}
        service = await stack.enter_async_context(
            serving(home, config, self.workers, 5.0, named, port)
        )
        self.replicas.append(service)
        return service


@asynccontextmanager
async def clustered(
    root: Path, url: str, *, redis: bool = True, workers: int = 1, more: str = ""
) -> AsyncIterator[Cluster]:
    """A cluster of two whose one provider is at `url`, by the files in `deploy`, with `more`
    settings."""
    federation = (DEPLOY / "config" / "federation.yaml").read_text() + FEDERATION + more
    if not redis:
        federation = federation.replace("  redis: env:FEDERATION_REDIS_URL\n", "")
    server = postgres()
    database = server.database()
    shared = RedisServer(history=False, config=DEPLOY / "redis" / "redis.conf") if redis else None
    environ = {"FEDERATION_DATABASE_URL": database, "FEDERATION_MASTER_KEY": MASTER}
    if shared is not None:
        environ["FEDERATION_REDIS_URL"] = shared.url
    async with AsyncExitStack() as stack:
        if shared is not None:
            stack.callback(shared.close)
        cluster = Cluster([], database, server, shared, environ, federation, workers)
        for name in ("a", "b"):
            await cluster.start(stack, root, name, url)
        yield cluster


@contextmanager
def fronted(root: Path, cluster: Cluster) -> Iterator[str]:
    """nginx before a cluster, by the file in `deploy`; its address."""
    binary = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if binary is None:
        pytest.skip("nginx is not installed (Debian: nginx-light)")
    port = free_port()
    config = (DEPLOY / "nginx" / "nginx.conf").read_text()
    ports = {8000: port} | {
        8001 + n: int(each.url.rpartition(":")[2]) for n, each in enumerate(cluster.replicas)
    }
    for written, given in ports.items():
        assert f"127.0.0.1:{written}" in config
        config = config.replace(f"127.0.0.1:{written}", f"127.0.0.1:{given}")
    home = root / "nginx"
    home.mkdir()
    home.chmod(0o755)
    (home / "nginx.conf").write_text("daemon off;\n" + config)
    if os.geteuid() == 0:
        (home / "nginx.conf").write_text("user root;\ndaemon off;\n" + config)
    process = subprocess.Popen(
        [binary, "-p", str(home), "-c", str(home / "nginx.conf")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


def killed(service: Service) -> None:
    """A replica as after the loss of its machine: all of its processes at once."""
    service.kill()


async def until(holds: Callable[[], Awaitable[Any]], within_s: float = PATIENCE_S) -> float:
    """Wait until something holds; how long that took. What fails meanwhile is tried again."""
    began = time.monotonic()
    while True:
        try:
            if await holds():
                return time.monotonic() - began
            reason = "it does not hold"
        except (httpx.HTTPError, AssertionError) as error:
            reason = repr(error)
        assert time.monotonic() - began < within_s, reason
        await asyncio.sleep(0.05)
