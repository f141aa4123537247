"""A drain that lingers: what was on its way is answered, and its client told to go."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from concurrent.futures import Future

import pytest
from listener_harness import LOOPS, Pieces, Rig, request, running

LINGER_S = 0.6


@pytest.fixture(params=sorted(LOOPS))
def rig(request: pytest.FixtureRequest) -> Iterator[Rig]:
    with running(request.param) as rig:
        yield rig


def drain(rig: Rig) -> Future[None]:
    return asyncio.run_coroutine_threadsafe(rig.server.drain(5, LINGER_S), rig.loop)


def test_an_idle_connection_is_answered_once_more_and_told_to_go(rig: Rig) -> None:
    with rig.connect() as client:
        client.ask("/abc")
        drained = drain(rig)
        time.sleep(LINGER_S / 3)
        reply = client.ask("/abc")
        assert (reply.status, reply.headers[b"connection"]) == (200, b"close")
        assert client.closed()
        drained.result(2)
    assert rig.server.connections == 0


def test_an_idle_connection_is_closed_when_nothing_comes(rig: Rig) -> None:
    with rig.connect() as client:
        client.ask("/abc")
        began = time.monotonic()
        drained = drain(rig)
        assert client.closed()
        assert LINGER_S * 0.9 <= time.monotonic() - began < LINGER_S + 1.0
        drained.result(2)


def test_a_connection_that_was_promised_to_be_kept_is_kept_for_one_more_request(rig: Rig) -> None:
    go_on = asyncio.Event()
    rig.behind.plays["/s"] = lambda: Pieces(b"one", go_on, b"two")
    with rig.connect() as client:
        client.send(request("/s"))
        client.upto(b"one\r\n")
        drained = drain(rig)
        time.sleep(LINGER_S / 3)
        rig.signal(go_on)
        assert list(client.chunks()) == [b"two"]
        reply = client.ask("/abc")
        assert (reply.status, reply.headers[b"connection"]) == (200, b"close")
        drained.result(2)


def test_without_connections_nobody_lingers(rig: Rig) -> None:
    began = time.monotonic()
    drain(rig).result(2)
    assert time.monotonic() - began < LINGER_S
