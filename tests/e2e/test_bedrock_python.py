"""boto3, unmodified, against `federation serve`: over http it signs, and its access key is the
virtual key.

The provider behind it speaks OpenAI's language, so that every call is translated.
"""

from __future__ import annotations

import gc
import json
import warnings
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, EventStreamError, ReadTimeoutError
from broken_streams import until_it_breaks
from openai_upstream import PERSON, THOUGHT, TOOL_CALLS, WORDS, Provider
from pictures import PNG, PNG_BASE64
from served import Gateway

pytestmark = pytest.mark.filterwarnings(
    # The client drops the connection of a stream that broke, and leaves it to the collector.
    "ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning"
)


@pytest.fixture(scope="module", autouse=True)
def swept() -> Iterator[None]:
    """Nothing of that is left for another module's tests."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


TEXT = "".join(WORDS)


def tool(name: str, **properties: str) -> Any:
    schema = {
        "type": "object",
        "properties": {key: {"type": kind} for key, kind in properties.items()},
        "required": list(properties),
    }
    return {"toolSpec": {"name": name, "description": name, "inputSchema": {"json": schema}}}


TOOLS = [tool("get_weather", city="string", unit="string"), tool("get_time", zone="string")]
EXPECTED_USES = [(call, name, json.loads(given)) for call, name, given in TOOL_CALLS]


def say(text: str) -> Any:
    return [{"role": "user", "content": [{"text": text}]}]


def client_for(gateway: Gateway, key: str, **options: Any) -> Any:
    config = Config(**({"retries": {"total_max_attempts": 1}, "read_timeout": 20} | options))
    return boto3.client(
        "bedrock-runtime",
        endpoint_url=gateway.url,
        region_name="eu-central-1",
        aws_access_key_id=key,
        aws_secret_access_key="unused",
        config=config,
    )


@pytest.fixture(scope="module")
def bedrock(gateway: Gateway) -> Iterator[Any]:
    client = client_for(gateway, gateway.key)
    yield client
    client.close()


def test_a_conversation_is_answered(bedrock: Any, provider: Provider) -> None:
    done = bedrock.converse(
        modelId="chat",
        messages=say("[plain] What is six times seven? 🙂"),
        system=[{"text": "Be brief."}],
        inferenceConfig={"maxTokens": 50, "stopSequences": ["END"]},
    )
    assert done["output"]["message"] == {"role": "assistant", "content": [{"text": TEXT}]}
    assert done["stopReason"] == "end_turn"
    told = done["ResponseMetadata"]
    assert told["RequestId"] == told["HTTPHeaders"]["x-federation-call-id"]
    usage = done["usage"]
    assert (usage["inputTokens"], usage["outputTokens"], usage["totalTokens"]) == (11, 7, 26)
    assert usage["cacheReadInputTokens"] == 8
    sent = provider.last("plain").body
    assert sent["messages"][0] == {"role": "system", "content": "Be brief."}


def collected(stream: Any) -> tuple[list[dict[str, Any]], str, dict[str, Any]]:
    """Blocks, stop reason and usage of a stream, put together as an application does."""
    blocks: dict[int, dict[str, Any]] = {}
    reason, usage = "", {}
    for event in stream["stream"]:
        match event:
            case {"contentBlockStart": start}:
                blocks[start["contentBlockIndex"]] = {**start["start"]["toolUse"], "input": ""}
            case {"contentBlockDelta": delta}:
                block = blocks.setdefault(delta["contentBlockIndex"], {"text": "", "thought": ""})
                match delta["delta"]:
                    case {"text": text}:
                        block["text"] += text
                    case {"toolUse": use}:
                        block["input"] += use["input"]
                    case {"reasoningContent": {"text": text}}:
                        block["thought"] += text
            case {"messageStop": stop}:
                reason = stop["stopReason"]
            case {"metadata": metadata}:
                usage = metadata["usage"]
    return [blocks[index] for index in sorted(blocks)], reason, usage


def test_a_stream_comes_in_its_frames(bedrock: Any) -> None:
    stream = bedrock.converse_stream(modelId="chat", messages=say("[plain] hi"))
    blocks, reason, usage = collected(stream)
    assert [block["text"] for block in blocks] == [TEXT]
    assert reason == "end_turn"
    assert (usage["inputTokens"], usage["outputTokens"]) == (11, 7)


def test_the_limit_is_a_stop_reason(bedrock: Any) -> None:
    assert bedrock.converse(modelId="chat", messages=say("[cut] x"))["stopReason"] == "max_tokens"


def test_parallel_tools_are_called(bedrock: Any, provider: Provider) -> None:
    asked = {
        "modelId": "chat",
        "messages": say("[tools] weather and time?"),
        "toolConfig": {"tools": TOOLS, "toolChoice": {"any": {}}},
    }
    done = bedrock.converse(**asked)
    uses = [block["toolUse"] for block in done["output"]["message"]["content"]]
    assert [(use["toolUseId"], use["name"], use["input"]) for use in uses] == EXPECTED_USES
    assert done["stopReason"] == "tool_use"
    assert provider.last("tools").body["tool_choice"] == "required"
    blocks, reason, _ = collected(bedrock.converse_stream(**asked))
    streamed = [(block["toolUseId"], block["name"], json.loads(block["input"])) for block in blocks]
    assert streamed == EXPECTED_USES
    assert reason == "tool_use"


def test_results_go_back_with_their_ids(bedrock: Any, provider: Provider) -> None:
    asked = say("[tools] weather and time?")
    first = bedrock.converse(modelId="chat", messages=asked, toolConfig={"tools": TOOLS})
    results = [
        {"toolResult": {"toolUseId": call, "content": [{"text": f"result {number}"}]}}
        for number, (call, *_) in enumerate(TOOL_CALLS)
    ]
    turns = [
        *asked,
        first["output"]["message"],
        {"role": "user", "content": [*results, {"text": "[plain] And?"}]},
    ]
    done = bedrock.converse(modelId="chat", messages=turns, toolConfig={"tools": TOOLS})
    assert done["output"]["message"]["content"] == [{"text": TEXT}]
    sent = provider.last("plain").body["messages"]
    assert [message["role"] for message in sent] == ["user", "assistant", "tool", "tool", "user"]
    assert [m["tool_call_id"] for m in sent[2:4]] == [call for call, *_ in TOOL_CALLS]


def test_reasoning_is_shown(bedrock: Any) -> None:
    done = bedrock.converse(modelId="chat", messages=say("[think] hi"))
    thought, text = done["output"]["message"]["content"]
    assert thought["reasoningContent"]["reasoningText"]["text"] == THOUGHT
    assert text == {"text": TEXT}
    blocks, _, _ = collected(bedrock.converse_stream(modelId="chat", messages=say("[think] hi")))
    assert [block["thought"] for block in blocks] == [THOUGHT, ""]


def test_a_structured_answer_is_asked_for(bedrock: Any, provider: Provider) -> None:
    schema = {"type": "object", "properties": {"name": {"type": "string"}}}
    definition = {"schema": json.dumps(schema), "name": "person"}
    done = bedrock.converse(
        modelId="chat",
        messages=say("[person] Who?"),
        outputConfig={
            "textFormat": {"type": "json_schema", "structure": {"jsonSchema": definition}}
        },
    )
    assert done["output"]["message"]["content"] == [{"text": PERSON}]
    asked = provider.last("person").body["response_format"]
    assert asked["json_schema"]["schema"]["properties"] == schema["properties"]


def test_images_are_passed_on(bedrock: Any, provider: Provider) -> None:
    image = {"image": {"format": "png", "source": {"bytes": PNG}}}
    content = [{"text": "[vision] What is on this?"}, image]
    done = bedrock.converse(modelId="chat", messages=[{"role": "user", "content": content}])
    assert done["output"]["message"]["content"] == [{"text": "I see 1 images."}]
    sent = provider.last("vision").body["messages"][-1]["content"]
    url = next(part["image_url"]["url"] for part in sent if part["type"] == "image_url")
    assert url == "data:image/png;base64," + PNG_BASE64


def test_tokens_are_counted(bedrock: Any) -> None:
    counts = [
        bedrock.count_tokens(modelId="chat", input={"converse": {"messages": say(text)}})
        for text in ("hi", "hi " * 100)
    ]
    assert 0 < counts[0]["inputTokens"] < counts[1]["inputTokens"]


def test_a_model_may_have_a_path_in_its_name(bedrock: Any) -> None:
    done = bedrock.converse(modelId="acme/acme-large", messages=say("[plain] hi"))
    assert done["output"]["message"]["content"] == [{"text": TEXT}]


# Errors.


@pytest.mark.parametrize(
    ("model", "text", "code", "status"),
    [
        ("chat", "[bad] x", "ValidationException", 400),
        ("no-such-model", "x", "ResourceNotFoundException", 404),
        ("chat", "x" * 300_000, "ValidationException", 413),
        ("frail", "[limited] x", "ThrottlingException", 429),
        ("frail", "[broken] x", "InternalServerException", 500),
    ],
)
def test_errors_are_the_services_own(
    bedrock: Any, model: str, text: str, code: str, status: int
) -> None:
    for ask in (bedrock.converse, bedrock.converse_stream):
        with pytest.raises(ClientError) as caught:
            ask(modelId=model, messages=say(text))
        found = caught.value.response
        assert found["Error"]["Message"]
        assert found["ResponseMetadata"]["HTTPStatusCode"] == status
        assert found["Error"]["Code"] == code


def test_a_modeled_error_is_its_own_class(bedrock: Any) -> None:
    with pytest.raises(bedrock.exceptions.ResourceNotFoundException):
        bedrock.converse(modelId="no-such-model", messages=say("x"))


def test_a_wrong_key_is_denied(gateway: Gateway) -> None:
    client = client_for(gateway, "fed_wrong")
    with pytest.raises(client.exceptions.AccessDeniedException):
        client.converse(modelId="chat", messages=say("x"))
    client.close()


def test_a_stream_that_breaks_is_an_error(bedrock: Any) -> None:
    stream = bedrock.converse_stream(modelId="frail", messages=say("[sever] x"))["stream"]
    events, error = until_it_breaks(lambda: stream, EventStreamError)
    assert error is not None
    assert not any("messageStop" in event for event in events)


def test_a_client_that_does_not_wait_is_let_go(gateway: Gateway, provider: Provider) -> None:
    client = client_for(gateway, gateway.key, read_timeout=0.5)
    with pytest.raises(ReadTimeoutError):
        client.converse(modelId="chat", messages=say("[hang] bedrock"))
    provider.hung_up("hang")
    client.close()


def test_a_stream_that_is_closed_frees_the_provider(bedrock: Any, provider: Provider) -> None:
    stream = bedrock.converse_stream(modelId="chat", messages=say("[drip] bedrock"))["stream"]
    next(iter(stream))
    stream.close()
    provider.hung_up("drip")
