from __future__ import annotations

import multiprocessing
import os
import signal
from multiprocessing.connection import Connection
from pathlib import Path
from zlib import crc32

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.schema.records import (
    AttemptRecord,
    CallEnded,
    CallStarted,
    Decision,
    Features,
    Line,
)
from federation.schema.usage import Usage
from federation.storage import journal_reader
from federation.storage.journal import JournalWriter, segment_path
from federation.storage.journal_reader import JournalReader, read_entry


def started(call: str) -> CallStarted:
    return CallStarted(call, 1000, "default", "key_1", "chat", "auto", "acme/large")


def ended(call: str) -> CallEnded:
    usage = Usage(10, 20, 3)
    decision = Decision("auto", "priority", 1, Features(), ())
    attempt = AttemptRecord("acme/large", 1000, 200, "", 1.5, 2.5, usage, 77)
    return CallEnded(
        *(call, 1200, "default", "key_1", "chat", "auto", "ok", 200),
        deployment="acme/large",
        started_ms=1000,
        usage=usage,
        cost_nano=77,
        attempts=(attempt,),
        decision=decision,
    )


def raw(line: Line) -> bytes:
    body = msgspec.json.encode(line)
    return b"%08x %b" % (crc32(body), body)


def put(directory: Path, data: bytes, segment: int = 1) -> None:
    segment_path(directory, "w", segment).write_bytes(data)


def test_reading_goes_on_where_it_stopped(tmp_path: Path) -> None:
    writer, reader = JournalWriter(tmp_path, "w"), JournalReader(tmp_path)
    writer.append(started("call_1"))
    first = reader.read("w", 1, 0)
    writer.append(ended("call_1"))
    second = reader.read("w", first.segment, first.offset)
    assert [line.seq for line in first.lines + second.lines] == [1, 2]
    assert first.drained
    assert reader.read("w", second.segment, second.offset).lines == []


def test_what_an_index_needs_is_read_and_the_line_kept_whole(tmp_path: Path) -> None:
    JournalWriter(tmp_path, "w").append(ended("call_1"))
    (line,) = JournalReader(tmp_path).read("w", 1, 0).lines
    record = line.record
    assert isinstance(record, journal_reader.Ended)
    assert (record.usage.input, record.cost_nano, record.attempts[0].cost_nano) == (10, 77, 77)
    assert msgspec.json.decode(line.json, type=Line) == Line("w", 1, ended("call_1"))


@pytest.mark.parametrize(
    ("lean", "whole"),
    [
        (journal_reader.Began, CallStarted),
        (journal_reader.Ended, CallEnded),
        (journal_reader.Tried, AttemptRecord),
    ],
)
def test_lean_records_name_only_fields_of_the_whole_ones(
    lean: type[msgspec.Struct], whole: type[msgspec.Struct]
) -> None:
    known = {field.name: field for field in msgspec.structs.fields(whole)}
    for field in msgspec.structs.fields(lean):
        assert field.name in known
        if field.name != "attempts":
            assert field.type == known[field.name].type
            assert field.default == known[field.name].default


def test_a_line_without_its_end_is_waited_for(tmp_path: Path) -> None:
    data = raw(Line("w", 1, started("call_1"))) + b"\n"
    put(tmp_path, data + data[:20])
    reader = JournalReader(tmp_path)
    batch = reader.read("w", 1, 0)
    assert len(batch.lines) == 1
    assert (batch.offset, batch.bad, batch.drained) == (len(data), [], True)
    put(tmp_path, data + raw(Line("w", 2, started("call_2"))) + b"\n")
    assert [line.seq for line in reader.read("w", 1, batch.offset).lines] == [2]


def test_a_torn_line_of_a_dead_writer_is_reported_once(tmp_path: Path) -> None:
    put(tmp_path, b"0000")
    reader = JournalReader(tmp_path)
    batch = reader.read("w", 1, 0, gone=True)
    assert [bad.reason for bad in batch.bad] == ["torn"]
    assert reader.read("w", batch.segment, batch.offset, gone=True).bad == []


def test_a_torn_line_before_a_further_segment_is_reported(tmp_path: Path) -> None:
    put(tmp_path, b"0000", 1)
    put(tmp_path, raw(Line("w", 1, started("call_1"))) + b"\n", 2)
    reader = JournalReader(tmp_path)
    batch = reader.read("w", 1, 0)
    assert [bad.reason for bad in batch.bad] == ["torn"]
    assert not batch.drained
    assert len(reader.read("w", batch.segment, batch.offset).lines) == 1


