from __future__ import annotations

import errno
import os
import shutil
import stat
from pathlib import Path
from zlib import crc32

import msgspec
import pytest

from federation.errors import EvidenceUnwritable
from federation.schema.records import CallStarted, Line
from federation.storage import journal
from federation.storage.control_journal import ControlJournal
from federation.storage.journal import JournalWriter, segment_path, writer_name
from federation.storage.journal_reader import JournalReader


def started(call: str, deployment: str = "acme/large") -> CallStarted:
    return CallStarted(call, 1000, "default", "key_1", "chat", "auto", deployment)


def read_calls(directory: Path, writer: str = "w") -> list[str]:
    reader = JournalReader(directory)
    segment, offset, calls = 1, 0, []
    while True:
        batch = reader.read(writer, segment, offset)
        assert not batch.bad
        calls += [line.record.call for line in batch.lines]
        if batch.drained:
            return calls
        segment, offset = batch.segment, batch.offset


def test_a_line_is_a_checksum_and_the_json_of_a_record(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path, "w")
    writer.append(started("call_1"))
    data = segment_path(tmp_path, "w", 1).read_bytes()
    checksum, body = data[:8], data[9:-1]
    assert data[8:9] == b" "
    assert data[-1:] == b"\n"
    assert int(checksum, 16) == crc32(body)
    assert msgspec.json.decode(body, type=Line) == Line("w", 1, started("call_1"))


def test_only_its_owner_can_read_a_journal(tmp_path: Path) -> None:
    directory = tmp_path / "journal"
    JournalWriter(directory, "w").append(started("call_1"))
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert stat.S_IMODE(segment_path(directory, "w", 1).stat().st_mode) == 0o600


def test_a_line_is_with_the_system_when_append_returns(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path, "w")
    for n in range(3):
        writer.append(started(f"call_{n}"))
        assert len(segment_path(tmp_path, "w", 1).read_bytes().splitlines()) == n + 1


def test_a_full_segment_is_followed_by_the_next(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path, "w", segment_bytes=400)
    calls = [f"call_{n}" for n in range(20)]
    for call in calls:
        writer.append(started(call))
    sizes = [path.stat().st_size for path in tmp_path.glob("w.*.log")]
    assert len(sizes) > 5
    assert max(sizes) <= 400
    assert read_calls(tmp_path) == calls


def test_a_record_larger_than_a_segment_still_fits_alone(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path, "w", segment_bytes=100)
    writer.append(started("call_" + "x" * 500))
    writer.append(started("call_2"))
    assert len(read_calls(tmp_path)) == 2


