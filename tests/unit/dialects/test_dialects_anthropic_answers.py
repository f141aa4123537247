"""Whole answers: read, written, and their bill."""

from __future__ import annotations

import json
from typing import Any

import pytest
from anthropic.types import Message as VendorMessage
from anthropic_samples import ANSWER
from anthropic_vendor import make_request, make_upstream
from msgspec import Raw

from federation.dialects.anthropic.client import CLIENT
from federation.dialects.anthropic.usage import from_usage, read_counts, to_usage
from federation.errors import UpstreamFailed, UpstreamGarbled, UpstreamRateLimited
from federation.schema.chat import ChatRequest, ChatResponse, Choice
from federation.schema.parts import (
    Citation,
    Foreign,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
)
from federation.schema.usage import Usage

UPSTREAM = make_upstream()
ASKED = ChatRequest("anthropic", "m", ())


def body(**changes: Any) -> bytes:
    return json.dumps({**ANSWER, **changes}).encode()


def test_an_answer_is_read_and_written_back() -> None:
    VendorMessage.model_validate_json(json.dumps(ANSWER), strict=True)
    response = UPSTREAM.decode(body())
    assert json.loads(CLIENT.render(response, ASKED)) == ANSWER


def test_each_block_becomes_a_part() -> None:
    response = UPSTREAM.decode(body())
    choice = response.choices[0]
    kinds = [Thinking, Thinking, Text, Foreign, Foreign, ToolCall]
    assert [type(part) for part in choice.parts] == kinds
    text, call = choice.parts[2], choice.parts[5]
    assert isinstance(text, Text)
    cited = text.citations[0]
    assert (cited.title, cited.url, cited.quote) == ("T", "https://acme.test", "It is.")
    assert isinstance(call, ToolCall)
    assert call.arguments == '{"a": [1, 2.0]}'
    assert (choice.finish, choice.reason) == ("tool_calls", "tool_use")
    assert (response.id, response.model, response.service_tier) == (
        "msg_1",
        "claude-x-1",
        "standard",
    )


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("end_turn", "stop"),
        ("max_tokens", "length"),
        ("stop_sequence", "stop"),
        ("tool_use", "tool_calls"),
        ("pause_turn", "pause"),
        ("refusal", "filter"),
        ("model_context_window_exceeded", "length"),
        ("something_new", "other"),
    ],
)
def test_stop_reasons_survive_both_ways(reason: str, finish: str) -> None:
    content = ANSWER["content"] if reason == "tool_use" else [{"type": "text", "text": "x"}]
    details = {"type": "refusal", "category": "cyber", "explanation": None}
    extra = {"stop_details": details} if reason == "refusal" else {}
    answer = body(stop_reason=reason, content=content, **extra)
    response = UPSTREAM.decode(answer)
    assert (response.choices[0].finish, response.choices[0].reason) == (finish, reason)
    told = json.loads(CLIENT.render(response, ASKED))
    assert told["stop_reason"] == (reason if finish != "other" else "end_turn")
    assert told.get("stop_details") == extra.get("stop_details")
    assert UPSTREAM.read_answer(answer).finish == reason


def test_a_stop_beside_calls_means_the_calls() -> None:
    assert UPSTREAM.decode(body(stop_reason="end_turn")).choices[0].finish == "tool_calls"


