"""Hedged routes over real sockets: who is asked, who wins, and what becomes of the other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx
import pytest
from gateway_rig import (
    CHAT,
    HELLO,
    Alter,
    answers,
    at_rest,
    eventually,
    hung_up,
    rig,
    silent,
    status,
    streams,
)
from guard_rig import REDACT
from inprocess import Gateway
from scripted import Behave, Talk, Upstream, chunk, completion

from federation.domain.catalogue import Deployment, Limits, Speed
from federation.domain.policies import Policy
from federation.domain.routes import Route, Settings, Target
from federation.gateway import chat_attempt

MODEL = {"model": "hedged"}
FAST = Speed(first_token_ms=40.0, tokens_per_s=10_000.0)
"""70 ms for a whole answer, by expectation."""
EVENTS = (chunk("One", None), chunk("", "stop"), b"data: [DONE]\n\n")


def quick(place: int, row: Deployment) -> Deployment:
    return replace(row, model=replace(row.model, speed=FAST))


@asynccontextmanager
async def hedging(
    *behaviors: Behave,
    alter: Alter = quick,
    settings: Settings | None = None,
    policies: tuple[Policy, ...] = (),
) -> AsyncIterator[tuple[Gateway, httpx.AsyncClient, list[Upstream]]]:
    targets = tuple(Target(f"p{place}/acme-large") for place in range(len(behaviors)))
    route = Route("hedged", "priority", targets, hedge=True)
    async with rig(
        *behaviors, routes=(route,), alter=alter, settings=settings, policies=policies
    ) as opened:
        yield opened


async def ask(client: httpx.AsyncClient, *, stream: bool) -> httpx.Response:
    async with asyncio.timeout(10):
        return await client.post(CHAT, json=HELLO | MODEL | {"stream": stream})


def late(seconds: float) -> Behave:
    async def behave(talk: Talk) -> None:
        await asyncio.sleep(seconds)
        if talk.seen.json.get("stream"):
            await streams(*EVENTS)(talk)
        else:
            await talk.answer(completion())

    return behave


def accounted(running: Gateway) -> dict[str, Any]:
    ended = running.books.ended[-1]
    return {
        "deployment": ended.deployment,
        "outcome": ended.outcome,
        "attempts": {each.deployment: each.error for each in ended.attempts},
    }


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_the_second_wins_and_the_first_is_hung_up_on_and_accounted(stream: bool) -> None:
    async with hedging(silent, late(0)) as (running, client, upstreams):
        reply = await ask(client, stream=stream)
        assert reply.status_code == 200
        assert reply.headers["x-federation-provider"] == "p1"
        await hung_up(upstreams[0].seen[0])
        await eventually(lambda: at_rest(running) and bool(running.books.ended))
        assert accounted(running) == {
            "deployment": "p1/acme-large",
            "outcome": "ok",
            "attempts": {"p0/acme-large": "canceled", "p1/acme-large": ""},
        }
        ended = running.books.ended[-1]
        costs = {each.deployment: each.cost_nano for each in ended.attempts}
        assert all(costs.values()), "what the loser read is charged, too"
        assert ended.usage == next(a.usage for a in ended.attempts if not a.error)
        assert running.world.entrance.lobby.busy == 0


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_the_first_may_still_win(stream: bool) -> None:
    async with hedging(late(0.4), silent) as (running, client, upstreams):
        reply = await ask(client, stream=stream)
        assert reply.headers["x-federation-provider"] == "p0"
        await hung_up(upstreams[1].seen[0])
        await eventually(lambda: at_rest(running) and bool(running.books.ended))
        assert accounted(running)["deployment"] == "p0/acme-large"
        assert accounted(running)["attempts"]["p1/acme-large"] == "canceled"


async def test_the_record_tells_of_the_answer_that_was_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Both are heard, and the one that is heard last is overtaken while it is checked."""
    both_heard = asyncio.Event()
    heard: list[int] = []

    async def in_turn(_: object, __: int, work: Callable[[], object]) -> object:
        heard.append(len(heard))
        if len(heard) == 2:
            both_heard.set()
            await asyncio.Event().wait()
        await both_heard.wait()
        return work()

    def tells(model: str, after_s: float) -> Behave:
        async def behave(talk: Talk) -> None:
            await asyncio.sleep(after_s)
            await talk.answer(completion("Write to someone@example.com.", model))

        return behave

    monkeypatch.setattr(chat_attempt, "checked", in_turn)
    behaviors = tells("model-of-p0", 0.4), tells("model-of-p1", 0.0)
    async with hedging(*behaviors, policies=REDACT) as (running, client, _):
        reply = await ask(client, stream=False)
        assert reply.headers["x-federation-provider"] == "p1"
        ended = running.books.ended[-1]
        assert (ended.deployment, ended.response_model) == ("p1/acme-large", "model-of-p1")


async def test_a_quick_answer_is_never_hedged() -> None:
    async with hedging(answers(), answers()) as (running, client, upstreams):
        for _ in range(5):
            assert (await ask(client, stream=False)).status_code == 200
        assert (len(upstreams[0].seen), len(upstreams[1].seen)) == (5, 0)
        assert running.books.ended[-1].deployment == "p0/acme-large"


