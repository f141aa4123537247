"""The whole gateway, in one process, against scripted upstreams on loopback."""

from __future__ import annotations

import asyncio

from gateway_rig import HELLO, rig
from scripted import DONE, USAGE, Talk, chunk, completion, whole


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


async def test_a_stream_whose_last_chunk_comes_late_gives_its_connection_back() -> None:
    async def behave(talk: Talk) -> None:
        await talk.begin_stream()
        await talk.event(chunk("Hi", finish="stop"))
        await talk.event(DONE)
        await asyncio.sleep(0.05)
        await talk.end_stream()

    async with rig(behave) as (running, client, upstreams):
        for _ in range(2):
            reply = await client.post("/v1/chat/completions", json=HELLO | {"stream": True})
            assert reply.content.endswith(DONE)
            await asyncio.sleep(0.2)
        assert upstreams[0].connections == 1
        assert running.transport.busy == 0
