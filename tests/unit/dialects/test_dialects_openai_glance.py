"""What is read off a chat request, and what is refused with which name."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from typing import Any

import pytest

from federation.dialects.openai.glance import glance
from federation.dialects.openai.tables import FIELDS, GOVERNED, LISTED
from federation.errors import InvalidRequest
from federation.schema.glance import Glance
from federation.schema.http import ClientRequest

MakeRequest = Callable[..., ClientRequest]

HELLO = [{"role": "user", "content": "Hello"}]
BEGUN = {"role": "assistant", "content": "A"}


@pytest.fixture
def look(make_request: MakeRequest) -> Callable[..., Glance]:
    """A glance at a body of these fields; messages are added where there are none."""

    def at(**fields: Any) -> Glance:
        body = {"messages": HELLO, **fields}
        return glance(make_request(json.dumps(body).encode()))

    return at


Look = Callable[..., Glance]


def refusal(look: Look, **fields: Any) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        look(**fields)
    return caught.value


def test_a_plain_call_is_read(look: Look) -> None:
    seen = look(model="chat", max_tokens=5, user="u1")
    assert (seen.model, seen.stream, seen.max_output, seen.choices) == ("chat", False, 5, 1)
    assert (seen.messages, seen.text_bytes, seen.user) == (1, 5, "u1")
    assert (seen.needs, seen.governed, seen.unlisted) == ((), (), ())


def test_null_is_as_good_as_absent_for_optional_fields(look: Look) -> None:
    fields = dict.fromkeys(FIELDS)
    seen = look(**fields)
    assert (seen.model, seen.max_output, seen.choices, seen.tools) == (None, None, 1, 0)
    assert seen.governed == ()


def test_the_newer_output_limit_goes_before_the_older(look: Look) -> None:
    assert look(max_tokens=5, max_completion_tokens=7).max_output == 7


def test_usage_counts_as_asked_for_only_in_a_stream(look: Look) -> None:
    options = {"include_usage": True}
    assert look(stream=True, stream_options=options).usage_asked
    assert not look(stream=False, stream_options=options).usage_asked
    assert not look(stream=True, stream_options={"include_usage": False}).usage_asked
    assert not look(stream=True).usage_asked


def test_the_end_users_name_is_taken_from_the_most_explicit_place(look: Look) -> None:
    assert look(user="a", safety_identifier="b").user == "a"
    assert look(safety_identifier="b").user == "b"
    assert look(user="a", federation={"user": "c"}).user == "c"


# Messages


@pytest.mark.parametrize(
    ("text", "size"),
    [("abc", 3), ("ü€😀", 9), ("a\nb", 4), ("", 0)],
)
def test_text_is_measured_in_bytes_and_never_below(look: Look, text: str, size: int) -> None:
    seen = look(messages=[{"role": "user", "content": text}])
    assert len(text.encode()) <= seen.text_bytes <= size


def test_unescaped_text_is_measured_exactly(make_request: MakeRequest) -> None:
    text = "ü€😀" * 10
    body = json.dumps({"messages": [{"role": "user", "content": text}]}, ensure_ascii=False)
    assert glance(make_request(body.encode())).text_bytes == len(text.encode())


def test_parts_are_counted_by_kind(look: Look) -> None:
    parts = [
        {"type": "text", "text": "What is in these?"},
        {"type": "image_url", "image_url": {"url": "https://example.test/a.png", "detail": "low"}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
        {"type": "file", "file": {"file_id": "f1"}},
        {"type": "refusal", "refusal": "No."},
    ]
    seen = look(messages=[{"role": "user", "content": parts}])
    assert (seen.images, seen.audio, seen.files) == (2, 1, 1)
    assert seen.text_bytes == len("What is in these?") + len("No.")
    assert seen.unlisted == ()


def test_a_part_of_an_unknown_type_is_forwarded_and_reported_once(look: Look) -> None:
    part = {"type": "hologram", "text": "abc"}
    seen = look(messages=[{"role": "user", "content": [part, part]}])
    assert seen.unlisted == ("content.hologram",)
    assert seen.text_bytes == 6


def test_everything_else_in_a_message_counts_as_text_too(look: Look) -> None:
    calls = [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    messages = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": None, "tool_calls": calls},
        {"role": "assistant", "tool_calls": calls},
        {"role": "tool", "tool_call_id": "c1", "content": "42", "reasoning_content": "hm"},
        {
            "role": "assistant",
            "content": [{"type": "thinking", "thinking": "hm", "signature": "x"}],
        },
    ]
    seen = look(messages=messages)
    assert seen.messages == 5
    assert seen.text_bytes > 2 * len(json.dumps(calls, separators=(",", ":")))


def test_an_escaped_role_is_read_like_a_plain_one(make_request: MakeRequest) -> None:
    body = b'{"messages":[{"role":"us\\u0065r","content":"x"}]}'
    assert glance(make_request(body)).messages == 1


@pytest.mark.parametrize(
    ("messages", "param"),
    [
        ([], "messages"),
        (HELLO * 10_001, "messages"),
        ({}, "messages"),
        ("hi", "messages"),
        (None, "messages"),
        (["hi"], "messages[0]"),
        ([{"content": "x"}], "messages[0].role"),
        ([{"role": 1, "content": "x"}], "messages[0].role"),
        ([{"role": "wizard", "content": "x"}], "messages[0].role"),
        ([*HELLO, {"role": "user"}], "messages[1].content"),
        ([*HELLO, {"role": "user", "content": 1}], "messages[1].content"),
        ([*HELLO, {"role": "user", "content": True}], "messages[1].content"),
        ([*HELLO, {"role": "user", "content": {}}], "messages[1].content"),
        ([{"role": "user", "content": [1]}], "messages[0].content[0]"),
        ([{"role": "user", "content": [{}]}], "messages[0].content[0].type"),
        ([{"role": "user", "content": [{"type": 1}]}], "messages[0].content[0].type"),
        ([{"role": "user", "content": [{"type": "text"}]}], "messages[0].content[0].text"),
        (
            [{"role": "user", "content": [{"type": "text", "text": 1}]}],
            "messages[0].content[0].text",
        ),
        (
            [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}],
            "messages[0].content[0].image_url",
        ),
        ([{"role": "user", "content": "x", "name": 1}], "messages[0].name"),
        ([{"role": "assistant", "tool_calls": [1]}], "messages[0].tool_calls[0]"),
        ([{"role": "tool", "content": "x", "tool_call_id": 1}], "messages[0].tool_call_id"),
    ],
)  # fmt: skip
def test_a_message_that_is_wrong_is_named(look: Look, messages: Any, param: str) -> None:
    error = refusal(look, messages=messages)
    assert error.param == param
    assert param in error.message


def test_a_body_without_messages_is_refused(make_request: MakeRequest) -> None:
    with pytest.raises(InvalidRequest, match="'messages' is missing"):
        glance(make_request(b"{}"))


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ('{"messages":[{"role":"user","role":"system","content":"x"}]}', "messages[0].role"),
        (
            '{"messages":[{"role":"user","content":"x","c\\u006fntent":"y"}]}',
            "messages[0].content",
        ),
        (
            '{"messages":[{"role":"user","content":[{"type":"text","text":"a","text":"b"}]}]}',
            "messages[0].content[0].text",
        ),
        (
            '{"messages":[{"role":"user","content":[{"type":"image_url","image_url":%url}]}]}',
            "messages[0].content[0].image_url.url",
        ),
        ('{"model":"a","messages":[],"model":"b"}', "model"),
        ('{"tools":[{"type":"function","type":"mcp"}],%s}', "tools[0].type"),
        (
            '{"stream_options":{"include_usage":true,"include_usage":false},%s}',
            "stream_options.include_usage",
        ),
        ('{"response_format":{"type":"text","type":"json_schema"},%s}', "response_format.type"),
        ('{"federation":{"session":"a","session":"b"},%s}', "federation.session"),
        (
            '{"federation":{"constraints":{"max_cost":1,"max_cost":2}},%s}',
            "federation.constraints.max_cost",
        ),
        ('{"federation":{"tags":{"a":"1","a":"2"}},%s}', "federation.tags.a"),
    ],
)
def test_what_we_read_may_not_stand_twice(make_request: MakeRequest, body: str, param: str) -> None:
    text = body.replace("%s", '"messages":[{"role":"user","content":""}]')
    text = text.replace("%url", '{"url":"a","url":"b"}')
    with pytest.raises(InvalidRequest) as caught:
        glance(make_request(text.encode()))
    assert (caught.value.code, caught.value.param) == ("duplicate_field", param)


# Fields

WRONG: tuple[Any, ...] = ({"an": "object"}, [[]], "text", 1.5, True)


@pytest.mark.parametrize("name", sorted(FIELDS))
def test_every_known_field_refuses_a_wrong_type_by_name(look: Look, name: str) -> None:
    errors = []
    for value in WRONG:
        with contextlib.suppress(_Accepted):
            errors.append(_refused(look, name, value))
    assert len(errors) >= 3
    for error in errors:
        assert error.code == "invalid_type"
        assert error.param is not None
        assert error.param.startswith(name)
        assert f"'{name}" in error.message


class _Accepted(Exception):
    """The value was taken."""


def _refused(look: Look, name: str, value: Any) -> InvalidRequest:
    try:
        look(**{name: value})
    except InvalidRequest as error:
        return error
    raise _Accepted


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n", 0), ("n", 129), ("max_tokens", 0), ("max_tokens", -1), ("max_tokens", 10**40),
        ("max_completion_tokens", 0), ("model", ""), ("model", "x" * 257), ("user", "x" * 513),
        ("top_logprobs", -1), ("stop", ["a", 1]), ("modalities", ["text", 1]),
        ("logit_bias", {"1": "x"}),
    ],
)  # fmt: skip
def test_a_value_out_of_range_is_refused(look: Look, name: str, value: Any) -> None:
    error = refusal(look, **{name: value})
    assert error.param is not None
    assert error.param.startswith(name)


def test_a_message_of_a_type_error_says_what_belongs_there(look: Look) -> None:
    assert "expected int or null, got str" in refusal(look, max_tokens="many").message


# Needs


@pytest.mark.parametrize(
    ("fields", "needs"),
    [
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, ("tools",)),
        ({"functions": [{"name": "f"}]}, ("tools",)),
        ({"tools": []}, ()),
        (
            {"tools": [{"type": "function"}], "tool_choice": "required"},
            ("tools", "forced_tools"),
        ),
        (
            {"tools": [{"type": "function"}], "tool_choice": {"type": "function"}},
            ("tools", "forced_tools"),
        ),
        ({"tools": [{"type": "custom"}], "tool_choice": "auto"}, ("tools",)),
        ({"response_format": {"type": "json_schema", "json_schema": {}}}, ("json_schema",)),
        ({"response_format": {"type": "json_object"}}, ()),
        ({"reasoning_effort": "high"}, ("reasoning",)),
        ({"reasoning_effort": "none"}, ()),
        ({"continue_final_message": True}, ("prefill",)),
        ({"continue_final_message": False}, ()),
        ({"messages": [*HELLO, {**BEGUN, "prefix": True}]}, ("prefill",)),
        ({"messages": [*HELLO, BEGUN]}, ()),
    ],
)  # fmt: skip
def test_needs_are_abilities(look: Look, fields: dict[str, Any], needs: tuple[str, ...]) -> None:
    assert look(**fields).needs == needs


def test_tools_are_counted_and_their_text_too(look: Look) -> None:
    tool = {"type": "function", "function": {"name": "f", "description": "d" * 100}}
    seen = look(tools=[tool, tool], functions=[{"name": "g"}])
    assert seen.tools == 3
    assert seen.text_bytes > 200


@pytest.mark.parametrize(
    ("tool", "param"), [({}, "tools[0].type"), ({"type": 1}, "tools[0].type"), (1, "tools[0]")]
)
def test_a_tool_without_a_type_is_refused(look: Look, tool: Any, param: str) -> None:
    assert refusal(look, tools=[tool]).param == param


# Governed and unlisted fields


@pytest.mark.parametrize("name", sorted(GOVERNED))
def test_every_governed_field_is_reported_unless_its_value_changes_nothing(
    look: Look, name: str
) -> None:
    values: tuple[Any, ...] = (True, "something", {"a": "b"}, 7, [{"a": 1}])
    seen = []
    for value in values:
        try:
            seen.append(look(**{name: value}))
        except InvalidRequest:
            continue  # a known field with a type of its own
    assert any(glanced.governed == (name,) for glanced in seen)
    assert all(glanced.unlisted == () for glanced in seen)
    assert look(**{name: None}).governed == ()


@pytest.mark.parametrize(
    ("fields", "governed"),
    [
        ({"store": False}, ()),
        ({"store": True}, ("store",)),
        ({"service_tier": "auto"}, ()),
        ({"service_tier": "priority"}, ("service_tier",)),
        ({"models": []}, ()),
        ({"provider": {}}, ()),
        ({"provider": {"order": ["x"]}}, ("provider",)),
        ({"web_search_options": {}}, ("web_search_options",)),
        ({"prompt_cache_retention": "24h"}, ("prompt_cache_retention",)),
        ({"tools": [{"type": "mcp", "server_url": "https://x.test"}]}, ("tools.mcp",)),
        (
            {"tools": [{"type": "function"}, {"type": "web_search"}, {"type": "web_search"}]},
            ("tools.web_search",),
        ),
    ],
)
def test_governed_fields_are_told_from_harmless_values(
    look: Look, fields: dict[str, Any], governed: tuple[str, ...]
) -> None:
    assert look(**fields).governed == governed


@pytest.mark.parametrize(
    ("marker", "governed"),
    [
        ({"cache_control": {"type": "ephemeral"}}, ()),
        ({"cache_control": {"type": "ephemeral", "ttl": "1h"}}, ("cache_control",)),
        ({"prompt_cache_breakpoint": {"mode": "explicit"}}, ()),
        (
            {"prompt_cache_breakpoint": {"mode": "explicit", "ttl": "12h"}},
            ("prompt_cache_breakpoint",),
        ),
    ],
)
def test_a_marker_that_keeps_a_prefix_longer_is_governed(
    look: Look, marker: dict[str, Any], governed: tuple[str, ...]
) -> None:
    part = {"type": "text", "text": "x", **marker}
    assert look(messages=[{"role": "user", "content": [part, part]}]).governed == governed
    assert look(messages=[{"role": "user", "content": "x", **marker}]).governed == governed


def test_a_field_that_nobody_listed_is_reported(look: Look) -> None:
    seen = look(min_p=0.1, frobnicate=1, metadata={"frobnicate": "x"})
    assert seen.unlisted == ("frobnicate",)
    assert seen.governed == ()


def test_no_field_is_in_two_lists() -> None:
    assert not LISTED & GOVERNED.keys()
    assert not LISTED & FIELDS.keys()
