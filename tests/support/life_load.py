"""Load on a whole service while its processes come and go: clients, and the provider they reach.

Clients of three kinds ask again and again: whole answers over a kept connection, streams over a
kept connection, and calls that connect anew each time. A call has failed where it got anything
but the whole answer. The provider takes some milliseconds, or as long as a call's `user` says:
`hang` is silence, `slow` a stream of `SLOW_WORDS` words that takes `SLOW_S`.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from gateway_rig import CHAT, HELLO
from processes import Service
from scripted import DONE, Talk, chunk, whole

SLOW_WORDS = 20
SLOW_S = 4.0
SLOW_TEXT = "".join(f"w{number} " for number in range(SLOW_WORDS))


async def provider(talk: Talk) -> None:
    """What stands behind the service."""
    user = talk.seen.json.get("user")
    if user == "hang":
        await asyncio.Event().wait()
    if user == "slow":
        await talk.begin_stream()
        for number in range(SLOW_WORDS):
            await asyncio.sleep(SLOW_S / SLOW_WORDS)
            await talk.event(chunk(f"w{number} "))
        await talk.event(chunk(finish="stop"))
        await talk.event(DONE)
        await talk.end_stream()
        return
    await asyncio.sleep(0.005)
    await whole(talk)


def said(body: bytes) -> str:
    """The text of a stream that ended in order; raises where it did not."""
    assert body.endswith(DONE), body[-300:]
    events = [json.loads(line[6:]) for line in body.split(b"\n\n") if line.startswith(b"data: {")]
    assert not any("error" in event for event in events), body[-300:]
    return "".join(
        choice["delta"].get("content") or "" for event in events for choice in event["choices"]
    )


@dataclass
class Load:
    """What its clients saw: the call ids of whole answers, and what else came."""

    service: Service
    ended: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    stopped: bool = False

    async def more(self, count: int, within_s: float = 30.0) -> None:
        """Return once so many further answers have come."""
        wanted = len(self.ended) + count
        await until(lambda: len(self.ended) >= wanted or bool(self.failed), within_s)

    async def kept(self, *, stream: bool) -> None:
        """Ask over connections that are kept, until told to stop."""
        async with self.service.client() as client:
            while not self.stopped:
                await self._ask(client, stream)

    async def anew(self, *, stream: bool) -> None:
        """Ask over a new connection each time."""
        while not self.stopped:
            async with self.service.client() as client:
                await self._ask(client, stream)

    async def paused(self) -> None:
        """Ask over a kept connection, with pauses in which it lies idle."""
        async with self.service.client() as client:
            while not self.stopped:
                await self._ask(client, stream=False)
                await asyncio.sleep(0.3)

    async def _ask(self, client: httpx.AsyncClient, stream: bool) -> None:
        try:
            reply = await client.post(CHAT, json=HELLO | {"stream": stream})
        except httpx.TransportError as error:
            self.failed.append(repr(error))
            return
        good = b"Hello." in reply.content or (stream and said(reply.content) == "Hello.")
        if reply.status_code == 200 and good:
            self.ended.append(reply.headers["x-federation-call-id"])
        else:
            self.failed.append(f"{reply.status_code} {reply.text[:300]}")


@asynccontextmanager
async def loaded(service: Service, each: int = 2) -> AsyncIterator[Load]:
    """Load while the block lasts; at its end every client has stopped."""
    load = Load(service)
    work = [load.kept(stream=number % 2 == 1) for number in range(2 * each)]
    work += [load.anew(stream=number % 2 == 1) for number in range(each)]
    work += [load.paused() for _ in range(each)]
    clients = [asyncio.ensure_future(one) for one in work]
    try:
        await load.more(20)
        yield load
    finally:
        load.stopped = True
        results = await asyncio.gather(*clients, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result


async def slow_stream(client: httpx.AsyncClient, began: asyncio.Event) -> str:
    """A stream that takes `SLOW_S`; its text. `began` is set with its first word."""
    body = b""
    members: dict[str, Any] = {"stream": True, "user": "slow"}
    async with client.stream("POST", CHAT, json=HELLO | members) as reply:
        async for piece in reply.aiter_raw():
            body += piece
            if b"w0" in body:
                began.set()
    return said(body)


async def until(holds: Callable[[], bool], within_s: float = 15.0) -> None:
    """Wait until something holds."""
    end = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < end, "it never came about"
        await asyncio.sleep(0.02)
