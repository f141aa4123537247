"""Writes of one turn of the event loop: together, in order, and at once where they come alone."""

from __future__ import annotations

import asyncio
import socket
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st

from federation.transport.outbox import Outbox


class Wire(asyncio.Transport):
    """Notes what is written to it, on a list that it shares."""

    def __init__(self, log: list[tuple[Wire, bytes]], *, breaks: bool = False) -> None:
        super().__init__()
        self._log = log
        self._breaks = breaks
        self.closing = False

    def is_closing(self) -> bool:
        return self.closing

    def write(self, data: Any) -> None:
        if self._breaks:
            raise RuntimeError("Cannot call write() after write_eof()")
        self._log.append((self, bytes(data)))


async def turn() -> None:
    """Until what was scheduled before has run."""
    await asyncio.sleep(0)


async def test_writes_of_one_turn_go_out_at_its_end_in_their_order() -> None:
    log: list[tuple[Wire, bytes]] = []
    first, second, outbox = Wire(log), Wire(log), Outbox()
    outbox.post(first, b"1")
    outbox.post(second, b"2")
    outbox.post(first, b"3")
    assert log == []
    await turn()
    assert log == [(first, b"1"), (second, b"2"), (first, b"3")]


async def test_where_writes_come_alone_the_next_do_not_wait() -> None:
    log: list[tuple[Wire, bytes]] = []
    wire, outbox = Wire(log), Outbox()
    at_once = []
    for number in range(80):
        outbox.post(wire, b"%d" % number)
        at_once.append(len(log) == number + 1)
        await turn()
        assert len(log) == number + 1
    waited = [number for number, went in enumerate(at_once) if not went]
    assert waited == [0, 2, 6, 14, 30, 62]


async def test_several_in_a_turn_wait_again_after_one_look() -> None:
    log: list[tuple[Wire, bytes]] = []
    wire, outbox = Wire(log), Outbox()
    for _ in range(2):  # alone: two more would go out at once after these
        outbox.post(wire, b"-")
        await turn()
    log.clear()
    for _ in range(4):
        outbox.post(wire, b"-")
    seen = len(log)
    await turn()
    for _ in range(4):
        outbox.post(wire, b"-")
    assert (seen, len(log)) == (0, 4)


async def test_in_a_long_turn_nobody_waits_for_all_others() -> None:
    log: list[tuple[Wire, bytes]] = []
    wire, outbox = Wire(log), Outbox()
    left = []
    for number in range(40):
        outbox.post(wire, b"%d" % number)
        left.append(len(log))
    assert sorted(set(left)) == [0, 16, 32]
    await turn()
    assert [data for _, data in log] == [b"%d" % number for number in range(40)]
    outbox.post(wire, b"next")
    assert len(log) == 40, "who came with others waits for others"


async def test_who_was_flushed_by_another_has_not_come_alone() -> None:
    log: list[tuple[Wire, bytes]] = []
    wire, outbox = Wire(log), Outbox()
    for number in range(1, 4):
        outbox.post(wire, b"-")
        outbox.flush()
        await turn()
        assert len(log) == number
    outbox.post(wire, b"-")
    assert len(log) == 3


async def test_flushing_writes_now_and_once() -> None:
    log: list[tuple[Wire, bytes]] = []
    wire, outbox = Wire(log), Outbox()
    outbox.post(wire, b"1")
    outbox.flush()
    assert log == [(wire, b"1")]
    outbox.flush()
    await turn()
    assert log == [(wire, b"1")]


async def test_a_transport_that_refuses_takes_nobody_elses_words() -> None:
    log: list[tuple[Wire, bytes]] = []
    wire, broken, outbox = Wire(log), Wire(log, breaks=True), Outbox()
    faults: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
    outbox.post(broken, b"lost")
    outbox.post(wire, b"1")
    outbox.post(broken, b"lost")
    outbox.post(wire, b"2")
    for _ in range(4):
        await turn()
    assert log == [(wire, b"1"), (wire, b"2")]
    assert len(faults) == 2


async def test_what_broke_since_is_not_written_to_by_whoever_flushes() -> None:
    log: list[tuple[Wire, bytes]] = []
    wire, broken, outbox = Wire(log), Wire(log, breaks=True), Outbox()
    outbox.post(broken, b"lost")
    outbox.post(wire, b"1")
    broken.closing = True
    outbox.flush()
    assert log == [(wire, b"1")]


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_peer_that_resets_as_its_answer_is_posted_is_no_fault(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    faults: list[dict[str, Any]] = []

    async def play() -> None:
        loop, outbox = asyncio.get_running_loop(), Outbox()
        loop.set_exception_handler(lambda _, context: faults.append(context))
        made: asyncio.Future[Any] = loop.create_future()

        class Side(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                made.set_result(transport)

        server = await loop.create_server(Side, "127.0.0.1", 0)
        client = socket.create_connection(server.sockets[0].getsockname())
        transport = await made
        transport.abort()  # as the loop does where the peer has reset the connection
        outbox.post(transport, b"the loop tells of the loss before this turn ends")
        await asyncio.sleep(0.02)
        client.close()
        server.close()

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(play())
    assert faults == []


@given(st.lists(st.sampled_from(["a", "b", "c", "turn", "flush"]), max_size=60))
def test_each_transport_gets_all_of_its_bytes_in_order(steps: list[str]) -> None:
    async def play() -> None:
        log: list[tuple[Wire, bytes]] = []
        wires, outbox = {name: Wire(log) for name in "abc"}, Outbox()
        posted: dict[Wire, list[bytes]] = defaultdict(list)
        for number, step in enumerate(steps):
            if step == "turn":
                await turn()
            elif step == "flush":
                outbox.flush()
            else:
                data = b"%d" % number
                posted[wires[step]].append(data)
                outbox.post(wires[step], data)
        await turn()
        for wire in wires.values():
            assert [data for to, data in log if to is wire] == posted[wire]

    asyncio.run(play())
