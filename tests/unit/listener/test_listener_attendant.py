"""One task for a connection: one answer after another, and an end."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from federation.listener.attendant import Attendant
from federation.listener.intake import Inbound
from federation.schema.http import ClientRequest


def inbound(path: str) -> Inbound:
    return Inbound(ClientRequest("GET", path, "", {}, b""), True, False, b"")


def attendant() -> Attendant:
    return Attendant(asyncio.get_running_loop())


async def steps(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_requests_are_answered_in_one_task() -> None:
    seen: list[tuple[str, object]] = []

    async def answer(asked: Inbound) -> None:
        seen.append((asked.request.path, asyncio.current_task()))

    at_work = attendant()
    for path in ("/a", "/b", "/c"):
        at_work.begin(answer, inbound(path))
        await steps()
    assert [path for path, _ in seen] == ["/a", "/b", "/c"]
    assert len({id(task) for _, task in seen}) == 1
    assert at_work.dismiss() is None
    await steps()
    assert cast("asyncio.Task[None]", seen[0][1]).done()


async def test_what_an_answer_begins_in_its_last_step_follows_it() -> None:
    seen: list[str] = []
    at_work = attendant()

    async def answer(asked: Inbound) -> None:
        seen.append(asked.request.path)
        if len(seen) < 3:
            at_work.begin(answer, inbound(f"/{len(seen)}"))

    at_work.begin(answer, inbound("/0"))
    await steps()
    assert seen == ["/0", "/1", "/2"]
    at_work.dismiss()
    await steps()


async def test_who_is_dismissed_at_work_is_handed_over_and_takes_nothing_more() -> None:
    done = asyncio.Event()

    async def answer(_: Inbound) -> None:
        await done.wait()

    at_work = attendant()
    at_work.begin(answer, inbound("/a"))
    await steps()
    task = at_work.dismiss()
    assert task is not None
    assert not task.done()
    assert at_work.dismiss() is None
    done.set()
    await asyncio.wait_for(task, 30)


async def test_an_answer_that_is_canceled_ends_the_task() -> None:
    async def answer(_: Inbound) -> None:
        await asyncio.Event().wait()

    at_work = attendant()
    at_work.begin(answer, inbound("/a"))
    await steps()
    task = at_work.dismiss()
    assert task is not None
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_one_that_never_began_is_dismissed_like_any_other() -> None:
    assert attendant().dismiss() is None
