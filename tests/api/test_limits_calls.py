"""What limits do to calls: every path is limited, refusals in each language, what is given back."""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from every_path import BODIES, MESSAGES, OTHERS, RULES, post
from gateway_rig import CHAT, HELLO, STREAM, rig, status
from limits_gate import gate
from operations_rig import Place, offers, places, vectors
from scripted import Talk, whole

from federation.dialects.operations.table import CLIENT_PATHS
from federation.domain.access import Role, VirtualKey
from federation.domain.budgets import EACH
from federation.domain.catalogue import Deployment
from federation.domain.limits import (
    EVERY,
    HOUR,
    MONTH,
    Counted,
    Limit,
    LimitScope,
    Method,
    tier_limits,
)
from federation.domain.routes import Settings
from federation.gateway.paths import CHATS
from federation.telemetry import metrics
from federation.telemetry.meter import Meter

FIXED = {"method": Method.FIXED_WINDOW, "window_s": HOUR}
PROMPT, OUTPUT = 10, 5
"""Tokens that `scripted.whole` tells."""


def limit(amount: int, scope: LimitScope = LimitScope.TENANT, **more: Any) -> Limit:
    given: dict[str, Any] = {"id": "l", "tenant": "default", "scope": scope, "subject": "default"}
    return Limit(**given | {"counts": Counted.REQUESTS, "amount": amount} | FIXED | more)


def test_there_is_a_call_for_every_path() -> None:
    assert BODIES.keys() == CHATS.keys() | CLIENT_PATHS.keys()


async def test_every_path_is_limited() -> None:
    place = Place(whole, offers("chat"), quirks={"passthrough": RULES})
    settings = Settings(passthrough=("p0",))
    async with (
        places(place, settings=settings) as (gateway, client, (upstream,)),
        gate(gateway, limit(0)),
    ):
        gateway.world.seal_key = b"k" * 32
        refused = []
        for path, body in (BODIES | OTHERS).items():
            reply = await post(client, path, body)
            assert reply.status_code == 429, (path, reply.text)
            assert "The limit 'l' of 0 requests in an hour" in reply.text, path
            assert int(reply.headers["retry-after"]) >= 1, path
            assert reply.headers["x-federation-limit"] == "l"
            refused.append(path)
        assert not upstream.seen, "not a byte left"
        assert len(refused) == len(gateway.books.ended), "each leaves its line"
        assert {record.error for record in gateway.books.ended} == {"rate_limit_exceeded"}
        assert {record.status for record in gateway.books.ended} == {429}


@pytest.mark.parametrize(
    ("path", "body", "where"),
    [
        (CHAT, HELLO, ("error", "code")),
        ("/v1/messages", BODIES["/v1/messages"], ("error", "details", "error_code")),
        ("/v1/responses", BODIES["/v1/responses"], ("error", "code")),
    ],
    ids=["openai", "anthropic", "responses"],
)
async def test_a_refusal_says_what_and_until_when_in_the_clients_words(
    path: str, body: dict[str, Any], where: tuple[str, ...]
) -> None:
    month = limit(1, id="mine", window_s=MONTH, scope=LimitScope.KEY, subject="key_1")
    async with (
        rig(whole) as (gateway, client, (upstream,)),
        gate(gateway, month, limit(5)),
    ):
        assert (await client.post(path, json=body)).status_code == 200
        reply = await client.post(path, json=body)
        assert reply.status_code == 429
        found = reply.json()
        for name in where:
            found = found[name]
        assert found == "quota_exceeded"
        assert "The limit 'mine' of 1 requests in a month for key key_1" in reply.text
        resets = datetime.fromisoformat(reply.headers["x-federation-limit-resets-at"])
        now = datetime.now(UTC)
        assert resets > now
        assert (resets.day, resets.hour, resets.minute) == (1, 0, 0)
        assert int(reply.headers["retry-after"]) <= (resets - now).total_seconds() + 2
        assert len(upstream.seen) == 1


