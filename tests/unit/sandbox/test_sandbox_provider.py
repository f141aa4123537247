from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest

from federation.errors import (
    FederationError,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    RateLimited,
    Unauthorized,
    Unavailable,
    UpstreamCut,
)
from federation.sandbox.instances import instance
from federation.sandbox.profiles import ATLAS, COMET, FLAKY, HARBOR, PROFILES, Profile
from federation.sandbox.provider import SimulatedProvider
from federation.sandbox.replies import render_error
from federation.schema.http import ClientReply, ClientRequest

USER = {"role": "user", "content": "What is the weather in Paris today?"}
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Current weather of a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}
CLOCK = {"type": "function", "function": {"name": "read_clock", "description": "Time of day"}}


class Sleeps:
    """A clock that passes at once and remembers how long it should have taken."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.waits.append(seconds)


def provider(profile: Profile = ATLAS, seed: int = 0) -> tuple[SimulatedProvider, Sleeps]:
    sleeps = Sleeps()
    return SimulatedProvider(profile, Random(seed), sleep=sleeps), sleeps


def post(body: object, path: str = "/v1/chat/completions", method: str = "POST") -> ClientRequest:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return ClientRequest(method, path, "", {}, raw)


async def read_all(reply: ClientReply) -> list[bytes]:
    assert not isinstance(reply.body, bytes)
    parts = []
    while part := await reply.body.read():
        parts.append(part)
    await reply.body.aclose()
    assert await reply.body.read() == b""
    return parts


async def whole(profile: Profile = ATLAS, **body: Any) -> dict[str, Any]:
    given = {"model": profile.models[0].id, "messages": [USER], **body}
    reply = await provider(profile)[0](post(given))
    assert reply.status == 200
    assert isinstance(reply.body, bytes)
    assert (b"x-federation-simulated", b"true") in reply.headers
    parsed: dict[str, Any] = json.loads(reply.body)
    return parsed


async def stream(profile: Profile = ATLAS, **body: Any) -> list[dict[str, Any]]:
    given = {"model": profile.models[0].id, "messages": [USER], "stream": True, **body}
    reply = await provider(profile)[0](post(given))
    parts = await read_all(reply)
    assert parts[-1] == b"data: [DONE]\n\n"
    return [json.loads(part.removeprefix(b"data: ")) for part in parts[:-1]]


def text_of(answer: dict[str, Any]) -> str:
    content = answer["choices"][0]["message"]["content"]
    assert isinstance(content, str)
    return content


async def test_an_answer_says_that_it_is_simulated() -> None:
    answer = await whole()
    assert text_of(answer).startswith("(Simulated answer from sim-atlas-large.)")
    assert answer["system_fingerprint"] == "fp_simulated"


async def test_the_same_request_has_the_same_bytes_and_another_seed_has_others() -> None:
    assert await whole() == await whole()
    assert (await whole())["id"] != (await whole(seed=7))["id"]


async def test_usage_adds_up_and_counts_reasoning_as_output() -> None:
    usage = (await whole())["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert usage["completion_tokens_details"]["reasoning_tokens"] == 64
    assert usage["completion_tokens"] > 64


@pytest.mark.parametrize("limit", [1, 2, 16])
async def test_a_small_limit_leaves_room_for_an_answer_beside_the_reasoning(limit: int) -> None:
    answer = await whole(max_tokens=limit)
    assert text_of(answer)
    assert answer["choices"][0]["finish_reason"] == "length"
    assert answer["usage"]["completion_tokens"] == limit
    spent = answer["usage"]["completion_tokens_details"]["reasoning_tokens"]
    assert spent == limit // 2


async def test_a_stream_says_what_the_whole_answer_says() -> None:
    answer = await whole()
    events = await stream(stream_options={"include_usage": True})
    said = "".join(e["choices"][0]["delta"].get("content") or "" for e in events if e["choices"])
    assert said == text_of(answer)
    assert events[-1]["usage"] == answer["usage"]
    assert events[-1]["choices"] == []
    assert events[-2]["choices"][0]["finish_reason"] == "stop"
    assert all(event["usage"] is None for event in events[:-1])


async def test_without_include_usage_no_event_has_usage() -> None:
    assert all("usage" not in event for event in await stream())


async def test_a_limit_cuts_the_answer_and_says_length() -> None:
    answer = await whole(COMET, max_tokens=5)
    assert answer["choices"][0]["finish_reason"] == "length"
    assert answer["usage"]["completion_tokens"] == 5
    newer = await whole(COMET, max_completion_tokens=5)
    assert newer["choices"] == answer["choices"]


async def test_a_stop_text_ends_the_answer_before_it() -> None:
    answer = await whole(stop=["asked about"])
    assert "asked about" not in text_of(answer)
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert text_of(await whole(stop="Simulated")) == "("


async def test_several_choices_are_counted_together() -> None:
    one, three = await whole(COMET), await whole(COMET, n=3)
    assert [choice["index"] for choice in three["choices"]] == [0, 1, 2]
    assert three["usage"]["completion_tokens"] > one["usage"]["completion_tokens"]


async def test_a_better_model_answers_more_fully() -> None:
    assert len(text_of(await whole(ATLAS))) > 2 * len(text_of(await whole(HARBOR)))


@pytest.mark.parametrize(
    ("prompt", "sign"),
    [("Fix this python function", "```python"), ("Solve 3 + 4", " x "), ("Tell me a tale", "case")],
)
async def test_an_example_suits_the_topic(prompt: str, sign: str) -> None:
    assert sign in text_of(await whole(messages=[{"role": "user", "content": prompt}]))


async def test_a_tool_is_called_when_the_prompt_asks_for_it() -> None:
    answer = await whole(tools=[WEATHER, CLOCK])
    choice = answer["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] is None
    (call,) = choice["message"]["tool_calls"]
    assert call["function"]["name"] == "get_weather"
    assert json.loads(call["function"]["arguments"]) == {"city": "Paris"}


async def test_no_tool_is_called_when_nothing_asks_for_it() -> None:
    hello = [{"role": "user", "content": "hello"}]
    answer = await whole(messages=hello, tools=[WEATHER])
    assert "tool_calls" not in answer["choices"][0]["message"]
    answer = await whole(tools=[WEATHER], tool_choice="none")
    assert "tool_calls" not in answer["choices"][0]["message"]


async def test_a_tool_choice_is_obeyed() -> None:
    hello = [{"role": "user", "content": "hello"}]
    required = await whole(messages=hello, tools=[WEATHER], tool_choice="required")
    assert required["choices"][0]["finish_reason"] == "tool_calls"
    named = {"type": "function", "function": {"name": "read_clock"}}
    chosen = await whole(tools=[WEATHER, CLOCK], tool_choice=named)
    (call,) = chosen["choices"][0]["message"]["tool_calls"]
    assert call["function"] == {"name": "read_clock", "arguments": "{}"}


async def test_tools_are_called_in_parallel_unless_forbidden() -> None:
    both = [{"role": "user", "content": "get_weather and read_clock for Oslo"}]
    answer = await whole(messages=both, tools=[WEATHER, CLOCK])
    assert len(answer["choices"][0]["message"]["tool_calls"]) == 2
    single = await whole(messages=both, tools=[WEATHER, CLOCK], parallel_tool_calls=False)
    assert len(single["choices"][0]["message"]["tool_calls"]) == 1


async def test_a_streamed_tool_call_adds_up_to_the_whole_one() -> None:
    answer = await whole(tools=[WEATHER])
    arguments = ""
    for event in await stream(tools=[WEATHER]):
        for call in event["choices"][0]["delta"].get("tool_calls", []):
            arguments += call["function"]["arguments"]
    (call,) = answer["choices"][0]["message"]["tool_calls"]
    assert arguments == call["function"]["arguments"]


async def test_tool_results_are_answered_in_words() -> None:
    talk = [
        USER,
        {"role": "assistant", "content": None, "tool_calls": [{"id": "c", "type": "function"}]},
        {"role": "tool", "tool_call_id": "c", "content": "21 degrees"},
    ]
    answer = await whole(messages=talk, tools=[WEATHER])
    assert "21 degrees" in text_of(answer)


async def test_structured_output_is_the_json_that_was_asked_for() -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    assert json.loads(text_of(await whole(response_format=wanted))) == {"n": 1}
    free = await whole(response_format={"type": "json_object"})
    assert json.loads(text_of(free))["simulated"] is True
    plain = await whole(response_format={"type": "text"})
    assert text_of(plain).startswith("(Simulated")


async def test_images_are_acknowledged_and_counted() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    text = {"type": "text", "text": "What is this?"}
    seen = await whole(messages=[{"role": "user", "content": [text, image]}])
    blind = await whole(messages=[{"role": "user", "content": [text]}])
    assert "1 image" in text_of(seen)
    assert seen["usage"]["prompt_tokens"] > blind["usage"]["prompt_tokens"]
    pair = await whole(messages=[{"role": "user", "content": [text, image, image]}])
    assert "2 images" in text_of(pair)
    with pytest.raises(InvalidRequest, match="does not accept images"):
        await whole(COMET, messages=[{"role": "user", "content": [image]}])


async def test_delays_follow_the_profile() -> None:
    fast, fast_waits = provider(COMET)
    slow, slow_waits = provider(HARBOR)
    for one, profile in ((fast, COMET), (slow, HARBOR)):
        await one(post({"model": profile.models[0].id, "messages": [USER]}))
    assert 0.07 < fast_waits.waits[0] < slow_waits.waits[0]
    halved = SimulatedProvider(HARBOR, Random(0), time_scale=0.5, sleep=(sleeps := Sleeps()))
    await halved(post({"model": HARBOR.models[0].id, "messages": [USER]}))
    assert sleeps.waits[0] == pytest.approx(slow_waits.waits[0] / 2)
    timeless = SimulatedProvider(HARBOR, Random(0), time_scale=0.0, sleep=(none := Sleeps()))
    reply = await timeless(post({"model": HARBOR.models[0].id, "messages": [USER], "stream": True}))
    assert await read_all(reply)
    assert none.waits == []


@pytest.mark.parametrize(
    ("suffix", "error", "status"),
    [
        ("error", FederationError, 500),
        ("overloaded", Unavailable, 503),
        ("limited", RateLimited, 429),
        ("denied", Unauthorized, 401),
    ],
)
async def test_a_suffix_asks_for_a_refusal(
    suffix: str, error: type[FederationError], status: int
) -> None:
    one, _ = provider()
    with pytest.raises(error) as raised:
        await one(post({"model": f"sim-atlas-large:{suffix}", "messages": [USER]}))
    reply = render_error(raised.value, "")
    assert reply.status == status
    assert (b"x-federation-simulated", b"true") in reply.headers
    assert ((b"retry-after", b"2") in reply.headers) is (suffix == "limited")


async def test_a_slow_answer_takes_ten_times_as_long() -> None:
    one, waits = provider()
    for name in ("sim-atlas-large", "sim-atlas-large:slow"):
        await one(post({"model": name, "messages": [USER]}))
    assert waits.waits[1] == pytest.approx(10 * waits.waits[0])


@pytest.mark.parametrize("streamed", [True, False])
async def test_a_cut_answer_breaks_in_its_middle(streamed: bool) -> None:
    one, _ = provider()
    body = {"model": "sim-atlas-large:cut", "messages": [USER], "stream": streamed}
    reply = await one(post(body))
    assert not isinstance(reply.body, bytes)
    assert await reply.body.read()
    with pytest.raises(UpstreamCut):
        await read_all(reply)


async def test_a_stalled_answer_waits_for_its_caller_to_leave() -> None:
    one, waits = provider()
    reply = await one(post({"model": "sim-atlas-large:stall", "messages": [USER], "stream": True}))
    await read_all(reply)
    assert waits.waits[-1] > 3600


async def test_a_garbled_answer_is_not_json() -> None:
    one, _ = provider()
    body: dict[str, object] = {"model": "sim-atlas-large:garbled", "messages": [USER]}
    reply = await one(post(body))
    with pytest.raises(ValueError, match=r"Expecting|Unterminated|delimiter"):
        json.loads(b"".join(await read_all(reply)))
    events = await read_all(await one(post({**body, "stream": True})))
    assert events[-1] == b"data: [DONE]\n\n"
    broken = 0
    for event in events[:-1]:
        try:
            json.loads(event.removeprefix(b"data: "))
        except ValueError:
            broken += 1
    assert broken == 1


async def test_only_the_flaky_provider_fails_by_itself_and_always_at_the_same_requests() -> None:
    assert [profile.id for profile in PROFILES if profile.faults.error] == ["sim-flaky"]

    async def fates(seed: int) -> list[str]:
        one, _ = provider(FLAKY, seed)
        found = []
        for number in range(60):
            ask = {"role": "user", "content": f"question {number}"}
            try:
                reply = await one(post({"model": "sim-flaky-chat", "messages": [ask]}))
                found.append("whole" if isinstance(reply.body, bytes) else "cut")
            except FederationError as error:
                found.append(str(error.status))
        return found

    first = await fates(1)
    assert first == await fates(1)
    assert {"whole", "500"} <= set(first)
    assert first.count("whole") > 30


async def test_models_are_listed_as_simulated() -> None:
    one, _ = provider()
    listing = await one(post(b"", "/v1/models", "GET"))
    assert isinstance(listing.body, bytes)
    data = json.loads(listing.body)["data"]
    assert [row["id"] for row in data] == [model.id for model in ATLAS.models]
    assert all(row["simulated"] for row in data)
    single = await one(post(b"", "/v1/models/sim-atlas-mini", "GET"))
    assert isinstance(single.body, bytes)
    assert json.loads(single.body)["owned_by"] == "sim-atlas"


async def test_unknown_things_are_refused_as_openai_words_it() -> None:
    one, _ = provider()
    with pytest.raises(NotFound) as raised:
        await one(post({"model": "nobody", "messages": [USER]}))
    body = render_error(raised.value, "").body
    assert isinstance(body, bytes)
    error = json.loads(body)["error"]
    assert error["code"] == "model_not_found"
    assert error["param"] == "model"
    assert error["type"] == "invalid_request_error"
    with pytest.raises(NotFound):
        await one(post(b"", "/v1/models/nobody", "GET"))
    with pytest.raises(NotFound):
        await one(post(b"", "/v1/nowhere"))
    with pytest.raises(MethodNotAllowed):
        await one(post(b"", "/v1/models", "POST"))
    with pytest.raises(MethodNotAllowed):
        await one(post(b"", method="GET"))


async def test_what_a_model_cannot_hold_is_refused() -> None:
    long = [{"role": "user", "content": "word " * 40_000}]
    with pytest.raises(InvalidRequest) as raised:
        await whole(HARBOR, messages=long)
    assert raised.value.code == "context_length_exceeded"
    with pytest.raises(InvalidRequest, match="max_tokens is too large"):
        await whole(HARBOR, max_tokens=5000)


def test_a_schema_that_holds_itself_comes_to_an_end() -> None:
    assert instance({"allOf": [{"$ref": "#"}], "type": "string"}, "One") == "One"
