"""Nothing malformed from either side gets further than an error of the tree."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from json_mutations import mutated
from native_dialects import client_request, fed, golden, make_upstream

from federation.dialects.cohere.client import CLIENT
from federation.dialects.cohere.upstream import prepare
from federation.domain.catalogue import Auth
from federation.domain.routes import Settings
from federation.errors import InvalidRequest, PayloadTooLarge, UpstreamError, UpstreamGarbled
from federation.schema.chat import ChatRequest

UPSTREAM = make_upstream(prepare, "cohere")
REQUESTS = [case["request"] for case in golden("cohere", "request").values()]
ANSWERS = [case["answer"] for case in golden("cohere", "answer").values()]
EVENTS = [
    json.loads(event.split("\ndata: ")[1])
    for case in golden("cohere", "stream").values()
    for joined in case["events"]
    for event in joined.split("\n\n")
    if "\ndata: {" in event
]
USER = {"role": "user", "content": "Hi"}
DOCUMENT = {"type": "document"}


def read(body: Any) -> ChatRequest:
    request = client_request(body, "/v2/chat")
    return CLIENT.parse(request, CLIENT.glance(request))


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"messages": [{"content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "developer", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": 1, "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": None}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [{}]}]}, "messages[0].content[0].type"),
        ({"messages": [{"role": "user", "content": [{"type": 1}]}]}, "messages[0].content[0].type"),
        (
            {"messages": [{"role": "user", "content": [{"type": "text"}]}]},
            "messages[0].content[0].text",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "text", "text": 1}]}]},
            "messages[0].content[0].text",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
            "messages[0].content[0].image_url",
        ),
        (
            {"messages": [{"role": "assistant", "content": [{"type": "thinking"}]}]},
            "messages[0].content[0].thinking",
        ),
        (
            {"messages": [USER, {"role": "tool", "content": "x"}]},
            "messages[1].tool_call_id",
        ),
        (
            {"messages": [{"role": "tool", "tool_call_id": "a", "content": [DOCUMENT]}]},
            "messages[0].content[0].document",
        ),
        (
            {"messages": [{"role": "assistant", "tool_calls": [{"id": "a"}]}]},
            "messages[0].tool_calls[0].function.name",
        ),
        (
            {"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "f"}}]}]},
            "messages[0].tool_calls[0].id",
        ),
        (
            {
                "messages": [
                    {
                        "role": "assistant",
                        "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": {}}}],
                    }
                ]
            },
            "messages[0].tool_calls[0].function.arguments",
        ),
        ({"messages": [{"role": "assistant", "tool_plan": 1}]}, "messages[0].tool_plan"),
        ({"messages": [{"role": "assistant", "citations": {}}]}, "messages[0].citations"),
        ({"messages": "x"}, "messages"),
        ({"messages": []}, "messages"),
        ({}, "messages"),
        ({"messages": [USER], "tools": [{"type": "function"}]}, "tools[0].function"),
        ({"messages": [USER], "tools": [{"function": {}}]}, "tools[0].function"),
        ({"messages": [USER], "tools": [{"type": 3}]}, "tools[0].type"),
        ({"messages": [USER], "tools": {}}, "tools"),
        ({"messages": [USER], "tool_choice": "AUTO"}, "tool_choice"),
        ({"messages": [USER], "tool_choice": {"name": "x"}}, "tool_choice"),
        ({"messages": [USER], "response_format": {"type": "json"}}, "response_format.type"),
        ({"messages": [USER], "response_format": {}}, "response_format"),
        ({"messages": [USER], "thinking": {"type": "maybe"}}, "thinking.type"),
        ({"messages": [USER], "thinking": {"type": "enabled", "token_budget": "9"}},
         "thinking.token_budget"),
        ({"messages": [USER], "max_tokens": 0}, "max_tokens"),
        ({"messages": [USER], "max_tokens": "5"}, "max_tokens"),
        ({"messages": [USER], "k": 1.5}, "k"),
        ({"messages": [USER], "stop_sequences": "x"}, "stop_sequences"),
        ({"messages": [USER], "documents": [5]}, "documents[0]"),
        ({"messages": [USER], "documents": [{"data": 5}]}, "documents[0].data"),
        ({"messages": [{"role": "system", "content": "x"}], "documents": ["a"]}, "documents"),
        ({"messages": [USER], "documents": ["a"], "citation_options": {"mode": 1}},
         "citation_options.mode"),
        ({"messages": [USER], "model": ""}, "model"),
        ({"messages": [USER], "federation": {"nothing": 1}}, "federation.nothing"),
    ],
)  # fmt: skip
def test_a_malformed_call_is_refused_with_the_place(body: Any, param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(body)
    assert caught.value.param == param
    assert caught.value.status == 400


@pytest.mark.parametrize(
    "body",
    [
        b'{"messages":[],"messages":[]}',
        b'{"messages":[{"role":"user","role":"system","content":"x"}]}',
        b'{"messages":[{"role":"user","content":[{"type":"text","text":"a","text":"b"}]}]}',
        b'{"messages":[{"role":"user","content":"x"}],"k":1,"\\u006b":2}',
        b'{"messages":[{"role":"user","content":"x"}],"thinking":{"type":"enabled","type":"x"}}',
        b'{"messages":[{"role":"user","content":"x"}],"response_format":{"type":"a","type":"b"}}',
    ],
)
def test_a_member_that_stands_twice_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(body)
    assert caught.value.code == "duplicate_field"


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"null", b'{"a":\xff}', b"[" * 100_000])
def test_a_body_that_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        read(body)


def test_the_prompt_is_the_last_question_and_the_setting() -> None:
    body = {
        "messages": [
            {"role": "system", "content": [{"type": "text", "text": "Be brief."}]},
            {"role": "user", "content": "How warm is it in Bern?"},
            {"role": "assistant", "content": "19 degrees."},
            {"role": "user", "content": [{"type": "text", "text": "And in Chur?"}]},
        ]
    }
    request = client_request(body, "/v2/chat")
    words = CLIENT.prompt(request, CLIENT.glance(request))
    assert words == "How warm is it in Bern?\nAnd in Chur?\n\nBe brief."


def test_a_long_prompt_is_cut() -> None:
    body = {"messages": [{"role": "user", "content": "x" * 100_000}]}
    request = client_request(body, "/v2/chat")
    assert len(CLIENT.prompt(request, CLIENT.glance(request))) == 8192


@settings(deadline=None, max_examples=150)
@given(mutated(REQUESTS))
def test_a_call_out_of_shape_is_read_or_refused(body: Any) -> None:
    try:
        request = client_request(body, "/v2/chat")
        seen = CLIENT.glance(request)
        CLIENT.prompt(request, seen)
        UPSTREAM.forward(seen, request.body)
        parsed = CLIENT.parse(request, seen)
        UPSTREAM.encode(parsed)
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
        CLIENT.render(UPSTREAM.decode(body), ChatRequest("cohere", "m", ()))


@settings(deadline=None, max_examples=120)
@given(st.lists(st.one_of(st.sampled_from(EVENTS), mutated(EVENTS)), max_size=8))
def test_a_stream_out_of_shape_breaks_nothing(events: list[Any]) -> None:
    data = b"".join(b"event: x\ndata: %b\n\n" % json.dumps(event).encode() for event in events)
    tap = UPSTREAM.tap(withhold_usage=False, choices=1)
    with suppress(UpstreamError):
        tap.feed(data)
    renderer = CLIENT.renderer(ChatRequest("cohere", "m", (), stream=True))
    try:
        chunks = fed(UPSTREAM.decoder(), [data])
    except UpstreamError:
        return
    renderer.render(chunks)
    renderer.close()


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_bytes_of_any_kind_break_nothing(data: bytes) -> None:
    framed = b"data: " + data + b"\n\n"
    assert fed(UPSTREAM.decoder(), [framed]) is not None
    for status in (400, 429, 500):
        assert isinstance(UPSTREAM.decode_error(status, {}, data), UpstreamError)
    with suppress(UpstreamError):
        UPSTREAM.decode(data)


def test_an_unreadable_answer_is_garbled() -> None:
    for body in (b"", b"<html>", b"[]", b'{"message":5}', b"\xff\xfe"):
        with pytest.raises(UpstreamGarbled):
            UPSTREAM.decode(body)


def test_what_is_kept_raw_must_be_text_too() -> None:
    body = b'{"message":{"role":"assistant","content":[{"type":"x","a":"\xff"}]}}'
    with pytest.raises(UpstreamGarbled):
        UPSTREAM.decode(body)
    event = b'{"type":"citation-start","delta":{"message":{"citations":{"a":"\xff"}}}}'
    assert fed(UPSTREAM.decoder(), [b"data: %b\n\n" % event]) == []


def test_an_event_that_only_lacks_its_blank_line_counts() -> None:
    decoder = UPSTREAM.decoder()
    decoder.feed(b'data: {"type":"message-end","delta":{"finish_reason":"COMPLETE"}}')
    assert not decoder.complete
    assert decoder.close()
    assert decoder.complete
    tap = UPSTREAM.tap(withhold_usage=False, choices=1)
    assert tap.feed(b'data: {"type":"message-end","delta":{"finish_reason":"COMPLETE"}}') == b""
    assert tap.close().endswith(b"\n\n")
    assert tap.complete


def test_a_torn_event_is_dropped() -> None:
    tap = UPSTREAM.tap(withhold_usage=False, choices=1)
    assert tap.feed(b'event: content-delta\ndata: {"type":"content-delta","ind') == b""
    assert tap.close() == b""
    assert not tap.complete
    decoder = UPSTREAM.decoder()
    decoder.feed(b'event: content-delta\ndata: {"type":"content-delta","ind')
    assert decoder.close() == []
    assert not decoder.complete


def test_no_secret_reaches_a_client_or_a_repr() -> None:
    face = make_upstream(prepare, "cohere", secret="sk-very-secret-1")
    error = face.decode_error(400, {}, b'{"message":"bad key sk-very-secret-1 here"}')
    assert "sk-very-secret-1" not in error.message
    assert b"sk-very-secret-1" not in error.body
    assert "secret" not in repr(face)


@pytest.mark.parametrize(
    "address", ["ftp://a.test", "https://", "https://u:p@a.test", "https://a.test/{place}"]
)
def test_an_address_that_cannot_be_used_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="not a usable base address"):
        make_upstream(prepare, "cohere", base_url=address)
    with pytest.raises(ValueError, match="constant header"):
        make_upstream(prepare, "cohere", auth=Auth(extra={"x-a": "b\n"}))


def test_a_row_and_the_operator_shape_a_forwarded_call() -> None:
    face = make_upstream(
        prepare,
        "cohere",
        quirks={
            "drop": ["priority"],
            "rename": {"top_p": "p"},
            "default": {"safety_mode": "OFF"},
            "set": {"seed": 1},
            "query": {"v": "2"},
            "path": {"chat": "/talk"},
        },
        settings=Settings(max_tokens_default=9, temperature_default=0.5),
    )
    body = {"model": "x", "messages": [USER], "priority": 1, "top_p": 0.5, "seed": 9}
    request = client_request(body, "/v2/chat")
    seen = CLIENT.glance(request)
    sent = face.forward(seen, request.body)
    assert sent.target == "/v2/talk?v=2"
    assert (b"authorization", b"Bearer key") in sent.headers
    assert json.loads(sent.body) == {
        "model": "acme-large",
        "messages": [USER],
        "p": 0.5,
        "seed": 1,
        "safety_mode": "OFF",
        "max_tokens": 9,
        "temperature": 0.5,
    }
    assert face.dropped_fields(seen) == ("priority",)
    assert not face.needs_translation(seen, request.body)
    written = face.encode(CLIENT.parse(request, seen))
    assert json.loads(written.request.body) == json.loads(sent.body)
    assert written.losses == ("unknown_field",)


def test_a_row_that_changes_content_asks_for_translation() -> None:
    face = make_upstream(prepare, "cohere", quirks={"image_urls": False, "temperature_max": 1.0})
    pictured = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}
    for body, expected in (
        ({"messages": [USER]}, False),
        ({"messages": [USER], "temperature": 2}, True),
        ({"messages": [pictured]}, True),
    ):
        request = client_request(body, "/v2/chat")
        assert face.needs_translation(CLIENT.glance(request), request.body) == expected
    request = client_request({"messages": [USER], "temperature": 2}, "/v2/chat")
    encoded = face.encode(CLIENT.parse(request, CLIENT.glance(request)))
    assert json.loads(encoded.request.body)["temperature"] == 1.0
    assert encoded.losses == ("temperature",)


def test_a_row_that_accepts_few_fields_gets_few() -> None:
    face = make_upstream(prepare, "cohere", quirks={"accepts_only": ["k"]})
    body = {"model": "x", "messages": [USER], "k": 1, "seed": 1, "federation": {}}
    request = client_request(body, "/v2/chat")
    seen = CLIENT.glance(request)
    assert json.loads(face.forward(seen, request.body).body).keys() == {"model", "messages", "k"}
    assert face.dropped_fields(seen) == ("seed",)
    written = face.encode(CLIENT.parse(request, seen))
    assert json.loads(written.request.body).keys() == {"model", "messages", "k"}
    assert written.losses == ("seed",)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [(b"text/event-stream; charset=utf-8", True), (b"application/json", False), (b"", False)],
)
def test_a_stream_is_known_by_its_content_type(kind: bytes, expected: bool) -> None:
    assert UPSTREAM.is_stream({b"content-type": kind}) == expected
