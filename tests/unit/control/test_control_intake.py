"""Spools into the store: read once, deleted after, whatever happens in between."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sealing_world import World, payload

from federation.control.payload_intake import PayloadIntake
from federation.errors import EvidenceUnwritable, Unavailable
from federation.evidence.sealing import SealingKey
from federation.gateway.payload_box import NoSpool, PayloadBox
from federation.schema.payloads import Spooled
from federation.storage import payload_spool
from federation.storage.payload_spool import DIRECTORY, Spool, SpoolReader


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path / "data")
    yield made
    made.close()


def test_segments_go_as_they_are_taken_in_and_the_newest_with_its_worker(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(payload_spool, "SEGMENT_BYTES", 2_000)
    for n in range(10):
        world.say(f"call_{n}", "anna")
    assert len(world.spools()) > 2

    assert world.intake.run() == 10
    assert world.intake.run() == 0
    assert len(world.spools()) == 1
    world.say("call_last", "anna")
    world.spool.close()
    assert world.intake.run() == 1

    assert world.spools() == []
    assert world.payloads.positions() == {}
    for n in range(10):
        assert b"question of anna" in world.read(f"call_{n}")
    assert b"anna" in world.read("call_last")


def test_a_content_that_was_erased_does_not_come_back_when_control_starts_again(
    world: World,
) -> None:
    world.say("call_1", "anna")
    world.intake.run()
    world.retention.erase("acme", world.name("anna"), "key_1")

    world.intake._positions = None  # as a new process begins
    assert world.intake.run() == 0

    assert world.payloads.find("call_1", None) is None


def test_a_clock_that_was_ahead_once_costs_no_content_of_those_who_are_erased_later(
    world: World,
) -> None:
    world.say("c0", "anna")
    world.clock.days(365)
    world.retention.hold("acme", world.name("ben"), "case", "key_admin")
    world.clock.days(-365)
    begun_ms = world.notebook.now_ms() + 5
    world.clock.now += 1
    world.retention.erase("acme", world.name("anna"), "key_admin")
    world.clock.now += 1
    world.new_worker()
    world.box.keep(payload("c1", "anna", begun_ms))
    world.say("c2", "anna")
    world.intake.run()
    assert world.payloads.find("c1", None) is None
    assert world.payloads.find("c2", None) is not None


def test_for_a_content_that_ends_after_the_erasure_of_its_person_no_key_is_made(
    world: World,
) -> None:
    began_ms = int(world.clock() * 1000)
    world.clock.now += 1
    world.retention.erase("acme", world.name("anna"), "key_1")
    world.clock.now += 1
    world.box.keep(payload("call_1", "anna", began_ms))

    assert world.intake.run() == 0
    assert world.payloads.find("call_1", None) is None
    assert world.custody.keys_of("acme", world.name("anna")) == []
    world.say("call_2", "anna")
    assert world.intake.run() == 1, "who calls later begins anew"


def test_a_content_goes_with_an_erasure_that_another_replica_has_just_done(
    world: World,
) -> None:
    world.say("call_1", "anna")
    former = world.name("anna")
    world.clock.now += 1
    neighbor = World(world.data, world.clock)
    neighbor.retention._intake = PayloadIntake(
        SpoolReader(world.data / "another"), neighbor.payloads, neighbor.custody, neighbor.keys
    )
    neighbor.retention.erase("acme", former, "key_1")
    neighbor.close()
    assert world.name("anna") == former, "it has not looked since"

    assert world.intake.run() == 0

    assert world.payloads.find("call_1", None) is None


def test_a_store_that_was_restored_names_a_piece_that_is_gone_and_the_rest_is_kept(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(payload_spool, "SEGMENT_BYTES", 600)
    world.say("call_0", "anna")
    world.intake.run()
    older = world.payloads.positions()[world.writer]
    for n in range(1, 6):
        world.say(f"call_{n}", "anna")
    world.intake.run()
    world.say("call_last", "anna")
    world.spool.close()
    assert int(min(world.spools()).split(".")[-2]) > older.segment + 1, "not even the next is left"
    world.payloads.take(world.writer, [], older)

    world.intake._positions = None  # as a new process begins
    assert world.intake.run() >= 1

    assert b"anna" in world.read("call_last")
    assert world.spools() == []


def test_what_a_crash_left_between_store_and_spool_is_taken_in_once(world: World) -> None:
    world.say("call_1", "anna")
    world.intake.run()
    before = world.read("call_1")
    world.payloads.forget_writer(world.writer)  # the position is lost, the rows are not
    world.intake._positions = None

    world.intake.run()

    assert world.read("call_1") == before


def test_a_line_that_nobody_can_open_is_counted_and_does_not_hold_up_the_others(
    world: World,
) -> None:
    world.say("call_1", "anna")
    good, world.box = world.box, PayloadBox(world.spool)
    world.box.use(SealingKey("seal_unknown", bytes(32)))
    world.say("call_2", "anna")
    world.box = good
    world.spool.append(Spooled("call_3", "acme", "seal_x", b"\x01 no seal"))
    world.say("call_4", "anna")

    assert world.intake.run() == 2

    assert world.intake.lost == 1
    assert world.payloads.find("call_2", None) is None
    assert b"call_4" in world.read("call_4")


def test_contents_that_come_as_fast_as_they_are_taken_in_hold_nobody_up(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    take, rounds = world.payloads.take, iter(range(20))
    monkeypatch.setattr(world.intake._reader, "_chunk_bytes", 2_000)

    def busy(*given: Any) -> None:
        take(*given)
        for n in range(8) if next(rounds, None) is not None else ():
            world.say(f"more_{n}", "ben")

    monkeypatch.setattr(world.payloads, "take", busy)
    for n in range(8):
        world.say(f"call_{n}", "anna")

    assert 8 <= world.intake.run() < 20

    monkeypatch.undo()
    world.intake.run()
    assert world.intake.run() == 0


def test_a_line_that_cannot_be_read_is_counted(world: World) -> None:
    world.say("call_1", "anna")
    (name,) = world.spools()
    path = world.data / DIRECTORY / name
    line = path.read_bytes()
    other = b"%08x" % 0 + line[8:]
    path.write_bytes(other + line + b'1c291ca3 {"x":1}\n' + b"torn")
    world.spool.close()

    world.intake.run()

    assert world.intake.lost == 3
    assert b"anna" in world.read("call_1")


def test_a_worker_keeps_sealing_under_its_key_while_another_has_the_next(world: World) -> None:
    world.say("call_1", "anna")
    newest, _ = world.spool_keys.make()

    assert not world.intake.settled(newest, {})
    assert not world.intake.settled(newest, {world.writer: "older"})
    assert world.intake.settled(newest, {world.writer: newest})
    world.spool.close()
    assert world.intake.settled(newest, {})


def test_a_spool_that_cannot_be_deleted_is_unavailable(world: World) -> None:
    reader = SpoolReader(world.data)
    (world.data / DIRECTORY / "w9-1-1.000001.log").mkdir(parents=True)

    with pytest.raises(Unavailable, match="deleted"):
        reader.drop("w9-1-1", range(1, 2))


def test_a_spool_is_made_with_its_first_line_only(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "w1-1-1")
    spool.close()
    assert not (tmp_path / DIRECTORY).exists()

    with pytest.raises(EvidenceUnwritable):
        NoSpool().append(Spooled("call_1", "acme", "seal_1", b""))
    with pytest.raises(EvidenceUnwritable):
        PayloadBox(spool).check()


def test_holds_that_a_restored_store_has_forgotten_are_recalled(world: World) -> None:
    hold = world.retention.hold("acme", world.name("anna"), "case", "key_1")
    other = world.retention.hold("acme", "", "all", "key_1")
    wish = world.retention.erase("acme", world.name("anna"), "key_1")
    world.retention.release(other, "key_1")
    world.close()
    # A store as it was before any of this.
    (world.keys_directory / "keys.db").unlink()
    for rest in world.keys_directory.glob("keys.db-*"):
        rest.unlink()

    world.open()

    assert world.retention.holds() == [hold]
    assert [each.id for each in world.retention.erasures()] == [wish.id]
    world.retention.open()
    assert world.retention.holds() == [hold]


def test_a_release_and_an_erasure_that_a_restored_store_has_forgotten_are_recalled(
    world: World,
) -> None:
    hold = world.retention.hold("acme", world.name("anna"), "case", "key_1")
    wish = world.retention.erase("acme", world.name("anna"), "key_1")
    world.close()
    backup = (world.keys_directory / "keys.db").read_bytes()
    world.open()
    world.retention.release(hold, "key_1")
    world.retention.sweep(world.notebook.now_ms())
    assert world.retention.erasures()[0].done_ms is not None
    world.close()
    (world.keys_directory / "keys.db").write_bytes(backup)
    for rest in world.keys_directory.glob("keys.db-*"):
        rest.unlink()

    world.open()

    assert world.retention.holds() == []
    (found,) = world.retention.erasures()
    assert found.id == wish.id
    assert found.done_ms is not None
