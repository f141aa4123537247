"""A client's call: looked at, read into the canonical form, and written back the same."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from anthropic_samples import FULL
from anthropic_vendor import VendorRequests, make_request, make_upstream
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.dialects.anthropic.client import CLIENT
from federation.errors import InvalidRequest
from federation.schema.chat import ChatRequest
from federation.schema.parts import Foreign, Media, Text, Thinking, ToolCall, ToolResult


@pytest.fixture(scope="module")
def vendor() -> VendorRequests:
    return VendorRequests()


def parsed(body: Any, headers: dict[bytes, bytes] | None = None) -> ChatRequest:
    request = make_request(body, headers)
    return CLIENT.parse(request, CLIENT.glance(request))


def sent(request: ChatRequest, **row: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(make_upstream(**row).encode(request).request.body)
    return found


def test_the_whole_language_is_read_and_written_back(vendor: VendorRequests) -> None:
    vendor.check(FULL)
    upstream = make_upstream(quirks={"reasoning_control": "adaptive"})
    written = upstream.encode(parsed(FULL))
    body = json.loads(written.request.body)
    vendor.check(body)
    assert written.losses == ()
    assert body == {**FULL, "model": "claude-x"}


def test_each_block_finds_its_canonical_place() -> None:
    request = parsed(FULL)
    roles = [message.role for message in request.messages]
    assert roles == ["system", "user", "assistant", "tool", "user", "system", "assistant", "user"]
    asked = request.messages[1].parts
    assert [type(part) for part in asked] == [Text, *([Media] * 8), Foreign]
    pdf, words, pages, found = asked[4], asked[6], asked[7], asked[8]
    assert isinstance(pdf, Media)
    assert (pdf.name, pdf.cite, pdf.media_type) == ("A", True, "application/pdf")
    assert isinstance(words, Media)
    assert isinstance(pages, Media)
    assert isinstance(found, Media)
    assert (words.text, pages.text, found.text, found.name) == ("Words.", "One", "Found.", "C")
    answered = request.messages[2].parts
    kinds = [Thinking, Thinking, Text, Foreign, Foreign, ToolCall, ToolCall]
    assert [type(part) for part in answered] == kinds
    call = answered[5]
    assert isinstance(call, ToolCall)
    assert call.arguments == '{"deep": [1, 2.5]}'
    result = request.messages[3].parts[1]
    assert isinstance(result, ToolResult)
    assert (result.call_id, result.error, len(result.parts)) == ("toolu_2", True, 2)
    assert request.tools[1].kind == request.tools[2].kind == "hosted"
    assert (request.user, request.service_tier, request.parallel_tools) == ("u-1", "default", False)
    assert request.reasoning is not None
    assert (request.reasoning.adaptive, request.reasoning.effort) == (True, "high")
    assert request.extra.keys() == {"inference_geo", "speed", "container"}


def test_a_glance_counts_and_names_what_is_governed() -> None:
    seen = CLIENT.glance(make_request(FULL, {b"anthropic-version": b"2026-10-21"}))
    assert (seen.model, seen.max_output, seen.messages) == ("claude", 2048, 6)
    assert (seen.images, seen.files, seen.tools, seen.user) == (4, 4, 3, "u-1")
    assert set(seen.needs) == {"tools", "json_schema", "reasoning"}
    assert set(seen.governed) == {
        "tools.web_search",
        "content.file",
        "content.container_upload",
        "cache_control",
        "inference_geo",
        "container",
    }
    assert seen.unlisted == ()
    words = len("What is this?Words.OneFound.Let me see.It says so.seennoGo on.Be brief.")
    assert seen.text_bytes > words


@pytest.mark.parametrize(
    ("field", "value", "governed"),
    [
        ("service_tier", "auto", ()),
        ("service_tier", "priority", ("service_tier",)),
        ("speed", "fast", ("speed",)),
        ("fallbacks", "default", ("fallbacks",)),
        ("mcp_servers", [{"type": "url", "name": "m", "url": "https://m.test"}], ("mcp_servers",)),
        ("context_management", {"edits": [{"type": "clear_thinking_20251015"}]}, ()),
        ("context_management", {"edits": [{"type": "compact_20260112"}]}, ("context_management",)),
        ("cache_control", {"type": "ephemeral", "ttl": "5m"}, ()),
        ("cache_control", {"ttl": "1h", "type": "ephemeral"}, ("cache_control",)),
        ("thread", {"type": "create"}, ("thread",)),
        ("diagnostics", {"previous_message_id": None}, ()),
    ],
)
def test_a_field_is_governed_unless_it_changes_nothing(
    field: str, value: Any, governed: tuple[str, ...]
) -> None:
    body = {"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": "x"}]}
    assert CLIENT.glance(make_request({**body, field: value})).governed == governed


def test_betas_are_read_governed_and_sent_on() -> None:
    body = {"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": "x"}]}
    named = "claude-code-20250219, files-api-2025-04-14,context-1m-2025-08-07,brand-new-2027-01-01"
    request = make_request(body, {b"anthropic-beta": named.encode()})
    seen = CLIENT.glance(request)
    assert seen.governed == ("anthropic-beta.files-api", "anthropic-beta.context-1m")
    assert seen.unlisted == ("anthropic-beta.brand-new-2027-01-01",)
    upstream = make_upstream()
    expected = named.replace(" ", "").encode()
    assert dict(upstream.forward(seen, request.body).headers)[b"anthropic-beta"] == expected
    written = upstream.encode(CLIENT.parse(request, seen))
    assert dict(written.request.headers)[b"anthropic-beta"] == expected
    plain = make_upstream(quirks={"drop": ["anthropic-beta"]})
    assert b"anthropic-beta" not in dict(plain.forward(seen, request.body).headers)


@pytest.mark.parametrize(
    "header", [b"a\r\nx: y", b"a b", b"\xff", b",".join([b"%d" % n for n in range(60)])]
)
def test_a_beta_that_is_no_name_is_refused(header: bytes) -> None:
    body = {"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": "x"}]}
    with pytest.raises(InvalidRequest) as caught:
        CLIENT.glance(make_request(body, {b"anthropic-beta": header}))
    assert caught.value.param == "anthropic-beta"


def test_an_unknown_version_is_refused() -> None:
    body = {"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": "x"}]}
    with pytest.raises(InvalidRequest) as caught:
        CLIENT.glance(make_request(body, {b"anthropic-version": b"2020-01-01"}))
    assert caught.value.param == "anthropic-version"


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"messages": []}, "messages"),
    ({"messages": "x"}, "messages"),
    ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role"),
    ({"messages": [{"role": "user"}]}, "messages[0].content"),
    ({"messages": [{"role": "user", "content": None}]}, "messages[0].content"),
    ({"messages": [{"role": "user", "content": [{}]}]}, "messages[0].content[0].type"),
    (
        {"messages": [{"role": "user", "content": [{"type": "text"}]}]},
        "messages[0].content[0].text",
    ),
    (
        {"messages": [{"role": "user", "content": [{"type": "text", "text": 1}]}]},
        "messages[0].content[0].text",
    ),
    (
        {"messages": [{"role": "user", "content": [{"type": "image", "source": {}}]}]},
        "messages[0].content[0].source.type",
    ),
    (
        {"messages": [{"role": "user", "content": [{"type": "image", "source": 3}]}]},
        "messages[0].content[0].source",
    ),
    ({"max_tokens": "9"}, "max_tokens"),
    ({"max_tokens": -1}, "max_tokens"),
    ({"stream": "yes"}, "stream"),
    ({"thinking": {}}, "thinking"),
    ({"tools": [3]}, "tools[0]"),
    ({"system": 3}, "system"),
    ({"system": [{"type": "text", "text": None}]}, "system[0].text"),
    ({"stop_sequences": "END"}, "stop_sequences"),
    ({"metadata": {"user_id": 4}}, "metadata.user_id"),
    ({"federation": {"tags": 3}}, "federation.tags"),
]


@pytest.mark.parametrize(("change", "param"), REFUSED, ids=[param for _, param in REFUSED])
def test_a_malformed_call_is_refused_with_its_field(change: dict[str, Any], param: str) -> None:
    body = {"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": "x"}]}
    with pytest.raises(InvalidRequest) as caught:
        CLIENT.glance(make_request({**body, **change}))
    assert caught.value.param == param


PARSE_REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"tools": [{"name": "x"}]}, "tools[0].input_schema"),
    ({"tools": [{"input_schema": {}}]}, "tools[0].name"),
    ({"tool_choice": {"type": "tool"}}, "tool_choice"),
    ({"tool_choice": {"type": "maybe"}}, "tool_choice"),
    ({"output_config": {"format": {"type": "text"}}}, "output_config.format"),
    (
        {
            "messages": [
                {"role": "assistant", "content": [{"type": "tool_result", "tool_use_id": "x"}]}
            ]
        },
        "messages[0].content[0]",
    ),
    (
        {"messages": [{"role": "user", "content": [{"type": "tool_result"}]}]},
        "messages[0].content[0].tool_use_id",
    ),
    (
        {
            "messages": [
                {
                    "role": "assistant",
                    "content": [{"type": "tool_use", "id": "a", "name": "b", "input": "{}"}],
                }
            ]
        },
        "messages[0].content[0].input",
    ),
]


@pytest.mark.parametrize(("change", "param"), PARSE_REFUSED, ids=[p for _, p in PARSE_REFUSED])
def test_what_only_parsing_sees_is_refused_with_its_field(
    change: dict[str, Any], param: str
) -> None:
    body = {"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": "x"}]}
    with pytest.raises(InvalidRequest) as caught:
        parsed({**body, **change})
    assert caught.value.param == param


@pytest.mark.parametrize(
    "body",
    [
        b'{"messages":[{"role":"user","content":"x"}],"max_tokens":1,"max_tokens":2}',
        b'{"messages":[{"role":"user","role":"user","content":"x"}]}',
        b'{"messages":[{"role":"user","content":[{"type":"text","text":"a","te\\u0078t":"b"}]}]}',
        b'{"messages":[{"role":"user","content":"x"}],"thinking":{"type":"enabled","type":"disabled"}}',
        b'{"messages":[{"role":"user","content":[%b]}]}'
        % b'{"type":"image","source":{"type":"url","url":"a","url":"b"}}',
    ],
)
def test_a_duplicate_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest) as caught:
        CLIENT.glance(make_request(body))
    assert caught.value.code == "duplicate_field"


def test_parts_in_parts_have_a_floor() -> None:
    part: dict[str, Any] = {"type": "text", "text": "x"}
    for _ in range(8):
        part = {"type": "tool_result", "tool_use_id": "a", "content": [part]}
    body = {"model": "m", "messages": [{"role": "user", "content": [part]}]}
    with pytest.raises(InvalidRequest):
        CLIENT.glance(make_request(body))


def test_a_classifier_gets_the_last_question_and_the_setting() -> None:
    request = make_request(FULL)
    words = CLIENT.prompt(request, CLIENT.glance(request))
    assert words == "Go on.\nAnd?\n\nBe brief."


# Round trips over everything that the language can say.

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20).map(
    lambda text: "w" + text
)
MARKS = st.sampled_from([{}, {"cache_control": {"type": "ephemeral", "ttl": "1h"}}])


@st.composite
def texts(draw: st.DrawFn) -> dict[str, Any]:
    return {"type": "text", "text": draw(TEXTS), **draw(MARKS)}


@st.composite
def pictures(draw: st.DrawFn) -> dict[str, Any]:
    source = draw(
        st.sampled_from(
            [
                {"type": "url", "url": "https://acme.test/a.png"},
                {"type": "base64", "media_type": "image/webp", "data": "UklGRg=="},
                {"type": "file", "file_id": "file_9"},
            ]
        )
    )
    return {"type": draw(st.sampled_from(["image"])), "source": source, **draw(MARKS)}


@st.composite
def calls(draw: st.DrawFn, name: str) -> dict[str, Any]:
    given_input = draw(st.dictionaries(TEXTS, st.integers(0, 99) | TEXTS | st.none(), max_size=3))
    return {"type": "tool_use", "id": name, "name": "look", "input": given_input}


@st.composite
def conversations(draw: st.DrawFn) -> list[dict[str, Any]]:
    turns: list[dict[str, Any]] = []
    for number in range(draw(st.integers(1, 3))):
        asked = draw(st.lists(texts() | pictures(), min_size=2, max_size=3))
        calls_made = [draw(calls(f"t{number}_{n}")) for n in range(draw(st.integers(0, 2)))]
        thought = {"type": "thinking", "thinking": draw(TEXTS), "signature": "s"}
        turns.append({"role": "user", "content": asked})
        turns.append({"role": "assistant", "content": [thought, draw(texts()), *calls_made]})
        if calls_made:
            results = [
                {
                    "type": "tool_result",
                    "tool_use_id": call["id"],
                    "content": draw(st.lists(texts() | pictures(), min_size=2, max_size=2)),
                }
                for call in calls_made
            ]
            turns.append({"role": "user", "content": results})
            turns.append({"role": "assistant", "content": [draw(texts()), draw(texts())]})
    turns.append({"role": "user", "content": [draw(texts()), draw(texts())]})
    return turns


@given(conversations())
@settings(deadline=None, max_examples=60)
def test_reading_and_writing_a_conversation_changes_nothing(turns: list[dict[str, Any]]) -> None:
    body = {"model": "claude-x", "max_tokens": 9, "messages": turns}
    request = parsed(body)
    row: dict[str, Any] = {"quirks": {"cache_breakpoints": 99}}
    written = sent(request, **row)
    assert written == body
    assert parsed(written) == request


def same(first: ChatRequest, second: ChatRequest) -> bool:
    return msgspec.json.encode(first) == msgspec.json.encode(second)


def test_a_string_and_its_block_are_the_same() -> None:
    plain = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]}
    block = {**plain, "messages": [{"role": "user", "content": [{"type": "text", "text": "x"}]}]}
    assert same(parsed(plain), parsed(block))
