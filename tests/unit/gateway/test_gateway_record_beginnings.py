"""Beginnings of calls: on record while the provider works, those of one turn in one write."""

from __future__ import annotations

import asyncio
import errno
import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from gateway_rig import eventually

from federation.errors import EvidenceUnwritable, NotFound
from federation.gateway.call import Account, Call
from federation.gateway.pseudonyms import Pseudonyms
from federation.gateway.receipts import Receipts
from federation.gateway.retrying_journal import RetryingJournal
from federation.gateway.stages.record import Recorder, on_record
from federation.governance.obligations import Obligations
from federation.schema.http import ClientReply
from federation.schema.records import CallEnded, CallStarted, Record
from federation.storage import journal
from federation.storage.journal import JournalWriter
from federation.telemetry import metrics
from federation.telemetry.meter import Meter


class Books:
    """A journal that remembers what was written at once."""

    def __init__(self) -> None:
        self.writes: list[list[str]] = []
        self.broken = False
        self.refused = ""
        """Lines with this in them are refused."""

    def append(self, record: Record) -> None:
        self.extend([record])

    def doubt(self) -> None:
        return None

    def settled(self, *, on_disk: bool = False) -> None:
        """What is written is safe."""

    def extend(self, records: Sequence[Record]) -> None:
        names = [self._named(record) for record in records]
        if self.broken or any(self.refused in name for name in names if self.refused):
            raise EvidenceUnwritable("The journal cannot be written.")
        if names:
            self.writes.append(names)

    def _named(self, record: Record) -> str:
        if isinstance(record, CallStarted):
            return f"{record.call} began at {record.deployment}"
        assert isinstance(record, CallEnded)
        return f"{record.call} {record.outcome}"


def call(name: str) -> Call:
    ask = SimpleNamespace(tags={}, session="", user="")
    glance = SimpleNamespace(model="m", stream=False, user="", ask=ask)
    key = SimpleNamespace(tenant="t", id="k", user="", team="")
    account = Account()
    return cast(
        "Call",
        SimpleNamespace(
            id=name, operation="chat", started=0.0, started_ms=1, account=account,
            glance=glance, key=key, request=SimpleNamespace(body=b"said", sent=None, headers={}),
        ),
    )  # fmt: skip


def demanding(name: str) -> Call:
    """A call under a policy that demands records."""
    made = call(name)
    ruling = SimpleNamespace(obligations=Obligations(logged=True), policies=())
    made.account.ruled = cast("Any", SimpleNamespace(ruling=ruling))
    return made


class Desk:
    """A recorder before a provider that answers when it is told to."""

    def __init__(self) -> None:
        self.books = Books()
        self.meter = Meter()
        self.told: list[str] = []
        self.asked: list[str] = []
        self.answer = asyncio.Event()
        self.owing = RetryingJournal(self.books)
        self.recorder = Recorder(
            self.owing,
            self.meter,
            lambda record: self.told.append(record.call),
            lambda: 1.0,
            Pseudonyms(),
            Receipts(),
        )

    async def provider(self, asked: Call) -> ClientReply:
        self.asked.append(asked.id)
        asked.account.deployment = f"p/{asked.id}"
        await self.answer.wait()
        return ClientReply(200, [], b"")

    async def nobody(self, _: Call) -> ClientReply:
        raise NotFound("There is no such model.")

    def ask(self, *names: str) -> list[asyncio.Task[ClientReply]]:
        async def one(name: str) -> ClientReply:
            return await self.recorder(call(name), self.provider)

        return [asyncio.create_task(one(name)) for name in names]


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_calls_that_begin_in_one_turn_share_a_write_and_later_ones_have_their_own() -> None:
    desk = Desk()
    tasks = desk.ask("a", "b", "c")
    await turns(3)
    assert desk.books.writes == [[f"{name} began at p/{name}" for name in "abc"]]
    tasks += desk.ask("d")
    await turns(3)
    assert desk.books.writes[1:] == [["d began at p/d"]]
    desk.answer.set()
    await asyncio.gather(*tasks)
    assert sorted(desk.books.writes[2:]) == [[f"{name} ok"] for name in "abcd"]
    assert desk.told == list("abcd")


async def test_a_call_that_ends_in_the_turn_of_its_beginning_leaves_its_end_alone() -> None:
    desk = Desk()
    waiting = desk.ask("a")
    with pytest.raises(NotFound):
        await desk.recorder(call("refused"), desk.nobody)
    await turns(3)
    assert desk.books.writes == [["refused error"], ["a began at p/a"]]
    desk.answer.set()
    await asyncio.gather(*waiting)


async def test_where_all_of_a_turn_have_ended_nothing_is_written() -> None:
    desk = Desk()
    with pytest.raises(NotFound):
        await desk.recorder(call("refused"), desk.nobody)
    desk.books.broken = True
    await turns(3)
    assert desk.books.writes == [["refused error"]]
    assert not desk.meter.drain().counters


