"""Edges of the gateway that a review or a newcomer found."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import replace

import httpx
from gateway_rig import AUTH, HELLO, rig, status
from inprocess import deployment, gateway, model, provider, route, snapshot
from scripted import DONE, Talk, chunk, whole

from federation.domain.catalogue import Deployment
from federation.domain.routes import Settings
from federation.resilience.circuit import Circuit

STREAM = HELLO | {"stream": True}


async def eleven(talk: Talk) -> None:
    await talk.answer(b'{"input_tokens": 11}')


def speaking_anthropic(place: int, row: Deployment) -> Deployment:
    """A deployment of Anthropic's language."""
    return replace(row, provider=replace(row.provider, dialect="anthropic"))


async def test_a_stream_that_is_complete_does_not_wait_for_a_marker_that_never_comes() -> None:
    async def behave(talk: Talk) -> None:
        await talk.begin_stream()
        await talk.event(chunk("Hi"))
        await talk.event(chunk(finish="stop"))
        await asyncio.sleep(30)

    async with rig(behave) as (running, client, _):
        began = time.monotonic()
        reply = await client.post("/v1/chat/completions", json=STREAM)
        assert time.monotonic() - began < 5
        assert reply.content == chunk("Hi") + chunk(finish="stop") + DONE
        assert [line.outcome for line in running.books.ended] == ["ok"]


async def test_the_first_byte_of_a_stream_is_its_first_content() -> None:
    """Not its head, and no event that says nothing."""

    async def behave(talk: Talk) -> None:
        await talk.begin_stream()
        await talk.event(b": ping\n\n")
        await asyncio.sleep(0.06)
        await talk.event(chunk("Hi"))
        await talk.event(chunk(finish="stop"))
        await talk.event(DONE)
        await talk.end_stream()

    async with rig(behave) as (running, client, _):
        assert (await client.post("/v1/chat/completions", json=STREAM)).status_code == 200
        (ended,) = running.books.ended
        assert 50 < ended.attempts[0].first_byte_ms <= ended.first_byte_ms <= ended.duration_ms


async def test_a_reset_after_the_finish_reason_takes_nothing_from_the_answer() -> None:
    async def behave(talk: Talk) -> None:
        await talk.begin_stream()
        await talk.event(chunk("Hi"))
        await talk.event(chunk(finish="stop"))
        await asyncio.sleep(0.05)
        talk.reset()

    async with rig(behave) as (running, client, _):
        reply = await client.post("/v1/chat/completions", json=STREAM)
        assert b"error" not in reply.content
        assert [line.outcome for line in running.books.ended] == ["ok"]


async def test_one_choice_that_finishes_twice_does_not_complete_the_other() -> None:
    async def behave(talk: Talk) -> None:
        await talk.begin_stream()
        await talk.event(chunk("Hi"))
        await talk.event(chunk(finish="stop"))
        await talk.event(chunk(finish="stop"))
        await talk.end_stream()

    async with rig(behave) as (running, client, _):
        with contextlib.suppress(httpx.RemoteProtocolError):
            await client.post("/v1/chat/completions", json=STREAM | {"n": 2})
        assert [line.outcome for line in running.books.ended] == ["cut"]


async def test_a_request_that_comes_back_to_us_is_refused() -> None:
    async with rig(whole) as (running, client, upstreams):
        await client.post("/v1/chat/completions", json=HELLO)
        via = upstreams[0].seen[0].headers["via"]
        reply = await client.post("/v1/chat/completions", json=HELLO, headers={"via": via})
        assert reply.status_code == 508
        assert reply.json()["error"]["code"] == "loop_detected"
        assert len(upstreams[0].seen) == 1
        assert running.world.via.decode() in via


async def test_a_circle_of_several_gateways_is_found_by_each_of_them() -> None:
    """Each tells the next through which of its kind the call came, and of no other proxy."""
    other = "1.1 federation-0123456789ab"
    async with rig(whole) as (running, client, (upstream,)):
        own, running.world.via = "1.1 federation", b"federation-ffffffffffff"
        came = {"via": f"1.0 proxy.corp.internal, {other}, 1.1 nginx"}
        assert (await client.post("/v1/chat/completions", json=HELLO, headers=came)).is_success
        assert upstream.seen[0].headers["via"] == f"{other}, {own}"
        back = {"via": f"1.1 federation-ffffffffffff, {other}"}
        reply = await client.post("/v1/chat/completions", json=HELLO, headers=back)
        assert reply.status_code == 508
        strangers = {"via": "1.1 nginx"}
        assert (await client.post("/v1/chat/completions", json=HELLO, headers=strangers)).is_success
        assert upstream.seen[1].headers["via"] == own