USAGES: list[tuple[dict[str, Any], Usage | None]] = [
    ({"input_tokens": 10, "output_tokens": 5}, Usage(10, 5)),
    ({"input_tokens": 0, "output_tokens": 0}, Usage(0, 0)),
    (
        {
            "input_tokens": 10,
            "output_tokens": 5,
            "cache_read_input_tokens": 90,
            "cache_creation_input_tokens": 0,
        },
        Usage(100, 5, cached=90),
    ),
    (
        {
            "input_tokens": 3,
            "output_tokens": 5,
            "cache_read_input_tokens": None,
            "cache_creation_input_tokens": 7,
        },
        Usage(10, 5, cache_write=7),
    ),
    (ANSWER["usage"], Usage(240, 40, 200, 30, 12, 20, units={"web_search": 1})),
    (
        {
            "input_tokens": 1,
            "output_tokens": 2,
            "iterations": [
                {
                    "type": "compaction",
                    "input_tokens": 100,
                    "output_tokens": 10,
                    "cache_read_input_tokens": 5,
                    "cache_creation_input_tokens": 0,
                },
                {
                    "type": "message",
                    "input_tokens": 1,
                    "output_tokens": 2,
                    "cache_read_input_tokens": 0,
                    "cache_creation_input_tokens": 0,
                },
            ],
        },
        Usage(106, 12, cached=5),
    ),
    ({"input_tokens": 10}, None),
    ({"input_tokens": "10", "output_tokens": 1.0}, Usage(10, 1)),
    ({"input_tokens": 10, "output_tokens": 1, "cache_creation": []}, Usage(10, 1)),
    ({"input_tokens": "ten", "output_tokens": 1}, None),
    ({"input_tokens": -1, "output_tokens": 1}, None),
]


@pytest.mark.parametrize(("counts", "expected"), USAGES)
def test_usage_is_in_our_convention(counts: dict[str, Any], expected: Usage | None) -> None:
    assert to_usage(read_counts(Raw(json.dumps(counts).encode()))) == expected


def test_usage_goes_there_and_back() -> None:
    usage = Usage(240, 40, 200, 30, 12, 20, units={"web_search": 1, "web_fetch": 2})
    assert to_usage(read_counts(Raw(json.dumps(from_usage(usage)).encode()))) == usage


def shown(*parts: Part, **choice: Any) -> dict[str, Any]:
    """How an answer of another language is shown, checked against the client's types."""
    response = ChatResponse(
        "gemini",
        "resp-1",
        "gemini-x",
        (Choice(0, parts, **{"finish": "stop", **choice}),),
        usage=Usage(100, 10, cached=40),
        service_tier="default",
    )
    told: dict[str, Any] = json.loads(CLIENT.render(response, ASKED))
    VendorMessage.model_validate(told, strict=True)
    return told


def test_another_providers_answer_is_a_message() -> None:
    told = shown(
        Thinking("hm", sealed="zzz"),
        Text("Hello", citations=(Citation("T", "https://a.test", "quote"),)),
        ToolCall("functions.x:0", "x", '{"a":1}', signature="state"),
        ToolCall("b", "x", ""),
        Foreign("gemini", Raw(b"{}")),
        finish="tool_calls",
        reason="STOP",
        extra={"safety": Raw(b"[]")},
    )
    assert told == {
        "id": "resp-1",
        "type": "message",
        "role": "assistant",
        "model": "gemini-x",
        "content": [
            {"type": "thinking", "thinking": "hm", "signature": ""},
            {"type": "redacted_thinking", "data": "zzz"},
            {
                "type": "text",
                "text": "Hello",
                "citations": [
                    {
                        "type": "web_search_result_location",
                        "cited_text": "quote",
                        "encrypted_index": "",
                        "title": "T",
                        "url": "https://a.test",
                    }
                ],
            },
            {
                "type": "tool_use",
                "id": "functions.x:0",
                "name": "x",
                "input": {"a": 1},
                "signature": "state",
            },
            {"type": "tool_use", "id": "b", "name": "x", "input": {}},
        ],
        "stop_reason": "tool_use",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 60,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 40,
            "output_tokens": 10,
            "service_tier": "standard",
        },
    }


