"""Whatever arrives, a call is refused by name and an answer is garbled by name: nothing else."""

from __future__ import annotations

import copy
import json
import re
from itertools import pairwise
from typing import Any

import pytest
from anthropic_samples import ANSWER, FULL, STREAM
from anthropic_vendor import VendorRequests, make_request, make_upstream
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw

from federation.dialects.anthropic.client import CLIENT
from federation.dialects.anthropic.stream_render import StreamRenderer
from federation.domain.catalogue import Ability
from federation.errors import InvalidRequest, PayloadTooLarge, UpstreamError
from federation.schema.chat import (
    ChatRequest,
    Message,
    OutputFormat,
    Reasoning,
    Sampling,
    Tool,
    ToolChoice,
)
from federation.schema.parts import (
    FILE,
    IMAGE,
    CacheMark,
    Citation,
    Foreign,
    Media,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)

UPSTREAM = make_upstream()
ODD: st.SearchStrategy[Any] = st.sampled_from(
    [
        None,
        True,
        0,
        -1,
        1.5,
        10**30,
        "",
        "x",
        "\ud7ff",
        [],
        {},
        [None],
        [[]],
        {"type": "text"},
        {"type": None},
        {"type": 3},
        {"type": "tool_use"},
        {"type": "thinking"},
        "auto",
        [{}],
    ]
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path]
    if isinstance(value, dict):
        for name, item in value.items():
            found += places(item, (*path, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            found += places(item, (*path, index))
    return found


def changed(value: Any, path: tuple[Any, ...], odd: Any, *, remove: bool) -> Any:
    if not path:
        return odd
    new = copy.deepcopy(value)
    owner = new
    for step in path[:-1]:
        owner = owner[step]
    if remove:
        del owner[path[-1]]
    else:
        owner[path[-1]] = odd
    return new


@given(st.sampled_from(places(FULL)), ODD, st.booleans())
@settings(deadline=None, max_examples=300)
def test_a_bent_call_is_taken_or_refused_by_name(
    path: tuple[Any, ...], odd: Any, remove: bool
) -> None:
    request = make_request(changed(FULL, path, odd, remove=remove and bool(path)))
    try:
        seen = CLIENT.glance(request)
        CLIENT.prompt(request, seen)
        UPSTREAM.forward(seen, request.body)
        parsed = CLIENT.parse(request, seen)
        UPSTREAM.encode(parsed)
        UPSTREAM.encode_count(parsed)
    except (InvalidRequest, PayloadTooLarge):
        return


@given(st.sampled_from(places(ANSWER)), ODD, st.booleans())
@settings(deadline=None, max_examples=200)
def test_a_bent_answer_is_taken_or_garbled(path: tuple[Any, ...], odd: Any, remove: bool) -> None:
    body = json.dumps(changed(ANSWER, path, odd, remove=remove and bool(path))).encode()
    for read in (UPSTREAM.read_answer, UPSTREAM.decode):
        try:
            answer = read(body)
        except UpstreamError:
            continue
        if read == UPSTREAM.decode:
            CLIENT.render(answer, ChatRequest("openai", "m", ()))  # type: ignore[arg-type]


EVENTS = [json.loads(raw.decode().split("data: ", 1)[1]) for raw in STREAM]


@given(st.integers(0, len(EVENTS) - 1), st.data())
@settings(deadline=None, max_examples=200)
def test_a_bent_event_is_taken_or_skipped(index: int, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(places(EVENTS[index])))
    remove = data.draw(st.booleans()) and bool(path)
    bent = changed(EVENTS[index], path, data.draw(ODD), remove=remove)
    raw = f"event: x\ndata: {json.dumps(bent)}\n\n".encode()
    decoder, renderer = UPSTREAM.decoder(), StreamRenderer()
    tap = UPSTREAM.tap(withhold_usage=False, choices=1)
    for place, event in enumerate(STREAM):
        piece = raw if place == index else event
        try:
            renderer.render(decoder.feed(piece))
            tap.feed(piece)
        except UpstreamError:
            return
    renderer.render(decoder.close())
    renderer.close()
    tap.close()


@given(st.lists(st.binary(max_size=40), max_size=8))
@settings(deadline=None, max_examples=100)
def test_noise_is_no_stream(pieces: list[bytes]) -> None:
    decoder = UPSTREAM.decoder()
    tap = UPSTREAM.tap(withhold_usage=False, choices=1)
    for piece in pieces:
        assert decoder.feed(piece) == []
        tap.feed(piece)
    assert decoder.close() == []
    assert not decoder.complete


# Whatever the canonical form can say is a request that the official client could have sent.

TEXT = st.sampled_from(["", " ", "words", "Grüße\n"])
STATE = st.sampled_from(["", "state"])
JSON_OBJECT = st.sampled_from(["", "{}", '{"a": 1}', '{"b":[1,{"c":null}]}'])
CALL_ID = st.sampled_from(["a", "functions.x:0", "call 1", "", "ü"])
CACHE = st.sampled_from([None, CacheMark(), CacheMark("1h")])
CITATION = st.sampled_from([Citation("t", "u", "q"), Citation(raw=Raw(b'{"type":"url_citation"}'))])
MEDIA = st.builds(
    Media,
    st.just(IMAGE),
    data=st.just("iVBORw0KGgo="),
    media_type=st.sampled_from(["", "image/png", "image/jpg"]),
    detail=st.sampled_from(["", "auto", "low"]),
    cache=CACHE,
) | st.builds(
    Media,
    st.just(FILE),
    text=st.just("words"),
    name=TEXT,
    cite=st.booleans(),
    cache=CACHE,
)
PLAIN = st.builds(Text, TEXT, citations=st.lists(CITATION, max_size=1).map(tuple), cache=CACHE)
USERS: st.SearchStrategy[Part] = PLAIN | MEDIA
MODELS: st.SearchStrategy[Part] = (
    PLAIN
    | st.builds(Thinking, TEXT, STATE, STATE)
    | st.builds(ToolCall, CALL_ID, st.just("look"), JSON_OBJECT, signature=STATE)
    | st.builds(ToolCall, CALL_ID, st.just("free"), TEXT, kind=st.just("custom"))
    | st.builds(Refusal, TEXT)
    | st.just(Foreign("openai", Raw(b'{"type":"web_search_call"}')))
)
RESULT = st.builds(
    ToolResult,
    CALL_ID,
    st.lists(PLAIN | MEDIA, max_size=2).map(tuple),
    error=st.booleans(),
    cache=CACHE,
)


def message(role: str, part: st.SearchStrategy[Any]) -> st.SearchStrategy[Message]:
    parts = st.lists(part, max_size=3).map(tuple)
    return st.builds(Message, st.just(role), parts, name=st.sampled_from(["", "bob"]))


MESSAGES = st.lists(
    message("system", PLAIN)
    | message("developer", PLAIN)
    | message("user", USERS)
    | message("assistant", MODELS)
    | message("tool", RESULT),
    max_size=6,
).map(tuple)
SCHEMA = st.sampled_from(
    [None, Raw(b"{}"), Raw(b'{"type":"object","properties":{"a":{"type":"string","pattern":"x"}}}')]
)
REQUESTS = st.builds(
    ChatRequest,
    st.sampled_from(["openai", "gemini", "bedrock", "cohere"]),
    st.just("any"),
    MESSAGES,
    stream=st.booleans(),
    tools=st.lists(
        st.builds(
            Tool,
            st.just("look"),
            TEXT,
            SCHEMA,
            st.sampled_from([None, True, False]),
            cache=CACHE,
            extra=st.just({"x": Raw(b"1")}),
        ),
        max_size=1,
    ).map(tuple),
    tool_choice=st.sampled_from(
        [
            None,
            ToolChoice("auto"),
            ToolChoice("none"),
            ToolChoice("required"),
            ToolChoice("named", "look"),
        ]
    ),
    parallel_tools=st.sampled_from([None, True, False]),
    format=st.sampled_from(
        [
            None,
            OutputFormat("text"),
            OutputFormat("json"),
            OutputFormat("schema", Raw(b'{"type":"object"}')),
        ]
    ),
    sampling=st.builds(
        Sampling,
        temperature=st.sampled_from([None, 0.0, 1.0, 2.0]),
        top_p=st.sampled_from([None, 0.5, 1.0]),
        top_k=st.sampled_from([None, 5]),
        stop=st.sampled_from([(), ("a", " ")]),
        seed=st.sampled_from([None, 1]),
    ),
    max_output=st.sampled_from([None, 1, 1500, 10**6]),
    reasoning=st.sampled_from(
        [
            None,
            Reasoning("none"),
            Reasoning("minimal"),
            Reasoning("xhigh"),
            Reasoning(budget=9000),
            Reasoning(enabled=True, show=True),
            Reasoning(adaptive=True),
            Reasoning("low", summary="auto"),
        ]
    ),
    user=TEXT,
    service_tier=st.sampled_from(["", "auto", "default", "priority", "flex"]),
    extra=st.sampled_from([{}, {"prediction": Raw(b"{}")}]),
)
ROWS = st.sampled_from(
    [
        {},
        {"quirks": {"sampling": "drop", "reasoning_control": "adaptive"}},
        {
            "quirks": {"sampling": "drop", "thinking_always_on": True, "cache_breakpoints": 1},
            "abilities": frozenset((Ability.TOOLS, Ability.JSON_SCHEMA, Ability.REASONING)),
        },
        {"abilities": frozenset((Ability.TOOLS, Ability.FORCED_TOOLS))},
        {"abilities": frozenset(), "max_output": None},
    ]
)


@pytest.fixture(scope="module")
def vendor() -> VendorRequests:
    return VendorRequests()


@given(REQUESTS, ROWS)
@settings(deadline=None, max_examples=250)
def test_what_is_written_is_a_request_of_the_vendor(
    vendor: VendorRequests, request_: ChatRequest, row: dict[str, Any]
) -> None:
    upstream = make_upstream(**row)
    try:
        encoded = upstream.encode(request_)
        counted = upstream.encode_count(request_)
    except InvalidRequest:
        return
    body = json.loads(encoded.request.body)
    vendor.check(body)
    vendor.check(json.loads(counted.request.body), "count")
    keeps_the_rules(body)


ID = re.compile(r"[a-zA-Z0-9_-]+")


def keeps_the_rules(body: dict[str, Any]) -> None:
    """What the vendor refuses, though its types would allow it."""
    roles = [turn["role"] for turn in body["messages"]]
    assert roles[0] == "user"
    assert all(first != second for first, second in pairwise(roles))
    marks = 0
    for turn in body["messages"]:
        content = turn["content"]
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        assert blocks
        assert turn["role"] == "user" or "thinking" not in blocks[-1]["type"]
        kinds = [block["type"] for block in blocks]
        assert kinds == sorted(kinds, key="tool_result".__ne__)
        for block in blocks:
            marks += "cache_control" in block
            assert block["type"] != "text" or block["text"].strip()
            assert block["type"] != "thinking" or block["signature"]
            for name in ("id", "tool_use_id"):
                assert name not in block or ID.fullmatch(block[name])
    assert marks <= 4
    thinking = body.get("thinking", {})
    if thinking.get("type") == "enabled":
        assert 1024 <= thinking["budget_tokens"] < body["max_tokens"]
    if thinking.get("type") in ("enabled", "adaptive"):
        assert body.get("tool_choice", {}).get("type") not in ("any", "tool")
        assert not {"temperature", "top_k"} & set(body)
    assert "tools" in body or "tool_choice" not in body
