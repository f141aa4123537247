"""Every path that a worker answers, and what it says about itself in headers and bodies."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest
from gateway_rig import (
    CHAT,
    HELLO,
    STREAM,
    answers,
    at_rest,
    eventually,
    refused,
    request_bytes,
    rig,
    silent,
    status,
    streams,
)
from inprocess import SECRET, Gateway, route
from limits_gate import gate
from scripted import DONE, USAGE, Talk, Upstream, chunk, completion, whole
from unix_control import UnixControl

from federation.domain.access import Role
from federation.domain.catalogue import Deployment, Limits
from federation.domain.limits import Counted, Limit, LimitScope
from federation.domain.routes import Route, Settings
from federation.gateway import passing
from federation.gateway.situation import situate
from federation.schema.http import Timeouts
from federation.telemetry.meter import Meter, series
from federation.telemetry.metrics import REFUSED

ASK: dict[str, Any] = {"messages": HELLO["messages"]}


def simulated(place: int, row: Deployment) -> Deployment:
    return replace(row, provider=replace(row.provider, simulated=True))


def limited(place: int, row: Deployment) -> Deployment:
    return replace(row, provider=replace(row.provider, limits=Limits(rpm=10)))


# Listings.


async def test_models_are_listed_in_the_openai_shape() -> None:
    async with rig(whole, whole, routes=(route("fast", "p1/acme-large"),)) as (_, client, _ups):
        body = (await client.get("/v1/models")).json()
        assert body["object"] == "list"
        names = [row["id"] for row in body["data"]]
        assert names == ["auto", "chat", "fast", "p0/acme-large", "p1/acme-large"]
        for row in body["data"]:
            assert row["object"] == "model"
            assert isinstance(row["created"], int)
            assert isinstance(row["owned_by"], str)
        offer = body["data"][-1]["federation"]
        assert offer["price_usd_per_mtok"] == {"input": "2.5", "output": "10"}
        assert offer["regions"] == ["eu"]
        assert offer["certifications"] == ["gdpr", "soc2"]
        assert offer["data_use"] == "none"
        assert offer["simulated"] is False
        assert "upstream-secret" not in json.dumps(body)
        assert (await client.get("/models")).json() == body


@pytest.mark.parametrize("name", ["auto", "chat", "p0/acme-large", "p0%2Facme-large", "acme-large"])
async def test_one_model_is_shown_by_any_of_its_names(name: str) -> None:
    async with rig(whole) as (_, client, _ups):
        reply = await client.get(f"/v1/models/{name}")
        assert reply.status_code == 200
        assert reply.json()["object"] == "model"


async def test_a_model_that_is_not_there_is_not_found() -> None:
    async with rig(whole) as (_, client, _ups):
        error = refused(await client.get("/v1/models/p0/nothing"), 404, "model_not_found")
        assert error["param"] == "model"


async def test_models_that_cannot_be_used_are_not_listed() -> None:
    def alter(place: int, row: Deployment) -> Deployment:
        return replace(row, usable=False) if place == 0 else row

    async with rig(whole, whole, alter=alter) as (_, client, _ups):
        names = [row["id"] for row in (await client.get("/v1/models")).json()["data"]]
        assert names == ["auto", "chat", "p1/acme-large"]


async def test_providers_are_listed_with_what_is_known_of_them() -> None:
    def alter(place: int, row: Deployment) -> Deployment:
        if place:
            return row
        return replace(row, usable=False, provider=replace(row.provider, env=("P0_API_KEY",)))

    async with rig(whole, whole, alter=alter) as (_, client, _ups):
        body = (await client.get("/v1/providers")).json()
        first, second = body["data"]
        assert (first["id"], first["available"], first["needs"]) == ("p0", False, "P0_API_KEY")
        assert (second["id"], second["available"], second["needs"]) == ("p1", True, "")
        (offer,) = second["models"]
        assert offer["id"] == "p1/acme-large"
        assert offer["cooling_down"] is False
        assert (await client.get("/providers")).json() == body
        assert "upstream-secret" not in json.dumps(body)


async def test_a_provider_that_is_cooling_down_is_listed_so() -> None:
    async with rig(status(429, "retry-after: 60\r\n"), whole) as (_, client, _ups):
        await client.post(CHAT, json=HELLO)
        rows = (await client.get("/v1/providers")).json()["data"]
        assert [row["models"][0]["cooling_down"] for row in rows] == [True, False]


async def test_head_gets_the_head_alone() -> None:
    async with rig(whole) as (_, client, _ups):
        for path in ("/v1/models", "/health", "/v1/models/chat", "/v1/providers"):
            got, head = await client.get(path), await client.head(path)
            assert head.status_code == 200
            assert head.content == b""
            assert head.headers["content-length"] == got.headers["content-length"]


# A key's reach.


async def test_a_key_that_is_held_to_providers_sees_and_uses_only_them() -> None:
    far = route("far", "p0/acme-large")
    async with rig(status(500), whole, routes=(far,)) as (running, client, upstreams):
        running.keys.key = replace(running.keys.key, providers=("p1",))
        listed = (await client.get("/v1/models")).json()["data"]
        assert [row["id"] for row in listed] == ["auto", "chat", "p1/acme-large"]
        assert listed[1]["federation"]["targets"] == ["p1/acme-large"]
        assert (await client.get("/v1/models/far")).status_code == 404
        rows = (await client.get("/v1/providers")).json()["data"]
        assert [row["id"] for row in rows] == ["p1"]
        assert (await client.get("/v1/models/p0/acme-large")).status_code == 404
        for asked in ("chat", "p1/acme-large", "auto", "acme-large"):
            reply = await client.post(CHAT, json=HELLO | {"model": asked})
            assert reply.status_code == 200
            assert reply.headers["x-federation-provider"] == "p1"
        reply = await client.post(CHAT, json=HELLO | {"model": "p0/acme-large"})
        error = refused(reply, 403, None)
        assert error["removed"]
        assert upstreams[0].seen == []


async def test_a_key_never_falls_back_to_a_provider_outside_its_reach() -> None:
    async with rig(status(500), whole) as (running, client, upstreams):
        running.keys.key = replace(running.keys.key, providers=("p0",))
        refused(await client.post(CHAT, json=HELLO), 502, "upstream_failed")
        assert upstreams[1].seen == []


@pytest.mark.parametrize("allowed", ["chat", "p0/acme-large", "acme-large"])
async def test_a_key_that_is_held_to_models_uses_only_them(allowed: str) -> None:
    other = route("other", "p1/acme-large")
    async with rig(whole, whole, routes=(other,)) as (running, client, _):
        running.keys.key = replace(running.keys.key, models=(allowed,))
        assert (await client.post(CHAT, json=HELLO | {"model": allowed})).status_code == 200
        names = [row["id"] for row in (await client.get("/v1/models")).json()["data"]]
        assert "other" not in names
        if allowed != "acme-large":
            reply = await client.post(CHAT, json=HELLO | {"model": "other"})
            assert reply.status_code == 403, reply.text


async def test_what_a_list_leaves_out_is_not_found_by_its_name_either() -> None:
    async with rig(whole) as (running, client, _):
        running.keys.key = replace(running.keys.key, models=("chat",))
        names = [row["id"] for row in (await client.get("/v1/models")).json()["data"]]
        assert names == ["chat"]
        for name in ("auto", "p0/acme-large"):
            refused(await client.get(f"/v1/models/{name}"), 404, "model_not_found")
        long = refused(await client.get(f"/v1/models/{'m' * 5000}"), 404, "model_not_found")
        assert len(long["message"]) < 300


async def test_a_key_that_is_held_to_an_alias_at_a_provider_sees_its_model() -> None:
    def alter(_: int, row: Deployment) -> Deployment:
        return replace(row, model=replace(row.model, aliases=("acme-latest",)))

    async with rig(whole, whole, alter=alter) as (running, client, _):
        running.keys.key = replace(running.keys.key, models=("p0/acme-latest",))
        reply = await client.post(CHAT, json=HELLO | {"model": "p0/acme-latest"})
        assert reply.headers["x-federation-provider"] == "p0"
        names = [row["id"] for row in (await client.get("/v1/models")).json()["data"]]
        assert names == ["p0/acme-large"]


# Health.


async def test_health_asks_for_no_key() -> None:
    async with rig(whole) as (_, client, _ups):
        del client.headers["authorization"]
        assert (await client.get("/health")).json() == {"status": "ok"}
        ready = (await client.get("/health/ready")).json()
        assert ready == {"status": "ready", "deployments": 1, "snapshot": 1}


async def test_a_gateway_without_a_usable_deployment_is_not_ready() -> None:
    def alter(place: int, row: Deployment) -> Deployment:
        return replace(row, usable=False) if place else replace(row, enabled=False)

    async with rig(whole, whole, alter=alter) as (_, client, _ups):
        refused(await client.get("/health/ready"), 503, "no_usable_deployment")
        assert (await client.get("/health")).status_code == 200
        reply = await client.post(CHAT, json=HELLO)
        assert reply.status_code == 403
        assert refused(reply, reply.status_code)["removed"]


async def test_a_deployment_that_cannot_be_prepared_is_not_counted_as_usable() -> None:
    def alter(place: int, row: Deployment) -> Deployment:
        return replace(row, provider=replace(row.provider, base_url="https://{region}.example/v1"))

    async with rig(whole, alter=alter) as (_, client, _ups):
        refused(await client.get("/health/ready"), 503, "no_usable_deployment")


async def test_a_draining_gateway_is_not_ready() -> None:
    async with rig(whole) as (running, client, _):
        running.world.draining = True
        refused(await client.get("/health/ready"), 503, "draining")
        assert (await client.get("/health")).status_code == 200


async def test_a_gateway_whose_store_cannot_be_written_is_not_ready() -> None:
    async with rig(whole) as (running, client, _):
        running.world.store_writable = False
        refused(await client.get("/health/ready"), 503, "store_not_writable")


async def test_before_the_first_snapshot_everything_but_health_waits() -> None:
    async with rig(whole) as (running, client, upstreams):
        running.world.situation = None
        assert (await client.get("/health")).status_code == 200
        refused(await client.get("/health/ready"), 503, "unavailable")
        refused(await client.post(CHAT, json=HELLO), 503, "unavailable")
        refused(await client.get("/v1/models"), 503, "unavailable")
        assert upstreams[0].seen == []
        assert at_rest(running)


# What an answer says of its making.


async def test_an_answer_says_who_made_it() -> None:
    async with rig(whole) as (running, client, _):
        for body in (HELLO, STREAM):
            reply = await client.post(CHAT, json=body)
            headers = reply.headers
            assert headers["x-federation-provider"] == "p0"
            assert headers["x-federation-model"] == "acme-large"
            assert headers["x-federation-strategy"] == "priority"
            assert headers["x-federation-attempts"] == "1"
            assert "x-federation-simulated" not in headers
            assert float(headers["x-federation-estimated-cost"]) > 0
            assert headers["x-federation-call-id"] == running.books.ended[-1].call
            assert "upstream" not in str(headers)


async def test_a_simulated_answer_says_so() -> None:
    async with rig(whole, alter=simulated) as (running, client, _):
        for body in (HELLO, STREAM):
            reply = await client.post(CHAT, json=body)
            assert reply.headers["x-federation-simulated"] == "true"
        assert all(ended.simulated for ended in running.books.ended)
        reply = await client.post("/v1/route", json={"prompt": "Hello"})
        assert reply.headers["x-federation-simulated"] == "true"
        assert reply.json()["simulated"] is True
        rows = (await client.get("/v1/models")).json()["data"]
        assert rows[-1]["federation"]["simulated"] is True
        assert (await client.get("/v1/providers")).json()["data"][0]["simulated"] is True


@pytest.mark.parametrize(
    ("body", "headers", "there"),
    [
        (HELLO, {}, False),
        (HELLO | {"model": "p0/acme-large"}, {}, False),
        (HELLO | {"model": "acme-large"}, {}, False),
        (HELLO | {"model": "auto"}, {}, True),
        (ASK, {}, True),
        (HELLO | {"federation": {"metadata": True}}, {}, True),
        (HELLO, {"x-federation-metadata": "true"}, True),
    ],
    ids=["route", "deployment", "model", "auto", "absent", "asked", "asked in a header"],
)
async def test_router_metadata_is_there_where_the_router_chose_or_the_client_asks(
    body: dict[str, Any], headers: dict[str, str], there: bool
) -> None:
    async with rig(whole) as (_, client, _ups):
        reply = await client.post(CHAT, json=body, headers=headers)
        found = reply.json().get("router_metadata")
        assert (found is not None) == there
        if found is None:
            assert reply.content == completion()
            return
        assert found["selected_provider"] == "p0"
        assert found["selected_model"] == "acme-large"
        assert found["routing_reason"]
        assert found["response_time_ms"] > 0
        cost = reply.headers["x-federation-estimated-cost"]
        assert found["estimated_cost"] == float(cost)
        rest = {name: value for name, value in reply.json().items() if name != "router_metadata"}
        assert rest == json.loads(completion())


async def test_the_default_model_is_used_where_a_call_names_none() -> None:
    async with rig(whole, whole, settings=Settings(default_model="p1/acme-large")) as rigged:
        running, client, upstreams = rigged
        for body in (ASK, ASK | {"model": None}):
            reply = await client.post(CHAT, json=body)
            assert reply.headers["x-federation-provider"] == "p1"
            assert "router_metadata" not in reply.json()
        assert upstreams[1].seen[0].json["model"] == "acme-large"
        assert running.books.ended[0].decision is not None


async def test_our_own_object_and_headers_never_reach_a_provider() -> None:
    ask = {"tags": {"team": "red"}, "session": "s1", "user": "u1", "strategy": "priority"}
    async with rig(whole) as (running, client, upstreams):
        body = HELLO | {"federation": ask, "temperature": 0.5}
        await client.post(CHAT, json=body, headers={"x-federation-provider-preference": "p0"})
        seen = upstreams[0].seen[0]
        assert seen.json == HELLO | {"model": "acme-large", "temperature": 0.5}
        assert not any("federation" in name for name in seen.headers)
        (ended,) = running.books.ended
        user = running.world.names.of(ended.tenant, "u1")
        assert (ended.tags, ended.session, ended.user) == ({"team": "red"}, "s1", user)


async def test_headers_say_the_same_as_the_object() -> None:
    headers = {
        "x-federation-tags": "team=red, stage=test",
        "x-federation-session": "s1",
        "x-federation-user": "u1",
        "x-federation-strategy": "cost_optimized",
    }
    async with rig(whole, whole) as (running, client, _):
        reply = await client.post(CHAT, json=HELLO, headers=headers)
        assert reply.headers["x-federation-strategy"] == "cost_optimized"
        (ended,) = running.books.ended
        assert ended.tags == {"team": "red", "stage": "test"}
        user = running.world.names.of(ended.tenant, "u1")
        assert (ended.session, ended.user) == ("s1", user)
        assert ended.decision is not None
        assert ended.decision.strategy == "cost_optimized"


async def test_constraints_remove_deployments_and_say_which_rule_did() -> None:
    def alter(place: int, row: Deployment) -> Deployment:
        return replace(row, provider=replace(row.provider, regions=("us",))) if place == 0 else row

    async with rig(whole, whole, alter=alter) as (_, client, upstreams):
        reply = await client.post(CHAT, json=HELLO, headers={"x-federation-data-residency": "eu"})
        assert reply.headers["x-federation-provider"] == "p1"
        reply = await client.post(CHAT, json=HELLO, headers={"x-federation-data-residency": "cn"})
        error = refused(reply, 403)
        assert set(error["removed"]) == {"p0/acme-large", "p1/acme-large"}
        assert upstreams[0].seen == []
        asked = {"prompt": "x", "dry_run": True, "constraints": {"data_residency": "eu"}}
        reply = await client.post("/v1/route", json=asked)
        assert reply.json()["provider"] == "p1", "one place need not be a list"
        for wrong in ({"speed": 1}, {"data_residency": 1}):
            reply = await client.post("/v1/route", json=asked | {"constraints": wrong})
            assert refused(reply, 400)["param"] == f"constraints.{next(iter(wrong))}"
        assert (
            refused(await client.post("/v1/route", json=asked | {"best": 1}), 400)["param"]
            == "best"
        )


async def test_a_cascade_that_is_wished_for_is_refused_while_there_is_none() -> None:
    async with rig(whole) as (_, client, upstreams):
        reply = await client.post(CHAT, json=HELLO, headers={"x-enable-cascade": "true"})
        refused(reply, 400, "unknown_strategy")
        assert upstreams[0].seen == []
        reply = await client.post(CHAT, json=HELLO, headers={"x-enable-cascade": "false"})
        assert reply.status_code == 200


async def test_max_tokens_and_other_fields_arrive_untouched() -> None:
    raw = (
        b'{ "messages" : [ {"role":"user", "content":"\\u00e9\\n"} ] ,\n'
        b'  "model":"chat", "max_tokens": 7, "seed":12345678901234567890, "x" : 1.0e+2 }'
    )
    async with rig(whole) as (_, client, upstreams):
        assert (await client.post(CHAT, content=raw)).status_code == 200
        assert upstreams[0].seen[0].body == raw.replace(b'"chat"', b'"acme-large"')


def choosy(place: int, row: Deployment) -> Deployment:
    quirks: dict[str, object] = {"accepts_only": ["temperature", "stream"]}
    return replace(row, provider=replace(row.provider, quirks=quirks))


@pytest.mark.parametrize("stream", [False, True])
async def test_fields_that_a_deployment_does_not_take_are_named_in_a_warning(stream: bool) -> None:
    async with rig(whole, alter=choosy) as (_, client, upstreams):
        body = HELLO | {"temperature": 1, "top_k": 3, "seed": 4, "stream": stream}
        reply = await client.post(CHAT, json=body)
        assert reply.headers["x-federation-warning"].startswith("dropped: top_k, seed")
        assert not {"top_k", "seed"} & set(upstreams[0].seen[0].json)
        reply = await client.post(CHAT, json=HELLO | {"temperature": 1})
        assert "x-federation-warning" not in reply.headers


async def test_a_warning_cannot_be_made_to_break_the_head() -> None:
    async with rig(whole, alter=choosy) as (_, client, _ups):
        for name in (
            "a\r\nset-cookie: x=y",
            "\x00",
            "naïve",
            "日本",
            " ",
            "",
            "\udfff",
            "x" * 90_000,
        ):
            body = json.dumps(HELLO | {name: 1}).encode()
            reply = await client.post(CHAT, content=body)
            assert reply.status_code in (200, 400), reply.text
            assert "set-cookie" not in reply.headers
            assert len(reply.headers.get("x-federation-warning", "")) < 2000
        body = json.dumps(HELLO | {f"field_{place}": 1 for place in range(300)}).encode()
        reply = await client.post(CHAT, content=body)
        assert reply.status_code == 200
        assert len(reply.headers["x-federation-warning"]) < 4000


async def test_an_odd_content_type_of_a_provider_does_no_harm() -> None:
    async def behave(talk: Talk) -> None:
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json; x=\xe9\x80\r\n"
        await talk.send(head + b"content-length: %d\r\n\r\n%b" % (len(completion()), completion()))

    async with rig(behave) as (_, client, _ups):
        assert (await client.post(CHAT, json=HELLO)).content == completion()


# POST /v1/route.


async def test_a_route_request_runs_the_call_and_sums_it_up() -> None:
    async with rig(whole) as (running, client, upstreams):
        asked = {"prompt": "Hello", "system_prompt": "Be brief.", "max_tokens": 5}
        reply = await client.post("/v1/route", json=asked)
        assert reply.status_code == 200
        body = reply.json()
        assert body["content"] == "Hello."
        assert (body["provider"], body["model"]) == ("p0", "acme-large")
        assert (body["input_tokens"], body["output_tokens"]) == (10, 5)
        assert body["cost"] == 0.000075
        assert body["latency_ms"] > 0
        dry = await client.post("/v1/route", json=asked | {"dry_run": True})
        assert body["confidence"] == dry.json()["confidence"] == 1.0, "the only candidate"
        assert body["reasoning"]
        assert reply.headers["x-federation-call-id"] == body["call_id"]
        (ended,) = running.books.ended
        assert ended.call == body["call_id"]
        assert ended.cost_nano == 75_000
        sent = upstreams[0].seen[0].json
        assert [message["role"] for message in sent["messages"]] == ["system", "user"]
        assert sent["max_tokens"] == 5
        assert "federation" not in sent


async def test_a_route_request_has_the_headers_of_a_plain_call() -> None:
    async with (
        rig(whole) as (running, client, _ups),
        gate(running, Limit("l", "default", LimitScope.TENANT, "default", Counted.REQUESTS, 7)),
    ):
        plain = await client.post(CHAT, json=HELLO)
        reply = await client.post("/v1/route", json={"prompt": "Hello", "model": "chat"})
        assert reply.headers.keys() == plain.headers.keys()
        assert reply.headers["x-request-id"] == reply.json()["call_id"]
        assert reply.headers["x-ratelimit-remaining-requests"] == "5"
        assert reply.headers["content-length"] == str(len(reply.content))


async def test_a_route_request_takes_messages_tools_strategy_and_constraints() -> None:
    tool = {"type": "function", "function": {"name": "f", "parameters": {}}}
    async with rig(whole, whole) as (running, client, upstreams):
        asked = {
            "messages": HELLO["messages"],
            "model": "chat",
            "strategy": "cost_optimized",
            "tools": [tool],
            "constraints": {"data_residency": ["eu"], "provider_preference": ["p1"]},
        }
        reply = await client.post("/v1/route", json=asked)
        assert reply.status_code == 200, reply.text
        decision = running.books.ended[0].decision
        assert decision is not None
        assert decision.strategy == "cost_optimized"
        seen = [*upstreams[0].seen, *upstreams[1].seen]
        assert seen[0].json["tools"] == [tool]


async def test_a_dry_run_decides_and_spends_nothing() -> None:
    async with rig(whole, whole) as (running, client, upstreams):
        reply = await client.post("/v1/route", json={"prompt": "Write a haiku", "dry_run": True})
        assert reply.status_code == 200
        body = reply.json()
        assert body["deployment"] in ("p0/acme-large", "p1/acme-large")
        assert len(body["candidates"]) == 2
        assert body["estimated_cost"] > 0
        assert body["weights"] == {"quality": 0.5, "speed": 0.3, "cost": 0.1, "reliability": 0.1}
        assert body["intent"]["name"]
        assert body["reasoning"]
        assert [upstream.seen for upstream in upstreams] == [[], []]
        assert running.books.records == []


async def test_a_dry_run_decides_as_the_call_would() -> None:
    async with rig(whole, whole) as (_, client, _ups):
        asked = {"prompt": "Hello", "model": "chat", "strategy": "priority"}
        dry = (await client.post("/v1/route", json=asked | {"dry_run": True})).json()
        run = (await client.post("/v1/route", json=asked)).json()
        assert dry["provider"] == run["provider"] == "p0"


async def test_a_dry_run_and_a_count_take_no_turn() -> None:
    asked = {"prompt": "Hello", "model": "chat", "strategy": "round_robin"}
    count = {
        "model": "chat",
        "messages": HELLO["messages"],
        "federation": {"strategy": "round_robin"},
    }
    async with rig(whole, whole) as (_, client, _ups):
        for turn in range(3):
            told = await client.post("/v1/messages/count_tokens", json=count)
            for _ in range(2):
                dry = (await client.post("/v1/route", json=asked | {"dry_run": True})).json()
                assert dry["provider"] == f"p{turn % 2}"
            assert told.headers["x-federation-provider"] == f"p{turn % 2}"
            run = (await client.post("/v1/route", json=asked)).json()
            assert run["provider"] == f"p{turn % 2}"


async def test_a_route_request_can_be_streamed() -> None:
    async with rig(whole) as (running, client, _):
        reply = await client.post("/v1/route", json={"prompt": "Hello", "stream": True})
        assert reply.headers["content-type"] == "text/event-stream"
        assert reply.content.endswith(DONE)
        assert USAGE not in reply.content
        assert running.books.ended[0].stream


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"prompt": 1},
        {"prompt": None},
        {"prompt": "x", "messages": []},
        {"prompt": "x", "unknown": 1},
        {"prompt": "x", "constraints": {"speed": 1}},
        {"prompt": "x", "constraints": {"max_cost": -1}},
        {"prompt": "x", "constraints": None},
        {"prompt": "x", "strategy": "best"},
        {"prompt": "x", "max_tokens": 0},
        {"prompt": "x", "max_tokens": "1"},
        {"prompt": "x", "stream": "yes"},
        {"messages": []},
        {"messages": [1]},
        {"messages": [{"role": "robot", "content": "x"}]},
        {"messages": "x"},
        {"prompt": "x", "tools": [{}]},
        {"prompt": "x", "dry_run": 1},
        {"prompt": "x", "federation": {}},
        [],
        "x",
    ],
    ids=str,
)
@pytest.mark.parametrize("dry", [False, True])
async def test_a_bad_route_request_is_refused(body: Any, dry: bool) -> None:
    if dry and isinstance(body, dict) and "dry_run" not in body:
        body = body | {"dry_run": True}
    async with rig(whole) as (running, client, upstreams):
        refused(await client.post("/v1/route", json=body), 400)
        assert upstreams[0].seen == []
        assert {ended.outcome for ended in running.books.ended} <= {"error"}


async def test_a_route_request_for_an_unknown_model_is_not_found() -> None:
    async with rig(whole) as (_, client, _ups):
        for dry in (False, True):
            asked = {"prompt": "x", "model": "nothing", "dry_run": dry}
            refused(await client.post("/v1/route", json=asked), 404, "model_not_found")


# Management paths.


@asynccontextmanager
async def managed(
    tmp_path: Path, behave: Any
) -> AsyncIterator[tuple[Gateway, httpx.AsyncClient, UnixControl]]:
    socket = tmp_path / "api.sock"
    async with UnixControl(socket, behave) as control, rig(whole, control=socket) as rigged:
        yield rigged[0], rigged[1], control


async def test_management_paths_are_passed_on_as_they_came(tmp_path: Path) -> None:
    async def behave(talk: Talk) -> None:
        await talk.answer(b'{"ok":1}', 201, "x-own: 1\r\nconnection: keep-alive\r\nserver: u\r\n")

    async with managed(tmp_path, behave) as (running, client, control):
        reply = await client.post(
            "/v1/keys/a%20b%2Fc?x=1&y=%20z", content=b'{"name": 1 }', headers={"x-mine": "2"}
        )
        assert (reply.status_code, reply.content) == (201, b'{"ok":1}')
        assert reply.headers["x-own"] == "1"
        assert "server" not in reply.headers
        (seen,) = control.seen
        assert seen.head.startswith("POST /v1/keys/a%20b/c?x=1&y=%20z HTTP/1.1")
        assert seen.body == b'{"name": 1 }'
        assert seen.headers["x-mine"] == "2"
        assert seen.headers["authorization"] == client.headers["authorization"]
        assert seen.headers["x-federation-peer"] == "127.0.0.1"
        assert running.books.records == []


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/calls"),
        ("GET", "/v1/calls/call_1"),
        ("DELETE", "/v1/keys/key_1"),
        ("POST", "/v1/providers/acme/disable"),
        ("GET", "/v1/stats"),
        ("GET", "/metrics"),
        ("GET", "/docs"),
        ("GET", "/openapi.json"),
        ("GET", "/admin/status"),
        ("GET", "/health/startup"),
    ],
)
async def test_these_paths_are_controls(tmp_path: Path, method: str, path: str) -> None:
    async with managed(tmp_path, answers(b"{}")) as (_, client, control):
        assert (await client.request(method, path)).status_code == 200
        assert len(control.seen) == 1


async def test_a_head_of_a_management_path_is_that_of_its_get(tmp_path: Path) -> None:
    async with managed(tmp_path, answers(b"{}")) as (_, client, control):
        for _ in range(2):
            reply = await client.head("/health/startup")
            assert (reply.status_code, reply.content) == (200, b"")
            assert reply.headers["content-length"] == "2"
        assert control.seen[0].head.startswith("GET /health/startup ")


@pytest.mark.parametrize("code", [204, 304, 401, 404, 500, 503])
async def test_controls_status_is_handed_on(tmp_path: Path, code: int) -> None:
    async def behave(talk: Talk) -> None:
        if code in (204, 304):
            await talk.send(b"HTTP/1.1 %d X\r\nx-own: 1\r\n\r\n" % code)
        else:
            await talk.answer(b"{}", code, "x-own: 1\r\n")

    async with managed(tmp_path, behave) as (_, client, _control):
        for _ in range(2):
            reply = await client.get("/v1/stats")
            assert reply.status_code == code
            assert reply.headers["x-own"] == "1"


async def test_a_control_that_is_silent_is_not_said_to_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passing, "_TIMEOUTS", Timeouts(0.3, 0.3, 0.3, 0.3))

    async def behave(_: Talk) -> None:
        await asyncio.Event().wait()

    async with managed(tmp_path, behave) as (running, client, _):
        error = refused(await client.get("/v1/stats"), 503, "control_unavailable")
        assert "does not answer in time" in error["message"]
        assert running.transport.busy == 0


async def test_a_peer_cannot_be_claimed(tmp_path: Path) -> None:
    async with managed(tmp_path, answers(b"{}")) as (_, client, control):
        await client.get("/v1/stats", headers={"x-federation-peer": "10.0.0.1"})
        assert control.seen[0].headers["x-federation-peer"] == "127.0.0.1"
        assert "10.0.0.1" not in str(control.seen[0].headers)


async def test_while_control_is_away_management_says_so_and_inference_goes_on(
    tmp_path: Path,
) -> None:
    async with rig(whole, control=tmp_path / "api.sock") as (running, client, _):
        for path in ("/v1/stats", "/metrics", "/health/startup"):
            reply = await client.get(path)
            error = refused(reply, 503, "control_unavailable")
            assert error["message"].startswith("The control process is starting; inference goes on")
            assert int(reply.headers["retry-after"]) > 0
        assert (await client.post(CHAT, json=HELLO)).status_code == 200
        assert running.transport.busy == 0


@pytest.mark.parametrize("fault", ["closes", "garbage", "cut"])
async def test_a_control_that_breaks_is_away(tmp_path: Path, fault: str) -> None:
    async def behave(talk: Talk) -> None:
        if fault == "garbage":
            await talk.send(b"nonsense\r\n\r\n")
        if fault == "cut":
            await talk.send(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{")
        talk.writer.close()

    async with managed(tmp_path, behave) as (running, client, _):
        refused(await client.get("/v1/stats"), 503, "control_unavailable")
        assert running.transport.busy == 0


async def test_a_client_that_leaves_closes_the_connection_to_control(tmp_path: Path) -> None:
    async with managed(tmp_path, silent) as (running, client, control):
        with pytest.raises(httpx.ReadTimeout):
            await client.get("/v1/stats", timeout=0.2)
        await eventually(lambda: running.transport.busy == 0)
        await eventually(lambda: running.server.in_flight == 0)
        assert len(control.seen) == 1


# Shared request limits.


async def test_a_provider_whose_limit_is_used_up_is_passed_over() -> None:
    async with rig(whole, whole, alter=limited) as (running, client, upstreams):
        running.leases.denied = {"rpm/p0"}
        reply = await client.post(CHAT, json=HELLO)
        assert reply.headers["x-federation-provider"] == "p1"
        assert reply.headers["x-federation-attempts"] == "1"
        assert upstreams[0].seen == []
        assert [item.deployment for item in running.books.ended[0].attempts] == ["p1/acme-large"]


async def test_a_request_is_put_back_where_there_are_no_tokens_for_it() -> None:
    def both(place: int, row: Deployment) -> Deployment:
        return replace(row, provider=replace(row.provider, limits=Limits(rpm=10, tpm=5_000)))

    async with rig(whole, whole, alter=both) as (running, client, _):
        running.leases.denied = {"tpm/p0"}
        reply = await client.post(CHAT, json=HELLO)
        assert reply.headers["x-federation-provider"] == "p1"
        assert running.leases.returned == [("rpm/p0", 1)]


async def test_tokens_of_a_minute_are_leased_as_a_call_expects_them() -> None:
    def limited(place: int, row: Deployment) -> Deployment:
        limits = Limits(tpm=5_000) if place == 0 else Limits()
        return replace(row, provider=replace(row.provider, limits=limits))

    async with rig(whole, whole, alter=limited) as (
        running,
        client,
        upstreams,
    ):
        taken: list[tuple[str, int]] = []
        take = running.leases.take

        def noted(name: str, amount: int = 1) -> bool:
            taken.append((name, amount))
            return take(name, amount)

        running.leases.take = noted  # type: ignore[method-assign]
        few = HELLO | {"max_tokens": 40}
        assert (await client.post(CHAT, json=few)).status_code == 200
        ((name, amount),) = taken
        assert name == "tpm/p0"
        assert 0 < amount < 1_000
        # A call that needs more than a minute has takes all of it.
        many = HELLO | {"messages": [{"role": "user", "content": "word " * 9_000}]}
        assert (await client.post(CHAT, json=many)).status_code == 200
        assert taken[1] == ("tpm/p0", 5_000)
        running.leases.denied = {"tpm/p0"}
        assert (await client.post(CHAT, json=few)).status_code == 200
        assert [len(each.seen) for each in upstreams] == [2, 1]


@pytest.mark.parametrize("body", [HELLO, STREAM], ids=["whole", "stream"])
async def test_where_every_limit_is_used_up_the_client_is_told_when_to_come_back(
    body: dict[str, Any],
) -> None:
    async with rig(whole, whole, alter=limited) as (running, client, upstreams):
        running.leases.denied = {"rpm/p0", "rpm/p1"}
        reply = await client.post(CHAT, json=body)
        refused(reply, 429, "provider_limit_reached")
        assert 0 < int(reply.headers["retry-after"]) <= 60
        assert [upstream.seen for upstream in upstreams] == [[], []]
        (ended,) = running.books.ended
        assert (ended.outcome, ended.status, ended.attempts) == ("error", 429, ())
        assert ended.cost_nano == 0
        assert at_rest(running)


async def test_a_retry_takes_from_the_limit_too() -> None:
    async with rig(status(500), whole, alter=limited) as (running, client, upstreams):
        taken: list[str] = []

        def take(name: str, amount: int = 1) -> bool:
            taken.append(name)
            return taken.count(name) <= 1

        running.leases.take = take  # type: ignore[method-assign]
        reply = await client.post(CHAT, json=HELLO)
        assert reply.headers["x-federation-provider"] == "p1"
        assert len(upstreams[0].seen) == 1
        assert taken == ["rpm/p0", "rpm/p0", "rpm/p1"]


# A journal that cannot be written.


async def cut_off(client: httpx.AsyncClient, body: dict[str, Any]) -> bytes:
    """What came of a stream that was cut."""
    said = b""
    try:
        async with client.stream("POST", CHAT, json=body) as reply:
            async for data in reply.aiter_bytes():
                said += data
    except httpx.RemoteProtocolError:
        return said
    raise AssertionError(f"it was not cut: {said!r}")


@pytest.mark.parametrize("body", [HELLO, STREAM], ids=["whole", "stream"])
async def test_without_evidence_there_is_no_answer_and_then_no_spending(
    body: dict[str, Any],
) -> None:
    async with rig(whole) as (running, client, upstreams):
        meter = running.world.meter
        assert isinstance(meter, Meter)
        meter.drain()
        running.books.broken = True
        if body is HELLO:
            refused(await client.post(CHAT, json=body), 503, "evidence_unwritable")
        else:
            said = await cut_off(client, body)
            assert b"evidence_unwritable" in said
            assert b"[DONE]" not in said
        assert len(upstreams[0].seen) == 1
        for _ in range(3):
            refused(await client.post(CHAT, json=body), 503, "evidence_unwritable")
        assert len(upstreams[0].seen) == 1
        refusals = meter.drain().counters["federation_journal_errors_total"]
        assert refusals == 5, "a beginning, its end, and three beginnings"
        refused(await client.get("/health/ready"), 503, "evidence_unwritable")
        assert at_rest(running)
        assert running.transport.busy == 0
        running.books.broken = False
        for _ in range(2):
            assert (await client.post(CHAT, json=body)).status_code == 200
        assert (await client.get("/health/ready")).status_code == 200
        # What the provider was asked for is made up for, first of all.
        owed, *good = running.books.ended
        assert (owed.outcome, owed.status, owed.error) == ("error", 503, "evidence_unwritable")
        assert [attempt.deployment for attempt in owed.attempts] == ["p0/acme-large"]
        assert owed.cost_nano == good[0].cost_nano
        assert [ended.outcome for ended in good] == ["ok", "ok"]
        started = {item.call for item in running.books.started}
        assert started == {item.call for item in good}


async def test_a_journal_that_breaks_in_mid_stream_withholds_the_end() -> None:
    go_on = asyncio.Event()

    async def behave(talk: Talk) -> None:
        await talk.begin_stream()
        await talk.event(chunk("Hel"))
        await go_on.wait()
        await talk.event(chunk(finish="stop"))
        await talk.event(DONE)
        await talk.end_stream()

    async def read(running: Gateway, client: httpx.AsyncClient, got: bytearray) -> None:
        async with client.stream("POST", CHAT, json=STREAM) as reply:
            async for piece in reply.aiter_raw():
                got.extend(piece)
                running.books.broken = True
                go_on.set()

    async with rig(behave) as (running, client, _):
        got = bytearray()
        with pytest.raises(httpx.RemoteProtocolError):
            await read(running, client, got)
        assert DONE not in got
        await eventually(lambda: at_rest(running))
        await eventually(lambda: running.transport.busy == 0)
        assert running.books.ended == []


async def test_a_refusal_is_recorded_or_withheld() -> None:
    async with rig(status(400)) as (running, client, _):
        running.books.broken = True
        refused(await client.post(CHAT, json=HELLO), 503, "evidence_unwritable")
        assert at_rest(running)


# A change of configuration under way.


async def test_a_call_keeps_the_configuration_that_it_started_under() -> None:
    go_on = asyncio.Event()

    async def behave(talk: Talk) -> None:
        await go_on.wait()
        await talk.answer(completion())

    async with rig(behave, whole) as (running, client, upstreams):
        before = running.world.current().snapshot
        asking = asyncio.ensure_future(client.post(CHAT, json=HELLO))
        await eventually(lambda: len(upstreams[0].seen) == 1)
        after = replace(before, version=2, deployments=before.deployments[1:])
        running.world.adopt(situate(after, date(2026, 1, 1)))
        reply = await client.post(CHAT, json=HELLO)
        assert reply.headers["x-federation-provider"] == "p1"
        go_on.set()
        assert (await asking).headers["x-federation-provider"] == "p0"
        versions = [item.decision.snapshot for item in running.books.ended if item.decision]
        assert versions == [2, 1]
        await eventually(lambda: at_rest(running))


@pytest.mark.parametrize("body", [HELLO, STREAM], ids=["whole", "stream"])
async def test_a_bug_of_ours_is_recorded_and_told_without_its_words(body: dict[str, Any]) -> None:
    class Broken:
        async def send(self, *_: object) -> None:
            raise LookupError("the secret words of a bug")

    async with rig(whole) as (running, client, _):
        running.world.transport, transport = Broken(), running.world.transport  # type: ignore[assignment]
        reply = await client.post(CHAT, json=body)
        error = refused(reply, 500, "internal_error")
        assert reply.headers["x-request-id"] in error["message"]
        assert "secret words" not in reply.text
        (ended,) = running.books.ended
        assert (ended.outcome, ended.status, ended.error) == ("error", 500, "internal_error")
        assert [type(fault) for fault in running.faults] == [LookupError]
        running.faults.clear()
        running.world.transport = transport
        assert at_rest(running)
        assert (await client.post(CHAT, json=body)).status_code == 200


async def test_every_role_that_may_call_models_can() -> None:
    async with rig(whole) as (running, client, _):
        for role in (Role.ADMIN, Role.OWNER, Role.DEVELOPER):
            running.keys.key = replace(running.keys.key, role=role)
            assert (await client.post(CHAT, json=HELLO)).status_code == 200


async def test_concurrent_calls_do_not_mix() -> None:
    async def echo(talk: Talk) -> None:
        text = talk.seen.json["messages"][0]["content"]
        await asyncio.sleep(0.001 * (len(text) % 5))
        if talk.seen.json.get("stream"):
            await talk.begin_stream()
            for event in (chunk(text), chunk(finish="stop"), DONE):
                await talk.event(event)
            await talk.end_stream()
        else:
            await talk.answer(completion(text))

    async def ask(client: httpx.AsyncClient, number: int) -> None:
        text = f"call {number} " + "x" * number
        body = {"model": "chat", "messages": [{"role": "user", "content": text}]}
        reply = await client.post(CHAT, json=body | {"stream": number % 2 == 0})
        assert text.encode() in reply.content

    async with rig(echo) as (running, client, _):
        await asyncio.gather(*(ask(client, number) for number in range(80)))
        calls = [ended.call for ended in running.books.ended]
        assert len(set(calls)) == 80
        assert {ended.outcome for ended in running.books.ended} == {"ok"}


async def test_streams_without_choices_or_with_several_are_whole() -> None:
    two = [
        chunk("A", choices=[{"index": place, "delta": {"content": "A"}, "finish_reason": None}])
        for place in (0, 1)
    ]
    ends = [
        chunk("", choices=[{"index": place, "delta": {}, "finish_reason": "stop"}])
        for place in (0, 1)
    ]
    async with rig(streams(*two, *ends)) as (running, client, upstreams):
        reply = await client.post(CHAT, json=STREAM | {"n": 2})
        assert reply.content == b"".join(two + ends) + DONE
        assert running.books.ended[0].outcome == "ok"
        assert isinstance(upstreams[0], Upstream)


async def test_a_route_without_targets_means_everything_that_is_eligible() -> None:
    every = Route("any", "quality_first")
    async with rig(whole, whole, routes=(every,)) as (_, client, _ups):
        reply = await client.post(CHAT, json=HELLO | {"model": "any"})
        assert reply.status_code == 200
        assert reply.headers["x-federation-strategy"] == "quality_first"
        assert "router_metadata" in reply.json()


# A client that asks for leave before it sends a body.


@pytest.mark.parametrize(
    ("path", "key", "said"),
    [
        (CHAT, SECRET, b" 100 "),
        (CHAT, "", b" 401 "),
        (CHAT, "fed_unknown", b" 401 "),
        ("/v1/embeddings", "", b" 401 "),
        ("/v1/messages/count_tokens", "", b" 401 "),
        ("/v1/route", "", b" 401 "),
        ("/passthrough/p0/jobs", "", b" 401 "),
        ("/v1/keys", "", b" 100 "),
        ("/nowhere", SECRET, b" 404 "),
        ("/nowhere", "", b" 404 "),
        ("/v1/models", "", b" 405 "),
        ("/v1/responses/resp_1/input_items", SECRET, b" 405 "),
    ],
)
async def test_what_is_refused_whatever_its_body_is_refused_before_the_body_is_asked_for(
    path: str, key: str, said: bytes
) -> None:
    async with rig(whole) as (running, _, upstreams):
        reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
        whole_request = request_bytes(
            json.dumps(HELLO).encode(), path=path, key=key, headers=("expect: 100-continue",)
        )
        head, _, _ = whole_request.partition(b"\r\n\r\n")
        writer.write(head + b"\r\n\r\n")
        assert said in await asyncio.wait_for(reader.readline(), 5)
        assert not upstreams[0].seen
        writer.close()


async def test_what_is_refused_before_anybody_is_asked_is_counted_by_its_code() -> None:
    async with rig(status(400)) as (running, client, _):
        await client.post(CHAT, json=HELLO | {"model": "nobody"})
        await client.post("/v1/nothing", json={})
        await client.post(CHAT, json=HELLO, headers={"authorization": "Bearer wrong"})
        assert (await client.post(CHAT, json=HELLO)).status_code == 400
        assert isinstance(running.world.meter, Meter)
        counters = running.world.meter.drain().counters
        told = {name: count for name, count in counters.items() if name.startswith(REFUSED)}
        assert told == {
            series(REFUSED, ("model_not_found",)): 1,
            series(REFUSED, ("not_found",)): 1,
            series(REFUSED, ("invalid_api_key",)): 1,
        }


@pytest.mark.parametrize(
    "path", ["/v1/chat/completions/", "//v1/chat/completions", "/v1//chat/completions//"]
)
async def test_a_slash_too_many_is_told_with_the_path_that_there_is(path: str) -> None:
    async with rig(answers()) as (_, client, _upstreams):
        reply = await client.post(f"http://{client.base_url.netloc.decode()}{path}", json=HELLO)
        assert reply.status_code == 404
        message = reply.json()["error"]["message"]
        assert "'/v1/chat/completions': there is a slash too many" in message
        reply = await client.post("/v1/nothing/", json=HELLO)
        assert "GET /docs" in reply.json()["error"]["message"]


@pytest.mark.parametrize(
    ("path", "way"),
    [
        ("/v1/conversations", "previous_response_id"),
        ("/v1/conversations/conv_1/items", "previous_response_id"),
        ("/v1/threads", "previous_response_id"),
        ("/v1/files", "/passthrough/"),
        ("/v1/fine_tuning/jobs", "/passthrough/"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_what_others_serve_and_we_do_not_is_said_with_what_to_do(
    method: str, path: str, way: str
) -> None:
    async with rig(whole) as (_, client, _ups):
        reply = await client.request(method, path, json={} if method == "POST" else None)
        error = refused(reply, 404, "unsupported_endpoint")
        assert way in error["message"]
        assert "previous_response_id" not in (await client.get("/conversations")).text
