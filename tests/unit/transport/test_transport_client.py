"""What a client does that no socket brings about at will: played on a fake transport."""

from __future__ import annotations

import asyncio
from typing import cast

from transport_bench import LENGTH, FakeTransport

from federation.schema.http import Origin, Timeouts, WireRequest
from federation.transport.client import Client
from federation.transport.connection import Connection
from federation.transport.limits import Limits


async def test_a_large_request_does_not_overtake_a_small_one_that_was_answered_unasked() -> None:
    client, origin = Client(), Origin("http", "x.org", 80)
    loop, pool = asyncio.get_running_loop(), client._new_pool(origin)
    assert await pool.slot() is None
    transport, connection = FakeTransport(), Connection(Limits())
    connection.connection_made(cast("asyncio.Transport", transport))
    connection.owner, connection.expires = pool, loop.time() + 60.0
    pool.give_back(connection)

    def request(path: str, body: bytes) -> WireRequest:
        return WireRequest("POST", origin, path, (), body)

    timeouts = Timeouts(connect_s=1.0, first_byte_s=1.0, idle_s=1.0, total_s=1.0)
    # All in one turn: uvloop tells of what has arrived before that turn's writes go out.
    small = asyncio.create_task(client.send(request("/small", b"s"), timeouts))
    loop.call_soon(connection.data_received, LENGTH)
    large = asyncio.create_task(client.send(request("/large", b"x" * 100_000), timeouts))
    await small
    await asyncio.sleep(0)
    assert transport.written.startswith(b"POST /small ")
    assert transport.written.endswith(b"x" * 100_000)
    large.cancel()
    await asyncio.wait([large])
    await client.aclose()
