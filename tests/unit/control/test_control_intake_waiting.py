"""Spooled contents whose key is not here: they wait for the store of keys that goes with them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sealing_world import World

from federation.errors import Unavailable
from federation.evidence.sealing import SealingKey
from federation.storage.payload_spool import DIRECTORY, UNOPENED, Spool, SpoolReader


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path / "data")
    yield made
    made.close()


def put_back(world: World, right: Path, wrong: Path) -> None:
    """Start with the keys that go with the data."""
    world.keys_directory.rename(wrong)
    right.rename(world.keys_directory)
    world.open()


def test_what_was_spooled_waits_for_the_store_of_keys_that_goes_with_it(
    world: World, tmp_path: Path
) -> None:
    right, wrong = tmp_path / "right", tmp_path / "wrong"
    world.say("call_1", "anna")
    world.close()
    world.keys_directory.rename(right)
    for _ in range(2):  # two starts with keys that are not those of the data
        world.open()
        world.intake.run()
        assert (world.payloads.find("call_1", None), world.intake.lost) == (None, 0)
        world.close()
    put_back(world, right, wrong)

    assert world.intake.run() == 1
    assert b"anna" in world.read("call_1")
    assert list((world.data / DIRECTORY / UNOPENED).iterdir()) == []


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("last", ["take", "drop", "forget_writer"])
def test_what_waits_for_its_key_outlasts_a_kill_at_any_step(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: str
) -> None:
    right, wrong = tmp_path / "right", tmp_path / "wrong"
    world.say("call_1", "anna")
    world.close()
    world.keys_directory.rename(right)
    world.open()
    whose = SpoolReader if last == "drop" else type(world.payloads)
    real = getattr(whose, last)

    def killed(*given: Any) -> None:
        real(*given)
        raise Killed

    monkeypatch.setattr(whose, last, killed)
    with pytest.raises(Killed):
        world.intake.run()
    monkeypatch.undo()
    world.close()
    world.open()  # still the wrong keys
    world.intake.run()
    world.close()
    put_back(world, right, wrong)

    assert world.intake.run() == 1
    assert b"anna" in world.read("call_1")


def test_what_cannot_be_put_aside_stays_where_it_is(world: World, tmp_path: Path) -> None:
    right, wrong = tmp_path / "right", tmp_path / "wrong"
    world.say("call_1", "anna")
    world.close()
    world.keys_directory.rename(right)
    world.open()
    in_the_way = world.data / DIRECTORY / UNOPENED
    in_the_way.write_text("no directory")
    with pytest.raises(Unavailable, match="put aside"):
        world.intake.run()
    in_the_way.unlink()
    world.close()
    put_back(world, right, wrong)

    assert world.intake.run() == 1
    assert b"anna" in world.read("call_1")


def test_an_older_copy_of_what_was_put_aside_does_not_stand_for_it(
    world: World, tmp_path: Path
) -> None:
    right, wrong = tmp_path / "right", tmp_path / "wrong"
    aside = world.data / DIRECTORY / UNOPENED
    aside.mkdir(parents=True)
    world.say("call_1", "anna")
    shutil.copy(world.data / DIRECTORY / world.spools()[-1], aside)  # as backups have it
    world.say("call_2", "anna")
    world.close()
    world.keys_directory.rename(right)
    world.open()
    world.intake.run()
    world.close()
    put_back(world, right, wrong)

    assert world.intake.run() == 2
    assert b"call_2" in world.read("call_2")


def test_what_waits_of_a_living_worker_is_read_when_it_is_gone_and_its_key_kept_till_then(
    world: World, tmp_path: Path
) -> None:
    wrong, right, worker = tmp_path / "wrong", tmp_path / "right", world.spool
    world.say("call_1", "anna")
    wrong.mkdir()
    for keys, put_to in ((wrong, right), (right, wrong)):  # control starts twice, the worker lives
        world.spool = Spool(world.data, "not_used")
        world.close()
        world.keys_directory.rename(put_to)
        keys.rename(world.keys_directory)
        world.open()
        assert world.intake.run() == 0
        assert world.spool_keys.retire() == 0, "the key may be of what waits"
        assert world.intake.lost == 0

    worker.close()

    assert world.intake.run() == 0, "this run sees that the worker is gone"
    assert world.intake.run() == 1
    assert b"anna" in world.read("call_1")
    assert world.spool_keys.retire() > 0
    assert list((world.data / DIRECTORY).rglob("*.log")) == []


def test_what_was_taken_in_before_its_segment_waited_is_not_lost(world: World) -> None:
    world.say("call_1", "anna")
    world.intake.run()
    newest, _ = world.spool_keys.make()
    world.spool_keys.taken = lambda: {world.writer: newest}
    assert world.spool_keys.retire() == 1
    world.box.use(SealingKey("seal_unknown", bytes(32)))
    world.say("call_2", "anna")
    world.close()
    world.open()
    world.intake.run()
    world.close()

    world.open()

    assert world.intake.run() == 0
    assert world.intake.lost == 0
    assert b"anna" in world.read("call_1")


def test_lines_that_wait_for_their_key_are_told_of_once(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.box.use(SealingKey("seal_unknown", bytes(32)))
    for n in range(5):
        world.say(f"call_{n}", "anna")

    world.intake.run()
    world.intake.run()

    assert [getattr(each, "contents", None) for each in caplog.records] == [5]