async def test_answers_say_what_is_left_in_the_headers_of_their_language() -> None:
    limits = (
        limit(9),
        limit(7, id="k", scope=LimitScope.KEY, subject=EACH),
        limit(90_000, id="t", counts=Counted.TOKENS),
        limit(90_000, id="i", counts=Counted.INPUT_TOKENS),
        limit(3, id="c", counts=Counted.CONCURRENCY, method=Method.SLOTS),
    )
    async with rig(whole) as (gateway, client, _), gate(gateway, *limits):
        reply = await client.post(CHAT, json=HELLO)
        assert reply.headers["x-ratelimit-limit-requests"] == "7", "the scarcest"
        assert reply.headers["x-ratelimit-remaining-requests"] == "6"
        assert reply.headers["x-ratelimit-limit-tokens"] == "90000"
        assert int(reply.headers["x-ratelimit-remaining-tokens"]) <= 90_000
        assert reply.headers["x-ratelimit-reset-requests"].endswith("s")
        reply = await client.post("/v1/messages", json=BODIES["/v1/messages"])
        assert reply.headers["anthropic-ratelimit-requests-remaining"] == "5"
        assert reply.headers["anthropic-ratelimit-input-tokens-limit"] == "90000"
        reset = datetime.fromisoformat(reply.headers["anthropic-ratelimit-requests-reset"])
        assert (reset.minute, reset.second) in ((0, 0), (59, 59))
        assert "x-ratelimit-limit-requests" not in reply.headers
        async with client.stream("POST", CHAT, json=STREAM) as stream:
            assert stream.headers["x-ratelimit-remaining-requests"] == "4"
            await stream.aread()


async def test_without_limits_nothing_is_said_and_nobody_is_asked() -> None:
    async with rig(whole) as (gateway, client, _), gate(gateway) as gated:
        reply = await client.post(CHAT, json=HELLO)
        assert reply.status_code == 200
        assert not [name for name in reply.headers if "ratelimit" in name]
        other = limit(0, tenant="other", subject="other")
        gated.rates.follow((other,), {})
        assert (await client.post(CHAT, json=HELLO)).status_code == 200
        assert gated.store.turns == 0


async def test_calls_that_no_provider_could_answer_are_given_back() -> None:
    async with (
        rig(status(500)) as (gateway, client, _),
        gate(gateway, limit(3), limit(9000, id="t", counts=Counted.TOKENS)) as gated,
    ):
        for _ in range(5):
            assert (await client.post(CHAT, json=HELLO)).status_code >= 500
        assert await gated.left("l", 3) == 3
        assert await gated.left("t", 9000) == 9000


async def test_a_call_that_a_provider_found_wrong_counts() -> None:
    async with rig(status(400)) as (gateway, client, _), gate(gateway, limit(2)):
        replies = [await client.post(CHAT, json=HELLO) for _ in range(3)]
        assert [reply.status_code for reply in replies] == [400, 400, 429]
        assert replies[0].headers["x-ratelimit-remaining-requests"] == "1"


async def test_a_call_that_we_refuse_is_given_back() -> None:
    async with rig(whole) as (gateway, client, _), gate(gateway, limit(2)) as gated:
        for _ in range(5):
            reply = await client.post(CHAT, json=HELLO | {"model": "nobody"})
            assert reply.status_code == 404
        assert await gated.left("l", 2) == 2


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_tokens_are_expected_first_and_corrected_after(stream: bool) -> None:
    async with (
        rig(whole) as (gateway, client, _),
        gate(
            gateway,
            limit(1000, id="t", counts=Counted.TOKENS),
            limit(1000, id="i", counts=Counted.INPUT_TOKENS),
            limit(1000, id="o", counts=Counted.OUTPUT_TOKENS),
        ) as gated,
    ):
        for used in (1, 2):
            body = HELLO | {"stream": stream, "max_tokens": 400}
            reply = await client.post(CHAT, json=body)
            assert reply.status_code == 200
            usage = [record.usage for record in gateway.books.ended]
            assert len(usage) == used
            prompt, output = sum(u.input for u in usage), sum(u.output for u in usage)
            assert prompt > 0 < output
            assert await gated.left("t", 1000 - prompt - output)
            assert await gated.left("i", 1000 - prompt)
            assert await gated.left("o", 1000 - output)


async def test_more_tokens_than_were_expected_are_counted_and_stop_the_next() -> None:
    tokens = limit(20, counts=Counted.TOKENS)
    async with rig(whole) as (gateway, client, _), gate(gateway, tokens) as gated:
        body = HELLO | {"max_tokens": 1}
        assert (await client.post(CHAT, json=body)).status_code == 200
        left = await gated.left("l", 20 - PROMPT - OUTPUT)
        assert left == 5
        reply = await client.post(CHAT, json=body | {"messages": MESSAGES * 20})
        assert reply.status_code == 429
        assert "20 tokens in an hour" in reply.text


