"""Beginnings of calls: on record while the provider works, those of one turn in one write."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import cast

import pytest

from federation.errors import EvidenceUnwritable, NotFound
from federation.gateway.call import Account, Call
from federation.gateway.names import Names
from federation.gateway.stages.record import Recorder
from federation.schema.http import ClientReply
from federation.schema.records import CallEnded, CallStarted, Record
from federation.telemetry import metrics
from federation.telemetry.meter import Meter


class Books:
    """A journal that remembers what was written at once."""

    def __init__(self) -> None:
        self.writes: list[list[str]] = []
        self.broken = False

    def append(self, record: Record) -> None:
        self.extend([record])

    def extend(self, records: Sequence[Record]) -> None:
        if self.broken:
            raise EvidenceUnwritable("The journal cannot be written.")
        self.writes.append([self._named(record) for record in records])

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
            glance=glance, key=key,
        ),
    )  # fmt: skip


class Desk:
    """A recorder before a provider that answers when it is told to."""

    def __init__(self) -> None:
        self.books = Books()
        self.meter = Meter()
        self.told: list[str] = []
        self.answer = asyncio.Event()
        self.recorder = Recorder(
            self.books,
            self.meter,
            lambda record: self.told.append(record.call),
            lambda: 1.0,
            Names(),
        )

    async def provider(self, asked: Call) -> ClientReply:
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
