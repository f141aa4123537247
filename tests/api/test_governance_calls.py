"""Policies over real sockets: who is asked, who is not, and what everybody is told of it."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from gateway_rig import (
    CHAT,
    HELLO,
    STREAM,
    answers,
    refused,
    resets,
    rig,
    streams,
)
from governed_world import EU_ONLY, SOC2, bind, hand, placed, policy, written
from operations_rig import Place, offers, places, vectors
from scripted import chunk

from federation.dialects.governed import CLASSES
from federation.domain.catalogue import Deployment
from federation.domain.policies import (
    AllowedOperations,
    Condition,
    DeniedModels,
    MaxCost,
    MaxPrice,
    Mode,
    Payloads,
    Prohibited,
    Residency,
    StoreResidency,
)
from federation.domain.routes import Keeping, Route, Settings, Target

_EU_US = placed("eu", "us")
CONVERSE = "/model/acme-large/converse"
CONVERSED: dict[str, Any] = {"messages": [{"role": "user", "content": [{"text": "Hello"}]}]}


def _federation(**asks: Any) -> dict[str, Any]:
    return HELLO | {"federation": asks}


async def test_killing_the_european_primary_refuses_the_call_and_two_records_say_why() -> None:
    async with rig(answers(), answers()) as (gateway, client, (eu, us)):
        bind(gateway, EU_ONLY, alter=_EU_US)
        assert (await client.post(CHAT, json=HELLO)).status_code == 200
        assert len(eu.seen) == 1
        await eu.__aexit__()
        reply = await client.post(CHAT, json=HELLO)
        assert reply.status_code >= 500
        message = reply.json()["error"]["message"]
        assert ". Others may not be asked: data_residency of eu-only keeps out 1" in message
        assert us.seen == []
        ended, started = gateway.books.ended[-1], gateway.books.started[-1]
        assert started.call == ended.call == reply.headers["x-request-id"]
        assert ended.outcome == "error"
        assert ended.policies == (EU_ONLY.label,)
        assert ended.refusals == {f"{EU_ONLY.label}.data_residency": 1}
        assert ended.decision is not None
        assert ended.decision.removed == {"policy:data_residency": 1}


async def test_without_the_policy_the_same_failure_is_answered_overseas() -> None:
    async with rig(resets, answers()) as (gateway, client, (_, us)):
        bind(gateway, replace(EU_ONLY, attach=replace(EU_ONLY.attach, tenants=("acme",))))
        assert (await client.post(CHAT, json=HELLO)).status_code == 200
        assert len(us.seen) == 1
        assert gateway.books.ended[-1].policies == ()
        hand(gateway, tenant="ACME")
        bind(gateway, *gateway.world.current().snapshot.policies, alter=_EU_US)
        assert (await client.post(CHAT, json=HELLO)).status_code >= 500
        assert len(us.seen) == 1


async def test_a_call_that_nobody_may_serve_is_refused_with_the_policy_and_the_rule() -> None:
    async with rig(answers(), answers()) as (gateway, client, upstreams):
        bind(gateway, EU_ONLY, alter=placed("us", "us"))
        error = refused(await client.post(CHAT, json=HELLO), 403, "no_eligible_deployment")
        said = "data_residency of eu-only keeps out 2 (is not known to keep data within eu)"
        assert said in error["message"]
        assert [upstream.seen for upstream in upstreams] == [[], []]
        ended, started = gateway.books.ended[-1], gateway.books.started[-1]
        assert started.call == ended.call
        assert (ended.status, ended.error) == (403, "no_eligible_deployment")
        assert ended.policies == (EU_ONLY.label,)
        assert ended.refusals == {f"{EU_ONLY.label}.data_residency": 2}


@pytest.mark.parametrize("regions", ["", "EU", "mars", "eu+us", "unknown"])
async def test_a_place_that_is_unknown_or_odd_is_not_in_europe(regions: str) -> None:
    async with rig(answers()) as (gateway, client, (upstream,)):
        bind(gateway, EU_ONLY, alter=placed(regions))
        refused(await client.post(CHAT, json=HELLO), 403)
        bind(gateway, policy(Residency(places=())), alter=placed("eu"))
        refused(await client.post(CHAT, json=HELLO), 403)
        assert upstream.seen == []


@pytest.mark.parametrize("name", ["p1/acme-large", "chat", "us", "acme-large", "auto"])
async def test_no_name_leads_around_a_policy(name: str) -> None:
    route = Route("us", "priority", (Target("p1/acme-large"),))
    async with rig(resets, answers(), routes=(route,)) as (gateway, client, (_, us)):
        bind(gateway, EU_ONLY, alter=_EU_US)
        for path, body in (
            (CHAT, HELLO | {"model": name}),
            (CHAT, STREAM | {"model": name}),
            ("/v1/route", {"prompt": "Hello", "model": name}),
            ("/v1/messages", HELLO | {"model": name, "max_tokens": 9}),
            ("/v1/messages/count_tokens", HELLO | {"model": name}),
            ("/v1/responses", {"model": name, "input": "Hello", "store": False}),
        ):
            reply = await client.post(path, json=body)
            # Counting needs no answer of a provider: we count where it gives none.
            counted = path.endswith("count_tokens") and reply.status_code == 200
            assert counted or reply.status_code >= 400, (path, reply.text)
        assert us.seen == []


async def test_a_broken_stream_is_not_mended_by_whom_a_policy_keeps_out() -> None:
    async with rig(streams(chunk("Once upon"), end=False), answers(), mend="on") as (
        gateway,
        client,
        (eu, us),
    ):
        bind(gateway, EU_ONLY, alter=_EU_US)
        told = b""
        with contextlib.suppress(httpx.RemoteProtocolError):
            async with client.stream("POST", CHAT, json=STREAM) as reply:
                async for piece in reply.aiter_bytes():
                    told += piece
        assert b"Once upon" in told
        assert b"error" in told
        assert eu.seen
        assert us.seen == []


async def test_the_policies_of_a_route_bind_who_calls_it_and_no_other() -> None:
    other = Route("other", "priority", (Target("p0/acme-large"),))
    async with rig(answers(), routes=(other,)) as (gateway, client, _):
        bind(gateway, policy(Residency(places=("eu",)), routes=("Chat",)), alter=placed("us"))
        refused(await client.post(CHAT, json=HELLO), 403)
        assert (await client.post(CHAT, json=HELLO | {"model": "other"})).status_code == 200


async def test_a_report_refuses_nothing_and_stands_in_the_record() -> None:
    async with rig(answers(), answers()) as (gateway, client, _):
        bind(gateway, policy(*EU_ONLY.rules, mode=Mode.REPORT), alter=placed("us", "eu"))
        assert (await client.post(CHAT, json=HELLO)).status_code == 200
        ended = gateway.books.ended[-1]
        assert ended.deployment == "p0/acme-large"
        assert ended.watched == {"p.data_residency": 1}
        assert ended.refusals == {}


async def test_fields_nobody_listed_are_refused_under_a_rule_that_they_could_break() -> None:
    odd = HELLO | {"inference_geo_hint": "us"}
    async with rig(answers()) as (gateway, client, _):
        assert (await client.post(CHAT, json=odd)).status_code == 200
        bind(gateway, EU_ONLY)
        assert refused(await client.post(CHAT, json=odd), 400)["param"] == "inference_geo_hint"
        bind(gateway)
        private = odd | {"federation": {"privacy": "internal"}}
        refused(await client.post(CHAT, json=private), 400, "unlisted_field")


async def test_the_lower_cap_on_cost_counts_whoever_set_it() -> None:
    async with rig(answers()) as (gateway, client, (upstream,)):
        bind(gateway, policy(MaxCost(nano=1)))
        error = refused(await client.post(CHAT, json=_federation(constraints={"max_cost": 5})), 403)
        assert "policy:max_cost" in error["message"]
        bind(gateway, policy(MaxCost(nano=5_000_000_000)))
        cheap = _federation(constraints={"max_cost": 0.000_000_001})
        assert "(max_cost:" in refused(await client.post(CHAT, json=cheap), 403)["message"]
        assert upstream.seen == []
        assert (await client.post(CHAT, json=HELLO)).status_code == 200


async def test_a_call_may_ask_for_more_privacy_than_policies_do() -> None:
    async with rig(answers()) as (gateway, client, (upstream,)):
        for asked in ("public", "internal", "confidential"):
            reply = await client.post(CHAT, json=_federation(privacy=asked))
            assert reply.status_code == 200, reply.text
        header = {"x-federation-privacy": "restricted"}
        error = refused(await client.post(CHAT, json=HELLO, headers=header), 403)
        assert "privacy of the call itself keeps out 1" in error["message"]
        assert gateway.books.ended[-1].refusals == {"call.privacy": 1}
        both = await client.post(CHAT, json=_federation(privacy="public"), headers=header)
        refused(both, 400, "conflicting_ask")
        refused(await client.post(CHAT, json=_federation(privacy="Restricted")), 400)
        assert len(upstream.seen) == 3


async def test_data_of_a_prohibited_class_and_data_nobody_classified_stay_here() -> None:
    async with rig(answers()) as (gateway, client, (upstream,)):
        bind(gateway, policy(Prohibited(classes=("phi",), at=("remote",))))
        refused(await client.post(CHAT, json=HELLO), 403)
        refused(await client.post(CHAT, json=_federation(data_classes=["pii", "phi"])), 403)
        misspelled = await client.post(CHAT, json=_federation(data_classes=["PHI"]))
        assert refused(misspelled, 400)["param"] == "federation.data_classes"
        header = {"x-federation-data-classes": "phi"}
        emptied = await client.post(CHAT, json=_federation(data_classes=[]), headers=header)
        refused(emptied, 400, "conflicting_ask")
        refused(await client.post(CHAT, json=HELLO, headers=header), 403)
        assert upstream.seen == []
        assert (await client.post(CHAT, json=_federation(data_classes=[]))).status_code == 200
        assert (await client.post(CHAT, json=_federation(data_classes=["pii"]))).status_code == 200


async def test_a_condition_reads_the_call() -> None:
    async with rig(answers()) as (gateway, client, _):
        bind(gateway, policy(Condition(expression='tags.team == "legal" && text_bytes < 100')))
        refused(await client.post(CHAT, json=HELLO), 403)
        assert (
            await client.post(CHAT, json=_federation(tags={"team": "legal"}))
        ).status_code == 200
        long = _federation(tags={"team": "legal"})
        long["messages"] = [{"role": "user", "content": "x" * 200}]
        refused(await client.post(CHAT, json=long), 403)


async def test_our_own_store_is_a_place_too() -> None:
    async with rig(answers()) as (gateway, client, _):
        for store, code in ((("us",), 403), (("de",), 200), ((), 403)):
            bind(gateway, policy(StoreResidency(places=("eu",))), store=store)
            assert (await client.post(CHAT, json=HELLO)).status_code == code
        bind(gateway, EU_ONLY, store=("us",))
        refused(await client.post(CHAT, json=HELLO), 403)


async def test_a_dry_run_names_the_policy_and_its_rule_for_everybody_it_removed() -> None:
    async with rig(answers(), answers()) as (gateway, client, upstreams):
        bind(gateway, EU_ONLY, alter=_EU_US)
        reply = await client.post(
            "/v1/route", json={"prompt": "Hi", "model": "chat", "dry_run": True}
        )
        told = reply.json()
        assert told["removed"] == {"p1/acme-large": "policy:data_residency"}
        governance = told["governance"]
        assert governance["policies"] == [EU_ONLY.label]
        assert governance["obligations"]["residency"] == [["eu"]]
        (reason,) = governance["reasons"]
        assert reason["deployment"] == "p1/acme-large"
        assert (reason["policy"], reason["rule"]) == (EU_ONLY.label, "data_residency")
        assert [upstream.seen for upstream in upstreams] == [[], []]


async def test_the_lists_of_models_name_what_policies_leave() -> None:
    only_us = Route("overseas", "priority", (Target("p1/acme-large"),))
    async with rig(answers(), answers(), routes=(only_us,)) as (gateway, client, _):
        bind(gateway, EU_ONLY, alter=_EU_US)

        async def names(path: str = "/v1/models") -> set[str]:
            return {row["id"] for row in (await client.get(path)).json()["data"]}

        assert await names() == {"auto", "chat", "p0/acme-large"}
        assert (await client.get("/v1/models/overseas")).status_code == 404
        assert (await client.get("/v1/models/p1/acme-large")).status_code == 404
        rows = {row["id"]: row for row in (await client.get("/v1/providers")).json()["data"]}
        assert (rows["p0"]["available"], rows["p1"]["available"]) == (True, False)
        assert [offer["allowed"] for offer in rows["p1"]["models"]] == [False]
        bind(gateway, EU_ONLY, alter=placed("us", "us"))
        assert await names() == set()
        bind(gateway)
        assert await names() == {"auto", "chat", "overseas", "p0/acme-large", "p1/acme-large"}


async def test_other_operations_obey_as_chats_do() -> None:
    rows = [Place(vectors(), offers("embeddings")) for _ in range(2)]
    async with places(*rows) as (gateway, client, (eu, us)):
        bind(gateway, EU_ONLY, alter=_EU_US)
        body = {"model": "work", "input": "Hello"}
        assert (await client.post("/v1/embeddings", json=body)).status_code == 200
        assert (len(eu.seen), len(us.seen)) == (1, 0)
        await eu.__aexit__()
        reply = await client.post("/v1/embeddings", json=body)
        assert "eu-only" in reply.json()["error"]["message"]
        bind(gateway, policy(AllowedOperations(names=("chat",))))
        refused(await client.post("/v1/embeddings", json=body), 403, "no_eligible_deployment")
        assert us.seen == []


async def test_what_is_passed_through_obeys_too(tmp_path: Path) -> None:
    rules = [
        {"method": ["POST"], "path": "/jobs", "price": "0.001", "body": "json", "fields": ["file"]}
    ]
    row = Place(answers(b"{}"), offers("chat"), quirks={"passthrough": rules})
    async with places(row, settings=Settings(passthrough=("p0",))) as (gateway, client, (seen,)):
        path, body = "/passthrough/p0/jobs", {"file": "abc"}
        for denying in (
            EU_ONLY,
            policy(DeniedModels(names=("acme-1",))),
            policy(AllowedOperations(names=("chat",))),
            policy(MaxCost(nano=1)),
        ):
            bind(gateway, denying, alter=placed("us"))
            refused(await client.post(path, json=body), 403, "no_eligible_deployment")
        assert gateway.books.ended[-1].refusals == {"policy:max_cost": 1}
        bind(gateway, *written(tmp_path, SOC2, gateway), alter=placed("eu"))
        said = await client.post(path, json=body | {"note": "call ann@example.com"})
        assert said.status_code in (200, 400, 403)
        assert all(b"ann@example.com" not in each.body for each in seen.seen)
        bind(gateway, EU_ONLY, alter=placed("eu"))
        assert (await client.post(path, json=body)).status_code == 200


async def test_soc2_strict_as_written_is_enforced(tmp_path: Path) -> None:
    async with rig(answers(), answers()) as (gateway, client, (eu, cn)):
        (strict,) = written(tmp_path, SOC2, gateway)
        bind(gateway, strict, alter=placed("eu", "cn"))
        mail = {"role": "user", "content": "Write to jane.doe@example.com about it."}
        reply = await client.post(CHAT, json=HELLO | {"messages": [mail]})
        assert reply.status_code == 200, reply.text
        sent = json.dumps(eu.seen[-1].json)
        assert "jane.doe" not in sent
        assert cn.seen == []
        ended = gateway.books.ended[-1]
        assert ended.policies == (strict.label,)
        gateway.books.broken = True
        assert (await client.post(CHAT, json=HELLO)).status_code == 503
        gateway.books.broken = False
        bind(gateway, strict, alter=placed("cn", "cn"))
        refused(await client.post(CHAT, json=HELLO), 403)
        assert cn.seen == []


def _nobody(_: int, row: Deployment) -> Deployment:
    return replace(row, usable=False)


async def test_a_refusal_that_is_no_policys_names_none() -> None:
    async with rig(answers()) as (gateway, client, _):
        bind(gateway, EU_ONLY, alter=_nobody)
        error = refused(await client.post(CHAT, json=HELLO), 403)
        assert "olicies" not in error["message"]
        assert gateway.books.ended[-1].refusals == {"credential": 1}


async def test_no_answer_is_kept_where_a_policy_forbids_it() -> None:
    async with rig(answers()) as (gateway, client, (upstream,)):
        before = gateway.world.current().snapshot
        keeps = replace(before.settings, responses=Keeping(store=True))
        gateway.world.adopt(
            replace(gateway.world.current(), snapshot=replace(before, settings=keeps))
        )
        bind(gateway, policy(Payloads(keep=False)))
        body = {"model": "chat", "input": "Hello"}
        reply = await client.post("/v1/responses", json=body)
        assert reply.status_code == 200, reply.text
        assert reply.json()["store"] is False
        error = refused(await client.post("/v1/responses", json=body | {"store": True}), 403)
        assert error["code"] == "payloads_not_kept"
        assert len(upstream.seen) == 1


@pytest.mark.parametrize(
    ("path", "plain", "field", "value"),
    [
        (CHAT, HELLO, "service_tier", "priority"),
        (CONVERSE, CONVERSED, "serviceTier", {"type": "priority"}),
        (CONVERSE, CONVERSED, "additionalModelRequestFields", {"speed": "fast"}),
    ],
)
async def test_a_cap_on_prices_counts_the_class_of_service_that_a_call_asks_for(
    path: str, plain: dict[str, Any], field: str, value: object
) -> None:
    def tiered(place: int, row: Deployment) -> Deployment:
        price = replace(row.model.price, service_tiers={"priority": 2000})
        return replace(row, model=replace(row.model, price=price))

    policies = (policy(MaxPrice(input=2_500_000_000, output=10_000_000_000)),)
    settings = Settings(allow_fields=(field,))
    async with rig(answers(), alter=tiered, policies=policies, settings=settings) as (
        _,
        client,
        (upstream,),
    ):
        assert (await client.post(path, json=plain)).status_code == 200
        refused = await client.post(path, json=plain | {field: value})
        assert refused.status_code == 403, refused.text
        assert len(upstream.seen) == 1


def test_the_fields_that_buy_a_class_of_service_are_those_of_the_tables() -> None:
    page = Path(__file__).parents[2] / "docs/reference/governed-fields.md"
    rows = [line for line in page.read_text().splitlines() if "processing class" in line]
    assert {row.split("`")[1] for row in rows} == CLASSES