async def test_slots_are_free_again_on_every_end() -> None:
    release = asyncio.Event()

    async def slow(talk: Talk) -> None:
        what = talk.seen.json.get("user")
        if what == "cut":
            await talk.begin_stream()
            await talk.event(b'data: {"choices": []}\n\n')
            talk.writer.close()
            return
        if what == "fails":
            await talk.answer(b'{"error": {"message": "no"}}', 500)
            return
        if what == "waits":
            await release.wait()
        await whole(talk)

    slots = limit(2, counts=Counted.CONCURRENCY, method=Method.SLOTS, id="s")
    async with rig(slow) as (gateway, client, (upstream,)), gate(gateway, slots) as gated:
        waiting = HELLO | {"user": "waits"}
        two = [asyncio.create_task(client.post(CHAT, json=waiting)) for _ in range(2)]
        while len(upstream.seen) < 2:
            await asyncio.sleep(0.01)
        reply = await client.post(CHAT, json=HELLO)
        assert reply.status_code == 429
        assert reply.json()["error"]["code"] == "concurrency_limit_exceeded"
        assert "2 calls at the same time" in reply.json()["error"]["message"]
        two[0].cancel()
        await asyncio.gather(two[0], return_exceptions=True)
        assert await gated.left("s", 1) == 1, "a client that hung up"
        release.set()
        assert (await two[1]).status_code == 200
        for what, stream in (("fails", False), ("fails", True), ("cut", True), ("", True)):
            body = HELLO | {"user": what, "stream": stream}
            with contextlib.suppress(httpx.RemoteProtocolError):  # one that is cut
                await client.post(CHAT, json=body)
            assert await gated.left("s", 2) == 2, (what, stream)


async def test_a_stream_that_its_client_leaves_frees_its_slot_and_counts() -> None:
    async def endless(talk: Talk) -> None:
        await talk.begin_stream()
        while True:
            await talk.event(b'data: {"choices": [{"index": 0, "delta": {"content": "x"}}]}\n\n')
            await asyncio.sleep(0.02)

    slots = limit(1, counts=Counted.CONCURRENCY, method=Method.SLOTS, id="s")
    async with rig(endless) as (gateway, client, _), gate(gateway, slots, limit(5)) as gated:
        async with client.stream("POST", CHAT, json=STREAM) as stream:
            async for _ in stream.aiter_bytes():
                break
        assert await gated.left("s", 1) == 1
        assert await gated.left("l", 4) == 4


async def test_limits_are_found_by_platform_tenant_team_user_key_and_route() -> None:
    key = VirtualKey("key_1", b"", "test", "default", Role.DEVELOPER, 0, team="search", user="ada")
    every = {
        "platform": (EVERY, LimitScope.PLATFORM, EACH),
        "tenant": ("default", LimitScope.TENANT, "default"),
        "each-tenant": (EVERY, LimitScope.TENANT, EACH),
        "team": ("default", LimitScope.TEAM, "search"),
        "user": ("default", LimitScope.USER, EACH),
        "key": ("default", LimitScope.KEY, "key_1"),
        "route": ("default", LimitScope.ROUTE, "chat"),
        "shared-route": (EVERY, LimitScope.ROUTE, "chat"),
        "each-route": ("default", LimitScope.ROUTE, EACH),
    }
    others = {
        "o1": ("default", LimitScope.TEAM, "sales"),
        "o2": ("default", LimitScope.ROUTE, "other"),
        "o3": ("other", LimitScope.TENANT, "other"),
    }
    limits = [
        limit(0 if name in others else 9, id=name, tenant=tenant, scope=scope, subject=subject)
        for name, (tenant, scope, subject) in (every | others).items()
    ]
    async with rig(whole) as (gateway, client, _):
        gateway.keys.key = key
        async with gate(gateway, *limits) as gated:
            assert (await client.post(CHAT, json=HELLO)).status_code == 200
            for name in every:
                assert await gated.left(name, 8) == 8
            assert len(gated.parts()) == len(every)


def nicknamed(_: int, row: Deployment) -> Deployment:
    return replace(row, model=replace(row.model, aliases=("big",)))


NICKNAMES = ("acme-large", "big", "p0/acme-large", "p0/big", "chat")


