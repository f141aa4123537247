"""Secrets that lie elsewhere are read again, and a new one is put in force by a reload."""

from __future__ import annotations

import asyncio

from federation.control.secret_watch import SecretWatch


async def test_a_change_is_told_and_nothing_else_is() -> None:
    looks = iter((False, True, False))
    told = asyncio.Event()
    over = asyncio.Event()
    loop = asyncio.get_running_loop()

    def refresh() -> bool:
        found = next(looks, None)
        if found is None:
            loop.call_soon_threadsafe(over.set)
        return bool(found)

    count = 0

    def reload() -> None:
        nonlocal count
        count += 1
        told.set()

    watch = SecretWatch(refresh, lambda: 0.001)
    task = asyncio.create_task(watch.follow(reload))
    async with asyncio.timeout(30):
        await told.wait()
        await over.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    watch.close()

    assert count == 1
