"""Room at a provider: over real sockets, what the provider sees and what callers get."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
import pytest
from gateway_rig import (
    CHAT,
    HELLO,
    STREAM,
    Alter,
    answers,
    at_rest,
    eventually,
    refused,
    resets,
    rig,
    status,
    streams,
)
from inprocess import Gateway, deployment, model
from scripted import Talk, chunk, completion

from federation.domain.access import Role
from federation.domain.catalogue import Deployment, Limits
from federation.domain.routes import Admission, Settings

EVENTS = (chunk("One"), chunk(" two"), chunk("", "stop"), b"data: [DONE]\n\n")


@dataclass
class Desk:
    """A provider that answers when it is told to, and counts how many it does at a time."""

    names: list[str] = field(default_factory=list)
    most: int = 0
    busy: int = 0
    leave: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))

    async def __call__(self, talk: Talk) -> None:
        self.names.append(talk.seen.json["messages"][0]["content"])
        self.busy += 1
        self.most = max(self.most, self.busy)
        try:
            await self.leave.acquire()
            if talk.seen.json.get("stream"):
                await streams(*EVENTS)(talk)
            else:
                await talk.answer(completion())
        finally:
            self.busy -= 1

    def finish(self, calls: int = 1) -> None:
        for _ in range(calls):
            self.leave.release()


def limited(*limits: int | None) -> Alter:
    def alter(place: int, row: Deployment) -> Deployment:
        limit = limits[place]
        return replace(row, provider=replace(row.provider, limits=Limits(concurrency=limit)))

    return alter


def waiting(**rules: Any) -> Settings:
    return Settings(admission=Admission(**rules))


def post(
    client: httpx.AsyncClient, word: str = "Hello", priority: int | None = None, **more: Any
) -> asyncio.Task[httpx.Response]:
    headers = {} if priority is None else {"x-federation-priority": str(priority)}
    body = HELLO | {"messages": [{"role": "user", "content": word}]} | more
    return asyncio.create_task(client.post(CHAT, json=body, headers=headers))


def queued(running: Gateway) -> int:
    return running.world.entrance.lobby.waiting


def untouched(running: Gateway) -> bool:
    lobby = running.world.entrance.lobby
    gates = lobby.gates.values()
    return (
        at_rest(running)
        and lobby.busy == lobby.waiting == 0
        and not any(gate.used or gate.promised or gate.tokens or gate.waiting for gate in gates)
    )


async def test_a_provider_never_gets_more_at_a_time_than_its_row_says() -> None:
    desk = Desk()
    async with rig(desk, alter=limited(3)) as (running, client, _):
        calls = [post(client) for _ in range(12)]
        await eventually(lambda: desk.busy == 3 and queued(running) == 9)
        desk.finish(12)
        assert {(await call).status_code for call in calls} == {200}
        assert (desk.most, len(desk.names)) == (3, 12)
        await eventually(lambda: untouched(running))


async def test_a_worker_holds_its_share_of_the_limit() -> None:
    desk = Desk()
    settings = Settings(workers=2)
    async with rig(desk, alter=limited(5), settings=settings) as (running, client, _):
        calls = [post(client) for _ in range(6)]
        await eventually(lambda: desk.busy == 3 and queued(running) == 3)
        desk.finish(6)
        await asyncio.gather(*calls)
        assert desk.most == 3


async def test_the_more_important_overtakes_and_equals_keep_their_order() -> None:
    desk = Desk()
    async with rig(desk, alter=limited(1)) as (running, client, _):
        calls = [post(client, "running")]
        await eventually(lambda: desk.busy == 1)
        for place, (word, priority) in enumerate(
            [("a", None), ("last", 5), ("b", 3), ("critical", 1)], start=1
        ):
            calls.append(post(client, word, priority))
            await eventually(lambda place=place: queued(running) == place)  # type: ignore[misc]
        desk.finish(5)
        await asyncio.gather(*calls)
        assert desk.names == ["running", "critical", "a", "b", "last"]


async def test_another_candidate_with_room_is_asked_instead_of_waiting() -> None:
    first, second = Desk(), Desk()
    async with rig(first, second, alter=limited(1, 1)) as (running, client, _):
        calls = [post(client) for _ in range(3)]
        await eventually(lambda: first.busy == second.busy == 1 and queued(running) == 1)
        second.finish()
        await eventually(lambda: len(second.names) == 2)
        first.finish()
        second.finish()
        providers = [(await call).headers["x-federation-provider"] for call in calls]
        assert sorted(providers) == ["p0", "p1", "p1"]
        await eventually(lambda: untouched(running))


async def test_a_full_queue_is_refused_at_once_and_says_when_to_come_back() -> None:
    desk = Desk()
    async with rig(desk, alter=limited(1), settings=waiting(queue=1)) as (running, client, _):
        calls = [post(client), post(client)]
        await eventually(lambda: queued(running) == 1)
        reply = await post(client)
        refused(reply, 503, "overloaded")
        assert int(reply.headers["retry-after"]) >= 1
        desk.finish(2)
        await asyncio.gather(*calls)
        assert len(desk.names) == 2


async def test_a_wait_ends_at_its_deadline() -> None:
    desk = Desk()
    settings = waiting(wait_s=0.2)
    async with rig(desk, alter=limited(1), settings=settings) as (running, client, _):
        calling = post(client)
        await eventually(lambda: desk.busy == 1)
        refused(await post(client), 503, "overloaded")
        desk.finish()
        assert (await calling).status_code == 200
        await eventually(lambda: untouched(running))


async def test_a_wait_ends_when_the_clients_own_time_does() -> None:
    desk = Desk()
    async with rig(desk, alter=limited(1)) as (_, client, _up):
        calling = post(client)
        await eventually(lambda: desk.busy == 1)
        late = await post(client, federation={"timeout_ms": 200})
        assert late.status_code == 504
        desk.finish()
        assert (await calling).status_code == 200


async def test_a_client_that_hangs_up_leaves_the_queue_and_its_place() -> None:
    desk = Desk()
    async with rig(desk, alter=limited(1)) as (running, client, _):
        calls = [post(client, "running"), post(client, "gone"), post(client, "stays")]
        await eventually(lambda: queued(running) == 2)
        gone = next(call for call, word in zip(calls, ["", "gone", ""], strict=True) if word)
        gone.cancel()
        await eventually(lambda: queued(running) == 1, 0.5)
        calls[0].cancel()
        await eventually(lambda: desk.names[1:] == ["stays"])
        desk.finish()
        assert (await calls[2]).status_code == 200
        await eventually(lambda: untouched(running))


@pytest.mark.parametrize("body", [HELLO, STREAM], ids=["whole", "stream"])
@pytest.mark.parametrize(
    "behave",
    [
        status(500),
        status(400),
        status(401),
        resets,
        streams(chunk("One", None), end=False),
        streams(b"data: {broken\n\n", end=False),
    ],
    ids=["500", "400", "401", "reset", "cut", "garbled"],
)
async def test_every_ending_gives_its_place_back(behave: Any, body: dict[str, Any]) -> None:
    async with rig(behave, behave, alter=limited(1, 1)) as (running, client, upstreams):
        for _ in range(3):
            async with asyncio.timeout(10):
                with contextlib.suppress(httpx.RemoteProtocolError):
                    await client.post(CHAT, json=body)
        assert upstreams[0].seen
        await eventually(lambda: untouched(running))


async def test_a_stream_holds_its_place_to_the_end_and_no_longer() -> None:
    more = asyncio.Event()

    async def behave(talk: Talk) -> None:
        await talk.begin_stream()
        await talk.event(chunk("One", None))
        await more.wait()
        await talk.event(chunk("", "stop"))
        await talk.event(b"data: [DONE]\n\n")
        await talk.end_stream()

    async with rig(behave, alter=limited(1)) as (running, client, upstreams):
        gate = running.world.entrance.lobby.gates["p0"]
        async with client.stream("POST", CHAT, json=STREAM) as reply:
            lines = reply.aiter_lines()
            await anext(lines)
            assert gate.used == 1
            waits = post(client, stream=True)
            await eventually(lambda: queued(running) == 1)
        await eventually(lambda: len(upstreams[0].seen) == 2)
        more.set()
        assert (await waits).status_code == 200
        await eventually(lambda: untouched(running))


async def test_a_mended_stream_keeps_to_the_limit_too() -> None:
    cut = streams(chunk("One"), end=False)
    desk = Desk()
    async with rig(cut, desk, alter=limited(None, 1)) as (running, client, _):
        other = post(client, model="p1/acme-large")
        await eventually(lambda: desk.busy == 1)
        broken = asyncio.create_task(client.post(CHAT, json=STREAM))
        await eventually(lambda: queued(running) == 1)
        assert desk.busy == 1
        desk.finish()
        assert (await other).status_code == 200
        await eventually(lambda: len(desk.names) == 2)
        desk.finish()
        told = (await broken).text
        assert "two" in told
        assert "mended" in told
        assert desk.most == 1
        await eventually(lambda: untouched(running))


@pytest.mark.parametrize("denied", ["", "rpm/p1", "tpm/p1"])
async def test_who_goes_on_with_a_broken_stream_takes_its_part_of_the_minute(denied: str) -> None:
    def paced(place: int, row: Deployment) -> Deployment:
        limits = Limits(rpm=9, tpm=90_000) if place else Limits(concurrency=1)
        return replace(row, provider=replace(row.provider, limits=limits))

    cut = streams(chunk("One"), end=False)
    again = streams(chunk("One two"), chunk(finish="stop"), b"data: [DONE]\n\n")
    async with rig(cut, again, alter=paced) as (running, client, (_, second)):
        running.leases.denied = {denied}
        told = ""
        with contextlib.suppress(httpx.RemoteProtocolError):
            async with client.stream("POST", CHAT, json=STREAM) as reply:
                async for piece in reply.aiter_text():
                    told += piece
        names = [name for name, _ in running.leases.taken]
        if denied:
            assert "upstream_stream_cut" in told
            assert not second.seen, "it may not be asked this minute"
            assert len(names) == len(running.leases.returned)
        else:
            assert "mended" in told
            assert names == ["rpm/p1", "tpm/p1"]
            assert not running.leases.returned
        await eventually(lambda: untouched(running))


async def test_a_busy_worker_sheds_the_least_important_and_keeps_the_critical() -> None:
    desk = Desk()
    settings = waiting(calls=10, critical=("key_1",))
    async with rig(desk, settings=settings) as (running, client, _):
        calls = [post(client) for _ in range(8)]
        await eventually(lambda: desk.busy == 8)
        reply = await post(client, priority=5)
        refused(reply, 503, "overloaded")
        assert reply.headers["retry-after"]
        calls += [post(client, priority=4), post(client)]
        await eventually(lambda: desk.busy == 10)
        refused(await post(client, priority=4), 503, "overloaded")
        refused(await post(client), 503, "overloaded")
        calls.append(post(client, priority=1))
        await eventually(lambda: desk.busy == 11)
        desk.finish(11)
        assert {(await call).status_code for call in calls} == {200}
        await eventually(lambda: untouched(running))


@pytest.mark.parametrize(
    ("critical", "role", "kept"),
    [
        ((), Role.DEVELOPER, False),
        (("key_2", "other"), Role.OWNER, False),
        (("key_1",), Role.DEVELOPER, True),
        (("default",), Role.DEVELOPER, True),
        ((), Role.ADMIN, True),
    ],
)
async def test_only_who_may_say_so_has_critical_calls(
    critical: tuple[str, ...], role: Role, kept: bool
) -> None:
    desk = Desk()
    settings = waiting(calls=10, critical=critical)
    async with rig(desk, settings=settings) as (running, client, _):
        running.keys.key = replace(running.keys.key, role=role)
        calls = [post(client) for _ in range(10)]
        await eventually(lambda: desk.busy == 10)
        calls.append(post(client, priority=1))  # with another key it counts as 2: up to 110 %
        await eventually(lambda: desk.busy == 11)
        last = post(client, priority=1)
        if kept:
            await eventually(lambda: desk.busy == 12)
            calls.append(last)
        else:
            refused(await last, 503, "overloaded")
        desk.finish(len(calls))
        assert {(await call).status_code for call in calls} == {200}
        await eventually(lambda: untouched(running))


@pytest.mark.parametrize("wrong", ["0", "6", "high", "١"])
async def test_a_priority_is_a_number_from_one_to_five(wrong: str) -> None:
    async with rig(status(200)) as (_, client, upstreams):
        reply = await client.post(
            CHAT, json=HELLO, headers={b"x-federation-priority": wrong.encode()}
        )
        refused(reply, 400)
        assert not upstreams[0].seen


@pytest.mark.parametrize("code", [401, 402, 403])
async def test_a_refused_credential_rests_with_all_that_are_asked_with_it(code: int) -> None:
    def alter(place: int, row: Deployment) -> Deployment:
        if place != 1:
            return row
        return deployment(replace(row.provider, id="p0"), model("acme-small"))

    async with rig(status(code), answers(), answers(), alter=alter) as (running, client, ups):
        reply = await client.post(CHAT, json=HELLO)
        world = running.world
        down = [until > world.clock() + 30 for until in world.health.live(world.clock()).down_until]
        if code == 403:  # it may be about the model alone
            assert reply.headers["x-federation-model"] == "acme-small"
            assert down == [True, False, False]
        else:
            assert reply.headers["x-federation-provider"] == "p2"
            assert down == [True, True, False]
            assert not ups[1].seen


async def test_a_place_is_given_back_where_the_request_limit_is_used_up() -> None:
    def alter(_: int, row: Deployment) -> Deployment:
        limits = Limits(rpm=1, concurrency=1)
        return replace(row, provider=replace(row.provider, limits=limits))

    async with rig(answers(), alter=alter) as (running, client, upstreams):
        running.leases.denied.add("rpm/p0")
        for _ in range(3):
            refused(await client.post(CHAT, json=HELLO), 429, "provider_limit_reached")
        running.leases.denied.clear()
        assert (await client.post(CHAT, json=HELLO)).status_code == 200
        assert len(upstreams[0].seen) == 1
        await eventually(lambda: untouched(running))
