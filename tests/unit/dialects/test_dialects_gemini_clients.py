"""The official client talks to what this dialect writes, over a real connection."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from google import genai
from google.genai import types
from google.genai.errors import APIError
from loopback_face import Told, serving, told
from native_dialects import Case, fed, golden, make_upstream

from federation.dialects.carriage import wrap
from federation.dialects.gemini.client import CLIENT
from federation.dialects.gemini.count import render_count
from federation.dialects.gemini.paths import COUNT, route
from federation.dialects.gemini.upstream import prepare
from federation.errors import (
    FederationError,
    InvalidRequest,
    NotEligible,
    RateLimited,
    Unauthorized,
    UpstreamCut,
)
from federation.schema.chat import ChatRequest, ChatResponse, Choice, Message, TokenLogprob
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
from federation.schema.parts import Citation, Part, Refusal, Text, Thinking, ToolCall, ToolResult
from federation.schema.usage import Usage

KEY = b"0123456789abcdef"
ONCE = types.GenerateContentConfig(automatic_continuation=False)
BASE = "https://api.acme.test/v1beta"
FOREIGN = ChatResponse(
    "anthropic",
    "msg_1",
    "claude",
    (
        Choice(
            0,
            (
                Thinking("Hm.", signature="c2lnbmF0dXJl+/=="),
                Thinking(sealed="c2VhbGVk"),
                Text("Æ: see it.", citations=(Citation("A", "https://a.test", "see it.", 3, 10),)),
                ToolCall("toolu_1", "weather", '{"city": "Oslo"}'),
            ),
            "tool_calls",
            "tool_use",
        ),
    ),
    usage=Usage(20, 5, cached=8, reasoning=2),
)
CARRIED = wrap(FOREIGN, "anthropic", KEY, "gemini", ids=False)
"""With its states as the gateway hands them out."""
CHUNKS: list[Chunk] = [
    Begun("msg_1", "claude"),
    PartBegun(0, 0, Thinking("")),
    Delta(0, 0, "H"),
    Delta(0, 0, "m.", signature="U0lH"),
    PartEnded(0, 0),
    PartBegun(0, 1, Text("")),
    Delta(0, 1, "Æ: see"),
    Delta(0, 1, " it."),
    Delta(0, 1, citation=Citation("A", "https://a.test", "see it.", 3, 10)),
    PartEnded(0, 1),
    PartBegun(0, 2, ToolCall("toolu_1", "weather", "")),
    PartBegun(0, 3, ToolCall("toolu_2", "weather", "")),
    Delta(0, 3, '{"city":"Ber'),
    Delta(0, 2, '{"city":'),
    Delta(0, 3, 'gen"}'),
    PartEnded(0, 3),
    Delta(0, 2, '"Oslo"}'),
    PartEnded(0, 2),
    Finished(0, "tool_calls", "tool_use"),
    UsageSeen(Usage(20, 5, cached=8, reasoning=2)),
]


@contextmanager
def answering(
    answer: Callable[[ChatRequest, ClientRequest], Told], seen: list[ChatRequest] | None = None
) -> Iterator[str]:
    """A server whose calls are read by the face before they are answered."""

    def serve(request: ClientRequest) -> Told:
        assert route(request.path) is not None, request.path
        try:
            call = CLIENT.parse(request, CLIENT.glance(request))
            if seen is not None:
                seen.append(call)
            return answer(call, request)
        except FederationError as error:
            return told(CLIENT.render_error(error, "call-1"))

    with serving(serve) as address:
        yield address


@contextmanager
def client(address: str, **options: Any) -> Iterator[genai.Client]:
    made = genai.Client(api_key="k", http_options=types.HttpOptions(base_url=address, **options))
    try:
        yield made
    finally:
        made.close()


def whole(response: ChatResponse) -> Callable[[ChatRequest, ClientRequest], Told]:
    return lambda call, _: Told(200, "application/json", [CLIENT.render(response, call)])


def streamed(
    chunks: list[Chunk], error: FederationError | None = None
) -> Callable[[ChatRequest, ClientRequest], Told]:
    def answer(call: ChatRequest, request: ClientRequest) -> Told:
        renderer = CLIENT.renderer(call)
        pieces = [renderer.render([chunk]) for chunk in chunks]
        pieces.append(renderer.close() if error is None else renderer.fail(error))
        return Told(200, CLIENT.stream_type(request).decode(), pieces)

    return answer


@pytest.mark.parametrize("version", ["v1", "v1beta"])
def test_a_foreign_answer_reaches_the_client(version: str) -> None:
    seen: list[ChatRequest] = []
    with answering(whole(CARRIED), seen) as address, client(address, api_version=version) as one:
        found = one.models.generate_content(model="acme/auto:fast", contents="Hi")
    assert (seen[0].model, seen[0].stream) == ("acme/auto:fast", False)
    assert seen[0].messages == (Message("user", (Text("Hi"),)),)
    assert found.text == "Æ: see it."
    assert found.function_calls is not None
    call = found.function_calls[0]
    assert (call.id, call.name, call.args) == ("toolu_1", "weather", {"city": "Oslo"})
    assert found.candidates is not None
    first = found.candidates[0]
    assert first.finish_reason is types.FinishReason.STOP
    assert first.citation_metadata is not None
    assert first.citation_metadata.citations is not None
    cited = first.citation_metadata.citations[0]
    assert (cited.start_index, cited.end_index, cited.uri) == (4, 11, "https://a.test")
    usage = found.usage_metadata
    assert usage is not None
    assert (usage.prompt_token_count, usage.candidates_token_count) == (20, 3)
    assert (usage.thoughts_token_count, usage.cached_content_token_count) == (2, 8)
    assert usage.total_token_count == 25
    assert (found.model_version, found.response_id) == ("claude", "msg_1")


def test_every_golden_answer_reaches_the_client() -> None:
    face = make_upstream(prepare, "gemini", base_url=BASE)
    for name, case in golden("gemini", "answer").items():
        response = face.decode(json.dumps(case["answer"]).encode())
        with answering(whole(response)) as address, client(address) as one:
            found = one.models.generate_content(model="m", contents="Hi", config=ONCE)
        theirs = types.GenerateContentResponse.model_validate(case["answer"])
        assert (found.text or None) == theirs.text, name
        assert found.function_calls == theirs.function_calls, name


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_a_foreign_stream_reaches_the_client(asynchronous: bool) -> None:
    config = types.GenerateContentConfig(system_instruction="Be brief.", temperature=0.1)
    ask: Any = {"model": "m", "contents": "Hi", "config": config}
    seen: list[ChatRequest] = []
    with answering(streamed(CHUNKS), seen) as address, client(address) as one:
        if asynchronous:
            stream = await one.aio.models.generate_content_stream(**ask)
            found = [event async for event in stream]
            await one.aio.aclose()
        else:
            found = list(one.models.generate_content_stream(**ask))
    assert seen[0].stream
    assert seen[0].messages[0] == Message("system", (Text("Be brief."),))
    texts = [event.text for event in found if event.text]
    assert texts == ["Æ: see", " it."]
    parts = [part for event in found for part in event.parts or []]
    assert [part.text for part in parts if part.thought] == ["H", "m.", ""]
    assert [part.thought_signature for part in parts if part.thought_signature] == [b"SIG"]
    calls = [part.function_call for part in parts if part.function_call]
    assert [call.args for call in calls] == [{"city": "Oslo"}, {"city": "Bergen"}]
    last = found[-1]
    assert last.candidates is not None
    assert last.candidates[0].finish_reason is types.FinishReason.STOP
    cited = last.candidates[0].citation_metadata
    assert cited is not None
    assert cited.citations is not None
    assert (cited.citations[0].start_index, cited.citations[0].end_index) == (4, 11)
    assert last.usage_metadata is not None
    assert last.usage_metadata.total_token_count == 25


@pytest.mark.parametrize("case", golden("gemini", "stream").values())
def test_every_golden_stream_reaches_the_client(case: Case) -> None:
    face = make_upstream(prepare, "gemini", base_url=BASE)
    data = b"".join(b"data: %b\r\n\r\n" % json.dumps(one).encode() for one in case["events"])
    chunks = fed(face.decoder(), [data])
    with answering(streamed(chunks)) as address, client(address) as one:
        found = list(one.models.generate_content_stream(model="m", contents="Hi"))
    firsts = [one for event in found for one in event.candidates or [] if not one.index]
    said = "".join(
        part.text or ""
        for first in firsts
        for part in (first.content and first.content.parts) or []
        if not part.thought
    )
    theirs = types.GenerateContentResponse.model_validate(case["whole"])
    assert said == (theirs.text or "")


def test_a_chat_keeps_a_streamed_turn_and_its_states() -> None:
    """The client drops a turn from its history if any event of it had no part."""
    seen: list[ChatRequest] = []
    chunks: list[Chunk] = [
        Begun("r", "m"),
        PartBegun(0, 0, Text("")),
        Delta(0, 0, "Hel"),
        Delta(0, 0, "lo", signature="U0lH"),
        PartEnded(0, 0),
        Finished(0, "stop"),
        UsageSeen(Usage(1, 2)),
    ]
    with answering(streamed(chunks), seen) as address, client(address) as one:
        chat = one.chats.create(model="m")
        for words in ("Hi", "Again"):
            assert "".join(e.text or "" for e in chat.send_message_stream(words)) == "Hello"
        assert len(chat.get_history(curated=True)) > 2
    assert seen[1].messages == (
        Message("user", (Text("Hi"),)),
        Message("assistant", (Text("Hello", signature="U0lH"),)),
        Message("user", (Text("Again"),)),
    )


def test_the_client_runs_functions_by_itself() -> None:
    ran: list[str] = []

    def weather(city: str) -> str:
        """Look outside."""
        ran.append(city)
        return f"mild in {city}"

    def answer(call: ChatRequest, request: ClientRequest) -> Told:
        results = [part for message in call.messages for part in message.parts]
        asked = [part for part in results if isinstance(part, ToolResult)]
        parts: tuple[Part, ...] = (ToolCall("call_a", "weather", '{"city":"Oslo"}'),)
        if asked:
            assert asked[0].call_id == "call_a"
            assert asked[0].parts == (Text('{"result": "mild in Oslo"}'),)
            parts = (Text("It is mild."),)
        response = ChatResponse("openai", "r", "m", (Choice(0, parts, "stop"),))
        return whole(response)(call, request)

    seen: list[ChatRequest] = []
    with answering(answer, seen) as address, client(address) as one:
        found = one.models.generate_content(
            model="m",
            contents="Weather in Oslo?",
            config=types.GenerateContentConfig(tools=[weather]),
        )
    assert found.text == "It is mild."
    assert ran == ["Oslo"]
    tool = seen[0].tools[0]
    assert (tool.name, tool.description) == ("weather", "Look outside.")
    assert tool.schema is not None
    assert json.loads(bytes(tool.schema))["properties"] == {"city": {"type": "string"}}


def test_structured_output_is_parsed() -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    response = ChatResponse("openai", "r", "m", (Choice(0, (Text('{"n":3}'),), "stop"),))
    seen: list[ChatRequest] = []
    with answering(whole(response), seen) as address, client(address) as one:
        for name in ("response_schema", "response_json_schema"):
            config: Any = {"response_mime_type": "application/json", name: schema}
            found = one.models.generate_content(model="m", contents="Hi", config=config)
            assert found.parsed == {"n": 3}
    for call in seen:
        assert call.format is not None
        assert call.format.schema is not None
        assert json.loads(bytes(call.format.schema)) == schema


@pytest.mark.parametrize(
    ("error", "status", "word"),
    [
        (InvalidRequest("No.", param="contents[0].parts"), 400, "INVALID_ARGUMENT"),
        (Unauthorized("Send a key."), 401, "UNAUTHENTICATED"),
        (NotEligible("None is left.", removed={"acme/m": "region"}), 403, "PERMISSION_DENIED"),
        (RateLimited("Slow down.", retry_after_s=1.5), 429, "RESOURCE_EXHAUSTED"),
        (UpstreamCut("It broke off."), 502, "UNAVAILABLE"),
    ],
)
def test_errors_are_the_clients_own(error: FederationError, status: int, word: str) -> None:
    def refuse(call: ChatRequest, request: ClientRequest) -> Told:
        raise error

    with answering(refuse) as address, client(address) as one:
        with pytest.raises(APIError) as caught:
            one.models.generate_content(model="m", contents="Hi")
        with pytest.raises(APIError) as streaming:
            list(one.models.generate_content_stream(model="m", contents="Hi"))
    for found in (caught.value, streaming.value):
        assert (found.code, found.status, found.message) == (status, word, error.message)
    details = {
        one["@type"].rpartition(".")[2]: one for one in caught.value.details["error"]["details"]
    }
    assert details["ErrorInfo"]["reason"] == error.code.upper()
    if error.param:
        assert details["BadRequest"]["fieldViolations"][0]["field"] == error.param
    if error.retry_after_s:
        assert details["RetryInfo"]["retryDelay"] == "1.5s"


async def read(one: genai.Client) -> None:
    list(one.models.generate_content_stream(model="m", contents="Hi"))


async def read_async(one: genai.Client) -> None:
    stream = await one.aio.models.generate_content_stream(model="m", contents="Hi")
    assert [event async for event in stream]


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_a_stream_that_breaks_raises(asynchronous: bool) -> None:
    broken = UpstreamCut("It broke off.")
    with answering(streamed(CHUNKS[:7], broken)) as address, client(address) as one:
        said = read_async(one) if asynchronous else read(one)
        with pytest.raises(APIError) as caught:
            await said
        await one.aio.aclose()
    assert (caught.value.code, caught.value.message) == (502, "It broke off.")


def test_tokens_are_counted() -> None:
    def count(call: ChatRequest, request: ClientRequest) -> Told:
        found = route(request.path)
        assert found is not None
        assert found[1] == COUNT
        return Told(200, "application/json", [render_count(len(call.messages) * 10)])

    with answering(count) as address, client(address) as one:
        assert one.models.count_tokens(model="m", contents=["Hi"]).total_tokens == 10


def test_the_longer_form_is_spoken_too() -> None:
    seen: list[ChatRequest] = []
    paths: list[str] = []

    def answer(call: ChatRequest, request: ClientRequest) -> Told:
        paths.append(request.path)
        return (streamed(CHUNKS) if call.stream else whole(CARRIED))(call, request)

    with answering(answer, seen) as address:
        one = genai.Client(
            vertexai=True,
            api_key="k",
            http_options=types.HttpOptions(base_url=address),
        )
        found = one.models.generate_content(model="openai/gpt-6", contents="Hi")
        list(one.models.generate_content_stream(model="m", contents="Hi"))
        one.close()
    assert [call.model for call in seen] == ["openai/gpt-6", "m"]
    assert found.candidates is not None
    cited = found.candidates[0].citation_metadata
    assert cited is not None
    assert cited.citations is not None
    assert cited.citations[0].title == "A"


def test_logprobs_and_refusals_reach_the_client() -> None:
    tokens = (TokenLogprob("N", -0.5), TokenLogprob("o", -1.0))
    parts = (Refusal("No"),)
    chunks: list[Chunk] = [
        Begun("r", "m"),
        PartBegun(0, 0, Refusal("")),
        Delta(0, 0, "No"),
        Logprobs(0, tokens),
        PartEnded(0, 0),
        Finished(0, "filter", "content_filter"),
    ]
    response = ChatResponse("openai", "r", "m", (Choice(0, parts, "filter", logprobs=tokens),))

    def answer(call: ChatRequest, request: ClientRequest) -> Told:
        return (streamed(chunks) if call.stream else whole(response))(call, request)

    with answering(answer) as address, client(address) as one:
        at_once = one.models.generate_content(model="m", contents="Hi")
        events = list(one.models.generate_content_stream(model="m", contents="Hi"))
    assert (at_once.text, events[0].text) == ("No", "No")
    for found in (at_once, events[-1]):
        assert found.candidates is not None
        result = found.candidates[0].logprobs_result
        assert result is not None
        assert result.chosen_candidates is not None
        assert [one.log_probability for one in result.chosen_candidates] == [-0.5, -1.0]
    assert events[-1].candidates is not None
    assert events[-1].candidates[0].finish_reason is types.FinishReason.SAFETY


def test_a_call_with_broken_arguments_ends_as_malformed() -> None:
    chunks: list[Chunk] = [
        Begun("r", "m"),
        PartBegun(0, 0, ToolCall("a", "f", "")),
        Delta(0, 0, '{"a":'),
        PartEnded(0, 0),
        Finished(0, "length"),
    ]
    parts = (ToolCall("a", "f", '{"a":'),)
    response = ChatResponse("openai", "r", "m", (Choice(0, parts, "length"),))

    def answer(call: ChatRequest, request: ClientRequest) -> Told:
        return (streamed(chunks) if call.stream else whole(response))(call, request)

    with answering(answer) as address, client(address) as one:
        at_once = one.models.generate_content(model="m", contents="Hi")
        events = list(one.models.generate_content_stream(model="m", contents="Hi"))
    for found in (at_once, events[-1]):
        assert found.candidates is not None
        reason = found.candidates[0].finish_reason
        assert reason is types.FinishReason.MALFORMED_FUNCTION_CALL
        assert not found.function_calls
