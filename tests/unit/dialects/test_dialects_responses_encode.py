"""What a Responses deployment is sent for calls of other dialects, and what is left out."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from msgspec import Raw
from responses_world import TOOL, Body, check_request, encoded, glanced, parsed, upstream

from federation.dialects.losses import FEATURES
from federation.dialects.openai_responses.tables import LOSSES
from federation.domain.routes import Settings
from federation.errors import InvalidRequest, UpstreamGarbled
from federation.schema.chat import (
    AUTO,
    NAMED,
    NONE,
    REQUIRED,
    ChatRequest,
    Message,
    OutputFormat,
    Reasoning,
    Sampling,
    Tool,
    ToolChoice,
)
from federation.schema.parts import (
    CUSTOM,
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

HELLO = Message("user", (Text("hello"),))
SCHEMA = Raw(b'{"type":"object"}')


def chat(*messages: Message, dialect: str = "anthropic", **members: Any) -> ChatRequest:
    return ChatRequest(dialect, "chat", messages or (HELLO,), **members)


def sent(request: ChatRequest, **row: Any) -> tuple[Body, tuple[str, ...]]:
    found = upstream(**row).encode(request)
    body = json.loads(found.request.body)
    check_request(body)
    return body, found.losses


def test_every_loss_is_a_known_feature() -> None:
    assert LOSSES.keys() <= FEATURES.keys()


def test_a_turn_of_another_dialect_becomes_items() -> None:
    body, losses = sent(
        chat(
            Message("system", (Text("Be kind."),)),
            HELLO,
            Message(
                "assistant",
                (
                    Thinking("signed thought", id="", signature=""),
                    Text("Let me see."),
                    ToolCall("toolu_1", "weather", '{"city": "Lima"}'),
                    ToolCall("toolu_2", "calc", "1 + 1", CUSTOM),
                ),
            ),
            Message(
                "tool",
                (
                    ToolResult("toolu_1", (Text("19"),)),
                    ToolResult("toolu_2", (Text("2"),)),
                ),
            ),
        )
    )
    assert body["input"] == [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": "Let me see."},
        {
            "type": "function_call",
            "call_id": "toolu_1",
            "name": "weather",
            "arguments": '{"city": "Lima"}',
        },
        {"type": "custom_tool_call", "call_id": "toolu_2", "name": "calc", "input": "1 + 1"},
        {"type": "function_call_output", "call_id": "toolu_1", "output": "19"},
        {"type": "custom_tool_call_output", "call_id": "toolu_2", "output": "2"},
    ]
    assert body["store"] is False
    assert losses == ("thinking_history",)


def test_reasoning_goes_back_sealed_with_or_without_its_id() -> None:
    history = Message(
        "assistant", (Thinking("so", sealed="gAAA", id="rs_1", summary=True), Text("A"))
    )
    body, losses = sent(chat(HELLO, history, HELLO))
    assert body["input"][1] == {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [{"type": "summary_text", "text": "so"}],
        "encrypted_content": "gAAA",
    }
    assert losses == ()
    bare = Message("assistant", (Thinking(sealed="gAAA"), Text("A")))
    found = json.loads(upstream().encode(chat(HELLO, bare, HELLO)).request.body)
    assert found["input"][1] == {"type": "reasoning", "summary": [], "encrypted_content": "gAAA"}


def test_a_row_that_replays_reasoning_gets_it_as_text() -> None:
    history = Message("assistant", (Thinking("hm"), ToolCall("c", "f", "{}")))
    results = Message("tool", (ToolResult("c", (Text("x"),)),))
    body, losses = sent(chat(HELLO, history, results), quirks={"reasoning_replay": "tool_turns"})
    assert body["input"][1] == {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [],
        "content": [{"type": "reasoning_text", "text": "hm"}],
    }
    assert losses == ()


def test_ids_of_a_turn_stay_behind_with_its_reasoning() -> None:
    items = [
        {"role": "user", "content": "a"},
        {"type": "reasoning", "id": "rs_1", "summary": []},
        {
            "type": "message",
            "id": "msg_1",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "b", "annotations": []}],
        },
        {"type": "function_call", "id": "fc_1", "call_id": "c", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "d"},
    ]
    body, losses = sent(parsed({"input": items}))
    assert losses == ("thinking_history",)
    assert [item.get("id") for item in body["input"]] == [None, "msg_1", None, None]
    assert body["input"][1]["id"] == "msg_1"
    kept, losses = sent(parsed({"input": items, "store": True}))
    assert (kept["input"], kept["store"], losses) == (items, True, ())


def test_pictures_and_documents_of_any_origin() -> None:
    content: tuple[Part, ...] = (
        Media("image", "image/jpeg", data="AAAA", detail="high"),
        Media("image", url="https://p.test/a.png"),
        Media("file", "application/pdf", data="AAAA", name="a.pdf"),
        Media("file", url="https://p.test/b.pdf", name="b.pdf"),
        Media("file", "text/plain", text="plain words", name="Notes"),
    )
    body, losses = sent(chat(Message("user", content)))
    assert body["input"][0]["content"] == [
        {"type": "input_image", "detail": "high", "image_url": "data:image/jpeg;base64,AAAA"},
        {"type": "input_image", "detail": "auto", "image_url": "https://p.test/a.png"},
        {
            "type": "input_file",
            "filename": "a.pdf",
            "file_data": "data:application/pdf;base64,AAAA",
        },
        {"type": "input_file", "filename": "b.pdf", "file_url": "https://p.test/b.pdf"},
        {"type": "input_text", "text": "Notes\n\nplain words"},
    ]
    assert losses == ()


def test_what_an_assistant_said_with_citations_or_as_refusal_gets_an_id() -> None:
    said = (Text("Lima", (Citation("Peru", "https://p.test", start=0, end=4),)), Refusal("No."))
    body, _ = sent(chat(HELLO, Message("assistant", said), HELLO))
    assert body["input"][1]["id"] == "msg_1"
    assert [part["type"] for part in body["input"][1]["content"]] == ["output_text", "refusal"]


def test_tools_of_other_dialects_are_not_strict_unless_they_say_so() -> None:
    tools = (Tool("f", "does f", SCHEMA), Tool("g", schema=SCHEMA, strict=True), Tool("h"))
    body, losses = sent(chat(tools=tools, tool_choice=ToolChoice(REQUIRED)))
    assert [tool["strict"] for tool in body["tools"]] == [False, True, False]
    assert body["tools"][2]["parameters"] is None
    assert (body["tool_choice"], losses) == ("required", ())


def test_a_grammar_is_written_flat() -> None:
    nested = Raw(b'{"type":"grammar","grammar":{"syntax":"regex","definition":"a+"}}')
    body, _ = sent(chat(tools=(Tool("g", kind=CUSTOM, format=nested),), dialect="openai"))
    assert body["tools"][0]["format"] == {
        "type": "grammar",
        "syntax": "regex",
        "definition": "a+",
    }


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (ToolChoice(AUTO), "auto"),
        (ToolChoice(NONE), "none"),
        (ToolChoice(NAMED, "f"), {"type": "function", "name": "f"}),
        (
            ToolChoice(AUTO, allowed=("f", "c")),
            {
                "type": "allowed_tools",
                "mode": "auto",
                "tools": [{"type": "function", "name": "f"}, {"type": "custom", "name": "c"}],
            },
        ),
    ],
)
def test_choices_of_tools(choice: ToolChoice, expected: Any) -> None:
    tools = (Tool("f", schema=SCHEMA), Tool("c", kind=CUSTOM))
    assert sent(chat(tools=tools, tool_choice=choice))[0]["tool_choice"] == expected


def test_a_row_that_takes_no_such_choice_gets_fewer_tools() -> None:
    quirks: dict[str, object] = {"tool_choice": ["auto"]}
    tools = (Tool("f", schema=SCHEMA), Tool("g", schema=SCHEMA))
    body, _ = sent(chat(tools=tools, tool_choice=ToolChoice(NONE)), quirks=quirks)
    assert "tools" not in body
    body, _ = sent(chat(tools=tools, tool_choice=ToolChoice(AUTO, allowed=("g",))), quirks=quirks)
    assert [tool["name"] for tool in body["tools"]] == ["g"]
    with pytest.raises(InvalidRequest) as caught:
        sent(chat(tools=tools, tool_choice=ToolChoice(NAMED, "f")), quirks=quirks)
    assert caught.value.code == "not_expressible"


@pytest.mark.parametrize(
    ("request_", "feature"),
    [
        (chat(sampling=Sampling(top_k=5)), "top_k"),
        (chat(sampling=Sampling(min_p=0.1)), "min_p"),
        (chat(sampling=Sampling(seed=5)), "seed"),
        (chat(sampling=Sampling(stop=("x",))), "stop"),
        (chat(sampling=Sampling(frequency_penalty=0.5)), "frequency_penalty"),
        (chat(sampling=Sampling(presence_penalty=0.5)), "presence_penalty"),
        (chat(sampling=Sampling(logit_bias=Raw(b"{}"))), "logit_bias"),
        (chat(service_tier="batch"), "service_tier"),
        (chat(extra={"metadata_v2": Raw(b"1")}), "unknown_field"),
        (chat(Message("user", (Text("a", cache=CacheMark("5m")),))), "cache_marks"),
        (chat(Message("user", (Text("a"),), name="bob")), "message_name"),
        (chat(HELLO, Message("assistant", (Text("{"),))), "prefill"),
        (chat(Message("user", (Text("a"), Foreign("gemini", Raw(b"{}"))))), "foreign_part"),
        (chat(HELLO, Message("assistant", (Media("image", data="AA"),)), HELLO), "foreign_part"),
        (chat(reasoning=Reasoning(budget=4000)), "reasoning_budget"),
        (
            chat(HELLO, Message("tool", (ToolResult("c", (Text("x"),), error=True),))),
            "tool_result_error",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_said_is_left_out_and_named(request_: ChatRequest, feature: str) -> None:
    assert sent(request_)[1] == (feature,)


@pytest.mark.parametrize(
    ("request_", "param"),
    [
        (chat(sampling=Sampling(choices=2)), "n"),
        (chat(modalities=("text", "audio")), "modalities"),
        (chat(Message("user", (Media("audio", data="AA"),))), "messages[0].content[0]"),
        (chat(Message("user", (Media("video", url="https://v.test"),))), "messages[0].content[0]"),
        (chat(Message("user", (Media("file", file_id="f"),))), "messages[0].content[0]"),
        (
            chat(Message("user", (Media("file", file_id="f"),)), dialect="openai"),
            "messages[0].content[0]",
        ),
        (chat(tools=(Tool("web", kind="hosted", raw=Raw(b"{}")),)), "tools[0]"),
        (
            chat(Message("tool", (ToolResult("c", (Media("audio", data="AA"),)),))),
            "messages[0].content[0]",
        ),
    ],
    ids=("choices", "spoken", "audio", "video", "file", "chat_file", "hosted", "result"),
)
def test_what_would_change_the_meaning_is_refused(request_: ChatRequest, param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        upstream().encode(request_)
    assert (caught.value.code, caught.value.param) == ("not_expressible", param)


@pytest.mark.parametrize(
    ("reasoning", "quirks", "expected", "losses"),
    [
        (Reasoning("high"), {}, {"effort": "high"}, ()),
        (Reasoning("high", summary="detailed"), {}, {"effort": "high", "summary": "detailed"}, ()),
        (Reasoning(enabled=False), {}, {"effort": "none"}, ()),
        (Reasoning(adaptive=True, show=True), {}, {"summary": "auto"}, ()),
        (Reasoning(budget=800), {}, {"effort": "low"}, ("reasoning_budget",)),
        (Reasoning(budget=30000), {}, {"effort": "high"}, ("reasoning_budget",)),
        (Reasoning("none"), {"effort_none": False}, {"effort": "low"}, ("reasoning_off",)),
        (
            Reasoning("medium"),
            {"effort_levels": ["low", "high"]},
            {"effort": "high"},
            ("reasoning_effort",),
        ),
        (Reasoning("max"), {"effort_rename": {"max": "xhigh"}}, {"effort": "xhigh"}, ()),
        (Reasoning(enabled=True), {}, {"summary": "auto"}, ()),
        (Reasoning(enabled=True, show=False), {}, None, ()),
    ],
)
def test_efforts_in_the_words_of_the_row(
    reasoning: Reasoning, quirks: dict[str, object], expected: Any, losses: tuple[str, ...]
) -> None:
    body, found = sent(chat(reasoning=reasoning), quirks=quirks)
    assert (body.get("reasoning"), found) == (expected, losses)


def test_encrypted_reasoning_is_asked_of_models_that_reason_only() -> None:
    assert sent(chat())[0]["include"] == ["reasoning.encrypted_content"]
    assert "include" not in sent(chat(), reasons=False)[0]
    body, _ = sent(chat(sampling=Sampling(logprobs=True, top_logprobs=3)), reasons=False)
    assert (body["include"], body["top_logprobs"]) == (["message.output_text.logprobs"], 3)


def test_formats_of_the_answer() -> None:
    assert sent(chat(format=OutputFormat("json")))[0]["text"] == {"format": {"type": "json_object"}}
    body, _ = sent(chat(format=OutputFormat("schema", SCHEMA, strict=True), verbosity="low"))
    assert body["text"] == {
        "format": {
            "type": "json_schema",
            "name": "answer",
            "schema": {"type": "object"},
            "strict": True,
        },
        "verbosity": "low",
    }


def test_a_row_drops_renames_defaults_and_sets() -> None:
    quirks: dict[str, object] = {
        "sampling": "drop",
        "drop": ["metadata"],
        "default": {"verbosity_level": 1},
        "set": {"safe": True},
        "rename": {"user": "safety_identifier"},
    }
    request = chat(sampling=Sampling(temperature=0.5, top_p=1.0), metadata={"a": "b"}, user="u")
    found = upstream(quirks=quirks, settings=Settings(max_tokens_default=77)).encode(request)
    body = json.loads(found.request.body)
    assert found.losses == ("temperature", "top_p", "metadata")
    assert body["safety_identifier"] == "u"
    assert (body["max_output_tokens"], body["verbosity_level"], body["safe"]) == (77, 1, True)


def test_a_row_that_lists_its_fields_gets_no_other() -> None:
    quirks: dict[str, object] = {"accepts_only": ["stream", "tools", "instructions"]}
    found = upstream(quirks=quirks).encode(chat(stream=True, format=OutputFormat("text")))
    assert json.loads(found.request.body).keys() == {"model", "input", "stream"}
    with pytest.raises(InvalidRequest):
        upstream(quirks=quirks).encode(chat(format=OutputFormat("schema", SCHEMA)))


def test_the_place_of_system_text_follows_the_row() -> None:
    request = chat(Message("system", (Text("Be kind."),)), HELLO)
    assert sent(request, quirks={"system_role": "developer"})[0]["input"][0]["role"] == "developer"
    body, _ = sent(request, quirks={"system_role": "top_level"})
    assert (body["instructions"], len(body["input"])) == ("Be kind.", 1)


def test_a_schema_is_stripped_where_the_row_says_so() -> None:
    schema = Raw(b'{"type":"object","$schema":"x","properties":{"a":{"$schema":"y"}}}')
    body, losses = sent(
        chat(tools=(Tool("f", schema=schema),)), quirks={"tool_schema_strip": ["$schema"]}
    )
    assert body["tools"][0]["parameters"] == {"type": "object", "properties": {"a": {}}}
    assert losses == ("tool_schema",)


def test_a_call_id_is_never_longer_than_the_api_takes() -> None:
    long = "call_" + "x" * 100
    history = Message("assistant", (ToolCall(long, "f", "{}"),))
    body, _ = sent(chat(HELLO, history, Message("tool", (ToolResult(long),))))
    assert body["input"][1]["call_id"] == body["input"][2]["call_id"] == long[-64:]


@pytest.mark.parametrize(
    ("quirks", "dialect", "target"),
    [
        ({}, "openai_responses", "/v1/responses"),
        ({"path": "/r"}, "openai_responses", "/v1/r"),
        ({"path": "/chat"}, "openai", "/v1/responses"),
        ({"path": {"responses": "/rr"}}, "openai", "/v1/rr"),
        ({"query": {"v": "1"}}, "openai", "/v1/responses?v=1"),
    ],
)
def test_the_path_is_that_of_responses(
    quirks: dict[str, object], dialect: str, target: str
) -> None:
    deployment = upstream(quirks=quirks, dialect=dialect)
    assert deployment.encode(chat()).request.target == target
    body = encoded({"input": "a"})
    assert deployment.forward(glanced(body), body).target == target


def test_a_forwarded_call_keeps_what_it_says_of_the_store() -> None:
    body = encoded({"input": "a", "store": True, "federation": {"tags": {}}})
    found = json.loads(upstream(reasons=False).forward(glanced(body), body).body)
    assert found == {"input": "a", "store": True, "model": "acme-large"}


def test_a_row_that_changes_content_asks_for_translation() -> None:
    body = encoded({"input": "a", "reasoning": {"effort": "medium"}, "tools": [TOOL]})
    seen = glanced(body)
    assert not upstream().needs_translation(seen, body)
    assert upstream(quirks={"effort_levels": ["low"]}).needs_translation(seen, body)
    assert upstream(quirks={"tool_schema_strip": ["x"]}).needs_translation(seen, body)
    held = encoded({"previous_response_id": "resp_1", "reasoning": {"effort": "medium"}})
    assert not upstream(quirks={"effort_levels": ["low"]}).needs_translation(glanced(held), held)


def test_dropped_fields_of_a_forwarded_call_are_named() -> None:
    body = encoded({"input": "a", "temperature": 1.0, "top_p": 0.5})
    deployment = upstream(quirks={"sampling": "drop"})
    assert deployment.dropped_fields(glanced(body)) == ("temperature", "top_p")
    assert "temperature" not in json.loads(deployment.forward(glanced(body), body).body)


def test_no_secret_is_shown() -> None:
    assert "hush-hush" not in repr(upstream(secret="hush-hush"))


@pytest.mark.parametrize("name", ["previous_response_id", "conversation", "prompt"])
def test_a_call_that_leans_on_something_stored_cannot_be_translated(name: str) -> None:
    value = {"id": "pmpt_1"} if name == "prompt" else "x_1"
    with pytest.raises(InvalidRequest) as caught:
        parsed({"input": "a", name: value})
    assert (caught.value.code, caught.value.param) == ("not_resolvable", name)


def said(part: Body) -> Body:
    """A call whose user says one part of content."""
    return {"input": [{"role": "user", "content": [part]}]}


PART = "input[0].content[0]"
UNREADABLE: list[tuple[Body, str]] = [
    ({"tools": [{"type": "function"}]}, "tools[0].name"),
    ({"tools": [{"type": "function", "name": "f", "parameters": 5}]}, "tools[0].parameters"),
    ({"tool_choice": "often"}, "tool_choice"),
    ({"tool_choice": {"type": "function"}}, "tool_choice.name"),
    ({"text": {"format": {"type": "xml"}}}, "text.format.type"),
    ({"text": {"format": {"type": "json_schema", "name": "n"}}}, "text.format.schema"),
    (
        {"text": {"format": {"type": "json_schema", "schema": {}, "strict": 5}}},
        "text.format.strict",
    ),
    (said({"type": "input_image"}), f"{PART}.image_url"),
    (said({"type": "input_image", "image_url": "data:x"}), f"{PART}.image_url"),
    (said({"type": "input_file"}), f"{PART}.file_data"),
    (said({"type": "input_audio"}), f"{PART}.input_audio"),
    (
        said({"type": "input_text", "text": "a", "prompt_cache_breakpoint": 5}),
        f"{PART}.prompt_cache_breakpoint",
    ),
    ({"input": [{"type": "reasoning", "summary": [{"text": 5}]}]}, "input[0].summary[0].text"),
    ({"input": [{"type": "reasoning", "summary": "x"}]}, "input[0].summary"),
]


@pytest.mark.parametrize(("member", "param"), UNREADABLE)
def test_a_member_that_cannot_be_read_is_named(member: Body, param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parsed({"input": "a", **member})
    assert caught.value.param == param


def test_sound_and_unknown_content_go_back_to_the_same_dialect() -> None:
    content = [
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}},
        {"type": "input_smell", "smell": "rose"},
    ]
    request = parsed({"input": [{"role": "user", "content": content}]})
    body = json.loads(upstream().encode(request).request.body)
    assert body["input"] == [{"role": "user", "content": content}]
    foreign = msgspec.structs.replace(request, dialect="gemini")
    with pytest.raises(InvalidRequest):
        upstream().encode(foreign)


def test_a_count_is_asked_for_below_the_path_with_its_own_fields_only() -> None:
    row = upstream(quirks={"query": {"api-version": "1"}})
    asked = chat(sampling=Sampling(temperature=0.5), max_output=9, stream=True)
    found = row.encode_count(asked).request
    path, _, query = row.encode(asked).request.target.partition("?")
    assert found.target == f"{path}/input_tokens?{query}"
    assert json.loads(found.body).keys() == {"model", "input"}
    assert row.decode_count(b'{"object":"response.input_tokens","input_tokens":7}') == 7


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"input_tokens":-1}', b"\xff"])
def test_what_is_no_count_is_garbled(body: bytes) -> None:
    with pytest.raises(UpstreamGarbled):
        upstream().decode_count(body)
