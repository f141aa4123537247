"""Events that are handed on as they arrive, and when `read` must go on instead."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from transport_bench import Bench

from federation.dialects.openai.tap import StreamTap
from federation.dialects.openai.wire import Wire
from federation.errors import UpstreamCut, UpstreamError, UpstreamTimeout
from federation.gateway.kept_answer import KeptAnswer
from federation.gateway.leg import Leg
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
            Leg(cast("Any", self.bench.exchange), tap, opening, end, lambda _: b""), error_ends=True
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


async def test_a_stream_is_not_cut_before_its_end_is_safe() -> None:
    flowing = Flowing()
    flowing.stream._render_error = None  # as where bodies pass through
    safe = asyncio.Event()

    async def settling() -> None:
        await safe.wait()

    def settle(_: str, __: object) -> None:
        flowing.stream.settling = settling

    flowing.stream.on_end.append(settle)
    task = await flowing.begin()
    flowing.bench.connection.connection_lost(None)
    await asyncio.wait_for(task, 30)
    reading = asyncio.create_task(flowing.stream.read())
    await asyncio.sleep(0.02)
    assert flowing.ends == ["cut"]
    assert not reading.done()
    safe.set()
    with pytest.raises(UpstreamError):
        await asyncio.wait_for(reading, 30)


async def test_what_comes_once_the_client_reads_slowly_waits_for_it() -> None:
    flowing = Flowing()
    task = await flowing.begin()
    flowing.wanted = False
    flowing.bench.feed(chunk(event("upon")), chunk(event("a")), chunk(event("time")))
    await asyncio.wait_for(task, 30)
    assert flowing.written == [event("upon")]
    assert await flowing.stream.read() == event("a") + event("time")


@pytest.mark.parametrize("escaped", [False, True])
async def test_a_write_that_fills_the_clients_buffer_holds_the_stream_from_within(
    *, escaped: bool
) -> None:
    flowing = Flowing()
    write = flowing.write

    def full(data: bytes) -> bool:
        # As a transport does: `pause_writing` comes in the very step of the write.
        flowing.stream.hold()
        return write(data) and False

    flowing.write = full  # type: ignore[method-assign]
    task = await flowing.begin()
    first = event('say \\"upon\\"' if escaped else "upon")
    flowing.bench.feed(chunk(first + event("a")), chunk(event("time")))
    await asyncio.wait_for(task, 30)
    assert b"".join(flowing.written) == first + event("a")
    assert await flowing.stream.read() == event("time")
    assert flowing.ends == []


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


class Forwarding(Flowing):
    """As `Flowing`, with a client that takes chunks as they came."""

    def __init__(self) -> None:
        super().__init__()
        self.forwarded: list[bytes] = []
        self.full = 0
        """After how many chunks the client has enough for the moment; 0 for never."""

    def forward(self, framed: bytes) -> None:
        self.forwarded.append(framed)
        if len(self.forwarded) == self.full:
            self.stream.hold()

    async def begin(self) -> asyncio.Task[None]:
        assert await self.stream.read() == event("Once")
        task = asyncio.create_task(self.stream.flow(self.write, self.forward))
        await asyncio.sleep(0)
        return task


async def test_an_event_of_the_known_form_goes_on_with_its_framing() -> None:
    flowing = Forwarding()
    task = await flowing.begin()
    for word in ("upon", "", "a time"):
        flowing.bench.feed(chunk(event(word)))
    assert flowing.forwarded == [chunk(event(word)) for word in ("upon", "", "a time")]
    assert flowing.written == []
    flowing.bench.feed(chunk(event("", '"stop"')), chunk(DONE), b"0\r\n\r\n")
    await asyncio.wait_for(task, 30)
    assert flowing.written == [event("", '"stop"')]
    assert await flowing.stream.read() == DONE
    assert flowing.ends == ["ok"]
    assert flowing.stream._tap.events == 5


@pytest.mark.parametrize(
    "other",
    [
        event('said \\"so\\"'),
        event("two") + event("three"),
        b": still here\n\n",
        event("x").replace(b'"id":"c"', b'"id":"d"'),
        b"data: no JSON\n\n",
        event("x")[:-40],
    ],
)
async def test_whatever_differs_is_looked_at(other: bytes) -> None:
    flowing = Forwarding()
    await flowing.begin()
    flowing.bench.feed(chunk(event("upon")), chunk(other))
    assert flowing.forwarded == [chunk(event("upon"))]
    assert flowing.stream._tap.malformed == other.startswith(b"data: no")


async def test_nothing_is_passed_by_an_event_of_which_a_part_is_held() -> None:
    flowing = Forwarding()
    await flowing.begin()
    whole = event("upon")
    for piece in (whole[:20], whole[20:], event("a"), event("time")[:30]):
        flowing.bench.feed(chunk(piece))
    # In the middle of an event even what looks like a whole one is a part of it.
    flowing.bench.feed(chunk(event("time")[30:]), chunk(event("ago")))
    assert flowing.written == [whole, event("time")]
    assert flowing.forwarded == [chunk(event("a")), chunk(event("ago"))]


async def test_a_client_that_has_enough_gets_no_more_until_it_reads_on() -> None:
    flowing = Forwarding()
    task = await flowing.begin()
    flowing.full = 2
    words = ("upon", "a", "time", "there")
    flowing.bench.feed(*(chunk(event(word)) for word in words))
    await asyncio.wait_for(task, 30)
    assert flowing.forwarded == [chunk(event("upon")), chunk(event("a"))]
    assert await flowing.stream.read() == event("time") + event("there")
    task = asyncio.create_task(flowing.stream.flow(flowing.write, flowing.forward))
    await asyncio.sleep(0)
    flowing.bench.feed(chunk(event("was")))
    assert flowing.forwarded[2:] == [chunk(event("was"))]
    flowing.stream.hold()
    flowing.stream.hold()
    await asyncio.wait_for(task, 30)


async def test_what_was_forwarded_is_kept_for_the_case_that_the_answer_breaks() -> None:
    flowing = Forwarding()

    async def mend(kept: KeptAnswer, _: UpstreamError) -> None:
        flowing.written.append(b"".join(kept.pieces()))

    flowing.stream._mend, flowing.stream._kept = mend, KeptAnswer()
    task = await flowing.begin()
    for number in range(200):
        flowing.bench.feed(chunk(event(f"word {number} ")))
    flowing.bench.connection.connection_lost(None)
    await asyncio.wait_for(task, 30)
    await flowing.stream.read()
    # The opening is kept by who reads it.
    assert flowing.written == [b"".join(event(f"word {number} ") for number in range(200))]
    assert flowing.ends == ["cut", "cut"]


async def test_a_silence_after_forwarded_events_is_counted_from_the_last_of_them() -> None:
    flowing = Forwarding()
    flowing.stream._idle_s = 1e9
    await flowing.begin()
    flowing.bench.feed(chunk(event("upon")), chunk(b": wait\n\n"))
    since, _ = flowing.stream._silent
    assert since is not None
    flowing.bench.feed(chunk(event("a")))
    assert len(flowing.forwarded) == 2
    # Had the silence gone on, this would end the stream.
    flowing.stream._idle_s = -1.0
    flowing.bench.feed(chunk(b": wait\n\n"))
    assert flowing.stream._fault is None
    flowing.bench.feed(chunk(b": wait\n\n"))
    assert isinstance(flowing.stream._fault, UpstreamTimeout)
