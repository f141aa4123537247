"""The official client talks to what this dialect writes, over a real connection."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import ollama
import pytest
from loopback_face import Told, serving, told
from native_dialects import fed, golden, make_upstream

from federation.dialects.ollama import listing
from federation.dialects.ollama.client import CLIENT, GENERATE_CLIENT
from federation.dialects.ollama.upstream import prepare
from federation.domain.catalogue import Ability, Model
from federation.errors import (
    FederationError,
    InvalidRequest,
    RateLimited,
    Unavailable,
    UpstreamCut,
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
from federation.schema.parts import Media, Refusal, Text, Thinking, ToolCall, ToolResult
from federation.schema.usage import Usage

ANSWERS = golden("ollama", "answer")
STREAMS = golden("ollama", "stream")
ASK: Any = {"model": "acme-large", "messages": [{"role": "user", "content": "Hi"}]}
FACES = {"/api/chat": CLIENT, "/api/generate": GENERATE_CLIENT}
FOREIGN = ChatResponse(
    "openai",
    "chatcmpl-1",
    "gpt",
    (
        Choice(
            0,
            (
                Thinking("Hm."),
                Text("One."),
                Text("Two."),
                ToolCall("call_1", "f", '{"a":1.50}'),
                ToolCall("call_2", "g", '{"broken'),
            ),
            "tool_calls",
            "tool_calls",
        ),
    ),
    created=1_790_000_000,
    usage=Usage(20, 5, cached=8),
)
CHUNKS: list[Chunk] = [
    Begun("a", "gpt", 1_790_000_000),
    PartBegun(0, 0, Thinking()),
    Delta(0, 0, "Hm."),
    PartEnded(0, 0),
    PartBegun(0, 1, Text("")),
    Delta(0, 1, "One"),
    Delta(0, 1, "."),
    PartEnded(0, 1),
    PartBegun(0, 2, Text("")),
    Delta(0, 2, "Two."),
    PartEnded(0, 2),
    PartBegun(0, 3, ToolCall("call_1", "f", "")),
    Delta(0, 3, '{"a"'),
    PartBegun(0, 4, ToolCall("call_2", "g", "")),
    Delta(0, 3, ":1.50}"),
    Delta(0, 4, '{"broken'),
    PartEnded(0, 3),
    PartEnded(0, 4),
    Finished(0, "tool_calls", "tool_calls"),
    UsageSeen(Usage(20, 5, cached=8)),
]


@contextmanager
def answering(answer: Callable[[ChatRequest], Told]) -> Iterator[ollama.Client]:
    """A client of a server whose calls are read by the face before they are answered."""
    with serving(read_with(answer)) as address:
        client: Any = ollama.Client(host=address)
        try:
            yield client
        finally:
            client.close()


def read_with(answer: Callable[[ChatRequest], Told]) -> Callable[[ClientRequest], Told]:
    def serve(request: ClientRequest) -> Told:
        face = FACES[request.path]
        try:
            return answer(face.parse(request, face.glance(request)))
        except FederationError as error:
            return told(face.render_error(error, "call-1"))

    return serve


def whole(response: ChatResponse) -> Callable[[ChatRequest], Told]:
    return lambda request: Told(200, "application/json", [CLIENT.render(response, request)])


def streamed(
    chunks: list[Chunk], error: FederationError | None = None
) -> Callable[[ChatRequest], Told]:
    def answer(request: ChatRequest) -> Told:
        assert request.stream
        renderer = CLIENT.renderer(request)
        pieces = [renderer.render([chunk]) for chunk in chunks]
        pieces.append(renderer.fail(error) if error is not None else renderer.close())
        return Told(200, "application/x-ndjson", pieces)

    return answer


def upstream() -> Any:
    return make_upstream(prepare, "ollama", base_url="http://127.0.0.1:11434")


@pytest.mark.parametrize("name", ["plain", "thinking", "tools", "logprobs"])
def test_the_client_reads_a_whole_answer(name: str) -> None:
    answer = ANSWERS[f"answer_{name}"]["answer"]
    with answering(whole(upstream().decode(json.dumps(answer).encode()))) as client:
        found = client.chat(**ASK)
    assert found == ollama.ChatResponse(**answer)


def test_the_client_reads_an_answer_of_another_dialect() -> None:
    with answering(whole(FOREIGN)) as client:
        found = client.chat(**ASK)
    assert found.created_at == "2026-09-21T14:13:20Z"
    assert (found.message.thinking, found.message.content) == ("Hm.", "One.\n\nTwo.")
    assert found.message.tool_calls is not None
    assert [call.function.arguments for call in found.message.tool_calls] == [
        {"a": 1.5},
        {"input": '{"broken'},
    ]
    assert (found.done, found.done_reason) == (True, "stop")
    assert (found.prompt_eval_count, found.eval_count) == (20, 5)


def test_the_client_reads_a_stream_of_another_dialect_like_its_whole_answer() -> None:
    with answering(streamed(CHUNKS)) as client:
        parts = list(client.chat(**ASK, stream=True))
    assert "".join(part.message.thinking or "" for part in parts) == "Hm."
    assert "".join(part.message.content or "" for part in parts) == "One.\n\nTwo."
    calls = [call for part in parts for call in part.message.tool_calls or ()]
    assert [call.function.arguments for call in calls] == [{"a": 1.5}, {"input": '{"broken'}]
    assert [part.done for part in parts] == [False] * (len(parts) - 1) + [True]
    assert (parts[-1].done_reason, parts[-1].prompt_eval_count) == ("stop", 20)


def test_states_of_reasoning_come_back_with_the_message_that_they_came_with() -> None:
    parts: tuple[Text | Thinking, ...] = (
        Thinking("One.", signature="s1"),
        Thinking(sealed="x2"),
        Thinking("Three."),
        Text("Said."),
    )
    response = ChatResponse("anthropic", "", "m", (Choice(0, parts, "stop"),))
    request = ChatRequest("ollama", "m", (), stream=True)
    chunks: list[Chunk] = [Begun("", "m")]
    for index, part in enumerate(parts):
        state = part if isinstance(part, Thinking) else Thinking()
        head: Any = Thinking() if isinstance(part, Thinking) else Text("")
        chunks += [
            PartBegun(0, index, head),
            Delta(0, index, part.text, state.signature, state.sealed),
            PartEnded(0, index),
        ]
    renderer = CLIENT.renderer(request)
    data = renderer.render(chunks) + renderer.close()
    lines = [json.loads(line)["message"] for line in data.splitlines()]
    added = {
        **lines[-1],
        "thinking": "".join(line.get("thinking", "") for line in lines),
        "content": "".join(line["content"] for line in lines),
    }
    whole_message = json.loads(CLIENT.render(response, request))["message"]
    assert added == whole_message
    for message, expected in (
        (added, parts),
        ({**added, "thinking": "Changed."}, (Thinking("Changed."), Text("Said."))),
    ):
        body = {"model": "m", "messages": [{"role": "user", "content": "x"}, message]}
        asked = ClientRequest("POST", "/api/chat", "", {}, json.dumps(body).encode())
        assert CLIENT.parse(asked, CLIENT.glance(asked)).messages[1].parts == expected


@pytest.mark.parametrize("name", ["plain", "thinking", "tools", "logprobs"])
def test_the_client_reads_a_stream(name: str) -> None:
    case = STREAMS[f"stream_{name}"]
    chunks = fed(upstream().decoder(), [line.encode() for line in case["lines"]])
    with answering(streamed(chunks)) as client:
        parts = list(client.chat(**ASK, stream=True))
    message = case["whole"]["message"]
    assert "".join(part.message.content or "" for part in parts) == message["content"]
    assert "".join(part.message.thinking or "" for part in parts) == message.get("thinking", "")
    assert parts[-1].done_reason == case["whole"]["done_reason"]
    assert parts[-1].eval_count == case["whole"]["eval_count"]


def test_pictures_and_a_failure_are_told() -> None:
    chunks: list[Chunk] = [
        PartBegun(0, 0, Media("image", data="AAAA")),
        PartEnded(0, 0),
        PartBegun(0, 1, Refusal("No.")),
        Delta(1, 0, "of a second answer"),
        PartBegun(0, 2, ToolCall("c", "f", "")),
    ]
    renderer = CLIENT.renderer(ChatRequest("ollama", "m", ()))
    data = renderer.render(chunks) + renderer.close()
    messages = [json.loads(line)["message"] for line in data.splitlines()]
    assert messages[0]["images"] == ["AAAA"]
    assert messages[1]["content"] == "No."
    assert messages[2]["tool_calls"][0]["function"]["arguments"] == {}
    assert json.loads(renderer.fail(UpstreamCut("It broke.")))["error"] == "It broke."
    request = ClientRequest("POST", "/api/chat", "", {}, b"")
    assert CLIENT.stream_type(request) == b"application/x-ndjson"


def test_a_broken_stream_ends_with_an_error() -> None:
    with (
        answering(streamed(CHUNKS[:6], UpstreamCut("The provider hung up."))) as client,
        pytest.raises(ollama.ResponseError, match="The provider hung up"),
    ):
        list(client.chat(**ASK, stream=True))


def test_everything_the_client_can_send_is_read() -> None:
    seen: list[ChatRequest] = []

    def answer(request: ChatRequest) -> Told:
        seen.append(request)
        return whole(FOREIGN)(request)

    def add(a: int, b: int) -> int:
        """
        Add two numbers.

        Args:
          a: One.
          b: Another.
        """
        return a + b

    with answering(answer) as client:
        client.chat(
            model="acme-large",
            messages=[
                {"role": "system", "content": "Brief."},
                {"role": "user", "content": "What?", "images": [b"\x89PNG\r\n\x1a\n0000"]},
                ollama.Message(
                    role="assistant",
                    thinking="Hm.",
                    tool_calls=[
                        ollama.Message.ToolCall(
                            function=ollama.Message.ToolCall.Function(
                                name="add", arguments={"a": 1, "b": 2}
                            )
                        )
                    ],
                ),
                {"role": "tool", "tool_name": "add", "content": "3"},
            ],
            tools=[add],
            think="low",
            logprobs=True,
            top_logprobs=2,
            format={"type": "object"},
            options=ollama.Options(temperature=0.5, num_ctx=4096, stop=["x"]),
            keep_alive="5m",
        )
    request = seen[0]
    assert not request.stream
    assert request.messages[1].parts == (
        Media("image", "image/png", "iVBORw0KGgowMDAw"),
        Text("What?"),
    )
    assert request.messages[2].parts == (
        Thinking("Hm."),
        ToolCall("call_2_0", "add", '{"a":1,"b":2}'),
    )
    assert request.messages[3].parts == (ToolResult("call_2_0", (Text("3"),), "add"),)
    assert request.tools[0].name == "add"
    assert bytes(request.extra["options"]) == b'{"num_ctx":4096}'
    sent = upstream().encode(request)
    assert sent.losses == ()
    assert json.loads(sent.request.body)["options"] == {
        "num_ctx": 4096,
        "temperature": 0.5,
        "stop": ["x"],
    }


@pytest.mark.parametrize(
    "error",
    [InvalidRequest("Bad."), RateLimited("Slow.", retry_after_s=2.0), Unavailable("Later.")],
)
@pytest.mark.parametrize("stream", [False, True])
def test_the_client_knows_our_errors(error: FederationError, stream: bool) -> None:
    def answer(request: ChatRequest) -> Told:
        del request
        raise error

    ask = ASK | {"stream": stream}
    with answering(answer) as client:
        with pytest.raises(ollama.ResponseError) as caught:
            list(client.chat(**ask))
        assert (caught.value.error, caught.value.status_code) == (error.message, error.status)


def test_the_generate_call_is_a_chat_of_one_question() -> None:
    seen: list[ChatRequest] = []

    def answer(request: ChatRequest) -> Told:
        seen.append(request)
        return (streamed(CHUNKS) if request.stream else whole(FOREIGN))(request)

    ask: Any = {
        "model": "m",
        "prompt": "Hi",
        "system": "Brief.",
        "images": ["iVBORw0KGgo="],
        "options": {"seed": 3},
        "keep_alive": "1m",
    }
    with answering(answer) as client:
        found = client.generate(**ask)
        parts = list(client.generate(**ask, stream=True))
    assert (found.response, found.thinking) == ("One.\n\nTwo.", "Hm.")
    assert (found.done_reason, found.prompt_eval_count) == ("stop", 20)
    assert "".join(part.response or "" for part in parts) == found.response
    assert "".join(part.thinking or "" for part in parts) == "Hm."
    assert parts[-1].done
    body = json.loads(upstream().encode(seen[0]).request.body)
    assert body["messages"] == [
        {"role": "system", "content": "Brief."},
        {"role": "user", "content": "Hi", "images": ["iVBORw0KGgo="]},
    ]
    assert (body["options"], body["keep_alive"]) == ({"seed": 3}, "1m")


@pytest.mark.parametrize(
    "member", [{"suffix": "x"}, {"template": "x"}, {"raw": True}, {"context": [1]}]
)
def test_a_generate_call_that_no_chat_can_do_is_refused(member: dict[str, Any]) -> None:
    with (
        answering(whole(FOREIGN)) as client,
        pytest.raises(ollama.ResponseError, match="cannot be translated") as caught,
    ):
        client.generate(model="m", prompt="x", **member)
    assert caught.value.status_code == 400


async def test_the_asynchronous_client_reads_both_forms() -> None:
    def answer(request: ChatRequest) -> Told:
        return (streamed(CHUNKS) if request.stream else whole(FOREIGN))(request)

    with serving(read_with(answer)) as address:
        async with ollama.AsyncClient(host=address) as client:
            found = await client.chat(**ASK)
            parts = [part async for part in await client.chat(**ASK, stream=True)]
    assert found.message.content == "".join(part.message.content or "" for part in parts)


def test_the_client_lists_and_shows_models() -> None:
    model = Model(
        "acme-large-1",
        name="Acme Large",
        family="acme",
        context=32_768,
        input_modalities=("text", "image"),
        abilities=frozenset({Ability.TOOLS, Ability.REASONING}),
    )

    def serve(request: ClientRequest) -> Told:
        if request.path == "/api/tags":
            body = listing.render_tags([("acme-large", model), ("auto", None)], 1_790_000_000)
        elif request.path == "/api/version":
            body = listing.render_version()
        else:
            name = listing.read_show(request.body)
            body = listing.render_show(model if name == "acme-large" else None)
        return Told(200, "application/json", [body])

    with serving(serve) as address:
        client: Any = ollama.Client(host=address)
        listed = client.list()
        shown = client.show("acme-large")
        auto = client.show("auto")
        client.close()
    assert [item.model for item in listed.models] == ["acme-large", "auto"]
    assert len(listed.models[0].digest or "") == 64
    assert listed.models[0].details is not None
    assert listed.models[0].details.family == "acme"
    assert shown.capabilities == ["completion", "tools", "vision", "thinking"]
    assert shown.modelinfo is not None
    assert shown.modelinfo["acme.context_length"] == 32_768
    assert auto.capabilities == ["completion", "tools"]
    assert json.loads(listing.render_version())["version"].count(".") == 2


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"model":""}', b'{"model":1}', b"\xff"])
def test_a_show_without_a_model_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        listing.read_show(body)
