"""A Redis server of one's own, from the binary that Debian installs.

It writes down every change before the next one, so that a test can play its history.
"""

from __future__ import annotations

import atexit
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import pytest
import redis
from outliving import end_with_parent, free_port


class RedisServer:
    """Started at once, stopped at the end of the process."""

    def __init__(self, *, history: bool = True, config: Path | None = None) -> None:
        binary = shutil.which("redis-server")
        if binary is None:
            pytest.skip("Redis is not installed (Debian: redis-server)")
        self._binary = binary
        self._history = history
        self._config = [] if config is None else [str(config)]
        self.home = Path(tempfile.mkdtemp(prefix="federation-redis-"))
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        atexit.register(self.close)
        self.start()

    def start(self) -> None:
        """Start it, and return when it answers."""
        command = [self._binary, *self._config, "--bind", "127.0.0.1", "--port", str(self.port)]
        command += ["--dir", str(self.home), "--save", "", "--auto-aof-rewrite-percentage", "0"]
        command += ["--appendonly", "yes" if self._history else "no", "--appendfsync", "no"]
        self._process = subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=end_with_parent(signal.SIGKILL),  # noqa: PLW1509  one thread starts it
        )
        end = time.monotonic() + 20
        client = redis.Redis.from_url(self.url)
        while True:
            try:
                client.ping()
            except redis.ConnectionError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.02)
            else:
                client.close()
                return

    def stop(self) -> None:
        """Kill it; `start` has it come back with what it wrote down."""
        self._process.kill()
        self._process.wait(20)

    def lose(self) -> None:
        """Kill it and have it come back with nothing."""
        self.stop()
        shutil.rmtree(self.home / "appendonlydir", ignore_errors=True)
        self.start()

    def saved(self) -> Path:
        """A copy of what it has written down by now."""
        copy = Path(tempfile.mkdtemp(dir=self.home)) / "appendonlydir"
        shutil.copytree(self.home / "appendonlydir", copy)
        return copy

    def rolled_back(self, copy: Path) -> None:
        """Kill it and have it come back with an older copy of its memory."""
        self.stop()
        shutil.rmtree(self.home / "appendonlydir")
        shutil.copytree(copy, self.home / "appendonlydir")
        self.start()

    def wipe(self) -> None:
        """Have it hold nothing any more, as after a restart without a disk."""
        with redis.Redis.from_url(self.url) as client:
            client.flushall()

    def forget(self) -> None:
        """Drop all that it holds, and its history."""
        with redis.Redis.from_url(self.url) as client:
            client.flushall()
            self._from = sum(len(each) for each in self._files())

    def _files(self) -> list[bytes]:
        found = sorted((self.home / "appendonlydir").glob("*.incr.aof"))
        return [each.read_bytes() for each in found]

    def changes(self) -> Iterator[list[list[bytes]]]:
        """Every change since `forget`, those of one script together."""
        data = b"".join(self._files())[getattr(self, "_from", 0) :]
        block: list[list[bytes]] | None = None
        for command in _commands(data):
            if command[0] == b"MULTI":
                block = []
            elif command[0] == b"EXEC":
                yield block or []
                block = None
            elif block is not None:
                block.append(command)
            else:
                yield [command]

    def close(self) -> None:
        """Stop it and remove its files. Idempotent."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait(20)
        shutil.rmtree(self.home, ignore_errors=True)


def _commands(data: bytes) -> Iterator[list[bytes]]:
    """The commands of an append-only file: arrays of strings in Redis's own protocol."""
    at = 0
    while at < len(data):
        end = data.index(b"\r\n", at)
        count, at = int(data[at + 1 : end]), end + 2
        words = []
        for _ in range(count):
            end = data.index(b"\r\n", at)
            size = int(data[at + 1 : end])
            words.append(data[end + 2 : end + 2 + size])
            at = end + 4 + size
        yield words


@lru_cache(1)
def redis_server() -> RedisServer:
    """The server of this process."""
    return RedisServer()
