"""Pictures and files by address, over real sockets, in each client's words: none leads inside."""

from __future__ import annotations

from typing import Any

import pytest
from gateway_rig import CHAT, answers, rig

from federation.domain.routes import Settings

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
