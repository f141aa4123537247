"""Simulated providers in every language: whole, streamed, refused, broken."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any
from urllib.parse import unquote

import msgspec
import pytest
from msgspec import Raw, structs

from federation.dialects.faces import Upstream
from federation.dialects.table import UPSTREAMS
from federation.domain.catalogue import Auth, Deployment, Model, Provider, Tier
from federation.domain.routes import Settings
from federation.errors import (
    FederationError,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    Unauthorized,
    UpstreamCut,
    UpstreamError,
    UpstreamRateLimited,
)
from federation.sandbox.profiles import ATLAS, COMET, Profile
from federation.sandbox.provider import SimulatedProvider
from federation.sandbox.rows import BASES
from federation.schema.chat import (
    NAMED,
    SYSTEM,
    TOOL,
    ChatRequest,
    ChatResponse,
    Message,
    OutputFormat,
    Reasoning,
    Sampling,
    Tool,
    ToolChoice,
)
from federation.schema.chunks import Collector
from federation.schema.http import ClientReply, ClientRequest, WireRequest
from federation.schema.parts import IMAGE, Media, Text, Thinking, ToolCall, ToolResult

DIALECTS = ("anthropic", "gemini", "ollama", "cohere", "bedrock", "openai_responses")
MARK = (b"x-federation-simulated", b"true")


async def at_once(seconds: float) -> None:
    pass


class Asked:
    """A provider and our own upstream face of its language, without a socket between them."""

    def __init__(self, dialect: str, profile: Profile = ATLAS, model: str = "") -> None:
        self.dialect = dialect
        self.provider = SimulatedProvider(
            replace(profile, dialect=dialect), Random(0), sleep=at_once
        )
        self.upstream = upstream(dialect, model or profile.models[0].id)

    async def reply(self, wire: WireRequest) -> ClientReply:
        path, _, query = wire.target.partition("?")
        request = ClientRequest(wire.method, unquote(path), query, dict(wire.headers), wire.body)
        try:
            return await self.provider(request)
        except FederationError as error:
            return self.provider.render_error(error, request.path)

    async def whole(self, request: ChatRequest) -> ChatResponse:
        reply = await self.reply(self.upstream.encode(request).request)
        assert MARK in reply.headers
        assert isinstance(reply.body, bytes)
        if reply.status != 200:
            raise self.upstream.decode_error(reply.status, dict(reply.headers), reply.body)
        return self.upstream.decode(reply.body)

    async def stream(self, request: ChatRequest) -> ChatResponse:
        wanted = replace_stream(request)
        reply = await self.reply(self.upstream.encode(wanted).request)
        assert MARK in reply.headers
        assert not isinstance(reply.body, bytes)
        assert self.upstream.is_stream(dict(reply.headers))
        decoder, collector = self.upstream.decoder(), Collector(self.dialect)
        while data := await reply.body.read():
            collector.add(decoder.feed(data))
        collector.add(decoder.close())
        assert decoder.complete
        return collector.response()


def replace_stream(request: ChatRequest) -> ChatRequest:
    return structs.replace(request, stream=True)


def upstream(dialect: str, model: str) -> Upstream:
    row = Provider(
        id="sim",
        name="Sim",
        tier=Tier.EMERGING,
        dialect=dialect,
        base_url=f"http://127.0.0.1:1{BASES[dialect]}",
        auth=Auth("none"),
    )
    quirks: dict[str, object] = {"reasoning_control": "adaptive"} if dialect == "bedrock" else {}
    offered = Model(model, quirks=quirks)
    return UPSTREAMS[dialect](
        Deployment(f"sim/{model}", row, offered, usable=True),
        Settings(),
        headers=(),
        query="",
        secret="",
        private=True,
    )


def chat(*messages: Message, **more: Any) -> ChatRequest:
    return ChatRequest("openai", "", messages, **more)


def user(text: str) -> Message:
    return Message("user", (Text(text),))


def text_of(response: ChatResponse) -> str:
    return "".join(part.text for part in response.choices[0].parts if isinstance(part, Text))


def tool() -> Tool:
    schema = {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    }
    return Tool("get_weather", "Weather of a city", Raw(msgspec.json.encode(schema)))


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_whole_answer_and_a_stream_say_the_same(dialect: str) -> None:
    asked = Asked(dialect)
    request = chat(user("Hello, what is new?"), max_output=2000)
    whole, streamed = await asked.whole(request), await asked.stream(request)
    assert text_of(whole).startswith("(Simulated answer from sim-atlas-large.)")
    assert text_of(streamed) == text_of(whole)
    assert streamed.usage == whole.usage
    assert whole.usage is not None
    assert whole.usage.output > 64
    assert whole.choices[0].finish == streamed.choices[0].finish == "stop"


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_tools_are_called_streamed_and_answered(dialect: str) -> None:
    asked = Asked(dialect)
    request = chat(user("The weather in Paris?"), tools=(tool(),), max_output=2000)
    for response in (await asked.whole(request), await asked.stream(request)):
        (call,) = [one for one in response.choices[0].parts if isinstance(one, ToolCall)]
        assert call.name == "get_weather"
        assert json.loads(call.arguments) == {"city": "Paris"}
        assert response.choices[0].finish == "tool_calls"
    result = ToolResult(call.id, (Text("21 degrees"),), call.name)
    history = (*request.messages, Message("assistant", (call,)), Message(TOOL, (result,)))
    answer = await asked.whole(chat(*history, tools=(tool(),), max_output=2000))
    assert "21 degrees" in text_of(answer)


@pytest.mark.parametrize("dialect", ["anthropic", "gemini", "bedrock"])
async def test_a_named_tool_is_called(dialect: str) -> None:
    choice = ToolChoice(NAMED, "get_weather")
    request = chat(user("Hello."), tools=(tool(),), tool_choice=choice, max_output=2000)
    response = await Asked(dialect).whole(request)
    assert [type(part) for part in response.choices[0].parts] == [ToolCall]


@pytest.mark.parametrize("dialect", ["anthropic", "gemini", "cohere", "ollama"])
async def test_limits_stops_and_settings_are_obeyed(dialect: str) -> None:
    asked = Asked(dialect, COMET)
    short = await asked.whole(chat(user("Hello there."), max_output=5))
    assert short.choices[0].finish == "length"
    assert short.usage is not None
    assert short.usage.output == 5
    stopped = await asked.whole(chat(user("Hello."), sampling=Sampling(stop=("asked about",))))
    assert "asked about" not in text_of(stopped)
    set_up = chat(Message(SYSTEM, (Text("Be brief and be kind."),)), user("Hello."))
    plain = await asked.whole(chat(user("Hello.")))
    told = await asked.whole(set_up)
    assert told.usage is not None
    assert plain.usage is not None
    assert told.usage.input > plain.usage.input


@pytest.mark.parametrize("dialect", ["gemini", "ollama", "cohere", "openai_responses"])
async def test_a_schema_is_followed(dialect: str) -> None:
    schema = Raw(b'{"type":"object","properties":{"n":{"type":"integer"}},"required":["n"]}')
    form = OutputFormat("schema", schema, name="x")
    response = await Asked(dialect).whole(chat(user("A number: 7"), format=form))
    assert json.loads(text_of(response)) == {"n": 7}


@pytest.mark.parametrize("dialect", ["anthropic", "gemini", "bedrock"])
async def test_reasoning_is_shown_to_who_asks_for_it(dialect: str) -> None:
    asked = Asked(dialect)
    wish = Reasoning(effort="low", show=True)
    request = chat(user("Why is that so?"), reasoning=wish, max_output=4000)
    for response in (await asked.whole(request), await asked.stream(request)):
        (thought,) = [one for one in response.choices[0].parts if isinstance(one, Thinking)]
        assert thought.text.startswith("(Simulated reasoning")
    plain = await asked.whole(chat(user("Why is that so?"), max_output=4000))
    assert not [one for one in plain.choices[0].parts if isinstance(one, Thinking)]


async def test_pictures_are_counted_and_refused_by_models_without_eyes() -> None:
    picture = Message("user", (Text("What is it?"), Media(IMAGE, "image/png", "iVBORw0KGgo=")))
    seen = await Asked("anthropic").whole(chat(picture))
    assert "1 image" in text_of(seen)
    with pytest.raises(UpstreamError, match="does not accept images"):
        await Asked("anthropic", COMET).whole(chat(picture))


async def test_two_answers_where_the_language_has_them() -> None:
    request = chat(user("Hello."), sampling=Sampling(choices=2))
    for response in (await Asked("gemini").whole(request), await Asked("gemini").stream(request)):
        assert [choice.index for choice in response.choices] == [0, 1]


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_refusals_come_in_the_language_s_own_words(dialect: str) -> None:
    limited = Asked(dialect, ATLAS, "sim-atlas-large:limited")
    with pytest.raises(UpstreamRateLimited) as raised:
        await limited.whole(chat(user("Hello.")))
    assert raised.value.retry_after_s == 2
    with pytest.raises(UpstreamError) as missing:
        await Asked(dialect, ATLAS, "nobody").whole(chat(user("Hello.")))
    assert missing.value.code == "upstream_model_missing"


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_cut_stream_breaks_in_its_middle(dialect: str) -> None:
    asked = Asked(dialect, ATLAS, "sim-atlas-large:cut")
    with pytest.raises(UpstreamCut):
        await asked.stream(chat(user("Hello."), max_output=2000))


@pytest.mark.parametrize("dialect", ["anthropic", "gemini", "ollama"])
async def test_a_garbled_stream_holds_something_that_is_no_event(dialect: str) -> None:
    asked = Asked(dialect, ATLAS, "sim-atlas-large:garbled")
    request = replace_stream(chat(user("Hello."), max_output=2000))
    reply = await asked.reply(asked.upstream.encode(request).request)
    assert not isinstance(reply.body, bytes)
    pieces = []
    while piece := await reply.body.read():
        pieces.append(piece)
    assert sum(b'{"simulated": "ind\n' in piece for piece in pieces) == 1


@pytest.mark.parametrize(
    ("dialect", "path", "names"),
    [
        ("anthropic", "/v1/models", lambda told: [one["id"] for one in told["data"]]),
        ("gemini", "/v1beta/models", lambda told: [one["name"][7:] for one in told["models"]]),
        ("ollama", "/api/tags", lambda told: [one["name"] for one in told["models"]]),
    ],
)
async def test_models_are_listed_in_the_language_s_own_words(
    dialect: str, path: str, names: Callable[[Any], list[str]]
) -> None:
    provider = SimulatedProvider(replace(ATLAS, dialect=dialect), Random(0), sleep=at_once)
    reply = await provider(ClientRequest("GET", path, "", {}, b""))
    assert isinstance(reply.body, bytes)
    assert names(json.loads(reply.body)) == [model.id for model in ATLAS.models]
    assert b"simulated" in reply.body or dialect == "ollama"
    if dialect != "ollama":
        one = await provider(ClientRequest("GET", f"{path}/sim-atlas-mini", "", {}, b""))
        assert isinstance(one.body, bytes)
        assert b"sim-atlas-mini" in one.body
        with pytest.raises(NotFound):
            await provider(ClientRequest("GET", f"{path}/nobody", "", {}, b""))


@pytest.mark.parametrize(
    ("dialect", "path"),
    [
        ("anthropic", "/v1/messages"),
        ("gemini", "/v1beta/models/sim-atlas-mini:generateContent"),
        ("cohere", "/v2/chat"),
    ],
)
async def test_a_language_has_its_own_paths_and_methods(dialect: str, path: str) -> None:
    provider = SimulatedProvider(replace(ATLAS, dialect=dialect), Random(0), sleep=at_once)
    with pytest.raises(MethodNotAllowed):
        await provider(ClientRequest("GET", path, "", {}, b""))
    with pytest.raises(NotFound):
        await provider(ClientRequest("POST", "/v1/chat/completions", "", {}, b"{}"))
    with pytest.raises(InvalidRequest):
        await provider(ClientRequest("POST", path, "", {}, b"{"))


@pytest.mark.parametrize(
    "body",
    [
        {"messages": []},
        {"temperature": 5, "messages": [{"role": "user", "content": "x"}]},
        {"max_tokens": 0, "messages": [{"role": "user", "content": "x"}]},
        {"stop_sequences": list("abcde"), "messages": [{"role": "user", "content": "x"}]},
    ],
)
async def test_what_a_provider_would_refuse_is_refused(body: dict[str, Any]) -> None:
    provider = SimulatedProvider(replace(ATLAS, dialect="anthropic"), Random(0), sleep=at_once)
    whole = {"model": "sim-atlas-mini", "max_tokens": 10, **body}
    with pytest.raises(InvalidRequest):
        await provider(ClientRequest("POST", "/v1/messages", "", {}, json.dumps(whole).encode()))


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ({b"authorization": b"Bearer k-1"}, ""),
        ({b"x-api-key": b"k-1"}, ""),
        ({b"x-goog-api-key": b"k-1"}, ""),
        ({}, "key=k-1"),
    ],
)
async def test_with_a_secret_only_that_is_let_in(headers: dict[bytes, bytes], query: str) -> None:
    provider = SimulatedProvider(ATLAS, Random(0), sleep=at_once, secret="k-1")
    assert (await provider(ClientRequest("GET", "/v1/models", query, headers, b""))).status == 200
    with pytest.raises(Unauthorized):
        await provider(ClientRequest("GET", "/v1/models", "", {b"x-api-key": b"k-2"}, b""))
