"""What a connection does that no socket brings about at will: played on a fake transport."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from listener_harness import Pieces

from federation.domain.routes import ListenerLimits
from federation.errors import FederationError, Unavailable
from federation.listener.connection import Connection
from federation.listener.front import Front, Welcome, welcome_all
from federation.listener.heads import Scissors, cut_fields
from federation.listener.hub import Hub
from federation.listener.intake import Intake
from federation.listener.reset import reset
from federation.schema.http import ClientReply, ClientRequest


class Wire(asyncio.Transport):
    def __init__(self, eof: bool = True) -> None:
        super().__init__()
        self.written = b""
        self.done: list[str] = []
        self._eof = eof

    def write(self, data: Any) -> None:
        self.written += bytes(data)

    def is_closing(self) -> bool:
        return False

    def can_write_eof(self) -> bool:
        return self._eof

    def write_eof(self) -> None:
        self.done.append("eof")

    def close(self) -> None:
        self.done.append("close")

    def abort(self) -> None:
        self.done.append("abort")

    def pause_reading(self) -> None:
        self.done.append("pause")

    def resume_reading(self) -> None:
        self.done.append("resume")

    def get_write_buffer_size(self) -> int:
        return 0


class Stage:
    def __init__(
        self,
        handler: Callable[[ClientRequest], Any],
        wire: Wire,
        welcome: Welcome = welcome_all,
    ) -> None:
        self.faults: list[BaseException] = []

        def render(error: FederationError, path: str) -> ClientReply:
            return ClientReply(error.status, [], b"")

        front = Front(handler, render, lambda fault, _: self.faults.append(fault), welcome)
        self.hub = Hub(front, ListenerLimits())
        self.wire = wire
        self.connection = Connection(self.hub)
        self.connection.connection_made(wire)

    async def settle(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)
        self.hub.stop()


async def echo(request: ClientRequest) -> ClientReply:
    return ClientReply(200, [], request.body)


GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


async def test_a_bug_in_parsing_drops_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(intake: Intake, data: bytes) -> None:
        raise RuntimeError("bug")

    monkeypatch.setattr(Intake, "feed", broken)
    stage = Stage(echo, Wire())
    stage.connection.data_received(GET)
    await stage.settle()
    assert stage.wire.done == ["abort"]
    assert isinstance(stage.faults[0], RuntimeError)


async def test_a_bug_in_a_callback_of_the_parser_is_no_refusal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(scissors: Scissors, lines: list[bytes]) -> None:
        raise RuntimeError("bug")

    monkeypatch.setattr(Scissors, "fields", broken)
    stage = Stage(echo, Wire())
    stage.connection.data_received(GET)
    await stage.settle()
    assert stage.wire.done == ["abort"]
    assert stage.wire.written == b""


async def test_a_transport_without_half_close_is_closed_after_a_refusal() -> None:
    stage = Stage(echo, Wire(eof=False))
    stage.connection.data_received(b"nonsense\r\n\r\n")
    await stage.settle()
    assert stage.wire.written.startswith(b"HTTP/1.1 400 ")
    assert stage.wire.done == ["close"]


async def test_what_comes_after_a_close_is_dropped() -> None:
    stage = Stage(echo, Wire(eof=False))
    stage.connection.data_received(b"nonsense\r\n\r\n")
    written = stage.wire.written
    stage.connection.data_received(GET)
    await stage.settle()
    assert stage.wire.written == written


async def test_a_whole_reply_to_a_client_that_left_is_not_written() -> None:
    async def stubborn(request: ClientRequest) -> ClientReply:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        return ClientReply(200, [], b"too late")

    stage = Stage(stubborn, Wire())
    stage.connection.data_received(GET)
    await asyncio.sleep(0)
    stage.connection.connection_lost(None)
    await stage.settle()
    assert stage.wire.written == b""
    assert stage.hub.in_flight == 0


async def test_a_request_whose_client_left_at_once_never_reaches_the_handler() -> None:
    served: list[ClientRequest] = []

    async def handler(request: ClientRequest) -> ClientReply:
        served.append(request)
        return ClientReply(200, [], b"")

    stage = Stage(handler, Wire())
    stage.connection.data_received(GET)
    stage.connection.eof_received()
    stage.connection.connection_lost(None)
    await stage.settle()
    assert served == []
    assert stage.hub.in_flight == 0
    assert stage.hub.orphans == set()


async def test_a_stream_is_closed_before_its_end_is_written() -> None:
    """What is put on record as it closes is safe before the client can see the end."""
    wire, seen = Wire(), []

    class Recorded(Pieces):
        async def aclose(self) -> None:
            await super().aclose()
            seen.append(wire.written.endswith(b"1\r\na\r\n"))

    async def handler(request: ClientRequest) -> ClientReply:
        return ClientReply(200, [], Recorded(b"a"))

    stage = Stage(handler, wire)
    stage.connection.data_received(GET)
    await stage.settle()
    assert seen == [True]
    assert wire.written.endswith(b"0\r\n\r\n")


async def test_a_client_that_sends_on_and_on_during_an_answer_is_hung_up_on() -> None:
    """It is read from all the while: a hang-up is only seen by reading."""
    cancelled = asyncio.Event()

    async def handler(request: ClientRequest) -> ClientReply:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise
        raise AssertionError

    stage = Stage(handler, Wire())
    stage.connection.data_received(GET)
    await asyncio.sleep(0)
    for _ in range(34):
        stage.connection.data_received(b"x" * 30_000)
    assert stage.wire.done == []
    assert stage.hub.buffered == 34 * 30_000
    stage.connection.data_received(b"x" * 30_000)
    assert stage.wire.done == ["abort"]
    stage.connection.connection_lost(None)
    await stage.settle()
    assert cancelled.is_set()
    assert stage.hub.buffered == 0


async def test_what_is_held_behind_a_request_takes_room_until_it_is_answered() -> None:
    answered = asyncio.Event()

    async def handler(request: ClientRequest) -> ClientReply:
        await answered.wait()
        return ClientReply(200, [], request.body)

    stage = Stage(handler, Wire())
    post = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100_000
    stage.connection.data_received(GET)
    await asyncio.sleep(0)
    stage.connection.data_received(post + post)
    assert stage.hub.buffered == 2 * len(post)
    answered.set()
    await stage.settle()
    assert stage.wire.written.count(b"HTTP/1.1 200 ") == 3
    assert stage.hub.buffered == 0


@pytest.mark.parametrize(
    ("refused", "status"),
    [
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\nHost a\r\n\r\n", 400),
    ],
)
async def test_what_is_refused_behind_a_request_is_told_after_its_answer_whatever_follows(
    refused: bytes, status: int
) -> None:
    may = asyncio.Event()

    async def handler(request: ClientRequest) -> ClientReply:
        await may.wait()
        return ClientReply(200, [], b"first")

    stage = Stage(handler, Wire())
    stage.connection.data_received(GET + refused)
    await asyncio.sleep(0)
    for _ in range(3):
        stage.connection.data_received(b"x" * 1_000_000)
    assert stage.hub.buffered == 0
    may.set()
    await stage.settle()
    assert stage.wire.written.partition(b"first")[2].startswith(b"HTTP/1.1 %d " % status)
    assert stage.wire.done == ["eof"]
    assert stage.faults == []


async def test_where_bodies_have_no_room_little_is_held_behind_a_request() -> None:
    async def handler(request: ClientRequest) -> ClientReply:
        await asyncio.Event().wait()
        raise AssertionError

    stage = Stage(handler, Wire())
    stage.connection.data_received(GET)
    await asyncio.sleep(0)
    stage.hub.buffered = stage.hub.limits.bodies_bytes
    stage.connection.data_received(b"x" * 60_000)
    assert stage.wire.done == []
    stage.connection.data_received(b"x" * 6_000)
    assert stage.wire.done == ["abort"]
    stage.connection.connection_lost(None)
    await stage.settle()


async def test_a_reply_that_cannot_be_written_closes_the_connection() -> None:
    async def handler(request: ClientRequest) -> Any:
        return None

    stage = Stage(handler, Wire())
    stage.connection.data_received(GET)
    await stage.settle()
    assert stage.wire.done == ["close"]
    assert len(stage.faults) == 1


async def test_one_broken_deadline_does_not_end_the_sweeping(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stage = Stage(echo, Wire())
    hub = stage.hub
    expired: list[Connection] = []

    def expire(connection: Connection) -> None:
        expired.append(connection)
        raise RuntimeError("bug")

    monkeypatch.setattr(Connection, "expire", expire)
    stage.connection.deadline = 0.0
    complaints: list[dict[str, Any]] = []
    hub.loop.set_exception_handler(lambda _, context: complaints.append(context))
    async with asyncio.timeout(5):
        while len(expired) < 2:
            await asyncio.sleep(0.05)
    await stage.settle()
    assert len(complaints) >= 2


async def test_a_transport_without_a_socket_is_reset_by_aborting() -> None:
    wire = Wire()
    reset(wire)
    assert wire.done == ["abort"]


def test_remembered_lines_are_cut_as_new_ones_are() -> None:
    scissors = Scissors()
    lines = [b"Host: a", b"X-A:  b ", b"x-a: c", b"X-Long: " + b"x" * 1000]
    for _ in range(4):
        assert scissors.fields(list(lines)) == cut_fields(lines)


def test_the_memory_of_lines_is_bounded() -> None:
    scissors = Scissors()
    scissors.fields([])
    for n in range(1000):
        headers = scissors.fields([b"Host: a", b"X-Id: %d" % n])
        assert headers == {b"host": b"a", b"x-id": b"%d" % n}
    assert scissors._known is not None
    assert len(scissors._known) <= 64


async def test_a_client_for_whose_body_there_is_no_room_is_told_when_to_come_back() -> None:
    stage = Stage(echo, Wire())
    stage.hub.check_room()
    stage.hub.buffered = stage.hub.limits.bodies_bytes + 1
    with pytest.raises(Unavailable) as caught:
        stage.hub.check_room()
    assert (caught.value.status, caught.value.retry_after_s) == (503, 1)
    stage.hub.stop()


async def test_an_empty_body_that_is_said_to_be_compressed_is_refused() -> None:
    stage = Stage(echo, Wire())
    stage.connection.data_received(
        GET.replace(b"Host: a", b"Host: a\r\nContent-Encoding: gzip\r\nContent-Length: 0")
    )
    await stage.settle()
    assert stage.wire.written.startswith(b"HTTP/1.1 400 ")


async def test_a_bug_in_the_welcome_is_reported_and_the_body_read() -> None:
    def broken(head: ClientRequest) -> None:
        raise RuntimeError("bug")

    stage = Stage(echo, Wire(), broken)
    stage.connection.data_received(
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
    )
    assert stage.wire.written.startswith(b"HTTP/1.1 100 ")
    await stage.settle()
    assert len(stage.faults) == 1


_LARGE = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100_000


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize(
    ("behind", "then", "done"),
    [
        (GET, b"HTTP/1.1 200 ", []),
        (_LARGE, b"HTTP/1.1 200 ", []),
        (GET.replace(b"/ ", b"/stream "), b"HTTP/1.1 200 ", []),
        (GET.replace(b"1.1", b"1.0"), b"HTTP/1.1 200 ", ["close"]),
        (b"nonsense\r\n\r\n", b"HTTP/1.1 400 ", ["eof"]),
        (_LARGE.replace(b"Host", b"Expect: 100-continue\r\nHost")[:-1], b"HTTP/1.1 100 ", []),
    ],
)
async def test_what_follows_an_answer_that_waits_for_the_turns_end_comes_behind_it(
    behind: bytes, then: bytes, done: list[str], at_once: bool
) -> None:
    async def handler(request: ClientRequest) -> ClientReply:
        if request.path == "/stream":
            return ClientReply(200, [], Pieces(b"streamed"))
        return ClientReply(200, [], request.body or b"plain")

    class Closed(Wire):
        def write(self, data: Any) -> None:
            assert self.done == [], "nothing may be written to what is closed"
            super().write(data)

    stage = Stage(handler, Closed())
    if at_once:
        stage.connection.data_received(GET + behind)
    else:
        stage.connection.data_received(GET)
        await asyncio.sleep(0)
        assert stage.wire.written == b""
        stage.connection.data_received(behind)
    await stage.settle()
    first, _, rest = stage.wire.written.partition(b"plain")
    assert first.startswith(b"HTTP/1.1 200 ")
    assert rest.startswith(then)
    assert stage.wire.done == done


async def test_a_client_that_asks_on_and_does_not_read_is_hung_up_on_in_time() -> None:
    class Clogged(Wire):
        def write(self, data: Any) -> None:
            super().write(data)
            if self.written.count(b"HTTP/1.1") == 1:
                stage.connection.pause_writing()

        def get_write_buffer_size(self) -> int:
            return 70_000

    stage = Stage(echo, Clogged())
    stage.connection.data_received(GET)
    for _ in range(3):  # its answer is over before it is written, and clogs the connection
        await asyncio.sleep(0)
    stage.connection.data_received(GET)
    await stage.settle()
    stage.connection.data_received(GET)
    assert stage.connection.deadline <= stage.hub.loop.time() + stage.hub.limits.write_s
    stage.connection.expire()
    assert stage.wire.done == ["abort"]
    stage.connection.connection_lost(None)
    await stage.settle()
