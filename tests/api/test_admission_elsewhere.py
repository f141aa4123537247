"""What is no attempt takes a place at its provider, too: pass-through and counting."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import httpx
import pytest
from gateway_rig import eventually, refused, rig
from inprocess import Gateway
from operations_rig import Place, offers, places
from scripted import Talk

from federation.domain.catalogue import Deployment, Limits
from federation.domain.routes import Admission, Settings

COUNT = "/v1/messages/count_tokens"
ASKED: dict[str, Any] = {"model": "chat", "messages": [{"role": "user", "content": "Hello"}]}
RULES: list[dict[str, Any]] = [
    {"method": ["POST"], "path": "/files", "price": "free", "body": "any", "creates": "id"},
    {"method": ["POST"], "path": "/sounds", "price": "free", "body": "any"},
]
FILES, SOUNDS = "/passthrough/p0/files", "/passthrough/p0/sounds"
SOUND = b"\x00\xff" * 50_000


class Door:
    """A provider that answers when it is told to, and counts how many it does at a time."""

    def __init__(self) -> None:
        self.busy = self.most = 0
        self.leave = asyncio.Semaphore(0)

    async def __call__(self, talk: Talk) -> None:
        self.busy += 1
        self.most = max(self.most, self.busy)
        try:
            await self.leave.acquire()
            if talk.seen.head.startswith("POST /v1/sounds"):
                head = b"HTTP/1.1 200 OK\r\ncontent-type: audio/wav\r\ncontent-length: %d\r\n\r\n"
                await talk.send(head % len(SOUND))
                await talk.send(SOUND[:5])
                await self.leave.acquire()
                await talk.send(SOUND[5:])
            elif talk.seen.head.startswith("POST /v1/messages/count_tokens"):
                await talk.answer(b'{"input_tokens": 11}')
            else:
                await talk.answer(b'{"id": "file-1"}')
        finally:
            self.busy -= 1


def untouched(running: Gateway) -> bool:
    lobby = running.world.entrance.lobby
    gates = lobby.gates.values()
    return lobby.busy == lobby.waiting == 0 and not any(
        gate.used or gate.promised or gate.tokens or gate.waiting for gate in gates
    )


def passing(door: Door, **rules: Any) -> Any:
    place = Place(door, offers("chat"), quirks={"passthrough": RULES}, limits=Limits(concurrency=1))
    return places(place, settings=Settings(passthrough=("p0",), admission=Admission(**rules)))


def post(client: httpx.AsyncClient) -> asyncio.Task[httpx.Response]:
    return asyncio.create_task(client.post(FILES, content=b"abc"))


async def test_what_passes_through_waits_for_its_place_and_gives_it_back() -> None:
    door = Door()
    async with passing(door) as (running, client, _):
        running.world.seal_key = b"k" * 32
        first, second = post(client), post(client)
        lobby = running.world.entrance.lobby
        await eventually(lambda: door.busy == 1 and lobby.waiting == 1)
        door.leave.release()
        assert (await first).status_code == 200
        await eventually(lambda: door.busy == 1)
        door.leave.release()
        assert (await second).status_code == 200
        assert door.most == 1
        await eventually(lambda: untouched(running))


async def test_a_passage_without_a_place_in_time_is_refused() -> None:
    door = Door()
    async with passing(door, wait_s=0.05) as (running, client, (upstream,)):
        running.world.seal_key = b"k" * 32
        first = post(client)
        await eventually(lambda: door.busy == 1)
        refused(await post(client), 503, "overloaded")
        assert len(upstream.seen) == 1
        door.leave.release()
        assert (await first).status_code == 200
        await eventually(lambda: untouched(running))


async def test_a_busy_worker_refuses_what_passes_through() -> None:
    door = Door()
    async with passing(door, calls=1) as (running, client, _):
        running.world.seal_key = b"k" * 32
        first = post(client)
        await eventually(lambda: door.busy == 1)
        refused(await post(client), 503, "overloaded")
        door.leave.release()
        assert (await first).status_code == 200
        await eventually(lambda: untouched(running))


async def test_an_answer_that_passes_through_holds_its_place_until_it_is_over() -> None:
    door = Door()
    async with passing(door) as (running, client, _):
        door.leave.release()
        async with client.stream("POST", SOUNDS, content=b"abc") as reply:
            assert reply.status_code == 200
            waiting = post(client)
            lobby = running.world.entrance.lobby
            await eventually(lambda: lobby.waiting == 1)
            assert door.most == 1
        # The client left in the middle: its place is free.
        door.leave.release()
        running.world.seal_key = b"k" * 32
        await eventually(lambda: lobby.waiting == 0)
        door.leave.release()
        assert (await waiting).status_code == 200
        await eventually(lambda: untouched(running))


async def test_a_client_that_leaves_and_a_refusal_on_the_way_leave_nothing() -> None:
    door = Door()
    async with passing(door) as (running, client, _):
        first, second = post(client), post(client)
        lobby = running.world.entrance.lobby
        await eventually(lambda: door.busy == 1 and lobby.waiting == 1)
        for task in (second, first):
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        await eventually(lambda: untouched(running))


async def test_a_passage_that_its_allowance_refuses_gives_its_place_back() -> None:
    limits = Limits(concurrency=1, rpm=1)
    place = Place(Door(), offers("chat"), quirks={"passthrough": RULES}, limits=limits)
    async with places(place, settings=Settings(passthrough=("p0",))) as (running, client, _):
        running.leases.denied.add("rpm/p0")
        refused(await client.post(FILES, content=b"abc"), 429, "provider_limit_reached")
        await eventually(lambda: untouched(running))


def counts(place: int, row: Deployment) -> Deployment:
    limits = Limits(concurrency=1)
    return replace(row, provider=replace(row.provider, dialect="anthropic", limits=limits))


async def test_a_count_that_finds_no_room_is_ours() -> None:
    door = Door()
    async with rig(door, alter=counts) as (running, client, (upstream,)):
        first = asyncio.create_task(client.post(COUNT, json=ASKED))
        await eventually(lambda: door.busy == 1)
        told = await client.post(COUNT, json=ASKED)
        assert (told.status_code, told.headers["x-federation-estimated"]) == (200, "true")
        assert len(upstream.seen) == 1
        door.leave.release()
        assert (await first).json() == {"input_tokens": 11}
        await eventually(lambda: untouched(running))
