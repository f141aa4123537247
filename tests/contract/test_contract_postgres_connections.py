"""A PostgreSQL that stands still, and replicas that stand still in the midst of a transaction."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from postgres_server import postgres
from sqlalchemy import Engine, text
from wire import Wire

import federation.storage.engine as opening
from federation.errors import StoreLocked, Unavailable
from federation.storage import postgres_connections as connections
from federation.storage.engine import open_postgres, reading, writing
from federation.storage.revisions import SCHEMA, alone

ROW = "UPDATE money SET left_nano = left_nano - 1"


@pytest.fixture
def wire() -> Iterator[Wire]:
    with Wire(postgres().port) as made:
        yield made


@pytest.fixture
def engine(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    monkeypatch.setattr(connections, "QUIET_S", 0.2)
    monkeypatch.setitem(opening._PATIENCE, "connect_timeout", 1)
    session = connections._SESSION.replace("'5s'", "'200ms'").replace("'30s'", "'2s'")
    monkeypatch.setattr(connections, "_SESSION", session)
    address = postgres().database().replace(f":{postgres().port}/", f":{wire.port}/")
    engine = open_postgres(address)
    with writing(engine) as connection:
        connection.execute(text("CREATE TABLE money (left_nano bigint)"))
        connection.execute(text("INSERT INTO money VALUES (3)"))
    yield engine
    engine.dispose()


def left(engine: Engine) -> int:
    with reading(engine) as connection:
        found: int = connection.execute(text("SELECT left_nano FROM money")).scalar_one()
    return found


def test_a_server_that_stands_still_is_given_up_and_used_again_when_it_answers(
    wire: Wire, engine: Engine
) -> None:
    wire.hold()
    with pytest.raises(Unavailable):
        left(engine)
    with pytest.raises(Unavailable), writing(engine) as connection:
        connection.execute(text(ROW))
    began, before = time.monotonic(), wire.taken
    for _ in range(20):
        with pytest.raises(Unavailable):
            left(engine)
    tried = wire.taken - before
    assert tried <= 1 + (time.monotonic() - began) / connections.AGAIN_S, (
        "the others hear it at once"
    )
    wire.let_go()
    end = time.monotonic() + 20
    while True:
        try:
            assert left(engine) == 3
        except Unavailable:
            assert time.monotonic() < end
            time.sleep(0.05)
        else:
            break


def test_a_pooler_that_lets_everybody_in_to_a_silent_server_is_asked_as_seldom(
    wire: Wire, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []
    sign_in = connections.Patient.connect

    def lets_in(*given: Any, **named: Any) -> Any:
        asked.append(time.monotonic())
        wire.let_go()
        made = sign_in(*given, **named)
        wire.hold()
        return made

    monkeypatch.setattr(connections.Patient, "connect", lets_in)
    engine.dispose()
    with pytest.raises(Unavailable):
        left(engine)
    before = len(asked)
    for _ in range(20):
        with pytest.raises(Unavailable):
            left(engine)
    assert len(asked) == before, "the others hear it at once"


def test_what_was_under_way_as_it_stood_still_did_not_happen(wire: Wire, engine: Engine) -> None:
    def change() -> None:
        with writing(engine) as connection:
            connection.execute(text(ROW))
            wire.hold()
            connection.execute(text(ROW))

    with pytest.raises(Unavailable, match="the server does not answer"):
        change()
    wire.let_go()
    with psycopg.connect(engine.url.set(drivername="postgresql").render_as_string()) as direct:
        # The server has the second change by now, and nobody to keep it for.
        assert direct.execute("SELECT left_nano FROM money FOR UPDATE").fetchone() == (3,)


def test_a_long_statement_is_silent_too_and_is_not_cut(engine: Engine) -> None:
    with reading(engine) as connection:
        assert connection.execute(text("SELECT 1 FROM pg_sleep(1)")).scalar() == 1


def test_nor_where_the_server_lets_nobody_else_in(engine: Engine) -> None:
    name = f"only_in_{engine.url.database}"
    with writing(engine) as connection:
        connection.execute(text(f"CREATE ROLE {name} LOGIN CONNECTION LIMIT 1"))
    alone_in = open_postgres(engine.url.set(username=name).render_as_string())
    try:
        with reading(alone_in) as connection:
            assert connection.execute(text("SELECT 1 FROM pg_sleep(1)")).scalar() == 1
    finally:
        alone_in.dispose()


def test_a_lock_is_not_waited_for_for_ever(engine: Engine) -> None:
    with writing(engine) as one:
        one.execute(text(ROW))
        with pytest.raises(Unavailable, match="lock timeout"), writing(engine) as other:
            other.execute(text(ROW))


def test_who_stands_still_in_a_transaction_is_cut_off_and_the_others_go_on(engine: Engine) -> None:
    def stand_still() -> None:
        with writing(engine) as connection:
            connection.execute(text(ROW))
            began = time.monotonic()
            while time.monotonic() - began < 20:
                try:
                    with writing(engine) as other:
                        other.execute(text(ROW))
                    break
                except Unavailable:
                    continue
            connection.execute(text(ROW))

    with pytest.raises(Unavailable):
        stand_still()
    assert left(engine) == 2, "only what the other did"


def test_whoever_changes_the_schema_is_waited_for(engine: Engine) -> None:
    def wait() -> None:
        with writing(engine) as other:
            alone(other, SCHEMA)
            seen.append(time.monotonic())

    seen: list[float] = []
    with writing(engine) as one:
        alone(one, SCHEMA)
        waiting = threading.Thread(target=wait)
        waiting.start()
        waiting.join(0.6)
        assert waiting.is_alive()
        done = time.monotonic()
    waiting.join(20)
    assert seen
    assert seen[0] >= done


def test_a_table_that_another_replica_holds_is_told_from_a_store_that_refuses(
    engine: Engine,
) -> None:
    with engine.begin() as other:
        other.execute(text("LOCK TABLE money IN ACCESS EXCLUSIVE MODE"))
        with pytest.raises(StoreLocked) as caught, writing(engine) as connection:
            connection.execute(text(ROW))
    assert caught.value.code == "store_unavailable"
    with pytest.raises(Unavailable) as refused, writing(engine) as connection:
        connection.execute(text("UPDATE nowhere SET left_nano = 1"))
    assert not isinstance(refused.value, StoreLocked)
