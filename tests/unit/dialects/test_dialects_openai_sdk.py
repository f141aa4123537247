"""The official client agrees with us, both ways: on what we send and on what we answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import openai
import pytest
from loopback_face import Told, serving, told
from msgspec import Raw
from openai import AsyncOpenAI, OpenAI
from openai.types.chat import ChatCompletion, ChatCompletionChunk, completion_create_params
from pydantic import BaseModel, ConfigDict, TypeAdapter

from federation.dialects.openai.client import CLIENT
from federation.dialects.openai.encode import encode
from federation.dialects.openai.wire import Wire
from federation.errors import InvalidRequest, UpstreamFailed
from federation.schema.chat import (
    ChatRequest,
    ChatResponse,
    Choice,
    Message,
    OutputFormat,
    Reasoning,
    Sampling,
    TokenLogprob,
    Tool,
    ToolChoice,
    TopToken,
)
from federation.schema.chunks import (
    Begun,
    Chunk,
    Delta,
    Finished,
    Logprobs,
    PartBegun,
    PartEnded,
    UsageSeen,
)
from federation.schema.http import ClientRequest
from federation.schema.parts import (
    CUSTOM,
    CacheMark,
    Citation,
    Media,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from federation.schema.usage import Usage

MakeWire = Callable[..., Wire]
KEY = "sk-test-0123456789"
SCHEMA = Raw(b'{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}')
WEATHER = Tool("weather", "Tells it", SCHEMA, strict=False)

CALLS = {
    "everything another language says": ChatRequest(
        "anthropic",
        "chat",
        (
            Message("system", (Text("Be kind", cache=CacheMark()), Text("and brief"))),
            Message(
                "user",
                (
                    Text("Look"),
                    Media("image", "image/png", data="aGk="),
                    Media("image", url="https://a.test/a.png", detail="low"),
                    Media("file", "application/pdf", data="aGk=", name="a.pdf"),
                    Media("file", text="Words", name="notes.txt"),
                    Media("audio", "audio/mpeg", data="aGk="),
                ),
            ),
            Message(
                "assistant",
                (
                    Thinking("Hm", signature="sig"),
                    Text("I look", citations=(Citation("A", "https://a.test"),)),
                    ToolCall("call_a", "weather", '{"city":"Lima"}'),
                    ToolCall("call_b", "weather", ""),
                ),
            ),
            Message(
                "tool",
                (
                    ToolResult("call_a", (Text("warm"), Media("image", "image/png", data="aGk="))),
                    ToolResult("call_b", (), error=True),
                ),
            ),
            Message("user", (Text("And?"),)),
        ),
        tools=(WEATHER, Tool("clock")),
        tool_choice=ToolChoice("required", allowed=("weather",)),
        parallel_tools=False,
        sampling=Sampling(0.5, 0.9, top_k=5, stop=("a", "b", "c", "d", "e")),
        max_output=100,
        reasoning=Reasoning(budget=4000, enabled=True),
        user="u-1",
        service_tier="standard_only",
        stream=True,
    ),
    "everything this language says": ChatRequest(
        "openai",
        "chat",
        (
            Message("developer", (Text("Be kind"),), name="boss"),
            Message("user", (Text("Run"), Media("file", file_id="file-1"))),
            Message(
                "assistant",
                (Text("Yes"), Refusal("No"), ToolCall("call_c", "shell", "ls", CUSTOM)),
                name="bot",
            ),
            Message("tool", (ToolResult("call_c", (Text("a"), Text("b"))),)),
        ),
        tools=(WEATHER, Tool("shell", "Runs", kind=CUSTOM, format=Raw(b'{"type":"text"}'))),
        tool_choice=ToolChoice("auto", allowed=("shell",)),
        format=OutputFormat("schema", SCHEMA, "place", "A place", strict=True),
        sampling=Sampling(1.0, logit_bias=Raw(b'{"5":1}'), logprobs=True, top_logprobs=3, seed=1),
        verbosity="low",
        modalities=("text", "audio"),
        audio=Raw(b'{"voice":"alloy","format":"wav"}'),
        metadata={"a": "b"},
        service_tier="flex",
        store=False,
        cache_key="k",
        extra={
            "safety_identifier": Raw(b'"s"'),
            "prediction": Raw(b'{"type":"content","content":"Hi"}'),
            "web_search_options": Raw(b'{"search_context_size":"low"}'),
            "stream_options": Raw(b'{"include_obfuscation":false}'),
        },
        stream=True,
    ),
    "a tool by its name": ChatRequest(
        "gemini",
        "chat",
        (Message("user", (Text("Hi"),)),),
        tools=(WEATHER,),
        tool_choice=ToolChoice("named", "weather"),
        format=OutputFormat("json"),
        reasoning=Reasoning("none"),
    ),
}


def materialized(value: Any) -> Any:
    """The value with its lazily validated iterables drawn, so that every item is checked."""
    if isinstance(value, Mapping):
        return {name: materialized(item) for name, item in value.items()}
    if isinstance(value, list | tuple | Iterator) or type(value).__name__ == "ValidatorIterator":
        return [materialized(item) for item in value]
    return value


@pytest.fixture(scope="module")
def vendor_request() -> TypeAdapter[Any]:
    """The official client's idea of a request."""
    kind: Any = completion_create_params.CompletionCreateParamsStreaming
    kind.__pydantic_config__ = ConfigDict(arbitrary_types_allowed=True)
    return TypeAdapter(kind)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_what_is_sent_is_a_request_of_the_vendor(
    make_wire: MakeWire, vendor_request: TypeAdapter[Any], call: ChatRequest
) -> None:
    quirks: dict[str, object] = {
        "output_limit_field": "max_completion_tokens",
        "reasoning_control": "effort",
        "system_role": "developer",
    }
    sent = json.loads(encode(make_wire(quirks=quirks), call).request.body)
    checked = materialized(vendor_request.validate_python({"stream": True, **sent}))
    assert checked == {"stream": True, **sent}


