"""The Redis that replicas share: a run of it, news through it, and a memory that is too old."""

from __future__ import annotations

import queue
import time
from collections.abc import Iterator

import pytest
import redis
from postgres_server import postgres
from redis_server import RedisServer
from sqlalchemy import Engine

from federation.domain.budgets import Pot
from federation.errors import ConfigError, Unavailable
from federation.pricing.pots import Ask, Granted, Short, Turn, Want
from federation.storage.engine import open_postgres, prepare_schema
from federation.storage.redis_client import SharedRedis
from federation.storage.redis_news import CHANNEL, RedisNews
from federation.storage.redis_pots import RedisPots

POT = Pot("acme/bkey/-/0", 100)
PATIENCE_S = 30.0


@pytest.fixture
def server() -> Iterator[RedisServer]:
    made = RedisServer()
    yield made
    made.close()


@pytest.fixture
def shared(server: RedisServer) -> Iterator[SharedRedis]:
    made = SharedRedis(server.url)
    yield made
    made.close()


@pytest.fixture
def engine() -> Iterator[Engine]:
    made = open_postgres(postgres().database())
    prepare_schema(made)
    yield made
    made.dispose()


def asked(nano: int, writer: str = "w1") -> Turn:
    return Turn(asks=(Ask(writer, 1, (Want(POT, nano, nano),)),))


def test_another_run_of_the_server_is_another_epoch(
    server: RedisServer, shared: SharedRedis
) -> None:
    assert shared.epoch == 0
    shared.client.ping()
    shared.client.ping()
    assert shared.epoch == 1
    server.stop()
    with pytest.raises(redis.RedisError):
        shared.client.ping()
    server.start()
    shared.client.ping()
    assert shared.epoch == 2


def test_an_address_that_is_none_is_refused_without_being_repeated() -> None:
    with pytest.raises(ConfigError) as caught:
        SharedRedis("redis://:secret@host:port/0")
    assert "secret" not in str(caught.value)


def test_a_redis_with_an_older_memory_grants_nothing_from_it(
    server: RedisServer, shared: SharedRedis, engine: Engine
) -> None:
    pots = RedisPots(shared.client, engine, lambda: shared.epoch)
    assert isinstance(pots.turn(asked(10)).answers[0], Granted)
    older = server.saved()
    assert isinstance(pots.turn(asked(60, "w2")).answers[0], Granted)
    server.rolled_back(older)

    def answered() -> Granted | Short | None:
        try:
            answer = pots.turn(asked(60)).answers[0]
        except Unavailable:  # the connection that broke says so once
            return None
        assert isinstance(answer, Granted | Short)
        return answer

    assert isinstance(answered() or answered(), Short)
    assert pots.standings("acme", "bkey")[0].reserved_nano == 70


def test_a_control_process_starts_without_redis_and_reserves_once_it_is_there(
    server: RedisServer, engine: Engine
) -> None:
    server.stop()
    shared = SharedRedis(server.url)
    pots = RedisPots(shared.client, engine, lambda: shared.epoch)
    with pytest.raises(Unavailable):
        pots.turn(asked(10))
    server.start()
    assert isinstance(pots.turn(asked(10)).answers[0], Granted)
    shared.close()


def test_news_reach_everybody_also_after_the_server_was_away(
    server: RedisServer, shared: SharedRedis
) -> None:
    heard: queue.Queue[bytes] = queue.Queue()
    other = SharedRedis(server.url)
    ears, mouth = RedisNews(other.client), RedisNews(shared.client)
    ears.start(heard.put)
    try:
        assert spoken(mouth, heard, b"one") == b"one"
        server.stop()
        mouth.send(b"lost")
        mouth.send(b"lost")
        server.start()
        while not heard.empty():
            heard.get()
        assert spoken(mouth, heard, b"two") == b"two"
    finally:
        ears.close()
        mouth.close()
        other.close()
    assert CHANNEL.startswith("federation:")


def spoken(mouth: RedisNews, heard: queue.Queue[bytes], news: bytes) -> bytes:
    """Say it until somebody hears: a subscription takes a moment."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        mouth.send(news)
        try:
            return heard.get(timeout=0.2)
        except queue.Empty:
            continue
    raise AssertionError("nobody heard")
