"""The whole gateway, in one process, against scripted upstreams on loopback."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from inprocess import SECRET, Gateway, deployment, gateway, model, provider, route, snapshot
from scripted import DONE, USAGE, Behave, Talk, Upstream, chunk, completion, whole

from federation.domain.routes import Deadlines, Route, Settings, Target

AUTH = {"authorization": f"Bearer {SECRET}"}
HELLO = {"model": "chat", "messages": [{"role": "user", "content": "Hello"}]}


@asynccontextmanager
async def rig(
    *behaviors: Behave, settings: Settings | None = None, deadlines: Deadlines | None = None
) -> AsyncIterator[tuple[Gateway, httpx.AsyncClient, list[Upstream]]]:
    """A gateway whose route `chat` has one deployment for each behavior, in order."""
    upstreams = [Upstream(behave) for behave in behaviors]
    for upstream in upstreams:
        await upstream.__aenter__()
    rows = tuple(
        deployment(provider(f"p{place}", upstream.url), model("acme-large"))
        for place, upstream in enumerate(upstreams)
    )
    targets = tuple(Target(row.id) for row in rows)
    chat = Route("chat", "priority", targets, deadlines=deadlines)
    state = snapshot(rows, chat, settings=settings)
    try:
        async with (
            gateway(state) as running,
            httpx.AsyncClient(base_url=running.url, headers=AUTH, timeout=20) as client,
        ):
            yield running, client, upstreams
    finally:
        for upstream in upstreams:
            await upstream.__aexit__()


async def test_a_whole_answer_is_handed_on_byte_for_byte() -> None:
    sent = completion().replace(b'"id"', b' "id" ')

    async def behave(talk: Talk) -> None:
        await talk.answer(sent)

    async with rig(behave) as (running, client, upstreams):
        reply = await client.post("/v1/chat/completions", json=HELLO)
        assert reply.status_code == 200
        assert reply.content == sent
        assert reply.headers["x-federation-provider"] == "p0"
        assert reply.headers["x-federation-model"] == "acme-large"
        assert reply.headers["x-federation-strategy"] == "priority"
        assert reply.headers["x-federation-attempts"] == "1"
        (ended,) = running.books.ended
        assert ended.call == reply.headers["x-federation-call-id"]
        assert ended.outcome == "ok"
        assert ended.cost_nano == 10 * 2500 + 5 * 10_000
        assert len(running.books.started) == 1
        assert upstreams[0].seen[0].json["model"] == "acme-large"
        assert upstreams[0].seen[0].headers["authorization"] == "Bearer upstream-secret"


async def test_a_stream_is_handed_on_and_our_own_usage_event_withheld() -> None:
    async with rig(whole) as (running, client, upstreams):
        reply = await client.post("/v1/chat/completions", json=HELLO | {"stream": True})
        expected = chunk("Hel") + chunk("lo") + chunk(".") + chunk(finish="stop") + DONE
        assert reply.content == expected
        assert upstreams[0].seen[0].json["stream_options"] == {"include_usage": True}
        (ended,) = running.books.ended
        assert (ended.usage.input, ended.usage.output) == (10, 3)
        assert ended.finish == "stop"


async def test_a_usage_event_that_the_client_asked_for_is_delivered() -> None:
    async with rig(whole) as (_, client, _upstreams):
        asked = HELLO | {"stream": True, "stream_options": {"include_usage": True}}
        reply = await client.post("/v1/chat/completions", json=asked)
        assert USAGE in reply.content