def test_a_bad_line_in_the_middle_is_named_and_passed_over(tmp_path: Path) -> None:
    good = [raw(Line("w", n, started(f"call_{n}"))) for n in (1, 2, 3)]
    middle = good[1].replace(b"call_2", b"call_9")
    put(tmp_path, b"\n".join([good[0], middle, good[2], b""]))
    batch = JournalReader(tmp_path).read("w", 1, 0)
    assert [line.seq for line in batch.lines] == [1, 3]
    assert [(bad.offset, bad.reason) for bad in batch.bad] == [(len(good[0]) + 1, "checksum")]


def test_a_line_that_is_sound_but_no_record_is_bad(tmp_path: Path) -> None:
    body = b'{"writer":"w","seq":1,"record":{"type":"other"}}'
    assert read_entry(body) is None
    put(tmp_path, b"%08x %b\n" % (crc32(body), body))
    batch = JournalReader(tmp_path).read("w", 1, 0)
    assert [bad.reason for bad in batch.bad] == ["not a record"]


def test_a_line_of_another_writer_is_bad(tmp_path: Path) -> None:
    put(tmp_path, raw(Line("other", 1, started("call_1"))) + b"\n")
    batch = JournalReader(tmp_path).read("w", 1, 0)
    assert [bad.reason for bad in batch.bad] == ["another writer's"]


def test_a_missing_segment_between_others_is_reported(tmp_path: Path) -> None:
    put(tmp_path, raw(Line("w", 5, started("call_5"))) + b"\n", 2)
    reader = JournalReader(tmp_path)
    batch = reader.read("w", 1, 0)
    assert [bad.reason for bad in batch.bad] == ["segment is missing"]
    assert len(reader.read("w", batch.segment, batch.offset).lines) == 1


def test_a_segment_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    batch = JournalReader(tmp_path).read("w", 1, 0)
    assert (batch.segment, batch.offset, batch.drained) == (1, 0, True)


@settings(deadline=None)
@given(chunk=st.integers(1, 300), lengths=st.lists(st.integers(1, 200), max_size=12))
def test_any_chunk_size_reads_the_same_lines(
    tmp_path_factory: pytest.TempPathFactory, chunk: int, lengths: list[int]
) -> None:
    directory = tmp_path_factory.mktemp("journal")
    calls = [f"c{n}" + "x" * length for n, length in enumerate(lengths)]
    writer = JournalWriter(directory, "w", segment_bytes=700)
    for call in calls:
        writer.append(started(call))
    writer.close()
    reader = JournalReader(directory, chunk_bytes=chunk)
    segment, offset, seen, drained = 1, 0, [], False
    while not drained:
        batch = reader.read("w", segment, offset)
        seen += [line.record.call for line in batch.lines]
        segment, offset, drained = batch.segment, batch.offset, batch.drained
        assert not batch.bad
    assert seen == calls


def test_writers_are_found_with_their_newest_segment(tmp_path: Path) -> None:
    JournalWriter(tmp_path, "w0-1-1").append(started("call_1"))
    long = JournalWriter(tmp_path, "w1-1-2", segment_bytes=10)
    for n in range(3):
        long.append(started(f"call_{n}"))
    (tmp_path / "notes.txt").write_text("")
    assert JournalReader(tmp_path).writers() == {"w0-1-1": 1, "w1-1-2": 4}
    assert JournalReader(tmp_path / "nowhere").writers() == {}


def test_a_writer_is_gone_when_its_lock_is(tmp_path: Path) -> None:
    writer, reader = JournalWriter(tmp_path, "w", segment_bytes=10), JournalReader(tmp_path)
    assert not reader.gone("w", 1)
    writer.append(started("call_1"))
    assert not reader.gone("w", 2)
    writer.close()
    assert reader.gone("w", 2)
    assert reader.gone("nobody", 1)


def test_a_writer_that_went_on_to_the_next_segment_is_not_gone(tmp_path: Path) -> None:
    writer, reader = JournalWriter(tmp_path, "w", segment_bytes=10), JournalReader(tmp_path)
    writer.append(started("call_1"))
    assert not reader.gone("w", 1)
    writer.close()


def _write_and_wait(directory: Path, ready: Connection) -> None:
    JournalWriter(directory, "w").append(started("call_1"))
    ready.send(True)
    signal.pause()


def test_a_killed_writer_is_gone_and_what_it_wrote_stays(tmp_path: Path) -> None:
    here, there = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=_write_and_wait, args=(tmp_path, there))
    process.start()
    assert here.recv()
    reader = JournalReader(tmp_path)
    assert not reader.gone("w", 1)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert reader.gone("w", 1)
    assert [line.record.call for line in reader.read("w", 1, 0).lines] == ["call_1"]
