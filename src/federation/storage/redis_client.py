"""The Redis that replicas share, and whether it is still the one that it was.

The trap: a Redis that comes back with an older copy of its memory answers as if nothing had
happened. Each new connection therefore asks which run of the server it reached; another run
is another `epoch`, in which nothing that was read before counts. A command is never sent
twice: a script that was played and whose answer was lost must not be played again.
"""

from __future__ import annotations

import threading
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.connection import AbstractConnection
from redis.retry import Retry

from federation.errors import ConfigError, Problem

CONNECT_S = 2.0
ANSWER_S = 5.0


class SharedRedis:
    """One Redis, for all threads of a control process."""

    def __init__(self, url: str) -> None:
        """Nothing is connected yet. Raises `ConfigError` where `url` is no address."""
        self._lock = threading.Lock()
        self._run = ""
        self.epoch = 0
        """Grows whenever another run of the server is reached; 0 before the first."""
        try:
            self.client: redis.Redis = redis.Redis.from_url(
                url,
                socket_connect_timeout=CONNECT_S,
                socket_timeout=ANSWER_S,
                socket_keepalive=True,
                retry=Retry(NoBackoff(), 0),
                redis_connect_func=self._connected,
                client_name="federation",
            )
        except ValueError as error:
            message = "is no address of a Redis: write redis://host:6379/0"
            raise ConfigError([Problem("redis", None, message)]) from error

    def close(self) -> None:
        """Hang up."""
        self.client.close()

    def _connected(self, connection: AbstractConnection) -> None:
        connection.on_connect()  # type: ignore[no-untyped-call]
        connection.send_command("INFO", "server")  # type: ignore[no-untyped-call]
        run = _run_id(connection.read_response())
        with self._lock:
            if run != self._run:
                self._run = run
                self.epoch += 1


def _run_id(said: Any) -> str:
    text = said.decode() if isinstance(said, bytes) else str(said)
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name == "run_id":
            return value.strip()
    raise redis.ConnectionError("this server does not say which run of it this is")
