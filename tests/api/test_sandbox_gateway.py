"""An OpenAI client, the gateway, and simulated providers that speak something else."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from certify_world import vendor
from inprocess import SECRET, deployment, gateway, snapshot
from openai import AsyncOpenAI

from federation.domain.catalogue import Auth, Provider
from federation.sandbox.profiles import BOREAL, LOTUS, Profile

TALK: Any = [{"role": "user", "content": "What is the weather in Paris?"}]
TOOLS: Any = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "Weather of a city",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}},
                "required": ["city"],
            },
        },
    }
]


def free(provider: Provider) -> Provider:
    return replace(provider, auth=Auth("none"))


@pytest.mark.parametrize("profile", [BOREAL, LOTUS], ids=lambda profile: profile.dialect)
async def test_an_openai_client_is_served_in_translation(profile: Profile) -> None:
    assert profile.dialect != "openai"
    async with vendor(profile.dialect, profile=profile, secret="") as row:
        state = snapshot(tuple(deployment(free(row), model) for model in row.models))
        async with gateway(state) as running:
            client = AsyncOpenAI(base_url=f"{running.url}/v1", api_key=SECRET, max_retries=0)
            name = f"{row.id}/{row.models[0].id}"
            async with client:
                whole = await client.chat.completions.create(model=name, messages=TALK)
                text = whole.choices[0].message.content or ""
                assert text.startswith(f"(Simulated answer from {row.models[0].id}.)")
                assert whole.usage is not None
                stream = await client.chat.completions.create(
                    model=name, messages=TALK, stream=True, stream_options={"include_usage": True}
                )
                chunks = [chunk async for chunk in stream]
                said = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
                assert "".join(said) == text
                assert chunks[-1].usage is not None
                assert chunks[-1].usage.prompt_tokens == whole.usage.prompt_tokens
                called = await client.chat.completions.create(
                    model=name, messages=TALK, tools=TOOLS
                )
                (call,) = called.choices[0].message.tool_calls or []
                assert call.type == "function"
                assert json.loads(call.function.arguments) == {"city": "Paris"}
                assert called.choices[0].finish_reason == "tool_calls"
