"""Nothing malformed from either side gets further than an error of the tree."""

from __future__ import annotations

import json
from contextlib import suppress
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from json_mutations import mutated
from native_dialects import canonical, client_request, fed, golden, make_upstream

from federation.dialects.ollama.client import CLIENT, GENERATE_CLIENT
from federation.dialects.ollama.context import context_for
from federation.dialects.ollama.moments import read_moment, write_moment
from federation.dialects.ollama.ndjson import LINE_LIMIT, LineCutter
from federation.dialects.ollama.upstream import prepare
from federation.domain.catalogue import Auth
from federation.domain.routes import Settings
from federation.errors import (
    InvalidRequest,
    PayloadTooLarge,
    UpstreamError,
    UpstreamGarbled,
)
from federation.schema.chat import ChatRequest

LOCAL = "http://127.0.0.1:11434"
UPSTREAM = make_upstream(prepare, "ollama", base_url=LOCAL)
REQUESTS = [case["request"] for case in golden("ollama", "request").values()]
ANSWERS = [case["answer"] for case in golden("ollama", "answer").values()]
LINES = [
    json.loads(line)
    for case in golden("ollama", "stream").values()
    for line in case["lines"]
    if line.startswith("{") and line.rstrip().endswith("}")
]
GENERATES: list[Any] = [
    {"model": "m", "prompt": "Hi", "system": "s", "images": ["iVBORw"], "options": {"seed": 1}},
    {"model": "m", "prompt": "Hi", "stream": False, "format": "json", "think": True},
]
USER = {"role": "user", "content": "Hi"}


def read(body: Any) -> ChatRequest:
    request = client_request(body, "/api/chat")
    return CLIENT.parse(request, CLIENT.glance(request))


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"messages": [{"content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "developer", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": None, "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "images": "x"}]}, "messages[0].images"),
        ({"messages": [{"role": "user", "images": [1]}]}, "messages[0].images[0]"),
        ({"messages": [{"role": "user", "images": [""]}]}, "messages[0].images[0]"),
        (
            {"messages": [{"role": "user", "images": ["https://a.test/b.png"]}]},
            "messages[0].images[0]",
        ),
        ({"messages": [{"role": "assistant", "thinking": 1}]}, "messages[0].thinking"),
        ({"messages": [{"role": "assistant", "tool_calls": {}}]}, "messages[0].tool_calls"),
        (
            {"messages": [{"role": "assistant", "tool_calls": [{}]}]},
            "messages[0].tool_calls[0].function.name",
        ),
        (
            {
                "messages": [
                    {
                        "role": "assistant",
                        "tool_calls": [{"function": {"name": "f", "arguments": [1]}}],
                    }
                ]
            },
            "messages[0].tool_calls[0].function.arguments",
        ),
        ({"messages": {}}, "messages"),
        ({"messages": []}, "messages"),
        ({}, "messages"),
        ({"messages": [USER], "tools": [{}]}, "tools[0].function"),
        ({"messages": [USER], "tools": [{"function": {"name": 1}}]}, "tools[0].function.name"),
        ({"messages": [USER], "format": 1}, "format"),
        ({"messages": [USER], "format": "yaml"}, "format"),
        ({"messages": [USER], "options": []}, "options"),
        ({"messages": [USER], "options": {"temperature": "1"}}, "options.temperature"),
        ({"messages": [USER], "options": {"num_predict": "1"}}, "options.num_predict"),
        ({"messages": [USER], "options": {"stop": [1]}}, "options.stop[0]"),
        ({"messages": [USER], "think": 3}, "think"),
        ({"messages": [USER], "stream": "yes"}, "stream"),
        ({"messages": [USER], "top_logprobs": -1}, "top_logprobs"),
        ({"messages": [USER], "model": ""}, "model"),
        ({"messages": [USER], "federation": {"nothing": 1}}, "federation.nothing"),
    ],
)
def test_a_malformed_call_is_refused_with_the_place(body: Any, param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(body)
    assert caught.value.param == param
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"model": "m"}, "prompt"),
        ({"model": "m", "prompt": ""}, "prompt"),
        ({"model": "m", "prompt": 1}, "prompt"),
        ({"model": "m", "prompt": "x", "images": ["http://a"]}, "images[0]"),
        ({"model": "m", "prompt": "x", "context": ["a"]}, "context[0]"),
    ],
)
def test_a_malformed_generate_call_is_refused_with_the_place(body: Any, param: str) -> None:
    request = client_request(body, "/api/generate")
    with pytest.raises(InvalidRequest) as caught:
        GENERATE_CLIENT.parse(request, GENERATE_CLIENT.glance(request))
    assert caught.value.param == param


