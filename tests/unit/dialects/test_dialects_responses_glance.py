"""What a glance at a Responses call sees, and which calls it refuses."""

from __future__ import annotations

import json
from typing import Any

import pytest
from responses_world import TOOL, Body, call, encoded, glanced

from federation.dialects.openai_responses.client import CLIENT
from federation.errors import InvalidRequest

IMAGE = {"type": "input_image", "image_url": "https://a.test/x.png", "detail": "auto"}
FILE = {"type": "input_file", "file_id": "file-1"}


def test_a_string_is_one_item_of_text() -> None:
    seen = glanced({"model": "chat", "input": "héllo"})
    assert (seen.model, seen.messages, seen.text_bytes) == ("chat", 1, 6)
    assert seen.governed == seen.unlisted == seen.needs == ()


def test_items_are_counted_with_what_they_hold() -> None:
    seen = glanced(
        {
            "input": [
                {"role": "user", "content": "abcd"},
                {"role": "user", "content": [{"type": "input_text", "text": "ef"}, IMAGE, FILE]},
                {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "c", "output": [IMAGE]},
            ]
        }
    )
    assert (seen.messages, seen.images, seen.files) == (4, 2, 1)
    assert 6 <= seen.text_bytes <= 20


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": "), (" ,", " : ")])
def test_the_counts_do_not_depend_on_white_space(separators: tuple[str, str]) -> None:
    body = {
        "input": [
            {"role": "user", "content": "abcd"},
            {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c", "output": "x"},
        ]
    }
    seen = glanced(json.dumps(body, separators=separators).encode())
    assert seen.text_bytes == glanced(body).text_bytes


def test_usage_always_comes_with_a_stream() -> None:
    assert glanced({"input": "a", "stream": True}).usage_asked
    assert not glanced({"input": "a"}).usage_asked


def test_needs_are_read_off_tools_format_and_effort() -> None:
    seen = glanced(
        {
            "input": "a",
            "tools": [TOOL],
            "tool_choice": {"type": "function", "name": "weather"},
            "text": {"format": {"type": "json_schema", "name": "n", "schema": {}}},
            "reasoning": {"effort": "high"},
        }
    )
    assert seen.needs == ("tools", "forced_tools", "json_schema", "reasoning")
    loose = {"type": "allowed_tools", "mode": "auto", "tools": []}
    assert glanced({"input": "a", "tools": [TOOL], "tool_choice": loose}).needs == ("tools",)


@pytest.mark.parametrize(
    ("member", "governed"),
    [
        ({"store": True}, ("store",)),
        ({"store": False}, ()),
        ({"background": True}, ("background",)),
        ({"previous_response_id": "resp_1"}, ("previous_response_id",)),
        ({"conversation": {"id": "conv_1"}}, ("conversation",)),
        ({"prompt": {"id": "pmpt_1"}}, ("prompt",)),
        ({"service_tier": "priority"}, ("service_tier",)),
        ({"service_tier": "auto"}, ()),
        ({"truncation": "auto"}, ("truncation",)),
        ({"truncation": "disabled"}, ()),
        ({"prompt_cache_retention": "24h"}, ("prompt_cache_retention",)),
        ({"context_management": [{"type": "compaction"}]}, ("context_management",)),
        ({"tools": [{"type": "web_search"}, TOOL]}, ("tools.web_search",)),
        ({"tools": [{"type": "mcp", "server_label": "x"}]}, ("tools.mcp",)),
    ],
)
def test_governed_fields_are_named(member: Body, governed: tuple[str, ...]) -> None:
    assert glanced({"input": "a", **member}).governed == governed


def test_a_namespace_is_as_governed_as_the_tools_in_it() -> None:
    held: Body = {"type": "namespace", "name": "n", "description": "", "tools": [TOOL]}
    assert glanced({"input": "a", "tools": [held]}).governed == ()
    held["tools"] = [{"type": "web_search"}]
    assert glanced({"input": "a", "tools": [held]}).governed == ("tools.web_search",)


def test_items_that_bring_in_tools_or_stored_content_are_governed() -> None:
    items = [
        {"type": "additional_tools", "role": "developer", "tools": []},
        {"type": "item_reference", "id": "msg_1"},
        {"id": "msg_2"},
        {"type": "brand_new_item"},
    ]
    seen = glanced({"input": items})
    assert seen.governed == ("input.additional_tools", "input.item_reference")
    assert seen.unlisted == ("input.brand_new_item",)


def test_a_long_lived_cache_mark_is_governed() -> None:
    part: Body = {"type": "input_text", "text": "a"}
    part["prompt_cache_breakpoint"] = {"mode": "explicit", "ttl": "12h"}
    assert glanced({"input": [{"role": "user", "content": [part]}]}).governed == (
        "prompt_cache_breakpoint",
    )


def test_input_may_be_missing_only_where_something_stored_stands_for_it() -> None:
    assert glanced({"previous_response_id": "resp_1"}).messages == 0
    with pytest.raises(InvalidRequest) as caught:
        glanced({"model": "chat"})
    assert caught.value.param == "input"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b'{"input":5}', "input"),
        (b'{"input":[5]}', "input[0]"),
        (b'{"input":[{}]}', "input[0].type"),
        (b'{"input":[{"role":"user"}]}', "input[0].content"),
        (b'{"input":[{"role":"robot","content":"a"}]}', "input[0].role"),
        (b'{"input":[{"role":"user","content":5}]}', "input[0].content"),
        (b'{"input":[{"role":"user","content":[{"text":"a"}]}]}', "input[0].content[0].type"),
        (
            b'{"input":[{"role":"user","content":[{"type":"input_text"}]}]}',
            "input[0].content[0].text",
        ),
        (b'{"input":[{"type":"function_call","call_id":"c","name":"f"}]}', "input[0].arguments"),
        (b'{"input":[{"type":"function_call_output","call_id":"c"}]}', "input[0].output"),
        (b'{"input":"a","input":"b"}', "input"),
        (b'{"input":[{"role":"user","content":"a","content":"b"}]}', "input[0].content"),
        (b'{"input":"a","text":{"format":null,"format":null}}', "text.format"),
        (b'{"input":"a","temperature":"hot"}', "temperature"),
        (b'{"input":"a","max_output_tokens":0}', "max_output_tokens"),
        (b'{"input":"a","reasoning":{"effort":5}}', "reasoning.effort"),
        (b'{"input":"a","tools":[{"name":"x"}]}', "tools[0].type"),
        (b'{"input":"a","tools":[5]}', "tools[0]"),
    ],
)
def test_a_wrong_member_is_named(body: bytes, param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        CLIENT.glance(call(body))
    assert caught.value.param == param


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"null", b'{"input":"\\ud800"}', b'{"a":\xff}'])
def test_what_is_no_json_object_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        CLIENT.glance(call(body))


def test_our_object_and_headers_are_read() -> None:
    request = call(
        {"input": "a", "federation": {"strategy": "cheapest"}}, {b"x-federation-strict": b"true"}
    )
    ask = CLIENT.glance(request).ask
    assert (ask.strategy, ask.strict) == ("cheapest", True)


def test_the_classifier_gets_the_last_question_and_the_setting() -> None:
    body: dict[str, Any] = {
        "instructions": "Be a poet.",
        "input": [
            {"role": "user", "content": "Tell me of rivers."},
            {"role": "assistant", "content": "They flow."},
            {"role": "user", "content": [{"type": "input_text", "text": "And in French?"}, IMAGE]},
        ],
    }
    request = call(encoded(body))
    words = CLIENT.prompt(request, CLIENT.glance(request))
    assert words == "Tell me of rivers.\nAnd in French?\n\nBe a poet."
    plain = call({"input": "Hi"})
    assert CLIENT.prompt(plain, CLIENT.glance(plain)) == "Hi"
