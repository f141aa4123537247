from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import AsyncIterator
from pathlib import Path
from threading import Thread

import pytest
from forgetful_disk import ForgetfulDisk
from hypothesis import event, given, settings
from hypothesis import strategies as st

from federation.errors import EvidenceUnwritable
from federation.schema.records import CallStarted
from federation.storage import group_commit, journal
from federation.storage.group_commit import GroupCommit
from federation.storage.journal import JournalWriter


def started(call: str) -> CallStarted:
    return CallStarted(call, 1000, "default", "key_1", "chat", "auto", "acme/large")


class Room:
    """A journal, and a second file whose lines its own name."""

    def __init__(self, directory: Path, segment_bytes: int = 1 << 20) -> None:
        self.directory = directory
        self.commit = GroupCommit()
        self.journal = JournalWriter(directory, "j", "disk", segment_bytes, self.commit)
        self.spool = JournalWriter(directory, "s", "disk", segment_bytes, self.commit)

    def close(self) -> None:
        self.commit.close()
        self.journal.close()
        self.spool.close()


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> ForgetfulDisk:
    return ForgetfulDisk(monkeypatch)


@pytest.fixture
async def room(tmp_path: Path, disk: ForgetfulDisk) -> AsyncIterator[Room]:
    made = Room(tmp_path)
    yield made
    disk.goes_on.set()
    disk.fails = None
    made.close()


async def has_begun(disk: ForgetfulDisk) -> None:
    assert await asyncio.to_thread(disk.begun.acquire, True, 10)


async def test_under_process_durability_nobody_waits(room: Room, disk: ForgetfulDisk) -> None:
    room.journal.durability = "process"
    room.journal.append(started("a"))
    assert room.journal.settled() is None
    await asyncio.sleep(0.05)
    assert disk.syncs == []


async def test_who_demands_the_disk_gets_it_under_process_durability_too(
    tmp_path: Path, disk: ForgetfulDisk
) -> None:
    room = Room(tmp_path, segment_bytes=400)
    room.journal.durability = room.spool.durability = "process"
    for number in range(9):
        room.journal.append(started(f"{number}"))
    room.spool.append(started("content"))
    names = sorted(path.name for path in tmp_path.glob("j.*.log"))
    assert len(names) > 2
    await asyncio.sleep(2.5 * group_commit._SOON_S)
    assert disk.syncs == []
    (tmp_path / names[1]).unlink()  # as it is once it was taken in and kept long enough
    waits = room.journal.settled(on_disk=True)
    assert waits is not None
    await waits
    assert disk.syncs == ["s.000001.log", names[0], *names[2:]]
    assert room.journal.settled(on_disk=True) is None
    room.journal.append(started("calm"))
    assert room.journal.settled() is None
    await asyncio.sleep(2.5 * group_commit._SOON_S)
    assert disk.syncs == ["s.000001.log", names[0], *names[2:]]
    room.close()


async def test_who_waits_goes_on_when_the_line_is_on_the_disk(
    room: Room, disk: ForgetfulDisk
) -> None:
    disk.goes_on.clear()
    room.journal.append(started("a"))
    waits = room.journal.settled()
    assert waits is not None
    await has_begun(disk)
    await asyncio.sleep(0.02)
    assert not asyncio.ensure_future(waits).done()
    assert disk.after_a_loss_of_power(room.directory) == []
    disk.goes_on.set()
    await waits
    assert disk.after_a_loss_of_power(room.directory) == [("started", "a")]
    assert room.journal.settled() is None


async def test_a_disk_that_does_not_answer_holds_up_no_end(
    tmp_path: Path, disk: ForgetfulDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_commit, "_END_S", 0.1)
    room = Room(tmp_path)
    disk.goes_on.clear()
    room.journal.append(started("a"))
    assert room.journal.settled() is not None
    await has_begun(disk)
    with pytest.raises(EvidenceUnwritable, match="no answer"):
        room.commit.close()
    disk.goes_on.set()
    monkeypatch.undo()
    room.close()
    assert disk.after_a_loss_of_power(tmp_path) == [("started", "a")]


async def test_all_that_come_while_a_sync_runs_share_the_next(
    room: Room, disk: ForgetfulDisk
) -> None:
    disk.goes_on.clear()
    room.journal.append(started("first"))
    first = room.journal.settled()
    await has_begun(disk)
    waits = []
    for number in range(50):
        room.journal.append(started(f"later {number}"))
        waits.append(room.journal.settled())
    disk.goes_on.set()
    assert first is not None
    await first
    await asyncio.gather(*[one for one in waits if one is not None])
    assert len(waits) == len([one for one in waits if one is not None]) == 50
    assert disk.syncs == ["j.000001.log"] * 2
    assert len(disk.after_a_loss_of_power(room.directory)) == 51


