"""The Responses API and the legacy completions of the official OpenAI SDK for Python, unmodified,
against `federation serve`.

The provider behind it speaks Chat Completions, so that every call is translated.
"""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest
from broken_streams import until_it_breaks
from openai_upstream import PERSON, THOUGHT, TOOL_CALLS, WORDS, Provider
from pydantic import BaseModel

TEXT = "".join(WORDS)
PIXEL = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"


class Person(BaseModel):
    name: str
    age: int
    languages: list[str]


def tool(name: str, **properties: str) -> Any:
    schema = {
        "type": "object",
        "properties": {key: {"type": kind} for key, kind in properties.items()},
        "required": list(properties),
        "additionalProperties": False,
    }
    return {"type": "function", "name": name, "parameters": schema, "strict": True}


TOOLS = [tool("get_weather", city="string", unit="string"), tool("get_time", zone="string")]


def test_a_response_is_given(client: openai.OpenAI, provider: Provider) -> None:
    done = client.responses.create(
        model="chat",
        instructions="Be brief.",
        input="[plain] What is six times seven? 🙂",
        max_output_tokens=50,
    )
    assert done.output_text == TEXT
    assert done.status == "completed"
    assert done.usage is not None
    assert (done.usage.input_tokens, done.usage.output_tokens) == (19, 7)
    assert done.usage.input_tokens_details.cached_tokens == 8
    sent = provider.last("plain").body
    assert sent["messages"][0]["content"] == "Be brief."
    assert sent["messages"][0]["role"] in ("system", "developer")


def test_a_stream_comes_in_its_events(client: openai.OpenAI) -> None:
    with client.responses.stream(model="chat", input="[plain] hi") as stream:
        events = list(stream)
        done = stream.get_final_response()
    kinds = [event.type for event in events]
    assert (kinds[0], kinds[-1]) == ("response.created", "response.completed")
    words = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert "".join(words) == TEXT
    numbers = [event.sequence_number for event in events if hasattr(event, "sequence_number")]
    assert numbers == sorted(numbers)
    assert done.output_text == TEXT
    assert done.usage is not None
    assert done.usage.output_tokens == 7


def test_the_limit_makes_it_incomplete(client: openai.OpenAI) -> None:
    done = client.responses.create(model="chat", input="[cut] hi")
    assert done.status == "incomplete"
    assert done.incomplete_details is not None
    assert done.incomplete_details.reason == "max_output_tokens"


def calls_of(response: Any) -> list[tuple[str, str, str]]:
    return [
        (item.call_id, item.name, item.arguments)
        for item in response.output
        if item.type == "function_call"
    ]


def test_parallel_tools_are_called(client: openai.OpenAI, provider: Provider) -> None:
    done = client.responses.create(
        model="chat",
        input="[tools] weather and time?",
        tools=TOOLS,
        tool_choice="required",
    )
    assert calls_of(done) == TOOL_CALLS
    sent = provider.last("tools").body
    assert sent["tool_choice"] == "required"
    assert [each["function"]["strict"] for each in sent["tools"]] == [True, True]


def test_tool_arguments_are_streamed(client: openai.OpenAI) -> None:
    deltas = 0
    with client.responses.stream(
        model="chat", input="[tools] weather and time?", tools=TOOLS
    ) as stream:
        for event in stream:
            deltas += event.type == "response.function_call_arguments.delta"
        done = stream.get_final_response()
    assert calls_of(done) == TOOL_CALLS
    assert deltas >= len(TOOL_CALLS)


def test_outputs_go_back_with_their_ids(client: openai.OpenAI, provider: Provider) -> None:
    asked: Any = [{"role": "user", "content": "[tools] weather and time?"}]
    first = client.responses.create(model="chat", input=asked, tools=TOOLS, store=False)
    outputs: Any = [
        {"type": "function_call_output", "call_id": call, "output": f"result {number}"}
        for number, (call, *_) in enumerate(TOOL_CALLS)
    ]
    more: Any = [*asked, *first.output, *outputs, {"role": "user", "content": "[plain] And?"}]
    done = client.responses.create(model="chat", input=more, tools=TOOLS, store=False)
    assert done.output_text == TEXT
    sent = provider.last("plain").body["messages"]
    assert [message["role"] for message in sent] == ["user", "assistant", "tool", "tool", "user"]
    assert [m["tool_call_id"] for m in sent[2:4]] == [call for call, *_ in TOOL_CALLS]


