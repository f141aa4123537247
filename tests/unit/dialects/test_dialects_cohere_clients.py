"""The official client talks to what this dialect writes, over a real connection."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import cohere
import httpx
import pytest
from cohere.core.api_error import ApiError
from loopback_face import Told, serving, told
from native_dialects import Case, fed, golden, make_upstream

from federation.dialects.cohere.client import CLIENT
from federation.dialects.cohere.upstream import prepare
from federation.errors import (
    FederationError,
    InvalidRequest,
    NotEligible,
    RateLimited,
    Unauthorized,
    Unavailable,
    UpstreamCut,
)
from federation.schema.chat import ChatRequest, ChatResponse, Choice, TokenLogprob
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
from federation.schema.parts import Citation, Media, Refusal, Text, Thinking, ToolCall
from federation.schema.usage import Usage

ANSWERS = golden("cohere", "answer")
STREAMS = golden("cohere", "stream")
ONCE: Any = {"max_retries": 0}
ASK: Any = {"model": "acme-large", "messages": [{"role": "user", "content": "Hi"}]}
FOREIGN = ChatResponse(
    "anthropic",
    "msg_1",
    "claude",
    (
        Choice(
            0,
            (
                Thinking("Hm.", signature="s"),
                Text("See it.", citations=(Citation("A", "https://a.test", "q", 0, 3),)),
                ToolCall("toolu_1", "f", '{"a":1}'),
            ),
            "tool_calls",
            "tool_use",
        ),
    ),
    usage=Usage(20, 5, cached=8, units={"search": 1}),
)


@contextmanager
def answering(answer: Callable[[ChatRequest], Told]) -> Iterator[str]:
    """A server whose calls are read by the face before they are answered."""

    def serve(request: ClientRequest) -> Told:
        assert request.path == "/v2/chat"
        try:
            return answer(CLIENT.parse(request, CLIENT.glance(request)))
        except FederationError as error:
            return told(CLIENT.render_error(error, "call-1"))

    with serving(serve) as address:
        yield address


@contextmanager
def client(address: str) -> Iterator[cohere.ClientV2]:
    with httpx.Client() as connections:
        yield cohere.ClientV2(api_key="k", base_url=address, httpx_client=connections)


def whole(response: ChatResponse) -> Callable[[ChatRequest], Told]:
    return lambda request: Told(200, "application/json", [CLIENT.render(response, request)])


def streamed(chunks: list[Chunk], error: FederationError | None = None) -> Any:
    def answer(request: ChatRequest) -> Told:
        assert request.stream
        renderer = CLIENT.renderer(request)
        pieces = [renderer.render([chunk]) for chunk in chunks]
        pieces.append(renderer.fail(error) if error is not None else renderer.close())
        return Told(200, "text/event-stream", pieces)

    return answer


def upstream() -> Any:
    return make_upstream(prepare, "cohere")


@pytest.mark.parametrize("name", ["answer_plain", "answer_tools", "answer_citations",
                                  "answer_thinking", "answer_logprobs"])  # fmt: skip
def test_the_client_reads_a_whole_answer(name: str) -> None:
    answer = ANSWERS[name]["answer"]
    with (
        answering(whole(upstream().decode(json.dumps(answer).encode()))) as address,
        client(address) as asking,
    ):
        found = asking.chat(**ASK)
    assert json.loads(found.json(exclude_unset=True)) == answer


def test_states_of_reasoning_come_back_through_the_client() -> None:
    seen: list[ChatRequest] = []
    parts = (
        Thinking("Hm.", signature="s"),
        Thinking(sealed="x"),
        Text("Yes.", signature="t"),
        ToolCall("toolu_1", "f", "{}"),
    )
    response = ChatResponse("anthropic", "a", "m", (Choice(0, parts, "tool_calls"),))

    def answer(request: ChatRequest) -> Told:
        seen.append(request)
        return whole(response)(request)

    with answering(answer) as address, client(address) as asking:
        found = asking.chat(**ASK)
        again: Any = [
            *ASK["messages"],
            found.message,
            {"role": "tool", "tool_call_id": "toolu_1", "content": "19"},
        ]
        asking.chat(model="acme-large", messages=again)
    assert seen[1].messages[1].parts == parts
    encoded = upstream().encode(seen[1])
    assert encoded.losses == ("thinking_state",)
    assert b"signature" not in encoded.request.body


def test_a_streamed_state_goes_with_its_block() -> None:
    chunks: list[Chunk] = [
        Begun("a", "m"),
        PartBegun(0, 0, Thinking()),
        Delta(0, 0, "Hm."),
        Delta(0, 0, signature="s"),
        PartEnded(0, 0),
        Finished(0, "stop"),
    ]
    with answering(streamed(chunks)) as address, client(address) as asking:
        events: list[Any] = list(asking.chat_stream(**ASK))
    contents = [event.delta.message.content for event in events if event.type == "content-delta"]
    assert [(item.thinking, getattr(item, "signature", None)) for item in contents] == [
        ("Hm.", None),
        ("", "s"),
    ]


def test_the_client_reads_an_answer_of_another_dialect() -> None:
    with answering(whole(FOREIGN)) as address, client(address) as asking:
        found = asking.chat(**ASK)
    message = found.message
    assert found.finish_reason == "TOOL_CALL"
    assert message.content is not None
    assert [item.type for item in message.content] == ["thinking", "text"]
    assert message.tool_calls is not None
    assert message.tool_calls[0].function is not None
    assert message.tool_calls[0].function.arguments == '{"a":1}'
    assert message.citations is not None
    assert (message.citations[0].text, message.citations[0].content_index) == ("See", 1)
    assert found.usage is not None
    assert found.usage.billed_units is not None
    assert found.usage.billed_units.search_units == 1
    assert found.usage.cached_tokens == 8


@pytest.mark.parametrize("name", ["plain", "tools", "citations", "thinking", "logprobs"])
def test_the_client_reads_a_stream(name: str) -> None:
    case: Case = STREAMS[f"stream_{name}"]
    chunks = fed(upstream().decoder(), [event.encode() for event in case["events"]])
    with answering(streamed(chunks)) as address, client(address) as asking:
        events = list(asking.chat_stream(**ASK))
    expected = [
        json.loads(event.split("\ndata: ")[1])["type"]
        for joined in case["events"]
        for event in joined.split("\n\n")
        if event
    ]
    kinds = [event.type for event in events if not is_odds(event)]
    # A text is open until the next part begins, so its end may come after its citations.
    assert sorted(kinds) == sorted(expected)
    end: Any = events[-1]
    assert end.delta.finish_reason == case["whole"]["finish_reason"]
    assert json.loads(end.delta.usage.json(exclude_unset=True)) == case["whole"]["usage"]
    deltas: list[Any] = [event for event in events if event.type == "content-delta"]
    text = "".join(event.delta.message.content.text or "" for event in deltas)
    parts = case["whole"]["message"].get("content", [])
    assert text == "".join(part.get("text", "") for part in parts)


def is_odds(event: Any) -> bool:
    """Probabilities travel in an event of their own."""
    return event.type == "content-delta" and event.logprobs is not None


def test_a_part_waits_until_the_one_before_it_has_ended() -> None:
    chunks: list[Chunk] = [
        Begun("a", "m"),
        PartBegun(0, 0, ToolCall("c0", "f", "")),
        Delta(0, 0, '{"a'),
        PartBegun(0, 1, ToolCall("c1", "g", "")),
        Delta(0, 1, "{"),
        Delta(0, 0, '":1}'),
        PartBegun(0, 2, Text("")),
        Delta(0, 2, "after"),
        Delta(0, 1, "}"),
        PartEnded(0, 0),
        PartEnded(0, 1),
        PartEnded(0, 2),
        UsageSeen(Usage(3, 4)),
        Finished(0, "tool_calls", "tool_use"),
    ]
    with answering(streamed(chunks)) as address, client(address) as asking:
        events: list[Any] = list(asking.chat_stream(**ASK))
    assert [(event.type, getattr(event, "index", None)) for event in events] == [
        ("message-start", None),
        ("tool-call-start", 0),
        ("tool-call-delta", 0),
        ("tool-call-delta", 0),
        ("tool-call-end", 0),
        ("tool-call-start", 1),
        ("tool-call-delta", 1),
        ("tool-call-delta", 1),
        ("tool-call-end", 1),
        ("content-start", 0),
        ("content-delta", 0),
        ("content-end", 0),
        ("message-end", None),
    ]
    assert events[-1].delta.finish_reason == "TOOL_CALL"
    assert events[-1].delta.usage.billed_units.input_tokens == 3


def test_citations_of_another_dialect_and_a_failure_are_told() -> None:
    failure = UpstreamCut("It broke.")
    chunks: list[Chunk] = [
        Begun("a", "m"),
        PartBegun(0, 0, Text("", citations=(Citation("First"),))),
        Delta(0, 0, "See it."),
        Delta(0, 0, citation=Citation("A", "https://a.test", "q", 0, 3)),
        Delta(1, 0, "of a second answer"),
        PartBegun(0, 1, Media("image", data="AAAA")),
        PartEnded(0, 0),
        PartEnded(0, 1),
        Logprobs(0, (TokenLogprob("See", -0.5),)),
    ]
    renderer = CLIENT.renderer(ChatRequest("cohere", "m", ()))
    found = [
        json.loads(event.split(b"\ndata: ")[1])
        for event in (renderer.render(chunks) + renderer.fail(failure)).split(b"\n\n")[:-1]
    ]
    cited = [event for event in found if event["type"] == "citation-start"]
    assert [event["delta"]["message"]["citations"]["text"] for event in cited] == ["", "See"]
    assert cited[1]["delta"]["message"]["citations"]["sources"][0]["document"] == {
        "title": "A",
        "url": "https://a.test",
        "snippet": "q",
    }
    assert b"second answer" not in json.dumps(found).encode()
    assert found[-1]["delta"] == {
        "finish_reason": "ERROR",
        "error": "It broke.",
        "code": "upstream_stream_cut",
    }
    assert (
        CLIENT.stream_type(ClientRequest("POST", "/v2/chat", "", {}, b"")) == b"text/event-stream"
    )


def test_a_part_that_never_ended_is_closed_at_the_end() -> None:
    renderer = CLIENT.renderer(ChatRequest("cohere", "m", ()))
    renderer.render([Begun("a", "m"), PartBegun(0, 0, ToolCall("c", "f", "{}"))])
    assert renderer.render([PartBegun(0, 1, Refusal("No."))]) == b""
    closing = [line for line in renderer.close().split(b"\n") if line.startswith(b"event")]
    assert closing == [
        b"event: tool-call-end",
        b"event: content-start",
        b"event: content-delta",
        b"event: content-end",
        b"event: message-end",
    ]


def test_a_broken_stream_ends_with_an_error() -> None:
    chunks: list[Chunk] = [Begun("a", "m"), PartBegun(0, 0, Text("")), Delta(0, 0, "half")]
    broken = streamed(chunks, UpstreamCut("The provider hung up.", code="upstream_stream_cut"))
    with answering(broken) as address, client(address) as asking:
        events: list[Any] = list(asking.chat_stream(**ASK))
    assert events[-1].type == "message-end"
    assert events[-1].delta.finish_reason == "ERROR"
    assert events[-1].delta.error == "The provider hung up."


def test_everything_the_client_can_send_is_read() -> None:
    seen: list[ChatRequest] = []

    def answer(request: ChatRequest) -> Told:
        seen.append(request)
        return whole(FOREIGN)(request)

    tool: Any = {
        "type": "function",
        "function": {"name": "f", "description": "F.", "parameters": {"type": "object"}},
    }
    with answering(answer) as address, client(address) as asking:
        asking.chat(
            model="acme-large",
            messages=[
                cohere.SystemChatMessageV2(content="Brief."),
                cohere.UserChatMessageV2(
                    content=[
                        cohere.TextContent(text="What?"),
                        cohere.ImageUrlContent(
                            image_url=cohere.ImageUrl(url="data:image/png;base64,aGk=")
                        ),
                    ]
                ),
                cohere.AssistantChatMessageV2(
                    tool_plan="I look.",
                    tool_calls=[
                        cohere.ToolCallV2(
                            id="c1",
                            function=cohere.ToolCallV2Function(name="f", arguments="{}"),
                        )
                    ],
                ),
                cohere.ToolChatMessageV2(tool_call_id="c1", content="19"),
            ],
            tools=[cohere.ToolV2(**tool)],
            strict_tools=True,
            documents=["A.", cohere.Document(id="d", data={"text": "B."})],
            citation_options=cohere.CitationOptions(mode="FAST"),
            response_format=cohere.JsonObjectResponseFormatV2(json_schema={"type": "object"}),
            safety_mode="STRICT",
            max_tokens=5,
            stop_sequences=["x"],
            temperature=0.5,
            seed=1,
            frequency_penalty=0.1,
            presence_penalty=0.2,
            k=3,
            p=0.4,
            logprobs=True,
            tool_choice="REQUIRED",
            thinking=cohere.Thinking(type="enabled", token_budget=9),
            priority=2,
        )
    request = seen[0]
    sent = upstream().encode(request)
    assert sent.losses == ()
    body = json.loads(sent.request.body)
    assert set(body) == {
        "model", "messages", "tools", "strict_tools", "documents", "citation_options",
        "response_format", "safety_mode", "max_tokens", "stop_sequences", "temperature", "seed",
        "frequency_penalty", "presence_penalty", "k", "p", "logprobs", "tool_choice", "thinking",
        "priority",
    }  # fmt: skip
    assert body["tools"] == [tool]
    assert body["documents"] == ["A.", {"id": "d", "data": {"text": "B."}}]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (InvalidRequest("Bad.", param="k"), cohere.BadRequestError),
        (Unauthorized("No key."), cohere.UnauthorizedError),
        (NotEligible("None.", removed={"a/b": "residency"}), cohere.ForbiddenError),
        (RateLimited("Slow.", retry_after_s=0.2), cohere.TooManyRequestsError),
        (Unavailable("Later."), cohere.ServiceUnavailableError),
    ],
)
def test_the_client_knows_our_errors(error: FederationError, kind: type[ApiError]) -> None:
    def answer(request: ChatRequest) -> Told:
        del request
        raise error

    with answering(answer) as address, client(address) as asking:
        for call in (
            lambda: asking.chat(**ASK, request_options=ONCE),
            lambda: list(asking.chat_stream(**ASK, request_options=ONCE)),
        ):
            with pytest.raises(kind) as caught:
                call()
            assert caught.value.body["message"] == error.message
            assert caught.value.body["code"] == error.code


async def test_the_asynchronous_client_reads_both_forms() -> None:
    plain = ANSWERS["answer_tools"]["answer"]
    with answering(whole(upstream().decode(json.dumps(plain).encode()))) as address:
        async with httpx.AsyncClient() as connections:
            asking = cohere.AsyncClientV2(api_key="k", base_url=address, httpx_client=connections)
            found = await asking.chat(**ASK)
    assert found.message.tool_plan == "I will look it up."
    case = STREAMS["stream_tools"]
    chunks = fed(upstream().decoder(), [event.encode() for event in case["events"]])
    with answering(streamed(chunks)) as address:
        async with httpx.AsyncClient() as connections:
            asking = cohere.AsyncClientV2(api_key="k", base_url=address, httpx_client=connections)
            events: list[Any] = [event async for event in asking.chat_stream(**ASK)]
    assert events[-1].delta.finish_reason == "TOOL_CALL"


def test_a_call_without_messages_is_refused_as_the_client_expects() -> None:
    with (
        answering(whole(FOREIGN)) as address,
        client(address) as asking,
        pytest.raises(cohere.BadRequestError) as caught,
    ):
        asking.chat(model="m", messages=[], request_options=ONCE)
    assert caught.value.body["param"] == "messages"
