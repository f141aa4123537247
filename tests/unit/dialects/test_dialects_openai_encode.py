"""What this language cannot say is dropped and named, or refused before anything is spent."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from msgspec import Raw

from federation.dialects.losses import FEATURES
from federation.dialects.openai.encode import encode
from federation.dialects.openai.tables import LOSSES
from federation.dialects.openai.wire import Wire
from federation.errors import InvalidRequest
from federation.schema.chat import ChatRequest, Message, Reasoning, Sampling, Tool, ToolChoice
from federation.schema.parts import (
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

MakeWire = Callable[..., Wire]
USER = Message("user", (Text("Hi"),))
CALL = Message("assistant", (ToolCall("a", "f", "{}"),))


def asked(*messages: Message, dialect: str = "anthropic", **others: Any) -> ChatRequest:
    return ChatRequest(dialect, "chat", messages or (USER,), **others)


def result(*parts: Any, **others: Any) -> Message:
    return Message("tool", (ToolResult("a", parts, **others),))


def user(part: Part) -> Message:
    return Message("user", (Text("Hi"), part))


DROPPED: list[tuple[str, ChatRequest]] = [
    ("top_k", asked(sampling=Sampling(top_k=5))),
    ("min_p", asked(sampling=Sampling(min_p=0.1))),
    ("stop_count", asked(sampling=Sampling(stop=("a", "b", "c", "d", "e")))),
    ("tool_result_error", asked(USER, CALL, result(Text("x"), error=True))),
    ("citations", asked(USER, Message("assistant", (Text("x", (Citation("t"),)),)), USER)),
    ("citations", asked(user(Media("file", text="x", cite=True)))),
    ("cache_marks", asked(Message("user", (Text("x", cache=CacheMark()),)))),
    ("cache_marks", asked(USER, tools=(Tool("f", cache=CacheMark()),))),
    ("cache_marks", asked(USER, CALL, result(Text("x", cache=CacheMark())))),
    ("prefill", asked(USER, Message("assistant", (Text("It is"),)))),
    ("foreign_part", asked(user(Foreign("anthropic", Raw(b"{}"))))),
    ("foreign_part", asked(USER, Message("assistant", (Foreign("x", Raw(b"{}")),)), USER)),
    ("thinking_history", asked(USER, Message("assistant", (Thinking("x"), Text("y"))), USER)),
    ("reasoning", asked(reasoning=Reasoning("high"))),
    ("metadata", asked(metadata={"a": "b"})),
    ("service_tier", asked(service_tier="batch")),
    ("store", asked(dialect="openai_responses", store=True)),
    ("unknown_field", asked(extra={"x": Raw(b"1")})),
    ("reasoning_summary", asked(reasoning=Reasoning(summary="auto", enabled=False))),
]


@pytest.mark.parametrize(("feature", "call"), DROPPED)
def test_what_is_dropped_is_named(make_wire: MakeWire, feature: str, call: ChatRequest) -> None:
    assert encode(make_wire(), call).losses == (feature,)


BEGUN = Message("assistant", (Text("It is"),))


@pytest.mark.parametrize(
    ("way", "marked"),
    [
        ("prefix", {"prefix": True}),
        ("continue", {"continue_final_message": True, "add_generation_prompt": False}),
    ],
)
@pytest.mark.parametrize(
    "call",
    [
        asked(USER, BEGUN),
        asked(USER, BEGUN, begun=True),
        asked(USER, BEGUN, dialect="openai", begun=True),
    ],
)
def test_an_answer_that_was_begun_goes_on_where_the_row_says_how(
    make_wire: MakeWire, way: str, marked: dict[str, bool], call: ChatRequest
) -> None:
    encoded = encode(make_wire(quirks={"prefill": way}), call)
    body = json.loads(encoded.request.body)
    assert marked.items() <= (body["messages"][-1] if way == "prefix" else body).items()
    assert encoded.losses == ()


@pytest.mark.parametrize(
    ("call", "losses"),
    [
        (asked(USER, BEGUN, dialect="openai"), ()),
        (asked(USER, BEGUN, USER), ()),
        (asked(USER, CALL), ("prefill",)),
        (asked(Message("assistant", ())), ("prefill",)),
    ],
)
def test_what_is_not_to_go_on_is_not_marked(
    make_wire: MakeWire, call: ChatRequest, losses: tuple[str, ...]
) -> None:
    for way in ("prefix", "continue"):
        encoded = encode(make_wire(quirks={"prefill": way, "empty_assistant": "reject"}), call)
        assert b"prefix" not in encoded.request.body
        assert b"continue_final" not in encoded.request.body
        assert encoded.losses == losses


def test_a_budget_goes_as_an_effort_and_is_named(make_wire: MakeWire) -> None:
    wire = make_wire(quirks={"reasoning_control": "effort"})
    for budget, effort in ((0, "none"), (1024, "low"), (5000, "medium"), (40_000, "high")):
        encoded = encode(wire, asked(reasoning=Reasoning(budget=budget)))
        assert json.loads(encoded.request.body)["reasoning_effort"] == effort
        assert ("reasoning_budget" in encoded.losses) == (budget > 0)


REFUSED: list[tuple[str, ChatRequest]] = [
    ("hosted_tools", asked(tools=(Tool("w", kind="hosted", raw=Raw(b"{}")),))),
    ("audio", asked(user(Media("audio", url="https://a.test")))),
    ("video", asked(user(Media("video", url="https://a.test")))),
    ("file_url", asked(user(Media("file", url="https://a.test")))),
    ("file_id", asked(user(Media("file", file_id="f")))),
    ("file_id", asked(user(Media("image", file_id="f")))),
    ("audio_output", asked(modalities=("audio",))),
    ("tool_choice_required", asked(tool_choice=ToolChoice("required"))),
]


@pytest.mark.parametrize(("feature", "call"), REFUSED)
def test_what_would_change_the_meaning_is_refused(
    make_wire: MakeWire, feature: str, call: ChatRequest
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        encode(make_wire(), call)
    assert FEATURES[feature] in caught.value.message
    assert caught.value.param


def test_the_loss_table_knows_only_features_and_names_its_sources() -> None:
    assert set(LOSSES) <= set(FEATURES)
    assert all(rule.why and rule.source for rule in LOSSES.values())


def test_the_same_language_keeps_what_only_hosts_know(make_wire: MakeWire) -> None:
    call = asked(
        Message("user", (Text("x", cache=CacheMark(), extra={"cache_control": Raw(b"{}")}),)),
        Message(
            "assistant",
            (Text("y"), Foreign("openai", Raw(b'{"type":"audio","audio":{"id":"a1"}}'))),
            extra={"prefix": Raw(b"true")},
        ),
        dialect="openai",
        extra={"guided_regex": Raw(b'"a"'), "chat_template_kwargs": Raw(b'{"thinking":true}')},
        reasoning=Reasoning(enabled=True),
    )
    encoded = encode(make_wire(), call)
    sent = json.loads(encoded.request.body)
    assert encoded.losses == ()
    assert sent["messages"][0]["content"] == [{"type": "text", "text": "x", "cache_control": {}}]
    assert sent["messages"][1] == {
        "role": "assistant",
        "content": "y",
        "audio": {"id": "a1"},
        "prefix": True,
    }
    assert sent["guided_regex"] == "a"
    assert sent["chat_template_kwargs"] == {"thinking": True}


def test_a_pictured_result_goes_on_as_text_and_a_user_message(make_wire: MakeWire) -> None:
    image = Media("image", "image/png", "aGk=")
    calls = Message("assistant", (ToolCall("a", "f", "{}"), ToolCall("b", "f", "{}")))
    results = Message("tool", (ToolResult("a", (image,)), ToolResult("b", (Text("x"),))))
    sent = json.loads(encode(make_wire(), asked(USER, calls, results)).request.body)["messages"]
    assert [item["role"] for item in sent] == ["user", "assistant", "tool", "tool", "user"]
    assert [item["tool_call_id"] for item in sent[2:4]] == ["a", "b"]
    assert all(isinstance(item["content"], str) and item["content"] for item in sent[2:4])
    assert sent[4]["content"][1]["image_url"]["url"] == "data:image/png;base64,aGk="
    own = json.loads(
        encode(make_wire(), asked(USER, calls, results, dialect="openai")).request.body
    )["messages"]
    assert own[2]["content"][0]["type"] == "image_url"


def test_text_documents_become_text(make_wire: MakeWire) -> None:
    plain = Media("file", "text/plain", "aGk=", name="a.txt")
    sent = json.loads(encode(make_wire(), asked(Message("user", (plain,)))).request.body)
    assert sent["messages"][0]["content"] == "a.txt\n\nhi"


def test_films_go_to_models_that_take_them(make_wire: MakeWire) -> None:
    wire = make_wire()
    row = type(wire.row)(video=True)
    encoded = encode(
        type(wire)(**{name: getattr(wire, name) for name in wire.__struct_fields__} | {"row": row}),
        asked(Message("user", (Media("video", url="https://a.test"),))),
    )
    sent = json.loads(encoded.request.body)["messages"][0]["content"]
    assert sent == [{"type": "video_url", "video_url": {"url": "https://a.test"}}]


def test_a_refusal_of_another_language_is_said_as_text(make_wire: MakeWire) -> None:
    said = Message("assistant", (Refusal("No"),))
    sent = json.loads(encode(make_wire(), asked(USER, said, USER)).request.body)["messages"]
    assert sent[1] == {"role": "assistant", "content": "No"}


def test_states_go_back_to_hosts_with_a_place_for_them(make_wire: MakeWire) -> None:
    thought = Message("assistant", (Thinking("A", "sig"), Thinking("", "", "x", "id"), Text("y")))
    wire = make_wire(quirks={"reasoning_field": "reasoning"})
    sent = json.loads(encode(wire, asked(USER, thought, USER)).request.body)["messages"][1]
    assert sent["reasoning_details"] == [
        {"type": "reasoning.text", "text": "A", "signature": "sig", "index": 0},
        {"type": "reasoning.encrypted", "data": "x", "index": 1, "id": "id"},
    ]
    assert "reasoning" not in sent
    none = encode(make_wire(), asked(USER, thought, USER))
    assert "reasoning_details" not in json.loads(none.request.body)["messages"][1]
    assert set(none.losses) == {"thinking_state", "thinking_history"}


def test_signatures_of_calls_and_texts_go_back(make_wire: MakeWire) -> None:
    said = Message(
        "assistant", (Text("x", signature="s1"), ToolCall("a", "f", "{}", signature="s2"))
    )
    sent = json.loads(encode(make_wire(), asked(USER, said, USER)).request.body)["messages"][1]
    assert sent["extra_content"] == {"google": {"thought_signature": "s1"}}
    assert sent["tool_calls"][0]["extra_content"] == {"google": {"thought_signature": "s2"}}


def test_blank_arguments_are_an_empty_object(make_wire: MakeWire) -> None:
    said = Message("assistant", (ToolCall("a", "f", " "),))
    sent = json.loads(encode(make_wire(), asked(USER, said, USER)).request.body)["messages"][1]
    assert sent["tool_calls"][0]["function"]["arguments"] == "{}"


def test_tools_narrowed_by_another_language_are_left_out(make_wire: MakeWire) -> None:
    call = asked(
        tools=(Tool("f"), Tool("g")),
        tool_choice=ToolChoice("auto", allowed=("g",)),
        parallel_tools=False,
    )
    sent = json.loads(encode(make_wire(), call).request.body)
    assert [tool["function"]["name"] for tool in sent["tools"]] == ["g"]
    assert sent["tool_choice"] == "auto"
    assert sent["parallel_tool_calls"] is False


def test_choices_without_tools_are_not_sent(make_wire: MakeWire) -> None:
    call = asked(tool_choice=ToolChoice("none"), parallel_tools=True)
    sent = json.loads(encode(make_wire(), call).request.body)
    assert set(sent) == {"model", "messages"}


def test_service_tiers_of_other_languages_are_translated(make_wire: MakeWire) -> None:
    sent = json.loads(encode(make_wire(), asked(service_tier="standard_only")).request.body)
    assert sent["service_tier"] == "default"


def test_what_cannot_be_turned_into_words_is_refused(make_wire: MakeWire) -> None:
    broken = Media("file", "text/plain", "no base64")
    with pytest.raises(InvalidRequest, match="base64"):
        encode(make_wire(), asked(Message("user", (broken,))))
    deep = Raw(b'{"a":' * 5000 + b'{"strict":1}' + b"}" * 5000)
    with pytest.raises(InvalidRequest, match="nested too deeply"):
        encode(
            make_wire(quirks={"tool_schema_strip": ["strict"]}),
            asked(tools=(Tool("f", schema=deep),)),
        )