async def test_a_preferred_provider_that_there_is_not_is_named_in_a_warning() -> None:
    async with rig(whole) as (_, client, _):
        wish = {"federation": {"constraints": {"provider_preference": ["p0", "gone"]}}}
        for stream in ({}, {"stream": True}):
            reply = await client.post("/v1/chat/completions", json=HELLO | wish | stream)
            assert reply.status_code == 200
            assert reply.headers["x-federation-warning"] == "no such provider: gone"


async def test_who_leads_back_to_us_is_asked_once_and_is_not_ill() -> None:
    async with rig(status(508), whole) as (running, client, (circle, good)):
        for _ in range(6):
            assert (await client.post("/v1/chat/completions", json=HELLO)).status_code == 200
        assert (len(circle.seen), len(good.seen)) == (6, 6), "asked once, and neither rests"
        health, now = running.world.health, running.world.clock()
        assert health.circuit("p0/acme-large", now) is Circuit.CLOSED
        assert running.books.ended[0].attempts[0].error == "upstream_loop"
    async with rig(status(508)) as (_, client, (circle,)):
        reply = await client.post("/v1/chat/completions", json=HELLO)
        assert (reply.status_code, len(circle.seen)) == (508, 1)
        assert "base_url" in reply.json()["error"]["message"]


async def test_an_open_gateway_is_not_open_to_web_pages() -> None:
    path = "/v1/chat/completions"
    async with (
        rig(whole, settings=Settings(open=True)) as (running, _, _upstreams),
        httpx.AsyncClient(base_url=running.url) as stranger,
    ):
        assert (await stranger.post(path, json=HELLO)).status_code == 200
        placeholder = {"authorization": "Bearer x"}
        assert (await stranger.post(path, json=HELLO, headers=placeholder)).status_code == 200
        page = {"origin": "https://evil.example"}
        assert (await stranger.post(path, json=HELLO, headers=page)).status_code == 403


async def test_a_refused_field_leaves_its_line_and_a_dry_run_refuses_it_too() -> None:
    async with rig(whole) as (running, client, upstreams):
        tool = {"type": "web_search"}
        reply = await client.post("/v1/chat/completions", json=HELLO | {"tools": [tool]})
        assert reply.status_code == 403
        assert [line.error for line in running.books.ended] == ["governed_field"]
        assert reply.headers["x-federation-call-id"] == running.books.ended[0].call
        asked = {"prompt": "Hi", "tools": [tool], "dry_run": True}
        assert (await client.post("/v1/route", json=asked)).status_code == 403
        assert upstreams[0].seen == []


async def test_a_failed_call_names_itself_and_its_attempts() -> None:
    async def behave(talk: Talk) -> None:
        await talk.answer(b"{}", status=404)

    async with rig(behave, behave) as (running, client, _):
        reply = await client.post("/v1/chat/completions", json=HELLO)
        assert reply.headers["x-federation-attempts"] == "2"
        assert reply.headers["x-request-id"] == running.books.ended[0].call


async def test_a_dialect_that_is_not_spoken_yet_makes_nothing_ready() -> None:
    row = deployment(provider("other", "http://127.0.0.1:1", dialect="triton"), model("m"))
    async with (
        gateway(snapshot((row,), route("chat", row.id))) as running,
        httpx.AsyncClient(base_url=running.url, headers=AUTH) as client,
    ):
        assert (await client.get("/health/ready")).status_code == 503
        names = [each["id"] for each in (await client.get("/v1/models")).json()["data"]]
        assert row.id not in names
        listed = (await client.get("/v1/providers")).json()["data"]
        assert [each["available"] for each in listed] == [False]


async def test_a_big_conversation_is_read_beside_the_loop() -> None:
    async with rig(whole) as (_, client, _upstreams):
        big = HELLO | {"messages": [{"role": "user", "content": "word " * 200_000}]}
        reply = await client.post("/v1/chat/completions", json=big)
        assert reply.status_code in (200, 400)
        assert DONE not in reply.content


async def test_a_base_url_may_lack_the_version_that_the_client_was_to_bring() -> None:
    async with rig(eleven, alter=speaking_anthropic) as (_, client, (upstream,)):
        body = {"model": "chat", "messages": [{"role": "user", "content": "Hi"}]}
        told = await client.post("/messages/count_tokens", json=body)
        assert told.json() == {"input_tokens": 11}
        assert len(upstream.seen) == 1
        refused = await client.post("/messages", json={"model": "chat"})
        assert refused.status_code == 400
        assert refused.json()["type"] == "error"


async def test_a_base_url_with_the_version_twice_is_told_so() -> None:
    async with rig(eleven) as (_, client, _):
        told = await client.post("/v1/v1/messages", json={})
        assert told.status_code == 404
        assert "leave it out of the base URL" in told.json()["error"]["message"]
