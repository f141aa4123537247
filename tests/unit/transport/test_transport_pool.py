"""A pool: last in, first out, bounded, and no slot is ever lost."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from federation.errors import Unavailable, UpstreamFailed
from federation.schema.http import Origin
from federation.transport.connection import Connection
from federation.transport.limits import Limits
from federation.transport.pool import Pool
from federation.transport.proxies import Proxy


class OpenTransport:
    """A socket that is open until it is aborted."""

    closed = False

    def get_extra_info(self, name: str) -> None:
        return None

    def is_closing(self) -> bool:
        return self.closed

    def abort(self) -> None:
        self.closed = True


def make_pool(per_origin: int = 2) -> Pool:
    return Pool(Origin("http", "x.org", 80), Limits(per_origin=per_origin), set(), None)


async def opened(pool: Pool, expires: float = 100.0) -> Connection:
    assert await pool.slot() is None
    connection = Connection(pool.limits)
    connection.connection_made(cast("asyncio.Transport", OpenTransport()))
    connection.owner = pool
    connection.expires = expires
    return connection


async def test_the_connection_used_last_is_used_next() -> None:
    pool = make_pool()
    first, second = await opened(pool), await opened(pool)
    pool.give_back(first)
    pool.give_back(second)
    assert pool.pop(0.0) is second
    assert pool.pop(0.0) is first
    assert pool.pop(0.0) is None
    assert pool.opened == 2


async def test_expired_and_closed_connections_are_not_used() -> None:
    pool = make_pool(3)
    good, old, dead = await opened(pool), await opened(pool, 10.0), await opened(pool)
    for connection in (good, old, dead):
        pool.give_back(connection)
    assert dead.transport is not None
    dead.transport.abort()
    assert pool.pop(10.0) is good
    assert pool.opened == 1


async def test_trimming_closes_what_is_over_time() -> None:
    pool = make_pool()
    good, old = await opened(pool), await opened(pool, 10.0)
    pool.give_back(old)
    pool.give_back(good)
    pool.trim(10.0)
    assert pool.idle == [good]
    assert pool.opened == 1


async def test_a_full_pool_hands_the_next_free_connection_to_who_waited_first() -> None:
    pool = make_pool(1)
    connection = await opened(pool)
    turns = [asyncio.create_task(pool.slot()) for _ in range(2)]
    await asyncio.sleep(0)
    pool.give_back(connection)
    assert await turns[0] is connection
    connection.abort()
    assert await turns[1] is None
    assert pool.opened == 1
    pool.free()
    assert pool.opened == 0


async def test_a_full_pool_with_idle_connections_makes_room() -> None:
    pool = make_pool(1)
    connection = await opened(pool)
    pool.give_back(connection)
    assert await pool.slot() is None
    assert not connection.usable()
    assert pool.opened == 1


async def test_who_stops_waiting_loses_no_slot() -> None:
    pool = make_pool(1)
    connection = await opened(pool)
    waiting = asyncio.create_task(pool.slot())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert not pool.waiting

    waiting = asyncio.create_task(pool.slot())
    await asyncio.sleep(0)
    pool.give_back(connection)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert pool.pop(0.0) is connection

    waiting = asyncio.create_task(pool.slot())
    await asyncio.sleep(0)
    connection.abort()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert pool.opened == 0


async def test_a_cancelled_waiter_is_passed_over() -> None:
    pool = make_pool(1)
    connection = await opened(pool)
    turns = [asyncio.create_task(pool.slot()) for _ in range(2)]
    await asyncio.sleep(0)
    turns[0].cancel()
    pool.give_back(connection)
    assert await turns[1] is connection


async def test_closing_closes_idle_connections_and_fails_who_waits() -> None:
    pool = make_pool(1)
    connection = await opened(pool)
    waiting = asyncio.create_task(pool.slot())
    await asyncio.sleep(0)
    pool.close(Unavailable, "stopping")
    with pytest.raises(Unavailable):
        await waiting
    pool.give_back(connection)
    assert pool.opened == 0
    assert not connection.usable()


async def test_a_closed_pool_keeps_and_opens_nothing() -> None:
    pool = make_pool(2)
    connection = await opened(pool)
    pool.close(UpstreamFailed, "the way has changed")
    with pytest.raises(UpstreamFailed):
        await pool.slot()
    pool.give_back(connection)
    assert (pool.idle, pool.opened) == ([], 0)
    assert not connection.usable()


async def test_who_stops_waiting_as_the_pool_closes_is_cancelled() -> None:
    pool = make_pool(1)
    await opened(pool)
    waiting = asyncio.create_task(pool.slot())
    await asyncio.sleep(0)
    pool.close(UpstreamFailed, "the way has changed")
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


def test_only_a_plain_proxy_is_spoken_to() -> None:
    proxy = Proxy("http", "p.example", 3128, b"Basic eA==")
    plain = Pool(Origin("http", "x.org", 80), Limits(), set(), proxy)
    tunnel = Pool(Origin("https", "x.org", 443), Limits(), set(), proxy)
    assert plain.heads._prefix == "http://x.org"
    assert plain.heads._hop == (b"proxy-authorization: Basic eA==",)
    assert tunnel.heads._prefix == ""
    assert tunnel.heads._hop == ()