USAGE = Usage(20, 9, cached=8, cache_write=2, reasoning=4, audio_input=1, audio_output=1)
TOKENS = (TokenLogprob("Hi", -0.5, (72, 105), (TopToken("Hi", -0.5, (72, 105)),)),)
PARTS = (
    Thinking("Rivers", signature="sig"),
    Thinking(sealed="sealed", id="rs_1"),
    Text("Hi", citations=(Citation("A", "https://a.test", "", 0, 2),)),
    ToolCall("call_a", "weather", '{"city":"Lima"}', signature="sig2"),
    ToolCall("call_b", "clock", "{}"),
)
ANSWER = ChatResponse(
    "gemini",
    "r-1",
    "acme-large",
    (Choice(0, PARTS, "tool_calls", "STOP", logprobs=TOKENS),),
    created=1_790_000_000,
    usage=USAGE,
)
ASKED = ChatRequest("openai", "chat", (Message("user", (Text("Hi"),)),), stream=True)

STREAM: list[list[Chunk]] = [
    [Begun("r-1", "acme-large", 1_790_000_000)],
    [PartBegun(0, 0, Thinking()), Delta(0, 0, "Riv")],
    [Delta(0, 0, "ers"), Delta(0, 0, signature="sig"), PartEnded(0, 0)],
    [PartBegun(0, 1, Thinking(sealed="sealed", id="rs_1")), PartEnded(0, 1)],
    [PartBegun(0, 2, Text("")), Delta(0, 2, "Hi"), Logprobs(0, TOKENS)],
    [Delta(0, 2, citation=Citation("A", "https://a.test", "", 0, 2))],
    [Delta(0, 2, citation=Citation("B", "https://b.test")), PartEnded(0, 2)],
    [PartBegun(0, 3, ToolCall("call_a", "weather", "", signature="sig2"))],
    [Delta(0, 3, '{"city":'), PartBegun(0, 4, ToolCall("call_b", "clock", ""))],
    [Delta(0, 4, "{}"), Delta(0, 3, '"Lima"}')],
    [PartEnded(0, 3), PartEnded(0, 4), Finished(0, "tool_calls", "STOP")],
    [UsageSeen(USAGE)],
]


