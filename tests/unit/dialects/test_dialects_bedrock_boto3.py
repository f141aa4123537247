"""The official client, unmodified, over loopback: our face serves it and it reads everything.

What the face gets from it is turned around: the client's own call is glanced at, parsed, and
answered by what the renderers write.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import botocore.exceptions
import pytest
from botocore.awsrequest import AWSPreparedRequest
from botocore.config import Config
from botocore.eventstream import EventStream
from loopback_face import Answer, Told, serving

from federation.dialects.bedrock.client import CLIENT
from federation.dialects.bedrock.paths import route
from federation.domain.asker import presented
from federation.errors import (
    FederationError,
    InvalidRequest,
    NotEligible,
    NotFound,
    RateLimited,
    Unauthorized,
    Unavailable,
    UpstreamCut,
    UpstreamFailed,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamTimeout,
)
from federation.schema.chat import ChatRequest, ChatResponse, Choice
from federation.schema.chunks import (
    Begun,
    Chunk,
    Delta,
    Finished,
    PartBegun,
    PartEnded,
    UsageSeen,
)
from federation.schema.http import ClientRequest
from federation.schema.parts import IMAGE, Media, Text, Thinking, ToolCall, ToolResult
from federation.schema.usage import Usage

MODEL = "arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu.acme.large-v1:0"
ASK: dict[str, Any] = {"messages": [{"role": "user", "content": [{"text": "Hello"}]}]}
KEY = "fed_0123456789abcdef"


@contextmanager
def client(answer: Answer, **kwargs: Any) -> Iterator[Any]:
    """The official client, pointed at a server that answers so."""
    with serving(answer) as address:
        config = Config(retries={"total_max_attempts": 1, "mode": "standard"}, **kwargs)
        made = boto3.client(
            "bedrock-runtime",
            endpoint_url=address,
            region_name="eu-west-1",
            aws_access_key_id=KEY,
            aws_secret_access_key="anything",
            config=config,
        )
        try:
            yield made
        finally:
            made.close()


def whole(response: ChatResponse, seen: list[ChatRequest]) -> Answer:
    def answer(request: ClientRequest) -> Told:
        asked = CLIENT.parse(request, CLIENT.glance(request))
        seen.append(asked)
        return Told(200, "application/json", [CLIENT.render(response, asked)])

    return answer


def streamed(chunks: list[Chunk], seen: list[ChatRequest], error: Any = None) -> Answer:
    def answer(request: ClientRequest) -> Told:
        asked = CLIENT.parse(request, CLIENT.glance(request))
        seen.append(asked)
        renderer = CLIENT.renderer(asked)
        pieces = [renderer.render([chunk]) for chunk in chunks]
        pieces.append(renderer.fail(error) if error is not None else renderer.close())
        return Told(200, CLIENT.stream_type(request).decode(), pieces)

    return answer


def failing(error: FederationError) -> Answer:
    reply = CLIENT.render_error(error, "call-1")
    assert isinstance(reply.body, bytes)
    body = reply.body
    return lambda _: Told(reply.status, "application/json", [body], reply.headers[1:])


def test_a_whole_answer_with_a_tool_call_comes_through() -> None:
    seen: list[ChatRequest] = []
    response = ChatResponse(
        "openai",
        "resp-1",
        "m",
        (
            Choice(
                0,
                (
                    Thinking("Let me see.", signature="c2ln"),
                    Text("I will look."),
                    ToolCall("call_1", "weather", '{"city": "Lima", "days": 1.50}'),
                    Media(IMAGE, "image/png", "aGk="),
                ),
                "tool_calls",
            ),
        ),
        usage=Usage(20, 5, 8, 4),
    )
    with client(whole(response, seen)) as made:
        got = made.converse(
            modelId=MODEL,
            **ASK,
            system=[{"text": "Be brief."}],
            inferenceConfig={"maxTokens": 50, "temperature": 0.25},
            toolConfig={
                "tools": [
                    {
                        "toolSpec": {
                            "name": "weather",
                            "description": "Looks it up.",
                            "inputSchema": {"json": {"type": "object", "properties": {}}},
                        }
                    }
                ],
                "toolChoice": {"any": {}},
            },
        )
    content = got["output"]["message"]["content"]
    assert content == [
        {"reasoningContent": {"reasoningText": {"text": "Let me see.", "signature": "c2ln"}}},
        {"text": "I will look."},
        {
            "toolUse": {
                "toolUseId": "call_1",
                "name": "weather",
                "input": {"city": "Lima", "days": 1.5},
            }
        },
        {"image": {"format": "png", "source": {"bytes": b"hi"}}},
    ]
    assert got["stopReason"] == "tool_use"
    assert got["usage"] == {
        "inputTokens": 8,
        "outputTokens": 5,
        "totalTokens": 25,
        "cacheReadInputTokens": 8,
        "cacheWriteInputTokens": 4,
    }
    asked = seen[0]
    assert asked.model == MODEL
    assert asked.max_output == 50
    assert asked.tool_choice is not None
    assert asked.tool_choice.mode == "required"


def test_a_conversation_that_the_client_hands_back_is_read() -> None:
    seen: list[ChatRequest] = []
    response = ChatResponse("openai", "r", "m", (Choice(0, (Text("Warm."),), "stop"),))
    messages = [
        {"role": "user", "content": [{"text": "Weather in Lima?"}]},
        {
            "role": "assistant",
            "content": [
                {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "c2ln"}}},
                {"reasoningContent": {"redactedContent": b"\x00\x01sealed"}},
                {"toolUse": {"toolUseId": "call_1", "name": "weather", "input": {"n": 10**15}}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"text": "Here:"},
                {
                    "toolResult": {
                        "toolUseId": "call_1",
                        "content": [
                            {"json": {"t": 20}},
                            {"image": {"format": "png", "source": {"bytes": b"hi"}}},
                        ],
                        "status": "success",
                    }
                },
            ],
        },
    ]
    with client(whole(response, seen)) as made:
        got = made.converse(modelId="auto", messages=messages)
    assert got["output"]["message"]["content"] == [{"text": "Warm."}]
    _, answer, results, rest = seen[0].messages
    assert answer.parts[1] == Thinking(sealed="AAFzZWFsZWQ=")
    call = answer.parts[2]
    assert isinstance(call, ToolCall)
    assert json.loads(call.arguments) == {"n": 10**15}
    result = results.parts[0]
    assert isinstance(result, ToolResult)
    assert isinstance(result.parts[1], Media)
    assert result.parts[1].data == "aGk="
    assert rest.parts == (Text("Here:"),)


def test_a_stream_comes_through_block_by_block() -> None:
    seen: list[ChatRequest] = []
    chunks: list[Chunk] = [
        Begun("", "m"),
        PartBegun(0, 0, Thinking()),
        Delta(0, 0, "Let me "),
        Delta(0, 0, "see.", signature="c2"),
        Delta(0, 0, signature="ln"),
        PartEnded(0, 0),
        PartBegun(0, 1, ToolCall("call_1", "weather", "")),
        PartBegun(0, 2, ToolCall("call_2", "time", "")),
        Delta(0, 2, '{"zone"'),
        Delta(0, 1, '{"city":'),
        Delta(0, 2, ':"UTC"}'),
        Delta(0, 1, '"Lima"}'),
        PartEnded(0, 2),
        PartEnded(0, 1),
        Finished(0, "tool_calls"),
        UsageSeen(Usage(10, 4, 3)),
    ]
    with client(streamed(chunks, seen)) as made:
        stream = made.converse_stream(modelId=MODEL, **ASK)["stream"]
        assert isinstance(stream, EventStream)
        events = list(stream)
        stream.close()
    assert seen[0].stream
    assert [next(iter(event)) for event in events] == [
        "messageStart",
        *["contentBlockDelta"] * 3,
        "contentBlockStop",
        *["contentBlockStart", "contentBlockDelta", "contentBlockDelta", "contentBlockStop"] * 2,
        "messageStop",
        "metadata",
    ]
    inputs: dict[int, str] = {}
    for event in events:
        if "contentBlockDelta" in event and "toolUse" in event["contentBlockDelta"]["delta"]:
            delta = event["contentBlockDelta"]
            inputs.setdefault(delta["contentBlockIndex"], "")
            inputs[delta["contentBlockIndex"]] += delta["delta"]["toolUse"]["input"]
    assert {index: json.loads(text) for index, text in inputs.items()} == {
        1: {"city": "Lima"},
        2: {"zone": "UTC"},
    }
    assert events[3]["contentBlockDelta"]["delta"] == {"reasoningContent": {"signature": "c2ln"}}
    assert events[-2]["messageStop"] == {"stopReason": "tool_use"}
    assert events[-1]["metadata"]["usage"]["cacheReadInputTokens"] == 3


ERRORS: list[tuple[Callable[[], FederationError], str, int]] = [
    (lambda: InvalidRequest("No.", param="messages"), "ValidationException", 400),
    (lambda: Unauthorized("No key."), "AccessDeniedException", 403),
    (lambda: NotEligible("No.", removed={"a/b": "region"}), "AccessDeniedException", 403),
    (lambda: NotFound("No."), "ResourceNotFoundException", 404),
    (lambda: RateLimited("Slow.", retry_after_s=2.0), "ThrottlingException", 429),
    (lambda: UpstreamRateLimited("Slow."), "ThrottlingException", 429),
    (lambda: UpstreamRejected("Bad.", status=422), "ValidationException", 422),
    (lambda: UpstreamFailed("Broke."), "InternalServerException", 500),
    (lambda: UpstreamTimeout("Late."), "ModelTimeoutException", 408),
    (lambda: Unavailable("Draining."), "ServiceUnavailableException", 503),
]


@pytest.mark.parametrize(("make", "name", "status"), ERRORS)
def test_an_error_raises_the_clients_own_exception(
    make: Callable[[], FederationError], name: str, status: int
) -> None:
    error = make()
    with (
        client(failing(error)) as made,
        pytest.raises(getattr(made.exceptions, name)) as caught,
    ):
        made.converse(modelId="auto", **ASK)
    response = caught.value.response
    assert response["Error"] == {"Code": name, "Message": error.message}
    assert response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert response["ResponseMetadata"]["RequestId"] == "call-1"


def test_an_error_before_a_stream_raises_the_same() -> None:
    with (
        client(failing(RateLimited("Slow."))) as made,
        pytest.raises(made.exceptions.ThrottlingException),
    ):
        made.converse_stream(modelId="auto", **ASK)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UpstreamCut("The stream broke off."), "internalServerException"),
        (UpstreamRateLimited("Slow."), "throttlingException"),
        (UpstreamTimeout("Late."), "modelStreamErrorException"),
        (Unavailable("Draining."), "serviceUnavailableException"),
        (InvalidRequest("No."), "validationException"),
    ],
)
def test_an_error_inside_a_stream_is_raised_after_what_came(
    error: FederationError, code: str
) -> None:
    chunks: list[Chunk] = [Begun("", "m"), PartBegun(0, 0, Text("")), Delta(0, 0, "Hel")]
    with client(streamed(chunks, [], error)) as made:
        opened = made.converse_stream(modelId="auto", **ASK)["stream"]
        stream = iter(opened)
        assert "messageStart" in next(stream)
        assert next(stream)["contentBlockDelta"]["delta"] == {"text": "Hel"}
        with pytest.raises(botocore.exceptions.EventStreamError) as caught:
            next(stream)
        opened.close()
    assert caught.value.response["Error"] == {"Code": code, "Message": error.message}


def signed_key(request: ClientRequest) -> Told:
    key = presented(request.headers)
    place = route(request.path)
    assert place is not None
    message = {"role": "assistant", "content": [{"text": f"{key} {place.model}"}]}
    body = {
        "output": {"message": message},
        "stopReason": "end_turn",
        "usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2},
        "metrics": {"latencyMs": 1},
    }
    return Told(200, "application/json", [json.dumps(body).encode()])


def test_a_virtual_key_travels_as_the_access_key_id() -> None:
    with client(signed_key) as made:
        got = made.converse(modelId=MODEL, **ASK)
    assert got["output"]["message"]["content"] == [{"text": f"{KEY} {MODEL}"}]


def test_a_bearer_token_travels_over_https_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", KEY)
    with (
        client(signed_key) as made,
        pytest.raises(botocore.exceptions.InvalidEndpointConfigurationError),
    ):
        made.converse(modelId="auto", **ASK)
    sent: list[AWSPreparedRequest] = []

    def before_send(request: AWSPreparedRequest, **_: Any) -> None:
        sent.append(request)
        raise KeyboardInterrupt

    made = boto3.client(
        "bedrock-runtime", endpoint_url="https://gateway.test", region_name="eu-west-1"
    )
    made.meta.events.register("before-send.bedrock-runtime", before_send)
    with pytest.raises(KeyboardInterrupt):
        made.converse(modelId="auto", **ASK)
    assert sent[0].headers["Authorization"].decode() == f"Bearer {KEY}"
    made.close()