def test_a_write_that_the_disk_refuses_uses_up_no_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = JournalWriter(tmp_path, "w")
    writer.append(started("call_1"))

    def refuse(_: int, __: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", refuse)
        with pytest.raises(EvidenceUnwritable, match="No space left"):
            writer.append(started("call_2"))
    writer.append(started("call_3"))
    lines = JournalReader(tmp_path).read("w", 1, 0).lines
    assert [(line.seq, line.record.call) for line in lines] == [(1, "call_1"), (2, "call_3")]


def test_a_torn_write_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = JournalWriter(tmp_path, "w")
    write = os.write
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", lambda fd, data: write(fd, data[:10]))
        with pytest.raises(EvidenceUnwritable, match="only part of one"):
            writer.append(started("call_1"))
    writer.append(started("call_2"))
    batch = JournalReader(tmp_path).read("w", 1, 0)
    assert [line.record.call for line in batch.lines] == ["call_2"]
    assert batch.bad == []


def test_a_torn_write_that_cannot_be_taken_back_ends_the_segment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = JournalWriter(tmp_path, "w")
    write = os.write

    def refuse(_: int, __: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", lambda fd, data: write(fd, data[:10]))
        patched.setattr(os, "ftruncate", refuse)
        with pytest.raises(EvidenceUnwritable):
            writer.append(started("call_1"))
    writer.append(started("call_2"))
    reader = JournalReader(tmp_path)
    first = reader.read("w", 1, 0)
    assert [bad.reason for bad in first.bad] == ["torn"]
    second = reader.read("w", first.segment, first.offset)
    assert [(line.seq, line.record.call) for line in second.lines] == [(1, "call_2")]


def test_disk_durability_syncs_every_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(journal, "_datasync", synced.append)
    writer = JournalWriter(tmp_path, "w", durability="disk")
    writer.append(started("call_1"))
    writer.append(started("call_2"))
    assert len(synced) == 2


def test_durability_may_change_at_any_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    monkeypatch.setattr(journal, "_datasync", lambda _: synced.append("line"))
    monkeypatch.setattr(journal, "sync_directory", lambda _: synced.append("name"))
    writer = JournalWriter(tmp_path, "w")
    assert writer.durability == "process"
    writer.append(started("call_1"))
    assert synced == []
    writer.durability = "disk"
    assert writer.durability == "disk"
    writer.append(started("call_2"))
    assert sorted(synced) == ["line", "name"]
    writer.append(started("call_3"))
    assert sorted(synced) == ["line", "line", "name"]
    writer.durability = "process"
    writer.append(started("call_4"))
    assert len(synced) == 3


def test_a_durability_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path, "w")
    with pytest.raises(ValueError, match="durability"):
        writer.durability = "hope"
    with pytest.raises(ValueError, match="durability"):
        JournalWriter(tmp_path, "v", durability="hope")


def test_a_writer_that_gave_a_segment_up_still_counts_as_alive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    writer = JournalWriter(tmp_path, "w", durability="disk")
    with monkeypatch.context() as patched:
        patched.setattr(journal, "_datasync", refuse)
        with pytest.raises(EvidenceUnwritable):
            writer.append(started("call_1"))
    assert not JournalReader(tmp_path).gone("w", 1)
    writer.append(started("call_2"))
    assert JournalReader(tmp_path).writers() == {"w": 2}


def test_a_failed_sync_is_reported_and_its_file_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = JournalWriter(tmp_path, "w", durability="disk")

    def refuse(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(journal, "_datasync", refuse)
        with pytest.raises(EvidenceUnwritable):
            writer.append(started("call_1"))
    writer.append(started("call_2"))
    assert read_calls(tmp_path) == ["call_1", "call_2"]
    assert segment_path(tmp_path, "w", 2).exists()


def test_a_directory_that_cannot_be_made_is_evidence_unwritable(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    writer = JournalWriter(blocked / "journal", "w")
    with pytest.raises(EvidenceUnwritable):
        writer.append(started("call_1"))
    blocked.unlink()
    writer.append(started("call_2"))
    assert read_calls(blocked / "journal") == ["call_2"]


def test_a_segment_that_cannot_be_opened_is_evidence_unwritable(tmp_path: Path) -> None:
    (tmp_path / "w.000001.new").mkdir()
    writer = JournalWriter(tmp_path, "w")
    for _ in range(2):
        with pytest.raises(EvidenceUnwritable):
            writer.append(started("call_1"))
    (tmp_path / "w.000001.new").rmdir()
    writer.append(started("call_2"))
    assert read_calls(tmp_path) == ["call_2"]


def test_a_segment_that_cannot_be_named_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Path, __: Path) -> Path:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(EvidenceUnwritable, match="Read-only"):
        JournalWriter(tmp_path, "w").append(started("call_1"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("sees", [False, True], ids=["unseen", "seen"])
def test_a_segment_whose_name_is_not_on_the_disk_is_there_to_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sees: bool
) -> None:
    writer = JournalWriter(tmp_path, "w", "disk", segment_bytes=650)
    reader, segment, offset = JournalReader(tmp_path), 1, 0
    calls: list[str] = []

    def read() -> None:
        nonlocal segment, offset
        batch = reader.read("w", segment, offset)
        calls.extend(line.record.call for line in batch.lines)
        segment, offset = batch.segment, batch.offset

    def fail(_: object) -> None:
        if sees:
            read()
        raise OSError(errno.EIO, "Input/output error")

    writer.append(started("call_1"))
    with monkeypatch.context() as patch:
        patch.setattr(journal, "sync_directory", fail)
        for _ in range(2):
            with pytest.raises(EvidenceUnwritable):
                writer.append(started("call_2" * 70))
    assert reader.lives("w"), "whoever took it for dead would never read on"
    assert not reader.gone("w", segment)
    writer.append(started("call_3"))
    if not sees:
        read()
    read()
    assert calls == ["call_1", "call_3"]
    assert read_calls(tmp_path) == ["call_1", "call_3"]
    assert reader.writers() == {"w": 2}


def test_a_journal_that_takes_no_line_says_so_before_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    writer = JournalWriter(tmp_path, "w", "disk")
    with monkeypatch.context() as patch:
        patch.setattr(journal, "_datasync", fail)
        with pytest.raises(EvidenceUnwritable):
            writer.append(started("call_1"))
        patch.setattr(journal, "sync_directory", fail)
        for _ in range(2):
            with pytest.raises(EvidenceUnwritable):
                writer.extend(())
    writer.extend(())
    assert JournalReader(tmp_path).writers() == {"w": 2}


def test_a_journal_that_was_removed_is_left_for_another(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    writer = JournalWriter(tmp_path / "journal", "w")
    writer.append(started("call_1"))
    writer.extend(())
    assert not caplog.records
    shutil.rmtree(tmp_path / "journal")
    writer.extend(())
    assert "a journal was removed" in caplog.text
    writer.append(started("call_2"))
    reader = JournalReader(tmp_path / "journal")
    assert reader.read("w", 1, 0).bad[0].reason == "segment is missing"
    assert [line.record.call for line in reader.read("w", 2, 0).lines] == ["call_2"]


def test_what_control_puts_on_record_is_not_written_into_a_file_that_was_removed(
    tmp_path: Path,
) -> None:
    journal = ControlJournal(tmp_path / "journal", "notes")
    journal.append(started("call_1"))
    shutil.rmtree(tmp_path / "journal")
    journal.append(started("call_2"))
    (line,) = JournalReader(tmp_path / "journal").read("notes", 2, 0).lines
    assert line.record.call == "call_2"


def test_a_closed_journal_opens_a_new_segment_when_it_is_used_again(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path, "w")
    writer.append(started("call_1"))
    writer.close()
    writer.close()
    writer.append(started("call_2"))
    assert read_calls(tmp_path) == ["call_1", "call_2"]


def test_writers_have_names_of_their_own() -> None:
    assert writer_name(0, 17, 1000) != writer_name(1, 17, 1000)
    assert writer_name(0, 17, 1000) != writer_name(0, 17, 1001)
    assert writer_name(0, 17, 1000) != writer_name(0, 18, 1000)


def test_records_that_come_together_are_one_write_of_a_line_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    apart, together = JournalWriter(tmp_path / "a", "w"), JournalWriter(tmp_path / "b", "w")
    names = [f"call_{n}" for n in range(5)]
    for name in names:
        apart.append(started(name))
    sizes: list[int] = []
    write = os.write

    def counted(fd: int, data: bytes) -> int:
        sizes.append(len(data))
        return write(fd, data)

    monkeypatch.setattr(os, "write", counted)
    together.append(started(names[0]))
    together.extend([started(name) for name in names[1:]])
    together.extend([])
    assert len(sizes) == 2
    written = segment_path(tmp_path / "b", "w", 1).read_bytes()
    assert written == segment_path(tmp_path / "a", "w", 1).read_bytes()
    assert read_calls(tmp_path / "b") == names


def test_of_records_that_come_together_those_stand_that_a_reader_may_have_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = JournalWriter(tmp_path, "w")
    writer.append(started("call_0"))
    write = os.write
    with monkeypatch.context() as torn:
        torn.setattr(os, "write", lambda fd, data: write(fd, data[: len(data) - 10]))
        with pytest.raises(EvidenceUnwritable, match="only part"):
            writer.extend([started("whole_1"), started("whole_2"), started("torn")])
    writer.extend([started("call_1"), started("call_2")])
    assert read_calls(tmp_path) == ["call_0", "whole_1", "whole_2", "call_1", "call_2"]
    batch = JournalReader(tmp_path).read("w", 1, 0)
    assert [line.seq for line in batch.lines] == [1, 2, 3, 4, 5]


def test_who_demands_the_disk_has_it_on_return_where_there_is_no_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(journal, "_datasync", synced.append)
    writer = JournalWriter(tmp_path, "w", segment_bytes=400)
    for number in range(5):
        writer.append(started(f"call_{number}"))
    assert writer.settled() is None
    assert synced == []
    assert writer.settled(on_disk=True) is None
    assert len(synced) == len(list(tmp_path.glob("*.log")))
    assert writer.settled(on_disk=True) is None
    assert len(synced) == len(list(tmp_path.glob("*.log")))

    def refuse(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(journal, "_datasync", refuse)
    writer.append(started("last"))
    with pytest.raises(EvidenceUnwritable) as refused:
        writer.settled(on_disk=True)
    assert refused.value.written
