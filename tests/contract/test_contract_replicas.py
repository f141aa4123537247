"""What replicas need of a shared store: who lives, what was changed, one schema for all."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from outliving import free_port
from postgres_server import postgres
from sqlalchemy import Engine, create_engine, inspect, text

from federation.domain.budgets import Pot, pot_budget
from federation.errors import ConfigError, Unavailable
from federation.pricing.pots import Ask, Note, Turn, Want
from federation.storage import replicas as module
from federation.storage.accounts import SqlKeys
from federation.storage.bell import Bell
from federation.storage.budgets_sql import SqlPots
from federation.storage.engine import open_postgres, prepare_schema, reading, writing
from federation.storage.replicas import Replica, SqlReplicas
from federation.storage.tables import HEAD
from federation.storage.tables_replicas import KEYS, missing_notices
from federation.storage.upgrade import pending, upgrade

ONE = Replica("one", "http://one", "1.0", "database", "same keys")
PATIENCE_S = 30.0


@pytest.fixture
def address() -> str:
    return postgres().database()


@pytest.fixture
def engine(address: str) -> Iterator[Engine]:
    made = open_postgres(address)
    prepare_schema(made)
    yield made
    made.dispose()


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_those_who_live_are_known_until_they_leave(engine: Engine) -> None:
    store = SqlReplicas(engine)
    store.join(ONE)
    store.join(replace(ONE, id="two"))
    known = store.beat("one", 3)
    assert [(each.id, each.workers, each.alive) for each in known] == [
        ("one", 3, True),
        ("two", 0, True),
    ]
    assert known[0].started_ms > 0
    store.leave("one")
    store.leave("one")
    assert [each.id for each in store.list()] == ["two"]


def test_one_that_was_not_seen_for_long_is_dead_and_forgotten_later(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SqlReplicas(engine)
    store.join(ONE)
    with writing(engine) as connection:
        connection.execute(text("UPDATE replicas SET seen_ms = seen_ms - 20000"))
    assert [each.alive for each in store.list()] == [False]
    monkeypatch.setattr(module, "KEPT_MS", 10_000)
    store.join(replace(ONE, id="two", keys="other keys", money="redis"))
    assert [each.id for each in store.list()] == ["two"]


@pytest.mark.parametrize(
    ("other", "word"),
    [
        (replace(ONE, id="two", keys="other keys"), "FEDERATION_MASTER_KEY"),
        (replace(ONE, id="two", money="redis"), "storage.redis"),
    ],
)
def test_who_does_not_fit_to_those_that_live_is_refused(
    engine: Engine, other: Replica, word: str
) -> None:
    store = SqlReplicas(engine)
    store.join(ONE)
    with pytest.raises(ConfigError, match=word):
        store.join(other)
    store.join(replace(other, id="one"))


def test_a_change_is_heard_at_once(engine: Engine) -> None:
    heard: list[str] = []
    bell = Bell(engine, heard.append)
    bell.start()
    try:
        until(lambda: bell.sound)
        SqlKeys(engine).ensure_tenant("acme", 0)
        until(lambda: KEYS in heard)
    finally:
        bell.close()


def test_a_bell_whose_server_dies_says_so_and_listens_again(address: str, engine: Engine) -> None:
    heard: list[str] = []
    bell = Bell(engine, heard.append)
    bell.start()
    try:
        until(lambda: bell.sound)
        postgres().kill()
        until(lambda: not bell.sound)
        postgres().start()
        until(lambda: bell.sound)
        other = open_postgres(address)
        SqlKeys(other).ensure_tenant("acme", 0)
        other.dispose()
        until(lambda: KEYS in heard)
    finally:
        bell.close()


def test_every_change_of_what_replicas_hold_is_told_in_a_fresh_store_and_a_migrated_one(
    engine: Engine,
) -> None:
    migrated = open_postgres(postgres().database())
    upgrade(migrated, "base")
    assert missing_notices(engine) == missing_notices(migrated) == []
    assert described(engine) == described(migrated)
    migrated.dispose()


def described(engine: Engine) -> dict[str, object]:
    found: dict[str, object] = {}
    seen = inspect(engine)
    for table in seen.get_table_names():
        columns = [
            (each["name"], str(each["type"]), each["nullable"], each["default"])
            for each in seen.get_columns(table)
        ]
        indexes = sorted(
            (str(each["name"]), tuple(each["column_names"]), each["unique"])
            for each in seen.get_indexes(table)
        )
        keys = seen.get_pk_constraint(table)["constrained_columns"]
        found[table] = (sorted(columns), indexes, keys, len(seen.get_foreign_keys(table)))
    return found


def test_replicas_that_start_together_bring_an_old_store_up_to_date_once() -> None:
    address = postgres().database()
    first = open_postgres(address)
    with writing(first) as connection:
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)"))
    engines = [open_postgres(address) for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        steps = list(pool.map(lambda each: upgrade(each, "base"), engines))
    assert sorted(map(len, steps))[:2] == [0, 0]
    assert pending(first, HEAD) == []
    for each in (first, *engines):
        prepare_schema(each)
        each.dispose()


def test_replicas_that_find_an_empty_store_make_it_once() -> None:
    address = postgres().database()
    engines = [open_postgres(address) for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(prepare_schema, engines))
    with reading(engines[0]) as connection:
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) == HEAD
    for each in engines:
        each.dispose()


def test_a_server_that_is_not_there_is_unavailable_and_its_password_in_no_message() -> None:
    engine = open_postgres(f"postgresql://u:secret@127.0.0.1:{free_port()}/x")
    with pytest.raises(Unavailable) as caught:
        prepare_schema(engine)
    assert "secret" not in str(caught.value)
    assert "secret" not in repr(engine)


def test_a_database_that_is_none_of_ours_is_refused(address: str) -> None:
    engine = create_engine(address.replace("postgresql", "postgresql+psycopg"))
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE tenants (x INTEGER)"))
    with pytest.raises(ConfigError, match="cannot be used as a store"):
        prepare_schema(engine)
    engine.dispose()


def test_counting_anew_loses_nothing_that_another_replica_spends_meanwhile(
    engine: Engine,
) -> None:
    pots = [SqlPots(engine), SqlPots(engine)]
    pot = Pot("acme/b/-/0", 1_000_000)
    over = threading.Event()

    def recounted() -> int:
        times = 0
        while not over.is_set():
            pots[1].recount()
            times += 1
        return times

    with ThreadPoolExecutor(1) as pool:
        counting = pool.submit(recounted)
        for n in range(1, 101):
            pots[0].turn(
                Turn(
                    notes=(Note("w", pot.id, 3 * (n - 1), n - 1),),
                    asks=(Ask("w", n, (Want(pot, 4, 4),)),),
                )
            )
        over.set()
        assert counting.result(PATIENCE_S) > 0
    pots[0].turn(Turn(notes=(Note("w", pot.id, 300, 100),)))
    (standing,) = pots[0].standings(*pot_budget(pot.id))
    assert (standing.spent_nano, standing.reserved_nano) == (300, 0)
