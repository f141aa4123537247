"""What outlasts a restored backup, written down in several places."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from pathlib import Path
from threading import Thread

import pytest

from federation.errors import EvidenceUnwritable, Unavailable
from federation.storage import sealing_logs
from federation.storage.sealing_entries import HoldEntry
from federation.storage.sealing_logs import SealingLogs, Tombstone, open_sealing_logs

HOLD = HoldEntry("hold_1", "acme", "p_1", "case", "key_1", 1)


@pytest.fixture
def places(tmp_path: Path) -> list[Path]:
    return [tmp_path / "keys", tmp_path / "data", tmp_path / "keys"]


@pytest.fixture
def logs(places: list[Path]) -> SealingLogs:
    return open_sealing_logs(places)


def test_what_is_added_stands_in_every_place_once(logs: SealingLogs, places: list[Path]) -> None:
    logs.tombstones.add([Tombstone("seal_1", "acme", 1, "erased")])
    logs.tombstones.add([])

    for place in places:
        path = place / "tombstones.jsonl"
        assert path.read_bytes().count(b"seal_1") == 1
        assert path.stat().st_mode & 0o077 == 0
    assert set(logs.tombstones.read()) == {"seal_1"}
    assert logs.holds.read() == {}


def test_one_place_that_was_not_restored_is_enough(logs: SealingLogs, places: list[Path]) -> None:
    logs.tombstones.add([Tombstone("seal_1", "acme", 1, "erased")])
    backup = (places[0] / "tombstones.jsonl").read_bytes()
    logs.tombstones.add([Tombstone("seal_2", "acme", 2, "erased")])
    (places[0] / "tombstones.jsonl").write_bytes(backup)

    assert set(logs.tombstones.read()) == {"seal_1", "seal_2"}
    logs.tombstones.level()
    (places[1] / "tombstones.jsonl").unlink()
    assert set(logs.tombstones.read()) == {"seal_1", "seal_2"}


def test_a_hold_that_is_over_stays_over(logs: SealingLogs, places: list[Path]) -> None:
    logs.holds.add([HOLD])
    backup = (places[0] / "holds.jsonl").read_bytes()
    over = replace(HOLD, released_ms=5)
    logs.holds.add([over])
    (places[0] / "holds.jsonl").write_bytes(backup)
    (places[1] / "holds.jsonl").write_bytes((places[1] / "holds.jsonl").read_bytes() + backup)

    assert logs.holds.read() == {"hold_1": over}


def test_a_torn_line_is_passed_over_and_does_not_swallow_the_next(
    logs: SealingLogs, places: list[Path]
) -> None:
    logs.holds.add([HOLD])
    for place in places[:2]:
        path = place / "holds.jsonl"
        path.write_bytes(path.read_bytes() + b'{"id":"hold_2","ten')

    logs.holds.add([replace(HOLD, id="hold_3")])

    assert set(logs.holds.read()) == {"hold_1", "hold_3"}


def test_a_place_that_takes_nothing_or_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "directory" / "tombstones.jsonl").mkdir(parents=True)

    with pytest.raises(EvidenceUnwritable):
        open_sealing_logs([tmp_path / "file"]).tombstones.add(
            [Tombstone("seal_1", "a", 1, "erased")]
        )
    with pytest.raises(Unavailable):
        open_sealing_logs([tmp_path / "directory"]).tombstones.read()


def test_what_one_place_does_not_take_stands_in_none(tmp_path: Path) -> None:
    first, refuses = tmp_path / "first", tmp_path / "refuses"
    stones = open_sealing_logs([first, refuses]).tombstones
    stones.add([Tombstone("seal_1", "a", 1, "erased")])
    (refuses / "tombstones.jsonl").unlink()
    (refuses / "tombstones.jsonl").mkdir()

    with pytest.raises(EvidenceUnwritable):
        stones.add([Tombstone("seal_2", "a", 2, "expired")])

    assert list(open_sealing_logs([first]).tombstones.read()) == ["seal_1"]


class Neighbor:
    """Another replica that adds a tombstone in the midst of what this one does with the file."""

    def __init__(self, place: Path) -> None:
        stones = open_sealing_logs([place]).tombstones
        stone = Tombstone("seal_neighbor", "a", 2, "erased")
        self._thread = Thread(target=stones.add, args=([stone],))

    def comes(self) -> None:
        """It is done with it now, unless it has to wait for us."""
        self._thread.start()
        self._thread.join(0.2)

    def went(self) -> None:
        self._thread.join(10)
        assert not self._thread.is_alive()


def test_what_a_place_without_a_safe_name_refused_stands_nowhere(
    logs: SealingLogs, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Path) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(sealing_logs, "sync_directory", fail)
    with pytest.raises(EvidenceUnwritable):
        logs.tombstones.add([Tombstone("seal_1", "acme", 1, "erased")])
    assert logs.tombstones.read() == {}


def test_what_was_refused_is_taken_back_without_what_another_replica_wrote_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, refuses = tmp_path / "first", tmp_path / "refuses"
    (refuses / "tombstones.jsonl").mkdir(parents=True)
    neighbor, real, asked = Neighbor(first), os.fstat, []

    def fstat(fd: int) -> os.stat_result:
        found = real(fd)
        asked.append(found.st_size)
        if len(asked) == 2:  # once for the line itself, once to take it back
            neighbor.comes()
        return found

    monkeypatch.setattr(os, "fstat", fstat)
    with pytest.raises(EvidenceUnwritable):
        open_sealing_logs([first, refuses]).tombstones.add([Tombstone("seal_1", "a", 1, "expired")])
    neighbor.went()

    assert list(open_sealing_logs([first]).tombstones.read()) == ["seal_neighbor"]


def test_a_line_that_fails_takes_no_line_of_another_replica_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stones, neighbor, real = open_sealing_logs([tmp_path]).tombstones, Neighbor(tmp_path), os.fsync
    stones.add([Tombstone("seal_1", "a", 1, "erased")])

    def fsync(fd: int) -> None:
        monkeypatch.setattr(os, "fsync", real)
        neighbor.comes()
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(EvidenceUnwritable, match="No space"):
        stones.add([Tombstone("seal_2", "a", 2, "expired")])
    neighbor.went()

    assert set(stones.read()) == {"seal_1", "seal_neighbor"}


def test_a_disk_that_takes_only_part_of_a_line_is_an_error_and_the_part_is_taken_back(
    logs: SealingLogs, places: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    import io

    logs.holds.add([HOLD])
    before = (places[0] / "holds.jsonl").read_bytes()
    real = io.FileIO

    class Short(real):  # type: ignore[valid-type,misc]
        def write(self, data: bytes) -> int:
            return int(super().write(data[:5]))

    monkeypatch.setattr(
        "federation.storage.sealing_logs.os.fdopen", lambda fd, *_, **__: Short(fd, "r+")
    )
    with pytest.raises(EvidenceUnwritable, match="part"):
        logs.holds.add([replace(HOLD, id="hold_2")])
    monkeypatch.undo()

    assert (places[0] / "holds.jsonl").read_bytes() == before
