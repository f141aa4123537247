"""Rolling restarts on stand-in processes: the order of things, and what a failure costs."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from federation.bootstrap import rolling
from federation.bootstrap.rolling import DONE, FAILED, RUNNING, Rolling, progress


@dataclass(eq=False)
class Process:
    """As much of a process as a rolling restart touches."""

    pid: int
    pipe: int = -1
    code: int | None = None
    signals: list[int] = field(default_factory=list)

    def poll(self) -> int | None:
        return self.code

    def send_signal(self, number: int) -> None:
        self.signals.append(number)

    def kill(self) -> None:
        self.code = -signal.SIGKILL

    def wait(self) -> int:
        assert self.code is not None
        return self.code

    def answers(self) -> None:
        os.write(self.pipe, b"\n")

    def ends(self, code: int = 0) -> None:
        self.code = code
        if self.pipe >= 0:
            os.close(self.pipe)
            self.pipe = -1


@dataclass(eq=False)
class Place:
    """A slot whose replacements are stand-ins."""

    name: str
    process: Any
    spawned: list[Process] = field(default_factory=list)
    refuses: bool = False

    def spawn(self, *more: str, fds: tuple[int, ...] = ()) -> Any:
        if self.refuses:
            raise OSError(12, "Cannot allocate memory")
        assert more == (f"--ready={fds[0]}",)
        made = Process(self.process.pid + 100 if self.process else 999, os.dup(fds[0]))
        self.spawned.append(made)
        return made

    def adopt(self, process: Any, now: float) -> None:
        self.process = process


@dataclass
class World:
    places: list[Place]
    said: list[str]
    rolling: Rolling
    run: Path

    def step(self, now: float = 0.0) -> None:
        self.rolling.step(now)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    places = [Place(f"worker {number}", Process(number)) for number in range(2)]
    said: list[str] = []
    made = World(places, said, Rolling(places, 10.0, tmp_path, said.append), tmp_path)
    yield made
    made.rolling.stop()
    for place in places:
        for process in place.spawned:
            process.ends()


def test_nothing_happens_until_it_is_wanted(world: World) -> None:
    world.step()
    assert world.rolling.wait_s(0.0) is None
    assert [place.spawned for place in world.places] == [[], []]
    assert progress(world.run) == rolling.Progress()


def test_one_is_replaced_after_the_other(world: World) -> None:
    first, second = world.places
    old, other = first.process, second.process
    world.rolling.wanted = True
    world.step()
    (new,) = first.spawned
    assert (old.signals, second.spawned) == ([], [])
    assert progress(world.run).state == RUNNING
    assert len(world.rolling.pipes) == 1
    world.step(1.0)
    assert first.process is old
    new.answers()
    world.step(2.0)
    assert first.process is new
    assert old.signals == [signal.SIGTERM]
    assert second.spawned == []
    assert world.rolling.wait_s(2.0) == 10.0 + rolling.KILL_GRACE_S
    old.ends()
    world.step(3.0)
    second.spawned[0].answers()
    world.step(4.0)
    other.ends()
    world.step(5.0)
    found = progress(world.run)
    assert (found.n, found.state) == (1, DONE)
    assert found.said == tuple(world.said)
    assert "every worker is replaced" in world.said[-1]
    assert not world.rolling.pipes


def test_one_that_is_wanted_meanwhile_follows(world: World) -> None:
    world.rolling.slots = world.places[:1]
    place = world.places[0]
    world.rolling.wanted = True
    world.step()
    world.rolling.wanted = True
    for turn in range(2):
        old = place.process
        place.spawned[turn].answers()
        world.step()
        old.ends()
        world.step()
        world.step()
    assert progress(world.run).n == 2
    assert len(place.spawned) == 2
    assert progress(world.run).state == DONE


def test_a_replacement_that_never_answers_leaves_everyone_as_they_are(world: World) -> None:
    first, second = world.places
    old = first.process
    world.rolling.wanted = True
    world.step(0.0)
    world.step(rolling.READY_S)
    assert first.spawned[0].code == -signal.SIGKILL
    assert first.process is old
    assert old.signals == []
    assert second.spawned == []
    found = progress(world.run)
    assert found.state == FAILED
    assert "worker 0's replacement did not answer within 30 s" in found.said[-1]
    assert "go on" in found.said[-1]


def test_a_replacement_that_dies_leaves_everyone_as_they_are(world: World) -> None:
    first, second = world.places
    world.rolling.wanted = True
    world.step()
    first.spawned[0].ends(3)
    world.step()
    assert first.process.signals == []
    assert second.spawned == []
    assert "ended with code 3 before it answered" in progress(world.run).said[-1]
    world.rolling.wanted = True
    world.step()
    assert len(first.spawned) == 2, "it can be tried again"


def test_a_replacement_that_cannot_be_started_is_said(world: World) -> None:
    world.places[0].refuses = True
    world.rolling.wanted = True
    world.step()
    assert progress(world.run).state == FAILED
    assert "could not be started: Cannot allocate memory" in world.said[-1]


def test_a_predecessor_that_does_not_end_is_killed(world: World) -> None:
    first = world.places[0]
    old = first.process
    world.rolling.wanted = True
    world.step(0.0)
    first.spawned[0].answers()
    world.step(1.0)
    world.step(1.0 + 10.0 + rolling.KILL_GRACE_S)
    assert old.code == -signal.SIGKILL
    assert any("is killed" in line for line in world.said)
    assert world.places[1].spawned, "the next one is replaced all the same"


def test_where_the_old_one_has_died_there_is_nobody_to_end(world: World) -> None:
    first, second = world.places
    world.rolling.wanted = True
    world.step()
    first.process = None
    first.spawned[0].answers()
    world.step()
    assert first.process is first.spawned[0]
    assert second.spawned


@pytest.mark.parametrize("answered", [False, True])
def test_a_stop_in_the_middle_hands_over_who_is_nobodys_place(world: World, answered: bool) -> None:
    first = world.places[0]
    old = first.process
    world.rolling.wanted = True
    world.step()
    (new,) = first.spawned
    if answered:
        new.answers()
        world.step()
    ((name, process),) = world.rolling.stop()
    assert process is (old if answered else new)
    assert name == ("worker 0's predecessor" if answered else "worker 0's replacement")
    assert progress(world.run).state == FAILED
    assert world.rolling.stop() == []


def test_a_file_that_cannot_be_written_stops_nothing(world: World, tmp_path: Path) -> None:
    world.rolling.run = tmp_path / "missing"
    world.rolling.wanted = True
    world.step()
    assert world.places[0].spawned
    assert "cannot be written" in world.said[0]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"n": "x", "state": "", "said": []}', "{}"])
def test_a_file_that_is_torn_says_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / rolling.NAME).write_text(text)
    assert progress(tmp_path) == rolling.Progress()
    rolling.forget(tmp_path)
    rolling.forget(tmp_path)
    assert not (tmp_path / rolling.NAME).exists()