async def test_beginnings_that_the_journal_refuses_are_counted_and_the_next_call_is_refused() -> (
    None
):
    desk = Desk()
    desk.books.broken = True
    tasks = desk.ask("a", "b")
    await turns(3)
    assert desk.meter.drain().counters == {metrics.JOURNAL_ERRORS: 2.0}
    with pytest.raises(EvidenceUnwritable):
        await desk.recorder(call("c"), desk.provider)
    desk.books.broken = False
    desk.answer.set()
    await asyncio.gather(*tasks)
    assert desk.books.writes == [["a ok"], ["b ok"]]


async def test_while_an_end_is_owed_nobody_is_asked_and_it_is_written_first() -> None:
    desk = Desk()
    (task,) = desk.ask("a")
    await turns(3)
    desk.books.refused = "ok"
    desk.answer.set()
    with pytest.raises(EvidenceUnwritable) as refusal:
        await task
    assert refusal.value.call_id == "a"
    # The beginning of another call would fit, but the first has no end on record.
    desk.books.refused = "error"
    for name in "bc":
        with pytest.raises(EvidenceUnwritable):
            await desk.recorder(call(name), desk.provider)
    assert desk.asked == ["a"]
    assert desk.books.writes == [["a began at p/a"]]
    # Nor does one begin that has come this far already.
    with pytest.raises(EvidenceUnwritable):
        on_record(desk.owing, demanding("late"), "p/late")
    desk.books.refused = ""
    await desk.recorder(call("d"), desk.provider)
    lines = [line for lines in desk.books.writes for line in lines]
    assert lines == ["a began at p/a", "a error", "d began at ", "d ok"]
    assert desk.told == ["a", "d"]


async def test_what_is_owed_is_written_though_nobody_calls(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("federation.gateway.stages.record._RETRY_S", 0.01)
    desk = Desk()
    (task,) = desk.ask("a")
    await turns(3)
    desk.books.refused = " ok"
    desk.answer.set()
    with pytest.raises(EvidenceUnwritable):
        await task
    desk.books.broken = True
    await asyncio.sleep(0.05)
    assert desk.books.writes == [["a began at p/a"]]
    desk.books.broken = False
    await eventually(lambda: len(desk.books.writes) == 2)
    assert desk.books.writes[1:] == [["a error"]]


async def test_a_policy_that_demands_records_has_them_written_before_anything_leaves() -> None:
    desk = Desk()
    desk.answer.set()
    first = demanding("a")

    async def provider(asked: Call) -> ClientReply:
        on_record(desk.owing, asked, "p/a")
        assert desk.books.writes == [["a began at p/a"]]
        on_record(desk.owing, asked, "p/b")
        await turns(3)
        return ClientReply(200, [], b"")

    await desk.recorder(first, provider)
    assert desk.books.writes == [["a began at p/a"], ["a ok"]]
    free = call("b")
    on_record(desk.owing, free, "p/b")
    assert len(desk.books.writes) == 2
    desk.books.broken = True
    late = demanding("late")
    with pytest.raises(EvidenceUnwritable):
        on_record(desk.owing, late, "p/late")
    assert not late.account.begun
    assert late.account.deployment == ""


async def test_an_old_clock_does_not_call_a_journal_whole_that_has_broken_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("federation.gateway.stages.record._RETRY_S", 0.05)
    desk = Desk()
    (task,) = desk.ask("a")
    await turns(3)
    desk.books.refused = " ok"
    desk.answer.set()
    with pytest.raises(EvidenceUnwritable):
        await task
    desk.books.refused = ""
    await desk.recorder(call("b"), desk.provider)  # it pays what is owed
    desk.books.broken = True
    with pytest.raises(EvidenceUnwritable):
        await desk.recorder(call("c"), desk.provider)
    asked = list(desk.asked)
    await asyncio.sleep(0.15)
    for _ in range(2):
        with pytest.raises(EvidenceUnwritable):
            await desk.recorder(call("d"), desk.provider)
        await turns(3)
    assert desk.asked == asked


async def test_an_end_that_stands_is_not_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failed sync says nothing of the line: readers may have seen it."""
    monkeypatch.setattr("federation.gateway.stages.record._RETRY_S", 0.01)
    writer = JournalWriter(tmp_path, "w", "disk")
    owing = RetryingJournal(writer)
    recorder = Recorder(owing, Meter(), lambda _: None, lambda: 1.0, Pseudonyms(), Receipts())
    failing = True

    def sync(_: int) -> None:
        if failing:
            raise OSError(errno.EIO, "Input/output error")

    async def provider(_: Call) -> ClientReply:
        await turns(3)
        return ClientReply(200, [], b"")

    monkeypatch.setattr(journal, "_datasync", sync)
    with pytest.raises(EvidenceUnwritable):
        await recorder(call("a"), provider)
    await asyncio.sleep(0.1)
    failing = False
    await recorder(call("b"), provider)
    ends = [
        record["call"]
        for path in sorted(tmp_path.glob("*.log"))
        for line in path.read_bytes().splitlines()
        if (record := json.loads(line[9:])["record"])["type"] == "ended"
    ]
    assert ends == ["a", "b"]


async def test_a_client_that_leaves_at_once_leaves_one_line() -> None:
    desk = Desk()
    (task,) = desk.ask("a")
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await turns(3)
    assert [line for lines in desk.books.writes for line in lines][-1:] == ["a canceled"]
    assert len([line for lines in desk.books.writes for line in lines if "canceled" in line]) == 1