async def test_a_line_written_while_a_sync_runs_is_not_taken_for_safe_when_it_ends(
    room: Room, disk: ForgetfulDisk
) -> None:
    disk.goes_on.clear()
    room.journal.append(started("first"))
    first = room.journal.settled()
    await has_begun(disk)
    room.journal.append(started("second"))
    second = room.journal.settled()
    assert first is not None
    assert second is not None
    disk.fails = None
    disk.goes_on.set()
    await first
    if ("started", "second") not in disk.after_a_loss_of_power(room.directory):
        assert not asyncio.ensure_future(second).done()
    await second
    assert ("started", "second") in disk.after_a_loss_of_power(room.directory)


async def test_what_nobody_waits_for_is_on_the_disk_soon(room: Room, disk: ForgetfulDisk) -> None:
    for number in range(3):
        room.journal.append(started(f"{number}"))
    await has_begun(disk)
    await asyncio.sleep(0.01)
    assert len(disk.after_a_loss_of_power(room.directory)) == 3
    assert disk.syncs == ["j.000001.log"]
    await asyncio.sleep(2.5 * group_commit._SOON_S)
    assert disk.syncs == ["j.000001.log"]


async def test_what_a_line_names_is_on_the_disk_before_it(room: Room, disk: ForgetfulDisk) -> None:
    room.spool.append(started("content"))
    room.journal.append(started("record"))
    waits = room.journal.settled()
    assert waits is not None
    await waits
    assert disk.syncs == ["s.000001.log", "j.000001.log"]


async def test_who_waits_for_a_line_that_names_what_is_lost_is_refused(
    room: Room, disk: ForgetfulDisk
) -> None:
    disk.fails = "s.0"
    room.spool.append(started("content"))
    room.journal.append(started("record"))
    waits = room.journal.settled()
    assert waits is not None
    with pytest.raises(EvidenceUnwritable):
        await waits
    disk.fails = None
    room.spool.append(started("more"))
    room.journal.append(started("and its record"))
    waits = room.journal.settled()
    assert waits is not None
    await waits
    assert disk.after_a_loss_of_power(room.directory) == [
        ("started", "record"),
        ("started", "and its record"),
        ("started", "more"),
    ]


async def test_a_failed_sync_refuses_all_who_wait_and_its_file_is_left(
    room: Room, disk: ForgetfulDisk
) -> None:
    disk.goes_on.clear()
    disk.fails = "j.0"
    room.journal.append(started("first"))
    waits = [room.journal.settled()]
    await has_begun(disk)
    room.journal.append(started("second"))
    waits.append(room.journal.settled())
    disk.goes_on.set()
    said = await asyncio.gather(*[one for one in waits if one is not None], return_exceptions=True)
    assert [type(fault) for fault in said] == [EvidenceUnwritable] * 2
    assert said[0] is not said[1], "each is told of its own call"
    assert all(isinstance(fault, EvidenceUnwritable) and fault.written for fault in said)
    assert room.journal.settled() is None, "there is nothing left to wait for"
    disk.fails = None
    room.journal.append(started("third"))
    waits = [room.journal.settled()]
    assert waits[0] is not None
    await waits[0]
    assert disk.syncs == ["j.000002.log"]


async def test_nobody_is_left_waiting_when_there_are_no_descriptors(
    room: Room, monkeypatch: pytest.MonkeyPatch, disk: ForgetfulDisk
) -> None:
    def none_left(_: int) -> int:
        raise OSError(24, "Too many open files")

    room.journal.append(started("a"))
    with monkeypatch.context() as patch:
        patch.setattr(os, "dup", none_left)
        waits = room.journal.settled()
        assert waits is not None
        with pytest.raises(EvidenceUnwritable, match="Too many open files"):
            await waits
    room.journal.append(started("b"))
    waits = room.journal.settled()
    assert waits is not None
    await waits
    assert [call for _, call in disk.after_a_loss_of_power(room.directory)] == ["a", "b"]


async def test_an_older_segment_that_cannot_be_opened_is_not_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, disk: ForgetfulDisk
) -> None:
    def none_left(*_: object) -> None:
        raise OSError(24, "Too many open files")

    room = Room(tmp_path, segment_bytes=400)
    for number in range(5):
        room.journal.append(started(f"{number}"))
    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", none_left)
        waits = room.journal.settled()
        assert waits is not None
        with pytest.raises(EvidenceUnwritable, match="Too many open files"):
            await waits
    room.journal.append(started("5"))
    waits = room.journal.settled()
    assert waits is not None
    await waits
    assert [call for _, call in disk.after_a_loss_of_power(tmp_path)] == list("012345")
    room.close()


