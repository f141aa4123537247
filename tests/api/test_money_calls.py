"""What budgets do to calls: every operation pays, refusals in each language, lowered limits."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest
from gateway_rig import CHAT, HELLO, answers, rig, status
from inprocess import Gateway
from money_bank import bank
from operations_rig import Place, offers, places, vectors
from scripted import Talk, completion, whole

from federation.domain.access import Role, VirtualKey
from federation.domain.budgets import EACH, Budget, Period, Scope
from federation.domain.catalogue import Deployment, Limits, Price
from federation.domain.routes import Settings, Spending
from federation.errors import EvidenceUnwritable

PAID = 10 * 2500 + 5 * 10_000
"""What `scripted.whole` bills for a whole answer."""
QUICK = Settings(spending=Spending(wait_s=0.2))
LOWERED = Settings(spending=Spending(lower=True, wait_s=0.2))
ASK = HELLO | {"max_tokens": 400}


def budget(limit_nano: int, scope: Scope = Scope.TENANT, **more: Any) -> Budget:
    return Budget(**{"id": "b", "tenant": "default", "scope": scope, "subject": "default"}
                  | {"limit_nano": limit_nano} | more)  # fmt: skip


def records(gateway: Gateway) -> list[int]:
    return [record.cost_nano or 0 for record in gateway.books.ended]


async def test_a_call_pays_what_it_cost_and_its_record_says_what_was_spent() -> None:
    async with (
        rig(whole, settings=QUICK) as (gateway, client, _),
        bank(gateway, budget(10**9)) as banked,
    ):
        for stream in (False, True, False):
            reply = await client.post(CHAT, json=ASK | {"stream": stream})
            assert reply.status_code == 200
        pot = await banked.stands()
        assert pot.spent_nano == sum(records(gateway)) > 2 * PAID
        assert gateway.books.ended[-1].pots == {pot.pot: pot.spent_nano}


@pytest.mark.parametrize(
    ("path", "body", "where"),
    [
        (CHAT, ASK, ("error", "budget")),
        (
            "/v1/messages",
            {"model": "chat", "max_tokens": 400, "messages": [{"role": "user", "content": "Hi"}]},
            ("error", "details", "budget"),
        ),
        (
            "/v1beta/models/chat:generateContent",
            {
                "contents": [{"role": "user", "parts": [{"text": "Hi"}]}],
                "generationConfig": {"maxOutputTokens": 400},
            },
            ("error", "details", 0, "metadata"),
        ),
        ("/v1/responses", {"model": "chat", "input": "Hi", "store": False,
                           "max_output_tokens": 400}, ("error", "budget")),
    ],
    ids=["openai", "anthropic", "gemini", "responses"],
)  # fmt: skip
async def test_each_client_is_refused_in_its_own_words_and_told_what_is_left(
    path: str, body: dict[str, Any], where: tuple[str | int, ...]
) -> None:
    async with (
        rig(whole, settings=QUICK) as (gateway, client, (upstream,)),
        bank(gateway, budget(1_000_000, period=Period.DAILY)) as banked,
    ):
        reply = await client.post(path, json=body)
        assert reply.status_code == 402, reply.text
        found = reply.json()
        assert "0.001 USD" in json.dumps(found)
        for name in where:
            found = found[name]
        assert found["id"] == "b"
        assert reply.headers["x-federation-budget-left-usd"] == "0.001"
        assert reply.headers["x-federation-budget-resets-at"].endswith("T00:00:00Z")
        assert reply.headers["x-federation-attempts"] == "0"
        assert "x-federation-provider" not in reply.headers
        assert float(reply.headers["x-federation-estimated-cost"]) > 0.001
        assert not upstream.seen, "not a byte left"
        (record,) = gateway.books.ended
        assert (record.error, record.status, record.attempts) == ("budget_exceeded", 402, ())
        assert record.deployment == "", "nobody was asked"
        assert (await banked.stands()).spent_nano == 0


async def test_a_call_that_nobody_was_asked_takes_nothing_of_a_providers_minute() -> None:
    def limited(place: int, row: Deployment) -> Deployment:
        return replace(row, provider=replace(row.provider, limits=Limits(rpm=3, tpm=5_000)))

    async with (
        rig(whole, settings=QUICK, alter=limited) as (gateway, client, (upstream,)),
        bank(gateway, budget(1_000_000)),
    ):
        assert (await client.post(CHAT, json=HELLO | {"max_tokens": 400})).status_code == 402
        assert not upstream.seen
        (requests, tokens) = gateway.leases.returned
        assert requests == ("rpm/p0", 1)
        assert tokens[0] == "tpm/p0"
        assert gateway.leases.taken == [requests, tokens], "as much as it had taken"


async def test_failures_and_fallbacks_free_what_they_reserved() -> None:
    async with (
        rig(status(500), whole, settings=QUICK) as (gateway, client, _),
        bank(gateway, budget(10**9)) as banked,
    ):
        replies = await asyncio.gather(*(client.post(CHAT, json=ASK) for _ in range(10)))
        assert {reply.status_code for reply in replies} == {200}
        assert (await banked.stands()).spent_nano == 10 * PAID
        assert len(gateway.books.ended[0].attempts) > 1


async def test_an_attempt_that_may_not_begin_frees_what_it_reserved(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuses(*_: object) -> None:
        raise EvidenceUnwritable("No room.")

    monkeypatch.setattr("federation.gateway.sending.on_record", refuses)
    async with (
        rig(whole, settings=QUICK) as (gateway, client, (upstream,)),
        bank(gateway, budget(10**9)) as banked,
    ):
        assert (await client.post(CHAT, json=ASK)).status_code == 503
        assert (upstream.seen, gateway.books.ended[0].attempts) == ([], ())
        assert (await banked.stands()).spent_nano == 0


async def test_a_call_waits_for_others_to_leave_enough() -> None:
    async def slow(talk: Talk) -> None:
        await asyncio.sleep(0.05)
        await whole(talk)

    patient = Settings(spending=Spending(wait_s=10))
    async with (
        rig(slow, settings=patient) as (gateway, client, _),
        bank(gateway, budget(9_000_000)) as banked,
    ):
        replies = await asyncio.gather(*(client.post(CHAT, json=ASK) for _ in range(12)))
        assert {reply.status_code for reply in replies} == {200}, "two at a time"
        assert (await banked.stands()).spent_nano == 12 * PAID


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        (CHAT, ASK, "max_tokens"),
        (CHAT, HELLO | {"max_completion_tokens": 400}, "max_completion_tokens"),
        (CHAT, HELLO, "max_tokens"),
        (
            "/v1/messages",
            {"model": "chat", "max_tokens": 400, "messages": [{"role": "user", "content": "Hi"}]},
            "max_tokens",
        ),
    ],
    ids=["named", "newer name", "unnamed", "translated"],
)
async def test_a_limit_of_output_is_lowered_to_what_is_left(
    path: str, body: dict[str, Any], field: str
) -> None:
    async with (
        rig(whole, settings=LOWERED) as (gateway, client, (upstream,)),
        bank(gateway, budget(2_000_000)) as banked,
    ):
        reply = await client.post(path, json=body)
        assert reply.status_code == 200, reply.text
        limit = upstream.seen[0].json[field]
        assert 100 < limit < 200
        assert reply.headers["x-federation-output-limit"] == str(limit)
        assert (await banked.stands()).spent_nano == PAID
        strict = await client.post(path, json=body, headers={"x-federation-strict": "true"})
        assert strict.status_code == 402
        assert len(upstream.seen) == 1


async def test_what_nothing_bounds_is_refused_under_a_hard_budget_and_charged_to_a_soft_one() -> (
    None
):
    def unpriced(_: int, row: Deployment) -> Deployment:
        return replace(row, model=replace(row.model, price=Price()))

    for hard, code in ((True, 402), (False, 200)):
        async with (
            rig(whole, settings=QUICK, alter=unpriced) as (gateway, client, _),
            bank(gateway, budget(10**9, hard=hard)) as _,
        ):
            reply = await client.post(CHAT, json=ASK)
            assert reply.status_code == code
            assert (reply.json()["error"]["code"] == "cost_unbounded") if hard else True


async def test_a_bill_that_nobody_can_price_takes_all_that_was_reserved() -> None:
    """The class of service is one that the price list does not name."""
    async with (
        rig(answers(completion(service_tier="turbo")), settings=QUICK) as (gateway, client, _),
        bank(gateway, budget(10**9)) as banked,
    ):
        assert (await client.post(CHAT, json=ASK)).status_code == 200
        (record,) = gateway.books.ended
        assert (record.cost_nano, record.usage.service_tier) == (None, "turbo")
        pot = await banked.stands()
        assert pot.spent_nano > ASK["max_tokens"] * 10_000
        assert record.pots == {pot.pot: pot.spent_nano}


@pytest.mark.parametrize("path", [CHAT, "/v1/responses"], ids=["forwarded", "translated"])
async def test_the_operators_limit_bounds_what_a_call_without_one_may_cost(path: str) -> None:
    settings = replace(QUICK, max_tokens_default=400)
    body = HELLO if path == CHAT else {"model": "chat", "input": "Hi", "store": False}
    async with (
        rig(whole, settings=settings) as (gateway, client, (upstream,)),
        bank(gateway, budget(6_000_000)) as banked,
    ):
        reply = await client.post(path, json=body)
        assert reply.status_code == 200, reply.text
        assert upstream.seen[0].json["max_tokens"] == 400
        assert (await banked.stands()).spent_nano == PAID
        if path == CHAT:
            unlimited = await client.post(path, json=body | {"max_tokens": None})
            assert unlimited.status_code == 402, "it says that it wants no limit, and gets none"


async def test_a_limit_that_a_row_leaves_out_bounds_nothing() -> None:
    def unlimited(_: int, row: Deployment) -> Deployment:
        quirks: dict[str, object] = {"drop": ["max_tokens"]}
        return replace(row, provider=replace(row.provider, quirks=quirks))

    async with (
        rig(whole, settings=QUICK, alter=unlimited) as (gateway, client, (upstream,)),
        bank(gateway, budget(6_000_000)),
    ):
        assert (await client.post(CHAT, json=ASK)).status_code == 402
        assert not upstream.seen


async def test_a_soft_budget_only_tells() -> None:
    async with (
        rig(whole, settings=QUICK) as (gateway, client, _),
        bank(gateway, budget(PAID * 2, hard=False)) as banked,
    ):
        for _ in range(4):
            assert (await client.post(CHAT, json=ASK)).status_code == 200
        assert (await banked.stands()).spent_nano == 4 * PAID
        assert 95 in {alarm.percent for alarm in banked.alarms}


async def test_a_bill_above_its_bound_is_charged_whole_and_stops_the_next_call() -> None:
    async def dear(talk: Talk) -> None:
        usage = {"prompt_tokens": 10, "completion_tokens": 5000, "total_tokens": 5010}
        body = {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "usage": usage,
                "choices": [{"index": 0, "finish_reason": "stop",
                             "message": {"role": "assistant", "content": "x"}}]}  # fmt: skip
        await talk.answer(json.dumps(body).encode())

    async with (
        rig(dear, settings=QUICK) as (gateway, client, _),
        bank(gateway, budget(5_000_000), overruns=True) as banked,
    ):
        assert (await client.post(CHAT, json=ASK)).status_code == 200
        pot = await banked.stands()
        assert pot.spent_nano == 10 * 2500 + 5000 * 10_000
        assert pot.overrun_nano > 0
        assert 0 in {alarm.percent for alarm in banked.alarms}
        assert (await client.post(CHAT, json=ASK)).status_code == 402


async def test_budgets_are_found_by_key_team_user_session_and_tag() -> None:
    key = VirtualKey("key_1", b"", "test", "default", Role.DEVELOPER, 0, team="search", user="ada")
    scopes = {
        "key": (Scope.KEY, "key_1"),
        "team": (Scope.TEAM, "search"),
        "user": (Scope.USER, EACH),
        "session": (Scope.SESSION, EACH),
        "tag": (Scope.TAG, "project=x"),
    }
    every = [
        Budget(name, "default", scope, subject, 10**9) for name, (scope, subject) in scopes.items()
    ]
    other = Budget("other", "default", Scope.TEAM, "sales", 0)
    async with rig(whole, settings=QUICK) as (gateway, client, _):
        gateway.keys.key = key
        async with bank(gateway, *every, other) as banked:
            ask = {"session": "s1", "tags": {"project": "x"}}
            reply = await client.post(CHAT, json=ASK | {"federation": ask})
            assert reply.status_code == 200, reply.text
            for name in scopes:
                assert (await banked.stands(name)).spent_nano == PAID
            reply = await client.post(CHAT, json=ASK)
            assert reply.status_code == 200
            assert (await banked.stands("session")).spent_nano == PAID
            assert (await banked.stands("team")).spent_nano == 2 * PAID


async def test_embeddings_pay_and_are_refused() -> None:
    place = Place(vectors(), offers("embeddings"))
    body = {"model": "acme-1", "input": ["one", "two"]}
    async with places(place) as (gateway, client, (upstream,)):
        async with bank(gateway, budget(10**9)) as banked:
            reply = await client.post("/v1/embeddings", json=body)
            assert reply.status_code == 200, reply.text
            assert (await banked.stands()).spent_nano == sum(records(gateway)) > 0
        async with bank(gateway, budget(1)) as banked:
            asked = len(upstream.seen)
            reply = await client.post("/v1/embeddings", json=body)
            assert reply.status_code == 402
            assert len(upstream.seen) == asked


async def test_a_passage_pays_its_fixed_price() -> None:
    rules = [{"method": ["POST"], "path": "/jobs", "price": "0.25", "body": "json",
              "fields": ["model"]}]  # fmt: skip

    async def work(talk: Talk) -> None:
        await talk.answer(b'{"id": "x"}')

    place = Place(work, offers("chat"), quirks={"passthrough": rules})
    async with places(place, settings=replace(QUICK, passthrough=("p0",))) as (gateway, client, _):
        gateway.world.seal_key = b"k" * 32
        async with bank(gateway, budget(300_000_000)) as banked:
            replies = [
                await client.post("/passthrough/p0/jobs", json={"model": "m"}) for _ in range(2)
            ]
            assert [reply.status_code for reply in replies] == [200, 402]
            assert (await banked.stands()).spent_nano == 250_000_000


async def test_a_passage_that_is_not_sent_takes_neither_money_nor_the_providers_minute() -> None:
    rules = [{"method": ["POST"], "path": "/jobs", "price": "0.25", "body": "json",
              "fields": ["model"]}]  # fmt: skip
    place = Place(whole, offers("chat"), quirks={"passthrough": rules}, limits=Limits(rpm=3))
    async with places(place, settings=replace(QUICK, passthrough=("p0",))) as (gateway, client, _):
        gateway.world.seal_key = b"k" * 32
        job = {"model": "m"}
        async with bank(gateway, budget(200_000_000)):
            assert (await client.post("/passthrough/p0/jobs", json=job)).status_code == 402
            assert gateway.leases.taken == gateway.leases.returned
        async with bank(gateway, budget(300_000_000)) as banked:
            gateway.leases.denied.add("rpm/p0")
            assert (await client.post("/passthrough/p0/jobs", json=job)).status_code == 429
            gateway.leases.denied.clear()
            assert (await client.post("/passthrough/p0/jobs", json=job)).status_code == 200
            assert (await banked.stands()).spent_nano == 250_000_000
        assert len(place.upstream.seen) == 1


async def test_counting_tokens_costs_nothing() -> None:
    async with rig(whole, settings=QUICK) as (gateway, client, _), bank(gateway, budget(0)) as _:
        body = {"model": "chat", "messages": [{"role": "user", "content": "Hi"}]}
        reply = await client.post("/v1/messages/count_tokens", json=body)
        assert reply.status_code == 200, reply.text
