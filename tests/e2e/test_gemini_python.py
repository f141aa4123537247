"""The official Google Gen AI SDK for Python, unmodified, against `federation serve`.

The provider behind it speaks OpenAI's language, so that every call is translated.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from broken_streams import until_it_breaks
from google import genai
from google.genai import errors, types
from openai_upstream import PERSON, THOUGHT, TOOL_CALLS, WORDS, Provider
from pictures import PNG, PNG_BASE64
from pydantic import BaseModel
from served import Gateway

TEXT = "".join(WORDS)
TOOLS = types.Tool(
    function_declarations=[
        types.FunctionDeclaration(
            name="get_weather",
            description="The weather in a city.",
            parameters=types.Schema(
                type=types.Type.OBJECT,
                properties={
                    "city": types.Schema(type=types.Type.STRING),
                    "unit": types.Schema(type=types.Type.STRING),
                },
                required=["city", "unit"],
            ),
        ),
        types.FunctionDeclaration(
            name="get_time",
            parameters_json_schema={"type": "object", "properties": {"zone": {"type": "string"}}},
        ),
    ]
)
EXPECTED_CALLS = [(name, json.loads(given)) for _, name, given in TOOL_CALLS]


class Person(BaseModel):
    name: str
    age: int
    languages: list[str]


def client_for(gateway: Gateway, **options: Any) -> genai.Client:
    http: Any = {"base_url": gateway.url, "timeout": 20_000, **options}
    return genai.Client(api_key=gateway.key, http_options=http)


@pytest.fixture(scope="module")
def gemini(gateway: Gateway) -> Iterator[genai.Client]:
    with client_for(gateway) as client:
        yield client


def test_a_prompt_is_answered(gemini: genai.Client, provider: Provider) -> None:
    done = gemini.models.generate_content(
        model="chat",
        contents="[plain] What is six times seven? 🙂",
        config=types.GenerateContentConfig(
            system_instruction="Be brief.", max_output_tokens=50, stop_sequences=["END"], seed=7
        ),
    )
    assert done.text == TEXT
    assert done.candidates is not None
    assert done.candidates[0].finish_reason == types.FinishReason.STOP
    usage = done.usage_metadata
    assert usage is not None
    assert (usage.prompt_token_count, usage.candidates_token_count) == (19, 7)
    assert usage.cached_content_token_count == 8
    sent = provider.last("plain").body
    assert sent["messages"][0] == {"role": "system", "content": "Be brief."}
    assert (sent["seed"], sent["stop"]) == (7, "END")


def test_a_stream_comes_in_its_pieces(gemini: genai.Client) -> None:
    chunks = list(gemini.models.generate_content_stream(model="chat", contents="[plain] hi"))
    assert "".join(chunk.text or "" for chunk in chunks) == TEXT
    last = chunks[-1]
    assert last.candidates is not None
    assert last.candidates[0].finish_reason == types.FinishReason.STOP
    assert last.usage_metadata is not None
    assert last.usage_metadata.total_token_count == 26


def test_the_limit_is_a_finish_reason(gemini: genai.Client) -> None:
    done = gemini.models.generate_content(model="chat", contents="[cut] hi")
    assert done.candidates is not None
    assert done.candidates[0].finish_reason == types.FinishReason.MAX_TOKENS


def calls_of(response: types.GenerateContentResponse) -> list[tuple[str | None, Any]]:
    return [(call.name, call.args) for call in response.function_calls or []]


def test_parallel_functions_are_called(gemini: genai.Client, provider: Provider) -> None:
    config = types.GenerateContentConfig(
        tools=[TOOLS],
        tool_config=types.ToolConfig(
            function_calling_config=types.FunctionCallingConfig(
                mode=types.FunctionCallingConfigMode.ANY
            )
        ),
    )
    done = gemini.models.generate_content(
        model="chat", contents="[tools] weather and time?", config=config
    )
    assert calls_of(done) == EXPECTED_CALLS
    sent = provider.last("tools").body
    assert sent["tool_choice"] == "required"
    assert sent["tools"][0]["function"]["parameters"]["type"] == "object"
    streamed = gemini.models.generate_content_stream(
        model="chat", contents="[tools] weather and time?", config=config
    )
    assert [call for chunk in streamed for call in calls_of(chunk)] == EXPECTED_CALLS


def test_results_go_back_to_their_calls(gemini: genai.Client, provider: Provider) -> None:
    config = types.GenerateContentConfig(tools=[TOOLS])
    asked = types.UserContent("[tools] weather and time?")
    first = gemini.models.generate_content(model="chat", contents=[asked], config=config)
    assert first.candidates is not None
    results = [
        types.Part(
            function_response=types.FunctionResponse(
                id=call.id, name=call.name, response={"output": f"result {number}"}
            )
        )
        for number, call in enumerate(first.function_calls or [])
    ]
    said = first.candidates[0].content
    assert said is not None
    turns: Any = [asked, said, types.Content(role="user", parts=results)]
    done = gemini.models.generate_content(
        model="chat", contents=[*turns, types.UserContent("[plain] And?")], config=config
    )
    assert done.text == TEXT
    sent = provider.last("plain").body["messages"]
    assert [message["role"] for message in sent] == ["user", "assistant", "tool", "tool", "user"]
    ids = [call["id"] for call in sent[1]["tool_calls"]]
    assert [message["tool_call_id"] for message in sent[2:4]] == ids
    assert [message["content"] for message in sent[2:4]] == ["result 0", "result 1"]


def test_a_python_function_is_called_by_the_sdk(gemini: genai.Client) -> None:
    """The SDK runs the function and asks again; the scene ends that at once."""

    def get_weather(city: str, unit: str) -> str:
        """The weather in a city."""
        return f"{city}: 20 {unit}"

    def get_time(zone: str) -> str:
        """The time in a zone."""
        return f"{zone}: noon"

    limit = types.AutomaticFunctionCallingConfig(maximum_remote_calls=2)
    done = gemini.models.generate_content(
        model="chat",
        contents="[tools] weather and time?",
        config=types.GenerateContentConfig(
            tools=[get_weather, get_time], automatic_function_calling=limit
        ),
    )
    assert calls_of(done) == EXPECTED_CALLS
    assert done.automatic_function_calling_history


def test_thoughts_are_shown(gemini: genai.Client, provider: Provider) -> None:
    config = types.GenerateContentConfig(
        thinking_config=types.ThinkingConfig(include_thoughts=True, thinking_budget=1024)
    )
    done = gemini.models.generate_content(model="chat", contents="[think] hi", config=config)
    assert done.candidates is not None
    content = done.candidates[0].content
    assert content is not None
    thoughts = [part.text for part in content.parts or [] if part.thought]
    assert thoughts == [THOUGHT]
    assert done.text == TEXT
    assert provider.last("think").body["reasoning_effort"]


def test_a_structured_answer_is_parsed(gemini: genai.Client, provider: Provider) -> None:
    done = gemini.models.generate_content(
        model="chat",
        contents="[person] Who?",
        config=types.GenerateContentConfig(
            response_mime_type="application/json", response_schema=Person
        ),
    )
    assert done.parsed == Person.model_validate_json(PERSON)
    asked = provider.last("person").body["response_format"]
    assert asked["type"] == "json_schema"
    assert set(asked["json_schema"]["schema"]["properties"]) == {"name", "age", "languages"}
    by_schema = gemini.models.generate_content(
        model="chat",
        contents="[person] Who?",
        config=types.GenerateContentConfig(
            response_mime_type="application/json",
            response_json_schema=Person.model_json_schema(),
        ),
    )
    assert by_schema.text == PERSON


def test_images_are_passed_on(gemini: genai.Client, provider: Provider) -> None:
    parts: Any = [
        "[vision] What is on these?",
        types.Part.from_bytes(data=PNG, mime_type="image/png"),
        types.Part.from_uri(file_uri="https://example.com/cat.png", mime_type="image/png"),
    ]
    done = gemini.models.generate_content(model="chat", contents=parts)
    assert done.text == "I see 2 images."
    sent = provider.last("vision").body["messages"][-1]["content"]
    urls = [part["image_url"]["url"] for part in sent if part["type"] == "image_url"]
    assert urls[0] == "data:image/png;base64," + PNG_BASE64
    assert urls[1] == "https://example.com/cat.png"


def test_a_conversation_is_kept_by_the_sdk(gemini: genai.Client, provider: Provider) -> None:
    chat = gemini.chats.create(model="chat")
    chat.send_message("[plain] one")
    assert chat.send_message("[plain] two").text == TEXT
    roles = [message["role"] for message in provider.last("plain").body["messages"]]
    assert roles == ["user", "assistant", "user"]


def test_tokens_are_counted(gemini: genai.Client) -> None:
    short = gemini.models.count_tokens(model="chat", contents="hi")
    long = gemini.models.count_tokens(model="chat", contents="hi " * 100)
    assert short.total_tokens
    assert long.total_tokens
    assert 0 < short.total_tokens < long.total_tokens


def test_models_are_listed_and_found(gemini: genai.Client) -> None:
    names = [model.name for model in gemini.models.list(config={"page_size": 2})]
    assert "models/chat" in names
    found = gemini.models.get(model="chat")
    assert found.name == "models/chat"


@pytest.mark.parametrize("version", ["v1", "v1beta"])
def test_both_versions_of_the_api_are_spoken(gateway: Gateway, version: str) -> None:
    with client_for(gateway, api_version=version) as client:
        assert client.models.generate_content(model="chat", contents="[plain] x").text == TEXT
        assert "models/chat" in [model.name for model in client.models.list()]
        with pytest.raises(errors.ClientError) as caught:
            client.models.get(model="no-such-model")
        assert (caught.value.code, caught.value.status) == (404, "NOT_FOUND")


# Errors.


@pytest.mark.parametrize(
    ("model", "contents", "error", "status"),
    [
        ("chat", "[bad] x", errors.ClientError, 400),
        ("no-such-model", "x", errors.ClientError, 404),
        ("chat", "x" * 300_000, errors.ClientError, 413),
        ("frail", "[limited] x", errors.ClientError, 429),
        ("frail", "[broken] x", errors.ServerError, 502),
    ],
)
def test_errors_are_the_sdks_own_classes(
    gemini: genai.Client, model: str, contents: str, error: type[Exception], status: int
) -> None:
    for ask in (gemini.models.generate_content, streamed(gemini)):
        with pytest.raises(error) as caught:
            ask(model=model, contents=contents)
        assert isinstance(caught.value, errors.APIError)
        assert caught.value.code == status
        assert caught.value.message
        assert caught.value.status


def streamed(client: genai.Client) -> Any:
    def ask(**fields: Any) -> list[types.GenerateContentResponse]:
        return list(client.models.generate_content_stream(**fields))

    return ask


def test_a_wrong_field_is_named(gemini: genai.Client) -> None:
    with pytest.raises(errors.ClientError, match="temperature") as caught:
        gemini.models.generate_content(
            model="chat",
            contents="[plain] x",
            config=types.GenerateContentConfig(
                http_options=types.HttpOptions(
                    extra_body={"generationConfig": {"temperature": "hot"}}
                )
            ),
        )
    assert (caught.value.code, caught.value.status) == (400, "INVALID_ARGUMENT")


def test_a_wrong_key_is_refused(gateway: Gateway) -> None:
    options: Any = {"base_url": gateway.url}
    with (
        genai.Client(api_key="fed_wrong", http_options=options) as client,
        pytest.raises(errors.ClientError) as caught,
    ):
        client.models.generate_content(model="chat", contents="x")
    assert caught.value.code == 401


def test_a_stream_that_breaks_is_an_error(gemini: genai.Client) -> None:
    chunks, error = until_it_breaks(
        lambda: gemini.models.generate_content_stream(model="frail", contents="[sever] x"),
        errors.APIError,
        httpx2.HTTPError,
    )
    assert error is not None
    assert not any(one.finish_reason for chunk in chunks for one in chunk.candidates or [])


def test_a_client_that_does_not_wait_is_let_go(gateway: Gateway, provider: Provider) -> None:
    with client_for(gateway, timeout=500) as client, pytest.raises(httpx2.TimeoutException):
        client.models.generate_content(model="chat", contents="[hang] gemini")
    provider.hung_up("hang")


def test_many_calls_at_once_keep_apart(gateway: Gateway) -> None:
    async def main() -> list[str | None]:
        async with client_for(gateway).aio as client:

            async def one(number: int) -> str | None:
                scene = "person" if number % 2 else "plain"
                done = await client.models.generate_content(
                    model="chat", contents=f"[{scene}] {number}"
                )
                return done.text

            return list(await asyncio.gather(*map(one, range(20))))

    assert asyncio.run(main()) == [PERSON if n % 2 else TEXT for n in range(20)]
