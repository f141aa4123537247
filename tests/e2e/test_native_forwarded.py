"""Official clients whose provider speaks their own language: what it says reaches them as it is."""

from __future__ import annotations

from typing import Any

import anthropic
import boto3
import cohere
import httpx
import ollama
import openai
import pytest
from botocore.config import Config
from google import genai
from native_vendors import STREAM, WHOLE, stream_type
from served import Gateway

HELLO: Any = [{"role": "user", "content": "hi"}]
CALL = ("f", {"a": 1})


def test_anthropic(gateway: Gateway) -> None:
    asked: Any = {"model": "native-anthropic", "max_tokens": 50, "messages": HELLO}
    with anthropic.Anthropic(base_url=gateway.url, api_key=gateway.key, max_retries=0) as client:
        done = client.messages.create(**asked)
        with client.messages.stream(**asked) as stream:
            streamed = stream.get_final_message()
    for message in (done, streamed):
        blocks: list[Any] = list(message.content)
        thought, text, call = blocks
        assert (thought.type, text.type, call.type) == ("thinking", "text", "tool_use")
        assert thought.signature == "c2ln"
        assert (call.name, call.input) == CALL
        assert message.stop_reason == "tool_use"
        assert message.usage.cache_read_input_tokens == 3


def test_openai_responses(gateway: Gateway) -> None:
    asked: Any = {"model": "native-openai_responses", "input": "hi", "store": False}
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.key, max_retries=0) as client:
        done = client.responses.create(**asked)
        with client.responses.stream(**asked) as stream:
            streamed = stream.get_final_response()
    for response in (done, streamed):
        assert response.output_text == "Hello."
        items: list[Any] = list(response.output)
        (call,) = [item for item in items if item.type == "function_call"]
        assert (call.name, call.arguments) == ("f", '{"a":1}')


def test_gemini(gateway: Gateway) -> None:
    http: Any = {"base_url": gateway.url}
    with genai.Client(api_key=gateway.key, http_options=http) as client:
        done = client.models.generate_content(model="native-gemini", contents="hi")
        chunks = list(client.models.generate_content_stream(model="native-gemini", contents="hi"))
    assert [(call.name, call.args) for call in done.function_calls or []] == [CALL]
    calls = [call for chunk in chunks for call in chunk.function_calls or []]
    assert [(call.name, call.args) for call in calls] == [CALL]
    assert chunks[-1].usage_metadata is not None


def test_bedrock(gateway: Gateway) -> None:
    client = boto3.client(
        "bedrock-runtime",
        endpoint_url=gateway.url,
        region_name="eu-central-1",
        aws_access_key_id=gateway.key,
        aws_secret_access_key="unused",
        config=Config(retries={"total_max_attempts": 1}),
    )
    asked: Any = [{"role": "user", "content": [{"text": "hi"}]}]
    done = client.converse(modelId="native-bedrock", messages=asked)
    content = done["output"]["message"]["content"]
    assert [next(iter(block)) for block in content] == ["reasoningContent", "text", "toolUse"]
    stream = client.converse_stream(modelId="native-bedrock", messages=asked)
    kinds = [next(iter(event)) for event in stream["stream"]]
    assert (kinds[0], kinds[-2:]) == ("messageStart", ["messageStop", "metadata"])
    client.close()


def test_cohere(gateway: Gateway) -> None:
    with httpx.Client() as http:
        client = cohere.ClientV2(api_key=gateway.key, base_url=gateway.url, httpx_client=http)
        done = client.chat(model="native-cohere", messages=HELLO)
        events: list[Any] = list(client.chat_stream(model="native-cohere", messages=HELLO))
    assert done.message.tool_calls is not None
    function = done.message.tool_calls[0].function
    assert function is not None
    assert (function.name, function.arguments) == ("f", '{"a":1}')
    assert events[-1].type == "message-end"


def test_ollama(gateway: Gateway) -> None:
    headers = {"authorization": f"Bearer {gateway.key}"}
    client = ollama.Client(host=gateway.url, headers=headers)
    done = client.chat(model="native-ollama", messages=HELLO)
    lines = list(client.chat(model="native-ollama", messages=HELLO, stream=True))
    calls = [done.message.tool_calls, [c for line in lines for c in line.message.tool_calls or []]]
    for found in calls:
        assert found
        assert (found[0].function.name, dict(found[0].function.arguments)) == CALL
    assert lines[-1].done
    client._client.close()


PATHS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "anthropic": ("/v1/messages", "/v1/messages", {"max_tokens": 9, "messages": HELLO}),
    "openai_responses": ("/v1/responses", "/v1/responses", {"input": "hi", "store": False}),
    "cohere": ("/v2/chat", "/v2/chat", {"messages": HELLO}),
    "ollama": ("/api/chat", "/api/chat", {"messages": HELLO}),
    "gemini": (
        "/v1beta/models/native-gemini:generateContent",
        "/v1beta/models/native-gemini:streamGenerateContent?alt=sse",
        {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]},
    ),
    "bedrock": (
        "/model/native-bedrock/converse",
        "/model/native-bedrock/converse-stream",
        {"messages": [{"role": "user", "content": [{"text": "hi"}]}]},
    ),
}


@pytest.mark.parametrize("dialect", PATHS)
def test_the_bytes_are_the_providers(gateway: Gateway, dialect: str) -> None:
    whole, stream, body = PATHS[dialect]
    named = {} if dialect in ("gemini", "bedrock") else {"model": f"native-{dialect}"}
    headers = {"authorization": f"Bearer {gateway.key}"}
    with httpx.Client(base_url=gateway.url, headers=headers, timeout=20) as client:
        said = {} if dialect in ("gemini", "bedrock") else {"stream": False}
        reply = client.post(whole, json={**named, **body, **said})
        assert reply.status_code == 200, reply.text
        assert reply.content == WHOLE[dialect]
        said = {} if dialect in ("gemini", "bedrock") else {"stream": True}
        reply = client.post(stream, json={**named, **body, **said})
    assert reply.headers["content-type"] == stream_type(dialect).decode()
    assert reply.content == b"".join(STREAM[dialect])
