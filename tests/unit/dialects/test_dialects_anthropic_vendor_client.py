"""The official clients talk to a server that answers with what our face writes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import anthropic
import pytest
from anthropic_vendor import make_upstream, serving

from federation import errors
from federation.dialects.anthropic.client import CLIENT
from federation.dialects.anthropic.render import render_count
from federation.errors import FederationError
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
from federation.schema.http import ClientReply, ClientRequest
from federation.schema.parts import Citation, Text, Thinking, ToolCall
from federation.schema.usage import Usage

JSON = [(b"content-type", b"application/json")]
EVENTS = [(b"content-type", b"text/event-stream")]
USAGE = Usage(100, 12, cached=40, cache_write=10, reasoning=5)
PARTS: tuple[Thinking | Text | ToolCall, ...] = (
    Thinking("Hm, ja.", "sig-1"),
    Thinking(sealed="sealed-1"),
    Text("Grüße 👋", citations=(Citation("T", "https://a.test", "q"),)),
    ToolCall("call_1", "look", '{"city": "Lima"}'),
    ToolCall("call_2", "look", "{}"),
)


class Gateway:
    """Our client face, with a canned answer behind it."""

    def __init__(self) -> None:
        self.seen: list[ChatRequest] = []
        self.requests: list[ClientRequest] = []
        self.error: FederationError | None = None
        self.break_off: FederationError | None = None

    def __call__(self, request: ClientRequest) -> ClientReply:
        self.requests.append(request)
        try:
            if self.error is not None:
                raise self.error
            glance = CLIENT.glance(request)
            parsed = CLIENT.parse(request, glance)
        except FederationError as error:
            return CLIENT.render_error(error, "call-7")
        self.seen.append(parsed)
        if request.path.endswith("/count_tokens"):
            return ClientReply(200, JSON, render_count(42))
        if parsed.stream:
            return ClientReply(200, EVENTS, self._stream(parsed))
        choice = Choice(0, PARTS, "tool_calls", "tool_calls")
        response = ChatResponse("openai", "resp_1", "gpt-x", (choice,), usage=USAGE)
        return ClientReply(200, JSON, CLIENT.render(response, parsed))

    def _stream(self, request: ChatRequest) -> bytes:
        renderer = CLIENT.renderer(request)
        out = renderer.render([Begun("resp_1", "gpt-x")])
        for chunk in chunks():
            out += renderer.render([chunk])
            if self.break_off is not None and isinstance(chunk, PartEnded):
                return out + renderer.fail(self.break_off)
        return out + renderer.close()


def chunks() -> list[Chunk]:
    found: list[Chunk] = []
    for place, part in enumerate(PARTS):
        if isinstance(part, Thinking):
            found.append(PartBegun(0, place, Thinking(sealed=part.sealed)))
            found.append(Delta(0, place, part.text, signature=part.signature))
        elif isinstance(part, Text):
            found.append(PartBegun(0, place, Text("")))
            found += [Delta(0, place, letter) for letter in part.text]
            found += [Delta(0, place, citation=citation) for citation in part.citations]
        else:
            found.append(PartBegun(0, place, ToolCall(part.id, part.name, "")))
            found += [Delta(0, place, part.arguments[:3]), Delta(0, place, part.arguments[3:])]
        found.append(PartEnded(0, place))
    return [*found, Finished(0, "tool_calls", "tool_calls"), UsageSeen(USAGE)]


@pytest.fixture
def gateway() -> Gateway:
    return Gateway()


@pytest.fixture
def address(gateway: Gateway) -> Iterator[str]:
    with serving(gateway) as found:
        yield found


@pytest.fixture
def client(address: str) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=address, api_key="k-1", max_retries=0) as found:
        yield found


ASK: dict[str, Any] = {
    "model": "auto",
    "max_tokens": 64,
    "messages": [{"role": "user", "content": "Where?"}],
    "tools": [{"name": "look", "input_schema": {"type": "object", "properties": {}}}],
}


def check(message: Any) -> None:
    assert (message.id, message.model, message.stop_reason) == ("resp_1", "gpt-x", "tool_use")
    kinds = ["thinking", "redacted_thinking", "text", "tool_use", "tool_use"]
    assert [block.type for block in message.content] == kinds
    thinking, redacted, text, call, empty = message.content
    assert (thinking.thinking, thinking.signature) == ("Hm, ja.", "sig-1")
    assert redacted.data == "sealed-1"
    assert text.text == "Grüße 👋"
    assert text.citations[0].url == "https://a.test"
    assert (call.id, call.input, empty.input) == ("call_1", {"city": "Lima"}, {})
    usage = message.usage
    assert (usage.input_tokens, usage.cache_read_input_tokens) == (50, 40)
    assert (usage.cache_creation_input_tokens, usage.output_tokens) == (10, 12)
    assert usage.output_tokens_details.thinking_tokens == 5


def test_a_whole_answer(client: anthropic.Anthropic, gateway: Gateway) -> None:
    check(client.messages.create(**ASK))
    headers = gateway.requests[0].headers
    assert headers[b"anthropic-version"] == b"2026-10-21"


def test_an_answer_goes_back_into_the_conversation(
    client: anthropic.Anthropic, gateway: Gateway
) -> None:
    message = client.messages.create(**ASK)
    results: list[Any] = [
        {"type": "tool_result", "tool_use_id": block.id, "content": "seen"}
        for block in message.content
        if block.type == "tool_use"
    ]
    history: list[Any] = [
        *ASK["messages"],
        {"role": "assistant", "content": message.content},
        {"role": "user", "content": results},
    ]
    client.messages.create(**{**ASK, "messages": history})
    parts = gateway.seen[1].messages[1].parts
    assert parts[0] == PARTS[0]
    assert parts[1] == PARTS[1]
    assert parts[3] == ToolCall("call_1", "look", '{"city":"Lima"}')
    upstream = make_upstream()
    sent = json.loads(upstream.encode(gateway.seen[1]).request.body)
    assert [block["type"] for block in sent["messages"][1]["content"]] == [
        "thinking",
        "redacted_thinking",
        "text",
        "tool_use",
        "tool_use",
    ]
    assert "citations" not in sent["messages"][1]["content"][2]


def test_a_stream_adds_up_to_the_same_message(client: anthropic.Anthropic) -> None:
    with client.messages.stream(**ASK) as stream:
        words = "".join(stream.text_stream)
        check(stream.get_final_message())
    assert words == "Grüße 👋"


def test_raw_events_and_the_beta_client(client: anthropic.Anthropic, gateway: Gateway) -> None:
    kinds = [event.type for event in client.messages.create(**ASK, stream=True)]
    assert kinds[0] == "message_start"
    assert kinds[-2:] == ["message_delta", "message_stop"]
    with client.beta.messages.stream(**ASK, betas=["interleaved-thinking-2025-05-14"]) as stream:
        check(stream.get_final_message())
    assert gateway.seen[-1].betas == ("interleaved-thinking-2025-05-14",)
    check(client.beta.messages.create(**ASK))


def test_a_count(client: anthropic.Anthropic, gateway: Gateway) -> None:
    counted = client.messages.count_tokens(
        model="auto", messages=ASK["messages"], thinking={"type": "adaptive"}
    )
    assert counted.input_tokens == 42
    assert gateway.requests[0].path == "/v1/messages/count_tokens"


async def test_the_async_client(address: str) -> None:
    async with anthropic.AsyncAnthropic(base_url=address, api_key="k", max_retries=0) as client:
        check(await client.messages.create(**ASK))
        async with client.messages.stream(**ASK) as stream:
            check(await stream.get_final_message())
        counted = await client.messages.count_tokens(model="auto", messages=ASK["messages"])
        assert counted.input_tokens == 42


RAISED: list[tuple[FederationError, type[anthropic.APIStatusError]]] = [
    (errors.InvalidRequest("no", param="x"), anthropic.BadRequestError),
    (errors.Unauthorized("no"), anthropic.AuthenticationError),
    (errors.NotEligible("no", removed={"a": "b"}), anthropic.PermissionDeniedError),
    (errors.NotFound("no"), anthropic.NotFoundError),
    (errors.RequestTimeout("no"), anthropic.APIStatusError),
    (errors.PayloadTooLarge("no"), anthropic.RequestTooLargeError),
    (errors.RateLimited("no", retry_after_s=3), anthropic.RateLimitError),
    (errors.UpstreamTimeout("no"), anthropic.APIStatusError),
    (errors.UpstreamFailed("no"), anthropic.InternalServerError),
    (errors.Unavailable("no"), anthropic.APIStatusError),
    (errors.UpstreamRateLimited("no", status=529), anthropic.APIStatusError),
]


@pytest.mark.parametrize(("error", "kind"), RAISED, ids=[type(e).__name__ for e, _ in RAISED])
def test_an_error_is_the_clients_own_class(
    client: anthropic.Anthropic,
    gateway: Gateway,
    error: FederationError,
    kind: type[anthropic.APIStatusError],
) -> None:
    gateway.error = error
    with pytest.raises(kind) as caught:
        client.messages.create(**ASK)
    assert caught.value.status_code == error.status
    assert caught.value.request_id == "call-7"
    assert caught.value.api_message == "no"
    assert caught.value.error_code == error.code


def test_a_refusal_of_the_face_names_the_field(client: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.BadRequestError) as caught:
        client.messages.create(**{**ASK, "messages": [{"role": "user", "content": [{"type": 3}]}]})
    assert "messages[0].content[0].type" in str(caught.value.api_message)


def test_a_stream_that_breaks_raises(client: anthropic.Anthropic, gateway: Gateway) -> None:
    gateway.break_off = errors.UpstreamCut("It broke off.")
    with (
        pytest.raises(anthropic.APIStatusError) as caught,
        client.messages.stream(**ASK) as stream,
    ):
        stream.get_final_message()
    assert caught.value.api_message == "It broke off."


Sign = Callable[[str], anthropic.Anthropic]


@pytest.mark.parametrize("version", ["2023-06-01", "2026-10-21"])
def test_both_versions_and_ways_to_sign_in(address: str, gateway: Gateway, version: str) -> None:
    with anthropic.Anthropic(
        base_url=address,
        api_key="k-1",
        max_retries=0,
        default_headers={"anthropic-version": version, "x-api-key": "k-1"},
    ) as client:
        check(client.messages.create(**ASK))
    assert gateway.requests[0].headers[b"x-api-key"] == b"k-1"