@pytest.mark.parametrize(
    "body",
    [
        b'{"messages":[],"messages":[]}',
        b'{"messages":[{"role":"user","role":"system","content":"x"}]}',
        b'{"messages":[{"role":"user","content":"x"}],"options":{"seed":1,"seed":2}}',
    ],
)
def test_a_member_that_stands_twice_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(body)
    assert caught.value.code == "duplicate_field"


def test_the_prompt_is_the_last_question_and_the_setting() -> None:
    body: Any = {
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "How warm is it in Bern?"},
            {"role": "user", "content": "And in Chur?"},
        ]
    }
    request = client_request(body, "/api/chat")
    words = CLIENT.prompt(request, CLIENT.glance(request))
    assert words == "How warm is it in Bern?\nAnd in Chur?\n\nBe brief."
    request = client_request(GENERATES[0], "/api/generate")
    assert GENERATE_CLIENT.prompt(request, GENERATE_CLIENT.glance(request)) == "Hi\n\ns"


@settings(deadline=None, max_examples=150)
@given(mutated(REQUESTS))
def test_a_call_out_of_shape_is_read_or_refused(body: Any) -> None:
    face = make_upstream(prepare, "ollama", base_url=LOCAL, quirks={"context_option": "num_ctx"})
    try:
        request = client_request(body, "/api/chat")
        seen = CLIENT.glance(request)
        parsed = CLIENT.parse(request, seen)
        CLIENT.prompt(request, seen)
        face.forward(seen, request.body)
        face.encode(parsed)
    except (InvalidRequest, PayloadTooLarge):
        pass


@settings(deadline=None, max_examples=150)
@given(mutated(GENERATES))
def test_a_generate_call_out_of_shape_is_read_or_refused(body: Any) -> None:
    try:
        request = client_request(body, "/api/generate")
        seen = GENERATE_CLIENT.glance(request)
        GENERATE_CLIENT.prompt(request, seen)
        UPSTREAM.encode(GENERATE_CLIENT.parse(request, seen))
    except (InvalidRequest, PayloadTooLarge):
        pass


@settings(deadline=None, max_examples=150)
@given(mutated(ANSWERS))
def test_an_answer_out_of_shape_is_read_or_garbled(answer: Any) -> None:
    body = json.dumps(answer).encode()
    for look in (UPSTREAM.read_answer, UPSTREAM.decode):
        try:
            look(body)
        except UpstreamError:
            continue
    with suppress(UpstreamError):
        CLIENT.render(UPSTREAM.decode(body), ChatRequest("ollama", "m", ()))


@settings(deadline=None, max_examples=120)
@given(st.lists(st.one_of(st.sampled_from(LINES), mutated(LINES)), max_size=8))
def test_a_stream_out_of_shape_breaks_nothing(lines: list[Any]) -> None:
    data = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    tap = UPSTREAM.tap(withhold_usage=False, choices=1)
    with suppress(UpstreamError):
        tap.feed(data)
    renderer = CLIENT.renderer(ChatRequest("ollama", "m", (), stream=True))
    try:
        chunks = fed(UPSTREAM.decoder(), [data])
    except UpstreamError:
        return
    renderer.render(chunks)
    renderer.close()


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_bytes_of_any_kind_break_nothing(data: bytes) -> None:
    with suppress(UpstreamError):
        fed(UPSTREAM.decoder(), [data])
    for status in (400, 429, 500):
        assert isinstance(UPSTREAM.decode_error(status, {}, data), UpstreamError)
    with suppress(UpstreamError):
        UPSTREAM.decode(data)