def streamed(asked: ChatRequest = ASKED, chunks: list[list[Chunk]] = STREAM) -> list[bytes]:
    renderer = CLIENT.renderer(asked)
    return [*(renderer.render(some) for some in chunks), renderer.close()]


def test_an_answer_is_one_of_the_vendor() -> None:
    body = CLIENT.render(ANSWER, ASKED)
    found = ChatCompletion.model_validate_json(body, strict=True)
    message = found.choices[0].message
    assert message.content == "Hi"
    assert message.annotations is not None
    assert message.annotations[0].url_citation.end_index == 2
    assert found.usage is not None
    assert found.usage.prompt_tokens_details is not None
    assert found.usage.prompt_tokens_details.cached_tokens == 8


def test_every_event_is_one_of_the_vendor() -> None:
    for piece in streamed():
        for event in piece.decode().split("\n\n"):
            if event and event != "data: [DONE]":
                ChatCompletionChunk.model_validate_json(event.removeprefix("data: "), strict=True)


def answering(request: ClientRequest) -> Told:
    """Our face behind the client: parse what it sends and answer it."""
    try:
        seen = CLIENT.glance(request)
        asked = CLIENT.parse(request, seen)
    except InvalidRequest as error:
        return told(CLIENT.render_error(error, "call-1"))
    if asked.stream:
        return Told(200, CLIENT.stream_type(request).decode(), streamed(asked))
    return Told(200, "application/json", [CLIENT.render(ANSWER, asked)])


TOOLS: Any = [
    {"type": "function", "function": {"name": "weather", "parameters": json.loads(bytes(SCHEMA))}}
]


def test_the_official_client_reads_an_answer() -> None:
    with serving(answering) as address:
        client = OpenAI(api_key=KEY, base_url=f"{address}/v1", max_retries=0)
        with client:
            found = client.chat.completions.create(
                model="chat", messages=[{"role": "user", "content": "Hi"}], tools=TOOLS
            )
    message = found.choices[0].message
    assert message.tool_calls is not None
    assert [call.id for call in message.tool_calls] == ["call_a", "call_b"]
    assert found.choices[0].finish_reason == "tool_calls"
    assert found.usage is not None
    assert found.usage.completion_tokens_details is not None
    assert found.usage.completion_tokens_details.reasoning_tokens == 4


async def test_the_official_client_adds_a_stream_up() -> None:
    with serving(answering) as address:
        async with (
            AsyncOpenAI(api_key=KEY, base_url=f"{address}/v1", max_retries=0) as client,
            client.chat.completions.stream(
                model="chat",
                messages=[{"role": "user", "content": "Hi"}],
                tools=TOOLS,
                logprobs=True,
                stream_options={"include_usage": True},
            ) as stream,
        ):
            kinds = [event.type async for event in stream]
            found = await stream.get_final_completion()
    assert "content.delta" in kinds
    assert kinds.count("tool_calls.function.arguments.done") == 2
    message = found.choices[0].message
    assert message.content == "Hi"
    assert message.tool_calls is not None
    assert [call.function.arguments for call in message.tool_calls] == ['{"city":"Lima"}', "{}"]
    assert found.usage is not None
    assert found.usage.total_tokens == 29
    assert found.choices[0].logprobs is not None
    extra = message.model_extra
    assert extra is not None
    assert extra["reasoning_content"] == "Rivers"
    assert [entry["index"] for entry in extra["reasoning_details"]] == [0, 1]


