"""Who else is at work on this store, by the store's own clock.

The trap: two replicas under different keys would each refuse what the other issued, and two
that keep budgets in different places would each hand out the whole of them. Whoever joins is
therefore held against everybody who lives, one at a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, Engine, text

from federation.errors import ConfigError, Problem
from federation.storage.engine import reading, writing
from federation.storage.revisions import alone

ALIVE_MS: Final = 15_000
"""A replica that was not seen for so long is taken for dead."""
KEPT_MS: Final = 7 * 86_400_000

_NOW = "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)"
"""PostgreSQL's own clock, one for all."""
_SAVE = text(
    """
    INSERT INTO replicas (id, url, version, money, keys, workers, started_ms, seen_ms)
    SELECT :id, :url, :version, :money, :keys, CAST(:workers AS INTEGER), now.ms, now.ms
    FROM (SELECT @NOW AS ms) AS now
    ON CONFLICT (id) DO UPDATE SET url = excluded.url, version = excluded.version,
    money = excluded.money, keys = excluded.keys, workers = excluded.workers,
    started_ms = excluded.started_ms, seen_ms = excluded.seen_ms
    """.replace("@NOW", _NOW)
)
_BEAT = text(
    "UPDATE replicas SET seen_ms = @NOW, workers = :workers WHERE id = :id".replace("@NOW", _NOW)
)
_ALL = text(
    """
    SELECT id, url, version, money, keys, workers, started_ms, now.ms - seen_ms, now.ms
    FROM replicas, (SELECT @NOW AS ms) AS now ORDER BY id
    """.replace("@NOW", _NOW)
)
_PRUNE = text("DELETE FROM replicas WHERE seen_ms < @NOW - :kept_ms".replace("@NOW", _NOW))


@dataclass(frozen=True, slots=True)
class Replica:
    """A control process on a shared store."""

    id: str
    url: str
    version: str
    money: str
    """Where budgets are decided: `redis` or `database`."""
    keys: str
    """A check value of the secrets that replicas must have in common."""
    workers: int = 0
    started_ms: int = 0
    silent_ms: int = 0
    now_ms: int = 0
    """What time it was at the database when it was read."""

    @property
    def alive(self) -> bool:
        """Whether it was heard of lately."""
        return self.silent_ms < ALIVE_MS


class SqlReplicas:
    """The replicas on a PostgreSQL store."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def join(self, replica: Replica) -> None:
        """Be one of them. Raises `ConfigError` where it does not fit to those that live."""
        with writing(self._engine) as connection:
            alone(connection)
            for other in _all(connection):
                if other.id != replica.id and other.alive:
                    _check(replica, other)
            connection.execute(_PRUNE, {"kept_ms": KEPT_MS})
            connection.execute(
                _SAVE,
                {
                    "id": replica.id,
                    "url": replica.url,
                    "version": replica.version,
                    "money": replica.money,
                    "keys": replica.keys,
                    "workers": replica.workers,
                },
            )

    def beat(self, replica: str, workers: int) -> list[Replica]:
        """Say that a replica lives, with so many workers; all that are known."""
        with writing(self._engine) as connection:
            connection.execute(_BEAT, {"id": replica, "workers": workers})
            return _all(connection)

    def list(self) -> list[Replica]:
        """All that are known, by id."""
        with reading(self._engine) as connection:
            return _all(connection)

    def leave(self, replica: str) -> None:
        """Be no longer waited for. Idempotent."""
        with writing(self._engine) as connection:
            connection.execute(text("DELETE FROM replicas WHERE id = :id"), {"id": replica})


def _all(connection: Connection) -> list[Replica]:
    return [Replica(*row) for row in connection.execute(_ALL)]


def _check(replica: Replica, other: Replica) -> None:
    if replica.keys != other.keys:
        message = (
            f"replica {other.id} has another master key or admin key: give all of them the same "
            "FEDERATION_MASTER_KEY and FEDERATION_ADMIN_KEY"
        )
        raise ConfigError([Problem("replicas", None, message)])
    if replica.money != other.money:
        message = (
            f"replica {other.id} keeps budgets in the {_place(other)}, this one would in the "
            f"{_place(replica)}: give all of them the same 'storage.redis'"
        )
        raise ConfigError([Problem("replicas", None, message)])


def _place(replica: Replica) -> str:
    return "Redis" if replica.money == "redis" else "database"
