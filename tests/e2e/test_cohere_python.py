"""The official Cohere SDK for Python (v2), unmodified, against `federation serve`.

The provider behind it speaks OpenAI's language, so that every call is translated.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import cohere
import httpx
import pytest
from broken_streams import until_it_breaks
from cohere.core import ApiError
from openai_upstream import PERSON, THOUGHT, TOOL_CALLS, WORDS, Provider
from served import Gateway

TEXT = "".join(WORDS)
PIXEL = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"


def tool(name: str, **properties: str) -> Any:
    schema = {
        "type": "object",
        "properties": {key: {"type": kind} for key, kind in properties.items()},
        "required": list(properties),
    }
    return {
        "type": "function",
        "function": {"name": name, "description": name, "parameters": schema},
    }


TOOLS = [tool("get_weather", city="string", unit="string"), tool("get_time", zone="string")]


def say(text: str) -> Any:
    return [{"role": "user", "content": text}]


@pytest.fixture(scope="module")
def north(gateway: Gateway) -> Iterator[cohere.ClientV2]:
    with httpx.Client(timeout=20) as http:
        yield cohere.ClientV2(api_key=gateway.key, base_url=gateway.url, httpx_client=http)


def text_of(answer: Any) -> str:
    return "".join(part.text for part in answer.message.content if part.type == "text")


def test_models_are_listed_page_by_page(north: cohere.ClientV2, provider: Provider) -> None:
    page = north.models.list(page_size=1)
    names = [model.name for model in page.models]
    while page.next_page_token:
        page = north.models.list(page_size=1, page_token=page.next_page_token)
        names += [model.name for model in page.models]
    assert "chat" in names
    assert len(names) > 1
    assert north.models.get("chat").name == "chat"
    assert "chat" in [model.name for model in north.models.list(endpoint="chat").models]


def test_a_chat_is_answered(north: cohere.ClientV2, provider: Provider) -> None:
    asked: Any = [{"role": "system", "content": "Be brief."}, *say("[plain] Six times seven? 🙂")]
    done = north.chat(
        model="chat",
        messages=asked,
        max_tokens=50,
        stop_sequences=["END"],
        p=0.5,
    )
    assert text_of(done) == TEXT
    assert done.finish_reason == "COMPLETE"
    assert done.usage is not None
    assert done.usage.tokens is not None
    assert (done.usage.tokens.input_tokens, done.usage.tokens.output_tokens) == (19, 7)
    sent = provider.last("plain").body
    assert [message["role"] for message in sent["messages"]] == ["system", "user"]
    assert sent["top_p"] == 0.5


def test_a_stream_comes_in_its_pieces(north: cohere.ClientV2) -> None:
    events: list[Any] = list(north.chat_stream(model="chat", messages=say("[plain] hi")))
    assert (events[0].type, events[-1].type) == ("message-start", "message-end")
    words = [event.delta.message.content.text for event in events if event.type == "content-delta"]
    assert "".join(words) == TEXT
    assert events[-1].delta.finish_reason == "COMPLETE"
    assert events[-1].delta.usage.tokens.output_tokens == 7


def test_the_limit_is_a_finish_reason(north: cohere.ClientV2) -> None:
    done = north.chat(model="chat", messages=say("[cut] x"))
    assert done.finish_reason == "MAX_TOKENS"


def calls_of(calls: Any) -> list[tuple[str, str, Any]]:
    return [
        (call.id, call.function.name, json.loads(call.function.arguments)) for call in calls or []
    ]


EXPECTED_CALLS = [(call, name, json.loads(given)) for call, name, given in TOOL_CALLS]


def test_parallel_tools_are_called(north: cohere.ClientV2, provider: Provider) -> None:
    done = north.chat(
        model="chat",
        messages=say("[tools] weather and time?"),
        tools=TOOLS,
        tool_choice="REQUIRED",
        strict_tools=True,
    )
    assert calls_of(done.message.tool_calls) == EXPECTED_CALLS
    assert done.finish_reason == "TOOL_CALL"
    sent = provider.last("tools").body
    assert sent["tool_choice"] == "required"
    assert all(tool["function"]["strict"] for tool in sent["tools"])


def test_tool_arguments_are_streamed(north: cohere.ClientV2) -> None:
    calls: dict[int, list[str]] = {}
    stream: Any = north.chat_stream(
        model="chat", messages=say("[tools] weather and time?"), tools=TOOLS
    )
    for event in stream:
        if event.type == "tool-call-start":
            call = event.delta.message.tool_calls
            calls[event.index] = [call.id, call.function.name, call.function.arguments or ""]
        if event.type == "tool-call-delta":
            calls[event.index][2] += event.delta.message.tool_calls.function.arguments
    found = [(call, name, json.loads(given)) for call, name, given in calls.values()]
    assert found == EXPECTED_CALLS


def test_results_go_back_with_their_ids(north: cohere.ClientV2, provider: Provider) -> None:
    asked = say("[tools] weather and time?")
    first = north.chat(model="chat", messages=asked, tools=TOOLS)
    results = [
        {"role": "tool", "tool_call_id": call, "content": f"result {number}"}
        for number, (call, *_) in enumerate(TOOL_CALLS)
    ]
    turns: Any = [
        *asked,
        {"role": "assistant", "tool_calls": first.message.tool_calls},
        *results,
        *say("[plain] And?"),
    ]
    assert text_of(north.chat(model="chat", messages=turns, tools=TOOLS)) == TEXT
    sent = provider.last("plain").body["messages"]
    assert [message["role"] for message in sent] == ["user", "assistant", "tool", "tool", "user"]
    assert [m["tool_call_id"] for m in sent[2:4]] == [call for call, *_ in TOOL_CALLS]


def test_thinking_is_shown(north: cohere.ClientV2) -> None:
    asked: Any = {
        "model": "chat",
        "messages": say("[think] hi"),
        "thinking": {"type": "enabled", "token_budget": 1024},
    }
    done: Any = north.chat(**asked)
    assert [part.thinking for part in done.message.content if part.type == "thinking"] == [THOUGHT]
    assert text_of(done) == TEXT
    events: list[Any] = list(north.chat_stream(**asked))
    thoughts = [
        event.delta.message.content.thinking or ""
        for event in events
        if event.type == "content-delta"
    ]
    assert "".join(thoughts) == THOUGHT


def test_a_structured_answer_is_asked_for(north: cohere.ClientV2, provider: Provider) -> None:
    schema = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    wanted: Any = {"type": "json_object", "json_schema": schema}
    done = north.chat(model="chat", messages=say("[person] Who?"), response_format=wanted)
    assert text_of(done) == PERSON
    asked = provider.last("person").body["response_format"]
    assert asked["json_schema"]["schema"]["properties"] == schema["properties"]


def test_images_are_passed_on(north: cohere.ClientV2, provider: Provider) -> None:
    content = [
        {"type": "text", "text": "[vision] What is on this?"},
        {"type": "image_url", "image_url": {"url": PIXEL}},
    ]
    asked: Any = [{"role": "user", "content": content}]
    assert text_of(north.chat(model="chat", messages=asked)) == "I see 1 images."
    sent = provider.last("vision").body["messages"][-1]["content"]
    assert [p["image_url"]["url"] for p in sent if p["type"] == "image_url"] == [PIXEL]


# Errors.


@pytest.mark.parametrize(
    ("model", "text", "error", "status"),
    [
        ("chat", "[bad] x", cohere.BadRequestError, 400),
        ("no-such-model", "x", cohere.NotFoundError, 404),
        ("chat", "x" * 300_000, ApiError, 413),
        ("frail", "[limited] x", cohere.TooManyRequestsError, 429),
        ("frail", "[broken] x", ApiError, 502),
    ],
)
def test_errors_are_the_sdks_own_classes(
    north: cohere.ClientV2, model: str, text: str, error: type[ApiError], status: int
) -> None:
    def stream(**fields: Any) -> Any:
        return list(north.chat_stream(**fields))

    for ask in (north.chat, stream):
        with pytest.raises(error) as caught:
            ask(model=model, messages=say(text), request_options={"max_retries": 0})
        assert caught.value.status_code == status
        body: Any = caught.value.body
        assert body["message"]


def test_a_wrong_key_is_unauthorized(gateway: Gateway) -> None:
    with httpx.Client() as http, pytest.raises(cohere.UnauthorizedError):
        cohere.ClientV2(api_key="fed_wrong", base_url=gateway.url, httpx_client=http).chat(
            model="chat", messages=say("x")
        )


def test_a_stream_that_breaks_has_no_end(north: cohere.ClientV2) -> None:
    events, _ = until_it_breaks(
        lambda: north.chat_stream(model="frail", messages=say("[sever] x")),
        httpx.HTTPError,
        ApiError,
    )
    ends: list[Any] = [event for event in events if event.type == "message-end"]
    assert {end.delta.finish_reason for end in ends} <= {"ERROR"}


def test_a_client_that_does_not_wait_is_let_go(north: cohere.ClientV2, provider: Provider) -> None:
    with pytest.raises(httpx.TimeoutException):
        north.chat(
            model="chat",
            messages=say("[hang] cohere"),
            request_options={"timeout_in_seconds": 1, "max_retries": 0},
        )
    provider.hung_up("hang")