def test_reasoning_is_shown(client: openai.OpenAI, provider: Provider) -> None:
    done: Any = client.responses.create(
        model="chat", input="[think] hi", reasoning={"effort": "low", "summary": "auto"}
    )
    item = done.output[0]
    assert item.type == "reasoning"
    texts = [part.text for part in (*item.summary, *(item.content or ()))]
    assert "".join(texts) == THOUGHT
    assert done.output_text == TEXT
    assert provider.last("think").body["reasoning_effort"] == "low"


def test_a_structured_answer_is_parsed(client: openai.OpenAI, provider: Provider) -> None:
    done = client.responses.parse(model="chat", input="[person] Who?", text_format=Person)
    assert done.output_parsed == Person.model_validate_json(PERSON)
    asked = provider.last("person").body["response_format"]
    assert asked["json_schema"]["strict"] is True


def test_images_are_passed_on(client: openai.OpenAI, provider: Provider) -> None:
    content = [
        {"type": "input_text", "text": "[vision] What is on these?"},
        {"type": "input_image", "image_url": PIXEL, "detail": "low"},
        {"type": "input_image", "image_url": "https://example.com/cat.png", "detail": "auto"},
    ]
    asked: Any = [{"role": "user", "content": content}]
    assert client.responses.create(model="chat", input=asked).output_text == "I see 2 images."
    sent = provider.last("vision").body["messages"][-1]["content"]
    images = [part["image_url"] for part in sent if part["type"] == "image_url"]
    assert images[0] == {"url": PIXEL, "detail": "low"}


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"input": "[bad] x"}, openai.BadRequestError),
        ({"temperature": "hot"}, openai.BadRequestError),
        ({"model": "no-such-model"}, openai.NotFoundError),
        ({"model": "frail", "input": "[limited] x"}, openai.RateLimitError),
        ({"model": "frail", "input": "[broken] x"}, openai.InternalServerError),
        ({"model": "frail", "input": "[broken] x", "stream": True}, openai.InternalServerError),
    ],
)
def test_errors_are_the_sdks_own_classes(
    client: openai.OpenAI, fields: dict[str, Any], error: type[openai.APIStatusError]
) -> None:
    asked: Any = {"model": "chat", "input": "[plain] x", **fields}
    with pytest.raises(error) as caught:
        client.responses.create(**asked)
    assert caught.value.message


def test_a_stream_that_breaks_does_not_complete(client: openai.OpenAI) -> None:
    events, error = until_it_breaks(
        lambda: client.responses.create(model="frail", input="[sever] x", stream=True),
        openai.APIError,
    )
    kinds = {event.type for event in events}
    assert "response.completed" not in kinds
    assert error is not None or kinds & {"response.failed", "error"}


def test_a_client_that_does_not_wait_is_let_go(client: openai.OpenAI, provider: Provider) -> None:
    with pytest.raises(openai.APITimeoutError):
        client.with_options(timeout=0.5).responses.create(model="chat", input="[hang] responses")
    provider.hung_up("hang")


# Legacy completions.


def test_a_prompt_is_completed(client: openai.OpenAI, provider: Provider) -> None:
    done = client.completions.create(model="chat", prompt="[plain] hi", max_tokens=20, stop=["END"])
    assert (done.choices[0].text, done.choices[0].finish_reason) == (TEXT, "stop")
    assert done.usage is not None
    assert done.usage.total_tokens == 26
    assert provider.last("plain").body["messages"] == [{"role": "user", "content": "[plain] hi"}]


def test_a_completion_is_streamed(client: openai.OpenAI) -> None:
    chunks = list(client.completions.create(model="chat", prompt="[plain] hi", stream=True))
    assert "".join(chunk.choices[0].text for chunk in chunks if chunk.choices) == TEXT
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"


def test_a_completion_that_cannot_be_is_refused(client: openai.OpenAI) -> None:
    tokens: Any = [[1, 2, 3]]
    with pytest.raises(openai.BadRequestError) as caught:
        client.completions.create(model="chat", prompt=tokens)
    assert caught.value.param is not None
    assert caught.value.param.startswith("prompt")
    assert json.dumps(caught.value.body)