def test_states_that_were_shown_are_read_again() -> None:
    told = shown(ToolCall("a", "x", "{}", signature="state"), finish="tool_calls")
    history = [
        {"role": "user", "content": "x"},
        {"role": "assistant", "content": told["content"]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a"}]},
    ]
    request = make_request({"model": "m", "max_tokens": 9, "messages": history})
    call = CLIENT.parse(request, CLIENT.glance(request)).messages[1].parts[0]
    assert isinstance(call, ToolCall)
    assert call.signature == "state"


def test_arguments_that_are_no_object_are_still_shown() -> None:
    assert shown(ToolCall("a", "x", "{oops"))["content"][0]["input"] == {"_raw": "{oops"}
    custom = ToolCall("a", "x", "free text", kind="custom")
    assert shown(custom)["content"][0]["input"] == {"input": "free text"}


@pytest.mark.parametrize(
    ("parts", "choice", "reason"),
    [
        ((Text("x"),), {"finish": "stop", "stop_sequence": "END"}, "stop_sequence"),
        ((Refusal("No."),), {"finish": "stop"}, "refusal"),
        ((Text("x"),), {"finish": "length", "reason": "MAX_TOKENS"}, "max_tokens"),
        ((), {"finish": "filter", "detail": Raw(b'[{"category":"HARM"}]')}, "refusal"),
        ((Text("x"),), {"finish": "pause"}, "pause_turn"),
        ((Text("x"),), {"finish": "other", "reason": "RECITATION"}, "end_turn"),
        ((Text("x"),), {"finish": ""}, "end_turn"),
    ],
)
def test_a_finish_is_told_in_the_clients_words(
    parts: tuple[Part, ...], choice: dict[str, Any], reason: str
) -> None:
    told = shown(*parts, **choice)
    assert told["stop_reason"] == reason
    assert "stop_details" not in told


def test_an_answer_without_usage_or_choices_is_still_a_message() -> None:
    told = json.loads(CLIENT.render(ChatResponse("openai", "", "", ()), ASKED))
    VendorMessage.model_validate(told, strict=True)
    assert told["usage"] == {"input_tokens": 0, "output_tokens": 0}


GARBLED = [
    b"",
    b"null",
    b"[]",
    b"{}",
    b"\xff",
    b'{"content":null}',
    b'{"content":"x"}',
    b'{"content":[3]}',
    b'{"content":[{"type":4}]}',
    b'{"content":[{"type":"text"}]}',
    b'{"content":[{"type":"tool_use","id":"a","name":"b","input":[]}]}',
    b'{"content":[{"type":"text","text":"a","citations":[3]}]}',
    b'{"content":[],"id":7}',
    b'{"content":[],"stop_reason":7}',
    b'{"content":' + b"[" * 5000,
]


@pytest.mark.parametrize("answer", GARBLED)
def test_what_is_no_answer_is_garbled(answer: bytes) -> None:
    with pytest.raises(UpstreamGarbled):
        UPSTREAM.decode(answer)


@pytest.mark.parametrize("answer", GARBLED[:7])
def test_what_is_no_answer_cannot_be_forwarded(answer: bytes) -> None:
    with pytest.raises(UpstreamGarbled):
        UPSTREAM.read_answer(answer)


def test_an_error_inside_an_answer_is_raised() -> None:
    answer = b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}'
    for read in (UPSTREAM.decode, UPSTREAM.read_answer):
        with pytest.raises(UpstreamRateLimited):
            read(answer)
    with pytest.raises(UpstreamFailed, match="failed while it answered"):
        UPSTREAM.decode(b'{"error":"boom"}')


def test_an_unknown_block_is_kept_whole() -> None:
    block = {"type": "brand_new", "deep": {"a": 1.50}}
    response = UPSTREAM.decode(body(content=[block], stop_reason="end_turn"))
    assert json.loads(CLIENT.render(response, ASKED))["content"] == [block]


def test_usage_that_makes_no_sense_costs_no_answer() -> None:
    answer = body(usage={"input_tokens": "many"})
    assert UPSTREAM.decode(answer).usage is None
    assert UPSTREAM.read_answer(answer).usage is None


def test_metadata_is_put_into_an_answer() -> None:
    told = json.loads(CLIENT.with_metadata(body(), b'{"selected_provider":"acme"}'))
    assert told == {**ANSWER, "router_metadata": {"selected_provider": "acme"}}
    with pytest.raises(UpstreamGarbled):
        CLIENT.with_metadata(b'{"a":1,"a":2}', b"{}")


def test_the_fast_mode_is_a_tier() -> None:
    usage = {**ANSWER["usage"], "speed": "fast"}
    response = UPSTREAM.decode(body(usage=usage))
    assert response.service_tier == "fast"
    assert json.loads(CLIENT.render(response, ASKED))["usage"]["speed"] == "fast"