async def test_nobody_is_left_waiting_when_no_thread_can_be_started(
    room: Room, monkeypatch: pytest.MonkeyPatch, disk: ForgetfulDisk
) -> None:
    def none_left(_: Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(Thread, "start", none_left)
        for name in "ab":
            room.journal.append(started(name))
            waits = room.journal.settled()
            assert waits is not None
            with pytest.raises(EvidenceUnwritable):
                async with asyncio.timeout(5):
                    await waits
    room.journal.append(started("c"))
    waits = room.journal.settled()
    assert waits is not None
    await waits
    assert [call for _, call in disk.after_a_loss_of_power(room.directory)] == list("abc")


async def test_nobody_is_left_waiting_when_a_sync_ends_in_a_way_that_nobody_foresaw(
    room: Room, monkeypatch: pytest.MonkeyPatch, disk: ForgetfulDisk
) -> None:
    def fails(_: int) -> None:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(journal, "_datasync", fails)
        for name in "ab":
            room.journal.append(started(name))
            waits = room.journal.settled()
            assert waits is not None
            with pytest.raises(EvidenceUnwritable):
                async with asyncio.timeout(5):
                    await waits
    room.journal.append(started("c"))
    waits = room.journal.settled()
    assert waits is not None
    await waits
    assert [call for _, call in disk.after_a_loss_of_power(room.directory)] == ["c"]


async def test_who_no_longer_waits_holds_nobody_up(room: Room, disk: ForgetfulDisk) -> None:
    disk.goes_on.clear()
    room.journal.append(started("gone"))
    gone = room.journal.settled()
    room.journal.append(started("here"))
    here = room.journal.settled()
    assert gone is not None
    assert here is not None
    asyncio.ensure_future(gone).cancel()
    disk.goes_on.set()
    await here


async def test_who_waits_while_the_durability_is_lowered_goes_on(
    room: Room, disk: ForgetfulDisk
) -> None:
    disk.goes_on.clear()
    room.journal.append(started("a"))
    waits = room.journal.settled()
    assert waits is not None
    room.journal.durability = "process"
    disk.goes_on.set()
    async with asyncio.timeout(5):
        await waits
    syncs = len(disk.syncs)
    room.journal.append(started("b"))
    await asyncio.sleep(2.5 * group_commit._SOON_S)
    assert len(disk.syncs) == syncs


async def test_the_end_of_a_segment_is_synced_after_the_next_was_begun(
    tmp_path: Path, disk: ForgetfulDisk
) -> None:
    room = Room(tmp_path, segment_bytes=400)
    for number in range(9):
        room.journal.append(started(f"{number}"))
    assert len(list(tmp_path.glob("j.*.log"))) > 2
    assert disk.syncs == [], "the loop is not held up"
    waits = room.journal.settled()
    assert waits is not None
    await waits
    assert [call for _, call in disk.after_a_loss_of_power(tmp_path)] == list("012345678")
    room.close()


async def test_a_segments_name_is_on_the_disk_before_anybody_goes_on(
    tmp_path: Path, disk: ForgetfulDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sync(directory: Path) -> None:
        assert directory == tmp_path
        disk.syncs.append(f"names of {len(list(tmp_path.glob('*.log')))}")
        if disk.fails == "names":
            raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(journal, "sync_directory", sync)
    commit = GroupCommit()
    writer = JournalWriter(tmp_path, "j", "disk", 700, commit)
    assert disk.syncs == [], "the loop is not held up"
    for number in range(6):
        writer.append(started(f"{number}"))
        waits = writer.settled()
        assert waits is not None
        await waits
    assert disk.syncs.count("names of 1") == 1
    assert disk.syncs.index("names of 1") == 1
    assert disk.syncs[-1] in ("names of 2", "j.000002.log", "j.000003.log")
    assert disk.syncs.count("names of 2") == 1
    disk.fails = "names"
    while not disk.syncs[-1].startswith("names of 3"):
        writer.append(started("more"))
        waits = writer.settled()
        assert waits is not None
        if len(list(tmp_path.glob("*.log"))) < 3:
            await waits
            continue
        with pytest.raises(EvidenceUnwritable):
            await waits
    disk.fails = None
    writer.append(started("last"))
    waits = writer.settled()
    assert waits is not None
    await waits
    assert disk.syncs[-1] == "names of 4"
    commit.close()
    writer.close()


async def test_closing_syncs_what_is_left(tmp_path: Path, disk: ForgetfulDisk) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    room = Room(tmp_path)
    room.journal.append(started("a"))
    waits = room.journal.settled()
    assert waits is not None
    await waits
    room.spool.append(started("b"))
    room.close()
    room.close()
    assert [call for _, call in disk.after_a_loss_of_power(tmp_path)] == ["a", "b"]
    assert len(list(Path("/proc/self/fd").iterdir())) == before


async def test_closing_tells_what_the_disk_refuses(tmp_path: Path, disk: ForgetfulDisk) -> None:
    room = Room(tmp_path)
    room.journal.append(started("a"))
    disk.fails = "j.0"
    with pytest.raises(EvidenceUnwritable):
        room.commit.close()


_WRITTEN = st.sampled_from([["journal"], ["journal", "wait"], ["spool", "journal", "wait"]])
_BETWEEN = st.sampled_from([["turn"], ["hold"], ["go on"], ["fail"], ["mend"], []])
_STEPS = st.lists(st.one_of(_WRITTEN, _BETWEEN), min_size=5, max_size=40)


class Play:
    """Steps in some order, and what must be true of whoever waits in between."""

    def __init__(self, room: Room, disk: ForgetfulDisk) -> None:
        self._room = room
        self._disk = disk
        self._written: set[str] = set()
        self.told = 0
        self.refused = 0

    async def run(self, steps: list[str]) -> None:
        room, disk = self._room, self._disk
        waiting = []
        for number, step in enumerate(steps):
            if step in ("journal", "spool"):
                (room.spool if step == "spool" else room.journal).append(started(f"{number}"))
                self._written.add(f"{number}")
            elif step == "wait":
                waiting.append(asyncio.create_task(self._wait()))
                await asyncio.sleep(0)
            elif step == "turn":
                await asyncio.sleep(0.001)
            elif step in ("hold", "go on"):
                disk.goes_on.set() if step == "go on" else disk.goes_on.clear()
            else:
                disk.fails = ".log" if step == "fail" else None
        disk.goes_on.set()
        async with asyncio.timeout(10):
            await asyncio.gather(*waiting)
        disk.fails = None

    async def _wait(self) -> None:
        written = set(self._written)
        settling = self._room.journal.settled()
        if settling is None:
            return
        try:
            await settling
        except EvidenceUnwritable:
            self.refused += 1
            return
        self.told += 1
        directory, disk = self._room.directory, self._disk
        left = disk.after_a_loss_of_power(directory) + disk.in_what_was_given_up(directory)
        assert written <= {call for _, call in left}


@settings(deadline=None, max_examples=100)
@given(groups=_STEPS, segment_bytes=st.sampled_from([300, 700, 1 << 20]))
def test_whoever_was_told_that_all_is_safe_finds_it_after_a_loss_of_power(
    tmp_path_factory: pytest.TempPathFactory, groups: list[list[str]], segment_bytes: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        disk = ForgetfulDisk(patch)

        async def run() -> Play:
            room = Room(tmp_path_factory.mktemp("journal"), segment_bytes)
            play = Play(room, disk)
            try:
                await play.run([step for group in groups for step in group])
            finally:
                disk.goes_on.set()
                disk.fails = None
                room.close()
            return play

        play = asyncio.run(run())
        event(f"told {min(play.told, 3)}, refused {min(play.refused, 3)}")


class NoThread(Thread):
    """What a system gives that has reached its limit of threads."""

    def start(self) -> None:
        raise RuntimeError("can't start new thread")


@pytest.mark.parametrize("begun", [True, False])
async def test_closing_syncs_what_is_left_where_there_is_no_thread_to_be_had(
    tmp_path: Path, disk: ForgetfulDisk, monkeypatch: pytest.MonkeyPatch, begun: bool
) -> None:
    room = Room(tmp_path)
    if begun:
        room.journal.append(started("a"))
        waits = room.journal.settled()
        assert waits is not None
        await waits
    room.spool.append(started("b"))
    monkeypatch.setattr(group_commit, "Thread", NoThread)

    room.commit.close()

    calls = [call for _, call in disk.after_a_loss_of_power(tmp_path)]
    assert calls == (["a", "b"] if begun else ["b"])
    room.close()


async def test_closing_without_a_thread_ends_though_the_disk_does_not_answer(
    room: Room, disk: ForgetfulDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk.goes_on.clear()
    room.journal.append(started("a"))
    room.journal.settled()
    await has_begun(disk)
    monkeypatch.setattr(group_commit, "Thread", NoThread)
    monkeypatch.setattr(group_commit, "_END_S", 0.1)

    with pytest.raises(EvidenceUnwritable, match="TimeoutError"):
        room.commit.close()
