"""One person erased, keys rotated half-way, a backup restored, a legal hold: all at once."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import evidence_world
import pytest
from sealing_world import Clock, World

from federation.control.custody_parts import KeyGone
from federation.control.payload_intake import TABLE
from federation.evidence.sealing import Row
from federation.evidence.verify import Verification
from federation.storage.journal import JournalWriter
from federation_verify.log import Log


class Whole:
    """Contents and the log that commits to them, over one data directory and one clock."""

    def __init__(self, data: Path) -> None:
        self.log = evidence_world.World(data)
        self.clock = Clock()
        self.contents = World(data, self.clock)
        self.notary = self.log.notary()
        self.notary.open()

    def say(self, call: str, subject: str) -> None:
        self.contents.say(call, subject)
        record = evidence_world.ended(call, payload=self.contents.commitments[call])
        self.log.writers.setdefault("w0-a", self._writer()).append(record)

    def _writer(self) -> JournalWriter:
        known = self.log.writers.get("w0-a")
        return known or JournalWriter(self.log.data / "journal", "w0-a")

    def seal(self) -> None:
        """Take in and seal all that was written."""
        self.contents.intake.run()
        self.log.clock.now += 20
        self.clock.now += 20
        self.notary.round()

    def check(self) -> list[bytes]:
        """Both verifiers agree that the log is whole; its records."""
        export = self.log.export()
        report = Verification(export.trusted, export.keys).run(export.checkpoints, export.entries)
        assert report.findings == []
        assert not Log().verify(export.trusted, export.keys, export.checkpoints, export.entries)
        return export.entries

    def restore(self, backup: Path, name: str) -> None:
        """Put a directory of the backup in the place of what is there."""
        self.contents.close()
        target = self.log.data / name
        shutil.rmtree(target)
        shutil.copytree(backup, target)
        self.contents = World(self.log.data, self.clock, written=self.contents.written)


@pytest.fixture
def whole(tmp_path: Path) -> Whole:
    return Whole(tmp_path / "data")


def test_after_erasure_rotation_restore_and_hold_the_chain_verifies(
    whole: Whole, tmp_path: Path
) -> None:
    people = ("anna", "ben", "cleo")
    for n, person in enumerate(people * 3):
        whole.say(f"call_{n}", person)
    whole.seal()
    contents = whole.contents
    said = {f"call_{n}": contents.read(f"call_{n}") for n in range(9)}
    contents.custody.rotate("acme", begin=True, most=1)  # and broken off
    backup = tmp_path / "backup"
    contents.custody.close()
    shutil.copytree(contents.keys_directory, backup)

    annas_key = contents_key(contents, "anna")
    held = contents.retention.hold("acme", contents.name("cleo"), "case 7", "key_admin")
    waiting = contents.retention.erase("acme", contents.name("cleo"), "key_admin")
    erased = contents.retention.erase("acme", contents.name("anna"), "key_admin")
    whole.seal()

    assert waiting.done_ms is None
    assert erased.done_ms is not None
    assert erased.keys == 1
    assert contents.payloads.find("call_0", None) is None
    assert contents.read("call_1") == said["call_1"]  # under the older version still
    assert contents.read("call_2") == said["call_2"]

    # The store of keys is restored, as it was before: with the key that was destroyed.
    with sqlite3.connect(backup / "keys.db") as connection:
        found = connection.execute("SELECT count(*) FROM sealing_keys WHERE kind = 'data'")
        assert found.fetchone() == (3,)
    rows = contents.payloads
    whole.restore(backup, "keys")
    contents = whole.contents
    whole.seal()

    assert rows.find("call_0", None) is None
    with pytest.raises(KeyGone):
        contents.custody.key(annas_key)
    for call in ("call_1", "call_2", "call_4", "call_5"):
        assert contents.read(call) == said[call]

    stands = contents.custody.rotate("acme", begin=False)
    assert stands.left == 0
    assert contents.read("call_5") == said["call_5"]
    contents.retention.sweep(contents.notebook.now_ms() + 40 * 86_400_000)
    assert contents.payloads.find("call_1", None) is None  # its days are over
    # The hold was set after the backup: it holds all the same, and so does what waits for it.
    assert contents.retention.holds() == [held]
    assert contents.read("call_2") == said["call_2"]
    waits = {wish.id: wish.done_ms is None for wish in contents.retention.erasures()}
    assert waits == {waiting.id: True, erased.id: False}

    whole.seal()
    records = b"".join(whole.check())
    for event in ("held", "erasure_waits", "erasing", "erased", "restored", "expired"):
        assert b'"event":"%b"' % event.encode() in records
    for person in people:
        assert person.encode() not in records


def test_rows_of_an_erased_person_that_a_backup_brings_back_are_deleted(
    tmp_path: Path,
) -> None:
    world = World(tmp_path / "data")
    for n, person in enumerate(("anna", "ben")):
        world.say(f"call_{n}", person)
    world.intake.run()
    anna = world.name("anna")
    world.close()
    backup = tmp_path / "federation.db"
    shutil.copy(world.data / "federation.db", backup)
    world = World(world.data, world.clock, written=world.written)
    world.retention.erase("acme", anna, "key_admin")
    assert world.payloads.find("call_0", None) is None
    world.say("call_2", "anna")  # she begins anew
    world.intake.run()
    world.close()

    shutil.copy(backup, world.data / "federation.db")
    for end in ("-wal", "-shm"):
        world.data.joinpath(f"federation.db{end}").unlink(missing_ok=True)
    world = World(world.data, world.clock, written=world.written)
    world.intake.run()
    assert world.payloads.find("call_0", None) is None
    assert b"ben" in world.read("call_1")
    assert world.name("anna") != anna
    world.close()


def contents_key(contents: World, person: str) -> str:
    subject = contents.name(person)
    with sqlite3.connect(contents.keys_directory / "keys.db") as connection:
        row = connection.execute(
            "SELECT id FROM sealing_keys WHERE kind = 'data' AND subject = ?", (subject,)
        ).fetchone()
    return str(row[0])


@pytest.mark.parametrize("held", [False, True])
def test_an_erasure_reaches_keys_that_come_back_after_it_was_done_without_them(
    whole: Whole, tmp_path: Path, *, held: bool
) -> None:
    older, newer = tmp_path / "older", tmp_path / "newer"
    whole.contents.say("first", "ben")
    whole.seal()
    shutil.copytree(whole.contents.keys_directory, older)
    whole.say("call_0", "anna")
    whole.seal()
    contents = whole.contents
    key = contents_key(contents, "anna")
    row = contents.payloads.find("call_0", None)
    assert row is not None
    contents.custody.close()
    shutil.copytree(contents.keys_directory, newer)

    # Somebody restores the keys of before, and erases her while hers is not there.
    whole.restore(older, "keys")
    contents = whole.contents
    assert contents.retention.erase("acme", contents.name("anna"), "key_admin").keys == 0
    if held:
        contents.retention.hold("acme", "", "case 8", "key_admin")
    whole.restore(newer, "keys")
    contents = whole.contents

    if held:
        assert contents.custody.content(Row("acme", TABLE, "call_0"), row.sealed)
        (hold,) = contents.retention.holds()
        contents.retention.release(hold, "key_admin")
        contents.retention.sweep(int(whole.clock() * 1000))
    with pytest.raises(KeyGone):
        contents.custody.key(key)
    with pytest.raises(KeyGone):
        contents.custody.content(Row("acme", TABLE, "call_0"), row.sealed)
    whole.seal()
    whole.check()
