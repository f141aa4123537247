"""Life among replicas, with stores, bells and relays that do as they are told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import dataclass, field

import msgspec
import pytest

from federation.control import replicas as module
from federation.control.remote_writers import UNKNOWN_S, RemoteWriters
from federation.control.replicas import MOST_NEWS, News, Replicas, thinned
from federation.errors import Unavailable
from federation.schema.link import Measure
from federation.storage.replicas import Replica
from federation.storage.tables_replicas import BUDGETS, CONFIGURATION, KEYS, TOPICS

PATIENCE_S = 20.0
SEEN = Measure("acme/m", 1, False, 0.0, 5.0, 0, "reset")


@dataclass
class Store:
    """Knows two others, of whom one is dead; `away` raises."""

    away: bool = False
    beats: int = 0
    ahead_s: float = 0.0
    left: list[str] = field(default_factory=list)

    def beat(self, replica: str, workers: int) -> list[Replica]:
        if self.away:
            raise Unavailable("away")
        self.beats += 1
        now_ms = int((time.time() + self.ahead_s) * 1000)
        return [
            Replica(replica, "", "1", "redis", "", workers=workers, now_ms=now_ms),
            Replica("two", "", "1", "redis", "", workers=4),
            Replica("dead", "", "1", "redis", "", workers=8, silent_ms=60_000),
        ]

    def leave(self, replica: str) -> None:
        if self.away:
            raise Unavailable("away")
        self.left.append(replica)


@dataclass
class Ringing:
    heard: Callable[[str], None]
    sound: bool = True
    closed: bool = False

    def start(self) -> None:
        self.heard(BUDGETS)

    def close(self) -> None:
        self.closed = True


@dataclass
class Relay:
    sent: list[bytes] = field(default_factory=list)
    heard: Callable[[bytes], None] = lambda _: None
    closed: bool = False

    def start(self, heard: Callable[[bytes], None]) -> None:
        self.heard = heard

    def send(self, news: bytes) -> None:
        self.sent.append(news)
        self.heard(news)  # ourselves too, as Redis does

    def close(self) -> None:
        self.closed = True


class Rig:
    """One replica, and what it put in force."""

    def __init__(self, *, sound: bool = True) -> None:
        self.store, self.relay = Store(), Relay()
        self.refreshed: list[set[str]] = []
        self.noted: list[Measure] = []
        self.failing = False
        self.replicas = Replicas("one", self.store, self._bell(sound), self.relay)
        self.tasks: list[asyncio.Task[None]] = []

    def _bell(self, sound: bool) -> Callable[[Callable[[str], None]], Ringing]:
        def make(heard: Callable[[str], None]) -> Ringing:
            self.bell = Ringing(heard, sound)
            return self.bell

        return make

    async def refresh(self, topics: Collection[str]) -> None:
        if self.failing:
            raise Unavailable("away")
        self.refreshed.append(set(topics))

    def start(self) -> None:
        self.tasks = self.replicas.start(self.refresh, lambda: 2, self.noted.extend)

    async def stop(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.replicas.close()


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    made = Rig()
    made.start()
    yield made
    await made.stop()


async def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end
        await asyncio.sleep(0.01)


async def test_what_is_heard_is_put_in_force(rig: Rig) -> None:
    # Whatever was changed before we listened is looked for once.
    await until(lambda: {KEYS, BUDGETS, CONFIGURATION} in rig.refreshed)
    rig.refreshed.clear()
    rig.bell.heard(CONFIGURATION)
    await until(lambda: {CONFIGURATION} in rig.refreshed)
    assert rig.replicas.sound


async def test_the_workers_of_others_who_live_are_counted(rig: Rig) -> None:
    assert rig.replicas.others() == 0
    await until(lambda: rig.store.beats > 0)
    await until(lambda: rig.replicas.others() == 4)


async def test_while_nothing_can_be_heard_keys_and_budgets_are_looked_for() -> None:
    rig = Rig(sound=False)
    rig.start()
    await until(lambda: sum(KEYS in topics for topics in rig.refreshed) >= 3)
    assert any(CONFIGURATION in topics for topics in rig.refreshed)
    assert not all(CONFIGURATION in topics for topics in rig.refreshed)
    rig.bell.sound = True
    rig.refreshed.clear()
    await until(lambda: {KEYS, BUDGETS, CONFIGURATION} in rig.refreshed)
    await rig.stop()


async def test_what_could_not_be_put_in_force_is_tried_again(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    await until(lambda: rig.refreshed != [])
    rig.failing = True
    rig.bell.heard(CONFIGURATION)
    await until(lambda: "the other replicas wait" in caplog.text)
    rig.refreshed.clear()
    rig.failing = False
    await until(lambda: any(CONFIGURATION in topics for topics in rig.refreshed))
    assert caplog.text.count("the other replicas wait") == 1


async def test_our_measures_go_out_and_only_those_of_others_come_in(rig: Rig) -> None:
    rig.replicas.saw([SEEN])
    await until(lambda: rig.relay.sent != [])
    said = msgspec.msgpack.decode(rig.relay.sent[0], type=News)
    assert said == News("one", [SEEN])
    assert rig.noted == []
    rig.relay.heard(msgspec.msgpack.encode(News("two", [SEEN])))
    rig.relay.heard(b"not from this version")
    await until(lambda: rig.noted != [])
    (noted,) = rig.noted
    assert abs(noted.at_ms / 1000 - time.time()) < PATIENCE_S
    assert noted == msgspec.structs.replace(SEEN, at_ms=noted.at_ms)


async def test_who_ends_leaves_even_where_that_cannot_be_said() -> None:
    rig = Rig()
    rig.start()
    await rig.stop()
    assert rig.store.left == ["one"]
    assert rig.bell.closed
    assert rig.relay.closed
    rig.bell.heard(KEYS)  # too late, and nobody minds
    lone = Rig()
    lone.store.away = True
    lone.start()
    await lone.stop()
    assert lone.store.left == []


async def test_nothing_is_passed_on_without_a_relay() -> None:
    store = Store()
    replicas = Replicas("one", store, Ringing, None)
    replicas.saw([SEEN])
    tasks = replicas.start(Rig().refresh, lambda: 1, lambda _: None)
    assert len(tasks) == 1
    tasks[0].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await replicas.close()


def test_of_many_measures_some_are_passed_on_and_their_share_of_failures_stays() -> None:
    few = [SEEN] * MOST_NEWS
    assert thinned(few) is few
    many = [msgspec.structs.replace(SEEN, ok=n % 4 != 0, at_ms=n // 4) for n in range(4000)]
    passed = thinned(sorted(many, key=lambda each: each.ok))
    assert len(passed) == MOST_NEWS
    assert sum(not each.ok for each in passed) == MOST_NEWS // 4


def test_every_topic_is_one_that_is_looked_for() -> None:
    assert set(TOPICS.values()) <= {KEYS, BUDGETS, CONFIGURATION}
    assert module.LOOK_S * 2 <= 1.0  # a revoked key ends within a second


def test_a_writer_lives_if_its_journal_or_its_replica_says_so() -> None:
    now = [0.0]
    beats = {"theirs"}
    strangers = RemoteWriters(
        lambda: {"ours", "gone"}, lambda each: each == "ours", lambda: beats, lambda: now[0]
    )
    assert strangers.lives("ours")
    assert not strangers.lives("gone")
    assert strangers.lives("theirs")
    beats.clear()
    assert strangers.lives("theirs"), "it may have been closed a moment ago"
    now[0] += UNKNOWN_S
    assert not strangers.lives("theirs")


async def test_replicas_count_by_the_databases_clock_and_tell_how_theirs_differs(
    rig: Rig, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BEAT_S", 0.0)
    await until(lambda: rig.store.beats > 0)
    assert abs(rig.replicas.now() - time.time()) < 2.0
    assert "differs" not in caplog.text
    rig.store.ahead_s = 3600.0
    await until(lambda: rig.replicas.now() - time.time() > 3500.0)
    assert caplog.text.count("the clock differs from the database's") == 1
    assert [getattr(each, "seconds_ahead", 0) for each in caplog.records] == [-3600]
    beats = rig.store.beats
    await until(lambda: rig.store.beats > beats + 1)
    assert caplog.text.count("the clock differs from the database's") == 1, "it is told once"
