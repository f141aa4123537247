"""A connection on a fake socket, fed by hand: no event loop, nothing may wait."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from federation.transport.connection import Connection
from federation.transport.exchange import Exchange
from federation.transport.limits import Limits


class FakeTransport:
    """Notes what a connection asks of its socket."""

    def __init__(self) -> None:
        self.aborted = False
        self.reading = True
        self.written = b""

    def get_extra_info(self, name: str) -> None:
        return None

    def abort(self) -> None:
        self.aborted = True

    def is_closing(self) -> bool:
        return self.aborted

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def write(self, data: bytes) -> None:
        self.written += data


class FakePool:
    """Takes connections back."""

    def __init__(self) -> None:
        self.active: set[Connection] = set()
        self.returned: list[Connection] = []
        self.gone = 0

    def give_back(self, connection: Connection) -> None:
        self.returned.append(connection)

    def forget(self, connection: Connection) -> None:
        self.gone += 1


class Bench:
    """A connection on a fake socket with one exchange under way."""

    def __init__(self, *, head_only: bool = False, limits: Limits | None = None) -> None:
        self.pool = FakePool()
        self.transport = FakeTransport()
        self.connection = Connection(limits or Limits())
        self.connection.connection_made(cast("asyncio.Transport", self.transport))
        self.connection.owner = self.pool
        self.head_only = head_only
        self.exchange = self.ask()

    def ask(self) -> Exchange:
        loop = cast("asyncio.AbstractEventLoop", FakeLoop())
        self.exchange = Exchange(loop, self.connection, "api.example", 1.0, 100.0)
        self.exchange.uploaded = True
        self.exchange.no_body = self.head_only
        self.connection.begin(self.exchange)
        return self.exchange

    def feed(self, *pieces: bytes) -> Bench:
        for piece in pieces:
            if not self.transport.aborted:
                self.connection.data_received(piece)
        return self

    @property
    def pooled(self) -> bool:
        return bool(self.pool.returned) and not self.transport.aborted


class FakeLoop:
    """A clock that stands; nothing here may wait."""

    def time(self) -> float:
        return 1000.0

    def create_future(self) -> Any:
        raise AssertionError("nothing more will come")


def outcome(coro: Any) -> Any:
    """Run a coroutine that cannot wait, and return its value or its error."""
    try:
        coro.send(None)
    except StopIteration as stop:
        return stop.value
    except Exception as error:
        return type(error)
    raise AssertionError("it waits")


def whole(bench: Bench, limit: int = 1 << 20) -> Any:
    return outcome(bench.exchange.body(limit))


LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: 1\r\nx-a: 2\r\n\r\nhello"
