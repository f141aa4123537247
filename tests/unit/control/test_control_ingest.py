from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from federation.control.ingest import Ingest
from federation.errors import Unavailable
from federation.schema.records import CallEnded, CallStarted
from federation.storage.entries import CallFilter, Position
from federation.storage.journal import JournalWriter, segment_path
from federation.storage.journal_reader import Batch, Began, Entry, JournalReader
from federation.storage.memory import MemoryCalls


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Failing(MemoryCalls):
    """A store that refuses the first lines that it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.refusals = 1

    def take(
        self, writer: str, lines: Sequence[Entry], position: Position, after: Position | None = None
    ) -> None:
        if self.refusals:
            self.refusals -= 1
            raise Unavailable("The store is full.")
        super().take(writer, lines, position, after)


def started(call: str) -> CallStarted:
    return CallStarted(call, 999_000, "default", "key_1", "chat", "auto", "acme/large")


def ended(call: str) -> CallEnded:
    return CallEnded(call, 999_500, "default", "key_1", "chat", "auto", "ok", 200)


def outcomes(calls: MemoryCalls) -> dict[str, str]:
    return {entry.record.call: entry.outcome for entry in calls.page(CallFilter(None, limit=999))}


def test_what_is_written_is_taken_in(tmp_path: Path) -> None:
    calls, clock = MemoryCalls(), Clock()
    ingest = Ingest(JournalReader(tmp_path, chunk_bytes=100), calls, clock)
    one, two = JournalWriter(tmp_path, "w0", segment_bytes=500), JournalWriter(tmp_path, "w1")
    for n in range(10):
        one.append(started(f"a{n}"))
        one.append(ended(f"a{n}"))
        two.append(started(f"b{n}"))
    ingest.run()
    assert outcomes(calls) == {f"a{n}": "ok" for n in range(10)} | {
        f"b{n}": "running" for n in range(10)
    }
    assert (ingest.progress.lines, ingest.progress.bad, ingest.progress.lag_ms) == (30, 0, 1000)
    ingest.run()
    assert ingest.progress.lines == 30


def test_what_a_dead_writer_spent_is_told_at_once_and_what_a_live_one_spends_as_it_comes(
    tmp_path: Path,
) -> None:
    told: dict[str, list[dict[str, int]]] = {"dead": [], "live": []}
    for name in told:
        writer = JournalWriter(tmp_path, name, segment_bytes=900)
        for n in range(9):
            writer.append(structs.replace(ended(f"{name}{n}"), pots={"a": n, f"b{n}": 1}))
        if name == "dead":
            writer.close()
    ingest = Ingest(JournalReader(tmp_path, chunk_bytes=700), MemoryCalls(), Clock())
    ingest.on_spent = lambda writer, totals: told[writer].append(dict(totals))
    ingest.run()
    assert told["dead"] == [{"a": 8} | {f"b{n}": 1 for n in range(9)}]
    assert len(told["live"]) > 1


def test_an_heir_goes_on_where_the_dead_left_off(tmp_path: Path) -> None:
    calls, clock = MemoryCalls(), Clock()
    writer = JournalWriter(tmp_path, "w")
    writer.append(started("call_1"))
    Ingest(JournalReader(tmp_path), calls, clock).run()
    writer.append(ended("call_1"))
    heir = Ingest(JournalReader(tmp_path), calls, clock)
    heir.run()
    assert heir.progress.lines == 1
    assert outcomes(calls) == {"call_1": "ok"}


def test_a_store_that_refuses_loses_nothing(tmp_path: Path) -> None:
    calls = Failing()
    ingest = Ingest(JournalReader(tmp_path), calls, Clock())
    JournalWriter(tmp_path, "w").append(ended("call_1"))
    with pytest.raises(Unavailable):
        ingest.run()
    assert ingest.progress.lines == 0
    ingest.run()
    assert outcomes(calls) == {"call_1": "ok"}


class Restored(MemoryCalls):
    """A store that becomes an older copy of itself."""

    def restore(self, older: dict[str, Position], lacks: set[str]) -> None:
        self._positions = older
        self._calls = {call: row for call, row in self._calls.items() if call not in lacks}


def test_what_a_restored_store_lacks_is_taken_in_again_while_control_lives(tmp_path: Path) -> None:
    calls, clock = Restored(), Clock()
    ingest = Ingest(JournalReader(tmp_path), calls, clock)
    lives, dies = JournalWriter(tmp_path, "w0"), JournalWriter(tmp_path, "w1")
    lives.append(ended("call_1"))
    ingest.run()
    older = calls.positions()
    lives.append(ended("call_2"))
    dies.append(ended("call_3"))
    dies.close()
    clock.now += 1.0
    ingest.run()
    assert calls.positions()["w1"].closed
    calls.restore(older, {"call_2", "call_3"})
    lives.append(ended("call_4"))
    with pytest.raises(Unavailable, match="older copy"):
        ingest.run()
    assert set(outcomes(calls)) == {"call_1"}, "it does not go on after what is missing"
    clock.now += 1.0
    ingest.run()
    assert outcomes(calls) == {f"call_{n}": "ok" for n in (1, 2, 3, 4)}
    assert calls.positions()["w1"].closed


def test_a_writer_that_ends_is_not_closed_in_a_store_that_lacks_its_lines(tmp_path: Path) -> None:
    calls, clock = Restored(), Clock()
    ingest = Ingest(JournalReader(tmp_path), calls, clock)
    writer = JournalWriter(tmp_path, "w")
    writer.append(ended("call_1"))
    ingest.run()
    calls.restore({}, {"call_1"})
    writer.close()
    clock.now += 1.0
    with pytest.raises(Unavailable, match="older copy"):
        ingest.run()
    clock.now += 1.0
    ingest.run()
    assert outcomes(calls) == {"call_1": "ok"}
    assert calls.positions()["w"].closed


def test_running_calls_of_a_dead_worker_are_lost_within_the_second(tmp_path: Path) -> None:
    calls, clock = MemoryCalls(), Clock()
    ingest = Ingest(JournalReader(tmp_path), calls, clock)
    writer = JournalWriter(tmp_path, "w")
    writer.append(started("call_1"))
    writer.append(started("call_2"))
    ingest.run()
    writer.append(ended("call_2"))
    writer.close()
    clock.now += 1.0
    ingest.run()
    assert outcomes(calls) == {"call_1": "lost", "call_2": "ok"}
    assert ingest.progress.lost == 1
    assert calls.positions()["w"].closed


def test_a_worker_that_died_is_found_dead_though_the_clock_was_set_back(tmp_path: Path) -> None:
    calls, clock = MemoryCalls(), Clock()
    ingest = Ingest(JournalReader(tmp_path), calls, clock)
    writer = JournalWriter(tmp_path, "w")
    writer.append(started("call_1"))
    ingest.run()
    clock.now -= 900.0
    writer.close()
    ingest.run()
    assert outcomes(calls) == {"call_1": "lost"}


def test_a_closed_journal_is_not_read_again(tmp_path: Path) -> None:
    calls, clock = MemoryCalls(), Clock()
    writer = JournalWriter(tmp_path, "w")
    writer.append(ended("call_1"))
    writer.close()
    Ingest(JournalReader(tmp_path), calls, clock).run()
    assert calls.positions()["w"].closed
    segment_path(tmp_path, "w", 1).write_bytes(b"garbage\n")
    again = Ingest(JournalReader(tmp_path), calls, clock)
    again.run()
    assert again.progress.bad == 0


def test_a_bad_line_is_counted_and_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    writer = JournalWriter(tmp_path, "w")
    path = segment_path(tmp_path, "w", 1)
    writer.append(ended("call_1"))
    writer.append(ended("call_2"))
    writer.append(ended("call_3"))
    path.write_bytes(path.read_bytes().replace(b"call_2", b"call_x"))
    calls = MemoryCalls()
    ingest = Ingest(JournalReader(tmp_path), calls, Clock())
    with caplog.at_level(logging.ERROR):
        ingest.run()
    assert set(outcomes(calls)) == {"call_1", "call_3"}
    assert ingest.progress.bad == 1
    assert [record.message for record in caplog.records] == [
        "a journal line cannot be read",
        "a journal has a gap",
    ]
    assert vars(caplog.records[0])["reason"] == "checksum"


def test_what_a_writer_says_after_the_last_look_and_before_its_death_is_no_loss(
    tmp_path: Path,
) -> None:
    writer = JournalWriter(tmp_path, "w")
    writer.append(started("call_1"))
    last_words = [ended("call_1")]

    class Dying(JournalReader):
        def read(self, *place: Any, **how: Any) -> Batch:
            found = super().read(*place, **how)
            for record in last_words:
                writer.append(record)
                writer.close()
            last_words.clear()
            return found

    ingest = Ingest(Dying(tmp_path), calls := MemoryCalls(), clock := Clock())
    ingest.run()
    clock.now += 1.0
    ingest.run()
    assert outcomes(calls) == {"call_1": "ok"}
    assert ingest.progress.lost == 0


def test_a_line_that_is_read_again_is_told_once(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path, "w")
    path = segment_path(tmp_path, "w", 1)
    ingest = Ingest(JournalReader(tmp_path), calls := MemoryCalls(), Clock())
    told: list[int] = []
    ingest.on_lines = lambda lines: told.extend(line.seq for line in lines)
    writer.append(started("call_1"))
    writer.append(ended("call_1"))
    ingest.run()
    again = path.read_bytes()
    writer.append(ended("call_2"))
    path.write_bytes(again + path.read_bytes())
    ingest.run()
    assert told == [1, 2, 3]
    assert ingest.progress.lines == 3
    assert calls.positions()["w"].seq == 3


def test_an_empty_directory_is_no_work(tmp_path: Path) -> None:
    ingest = Ingest(JournalReader(tmp_path / "journal"), MemoryCalls(), Clock())
    ingest.run()
    assert ingest.progress.lines == 0


def test_a_journal_of_bad_lines_alone_is_passed_over_once(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path, "w")
    segment_path(tmp_path, "w", 1).write_bytes(b"garbage\n")
    calls = MemoryCalls()
    ingest = Ingest(JournalReader(tmp_path), calls, Clock())
    ingest.run()
    ingest.run()
    assert (ingest.progress.lines, ingest.progress.bad) == (0, 1)
    assert calls.positions()["w"] == Position(1, 8, 0)
    writer.close()


def test_what_a_writer_elsewhere_left_is_lost_and_only_that(tmp_path: Path) -> None:
    calls = MemoryCalls()
    ingest = Ingest(JournalReader(tmp_path), calls, Clock())
    writer = JournalWriter(tmp_path, "ours")
    writer.append(started("a"))
    ingest.run()
    theirs = Entry("theirs", 1, Began("b", 1, "default", "key_1", "auto", ""), b"{}")
    calls.take("theirs", [theirs], Position(1, 10, 1))
    ingest.abandon("ours")
    ingest.abandon("theirs")
    assert outcomes_by_writer(calls) == {"ours": 1, "theirs": 0}
    writer.close()


def outcomes_by_writer(calls: MemoryCalls) -> dict[str, int]:
    """How many calls each has under way."""
    return {writer: len(calls.running(writer)) for writer in ("ours", "theirs")}
