"""Errors, timeouts and hang-ups as the official OpenAI SDK for Python sees them."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import openai
import pytest
from openai_upstream import WORDS, Provider
from served import Gateway

TEXT = "".join(WORDS)


def say(text: str) -> Any:
    return [{"role": "user", "content": text}]


def test_what_the_provider_finds_wrong_is_a_bad_request(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(
            model="chat", messages=say("[bad] x"), extra_body={"reasoning_effort": "purple"}
        )
    assert caught.value.param == "reasoning_effort"
    assert caught.value.code == "invalid_value"
    assert "purple" in caught.value.message


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"temperature": "hot"}, "temperature"),
        ({"messages": "not a list"}, "messages"),
        ({"stream": "yes"}, "stream"),
        ({"n": -1.5}, "n"),
    ],
)
def test_what_we_find_wrong_names_the_field(
    client: openai.OpenAI, fields: dict[str, object], param: str
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="chat", messages=say("[plain] x"), extra_body=fields)
    assert caught.value.param is not None
    assert caught.value.param.startswith(param)
    assert caught.value.type == "invalid_request_error"


def test_an_unknown_model_is_not_found(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="no-such-model", messages=say("x"))
    assert caught.value.param == "model"
    assert "no-such-model" in caught.value.message


@pytest.mark.parametrize("key", ["fed_wrong", "sk-whatever"])
def test_a_wrong_key_is_an_authentication_error(client: openai.OpenAI, key: str) -> None:
    with pytest.raises(openai.AuthenticationError) as caught:
        client.with_options(api_key=key).chat.completions.create(
            model="chat", messages=say("[plain] x")
        )
    assert caught.value.code == "invalid_api_key"
    assert key not in caught.value.message


def test_a_key_for_another_model_is_not_let_through(
    client: openai.OpenAI, gateway: Gateway
) -> None:
    limited = client.with_options(api_key=gateway.new_key("e2e-limited", "--model", "frail"))
    with pytest.raises(openai.PermissionDeniedError):
        limited.chat.completions.create(model="chat", messages=say("[plain] x"))
    done = limited.chat.completions.create(model="frail", messages=say("[plain] x"))
    assert done.choices[0].message.content == TEXT


def test_a_body_over_the_limit_is_a_413(client: openai.OpenAI, body_limit: int) -> None:
    with pytest.raises(openai.APIStatusError) as caught:
        client.chat.completions.create(model="chat", messages=say("x" * (body_limit + 1)))
    assert caught.value.status_code == 413
    assert isinstance(caught.value.body, dict)
    assert str(body_limit) in caught.value.body["message"]


def test_a_limit_that_no_one_can_help_is_a_rate_limit_error(client: openai.OpenAI) -> None:
    with pytest.raises(openai.RateLimitError):
        client.chat.completions.create(model="frail", messages=say("[limited] x"))


@pytest.mark.parametrize("scene", ["broken", "overloaded"])
def test_failing_providers_are_an_internal_server_error(
    client: openai.OpenAI, provider: Provider, scene: str
) -> None:
    with pytest.raises(openai.InternalServerError) as caught:
        client.chat.completions.create(model="frail", messages=say(f"[{scene}] x"))
    assert caught.value.status_code >= 500
    assert provider.count(scene) >= 1


def test_a_stream_that_fails_at_once_is_an_error_and_no_stream(client: openai.OpenAI) -> None:
    with pytest.raises(openai.InternalServerError):
        client.chat.completions.create(model="frail", messages=say("[broken] x"), stream=True)


def test_a_severed_stream_does_not_look_complete(client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(model="frail", messages=say("[sever] x"), stream=True)
    seen: list[str | None] = []
    with pytest.raises(openai.APIError):
        seen.extend(chunk.choices[0].finish_reason for chunk in stream)
    assert set(seen) <= {None}


def test_a_provider_that_says_nothing_in_time_is_a_timeout_of_ours(
    client: openai.OpenAI, provider: Provider
) -> None:
    began = time.monotonic()
    with pytest.raises(openai.InternalServerError) as caught:
        client.chat.completions.create(model="hasty", messages=say("[hang] ours"))
    assert caught.value.status_code == 504
    assert time.monotonic() - began < 5
    assert provider.hung_up("hang") > began


def test_a_client_that_gives_up_frees_the_provider(
    client: openai.OpenAI, provider: Provider
) -> None:
    began = time.monotonic()
    with pytest.raises(openai.APITimeoutError):
        client.with_options(timeout=0.5).chat.completions.create(
            model="chat", messages=say("[hang] yours")
        )
    gave_up = time.monotonic()
    assert began + 0.4 < provider.hung_up("hang") < gave_up + 0.5


def test_a_client_that_leaves_a_stream_frees_the_provider(
    client: openai.OpenAI, provider: Provider
) -> None:
    stream = client.chat.completions.create(model="chat", messages=say("[drip] x"), stream=True)
    assert next(iter(stream)).choices[0].delta.role == "assistant"
    stream.close()
    closed = time.monotonic()
    assert provider.hung_up("drip") < closed + 0.3


def test_a_client_that_times_out_in_mid_stream_frees_the_provider(
    client: openai.OpenAI, provider: Provider
) -> None:
    stream = client.with_options(timeout=0.5).chat.completions.create(
        model="chat", messages=say("[stall] x"), stream=True
    )
    with pytest.raises((openai.APITimeoutError, openai.APIConnectionError)):
        list(stream)
    provider.hung_up("stall")


async def test_a_cancelled_call_frees_the_provider(gateway: Gateway, provider: Provider) -> None:
    async with openai.AsyncOpenAI(
        base_url=f"{gateway.url}/v1", api_key=gateway.key, max_retries=0
    ) as client:
        before = provider.count("hang")
        task = asyncio.create_task(
            client.chat.completions.create(model="chat", messages=say("[hang] cancelled"))
        )
        while provider.count("hang") == before:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        cancelled = time.monotonic()
    assert await asyncio.to_thread(provider.hung_up, "hang") < cancelled + 0.3
