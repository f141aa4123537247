"""The listener under slow, greedy and random clients, and at its end."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from collector import only_what_is_new
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from listener_harness import LIMITS, LOOPS, Client, Pieces, Rig, request, running

SLACK_S = 0.6


@pytest.fixture(params=sorted(LOOPS))
def rig(request: pytest.FixtureRequest) -> Iterator[Rig]:
    with running(request.param) as rig:
        yield rig


def test_a_head_that_drips_in_is_a_408(rig: Rig) -> None:
    with rig.connect() as client:
        began = time.monotonic()
        client.send(b"GET /abc HTTP/1.1\r\nX: ")
        while not client.readable(0.02):
            client.send(b"y")
        assert LIMITS.head_s * 0.9 <= time.monotonic() - began < LIMITS.head_s + SLACK_S
        reply = client.reply()
        assert (reply.status, reply.body.partition(b"|")[0]) == (408, b"/abc")


def test_a_body_that_stops_is_a_408(rig: Rig) -> None:
    with rig.connect() as client:
        client.send(request("/echo", b"{}")[:-1])
        began = time.monotonic()
        reply = client.reply()
        assert (reply.status, reply.body.partition(b"|")[0]) == (408, b"/echo")
        assert LIMITS.body_s * 0.9 <= time.monotonic() - began < LIMITS.body_s + SLACK_S
        assert client.closed()


def test_a_body_that_keeps_coming_has_longer_and_not_for_ever(rig: Rig) -> None:
    with rig.connect() as client:
        client.send(request("/echo", b"x" * 50_000)[:-50_000])
        began = time.monotonic()
        while not client.readable(0.05):
            client.send(b"x")
        took = time.monotonic() - began
        assert client.reply().status == 408
        assert LIMITS.body_s * 9 <= took < LIMITS.body_s * 10 + SLACK_S


def test_an_idle_connection_is_closed_silently(rig: Rig) -> None:
    with rig.connect() as fresh, rig.connect() as used:
        began = time.monotonic()
        used.ask("/abc")
        assert fresh.closed()
        assert used.closed()
        assert LIMITS.idle_s * 0.9 <= time.monotonic() - began < LIMITS.idle_s + SLACK_S


def test_a_request_that_runs_long_has_no_deadline_here(rig: Rig) -> None:
    with rig.connect() as client:
        assert client.ask("/pause?1.3").status == 200


def test_more_connections_than_allowed_are_turned_away() -> None:
    with running("uvloop", replace(LIMITS, connections=3)) as rig:
        clients = [rig.connect() for _ in range(3)]
        for client in clients:
            assert client.ask("/abc").status == 200
        with rig.connect() as extra:
            assert extra.reply().status == 503
            assert extra.closed()
        clients.pop().sock.close()
        rig.until(lambda: rig.server.connections == 2)
        with rig.connect() as next_one:
            assert next_one.ask("/abc").status == 200
        for client in clients:
            client.sock.close()


def test_new_limits_are_followed_by_new_connections(rig: Rig) -> None:
    with rig.connect() as before:
        before.ask("/abc")
        rig.server.limits = replace(LIMITS, body_bytes=10)
        assert rig.server.limits.body_bytes == 10
        with rig.connect() as after:
            assert after.ask("/echo", b"x" * 11).status == 413
        assert before.ask("/echo", b"x" * 11).status == 200


def test_draining_finishes_what_is_in_flight_and_accepts_nothing_more(rig: Rig) -> None:
    go_on = asyncio.Event()
    rig.behind.plays["/s"] = lambda: Pieces(b"one", go_on, b"two")
    with rig.connect() as idle, rig.connect() as busy, rig.connect() as stream:
        idle.ask("/abc")
        busy.send(request("/pause?0.2"))
        stream.send(request("/s"))
        stream.upto(b"one\r\n")
        drained = asyncio.run_coroutine_threadsafe(rig.server.drain(5), rig.loop)
        assert idle.closed()
        reply = busy.reply()
        assert (reply.status, reply.headers[b"connection"]) == (200, b"close")
        assert busy.closed()
        with pytest.raises(ConnectionRefusedError):
            rig.connect()
        rig.signal(go_on)
        assert list(stream.chunks()) == [b"two"]
        assert stream.closed()
        drained.result(2)
    assert rig.behind.finished == 1
    assert rig.server.connections == 0


def test_draining_lets_a_request_that_is_arriving_arrive(rig: Rig) -> None:
    with rig.connect() as client:
        whole = request("/echo", b"{}")
        client.send(whole[:-1])
        rig.until(lambda: rig.server.connections == 1)
        drained = asyncio.run_coroutine_threadsafe(rig.server.drain(5), rig.loop)
        time.sleep(0.05)
        reply = client.send(whole[-1:]).reply()
        assert (reply.body, reply.headers[b"connection"]) == (b"{}", b"close")
        drained.result(2)


def test_what_is_not_finished_in_time_is_cut(rig: Rig) -> None:
    rig.behind.plays["/s"] = lambda: Pieces(b"one", asyncio.Event())
    with rig.connect() as stream, rig.connect() as waiting:
        stream.send(request("/s"))
        stream.upto(b"one\r\n")
        waiting.send(request("/wait"))
        rig.until(lambda: rig.server.in_flight == 2)
        began = time.monotonic()
        rig.run(rig.server.drain(0.3))
        assert 0.25 < time.monotonic() - began < 1.5
        assert stream.closed()
        assert waiting.closed()
    assert rig.behind.streams[0].closed == 1
    assert rig.behind.cancelled == 1
    assert rig.server.in_flight == 0


def test_closing_twice_is_fine(rig: Rig) -> None:
    rig.run(rig.server.aclose())
    rig.run(rig.server.drain(1))


def test_thousands_of_connections_leave_nothing_behind(rig: Rig) -> None:
    rig.behind.plays["/s"] = lambda: Pieces(b"one", asyncio.Event())
    rig.behind.plays["/whole"] = lambda: Pieces(b"one", None, b"two")
    acts: list[Callable[[Client], object]] = [
        lambda client: client.ask("/echo", b"{}"),
        lambda client: client.ask("/whole"),
        lambda client: client.send(request("/s")).upto(b"one"),
        lambda client: client.send(request("/wait")),
        lambda client: client.send(request("/late")),
        lambda client: client.send(b"GET / HT"),
        lambda client: client.send(b"nonsense\r\n\r\n"),
        lambda client: None,
    ]
    for n in range(2000):
        with rig.connect() as client:
            acts[n % len(acts)](client)
            if n % 3 == 0:
                client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    rig.until(lambda: rig.server.connections == 0)
    rig.until(lambda: rig.tasks() == 0)
    assert rig.server.in_flight == 0
    assert all(stream.closed == 1 for stream in rig.behind.streams)
    assert rig.faults == []


def test_a_connection_that_is_gone_needs_no_collector(rig: Rig) -> None:
    rig.behind.plays["/s"] = lambda: Pieces(b"one", asyncio.Event())
    ends: list[Callable[[Client], object]] = [
        lambda client: client.send(request("/s")).upto(b"one"),
        lambda client: client.send(b"nonsense\r\n\r\n").reply(),
        lambda client: client.send(request("/wait") + b"nonsense\r\n\r\n"),
        lambda client: None,
    ]
    with only_what_is_new():
        for end in ends * 5:
            with rig.connect() as client:
                client.ask("/echo", b"{}")
                end(client)
        rig.until(lambda: rig.server.connections == rig.server.in_flight == 0)
        rig.until(lambda: rig.kept() == 0)


VALID = [
    request("/echo", b'{"a": 1}'),
    request("/abc", None, b"X-A: b"),
    b"POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
]


@pytest.fixture(scope="module", params=sorted(LOOPS))
def shared(request: pytest.FixtureRequest) -> Iterator[Rig]:
    with running(request.param) as rig:
        yield rig


@settings(
    deadline=None, max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    base=st.sampled_from(VALID) | st.binary(max_size=200),
    edits=st.lists(
        st.tuples(st.integers(0, 120), st.integers(0, 3), st.binary(max_size=4)), max_size=4
    ),
)
def test_no_bytes_crash_the_server_or_make_it_hang(
    shared: Rig, base: bytes, edits: list[tuple[int, int, bytes]]
) -> None:
    data = bytearray(base)
    for at, removed, inserted in edits:
        data[at : at + removed] = inserted
    with shared.connect() as client:
        client.send(bytes(data))
        client.sock.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError):
            client.rest()
    with shared.connect() as client:
        assert client.ask("/abc").body == b"/abc"
    assert shared.faults == []


def test_bodies_beyond_the_room_for_all_of_them_are_a_503(rig: Rig) -> None:
    rig.server.limits = replace(LIMITS, body_bytes=400_000, bodies_bytes=500_000)
    part = request("/echo", b"x" * 400_000)[:-1]
    with rig.connect() as one, rig.connect() as two, rig.connect() as small:
        one.send(part)
        rig.until(lambda: rig.server.buffered >= 399_000)
        two.send(part[:200_000])
        reply = two.reply()
        assert reply.status == 503
        assert small.ask("/abc").status == 200
        one.send(b"x")
        assert one.reply().status == 200
        assert small.ask("/echo", b"x" * 300_000).status == 200
        rig.until(lambda: rig.server.buffered == 0)


def test_a_body_is_counted_until_its_handling_ends_and_no_longer(rig: Rig) -> None:
    rig.server.limits = replace(LIMITS, body_bytes=400_000, bodies_bytes=500_000)
    gone = rig.connect()
    gone.send(request("/echo", b"x" * 300_000)[:-1])
    rig.until(lambda: rig.server.buffered > 200_000)
    gone.sock.close()
    rig.until(lambda: rig.server.buffered == 0)
    waits = rig.connect()
    waits.send(request("/pause?0.3", b"x" * 300_000))
    rig.until(lambda: rig.server.buffered == 300_000)
    with rig.connect() as other:
        reply = other.ask("/echo", b"x" * 300_000)
        assert reply.status == 503
    assert waits.reply().status == 200
    rig.until(lambda: rig.server.buffered == 0)
    waits.sock.close()


def test_a_body_that_unfolds_is_counted_as_it_grows(rig: Rig) -> None:
    rig.server.limits = replace(LIMITS, body_bytes=1_000_000, bodies_bytes=500_000)
    with rig.connect() as client:
        packed = gzip.compress(b"0" * 900_000)
        assert client.ask("/echo", packed, b"Content-Encoding: gzip").status == 503
        rig.until(lambda: rig.server.buffered == 0)
        small = gzip.compress(b"0" * 9_000)
        assert client.ask("/echo", small, b"Content-Encoding: gzip").status == 200
    rig.until(lambda: rig.server.buffered == 0)
