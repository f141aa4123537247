"""Same dialect on both sides: the client gets the provider's bytes."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from openai_upstream import Provider, completion, events
from served import Gateway


@pytest.fixture
def http(gateway: Gateway) -> httpx.Client:
    headers = {"authorization": f"Bearer {gateway.key}", "content-type": "application/json"}
    return httpx.Client(base_url=gateway.url, headers=headers, timeout=20)


def ask(**fields: Any) -> dict[str, Any]:
    return {"model": "chat", "messages": [{"role": "user", "content": "[plain] hi"}], **fields}


def test_a_whole_answer_is_what_the_provider_sent(http: httpx.Client) -> None:
    with http:
        reply = http.post("/v1/chat/completions", json=ask())
    assert reply.status_code == 200
    assert reply.content == completion("plain", ask())


def test_every_event_of_a_stream_is_what_the_provider_sent(http: httpx.Client) -> None:
    asked = ask(stream=True, stream_options={"include_usage": True})
    with http:
        reply = http.post("/v1/chat/completions", json=asked)
    assert reply.headers["content-type"].startswith("text/event-stream")
    assert reply.content == b"".join(events("plain", asked))


def test_a_usage_event_that_only_we_asked_for_is_withheld(http: httpx.Client) -> None:
    with http:
        reply = http.post("/v1/chat/completions", json=ask(stream=True))
    sent = [json.loads(line[6:]) for line in reply.text.split("\n\n") if line[6:7] == "{"]
    assert sent
    assert all(event["choices"] for event in sent)
    assert reply.text.endswith("data: [DONE]\n\n")


def test_the_clients_bytes_reach_the_provider_but_for_the_model(
    http: httpx.Client, provider: Provider
) -> None:
    body = (
        b'{ "model":\t"chat" ,"messages":'
        b'[{"role":"user","content":"[plain] \\u00e9 \xc3\xa9 \\/"}],'
        b'"metadata":{"model":"chat"}, "temperature":1.0e0,"x_unknown":[ ] }'
    )
    with http:
        assert http.post("/v1/chat/completions", content=body).status_code == 200
    assert provider.last("plain").raw == body.replace(b'"chat" ', b'"acme-large" ')
