"""The official Ollama client for Python, unmodified, against `federation serve`.

The provider behind it speaks OpenAI's language, so that every call is translated.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

import httpx
import ollama
import pytest
from broken_streams import until_it_breaks
from openai_upstream import PERSON, THOUGHT, TOOL_CALLS, WORDS, Provider
from pictures import PNG_BASE64
from pydantic import BaseModel
from served import Gateway

TEXT = "".join(WORDS)


class Person(BaseModel):
    name: str
    age: int
    languages: list[str]


def get_weather(city: str, unit: str) -> str:
    """The weather in a city.

    Args:
        city: The city
        unit: celsius or fahrenheit
    """
    return f"20 degrees {unit} in {city}"


def get_time(zone: str) -> str:
    """The time in a zone.

    Args:
        zone: The zone
    """
    return f"noon in {zone}"


EXPECTED_CALLS = [(name, json.loads(given)) for _, name, given in TOOL_CALLS]


def say(text: str) -> Any:
    return [{"role": "user", "content": text}]


@pytest.fixture(scope="module")
def llama(gateway: Gateway) -> Iterator[ollama.Client]:
    client = ollama.Client(
        host=gateway.url, headers={"authorization": f"Bearer {gateway.key}"}, timeout=20
    )
    yield client
    client._client.close()


def test_a_chat_is_answered(llama: ollama.Client, provider: Provider) -> None:
    done = llama.chat(
        model="chat",
        messages=[{"role": "system", "content": "Be brief."}, *say("[plain] Six times seven? 🙂")],
        options={"num_predict": 50, "seed": 7, "stop": ["END"]},
    )
    assert done.message.content == TEXT
    assert (done.done, done.done_reason) == (True, "stop")
    assert (done.prompt_eval_count, done.eval_count) == (19, 7)
    sent = provider.last("plain").body
    assert [message["role"] for message in sent["messages"]] == ["system", "user"]
    assert sent["seed"] == 7


def test_a_stream_comes_in_its_lines(llama: ollama.Client) -> None:
    lines = list(llama.chat(model="chat", messages=say("[plain] hi"), stream=True))
    assert "".join(line.message.content or "" for line in lines) == TEXT
    assert [line.done for line in lines] == [False] * (len(lines) - 1) + [True]
    assert lines[-1].eval_count == 7


def test_a_prompt_is_completed(llama: ollama.Client) -> None:
    done = llama.generate(model="chat", prompt="[plain] hi", system="Be brief.")
    assert done.response == TEXT
    lines = list(llama.generate(model="chat", prompt="[plain] hi", stream=True))
    assert "".join(line.response or "" for line in lines) == TEXT
    assert lines[-1].done


def calls_of(message: Any) -> list[tuple[str, Any]]:
    return [
        (call.function.name, dict(call.function.arguments)) for call in message.tool_calls or []
    ]


def test_parallel_tools_are_called(llama: ollama.Client, provider: Provider) -> None:
    asked: Any = {
        "model": "chat",
        "messages": say("[tools] weather and time?"),
        "tools": [get_weather, get_time],
    }
    assert calls_of(llama.chat(**asked).message) == EXPECTED_CALLS
    names = [tool["function"]["name"] for tool in provider.last("tools").body["tools"]]
    assert names == ["get_weather", "get_time"]
    streamed = [
        call for line in llama.chat(**asked, stream=True) for call in calls_of(line.message)
    ]
    assert streamed == EXPECTED_CALLS


def test_results_go_back_to_their_calls(llama: ollama.Client, provider: Provider) -> None:
    asked = say("[tools] weather and time?")
    first = llama.chat(model="chat", messages=asked, tools=[get_weather, get_time])
    results = [
        {"role": "tool", "tool_name": name, "content": f"result {number}"}
        for number, (_, name, _) in enumerate(TOOL_CALLS)
    ]
    turns: Any = [*asked, first.message, *results, *say("[plain] And?")]
    assert llama.chat(model="chat", messages=turns).message.content == TEXT
    sent = provider.last("plain").body["messages"]
    assert [message["role"] for message in sent] == ["user", "assistant", "tool", "tool", "user"]
    ids = [call["id"] for call in sent[1]["tool_calls"]]
    assert [message["tool_call_id"] for message in sent[2:4]] == ids
    assert len(set(ids)) == 2


def test_thinking_is_shown(llama: ollama.Client) -> None:
    done = llama.chat(model="chat", messages=say("[think] hi"), think=True)
    assert (done.message.thinking, done.message.content) == (THOUGHT, TEXT)
    lines = list(llama.chat(model="chat", messages=say("[think] hi"), think=True, stream=True))
    assert "".join(line.message.thinking or "" for line in lines) == THOUGHT


def test_a_structured_answer_is_asked_for(llama: ollama.Client, provider: Provider) -> None:
    done = llama.chat(
        model="chat", messages=say("[person] Who?"), format=Person.model_json_schema()
    )
    assert done.message.content == PERSON
    asked = provider.last("person").body["response_format"]
    assert set(asked["json_schema"]["schema"]["properties"]) == {"name", "age", "languages"}


def test_images_are_passed_on(llama: ollama.Client, provider: Provider) -> None:
    asked: Any = [{"role": "user", "content": "[vision] What is this?", "images": [PNG_BASE64]}]
    assert llama.chat(model="chat", messages=asked).message.content == "I see 1 images."
    sent = provider.last("vision").body["messages"][-1]["content"]
    urls = [part["image_url"]["url"] for part in sent if part["type"] == "image_url"]
    assert urls == [f"data:image/png;base64,{PNG_BASE64}"]


def test_models_are_listed_and_shown(llama: ollama.Client) -> None:
    names = [model.model for model in llama.list().models]
    assert "chat" in names or "acme/acme-large" in names
    assert llama.show("acme/acme-large").capabilities


# Errors.


@pytest.mark.parametrize(
    ("model", "text", "status"),
    [
        ("chat", "[bad] x", 400),
        ("no-such-model", "x", 404),
        ("chat", "x" * 300_000, 413),
        ("frail", "[limited] x", 429),
        ("frail", "[broken] x", 502),
    ],
)
def test_errors_are_the_clients_own_class(
    llama: ollama.Client, model: str, text: str, status: int
) -> None:
    for stream in (False, True):
        asked: Any = {"model": model, "messages": say(text), "stream": stream}
        _, error = until_it_breaks(partial(llama.chat, **asked), ollama.ResponseError)
        assert isinstance(error, ollama.ResponseError)
        assert error.status_code == status
        assert error.error
        assert not error.error.startswith("{")


def test_a_wrong_key_is_unauthorized(gateway: Gateway) -> None:
    client = ollama.Client(host=gateway.url, headers={"authorization": "Bearer fed_wrong"})
    with pytest.raises(ollama.ResponseError) as caught:
        client.chat(model="chat", messages=say("x"))
    assert caught.value.status_code == 401
    client._client.close()


def test_a_stream_that_breaks_is_an_error(llama: ollama.Client) -> None:
    lines, error = until_it_breaks(
        lambda: llama.chat(model="frail", messages=say("[sever] x"), stream=True),
        ollama.ResponseError,
        httpx.HTTPError,
    )
    assert error is not None
    assert not any(line.done for line in lines)


def test_a_stream_that_is_closed_frees_the_provider(
    llama: ollama.Client, provider: Provider
) -> None:
    stream: Any = llama.chat(model="chat", messages=say("[drip] ollama"), stream=True)
    next(stream)
    stream.close()
    provider.hung_up("drip")
