"""Every implementation of the stores for money, with a history of all that they ever said."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import redis
from postgres_server import postgres
from redis_server import RedisServer, redis_server
from sqlalchemy import Engine, text

from federation.control.budgets_ports import BudgetStore, PotStore
from federation.domain.budgets import Standing
from federation.pricing.pots import Played, Turn
from federation.storage.budgets_memory import MemoryBudgets, MemoryPots
from federation.storage.budgets_sql import SqlBudgets, SqlPots
from federation.storage.engine import open_engine, open_postgres, prepare_schema, reading, writing
from federation.storage.redis_pots import RedisPots

KINDS = ("memory", "sqlite", "postgres", "redis")

_SEEN = "id, cap_nano, hard, spent_nano, reserved_nano, overrun_nano"
_NEW = ", ".join(f"NEW.{name.strip()}" for name in _SEEN.split(","))
_HISTORY = (
    "CREATE TABLE history (id TEXT, cap_nano BIGINT, hard BOOLEAN, spent_nano BIGINT, "
    "reserved_nano BIGINT, overrun_nano BIGINT)"
)
_NOTE = f"INSERT INTO history ({_SEEN}) VALUES ({_NEW});"


@dataclass
class MoneyWorld:
    """A store, seen by one replica after another."""

    kind: str
    budgets: BudgetStore
    replica: Callable[[], PotStore]
    """Another control process's view of the same store."""
    history: Callable[[], list[Standing]]
    """How each pot stood after each change, in the order of the changes."""
    engine: Engine | None = None

    def overspent(self) -> list[Standing]:
        """Every moment at which a hard pot had promised more than it had."""
        return [pot for pot in self.history() if pot.hard and pot.left_nano < 0]


class WatchedPots(MemoryPots):
    """Keeps what each turn left behind."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Standing] = []

    def turn(self, turn: Turn) -> Played:
        played = super().turn(turn)
        self.seen.extend(played.standings.values())
        return played


@contextmanager
def money_world(kind: str, place: Path) -> Iterator[MoneyWorld]:
    """A new store of this kind; skips where its server is not installed."""
    if kind == "memory":
        pots = WatchedPots()
        yield MoneyWorld(kind, MemoryBudgets(), lambda: pots, lambda: list(pots.seen))
        return
    engine = _sqlite(place) if kind == "sqlite" else _postgres()
    if kind == "redis":
        server = redis_server()
        server.forget()
        client = redis.Redis.from_url(server.url, socket_timeout=10)
        try:
            yield MoneyWorld(
                kind,
                SqlBudgets(engine),
                lambda: RedisPots(client, engine),
                lambda: _changes(server),
                engine,
            )
        finally:
            client.close()
            engine.dispose()
        return
    try:
        yield MoneyWorld(
            kind, SqlBudgets(engine), lambda: SqlPots(engine), lambda: remembered(engine), engine
        )
    finally:
        engine.dispose()


def _sqlite(place: Path) -> Engine:
    path = place / "money.db"
    engine = open_engine(path, synchronous="NORMAL")
    prepare_schema(engine, path)
    remember(engine)
    return engine


def _postgres() -> Engine:
    engine = open_postgres(postgres().database())
    prepare_schema(engine)
    remember(engine)
    return engine


def remember(engine: Engine) -> None:
    """Have a database write down from now on how pots stand after each change."""
    with writing(engine) as connection:
        connection.execute(text(_HISTORY))
        if engine.dialect.name == "sqlite":
            for verb in ("INSERT", "UPDATE"):
                connection.exec_driver_sql(
                    f"CREATE TRIGGER history_{verb} AFTER {verb} ON money_pots BEGIN {_NOTE} END"
                )
            return
        connection.exec_driver_sql("ALTER TABLE history ADD n BIGSERIAL")
        connection.exec_driver_sql(
            f"CREATE FUNCTION note() RETURNS trigger AS $$ BEGIN {_NOTE} RETURN NEW; END $$ "
            "LANGUAGE plpgsql"
        )
        connection.exec_driver_sql(
            "CREATE TRIGGER history AFTER INSERT OR UPDATE ON money_pots "
            "FOR EACH ROW EXECUTE FUNCTION note()"
        )


def remembered(engine: Engine) -> list[Standing]:
    """How each pot stood after each change, in the order of the changes."""
    order = "n" if engine.dialect.name == "postgresql" else "rowid"
    with reading(engine) as connection:
        rows = connection.exec_driver_sql(f"SELECT {_SEEN} FROM history ORDER BY {order}")
        return [Standing(row[0], row[1], bool(row[2]), *row[3:]) for row in rows]


def _changes(server: RedisServer) -> list[Standing]:
    """How each pot stood after each script, by the changes that Redis wrote down."""
    pots: dict[bytes, dict[bytes, bytes]] = {}
    seen = []
    for block in server.changes():
        touched = set()
        for command in block:
            if command[0].upper() == b"FLUSHALL":
                pots.clear()
            elif command[0].upper() == b"DEL":
                pots.pop(command[1], None)
            elif command[0].upper() == b"HSET":
                words = command[2:]
                pots.setdefault(command[1], {}).update(zip(words[::2], words[1::2], strict=True))
                touched.add(command[1])
        for key in touched:
            pot = pots[key]
            amounts = (int(pot[name]) for name in (b"spent", b"reserved", b"overrun"))
            seen.append(Standing(key.decode(), int(pot[b"cap"]), pot[b"hard"] == b"1", *amounts))
    return seen
