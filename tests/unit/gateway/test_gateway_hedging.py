"""What becomes of an answer that comes beside the one that won."""

from __future__ import annotations

import asyncio

from federation.gateway.hedging import _end
from federation.schema.http import ClientReply


class Body:
    """A stream that was begun, and notes that it was closed."""

    closed = False

    async def read(self) -> bytes:
        return b"more"

    async def aclose(self) -> None:
        self.closed = True


async def test_a_stream_that_came_all_the_same_is_closed_and_a_failure_is_nobodys() -> None:
    late = Body()

    async def answers() -> ClientReply:
        return ClientReply(200, [], late)

    async def stubborn() -> ClientReply:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return ClientReply(200, [], b"whole")
        raise AssertionError

    async def fails() -> ClientReply:
        raise LookupError

    runs = {asyncio.create_task(each()): n for n, each in enumerate((answers, stubborn, fails))}
    await asyncio.sleep(0)
    await _end(runs)
    assert late.closed
    assert all(task.done() for task in runs)
