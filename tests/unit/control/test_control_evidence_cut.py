"""A log that was cut back while its store was not, and hashes beside it that were damaged."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from evidence_world import World

from federation.control.evidence_checking import check_log
from federation.control.ingest import Ingest
from federation.control.notary import Notary
from federation.evidence.documents import judge
from federation.evidence.signing import read_keys
from federation.storage.calls import SqlCalls
from federation.storage.journal_reader import JournalReader


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path / "data")
    yield made
    made.close()


def test_a_log_that_is_shorter_than_its_store_remembers_was_cut(world: World) -> None:
    notary = Notary(world.data, world.index, (), world.clock)
    notary.open()
    for _ in range(3):
        world.write("w0-a", 4)
        world.clock.now += 10
        notary.round()
    notary.close()
    assert [each.kind for each in check_log(world.data, world.index).findings] == []

    (spine,) = (world.data / "evidence").glob("spine.*.log")
    lines = spine.read_bytes().splitlines(keepends=True)
    spine.write_bytes(b"".join(lines[:-1]))
    (found,) = check_log(world.data, world.index).findings
    assert found.kind == "rolled_back"
    assert f"knows {len(lines)} checkpoints, the log has {len(lines) - 1}" in found.message
    assert check_log(world.data, None).good, "without the store only an anchor tells"


@pytest.mark.parametrize("name", ["leaves", "tiles"])
@pytest.mark.parametrize("damage", ["zeros", "cut", "gone"])
def test_hashes_that_were_damaged_make_no_forgery(world: World, name: str, damage: str) -> None:
    notary = Notary(world.data, world.index, (), world.clock)
    notary.open()
    world.write("w0-a", 700)
    world.clock.now += 10
    notary.round()
    world.write("w0-a", 3)
    world.clock.now += 10
    notary.round()
    notary.close()
    path = world.data / "evidence" / name
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(bytes(32 * 5) + path.read_bytes()[160:] if damage == "zeros" else b"")
    reading = world.reading()
    trusted = read_keys(reading.keys())[0].public
    Ingest(JournalReader(world.data / "journal"), SqlCalls(world.engine), world.clock).run()
    for proof in (reading.continues(0, 1), reading.include(world.index, "call_000003")):
        assert judge(proof, trusted) is None
