"""A client's own deadline: it shortens the client's call, and says nothing of who is asked."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable
from typing import Any

import httpx
import pytest
from gateway_rig import CHAT, HELLO, STREAM, eventually, refused, rig, silent, streams
from inprocess import Gateway
from scripted import DONE, Talk, chunk, whole

from federation.domain.routes import Deadlines
from federation.resilience import deadlines
from federation.resilience.circuit import Circuit
from federation.schema.records import AttemptRecord

ID = "p0/acme-large"
SOON = {"x-timeout-ms": "80"}
TIMES = 6
"""More failures in a row than a circuit stays closed for."""


def circuit(running: Gateway) -> Circuit:
    return running.world.health.circuit(ID, running.world.clock())


def attempts(running: Gateway) -> list[AttemptRecord]:
    ended = running.books.ended
    return [attempt for each in ended for attempt in each.attempts]


async def test_clients_in_a_hurry_open_no_circuit_and_are_told_why_they_got_nothing() -> None:
    async with rig(silent) as (running, client, _):
        for _ in range(TIMES):
            reply = await client.post(CHAT, json=HELLO, headers=SOON)
            assert "X-Timeout-Ms" in refused(reply, 504, "upstream_timeout")["message"]
        assert circuit(running) is Circuit.CLOSED
        assert {each.error for each in attempts(running)} == {"hurried"}
        # Who was left in the middle of its work may bill for the prompt.
        assert all(each.usage.estimated and each.cost_nano for each in attempts(running))


async def test_a_stream_that_its_client_has_no_time_for_is_no_failure() -> None:
    words = [chunk("word ") for _ in range(200)]
    async with rig(streams(*words, gap_s=0.02)) as (running, client, _):
        calls = [client.post(CHAT, json=STREAM, headers=SOON) for _ in range(TIMES)]
        for told in await asyncio.gather(*calls, return_exceptions=True):
            assert isinstance(told, httpx.RemoteProtocolError)  # an error ends it, which cuts it
        assert circuit(running) is Circuit.CLOSED
        assert {each.error for each in attempts(running)} == {"hurried"}


async def test_a_stream_beyond_all_that_its_call_allowed_is_a_failure_whoever_waits() -> None:
    async def without_end(talk: Talk) -> None:
        await talk.begin_stream()
        while True:
            await asyncio.gather(*(talk.event(chunk("word ")) for _ in range(100)))
            await asyncio.sleep(0.001)

    few = STREAM | {"max_tokens": 5}
    async with rig(without_end) as (running, client, _):
        for _ in range(TIMES):
            with contextlib.suppress(httpx.RemoteProtocolError):
                await client.post(CHAT, json=few, headers={"x-timeout-ms": "250"})
        assert {each.error for each in attempts(running)} == {"upstream_timeout"}
        assert circuit(running) is Circuit.OPEN


@pytest.mark.parametrize("body", [HELLO, STREAM], ids=["whole", "stream"])
async def test_who_is_silent_beyond_its_own_time_is_at_fault_whoever_waits(
    body: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadlines, "WHOLE_S", 0.01)
    monkeypatch.setattr(deadlines, "FIRST_TOKEN_S", 0.01)
    async with rig(silent) as (running, client, _):
        for _ in range(TIMES):
            await client.post(CHAT, json=body, headers=SOON)
        assert circuit(running) is Circuit.OPEN
        assert {each.error for each in attempts(running)} == {"upstream_timeout"}


@pytest.mark.parametrize("body", [HELLO, STREAM], ids=["whole", "stream"])
async def test_who_was_quick_and_falls_silent_keeps_no_client_for_itself(
    body: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadlines, "SURE_S", 0.3)

    def first(request: Talk) -> Awaitable[None]:
        return silent(request) if dead else answer(request)

    answer = streams(chunk("Hello"), chunk(finish="stop"), DONE) if body is STREAM else whole
    dead = False
    second = streams(chunk("Hi"), chunk(finish="stop"), DONE) if body is STREAM else whole
    async with rig(first, second) as (running, client, upstreams):
        for _ in range(TIMES):
            assert (await client.post(CHAT, json=body)).status_code == 200
        assert upstreams[1].seen == []
        dead = True
        for _ in range(TIMES):
            await client.post(CHAT, json=body, headers={"x-timeout-ms": "400"})
        assert circuit(running) is Circuit.OPEN
        assert (await client.post(CHAT, json=body)).status_code == 200
        assert upstreams[1].seen


@pytest.mark.parametrize("body", [HELLO, STREAM], ids=["whole", "stream"])
async def test_clients_that_wait_too_shortly_for_much_open_no_circuit_of_who_answers_others(
    body: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadlines, "SURE_S", 0.1)
    words = streams(chunk("Hello"), chunk(finish="stop"), DONE) if body is STREAM else whole

    def first(request: Talk) -> Awaitable[None]:
        return silent(request) if "max_tokens" in request.seen.json else words(request)

    async with rig(first) as (running, client, _):
        assert (await client.post(CHAT, json=body)).status_code == 200
        much = body | {"max_tokens": 4000}
        calls = [
            asyncio.create_task(client.post(CHAT, json=much, headers={"x-timeout-ms": "800"}))
            for _ in range(TIMES)
        ]
        await asyncio.sleep(0.4)
        assert (await client.post(CHAT, json=body)).status_code == 200
        await asyncio.gather(*calls)
        assert circuit(running) is Circuit.CLOSED
        assert [each.error for each in attempts(running)].count("hurried") == TIMES
        assert all(each.cost_nano for each in attempts(running)), "it has read the prompts"


async def test_who_reads_too_slowly_has_nobody_else_asked() -> None:
    words = [chunk("word " * 20_000) for _ in range(300)]
    within = Deadlines(total_s=2.0)
    async with rig(streams(*words), streams(DONE), deadlines=within) as (running, client, others):
        async with client.stream("POST", CHAT, json=STREAM) as reply:
            await asyncio.sleep(3.0)
            said = b""
            with contextlib.suppress(httpx.RemoteProtocolError):  # an error ends it, which cuts it
                async for piece in reply.aiter_raw():
                    said = (said + piece)[-1000:]
            assert b"too slowly" in said
        await eventually(lambda: bool(running.books.ended))
        assert {each.error for each in attempts(running)} == {"hurried"}
        assert others[1].seen == []
        assert circuit(running) is Circuit.CLOSED
