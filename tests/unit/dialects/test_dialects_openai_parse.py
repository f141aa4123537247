"""What clients write is read into the canonical form, or refused with the place."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from json_mutations import mutated
from msgspec import Raw

from federation.dialects.openai.client import CLIENT
from federation.dialects.openai.encode import encode
from federation.dialects.openai.row import asks_for_translation
from federation.dialects.openai.wire import Wire
from federation.errors import CallerError, InvalidRequest
from federation.schema.chat import ChatRequest, OutputFormat, Reasoning, Tool, ToolChoice
from federation.schema.http import ClientRequest
from federation.schema.parts import (
    CUSTOM,
    CacheMark,
    Foreign,
    Media,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)

MakeRequest = Callable[..., ClientRequest]
MakeWire = Callable[..., Wire]
HELLO = [{"role": "user", "content": "Hello"}]


def parse(**body: Any) -> ChatRequest:
    data = json.dumps({"model": "chat", "messages": HELLO, **body}).encode()
    request = ClientRequest("POST", "/v1/chat/completions", "", {}, data)
    return CLIENT.parse(request, CLIENT.glance(request))


def parts_of(message: dict[str, Any]) -> tuple[Part, ...]:
    return parse(messages=[message]).messages[0].parts


def part_of(part: dict[str, Any]) -> Part:
    return parts_of({"role": "user", "content": [part]})[0]


PDF = "data:application/pdf;base64,aGk="

PARTS: list[tuple[dict[str, Any], Part]] = [
    ({"type": "text", "text": "Hi"}, Text("Hi")),
    (
        {"type": "image_url", "image_url": {"url": "https://a.test/a.png", "detail": "high"}},
        Media("image", url="https://a.test/a.png", detail="high"),
    ),
    (
        {"type": "image_url", "image_url": {"url": "DATA:image/png;base64,aGk="}},
        Media("image", "image/png", "aGk="),
    ),
    ({"type": "image_url", "image_url": "https://a.test"}, Media("image", url="https://a.test")),
    (
        {"type": "input_image", "image_url": "https://a.test", "detail": "low"},
        Media("image", url="https://a.test", detail="low"),
    ),
    (
        {"type": "image_url", "image_url": {"url": "data:text/plain,a%20b"}},
        Media("image", "text/plain", "YSBi"),
    ),
    (
        {"type": "input_audio", "input_audio": {"data": "aGk=", "format": "mp3"}},
        Media("audio", "audio/mpeg", "aGk="),
    ),
    (
        {"type": "input_audio", "input_audio": {"data": "aGk=", "format": "flac"}},
        Media("audio", "audio/flac", "aGk="),
    ),
    (
        {"type": "file", "file": {"file_data": PDF, "filename": "a.pdf"}},
        Media("file", "application/pdf", "aGk=", name="a.pdf"),
    ),
    (
        {"type": "file", "file": {"file_data": "aGk=", "filename": "A.PDF"}},
        Media("file", "application/pdf", "aGk=", name="A.PDF"),
    ),
    ({"type": "file", "file": {"file_id": "file-1"}}, Media("file", file_id="file-1")),
    (
        {"type": "video_url", "video_url": {"url": "https://a.test"}},
        Media("video", url="https://a.test"),
    ),
    (
        {"type": "audio_url", "audio_url": {"url": "https://a.test"}},
        Media("audio", url="https://a.test"),
    ),
    (
        {"type": "document_url", "document_url": "https://a.test"},
        Media("file", url="https://a.test"),
    ),
    ({"type": "refusal", "refusal": "No"}, Refusal("No")),
    ({"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}]}, Thinking("Hm")),
    (
        {"type": "reasoning", "summary": [{"text": "Hm", "signature": "sig"}]},
        Thinking("Hm", signature="sig"),
    ),
    ({"type": "redacted_thinking", "data": "x"}, Thinking(sealed="x")),
]


@pytest.mark.parametrize(("written", "expected"), PARTS)
def test_every_content_part_is_read(written: dict[str, Any], expected: Part) -> None:
    assert part_of(written) == expected


def test_an_unknown_part_stays_this_languages_own() -> None:
    part = part_of({"type": "hologram", "id": 1})
    assert isinstance(part, Foreign)
    assert part.dialect == "openai"
    assert json.loads(bytes(part.raw)) == {"type": "hologram", "id": 1}


@pytest.mark.parametrize(
    ("name", "mark", "ttl"),
    [
        ("cache_control", {"type": "ephemeral", "ttl": "1h"}, "1h"),
        ("prompt_cache_breakpoint", {"mode": "explicit"}, ""),
    ],
)
def test_cache_marks_are_read_and_kept_in_their_words(
    name: str, mark: dict[str, Any], ttl: str
) -> None:
    part = part_of({"type": "text", "text": "Hi", name: mark})
    assert isinstance(part, Text)
    assert part.cache == CacheMark(ttl)
    assert json.loads(bytes(part.extra[name])) == mark


def test_an_empty_text_is_no_part() -> None:
    assert parts_of({"role": "user", "content": ""}) == ()
    assert parts_of({"role": "assistant", "content": None}) == ()
    assert parts_of({"role": "assistant"}) == ()


SIGNED = {"google": {"thought_signature": "sig"}}


def test_an_assistant_message_is_read_whole() -> None:
    message = {
        "role": "assistant",
        "content": "Hi",
        "refusal": "No",
        "audio": {"id": "audio_1"},
        "reasoning_content": "Hm",
        "tool_calls": [
            {
                "id": "a",
                "type": "function",
                "function": {"name": "f", "arguments": "{"},
                "extra_content": SIGNED,
            },
            {"id": "b", "type": "custom", "custom": {"name": "g", "input": "ls"}},
            {"function": {"name": "h", "arguments": {"x": 1}}},
        ],
        "prefix": True,
    }
    (found,) = parse(messages=[message]).messages
    thought, text, refusal, audio, *calls = found.parts
    assert (thought, text, refusal) == (Thinking("Hm"), Text("Hi"), Refusal("No"))
    assert isinstance(audio, Foreign)
    assert calls == [
        ToolCall("a", "f", "{", signature="sig"),
        ToolCall("b", "g", "ls", CUSTOM),
        ToolCall("call_0_2", "h", '{"x": 1}'),
    ]
    assert found.extra == {"prefix": Raw(b"true")}


def test_a_signature_of_the_message_is_its_texts() -> None:
    parts = parts_of({"role": "assistant", "content": "Hi", "extra_content": SIGNED})
    assert parts == (Text("Hi", signature="sig"),)


def test_reasoning_with_states_comes_back_to_its_place() -> None:
    details = [
        {"type": "reasoning.text", "text": "A", "signature": "s", "index": 0, "format": "f"},
        {"type": "reasoning.summary", "summary": "B", "id": "rs", "index": 2},
        {"type": "reasoning.encrypted", "data": "x", "id": "rs", "index": 2},
    ]
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    parts = parts_of(
        {
            "role": "assistant",
            "content": "Hi",
            "reasoning_content": "A\n\nB",
            "reasoning_details": details,
            "tool_calls": [call],
        }
    )
    assert parts == (
        Thinking("A", "s", extra={"format": Raw(b'"f"')}),
        Text("Hi"),
        Thinking("B", "", "x", "rs", summary=True),
        ToolCall("a", "f", "{}"),
    )


def test_plain_reasoning_fills_entries_that_hold_states_alone() -> None:
    parts = parts_of(
        {
            "role": "assistant",
            "content": "Hi",
            "reasoning": "A",
            "reasoning_details": [{"type": "reasoning.text", "signature": "s"}],
        }
    )
    assert parts == (Thinking("A", "s"), Text("Hi"))


def test_tool_messages_are_results() -> None:
    calls = [
        {"id": name, "type": "function", "function": {"name": name, "arguments": "{}"}}
        for name in ("a", "b")
    ]
    asked = parse(
        messages=[
            {"role": "assistant", "content": None, "tool_calls": calls},
            {"role": "tool", "tool_call_id": "b", "content": [{"type": "text", "text": "warm"}]},
            {"role": "tool", "content": "cold"},
            {"role": "tool", "tool_call_id": "x", "name": "n", "content": ""},
        ]
    )
    assert [message.parts for message in asked.messages[1:]] == [
        (ToolResult("b", (Text("warm"),)),),
        (ToolResult("a", (Text("cold"),)),),
        (ToolResult("x", (), "n"),),
    ]


def test_the_deprecated_functions_are_tools() -> None:
    asked = parse(
        messages=[
            *HELLO,
            {
                "role": "assistant",
                "content": None,
                "function_call": {"name": "f", "arguments": "{"},
            },
            {"role": "function", "name": "f", "content": "warm"},
        ],
        functions=[{"name": "f", "parameters": {"type": "object"}}],
        function_call={"name": "f"},
    )
    call = ToolCall("call_1_0", "f", "{")
    assert asked.messages[1].parts == (call,)
    assert asked.messages[2].parts == (ToolResult(call.id, (Text("warm"),), "f"),)
    assert asked.tool_choice == ToolChoice("named", "f")
    assert asked.tools[0].name == "f"
    assert asked.extra == {}


CHOICES: list[tuple[Any, ToolChoice | None]] = [
    ("auto", ToolChoice("auto")),
    ("none", ToolChoice("none")),
    ("required", ToolChoice("required")),
    ("any", ToolChoice("required")),
    ({"type": "function", "function": {"name": "f"}}, ToolChoice("named", "f")),
    ({"type": "custom", "custom": {"name": "g"}}, ToolChoice("named", "g", CUSTOM)),
    ({"type": "function", "name": "f"}, ToolChoice("named", "f")),
    (
        {
            "type": "allowed_tools",
            "allowed_tools": {
                "mode": "required",
                "tools": [{"type": "function", "function": {"name": "f"}}],
            },
        },
        ToolChoice("required", allowed=("f",)),
    ),
    ({"type": "web_search"}, None),
    (None, None),
]


@pytest.mark.parametrize(("written", "expected"), CHOICES)
def test_every_choice_of_tools_is_read(written: Any, expected: ToolChoice | None) -> None:
    asked = parse(tool_choice=written)
    assert asked.tool_choice == expected
    assert ("tool_choice" in asked.extra) == (written is not None and expected is None)


def test_every_kind_of_tool_is_read() -> None:
    asked = parse(
        tools=[
            {
                "type": "function",
                "function": {
                    "name": "f",
                    "description": "d",
                    "parameters": {"type": "object"},
                    "strict": True,
                },
                "cache_control": {"type": "ephemeral"},
            },
            {"type": "custom", "custom": {"name": "g", "format": {"type": "text"}}},
            {"type": "web_search", "name": "w", "max_uses": 2},
        ]
    )
    function, custom, hosted = asked.tools
    assert (function.name, function.strict, function.cache) == ("f", True, CacheMark())
    assert custom == Tool("g", kind=CUSTOM, format=Raw(b'{"type": "text"}'))
    assert (hosted.kind, hosted.name) == ("hosted", "w")


FORMATS: list[tuple[Any, OutputFormat | None]] = [
    ({"type": "text"}, OutputFormat("text")),
    ({"type": "json_object"}, OutputFormat("json")),
    (
        {"type": "json_schema", "json_schema": {"name": "n", "schema": {}, "strict": True}},
        OutputFormat("schema", Raw(b"{}"), "n", strict=True),
    ),
    ({"type": "json_object", "schema": {}}, OutputFormat("schema", Raw(b"{}"))),
    ({"type": "json_schema", "schema": {}}, OutputFormat("schema", Raw(b"{}"))),
    ({"type": "grammar", "grammar": "x"}, None),
]


@pytest.mark.parametrize(("written", "expected"), FORMATS)
def test_every_form_of_the_answer_is_read(written: Any, expected: OutputFormat | None) -> None:
    asked = parse(response_format=written)
    assert asked.format == expected
    assert ("response_format" in asked.extra) == (expected is None)


WORDS: list[tuple[dict[str, Any], Reasoning | None]] = [
    ({"reasoning_effort": "high"}, Reasoning("high")),
    ({"reasoning_effort": "none"}, Reasoning("none", enabled=False)),
    ({"reasoning_effort": None}, None),
    ({"reasoning": {"effort": "low", "exclude": True}}, Reasoning("low", show=False)),
    ({"reasoning": {"max_tokens": 9}}, Reasoning(budget=9)),
    ({"reasoning": {"enabled": True}}, Reasoning(enabled=True)),
    ({"thinking": {"type": "enabled", "budget_tokens": 9}}, Reasoning(budget=9, enabled=True)),
    ({"thinking": {"type": "disabled"}}, Reasoning(enabled=False)),
    ({"thinking": {"type": "adaptive"}}, Reasoning(adaptive=True)),
    ({"enable_thinking": False}, Reasoning(enabled=False)),
    ({"enable_thinking": True, "thinking_budget": 9}, Reasoning(budget=9, enabled=True)),
    ({"chat_template_kwargs": {"thinking": True}}, Reasoning(enabled=True)),
    ({"chat_template_kwargs": {"enable_thinking": False}}, Reasoning(enabled=False)),
    ({"chat_template_kwargs": {"other": 1}}, None),
    ({"think": True}, Reasoning(enabled=True)),
    ({"think": "low"}, Reasoning("low")),
    ({"include_reasoning": False}, Reasoning(show=False)),
    ({"thinking": 5}, None),
]


@pytest.mark.parametrize(("written", "expected"), WORDS)
def test_reasoning_is_read_in_every_hosts_words(
    written: dict[str, Any], expected: Reasoning | None
) -> None:
    assert parse(**written).reasoning == expected


def test_fields_of_the_call_are_read_and_the_rest_is_kept() -> None:
    asked = parse(
        stream=True,
        stream_options={"include_usage": True, "include_obfuscation": False},
        stop="end",
        n=2,
        max_tokens=5,
        user=None,
        safety_identifier="s",
        metadata={"a": "b"},
        top_k=4,
        prediction={"type": "content", "content": "x"},
        federation={"tags": {}},
        guided_regex=None,
        acme={"b": 1},
    )
    assert asked.stream
    assert asked.usage_in_stream
    assert (asked.sampling.stop, asked.sampling.choices, asked.sampling.top_k) == (("end",), 2, 4)
    assert (asked.max_output, asked.user, asked.metadata) == (5, "s", {"a": "b"})
    assert set(asked.extra) == {"safety_identifier", "prediction", "acme", "stream_options"}
    assert json.loads(bytes(asked.extra["stream_options"])) == {"include_obfuscation": False}
    assert not parse(stream=True).usage_in_stream


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"tools": [{"type": "function"}]}, "tools[0].function"),
    ({"tools": [{"type": "function", "function": {}}]}, "tools[0].function.name"),
    ({"tools": [{"type": "function", "function": {"name": 5}}]}, "tools[0].function.name"),
    (
        {"tools": [{"type": "function", "function": {"name": "f", "parameters": []}}]},
        "tools[0].function.parameters",
    ),
    (
        {"tools": [{"type": "function", "function": {"name": "f", "strict": "yes"}}]},
        "tools[0].function.strict",
    ),
    ({"tool_choice": "sometimes"}, "tool_choice"),
    ({"tool_choice": {"type": "function"}}, "tool_choice.function.name"),
    ({"tool_choice": {"type": "allowed_tools"}}, "tool_choice.allowed_tools"),
    ({"function_call": {}}, "function_call.name"),
    ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
    ({"response_format": {"type": "json_schema", "json_schema": 5}}, "response_format.json_schema"),
    ({"top_k": "many"}, "top_k"),
    (
        {"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}]},
        "messages[0].content[0].input_audio",
    ),
    (
        {"messages": [{"role": "user", "content": [{"type": "file", "file": {}}]}]},
        "messages[0].content[0].file",
    ),
    (
        {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
        "messages[0].content[0].image_url",
    ),
    (
        {"messages": [{"role": "assistant", "tool_calls": [{"type": "function", "id": "a"}]}]},
        "messages[0].tool_calls[0].function",
    ),
    (
        {"messages": [{"role": "assistant", "tool_calls": [{"type": "x"}]}]},
        "messages[0].tool_calls[0].type",
    ),
    ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].tool_call_id"),
    ({"messages": [{"role": "function", "name": "f", "content": "x"}]}, "messages[0].name"),
    (
        {
            "messages": [
                {
                    "role": "tool",
                    "tool_call_id": "a",
                    "content": [{"type": "refusal", "refusal": "x"}],
                }
            ]
        },
        "messages[0].content[0]",
    ),
]


@pytest.mark.parametrize(("written", "param"), REFUSED)
def test_what_cannot_be_read_is_refused_with_its_place(written: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse(**written)
    assert caught.value.param == param
    assert param.rpartition(".")[2].split("[", maxsplit=1)[0] in caught.value.message


def test_half_of_a_surrogate_pair_is_refused(make_request: MakeRequest) -> None:
    request = make_request(b'{"messages":[{"role":"user","content":"\\ud800"}]}')
    with pytest.raises(InvalidRequest):
        CLIENT.parse(request, CLIENT.glance(request))


FULL: dict[str, Any] = {
    "model": "chat",
    "messages": [
        {"role": "system", "content": [{"type": "text", "text": "Be kind"}]},
        {"role": "user", "name": "ann", "content": [part for part, _ in PARTS[:10]]},
        {
            "role": "assistant",
            "content": "Hi",
            "reasoning_details": [{"type": "reasoning.text", "text": "A", "index": 0}],
            "tool_calls": [
                {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}},
                {"id": "b", "type": "custom", "custom": {"name": "g", "input": "ls"}},
            ],
        },
        {"role": "tool", "tool_call_id": "a", "content": "warm"},
        {"role": "function", "name": "g", "content": "x"},
    ],
    "tools": [
        {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}},
        {"type": "custom", "custom": {"name": "g"}},
    ],
    "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}},
    "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {}}},
    "reasoning": {"effort": "low"},
    "metadata": {"a": "b"},
    "stream_options": {"include_usage": True},
    "stream": True,
    "stop": ["a"],
    "logit_bias": {"5": 1},
}


STRICT: dict[str, object] = {
    "reasoning_control": "thinking",
    "reasoning_field": "think_tags",
    "reasoning_replay": "always",
    "tool_schema_strip": ["$schema", "strict"],
    "tool_arguments": "object",
    "tool_call_id": "alnum9",
    "tool_results": "one_per_assistant_turn",
    "system_role": "first_only",
    "messages_alternate": True,
    "tool_result_string": True,
    "effort_levels": ["high"],
}


@settings(deadline=None, max_examples=400)
@given(body=mutated([FULL]), dialect=st.sampled_from(["openai", "other"]), data=st.data())
def test_a_body_out_of_shape_is_read_or_refused(
    make_wire: MakeWire, body: Any, dialect: str, data: st.DataObject
) -> None:
    wire = make_wire(quirks=data.draw(st.sampled_from([{}, STRICT])))
    request = ClientRequest("POST", "/", "", {}, msgspec.json.encode(body))
    with suppress(CallerError):
        seen = CLIENT.glance(request)
        asks_for_translation(wire.row, seen, request.body)
        asked = CLIENT.parse(request, seen)
        encode(wire, msgspec.structs.replace(asked, dialect=dialect))


def test_the_words_for_the_classifier_are_the_last_question(make_request: MakeRequest) -> None:
    request = make_request(json.dumps({"messages": HELLO}).encode())
    assert CLIENT.prompt(request, CLIENT.glance(request)) == "Hello"


@settings(deadline=None, max_examples=50)
@given(text=st.text(st.characters(codec="utf-8"), min_size=1, max_size=50))
def test_texts_are_read_exactly(text: str) -> None:
    assert parts_of({"role": "user", "content": text}) == (Text(text),)