@settings(deadline=None)
@given(st.binary(max_size=60), st.lists(st.integers(0, 60), max_size=5))
def test_lines_are_cut_alike_whatever_the_pieces(data: bytes, cuts: list[int]) -> None:
    whole = LineCutter()
    expected = [*whole.feed(data), whole.rest()] if data else [b""]
    edges = [0, *sorted(cut for cut in cuts if cut <= len(data)), len(data)]
    cutter = LineCutter()
    found = [line for start, end in pairwise(edges) for line in cutter.feed(data[start:end])]
    assert [*found, cutter.rest()] == expected


def test_a_line_without_end_is_garbled() -> None:
    cutter = LineCutter()
    cutter.feed(b"x" * LINE_LIMIT)
    with pytest.raises(UpstreamGarbled):
        cutter.feed(b"xx")


def test_an_unreadable_answer_is_garbled() -> None:
    for body in (b"", b"<html>", b"[]", b'{"message":5}', b"{}", b"\xff\xfe"):
        with pytest.raises(UpstreamGarbled):
            UPSTREAM.decode(body)


def test_what_is_kept_raw_must_be_text_too() -> None:
    call = b'{"function":{"name":"f","arguments":{"a":"\xff"}}}'
    body = b'{"message":{"role":"assistant","tool_calls":[%b]},"done":true}' % call
    with pytest.raises(UpstreamGarbled):
        UPSTREAM.decode(body)
    with pytest.raises(UpstreamGarbled):
        UPSTREAM.decoder().feed(body + b"\n")


def test_a_last_line_without_a_line_feed_counts_and_a_torn_one_does_not() -> None:
    last = b'{"model":"m","message":{"role":"assistant","content":"x"},"done":true}'
    for data, complete in ((last, True), (last[:-3], False)):
        decoder = UPSTREAM.decoder()
        assert decoder.feed(data) == []
        assert bool(decoder.close()) == complete
        assert decoder.complete == complete
        tap = UPSTREAM.tap(withhold_usage=False, choices=1)
        assert tap.feed(data) == b""
        assert tap.close() == (data + b"\n" if complete else b"")
        assert tap.complete == complete


def test_arguments_that_are_no_object_go_along_in_one() -> None:
    call = {"type": "tool_call", "id": "c", "name": "f", "arguments": "[1]"}
    request = canonical(
        {
            "dialect": "openai",
            "model": "m",
            "messages": [
                {"role": "user", "parts": [{"type": "text", "text": "x"}]},
                {"role": "assistant", "parts": [call]},
            ],
        }
    )
    assert UPSTREAM.encode(request).losses == ("tool_arguments",)


def test_no_secret_reaches_a_client_or_a_repr() -> None:
    face = make_upstream(prepare, "ollama", base_url=LOCAL, secret="sk-very-secret-1")
    error = face.decode_error(400, {}, b'{"error":"bad key sk-very-secret-1 here"}')
    assert "sk-very-secret-1" not in error.message
    assert b"sk-very-secret-1" not in error.body
    assert "secret" not in repr(face)


def test_an_address_that_cannot_be_used_is_refused() -> None:
    with pytest.raises(ValueError, match="not a usable base address"):
        make_upstream(prepare, "ollama", base_url="localhost:11434")
    with pytest.raises(ValueError, match="constant header"):
        make_upstream(prepare, "ollama", base_url=LOCAL, auth=Auth(extra={"x-a": "b\n"}))


