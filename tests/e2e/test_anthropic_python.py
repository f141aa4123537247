"""The official Anthropic SDK for Python, unmodified, against `federation serve`.

The provider behind it speaks OpenAI's language, so that every call is translated.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import anthropic
import pytest
from openai_upstream import PERSON, THOUGHT, TOOL_CALLS, WORDS, Provider
from pictures import PNG_BASE64
from pydantic import BaseModel
from served import Gateway

TEXT = "".join(WORDS)
TOOLS: Any = [
    {
        "name": "get_weather",
        "description": "The weather in a city.",
        "input_schema": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "unit": {"type": "string"}},
            "required": ["city", "unit"],
        },
    },
    {
        "name": "get_time",
        "input_schema": {"type": "object", "properties": {"zone": {"type": "string"}}},
    },
]


class Person(BaseModel):
    name: str
    age: int
    languages: list[str]


def say(text: str) -> Any:
    return [{"role": "user", "content": text}]


@pytest.fixture(scope="module")
def claude(gateway: Gateway) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(
        base_url=gateway.url, api_key=gateway.key, max_retries=0, timeout=20
    ) as client:
        yield client


def test_a_message_is_answered(claude: anthropic.Anthropic, provider: Provider) -> None:
    done = claude.messages.create(
        model="chat",
        max_tokens=100,
        system="Be brief.",
        messages=say("[plain] What is six times seven? 🙂"),
        stop_sequences=["END"],
    )
    assert done.content[0].type == "text"
    assert done.content[0].text == TEXT
    assert (done.role, done.stop_reason) == ("assistant", "end_turn")
    assert (done.usage.input_tokens, done.usage.output_tokens) == (11, 7)
    assert done.usage.cache_read_input_tokens == 8
    sent = provider.last("plain").body
    assert sent["messages"][0] == {"role": "system", "content": "Be brief."}
    assert sent["messages"][1]["content"] == "[plain] What is six times seven? 🙂"
    assert sent["stop"] in ("END", ["END"])


def test_a_stream_comes_in_its_pieces(claude: anthropic.Anthropic) -> None:
    with claude.messages.stream(model="chat", max_tokens=100, messages=say("[plain] hi")) as stream:
        words = list(stream.text_stream)
        done = stream.get_final_message()
    assert words == WORDS
    assert done.content[0].type == "text"
    assert done.content[0].text == TEXT
    assert done.stop_reason == "end_turn"
    assert (done.usage.output_tokens, done.usage.cache_read_input_tokens) == (7, 8)


def test_raw_events_keep_their_order(claude: anthropic.Anthropic) -> None:
    stream = claude.messages.create(
        model="chat", max_tokens=100, messages=say("[plain] hi"), stream=True
    )
    kinds = [event.type for event in stream]
    assert kinds[:2] == ["message_start", "content_block_start"]
    assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    assert set(kinds[2:-3]) == {"content_block_delta"}


def test_the_limit_is_a_stop_reason(claude: anthropic.Anthropic) -> None:
    done = claude.messages.create(model="chat", max_tokens=5, messages=say("[cut] hi"))
    assert done.stop_reason == "max_tokens"


def tool_uses(message: anthropic.types.Message) -> list[tuple[str, str, Any]]:
    return [
        (block.id, block.name, block.input) for block in message.content if block.type == "tool_use"
    ]


EXPECTED_USES = [(call, name, json.loads(given)) for call, name, given in TOOL_CALLS]


def test_parallel_tools_are_called(claude: anthropic.Anthropic, provider: Provider) -> None:
    done = claude.messages.create(
        model="chat",
        max_tokens=100,
        messages=say("[tools] weather and time?"),
        tools=TOOLS,
        tool_choice={"type": "any"},
    )
    assert done.stop_reason == "tool_use"
    assert tool_uses(done) == EXPECTED_USES
    sent = provider.last("tools").body
    assert sent["tool_choice"] == "required"
    assert [tool["function"]["name"] for tool in sent["tools"]] == ["get_weather", "get_time"]


def test_tool_inputs_are_streamed(claude: anthropic.Anthropic) -> None:
    deltas = 0
    with claude.messages.stream(
        model="chat", max_tokens=100, messages=say("[tools] weather and time?"), tools=TOOLS
    ) as stream:
        for event in stream:
            deltas += event.type == "input_json"
        done = stream.get_final_message()
    assert tool_uses(done) == EXPECTED_USES
    assert deltas > len(TOOL_CALLS)


def test_results_go_back_with_their_ids(claude: anthropic.Anthropic, provider: Provider) -> None:
    asked = say("[tools] weather and time?")
    first = claude.messages.create(model="chat", max_tokens=100, messages=asked, tools=TOOLS)
    results: Any = [
        {"type": "tool_result", "tool_use_id": call, "content": f"result {number}"}
        for number, (call, *_) in enumerate(TOOL_CALLS)
    ]
    turns = [
        *asked,
        {"role": "assistant", "content": first.content},
        {"role": "user", "content": [*results, {"type": "text", "text": "[plain] And?"}]},
    ]
    done = claude.messages.create(model="chat", max_tokens=100, messages=turns, tools=TOOLS)
    assert done.content[0].type == "text"
    sent = provider.last("plain").body["messages"]
    assert [message["role"] for message in sent] == ["user", "assistant", "tool", "tool", "user"]
    assert [message.get("tool_call_id") for message in sent[2:4]] == [
        call for call, *_ in TOOL_CALLS
    ]
    calls = sent[1]["tool_calls"]
    assert [json.loads(call["function"]["arguments"]) for call in calls] == [
        given for _, _, given in EXPECTED_USES
    ]


def test_thinking_is_shown(claude: anthropic.Anthropic, provider: Provider) -> None:
    asked: Any = {
        "model": "chat",
        "max_tokens": 2000,
        "messages": say("[think] hi"),
        "thinking": {"type": "enabled", "budget_tokens": 1024},
    }
    done = claude.messages.create(**asked)
    assert [block.type for block in done.content] == ["thinking", "text"]
    assert done.content[0].type == "thinking"
    assert done.content[0].thinking == THOUGHT
    assert provider.last("think").body["reasoning_effort"]
    with claude.messages.stream(**asked) as stream:
        thoughts = [event.thinking for event in stream if event.type == "thinking"]
        streamed = stream.get_final_message()
    assert "".join(thoughts) == THOUGHT
    assert [block.type for block in streamed.content] == ["thinking", "text"]


def test_a_structured_answer_is_parsed(claude: anthropic.Anthropic, provider: Provider) -> None:
    done = claude.messages.parse(
        model="chat", max_tokens=100, messages=say("[person] Who?"), output_format=Person
    )
    assert done.parsed_output == Person.model_validate_json(PERSON)
    asked = provider.last("person").body["response_format"]
    assert asked["type"] == "json_schema"
    assert set(asked["json_schema"]["schema"]["properties"]) == {"name", "age", "languages"}


def test_images_are_passed_on(claude: anthropic.Anthropic, provider: Provider) -> None:
    content: Any = [
        {"type": "text", "text": "[vision] What is on these?"},
        {
            "type": "image",
            "source": {"type": "base64", "media_type": "image/png", "data": PNG_BASE64},
        },
        {"type": "image", "source": {"type": "url", "url": "https://example.com/cat.png"}},
    ]
    done = claude.messages.create(
        model="chat", max_tokens=100, messages=[{"role": "user", "content": content}]
    )
    assert done.content[0].type == "text"
    assert done.content[0].text == "I see 2 images."
    urls = [
        part["image_url"]["url"]
        for part in provider.last("vision").body["messages"][-1]["content"]
        if part["type"] == "image_url"
    ]
    assert urls == [f"data:image/png;base64,{PNG_BASE64}", "https://example.com/cat.png"]


def test_tokens_are_counted(claude: anthropic.Anthropic) -> None:
    short = claude.messages.count_tokens(model="chat", messages=say("hi"))
    long = claude.messages.count_tokens(
        model="chat", messages=say("hi " * 100), system="Be brief.", tools=TOOLS
    )
    assert 0 < short.input_tokens < long.input_tokens


def test_models_are_listed_and_found(claude: anthropic.Anthropic) -> None:
    names = [model.id for model in claude.models.list(limit=1)]
    assert {"chat", "acme/acme-large"} & set(names)
    assert claude.models.retrieve(names[0]).id == names[0]
    with pytest.raises(anthropic.NotFoundError) as caught:
        claude.models.retrieve("no-such-model")
    assert caught.value.body["type"] == "error"  # type: ignore[index]


def test_an_answer_has_the_id_of_its_call(claude: anthropic.Anthropic) -> None:
    raw = claude.messages.with_raw_response.create(
        model="chat", max_tokens=9, messages=say("[plain] x")
    )
    assert raw.parse()._request_id == raw.headers["x-federation-call-id"]
    with claude.messages.stream(model="chat", max_tokens=9, messages=say("[plain] x")) as stream:
        assert stream.request_id == stream.response.headers["x-federation-call-id"]


# Errors.


@pytest.mark.parametrize(
    ("fields", "model", "error"),
    [
        ({"messages": say("[bad] x")}, "chat", anthropic.BadRequestError),
        ({"max_tokens": "many"}, "chat", anthropic.BadRequestError),
        ({"messages": [{"role": "user"}]}, "chat", anthropic.BadRequestError),
        ({}, "no-such-model", anthropic.NotFoundError),
        ({"messages": say("x" * 300_000)}, "chat", anthropic.RequestTooLargeError),
        ({"messages": say("[limited] x")}, "frail", anthropic.RateLimitError),
        ({"messages": say("[broken] x")}, "frail", anthropic.InternalServerError),
        ({"messages": say("[broken] x"), "stream": True}, "frail", anthropic.InternalServerError),
    ],
)
def test_errors_are_the_sdks_own_classes(
    claude: anthropic.Anthropic, fields: dict[str, Any], model: str, error: type[Exception]
) -> None:
    asked: Any = {"model": model, "max_tokens": 10, "messages": say("[plain] x"), **fields}
    with pytest.raises(error) as caught:
        claude.messages.create(**asked)
    assert isinstance(caught.value, anthropic.APIStatusError)
    body: Any = caught.value.body
    assert body["type"] == "error"
    assert body["error"]["message"]


def test_a_wrong_key_is_an_authentication_error(claude: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.AuthenticationError):
        claude.with_options(api_key="fed_wrong").messages.create(
            model="chat", max_tokens=10, messages=say("x")
        )


def test_a_stream_that_breaks_is_an_error(claude: anthropic.Anthropic) -> None:
    with (
        pytest.raises(anthropic.APIError),
        claude.messages.stream(model="frail", max_tokens=10, messages=say("[sever] x")) as stream,
    ):
        stream.get_final_message()


def test_a_client_that_does_not_wait_is_let_go(
    claude: anthropic.Anthropic, provider: Provider
) -> None:
    with pytest.raises(anthropic.APITimeoutError):
        claude.with_options(timeout=0.5).messages.create(
            model="chat", max_tokens=10, messages=say("[hang] anthropic")
        )
    provider.hung_up("hang")


def test_a_stream_that_is_closed_frees_the_provider(
    claude: anthropic.Anthropic, provider: Provider
) -> None:
    with claude.messages.stream(
        model="chat", max_tokens=10, messages=say("[drip] anthropic")
    ) as stream:
        for _ in stream.text_stream:
            break
    provider.hung_up("drip")


def test_many_calls_at_once_keep_apart(gateway: Gateway) -> None:
    async def main() -> list[str]:
        async with anthropic.AsyncAnthropic(
            base_url=gateway.url, api_key=gateway.key, max_retries=0
        ) as client:

            async def one(number: int) -> str:
                scene = "person" if number % 2 else "plain"
                done = await client.messages.create(
                    model="chat", max_tokens=50, messages=say(f"[{scene}] {number}")
                )
                assert done.content[0].type == "text"
                return done.content[0].text

            return list(await asyncio.gather(*map(one, range(20))))

    assert asyncio.run(main()) == [PERSON if n % 2 else TEXT for n in range(20)]
