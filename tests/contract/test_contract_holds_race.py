"""A legal hold at one replica against an erasure at another: one of them came first, for all."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import retaining
from postgres_server import postgres
from retaining import DAY_MS, TENANT, of
from sql_stores import KINDS

from federation.control.custody_parts import KeyGone
from federation.evidence.sealing import Row, key_named
from federation.storage.sealing_entries import DATA
from federation.storage.sealing_entries import TENANT as TENANT_KEY
from federation.storage.sealing_keys import SqlSealingKeys
from federation.storage.sealing_logs import SealingLog, Tombstone

ROUNDS = 60
AHEAD_S = 0.012


class Child:
    """A replica in a process, which may be killed in the midst of what it does."""

    def __init__(self, data: Path, database: str) -> None:
        self.data, self._database = data, database
        self.start()

    def start(self) -> None:
        command = [sys.executable, retaining.__file__, str(self.data), self._database]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self._process = subprocess.Popen(command, text=True, **pipes)  # type: ignore[call-overload]
        assert self.heard() == {}, "it has opened"

    def tell(self, word: str, about: str, at: float = 0) -> None:
        self._process.stdin.write(f"{word} {about} {at}\n")
        self._process.stdin.flush()

    def heard(self) -> dict[str, Any] | None:
        """What it answers; None where it was killed before."""
        line = self._process.stdout.readline()
        found: dict[str, Any] | None = json.loads(line) if line.endswith("\n") else None
        return found

    def kill(self) -> None:
        self._process.kill()

    def close(self) -> None:
        self._process.kill()
        self._process.wait(30)
        self._process.stdin.close()
        self._process.stdout.close()


class Race:
    """Two replicas, and a third that seals and looks."""

    def __init__(self, root: Path) -> None:
        database = postgres().database()
        self.retention, self.keys, self.engine = retaining.replica(root / "c", database)
        self.custody = self.retention.custody
        self.holder, self.eraser = (Child(root / name, database) for name in "ab")
        self.sealed: dict[str, bytes] = {}
        self.held: dict[str, dict[str, Any]] = {}
        self.outcomes: Counter[str] = Counter()

    def say(self, subject: str, days: int = 30, ago: int = 0) -> None:
        at_ms = int(time.time() * 1000) - ago * DAY_MS
        until_ms = at_ms + days * DAY_MS
        content = self.custody.seal(Row(TENANT, "t", subject), subject, at_ms, until_ms, b"said")
        self.sealed[subject] = content

    def reads(self, subject: str) -> bool:
        try:
            return self.custody.content(Row(TENANT, "t", subject), self.sealed[subject]) == b"said"
        except KeyGone:
            return False

    def round(self, subject: str, chance: random.Random, killed: Child | None) -> None:
        """Both at once, and perhaps a death: whatever is acknowledged is so from then on."""
        at = time.time() + AHEAD_S
        self.holder.tell("hold", subject, at + chance.uniform(0, 0.05))
        self.eraser.tell("erase", subject, at)
        if killed is not None:
            time.sleep(max(0.0, at - time.time()) + chance.uniform(0, 0.025))
            killed.kill()
        hold = self.holder.heard()
        if hold is not None and hold["id"] is not None:
            assert self.reads(subject), "a hold is acknowledged of what is there"
            self.held[subject] = hold
        erasure = self.eraser.heard()
        if killed is not None:
            killed.close()
            killed.start()
        done = erasure is not None and erasure["turn"] is not None
        self.outcomes[f"{_word(hold)}, {'erased' if done else 'not erased'}"] += 1
        if done:
            assert not self.reads(subject)
            assert subject not in self.held

    def close(self) -> None:
        for child in (self.holder, self.eraser):
            child.close()
        self.custody.close()
        self.engine.dispose()


def _word(hold: dict[str, Any] | None) -> str:
    return "dead" if hold is None else "held" if hold["id"] else "nothing to hold"


def test_a_hold_and_an_erasure_have_one_order_that_can_be_read_whoever_is_killed(
    tmp_path: Path,
) -> None:
    chance = random.Random(65)
    race = Race(tmp_path)
    try:
        subjects = [f"p_{n:032x}" for n in range(ROUNDS)]
        for n, subject in enumerate(subjects):
            race.say(subject)
            killed = (None, race.eraser, None, race.holder)[n % 4]
            race.round(subject, chance, killed)
        for child in (race.holder, race.eraser):
            child.tell("sweep", "400")
            assert child.heard() == {}
        for subject in race.held:
            assert race.reads(subject), "no start and no sweep destroys what is held"
        both = retaining.records(tmp_path / "a") + retaining.records(tmp_path / "b")
        for subject in subjects:
            in_order(race.keys, both, subject)
        assert {word.partition(",")[0] for word in race.outcomes} >= {"held", "nothing to hold"}

        wishes = {wish.subject: wish for wish in race.keys.erasures()}
        for subject, hold in race.held.items():
            race.holder.tell("release", hold["id"])
            assert race.holder.heard() == {}
            assert race.reads(subject) or subject not in wishes
        race.eraser.tell("sweep", "0")
        assert race.eraser.heard() == {}
        last = retaining.records(tmp_path / "b")
        for subject in race.held.keys() & wishes.keys():
            assert not race.reads(subject)
            assert race.held[subject]["id"] in of(last, "erased", subject)[-1]["after"]
    finally:
        race.close()


def in_order(keys: SqlSealingKeys, both: list[dict[str, Any]], subject: str) -> None:
    """What an auditor reads of one person, out of both logs, agrees with the store of keys."""
    held = of(both, "held", subject)
    erased = of(both, "erased", subject)
    waits = of(both, "erasure_waits", subject)
    refused = of(both, "nothing_held", subject)
    holds = {hold.id: hold.created_ms for hold in keys.holds() if hold.subject == subject}
    wishes = [wish for wish in keys.erasures() if wish.subject == subject]
    assert {each["id"]: each["turn"] for each in held} == holds, "each that stands is on record"
    assert {each["turn"] for each in erased} == {wish.done_ms for wish in wishes} - {None}
    assert not (held and erased), "neither was released, so only one of them came first"
    for each in waits:
        assert set(each["after"]) <= set(holds)
    for each in refused:
        assert each["after"] == [wish.id for wish in wishes if wish.done_ms is not None]


@pytest.fixture(params=KINDS)
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return postgres().database() if request.param == "postgres" else str(tmp_path / "store.db")


def test_what_is_held_between_its_tombstone_and_its_end_stays(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, keys, engine = retaining.replica(tmp_path / "here", address)
    there, _, other = retaining.replica(tmp_path / "there", address)
    now_ms = int(time.time() * 1000)
    for subject in ("p_1", "p_2", "p_3"):
        here.custody.seal(Row(TENANT, "t", subject), subject, now_ms, now_ms + DAY_MS, b"said")
    ids = {entry.subject: entry.id for entry in keys.living(DATA)}
    wished, held = ["p_1"], {}
    add = SealingLog.add

    def add_and_hold(log: SealingLog[Any], entries: Iterable[Any]) -> None:
        entries = list(entries)
        add(log, entries)
        while wished and isinstance(entries[0], Tombstone):
            subject = wished.pop()
            held[subject] = there.hold(TENANT, subject, "case", "key_a")

    monkeypatch.setattr(SealingLog, "add", add_and_hold)

    def alive() -> set[str]:
        return {entry.subject for entry in keys.living(DATA)}

    assert here.erase(TENANT, "p_1", "key_b").done_ms is None
    wished.append("p_2")
    here.sweep(now_ms + 40 * DAY_MS)
    assert alive() == {"p_1", "p_2"}, "p_3 has had its days"
    written = retaining.records(tmp_path / "here")
    assert [each["after"] for each in of(written, "erasure_waits", "p_1")] == [[held["p_1"].id]]
    assert [each["keys"] for each in of(written, "spared", "")] == [[ids["p_2"]]]

    here.open()
    assert alive() == {"p_1", "p_2"}, "a tombstone does not undo a hold"
    there.release(held["p_1"], "key_a")
    here.sweep(now_ms)
    assert alive() == {"p_2"}
    for each in (engine, other):
        each.dispose()


def test_retention_and_a_rotation_that_are_killed_leave_nothing_half(tmp_path: Path) -> None:
    chance = random.Random(66)
    race = Race(tmp_path)
    kept: set[str] = set()
    over: set[str] = set()
    try:
        for n in range(16):
            for m in range(6):
                race.say(f"p_{n}_{m}", ago=40 if m % 2 else 0)
                (over if m % 2 else kept).add(f"p_{n}_{m}")
            at = time.time() + AHEAD_S
            race.holder.tell("rotate", "begin" if n % 4 == 0 else "on", at)
            race.eraser.tell("sweep", "0", at + chance.uniform(-0.01, 0.02))
            killed = (race.eraser, race.holder)[n % 2]
            time.sleep(max(0.0, at - time.time()) + chance.uniform(0, 0.06))
            killed.kill()
            for child in (race.holder, race.eraser):
                child.heard()
            killed.close()
            killed.start()
            assert all(race.reads(each) for each in kept), "whatever wraps it by now"
        race.eraser.tell("sweep", "0")
        race.holder.tell("rotate", "on")
        assert (race.eraser.heard(), race.holder.heard()) == ({}, {"left": 0})
        assert all(race.reads(each) for each in kept)
        assert not any(race.reads(each) for each in over)

        both = retaining.records(tmp_path / "a") + retaining.records(tmp_path / "b")
        told = {key for each in both if each["event"] == "expired" for key in each["keys"]}
        dead = {key_named(race.sealed[each]) for each in over}
        assert dead <= told, "what is gone was on record before"
        assert len(race.keys.living(TENANT_KEY, TENANT)) == 1, "older ones are blanked"
    finally:
        race.close()