def test_a_row_and_the_operator_shape_a_forwarded_call() -> None:
    face = make_upstream(
        prepare,
        "ollama",
        base_url=LOCAL,
        context=65_536,
        quirks={"sampling": "drop", "context_option": "num_ctx", "set": {"keep_alive": "1h"}},
        settings=Settings(max_tokens_default=9, temperature_default=0.5),
    )
    words = {"role": "user", "content": "word " * 4000}
    body: Any = {"model": "x", "messages": [words], "options": {"temperature": 1, "seed": 2}}
    request = client_request(body, "/api/chat")
    seen = CLIENT.glance(request)
    sent = face.forward(seen, request.body)
    assert sent.target == "/api/chat"
    assert json.loads(sent.body) == {
        "model": "acme-large",
        "messages": [words],
        "options": {"seed": 2, "num_predict": 9, "num_ctx": 8192},
        "keep_alive": "1h",
    }
    assert face.dropped_fields(seen) == ("options",)
    written = json.loads(face.encode(CLIENT.parse(request, seen)).request.body)
    assert written == {**json.loads(sent.body), "stream": True}


def test_options_that_need_no_change_are_forwarded_as_they_are() -> None:
    face = make_upstream(prepare, "ollama", base_url=LOCAL, quirks={"context_option": "num_ctx"})
    for options in ('{"num_ctx": 99}', '{ "seed" : 1 }', "null"):
        body = f'{{"messages":[{{"role":"user","content":"{"a" * 30_000}"}}],"options":{options}}}'
        request = client_request(body.encode(), "/api/chat")
        sent = json.loads(face.forward(CLIENT.glance(request), request.body).body)
        if "num_ctx" in options:
            assert sent["options"] == {"num_ctx": 99}
        else:
            assert sent["options"]["num_ctx"] == 16_384


def test_a_row_with_a_highest_temperature_asks_for_translation() -> None:
    face = make_upstream(prepare, "ollama", base_url=LOCAL, quirks={"temperature_max": 1.0})
    for body, expected in (
        ({"messages": [USER]}, False),
        ({"messages": [USER], "options": {"temperature": 2}}, True),
    ):
        request = client_request(body, "/api/chat")
        seen = CLIENT.glance(request)
        assert face.needs_translation(seen, request.body) == expected
    encoded = face.encode(CLIENT.parse(request, seen))
    assert json.loads(encoded.request.body)["options"] == {"temperature": 1.0}
    assert encoded.losses == ("temperature",)


@pytest.mark.parametrize(
    ("text", "output", "most", "expected"),
    [(0, None, None, None), (9_000, 1000, None, None), (9_300, 1000, None, 8192),
     (90_000, None, None, 32_768), (90_000, None, 20_000, 20_000), (0, 100_000, None, 131_072)],
)  # fmt: skip
def test_the_context_grows_in_powers_of_two(
    text: int, output: int | None, most: int | None, expected: int | None
) -> None:
    assert context_for(text, 1, 0, output, most) == expected


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("2026-10-01T12:00:00.123456789Z", 1_790_856_000),
     ("2026-10-01T14:00:00+02:00", 1_790_856_000),
     ("2026-10-01T12:00:00", 0), ("", 0), (None, 0), ("yesterday", 0), ("1900-01-01T00:00:00Z", 0)],
)  # fmt: skip
def test_a_moment_is_read_in_any_form(text: str | None, seconds: int) -> None:
    assert read_moment(text) == seconds


def test_a_moment_is_written_in_utc() -> None:
    assert write_moment(1_790_856_000) == "2026-10-01T12:00:00Z"
    assert write_moment(10**20) == "9999-12-31T23:59:59Z"


@pytest.mark.parametrize(
    ("kind", "expected"),
    [(b"application/x-ndjson; charset=utf-8", True), (b"application/json", False), (b"", False)],
)
def test_a_stream_is_known_by_its_content_type(kind: bytes, expected: bool) -> None:
    assert UPSTREAM.is_stream({b"content-type": kind}) == expected
