"""The official OpenAI SDK for Python, unmodified, against `federation serve`."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import openai
import pytest
from openai_upstream import PERSON, TOOL_CALLS, WORDS, Provider
from pydantic import BaseModel
from served import Gateway

TEXT = "".join(WORDS)
PIXEL = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "unit": {"type": "string"}},
            "required": ["city", "unit"],
            "additionalProperties": False,
        },
        "strict": True,
    },
}
TIME: Any = {
    "type": "function",
    "function": {
        "name": "get_time",
        "parameters": {
            "type": "object",
            "properties": {"zone": {"type": "string"}},
            "required": ["zone"],
            "additionalProperties": False,
        },
        "strict": True,
    },
}


class Person(BaseModel):
    name: str
    age: int
    languages: list[str]


def say(text: str) -> Any:
    return [{"role": "user", "content": text}]


def test_a_chat_is_answered(client: openai.OpenAI, provider: Provider) -> None:
    done = client.chat.completions.create(
        model="chat",
        messages=[
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "[plain] What is six times seven? 🙂"},
        ],
        temperature=0.2,
        seed=7,
        metadata={"model": "not this one"},
    )
    assert done.object == "chat.completion"
    assert done.choices[0].message.role == "assistant"
    assert done.choices[0].message.content == TEXT
    assert done.choices[0].finish_reason == "stop"
    assert done.usage is not None
    assert (done.usage.prompt_tokens, done.usage.completion_tokens) == (19, 7)
    assert done.usage.prompt_tokens_details is not None
    assert done.usage.prompt_tokens_details.cached_tokens == 8
    asked = provider.last("plain")
    assert asked.body["model"] == "acme-large"
    assert asked.body["metadata"] == {"model": "not this one"}
    assert asked.body["seed"] == 7
    assert asked.body["messages"][1]["content"].endswith("🙂")
    assert asked.headers["authorization"] == "Bearer sk-acme-upstream"


def test_nothing_of_the_client_reaches_the_provider_but_the_call(
    client: openai.OpenAI, gateway: Gateway, provider: Provider
) -> None:
    client.chat.completions.create(model="chat", messages=say("[plain] hello"))
    headers = provider.last("plain").headers
    assert gateway.key not in json.dumps(headers)
    assert not [name for name in headers if name.startswith("x-stainless")]


def test_the_reply_says_who_answered(client: openai.OpenAI) -> None:
    reply = client.chat.completions.with_raw_response.create(
        model="chat", messages=say("[plain] hello")
    )
    names = {name for name in reply.headers if name.startswith("x-federation-")}
    assert names
    assert reply.parse().choices[0].message.content == TEXT


@pytest.mark.parametrize("model", ["chat", "acme/acme-large", "acme-large"])
def test_a_model_is_named_by_route_deployment_or_id(client: openai.OpenAI, model: str) -> None:
    done = client.chat.completions.create(model=model, messages=say("[plain] hello"))
    assert done.choices[0].message.content == TEXT


def test_several_choices_come_back(client: openai.OpenAI) -> None:
    done = client.chat.completions.create(model="chat", messages=say("[plain] hi"), n=3)
    assert [choice.index for choice in done.choices] == [0, 1, 2]


def test_a_stream_comes_in_its_pieces(client: openai.OpenAI) -> None:
    with client.chat.completions.create(
        model="chat", messages=say("[plain] hi"), stream=True
    ) as stream:
        chunks = list(stream)
    assert [chunk.choices[0].delta.content for chunk in chunks] == ["", *WORDS, None]
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert {chunk.id for chunk in chunks} == {chunks[0].id}


def test_usage_is_streamed_to_those_who_ask_and_to_no_one_else(client: openai.OpenAI) -> None:
    ask: Any = {"model": "chat", "messages": say("[plain] hi"), "stream": True}
    without = list(client.chat.completions.create(**ask))
    assert all(chunk.usage is None and chunk.choices for chunk in without)
    asked = list(client.chat.completions.create(**ask, stream_options={"include_usage": True}))
    assert asked[-1].choices == []
    assert asked[-1].usage is not None
    assert asked[-1].usage.total_tokens == 26


def test_tools_are_called(client: openai.OpenAI, provider: Provider) -> None:
    done = client.chat.completions.create(
        model="chat",
        messages=say("[tools] weather and time?"),
        tools=[WEATHER, TIME],
        tool_choice="auto",
        parallel_tool_calls=True,
    )
    assert done.choices[0].finish_reason == "tool_calls"
    calls = done.choices[0].message.tool_calls or []
    assert [
        (call.id, call.function.name, call.function.arguments)
        for call in calls
        if call.type == "function"
    ] == TOOL_CALLS
    assert provider.last("tools").body["tools"] == [WEATHER, TIME]


def test_tool_arguments_are_streamed(client: openai.OpenAI) -> None:
    with client.chat.completions.stream(
        model="chat", messages=say("[tools] weather and time?"), tools=[WEATHER, TIME]
    ) as stream:
        pieces = [
            (event.index, event.arguments_delta)
            for event in stream
            if event.type == "tool_calls.function.arguments.delta"
        ]
        done = stream.get_final_completion()
    for index, (_, _, arguments) in enumerate(TOOL_CALLS):
        own = [piece for at, piece in pieces if at == index]
        assert len(own) > 3
        assert "".join(own) == arguments
    calls = done.choices[0].message.tool_calls or []
    assert [call.id for call in calls] == [call[0] for call in TOOL_CALLS]


def test_a_tools_result_goes_back(client: openai.OpenAI, provider: Provider) -> None:
    call, name, arguments = TOOL_CALLS[0]
    history: Any = [
        {"role": "user", "content": "[result] weather?"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": call, "type": "function", "function": {"name": name, "arguments": arguments}}
            ],
        },
        {"role": "tool", "tool_call_id": call, "content": '{"degrees": 21}'},
    ]
    done = client.chat.completions.create(model="chat", messages=history, tools=[WEATHER])
    assert done.choices[0].message.content == TEXT
    assert provider.last("result").body["messages"] == history


def test_images_are_passed_on(client: openai.OpenAI, provider: Provider) -> None:
    parts: Any = [
        {"type": "text", "text": "[vision] What is on these?"},
        {"type": "image_url", "image_url": {"url": PIXEL, "detail": "low"}},
        {"type": "image_url", "image_url": {"url": "https://example.com/cat.png"}},
    ]
    done = client.chat.completions.create(
        model="chat", messages=[{"role": "user", "content": parts}]
    )
    assert done.choices[0].message.content == "I see 2 images."
    assert provider.last("vision").body["messages"][0]["content"] == parts


def test_answers_are_parsed_into_models(client: openai.OpenAI, provider: Provider) -> None:
    done = client.chat.completions.parse(
        model="chat", messages=say("[person] Who was first?"), response_format=Person
    )
    assert done.choices[0].message.parsed == Person.model_validate_json(PERSON)
    sent = provider.last("person").body["response_format"]
    assert sent["type"] == "json_schema"
    assert sent["json_schema"]["strict"] is True


def test_streamed_answers_are_parsed_into_models(client: openai.OpenAI) -> None:
    with client.chat.completions.stream(
        model="chat", messages=say("[person] Who was first?"), response_format=Person
    ) as stream:
        done = stream.get_final_completion()
    assert done.choices[0].message.parsed == Person.model_validate_json(PERSON)


def test_a_refusal_is_a_refusal(client: openai.OpenAI) -> None:
    done = client.chat.completions.create(model="chat", messages=say("[refuse] do evil"))
    assert done.choices[0].message.content is None
    assert done.choices[0].message.refusal == "I can't help with that."


def test_a_cut_answer_makes_the_parser_raise(client: openai.OpenAI) -> None:
    with pytest.raises(openai.LengthFinishReasonError):
        client.chat.completions.parse(
            model="chat", messages=say("[cut] long"), response_format=Person
        )


def test_models_are_listed_and_found(client: openai.OpenAI) -> None:
    names = {model.id for model in client.models.list()}
    assert {"chat", "acme/acme-large"} & names
    name = min(names)
    assert client.models.retrieve(name).id == name
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("no-such-model")


async def test_many_calls_at_once_keep_apart(gateway: Gateway) -> None:
    async with openai.AsyncOpenAI(
        base_url=f"{gateway.url}/v1", api_key=gateway.key, max_retries=0
    ) as client:

        async def whole(n: int) -> int:
            done = await client.chat.completions.create(
                model="chat", messages=say(f"[plain] {n}"), n=n
            )
            return len(done.choices)

        async def streamed() -> str:
            stream = await client.chat.completions.create(
                model="chat", messages=say("[plain] x"), stream=True
            )
            return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

        counts = await asyncio.gather(*(whole(n % 7 + 1) for n in range(40)))
        texts = await asyncio.gather(*(streamed() for _ in range(40)))
    assert counts == [n % 7 + 1 for n in range(40)]
    assert texts == [TEXT] * 40
