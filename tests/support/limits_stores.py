"""Every implementation of the stores for limits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import redis
from redis_server import redis_server
from sql_stores import sql_engine

from federation.control.limits_ports import LimitStore, MeterStore
from federation.storage.limits_memory import MemoryLimits, MemoryMeters
from federation.storage.limits_redis import RedisMeters
from federation.storage.limits_sql import SqlLimits, SqlMeters

KINDS = ("memory", "sqlite", "postgres", "redis")


@dataclass
class LimitWorld:
    """A store, seen by one replica after another."""

    kind: str
    limits: LimitStore
    replica: Callable[[], MeterStore]


@contextmanager
def limit_world(kind: str, place: Path) -> Iterator[LimitWorld]:
    """A new store of this kind; skips where its server is not installed."""
    if kind == "memory":
        meters = MemoryMeters()
        yield LimitWorld(kind, MemoryLimits(), lambda: meters)
        return
    with sql_engine("sqlite" if kind == "redis" else kind, place) as engine:
        if kind != "redis":
            yield LimitWorld(kind, SqlLimits(engine), lambda: SqlMeters(engine))
            return
        server = redis_server()
        server.forget()
        client = redis.Redis.from_url(server.url, socket_timeout=10)
        try:
            yield LimitWorld(
                kind, SqlLimits(engine), lambda: RedisMeters(client, SqlMeters(engine))
            )
        finally:
            client.close()
