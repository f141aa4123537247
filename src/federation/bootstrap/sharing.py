"""What a gateway shares with its replicas, and how: opened once, handed to whoever needs it.

The trap is the cost of those who share nothing: the clients of Redis and PostgreSQL take as
long to import as much of the rest of control, so each is imported only where it is used.
"""

from __future__ import annotations

import hmac
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from federation import __version__
from federation.config.stores import StoreAddresses
from federation.control.budgets_ports import PotStore
from federation.control.remote_writers import RemoteWriters
from federation.control.replicas import Replicas
from federation.control.witnesses import Witnesses
from federation.storage.budgets_sql import SqlPots
from federation.storage.engine import Stores
from federation.storage.journal_reader import JournalReader
from federation.storage.posted_checkpoints import SqlPostedCheckpoints
from federation.storage.replicas import Replica, SqlReplicas


class Redis(Protocol):
    """`storage.redis_client.SharedRedis`."""

    client: Any
    epoch: int


@dataclass(frozen=True, slots=True)
class Sharing:
    """The name of this replica, and the Redis of all of them, where there is one."""

    replica: str
    redis: Redis | None = None

    def witnesses(self, stores: Stores) -> Witnesses | None:
        """What replicas tell each other of their evidence logs; None where no store is shared."""
        if not stores.shared:
            return None
        return Witnesses(self.replica, SqlPostedCheckpoints(stores.durable))


def open_sharing(addresses: StoreAddresses, data: Path) -> Sharing:
    """Nothing is connected yet. Raises `ConfigError` where an address is none."""
    name = addresses.replica or f"{socket.gethostname()}:{data.absolute()}"
    if addresses.redis is None:
        return Sharing(name)
    from federation.storage.redis_client import SharedRedis  # noqa: PLC0415 - see above

    return Sharing(name, SharedRedis(addresses.redis))


def open_pots(stores: Stores, sharing: Sharing) -> PotStore:
    """Where money is reserved: Redis where there is one, else the database, counted anew.

    Raises `Unavailable`.
    """
    shared = sharing.redis
    if shared is None:
        pots = SqlPots(stores.durable)
        pots.recount()
        return pots
    from federation.storage.redis_pots import RedisPots  # noqa: PLC0415 - see above

    return RedisPots(shared.client, stores.durable, lambda: shared.epoch)


def join(
    stores: Stores, sharing: Sharing, url: str, hash_key: bytes, admin_secret: str
) -> Replicas | None:
    """Be one of the replicas on a shared store; None where it is not shared.

    Raises `ConfigError` where we do not fit to the others, and `Unavailable`.
    """
    if not stores.shared:
        return None
    from federation.storage.bell import Bell  # noqa: PLC0415 - see above

    check = hmac.digest(hash_key, b"federation/replica-check/1" + admin_secret.encode(), "sha256")
    store = SqlReplicas(stores.durable)
    money = "database" if sharing.redis is None else "redis"
    store.join(Replica(sharing.replica, url, __version__, money, check.hex()))
    relay = None
    if sharing.redis is not None:
        from federation.storage.redis_news import RedisNews  # noqa: PLC0415 - see above

        relay = RedisNews(sharing.redis.client)
    return Replicas(sharing.replica, store, lambda heard: Bell(stores.durable, heard), relay)


def alive(stores: Stores, pots: PotStore, journals: JournalReader) -> Callable[[str], bool]:
    """Whether a writer lives, be it ours or another replica's."""
    if not stores.shared:
        return journals.lives
    return RemoteWriters(journals.writers, journals.lives, pots.beats, time.monotonic).lives