async def test_a_route_that_does_not_say_so_is_not_hedged() -> None:
    async with rig(late(0.4), answers(), alter=quick) as (_, client, upstreams):
        reply = await client.post(CHAT, json=HELLO)
        assert reply.headers["x-federation-provider"] == "p0"
        assert not upstreams[1].seen


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_a_second_that_fails_leaves_the_first_to_answer(stream: bool) -> None:
    async with hedging(late(0.5), status(500)) as (running, client, upstreams):
        reply = await ask(client, stream=stream)
        assert reply.status_code == 200
        assert reply.headers["x-federation-provider"] == "p0"
        await eventually(lambda: bool(running.books.ended))
        assert accounted(running)["attempts"] == {
            "p0/acme-large": "",
            "p1/acme-large": "upstream_failed",
        }
        assert len(upstreams[1].seen) == 1


async def test_a_first_that_fails_late_leaves_the_second_to_answer() -> None:
    async def fails(talk: Talk) -> None:
        await asyncio.sleep(0.3)
        await status(500)(talk)

    async with hedging(fails, late(0.6)) as (_, client, upstreams):
        reply = await ask(client, stream=False)
        assert reply.headers["x-federation-provider"] == "p1"
        assert (len(upstreams[0].seen), len(upstreams[1].seen)) == (1, 1)


async def test_where_both_fail_the_next_is_asked() -> None:
    async def fails(talk: Talk) -> None:
        await asyncio.sleep(0.3)
        await status(404)(talk)

    async with hedging(fails, status(404), answers()) as (running, client, upstreams):
        reply = await ask(client, stream=False)
        assert reply.headers["x-federation-provider"] == "p2"
        assert [len(each.seen) for each in upstreams] == [1, 1, 1]
        assert accounted(running)["deployment"] == "p2/acme-large"


async def test_a_callers_error_ends_both() -> None:
    async def rejects(talk: Talk) -> None:
        await asyncio.sleep(0.3)
        await status(400)(talk)

    async with hedging(rejects, silent) as (running, client, upstreams):
        assert (await ask(client, stream=False)).status_code == 400
        await hung_up(upstreams[1].seen[0])
        await eventually(lambda: at_rest(running))


async def test_the_cap_of_attempts_holds() -> None:
    async with hedging(late(0.4), answers(), settings=Settings(attempts=1)) as (_, client, up):
        assert (await ask(client, stream=False)).headers["x-federation-provider"] == "p0"
        assert not up[1].seen


async def test_a_second_without_room_is_not_asked() -> None:
    def alter(place: int, row: Deployment) -> Deployment:
        limits = Limits(concurrency=1) if place else Limits()
        return quick(place, replace(row, provider=replace(row.provider, limits=limits)))

    async with hedging(late(0.5), silent, alter=alter) as (running, client, upstreams):
        holding = asyncio.create_task(client.post(CHAT, json=HELLO | {"model": "p1/acme-large"}))
        await eventually(lambda: len(upstreams[1].seen) == 1)
        assert (await ask(client, stream=False)).headers["x-federation-provider"] == "p0"
        assert len(upstreams[1].seen) == 1
        holding.cancel()
        await eventually(lambda: at_rest(running))
        assert running.world.entrance.lobby.gates["p1"].used == 0


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_a_client_that_hangs_up_ends_both(stream: bool) -> None:
    async with hedging(silent, silent) as (running, client, upstreams):
        body = HELLO | MODEL | {"stream": stream}
        calling = asyncio.create_task(client.post(CHAT, json=body))
        await eventually(lambda: bool(upstreams[0].seen and upstreams[1].seen))
        calling.cancel()
        for upstream in upstreams:
            await hung_up(upstream.seen[0], 1.0)
        await eventually(lambda: at_rest(running) and bool(running.books.ended))
        assert running.books.ended[-1].outcome == "canceled"
        assert running.world.entrance.lobby.busy == 0


async def test_a_hedge_that_gets_no_tokens_puts_its_request_back() -> None:
    def leased(place: int, row: Deployment) -> Deployment:
        limits = Limits(rpm=10, tpm=5_000) if place else Limits()
        return quick(place, replace(row, provider=replace(row.provider, limits=limits)))

    async with hedging(late(1.5), answers(), alter=leased) as (running, client, upstreams):
        running.leases.denied = {"tpm/p1"}
        reply = await ask(client, stream=False)
        assert reply.headers["x-federation-provider"] == "p0"
        assert upstreams[1].seen == []
        assert running.leases.returned == [("rpm/p1", 1)]


async def test_hedges_stay_within_the_retry_budget_of_whom_they_ask() -> None:
    async with hedging(late(1.5), late(0.0)) as (_, client, upstreams):
        await asyncio.gather(*(ask(client, stream=False) for _ in range(30)))
        assert len(upstreams[1].seen) == 10


async def test_a_hedge_that_gets_no_lease_takes_nothing_of_the_retry_budget() -> None:
    def leased(place: int, row: Deployment) -> Deployment:
        limits = Limits(rpm=100) if place else Limits()
        return quick(place, replace(row, provider=replace(row.provider, limits=limits)))

    async with hedging(late(1.0), late(0.0), alter=leased) as (running, client, upstreams):
        running.leases.denied = {"rpm/p1"}
        await asyncio.gather(*(ask(client, stream=False) for _ in range(12)))
        assert upstreams[1].seen == []
        running.leases.denied = set()
        assert (await ask(client, stream=False)).headers["x-federation-provider"] == "p1"


async def test_the_reason_of_a_hedged_answer_tells_of_no_failure() -> None:
    async with hedging(silent, late(0)) as (_, client, _):
        reply = await client.post(CHAT, json=HELLO | MODEL | {"federation": {"metadata": True}})
        assert reply.headers["x-federation-attempts"] == "2"
        assert "failed" not in reply.json()["router_metadata"]["routing_reason"]