async def test_what_the_client_collected_comes_back_whole_with_the_next_call() -> None:
    seen: list[ChatRequest] = []

    def keeping(request: ClientRequest) -> Told:
        seen.append(CLIENT.parse(request, CLIENT.glance(request)))
        return answering(request)

    with serving(keeping) as address:
        async with AsyncOpenAI(api_key=KEY, base_url=f"{address}/v1", max_retries=0) as client:
            asked: Any = [{"role": "user", "content": "Hi"}]
            async with client.chat.completions.stream(
                model="chat", messages=asked, tools=TOOLS
            ) as stream:
                final = await stream.get_final_completion()
            streamed_message = final.choices[0].message.model_dump(exclude_none=True)
            whole = await client.chat.completions.create(model="chat", messages=asked)
            whole_message = whole.choices[0].message.model_dump(exclude_none=True)
            again: list[Any] = [streamed_message, whole_message]
            for message in again:
                await client.chat.completions.create(model="chat", messages=[*asked, message])
    for request in seen[2:]:
        first, second, text, *calls = request.messages[1].parts
        assert first == PARTS[0]
        assert second == PARTS[1]
        assert isinstance(text, Text)
        assert text.text == "Hi"
        assert calls == list(PARTS[3:])


async def test_the_official_client_parses_into_its_own_types() -> None:
    class Place(BaseModel):
        city: str

    said = ChatResponse(
        "anthropic", "r-2", "m", (Choice(0, (Text('{"city":"Lima"}'),), "stop"),), usage=USAGE
    )

    def answer(request: ClientRequest) -> Told:
        asked = CLIENT.parse(request, CLIENT.glance(request))
        assert asked.format is not None
        assert asked.format.strict
        return Told(200, "application/json", [CLIENT.render(said, asked)])

    with serving(answer) as address:
        async with AsyncOpenAI(api_key=KEY, base_url=f"{address}/v1", max_retries=0) as client:
            found = await client.chat.completions.parse(
                model="chat",
                messages=[{"role": "user", "content": "Where?"}],
                response_format=Place,
            )
    assert found.choices[0].message.parsed == Place(city="Lima")


def test_the_official_client_reads_an_error_inside_a_stream() -> None:
    def answer(request: ClientRequest) -> Told:
        renderer = CLIENT.renderer(ASKED)
        pieces = [
            renderer.render(STREAM[0] + STREAM[4]),
            renderer.fail(UpstreamFailed("It broke.")),
        ]
        assert renderer.close() == b""
        return Told(200, CLIENT.stream_type(request).decode(), pieces)

    with serving(answer) as address:
        client = OpenAI(api_key=KEY, base_url=f"{address}/v1", max_retries=0)
        with client:
            stream = client.chat.completions.create(
                model="chat", messages=[{"role": "user", "content": "Hi"}], stream=True
            )
            assert next(iter(stream)).choices[0].delta.content == "Hi"
            with pytest.raises(openai.APIError, match="It broke"):
                list(stream)


def test_the_official_client_reads_a_refusal_of_the_request() -> None:
    with serving(answering) as address:
        client = OpenAI(api_key=KEY, base_url=f"{address}/v1", max_retries=0)
        with client, pytest.raises(openai.BadRequestError) as caught:
            client.chat.completions.create(
                model="chat",
                messages=[{"role": "tool", "content": "x", "tool_call_id": ""}],
            )
    assert caught.value.param == "messages[0].tool_call_id"


LEGACY = ChatRequest(
    "openai",
    "chat",
    (Message("user", (Text("Hi"),)),),
    tools=(Tool("weather", extra={"legacy_function": Raw(b"true")}),),
)


def test_a_client_of_the_deprecated_functions_gets_a_function_call() -> None:
    whole = ChatCompletion.model_validate_json(CLIENT.render(ANSWER, LEGACY), strict=True)
    assert whole.choices[0].finish_reason == "function_call"
    assert whole.choices[0].message.tool_calls is None
    assert whole.choices[0].message.function_call is not None
    assert whole.choices[0].message.function_call.name == "weather"
    text = b"".join(streamed(LEGACY)).decode()
    events = [event.removeprefix("data: ") for event in text.split("\n\n") if "{" in event]
    found = [ChatCompletionChunk.model_validate_json(event, strict=True) for event in events]
    calls = [chunk.choices[0].delta.function_call for chunk in found if chunk.choices]
    assert "".join(call.arguments or "" for call in calls if call) == '{"city":"Lima"}'
    assert found[-2].choices[0].finish_reason == "function_call"
