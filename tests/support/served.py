"""`federation serve` as an operator runs it: a process, its files, and a provider behind it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from openai_upstream import Provider
from processes import KEPT

ADMIN_KEY = "fed_admin_e2e_0123456789abcdef0123456789abcdef"
READY_S = 20.0


@dataclass
class Gateway:
    """A running gateway."""

    url: str
    key: str
    config: Path
    data: Path

    def cli(self, *arguments: str) -> str:
        """Run the command line against it; its output."""
        done = subprocess.run(
            [sys.executable, "-m", "federation.cli.main", *arguments],
            env=environment(self.config, self.data)
            | {"FEDERATION_URL": self.url, "FEDERATION_API_KEY": self.key},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    def new_key(self, name: str, *options: str) -> str:
        """Make a virtual key; its secret."""
        made = json.loads(self.cli("key", "create", name, *options, "--json"))
        secret = made["secret"]
        assert isinstance(secret, str)
        return secret


def environment(config: Path, data: Path) -> dict[str, str]:
    """Only what the gateway needs: a developer's own provider keys must not join in."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    return kept | {
        "ACME_KEY": "sk-acme-upstream",
        "FEDERATION_ADMIN_KEY": ADMIN_KEY,
        "FEDERATION_CONFIG_DIR": str(config),
        "FEDERATION_DATA_DIR": str(data),
        "NO_COLOR": "1",
    }


@contextmanager
def serving(provider: Provider, root: Path, config: dict[str, str]) -> Iterator[Gateway]:
    """Run a gateway with these configuration files until the block ends; checks its end."""
    place, data = root / "config", root / "data"
    place.mkdir()
    for name, text in config.items():
        (place / name).write_text(text.replace("PROVIDER_URL", provider.url))
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "federation.cli.main", "serve"]
    command += ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    log = root / "serve.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            env=environment(place, data),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            wait_until_ready(url, process, log)
            yield Gateway(url, ADMIN_KEY, place, data)
        finally:
            code = ended(process)
    assert code == 0, log.read_text()
    assert "Traceback" not in log.read_text(), log.read_text()


def ended(process: subprocess.Popen[bytes]) -> int:
    """Stop a gateway as an operator does; its exit code."""
    process.send_signal(signal.SIGTERM)
    try:
        return process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


def wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + READY_S
    while True:
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, f"not ready in time\n{log.read_text()}"
        try:
            with urllib.request.urlopen(f"{url}/health/ready", timeout=2) as reply:
                if reply.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
