"""Events that are handed on as they arrive, and when `read` must go on instead."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from transport_bench import Bench

from federation.dialects.openai.tap import StreamTap
from federation.dialects.openai.wire import Wire
from federation.errors import UpstreamCut, UpstreamError
from federation.gateway.stream import AnswerStream

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
DONE = b"data: [DONE]\n\n"


def event(text: str, finish: str = "null") -> bytes:
    delta = f'"delta":{{"content":"{text}"}},"finish_reason":{finish}'
    return f'data: {{"id":"c","choices":[{{"index":0,{delta}}}]}}\n\n'.encode()


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


class Flowing:
    """A stream whose opening was read, and a client that takes what it is given."""

    def __init__(self) -> None:
        self.bench = Bench().feed(HEAD, chunk(event("Once")))
        tap = StreamTap(cast("Wire", None), withhold_usage=False)
        opening = tap.feed(self.bench.exchange.take())
        self.ends: list[str] = []
        self.written: list[bytes] = []
        self.wanted = True

        def end(outcome: str, _: UpstreamError | None) -> None:
            self.ends.append(outcome)

        self.stream = AnswerStream(
            cast("Any", self.bench.exchange), tap, opening, end, lambda _: b"", error_ends=True
        )

    def write(self, data: bytes) -> bool:
        self.written.append(data)
        return self.wanted

    async def begin(self) -> asyncio.Task[None]:
        assert await self.stream.read() == event("Once")
        task = asyncio.create_task(self.stream.flow(self.write))
        await asyncio.sleep(0)
        return task


async def test_events_go_on_in_the_step_in_which_they_came() -> None:
    flowing = Flowing()
    task = await flowing.begin()
    flowing.bench.feed(chunk(event("upon")))
    assert flowing.written == [event("upon")]
    flowing.bench.feed(chunk(event("a") + event("time")), chunk(event("", '"stop"')))
    assert b"".join(flowing.written[1:]) == event("a") + event("time") + event("", '"stop"')
    await asyncio.wait_for(task, 30)
    flowing.bench.feed(chunk(DONE), b"0\r\n\r\n")
    assert await flowing.stream.read() == DONE
    assert flowing.ends == ["ok"]


async def test_what_comes_in_the_step_in_which_its_reader_is_canceled_breaks_nothing() -> None:
    flowing = Flowing()
    task = await flowing.begin()
    flowing.wanted = False
    task.cancel()
    assert flowing.stream._turn is not None
    flowing.stream._turn.cancel()
    flowing.bench.feed(chunk(event("late")))
    flowing.bench.connection.connection_lost(None)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert flowing.written == []


async def test_a_break_right_after_the_opening_is_left_to_read() -> None:
    flowing = Flowing()
    task = await flowing.begin()
    flowing.bench.connection.connection_lost(None)
    await asyncio.wait_for(task, 30)
    assert flowing.written == []
    await flowing.stream.read()
    assert flowing.ends == ["cut"]


async def test_what_comes_once_the_client_reads_slowly_waits_for_it() -> None:
    flowing = Flowing()
    task = await flowing.begin()
    flowing.wanted = False
    flowing.bench.feed(chunk(event("upon")), chunk(event("a")), chunk(event("time")))
    await asyncio.wait_for(task, 30)
    assert flowing.written == [event("upon")]
    assert await flowing.stream.read() == event("a") + event("time")


async def test_a_keep_alive_is_handed_on_and_ends_nothing() -> None:
    flowing = Flowing()
    task = await flowing.begin()
    flowing.bench.feed(chunk(b": still here\n\n"), chunk(event("upon")))
    assert flowing.written == [b": still here\n\n", event("upon")]
    assert not task.done()
    flowing.bench.exchange.fail(UpstreamCut, "gone")
    await asyncio.wait_for(task, 30)


async def test_a_fault_of_our_own_is_raised_and_not_lost() -> None:
    flowing = Flowing()
    task = await flowing.begin()
    flowing.written = cast("Any", None)
    flowing.bench.feed(chunk(event("upon")))
    with pytest.raises(AttributeError):
        await asyncio.wait_for(task, 30)