@pytest.mark.parametrize("subject", NICKNAMES)
async def test_no_other_name_of_a_model_passes_its_limit(subject: str) -> None:
    route = limit(2, tenant=EVERY, scope=LimitScope.ROUTE, subject=subject)
    async with (
        rig(whole, alter=nicknamed) as (gateway, client, _),
        gate(gateway, route) as gated,
    ):
        told = [
            (await client.post(CHAT, json=HELLO | {"model": name})).status_code
            for name in NICKNAMES
        ]
        assert told == [200, 200, 429, 429, 429]
        # It may lead elsewhere, though it does not here.
        assert (await client.post(CHAT, json=HELLO | {"model": "auto"})).status_code == 200
        assert len(gated.parts()) == 1


async def test_each_model_is_counted_under_one_name_and_a_route_under_its_own() -> None:
    each = limit(9, scope=LimitScope.ROUTE, subject=EACH)
    async with (
        rig(whole, alter=nicknamed) as (gateway, client, _),
        gate(gateway, each) as gated,
    ):
        for name in (*NICKNAMES, "nobody", "auto"):
            await client.post(CHAT, json=HELLO | {"model": name})
        assert {meter.whose for meter in gated.parts().values()} == {
            "route acme-large",
            "route chat",
            "route nobody",
            "route auto",
        }


async def test_a_wider_name_is_limited_by_itself_and_a_narrower_one_with_it() -> None:
    route = limit(1, scope=LimitScope.ROUTE, subject="chat")
    async with rig(whole, whole) as (gateway, client, _), gate(gateway, route):
        assert (await client.post(CHAT, json=HELLO | {"model": "p1/acme-large"})).status_code == 200
        assert (await client.post(CHAT, json=HELLO)).status_code == 429
        assert (await client.post(CHAT, json=HELLO | {"model": "auto"})).status_code == 200


async def test_what_stands_in_where_no_model_is_named_is_limited_as_if_it_were() -> None:
    route = limit(0, scope=LimitScope.ROUTE, subject="chat")
    nameless = {name: value for name, value in HELLO.items() if name != "model"}
    settings = Settings(default_model="chat")
    async with rig(whole, settings=settings) as (gateway, client, _), gate(gateway, route):
        assert (await client.post(CHAT, json=nameless)).status_code == 429


async def test_a_tiers_limits_bind_its_tenants() -> None:
    async with (
        rig(whole) as (gateway, client, _),
        gate(gateway, *tier_limits(), tiers={"default": "community"}) as gated,
    ):
        reply = await client.post(CHAT, json=HELLO)
        assert reply.status_code == 200
        assert reply.headers["x-ratelimit-limit-requests"] == "60"
        assert await gated.left("tier.community.month", 999) == 999
        assert await gated.left("tier.community.day", 9_999) == 9_999


async def test_refusals_are_counted_by_scope_and_kind() -> None:
    async with rig(whole) as (gateway, client, _), gate(gateway, limit(0)):
        await client.post(CHAT, json=HELLO)
        meter = gateway.world.meter
        assert isinstance(meter, Meter)
        seen = meter.drain()
        (name,) = (each for each in seen.counters if each.startswith(metrics.LIMITED))
        assert "tenant" in name
        assert "requests" in name
        assert seen.counters[name] == 1


async def test_where_the_store_is_away_this_process_counts_alone() -> None:
    async with rig(whole) as (gateway, client, _), gate(gateway, limit(2)) as gated:
        gated.store.away = True
        replies = [await client.post(CHAT, json=HELLO) for _ in range(3)]
        assert [reply.status_code for reply in replies] == [200, 200, 429]


async def test_embeddings_use_tokens() -> None:
    place = Place(vectors(), offers("embeddings"))
    body = {"model": "acme-1", "input": ["one", "two"]}
    tokens = limit(1000, counts=Counted.INPUT_TOKENS)
    async with places(place) as (gateway, client, _), gate(gateway, tokens) as gated:
        reply = await client.post("/v1/embeddings", json=body)
        assert reply.status_code == 200
        used = json.loads(reply.text)["usage"]["prompt_tokens"]
        assert await gated.left("l", 1000 - used) == 1000 - used


async def test_a_limit_that_is_lifted_binds_no_more() -> None:
    async with rig(whole) as (gateway, client, _), gate(gateway, limit(1)) as gated:
        assert (await client.post(CHAT, json=HELLO)).status_code == 200
        assert (await client.post(CHAT, json=HELLO)).status_code == 429
        gated.rates.follow((replace(limit(1), id="m", amount=3),), {})
        assert (await client.post(CHAT, json=HELLO)).status_code == 200
