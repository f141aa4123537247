"""The virtual key, wherever a client puts it."""

from __future__ import annotations

from typing import Any

import anthropic
import httpx
import pytest
from openai_upstream import WORDS
from served import Gateway

TEXT = "".join(WORDS)
HELLO: Any = [{"role": "user", "content": "[plain] hi"}]
GEMINI = "/v1beta/models/chat:generateContent"
CONTENTS = {"contents": [{"role": "user", "parts": [{"text": "[plain] hi"}]}]}
BODIES: dict[str, Any] = {
    "/v1/chat/completions": {"model": "chat", "messages": HELLO},
    "/v1/messages": {"model": "chat", "max_tokens": 20, "messages": HELLO},
    "/v1/responses": {"model": "chat", "input": "[plain] hi"},
    "/v2/chat": {"model": "chat", "messages": HELLO},
    "/api/chat": {"model": "chat", "messages": HELLO, "stream": False},
    GEMINI: CONTENTS,
    "/model/chat/converse": {"messages": [{"role": "user", "content": [{"text": "[plain] hi"}]}]},
}
HEADERS = {
    "authorization": "Bearer {}",
    "x-api-key": "{}",
    "x-goog-api-key": "{}",
    "api-key": "{}",
}


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize("name", HEADERS)
def test_every_header_is_read_at_every_face(gateway: Gateway, path: str, name: str) -> None:
    for key, status in ((gateway.key, 200), ("fed_wrong", 401)):
        headers = {name: HEADERS[name].format(key)}
        reply = httpx.post(gateway.url + path, json=BODIES[path], headers=headers, timeout=20)
        assert reply.status_code == (status if path[:7] != "/model/" or status == 200 else 403)
        assert (TEXT in reply.text) == (status == 200)


def test_a_key_in_the_query_is_for_the_clients_that_do_so(gateway: Gateway) -> None:
    url = f"{gateway.url}{GEMINI}?key={gateway.key}"
    assert httpx.post(url, json=CONTENTS, timeout=20).status_code == 200
    path = "/v1/chat/completions"
    url = f"{gateway.url}{path}?key={gateway.key}"
    assert httpx.post(url, json=BODIES[path], timeout=20).status_code == 401


def test_two_different_keys_are_refused(gateway: Gateway) -> None:
    headers = {"authorization": f"Bearer {gateway.key}", "x-api-key": "fed_other"}
    path = "/v1/messages"
    reply = httpx.post(gateway.url + path, json=BODIES[path], headers=headers, timeout=20)
    assert reply.status_code == 401
    assert reply.json()["error"]["type"] == "authentication_error"


def test_both_sign_ins_of_the_anthropic_client(gateway: Gateway) -> None:
    bearer = anthropic.Anthropic(base_url=gateway.url, auth_token=gateway.key, max_retries=0)
    older = anthropic.Anthropic(
        base_url=gateway.url,
        api_key=gateway.key,
        max_retries=0,
        default_headers={"x-api-key": gateway.key, "anthropic-version": "2023-06-01"},
    )
    for client in (bearer, older):
        with client:
            done = client.messages.create(model="chat", max_tokens=20, messages=HELLO)
            assert done.content[0].type == "text"
            assert done.content[0].text == TEXT
