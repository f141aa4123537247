"""Pictures and files by address, over real sockets, in each client's words: none leads inside."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from gateway_rig import CHAT, answers, rig

from federation.domain.catalogue import Deployment
from federation.domain.routes import Settings
from federation.gateway.stages import addresses

INSIDE = "http://10.0.0.7:9000/plan.png"


def openai(url: str, kind: str = "image_url") -> dict[str, Any]:
    parts = [{"type": "text", "text": "See."}, {"type": kind, kind: {"url": url}}]
    return {"model": "chat", "messages": [{"role": "user", "content": parts}]}


def anthropic(url: str, kind: str = "image") -> dict[str, Any]:
    parts = [{"type": kind, "source": {"type": "url", "url": url}}]
    messages = [{"role": "user", "content": parts}]
    return {"model": "chat", "max_tokens": 10, "messages": messages}


def in_a_result(url: str) -> dict[str, Any]:
    call = {"type": "tool_use", "id": "t1", "name": "look", "input": {"url": INSIDE}}
    picture = {"type": "image", "source": {"type": "url", "url": url}}
    result = {"type": "tool_result", "tool_use_id": "t1", "content": [picture]}
    messages = [
        {"role": "user", "content": "Look."},
        {"role": "assistant", "content": [call]},
        {"role": "user", "content": [result]},
    ]
    return {"model": "chat", "max_tokens": 10, "messages": messages}


def responses(url: str) -> dict[str, Any]:
    parts = [{"type": "input_image", "image_url": url}]
    return {"model": "chat", "store": False, "input": [{"role": "user", "content": parts}]}


def responses_file(url: str) -> dict[str, Any]:
    parts = [{"type": "input_file", "file_url": url}]
    return {"model": "chat", "store": False, "input": [{"role": "user", "content": parts}]}


def gemini(url: str) -> dict[str, Any]:
    part = {"fileData": {"mimeType": "image/png", "fileUri": url}}
    return {"contents": [{"role": "user", "parts": [part]}]}


def cohere(url: str) -> dict[str, Any]:
    return openai(url)


ASKED = {
    "openai": (CHAT, openai(INSIDE)),
    "openai, behind blanks": (CHAT, openai(" " * 40 + INSIDE)),
    "openai, a film": (CHAT, openai(INSIDE, "video_url")),
    "openai, unknown here": (CHAT, openai(INSIDE, "point_cloud_url")),
    "anthropic": ("/v1/messages", anthropic(INSIDE)),
    "anthropic, a document": ("/v1/messages", anthropic(INSIDE, "document")),
    "anthropic, a result": ("/v1/messages", in_a_result(INSIDE)),
    "anthropic, counted": ("/v1/messages/count_tokens", anthropic(INSIDE)),
    "responses": ("/v1/responses", responses(INSIDE)),
    "responses, a file": ("/v1/responses", responses_file(INSIDE)),
    "gemini": ("/v1beta/models/chat:generateContent", gemini(INSIDE)),
    "cohere": ("/v2/chat", cohere(INSIDE)),
}


@pytest.mark.parametrize(("path", "body"), ASKED.values(), ids=ASKED)
async def test_an_inside_address_is_refused_before_anybody_is_asked(
    path: str, body: dict[str, Any]
) -> None:
    async with rig(answers()) as (running, client, upstreams):
        reply = await client.post(path, json=body)
        assert reply.status_code == 400, reply.text
        assert "An address in the content is refused" in reply.text
        assert not upstreams[0].seen
        (ended,) = running.books.ended
        assert ended.error == "content_address"


async def test_a_public_address_goes_on_as_it_came() -> None:
    async with rig(answers()) as (_, client, upstreams):
        body = openai("https://example.com/plan.png")
        assert (await client.post(CHAT, json=body)).status_code == 200
        assert upstreams[0].seen[0].json["messages"] == body["messages"]


async def test_a_body_of_very_many_values_is_read_and_not_searched(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def search(body: bytes) -> bool:
        raise AssertionError(len(body))

    monkeypatch.setattr(addresses, "may_name_any", search)
    async with rig(answers()) as (_, client, upstreams):
        body = openai("data:image/png;base64,AAAA") | {"more": ["a"] * 10_000}
        assert (await client.post(CHAT, json=body)).status_code == 200
        assert len(upstreams[0].seen) == 1


@pytest.mark.parametrize(
    ("found", "allowed", "status"),
    [
        (["93.184.216.34"], (), 200),
        (["93.184.216.34", "10.0.0.7"], (), 400),
        (["169.254.169.254"], ("169.254.0.0/16",), 400),
        (["10.0.0.7"], ("10.0.0.0/24",), 200),
        (["10.0.0.7"], ("cdn.example.com",), 200),
        ([], (), 200),
    ],
)
async def test_a_name_that_leads_inside_is_refused_where_a_host_of_ours_may_fetch_it(
    monkeypatch: pytest.MonkeyPatch, found: list[str], allowed: tuple[str, ...], status: int
) -> None:
    asked: list[str] = []

    async def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        if not found:
            raise OSError("no such name")
        return found

    monkeypatch.setattr(addresses, "system_resolve", resolve)
    settings = Settings(content_hosts=allowed)
    body = openai("https://cdn.example.com/plan.png")
    async with rig(answers(), settings=settings) as (_, client, upstreams):
        reply = await client.post(CHAT, json=body)
        assert reply.status_code == status, reply.text
        assert len(upstreams[0].seen) == (status == 200)
        assert asked == ([] if "cdn.example.com" in allowed else ["cdn.example.com"])


async def test_names_are_looked_up_for_nobody_but_hosts_of_our_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def resolve(host: str, port: int) -> list[str]:
        raise AssertionError(host)

    def far(_: int, row: Deployment) -> Deployment:
        return replace(row, provider=replace(row.provider, private=False))

    monkeypatch.setattr(addresses, "system_resolve", resolve)
    async with rig(answers(), alter=far) as (_, client, _upstreams):
        reply = await client.post(CHAT, json=openai("https://cdn.example.com/plan.png"))
        assert reply.status_code == 502, "a loopback address is for private rows alone"


async def test_a_slow_answer_about_a_name_holds_no_call_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def resolve(host: str, port: int) -> list[str]:
        await asyncio.sleep(30)
        return []

    monkeypatch.setattr(addresses, "system_resolve", resolve)
    monkeypatch.setattr(addresses, "LOOKUP_S", 0.05)
    async with rig(answers()) as (_, client, _upstreams):
        reply = await client.post(CHAT, json=openai("https://cdn.example.com/plan.png"))
        assert reply.status_code == 200


async def test_a_call_that_names_very_many_hosts_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def resolve(host: str, port: int) -> list[str]:
        return ["93.184.216.34"]

    monkeypatch.setattr(addresses, "system_resolve", resolve)
    urls = [f"https://cdn{n}.example.com/plan.png" for n in range(addresses.MOST + 1)]
    parts = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
    async with rig(answers()) as (_, client, _upstreams):
        for some, status in ((parts[:-1], 200), (parts, 400)):
            body = {"model": "chat", "messages": [{"role": "user", "content": some}]}
            assert (await client.post(CHAT, json=body)).status_code == status


async def test_a_listed_host_may_be_named() -> None:
    settings = Settings(content_hosts=("10.0.0.0/24",))
    async with rig(answers(), settings=settings) as (_, client, upstreams):
        assert (await client.post(CHAT, json=openai(INSIDE))).status_code == 200
        assert upstreams[0].seen[0].json["messages"][0]["content"][1]["image_url"]["url"] == INSIDE


async def test_operations_are_judged_too() -> None:
    picture = {"type": "image_url", "image_url": {"url": INSIDE}}
    body = {"model": "chat", "input": [picture]}
    async with rig(answers()) as (_, client, upstreams):
        reply = await client.post("/v1/moderations", json=body)
        assert reply.json()["error"]["code"] == "content_address", reply.text
        assert not upstreams[0].seen


async def test_what_only_a_provider_can_read_goes_on_and_its_addresses_are_judged() -> None:
    def asked(url: str) -> dict[str, Any]:
        body = openai(url)
        body["messages"][0]["content"].append({"type": "image_url"})
        return body

    async with rig(answers()) as (_, client, (upstream,)):
        outside = await client.post(CHAT, json=asked("https://93.184.216.34/plan.png"))
        assert outside.status_code == 200, outside.text
        inside = await client.post(CHAT, json=asked(INSIDE))
        assert inside.status_code == 400
        assert len(upstream.seen) == 1
