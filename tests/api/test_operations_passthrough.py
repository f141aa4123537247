"""The governed pass-through: what is let through, for whom, at what price, and whose ids."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx
import pytest
from gateway_rig import at_rest, error_body, eventually, hung_up, silent
from inprocess import Gateway
from operations_rig import Place, offers, places
from scripted import Behave, Talk, Upstream

from federation.domain.catalogue import Limits
from federation.domain.routes import Settings

FILES = "/passthrough/p0/files"
RULES: list[dict[str, Any]] = [
    {"method": ["POST"], "path": "/files", "price": "free", "body": "any", "creates": "id"},
    {"method": ["GET", "DELETE"], "path": "/files/{file_id}", "price": "free"},
    {"method": ["GET"], "path": "/files/{file_id}/content", "price": "0.001"},
    {"method": ["POST"], "path": "/jobs", "price": "0.25", "body": "json", "creates": "id",
     "fields": ["model", "training_file", "suffix"], "ids": ["training_file"], "query": ["after"]},
    {"method": ["POST"], "path": "/unpriced", "body": "json"},
]  # fmt: skip
SOUND = b"\x00\xff" * 5_000


async def store(talk: Talk) -> None:
    """A provider with files: ids it gives are `file-1` and `job-1`."""
    method, target, _ = talk.seen.head.split(" ")
    if method == "POST" and target.startswith("/v1/files"):
        await talk.answer(b'{"id": "file-1", "object": "file", "bytes": 3}')
    elif method == "POST":
        body = talk.seen.json | {"id": "job-1", "input": {"files": ["file-1", "file-9"]}}
        await talk.answer(json.dumps(body).encode())
    elif target == "/v1/files/file-1":
        await talk.answer(b'{"id": "file-1", "deleted": true, "note": "file-1 is old"}')
    elif target == "/v1/files/file-1/content":
        await talk.send(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nset-cookie: a=b\r\n"
            b"etag: x\r\ncontent-length: %d\r\n\r\n%b" % (len(SOUND), SOUND)
        )
    else:
        await talk.answer(error_body("no such file"), 404)


@asynccontextmanager
async def rig(
    behave: Behave = store, rules: Any = RULES, listed: tuple[str, ...] = ("p0",), **row: Any
) -> AsyncIterator[tuple[Gateway, httpx.AsyncClient, Upstream]]:
    place = Place(behave, offers("chat"), quirks={"passthrough": rules}, **row)
    settings = Settings(passthrough=listed)
    async with places(place, settings=settings) as (gateway, client, (upstream,)):
        gateway.world.seal_key = b"k" * 32
        yield gateway, client, upstream


async def upload(client: httpx.AsyncClient) -> str:
    reply = await client.post(FILES, content=b"abc", headers={"content-type": "text/plain"})
    assert reply.status_code == 200, reply.text
    identity: str = reply.json()["id"]
    return identity


async def test_what_passes_names_the_gateways_that_it_came_through() -> None:
    other = "1.1 federation-0123456789ab"
    async with rig() as (gateway, client, upstream):
        gateway.world.via = b"federation-ffffffffffff"
        assert (await client.post(FILES, content=b"abc", headers={"via": other})).is_success
        assert upstream.seen[0].headers["via"].startswith(f"{other}, 1.1 federation")


async def test_nothing_passes_until_the_operator_says_so() -> None:
    async with rig(listed=()) as (_, client, upstream):
        reply = await client.post(FILES, content=b"abc")
        assert reply.status_code == 403
        assert reply.json()["error"]["code"] == "passthrough_off"
        assert (await client.get("/passthrough/nobody/files")).status_code == 403
        assert (await client.get("/passthrough/p0")).status_code == 404
        client.headers["authorization"] = "Bearer nobody"
        assert (await client.post(FILES, content=b"abc")).status_code == 401
        assert upstream.seen == []


async def test_a_file_goes_up_and_comes_back_under_an_id_of_ours() -> None:
    async with rig() as (gateway, client, upstream):
        identity = await upload(client)
        assert identity.startswith("fed1id")
        assert identity.endswith("file-1")
        reply = await client.get(f"{FILES}/{identity}")
        assert reply.json() == {"id": identity, "deleted": True, "note": "file-1 is old"}
        assert upstream.seen[1].head.startswith("GET /v1/files/file-1 ")
        content = await client.get(f"{FILES}/{identity}/content")
        assert content.content == SOUND
        assert content.headers["content-type"] == "application/octet-stream"
        assert content.headers["etag"] == "x"
        assert "set-cookie" not in content.headers
        assert content.headers["x-federation-provider"] == "p0"
        sent = upstream.seen[0]
        assert sent.body == b"abc"
        assert sent.headers["authorization"] == "Bearer upstream-secret"
        assert "x-federation-peer" not in sent.headers
        rows = gateway.books.ended
        assert [row.operation for row in rows] == ["passthrough"] * 3
        assert [row.cost_nano for row in rows] == [0, 0, 1_000_000]
        assert [row.deployment for row in rows] == ["p0/passthrough"] * 3
        at_rest(gateway)


async def test_an_id_is_its_tenants_alone() -> None:
    async with rig() as (gateway, client, upstream):
        identity = await upload(client)
        gateway.keys.key = replace(gateway.keys.key, tenant="other")
        for tried in (identity, "file-1", "fed1id" + "A" * 20 + "file-1", identity[:-1] + "2"):
            reply = await client.get(f"{FILES}/{tried}")
            assert reply.status_code == 404, tried
        job = {"model": "acme-1", "training_file": identity}
        assert (await client.post("/passthrough/p0/jobs", json=job)).status_code == 404
        assert len(upstream.seen) == 1
        gateway.keys.key = replace(gateway.keys.key, tenant="default")
        bare = {"model": "acme-1", "training_file": "file-1"}
        assert (await client.post("/passthrough/p0/jobs", json=bare)).status_code == 404
        gateway.world.seal_key = b"l" * 32
        assert (await client.get(f"{FILES}/{identity}")).status_code == 404
        assert len(upstream.seen) == 1


async def test_ids_in_bodies_and_queries_are_unwrapped_and_wrapped_again() -> None:
    async with rig() as (gateway, client, upstream):
        identity = await upload(client)
        job = {"model": "acme-1", "training_file": identity, "suffix": "x", "n": 1.50}
        reply = await client.post(f"/passthrough/p0/jobs?after={identity}", json=job)
        assert reply.status_code == 200, reply.text
        sent = upstream.seen[1]
        assert sent.json == job | {"training_file": "file-1"}
        assert b'"n":1.5' in sent.body
        assert sent.head.startswith("POST /v1/jobs?after=file-1 ")
        told = reply.json()
        assert told["id"].endswith("job-1")
        assert told["training_file"] == identity
        assert told["input"] == {"files": [identity, "file-9"]}
        assert gateway.books.ended[1].cost_nano == 250_000_000


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/passthrough/p0/models", 403, "path_not_listed"),
        ("PUT", "/passthrough/p0/files", 405, "method_not_allowed"),
        ("GET", "/passthrough/p0/organization/files", 403, "permission_denied"),
        ("GET", "/passthrough/p0/files/..%2fkeys", 400, "invalid_path"),
        ("POST", "/passthrough/p0/unpriced", 403, "unknown_price"),
        ("POST", "/passthrough/p0/jobs?key=1", 403, "query_not_listed"),
    ],
)
async def test_what_no_rule_lists_is_refused(
    method: str, path: str, status: int, code: str
) -> None:
    async with rig() as (_, client, upstream):
        reply = await client.request(method, path)
        assert reply.status_code == status, reply.text
        assert reply.json()["error"]["code"] == code
        assert upstream.seen == []


async def test_keys_rules_and_governed_fields_hold() -> None:
    async with rig() as (gateway, client, upstream):
        jobs = "/passthrough/p0/jobs"
        governed = await client.post(jobs, json={"model": "acme-1", "service_tier": "flex"})
        assert governed.json()["error"]["code"] == "governed_field"
        ruled = {"federation": {"constraints": {"data_residency": ["us"]}}, "model": "acme-1"}
        placed = await client.post(jobs, json=ruled)
        assert placed.status_code == 403
        assert "residency" in placed.text
        dear = {"federation": {"constraints": {"max_cost": 0.2}}, "model": "acme-1"}
        assert (await client.post(jobs, json=dear)).status_code == 403
        opaque = await client.post(
            FILES, content=b"x", headers={"x-federation-gdpr-required": "true"}
        )
        assert opaque.json()["error"]["code"] == "unlisted_field"
        gateway.keys.key = replace(gateway.keys.key, providers=("p1",))
        assert (await client.post(FILES, content=b"x")).status_code == 403
        gateway.keys.key = replace(gateway.keys.key, providers=(), models=("p0/acme-1",))
        assert (await client.post(FILES, content=b"x")).status_code == 403
        seen = len(upstream.seen)
        assert (await client.post(jobs, json={"model": "acme-1"})).status_code == 200
        assert len(upstream.seen) == seen + 1


async def test_a_providers_refusal_is_told_and_costs_nothing() -> None:
    async def gone(talk: Talk) -> None:
        if talk.seen.head.startswith("POST"):
            await store(talk)
        else:
            await talk.answer(error_body("secret of the account"), 404)

    async with rig(gone) as (gateway, client, _):
        identity = await upload(client)
        reply = await client.get(f"{FILES}/{identity}/content")
        assert reply.status_code == 404
        assert "secret" not in reply.text
        assert gateway.books.ended[1].cost_nano == 0
        assert gateway.books.ended[1].attempts[0].status == 404


async def test_a_refusal_of_many_bytes_is_told_by_its_status() -> None:
    async def refuse(talk: Talk) -> None:
        await talk.answer(error_body("x" * 300_000), 429, "retry-after: 7\r\n")

    async with rig(refuse) as (gateway, client, _):
        reply = await client.post(FILES, content=b"abc")
        assert reply.status_code == 429
        (ended,) = gateway.books.ended
        assert ended.attempts[0].status == 429


async def test_a_redirection_and_an_answer_without_its_id_are_no_answers() -> None:
    async def moves(talk: Talk) -> None:
        if talk.seen.headers.get("content-type") == "text/plain":
            await talk.answer(b'{"object": "file"}')
        else:
            await talk.answer(b"", 302, "location: https://elsewhere.test/?sig=1\r\n")

    async with rig(moves) as (gateway, client, _):
        redirected = await client.post(FILES, content=b"x")
        assert redirected.status_code == 502
        assert "location" not in redirected.headers
        nameless = await client.post(FILES, content=b"x", headers={"content-type": "text/plain"})
        assert nameless.status_code == 502
        assert [row.error for row in gateway.books.ended] == ["upstream_garbled"] * 2
        at_rest(gateway)


async def test_an_answer_of_success_that_cannot_be_used_is_charged() -> None:
    async def nameless(talk: Talk) -> None:
        await talk.answer(b'{"object": "job"}')

    async with rig(nameless) as (gateway, client, _):
        reply = await client.post("/passthrough/p0/jobs", json={"model": "m"})
        assert reply.status_code == 502
        (ended,) = gateway.books.ended
        assert (ended.error, ended.cost_nano) == ("upstream_garbled", 250_000_000)
        assert ended.attempts[0].status == 200
        at_rest(gateway)


async def test_values_that_nobody_can_hold_stay_as_they_are_beside_an_id() -> None:
    async def echo(talk: Talk) -> None:
        if talk.seen.headers.get("content-type") == "text/plain":
            await store(talk)
        else:
            await talk.answer(b'{"id": "job-1", "y": ["job-1", 1e999, %b]}' % deep)

    deep = b"[" * 150 + b"]" * 150
    async with rig(echo) as (_, client, upstream):
        identity = await upload(client)
        body = b'{"model": "m", "x": [1e999, "%b", %b]}' % (identity.encode(), deep)
        reply = await client.post(
            "/passthrough/p0/jobs", content=body, headers={"content-type": "application/json"}
        )
        assert reply.status_code == 200, reply.text
        assert upstream.seen[1].body == b'{"model": "m", "x": [1e999, "file-1", %b]}' % deep
        assert reply.content.count(b"job-1") == 2
        assert b"1e999" in reply.content


async def test_it_is_asked_once_and_a_hang_up_closes_it() -> None:
    async with rig(silent) as (gateway, client, upstream):
        task = asyncio.create_task(client.post("/passthrough/p0/jobs", json={"model": "m"}))
        await eventually(lambda: bool(upstream.seen))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await hung_up(upstream.seen[0])
        await eventually(lambda: bool(gateway.books.ended))
        (ended,) = gateway.books.ended
        assert (ended.outcome, ended.cost_nano) == ("canceled", 250_000_000)
        at_rest(gateway)


class NeverThrough:
    """A transport that never comes so far as to send anything."""

    def __init__(self) -> None:
        self.asked = False

    async def send(self, *_: object) -> None:
        self.asked = True
        await asyncio.Event().wait()


async def test_what_never_left_costs_nothing() -> None:
    async with rig() as (gateway, client, upstream):
        gateway.world.transport = transport = NeverThrough()  # type: ignore[assignment]
        task = asyncio.create_task(client.post("/passthrough/p0/jobs", json={"model": "m"}))
        await eventually(lambda: transport.asked)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await eventually(lambda: bool(gateway.books.ended))
        (ended,) = gateway.books.ended
        assert (ended.outcome, ended.cost_nano) == ("canceled", 0)
        assert upstream.seen == []
        at_rest(gateway)


async def test_the_providers_request_limit_holds() -> None:
    async with rig(limits=Limits(rpm=1)) as (gateway, client, upstream):
        gateway.leases.denied.add("rpm/p0")
        reply = await client.post(FILES, content=b"x")
        assert reply.status_code == 429
        assert upstream.seen == []


async def test_a_rule_that_cannot_be_read_lets_nothing_through() -> None:
    async with rig(rules=[{"path": "/files"}]) as (_, client, _up):
        assert (await client.post(FILES, content=b"x")).status_code == 403


async def test_what_is_passed_through_names_no_inside_address_either() -> None:
    rule = {
        "method": ["POST"],
        "path": "/jobs",
        "price": "0.25",
        "body": "json",
        "fields": ["model", "image_url"],
    }
    async with rig(rules=[rule]) as (gateway, client, upstream):
        body = {"model": "m", "image_url": "http://169.254.169.254/latest/"}
        reply = await client.post("/passthrough/p0/jobs", json=body)
        assert reply.status_code == 400, reply.text
        assert reply.json()["error"]["code"] == "content_address"
        assert upstream.seen == []
        (ended,) = gateway.books.ended
        assert ended.cost_nano == 0
        public = body | {"image_url": "https://example.com/a.png"}
        assert (await client.post("/passthrough/p0/jobs", json=public)).status_code == 200
