"""Requests to Converse: what clients of any dialect ask, in the vendor's words and within its rules.

Every body is judged by the official client's model, validator and serializer.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from bedrock_vendor import check_request
from bedrock_world import MODEL, upstream
from msgspec import Raw

from federation.dialects.bedrock.client import CLIENT
from federation.dialects.bedrock.tables import JSON_ANSWER, LOSSES
from federation.dialects.bedrock.upstream import prepare
from federation.dialects.losses import FEATURES
from federation.domain.catalogue import Ability, Deployment, Model, Provider, Tier
from federation.domain.routes import Settings
from federation.errors import InvalidRequest
from federation.schema.chat import (
    ChatRequest,
    Message,
    OutputFormat,
    Reasoning,
    Sampling,
    Tool,
    ToolChoice,
)
from federation.schema.http import ClientRequest
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

OBJECT = Raw(b'{"type":"object","properties":{"a":{"type":"integer"}}}')
WEATHER = Tool("weather", "Looks it up.", OBJECT)
HELLO = Message("user", (Text("Hello"),))
CALL = Message("assistant", (ToolCall("t1", "weather", '{"a":1}'),))
RESULT = Message("tool", (ToolResult("t1", (Text("20"),)),))


def ask(*messages: Message, dialect: str = "openai", **fields: Any) -> ChatRequest:
    return ChatRequest(dialect, "large", messages or (HELLO,), **fields)


def sent(request: ChatRequest, **row: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The checked body, and the losses."""
    encoded = upstream(**row).encode(request)
    body = check_request(encoded.request.target, encoded.request.body, model=MODEL)
    return body, encoded.losses


def user(*parts: Part) -> Message:
    return Message("user", parts)


def test_every_loss_names_a_feature_and_its_source() -> None:
    assert set(LOSSES) <= set(FEATURES)
    assert all(rule.why and rule.source.startswith("https://") for rule in LOSSES.values())


def test_a_plain_call_is_written() -> None:
    body, losses = sent(
        ask(
            Message("system", (Text("Be brief."),)),
            HELLO,
            max_output=10,
            sampling=Sampling(temperature=0.5, top_p=0.9, stop=("END",)),
        )
    )
    assert body == {
        "messages": [{"role": "user", "content": [{"text": "Hello"}]}],
        "system": [{"text": "Be brief."}],
        "inferenceConfig": {
            "maxTokens": 10,
            "temperature": 0.5,
            "topP": 0.9,
            "stopSequences": ["END"],
        },
        "additionalModelResponseFieldPaths": ["/stop_sequence"],
    }
    assert losses == ()


def test_the_model_stands_percent_encoded_in_the_path() -> None:
    whole = upstream().encode(ask()).request
    stream = upstream().encode(ask(stream=True)).request
    assert whole.target == "/model/eu.acme.large-v1%3A0/converse"
    assert stream.target == "/model/eu.acme.large-v1%3A0/converse-stream"
    assert (b"accept", b"application/vnd.amazon.eventstream") in stream.headers


def test_turns_alternate_and_results_come_first() -> None:
    body, losses = sent(
        ask(
            HELLO,
            user(Text("Are you there?")),
            CALL,
            RESULT,
            user(Text("And?")),
            Message("assistant", (Text("Yes."),)),
            Message("assistant", (Refusal("No."),)),
            user(Text("Why?")),
            tools=(WEATHER,),
        )
    )
    assert [turn["role"] for turn in body["messages"]] == [
        "user", "assistant", "user", "assistant", "user",
    ]  # fmt: skip
    assert body["messages"][0]["content"] == [{"text": "Hello"}, {"text": "Are you there?"}]
    assert [next(iter(block)) for block in body["messages"][2]["content"]] == ["toolResult", "text"]
    assert body["messages"][3]["content"] == [{"text": "Yes."}, {"text": "No."}]
    assert losses == ()


def test_later_system_text_is_moved_to_the_front_with_a_warning() -> None:
    late = Message("developer", (Text("Now in French."),))
    body, losses = sent(ask(Message("system", (Text("Be brief."),)), HELLO, late))
    assert body["system"] == [{"text": "Be brief."}, {"text": "Now in French."}]
    assert losses == ("system_place",)


def test_later_system_text_of_the_own_dialect_stays_in_its_place() -> None:
    late = Message("system", (Text("Now in French."),))
    body, losses = sent(ask(HELLO, late, dialect="bedrock"))
    assert body["messages"][1] == {"role": "system", "content": [{"text": "Now in French."}]}
    assert losses == ()


def test_nothing_but_system_text_becomes_the_question() -> None:
    body, losses = sent(ask(Message("system", (Text("Tell a joke."),))))
    assert body == {"messages": [{"role": "user", "content": [{"text": "Tell a joke."}]}]}
    assert losses == ("system_place",)


def test_blank_text_is_left_out_and_a_call_of_nothing_else_is_refused() -> None:
    body, _ = sent(ask(user(Text(" \n"), Text("Hello"), Text(""))))
    assert body["messages"][0]["content"] == [{"text": "Hello"}]
    with pytest.raises(InvalidRequest) as caught:
        upstream().encode(ask(user(Text(" "))))
    assert caught.value.param == "messages"


def test_an_answer_that_was_begun_does_not_end_in_white_space() -> None:
    body, _ = sent(ask(HELLO, Message("assistant", (Text("{ \n"),))))
    assert body["messages"][-1] == {"role": "assistant", "content": [{"text": "{"}]}


# Attachments


def test_pictures_and_documents_are_inline_in_the_vendors_formats() -> None:
    body, losses = sent(
        ask(
            user(
                Text("Look."),
                Media("image", "image/jpg", "aGk="),
                Media("image", "", "iVBORw0KGgoAAAAN"),
                Media("file", "application/pdf", "aGk=", name="Q3 report (final).pdf", cite=True),
                Media("file", "application/json", "e30=", name="a_b.json"),
                Media("file", "", text="plain words"),
                Media("file", "", "aGk=", name="table.XLSX"),
                Media("video", "video/3gpp", "aGk="),
                Media("audio", "audio/wav", "aGk="),
            )
        )
    )
    blocks = body["messages"][0]["content"]
    assert [block[kind].get("format") for block in blocks[1:] for kind in block] == [
        "jpeg", "png", "pdf", "txt", "txt", "xlsx", "three_gp", "wav",
    ]  # fmt: skip
    assert blocks[3]["document"]["name"] == "Q3 report (final) pdf"
    assert blocks[3]["document"]["citations"] == {"enabled": True}
    assert blocks[5]["document"] == {
        "format": "txt",
        "name": "document",
        "source": {"text": "plain words"},
    }
    assert losses == ()


def test_documents_never_share_a_name_and_never_stand_alone() -> None:
    file = Media("file", "text/csv", "aGk=", name="a/b\tc.csv")
    nameless = Media("file", "text/csv", "aGk=", name="***")
    body, _ = sent(ask(user(file, file, nameless, nameless, file)))
    blocks = body["messages"][0]["content"]
    assert [block["document"]["name"] for block in blocks[:5]] == [
        "a b c csv", "a b c csv 2", "document", "document 2", "a b c csv 3",
    ]  # fmt: skip
    assert blocks[5:] == [{"text": "a b c csv"}]


@pytest.mark.parametrize(
    ("part", "feature"),
    [
        (Media("image", url="https://example.com/a.png"), "image"),
        (Media("image", "image/png", url="https://example.com/a.png"), "image_url"),
        (Media("image", "image/png", url="s3://bucket/a.png"), "image_url"),
        (Media("image", "image/tiff", "aGk="), "image"),
        (Media("file", "application/pdf", url="https://example.com/a.pdf"), "file_url"),
        (Media("file", "application/zip", "aGk="), "file"),
        (Media("file", "application/pdf", file_id="file-1"), "file_id"),
        (Media("audio", "audio/midi", "aGk="), "audio"),
        (Media("video", "video/ogg", "aGk="), "video"),
    ],
)
def test_what_cannot_be_attached_is_refused_before_a_token_is_spent(
    part: Media, feature: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        upstream().encode(ask(user(Text("Look."), part)))
    assert caught.value.code == "not_expressible"
    assert FEATURES[feature] in caught.value.message


def test_a_buckets_file_is_read_for_clients_of_the_own_dialect_only() -> None:
    part = Media("image", "image/png", url="s3://bucket/a.png",
                 extra={"bucketOwner": Raw(b'"123456789012"')})  # fmt: skip
    body, _ = sent(ask(user(Text("Look."), part), dialect="bedrock"))
    assert body["messages"][0]["content"][1]["image"]["source"] == {
        "s3Location": {"uri": "s3://bucket/a.png", "bucketOwner": "123456789012"}
    }


def test_a_tools_result_may_hold_pictures_and_documents() -> None:
    result = ToolResult(
        "t1",
        (Text("see"), Media("image", "image/png", "aGk="), Media("file", "text/html", "aGk=")),
        error=True,
    )
    body, _ = sent(ask(HELLO, CALL, Message("tool", (result,)), tools=(WEATHER,)))
    block = body["messages"][2]["content"][0]["toolResult"]
    assert [next(iter(inner)) for inner in block["content"]] == ["text", "image", "document"]
    assert block["status"] == "error"


def test_an_empty_result_still_has_content() -> None:
    empty = Message("tool", (ToolResult("t1", (Text(""),)),))
    body, _ = sent(ask(HELLO, CALL, empty, tools=(WEATHER,)))
    assert body["messages"][2]["content"][0]["toolResult"]["content"] == [{"json": {}}]


# Tools


def test_tools_and_their_choice_are_written() -> None:
    strict = Tool("now", "", None, strict=True)
    body, losses = sent(ask(tools=(WEATHER, strict), tool_choice=ToolChoice("named", "now")))
    assert body["toolConfig"] == {
        "tools": [
            {
                "toolSpec": {
                    "name": "weather",
                    "description": "Looks it up.",
                    "inputSchema": {"json": json.loads(bytes(OBJECT))},
                }
            },
            {
                "toolSpec": {
                    "name": "now",
                    "inputSchema": {"json": {"type": "object"}},
                    "strict": True,
                }
            },
        ],
        "toolChoice": {"tool": {"name": "now"}},
    }
    assert losses == ()
    body, _ = sent(ask(tools=(WEATHER,), tool_choice=ToolChoice("required")))
    assert body["toolConfig"]["toolChoice"] == {"any": {}}


def test_a_narrowed_choice_lists_the_allowed_tools_only() -> None:
    choice = ToolChoice("required", allowed=("weather",))
    body, losses = sent(ask(tools=(WEATHER, Tool("now")), tool_choice=choice))
    assert [tool["toolSpec"]["name"] for tool in body["toolConfig"]["tools"]] == ["weather"]
    assert losses == ()


def test_a_forbidden_choice_leaves_the_tools_out_unless_the_history_needs_them() -> None:
    none = ToolChoice("none")
    body, losses = sent(ask(tools=(WEATHER,), tool_choice=none))
    assert "toolConfig" not in body
    assert losses == ()
    body, losses = sent(ask(HELLO, CALL, RESULT, tools=(WEATHER,), tool_choice=none))
    assert "toolChoice" not in body["toolConfig"]
    assert losses == ("tool_choice_none",)


def test_a_history_with_calls_and_no_tools_gets_a_list_from_itself() -> None:
    body, losses = sent(ask(HELLO, CALL, RESULT))
    assert body["toolConfig"]["tools"][0]["toolSpec"]["name"] == "weather"
    assert losses == ()


def test_a_model_without_forced_tools_is_not_asked_to_be_forced() -> None:
    row = {"abilities": frozenset((Ability.TOOLS,))}
    for choice in (ToolChoice("required"), ToolChoice("named", "weather")):
        with pytest.raises(InvalidRequest, match="forcing"):
            upstream(**row).encode(ask(tools=(WEATHER,), tool_choice=choice))


def test_ids_that_the_vendor_refuses_are_replaced_the_same_way_everywhere() -> None:
    long_id = "x" * 80 + "/|"
    call = Message("assistant", (ToolCall(long_id, "weather", " "),))
    result = Message("tool", (ToolResult(long_id, (Text("20"),)),))
    body, _ = sent(ask(HELLO, call, result, tools=(WEATHER,)))
    written = body["messages"][1]["content"][0]["toolUse"]
    assert written["input"] == {}
    assert written["toolUseId"] == body["messages"][2]["content"][0]["toolResult"]["toolUseId"]


def test_numbers_in_arguments_keep_their_text() -> None:
    call = Message(
        "assistant", (ToolCall("t1", "weather", '{"n": 1.10, "big": 12345678901234567890}'),)
    )
    raw = upstream().encode(ask(HELLO, call, RESULT, tools=(WEATHER,))).request.body
    assert b'{"n": 1.10, "big": 12345678901234567890}' in raw


@pytest.mark.parametrize("arguments", ['{"a":', "[1]", '"text"', "null"])
def test_arguments_that_are_no_object_name_their_message(arguments: str) -> None:
    call = Message("assistant", (ToolCall("t1", "weather", arguments),))
    with pytest.raises(InvalidRequest) as caught:
        upstream().encode(ask(HELLO, call, RESULT, tools=(WEATHER,)))
    assert caught.value.param == "messages[1]"


@pytest.mark.parametrize("name", ["ns.tool", "x" * 65, "größe", ""])
def test_a_tools_name_that_the_vendor_refuses_is_named(name: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        upstream().encode(ask(tools=(Tool(name, "d", OBJECT),)))
    assert caught.value.param == "tools[0]"


@pytest.mark.parametrize(
    ("tool", "word"),
    [
        (Tool("sh", kind="custom"), "free text"),
        (Tool("web", kind="hosted", raw=Raw(b"{}")), "runs"),
    ],
)
def test_tools_of_other_kinds_are_refused(tool: Tool, word: str) -> None:
    with pytest.raises(InvalidRequest, match=word):
        upstream().encode(ask(tools=(tool,)))


# The answer's form


SCHEMA = OutputFormat("schema", OBJECT, "person", "A person.", strict=True)


def test_structured_output_is_asked_for_where_the_model_has_it() -> None:
    body, losses = sent(ask(format=SCHEMA))
    found = body["outputConfig"]["textFormat"]
    assert found["type"] == "json_schema"
    definition = found["structure"]["jsonSchema"]
    assert json.loads(definition.pop("schema")) == json.loads(bytes(OBJECT))
    assert definition == {"name": "person", "description": "A person."}
    assert losses == ()


TOOL_ROW: dict[str, Any] = {"quirks": {"structured_output": "tool"}}


def test_else_one_forced_tool_stands_for_it() -> None:
    body, losses = sent(ask(format=SCHEMA), **TOOL_ROW)
    (tool,) = body["toolConfig"]["tools"]
    assert tool["toolSpec"]["name"] == JSON_ANSWER
    assert tool["toolSpec"]["inputSchema"]["json"] == json.loads(bytes(OBJECT))
    assert body["toolConfig"]["toolChoice"] == {"tool": {"name": JSON_ANSWER}}
    assert "outputConfig" not in body
    assert losses == ()


def test_beside_the_clients_tools_any_of_them_must_be_called() -> None:
    body, _ = sent(ask(format=SCHEMA, tools=(WEATHER,)), **TOOL_ROW)
    names = [tool["toolSpec"]["name"] for tool in body["toolConfig"]["tools"]]
    assert names == ["weather", JSON_ANSWER]
    assert body["toolConfig"]["toolChoice"] == {"any": {}}


def test_json_mode_is_the_same_tool_with_any_object() -> None:
    body, _ = sent(ask(format=OutputFormat("json")))
    (tool,) = body["toolConfig"]["tools"]
    assert tool["toolSpec"]["inputSchema"]["json"] == {"type": "object"}


@pytest.mark.parametrize(
    ("wanted", "row"),
    [
        (OutputFormat("json"), {"abilities": frozenset((Ability.JSON_SCHEMA,))}),
        (SCHEMA, {"abilities": frozenset((Ability.TOOLS,))}),
        (OutputFormat("schema", Raw(b'{"type":"array"}')), TOOL_ROW),
    ],
)
def test_a_form_that_nothing_can_give_is_refused(wanted: OutputFormat, row: Any) -> None:
    with pytest.raises(InvalidRequest, match="cannot take"):
        upstream(**row).encode(ask(format=wanted))


# Reasoning


def reasoned(wish: Reasoning, quirks: dict[str, object], **fields: Any) -> tuple[Any, Any, Any]:
    body, losses = sent(ask(reasoning=wish, **fields), quirks=quirks)
    output = body.get("outputConfig", {})
    return body.get("additionalModelRequestFields"), output.get("effort"), losses


BUDGET: dict[str, object] = {"reasoning_control": "budget"}
ADAPTIVE: dict[str, object] = {"reasoning_control": "adaptive"}
EFFORT: dict[str, object] = {"reasoning_control": "effort"}


@pytest.mark.parametrize(
    ("wish", "quirks", "extra", "effort", "losses"),
    [
        (Reasoning(budget=5000), BUDGET,
         {"thinking": {"type": "enabled", "budget_tokens": 5000}}, None, ()),
        (Reasoning(budget=10), BUDGET,
         {"thinking": {"type": "enabled", "budget_tokens": 1024}}, None, ()),
        (Reasoning(effort="high"), {"reasoning_control": "thinking"},
         {"thinking": {"type": "enabled", "budget_tokens": 16384}}, None, ()),
        (Reasoning(enabled=False), BUDGET, {"thinking": {"type": "disabled"}}, None, ()),
        (Reasoning(effort="minimal"), ADAPTIVE, {"thinking": {"type": "adaptive"}}, "low", ()),
        (Reasoning(budget=9000), ADAPTIVE, {"thinking": {"type": "adaptive"}}, "high", ()),
        (Reasoning(effort="max", summary="auto"), ADAPTIVE,
         {"thinking": {"type": "adaptive", "display": "summarized"}}, "max", ()),
        (Reasoning(effort="none"), {**ADAPTIVE, "thinking_always_on": True}, None, None,
         ("reasoning_off",)),
        (Reasoning(effort="low"), EFFORT, {"reasoning_effort": "low"}, None, ()),
        (Reasoning(effort="none"), {**EFFORT, "effort_none_value": "off"},
         {"reasoning_effort": "off"}, None, ()),
        (Reasoning(effort="none"), {**EFFORT, "effort_none": False}, None, None,
         ("reasoning_off",)),
        (Reasoning(effort="medium"), {**EFFORT, "effort_levels": ["low", "high", "max"]},
         {"reasoning_effort": "high"}, None, ()),
        (Reasoning(effort="xhigh"), {**EFFORT, "effort_rename": {"xhigh": "max"}},
         {"reasoning_effort": "max"}, None, ()),
        (Reasoning(effort="xhigh"), {"reasoning_control": "reasoning_object"},
         {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "high"}}, None, ()),
        (Reasoning(enabled=False), {"reasoning_control": "reasoning_object"},
         {"reasoningConfig": {"type": "disabled"}}, None, ()),
        (Reasoning(enabled=True), {"reasoning_control": "enable_thinking"},
         {"enable_thinking": True}, None, ()),
        (Reasoning(effort="none"), {"reasoning_control": "chat_template_kwargs"},
         {"chat_template_kwargs": {"enable_thinking": False}}, None, ()),
        (Reasoning(effort="high"), {}, None, None, ("reasoning_effort",)),
        (Reasoning(budget=2000), {}, None, None, ("reasoning_budget",)),
        (Reasoning(enabled=True), {}, None, None, ("reasoning",)),
        (Reasoning(effort="none"), {}, None, None, ()),
        (Reasoning(effort="low", summary="auto"), EFFORT, {"reasoning_effort": "low"}, None,
         ("reasoning_summary",)),
    ],
)  # fmt: skip
def test_reasoning_is_asked_for_as_the_row_says(
    wish: Reasoning, quirks: dict[str, object], extra: Any, effort: Any, losses: Any
) -> None:
    assert reasoned(wish, quirks) == (extra, effort, losses)


def test_a_budget_stays_below_the_answers_limit() -> None:
    extra, _, losses = reasoned(Reasoning(budget=9000), BUDGET, max_output=4000)
    assert extra["thinking"]["budget_tokens"] == 2000
    assert losses == ()
    assert reasoned(Reasoning(budget=9000), BUDGET, max_output=1000) == (
        None, None, ("reasoning",),
    )  # fmt: skip


def test_thinking_takes_no_sampling_and_no_forced_tool() -> None:
    body, losses = sent(
        ask(reasoning=Reasoning(budget=2000), sampling=Sampling(temperature=0.2, top_k=4)),
        quirks={**BUDGET, "extra_fields": {"top_k": "top_k"}},
    )
    assert "inferenceConfig" not in body
    assert losses == ("temperature", "top_k")
    body, losses = sent(
        ask(reasoning=Reasoning(budget=2000), tools=(WEATHER,), tool_choice=ToolChoice("required")),
        quirks=BUDGET,
    )
    assert "additionalModelRequestFields" not in body
    assert losses == ("reasoning",)


def test_thinking_is_off_for_a_tool_loop_that_lacks_its_reasoning() -> None:
    wish = Reasoning(budget=2000)
    body, losses = sent(ask(HELLO, CALL, RESULT, tools=(WEATHER,), reasoning=wish), quirks=BUDGET)
    assert "additionalModelRequestFields" not in body
    assert losses == ("reasoning",)
    thought = Message("assistant", (Thinking("Hm.", signature="c2ln"), *CALL.parts))
    body, losses = sent(
        ask(HELLO, thought, RESULT, tools=(WEATHER,), reasoning=wish), quirks=BUDGET
    )
    assert "thinking" in body["additionalModelRequestFields"]
    assert losses == ()


def answer_with(part: Part) -> Message:
    return Message("assistant", (part, Text("So.")))


def test_reasoning_goes_back_with_its_state_only() -> None:
    signed = answer_with(Thinking("Hm.", signature="c2ln"))
    sealed = answer_with(Thinking(sealed="aGk="))
    bare = answer_with(Thinking("Hm."))
    other = answer_with(Thinking(sealed="not base64!"))
    again = user(Text("And?"))
    body, losses = sent(ask(HELLO, signed, again, sealed, again, bare, again, other, again))
    assert [len(turn["content"]) for turn in body["messages"]] == [1, 2, 1, 2, 1, 1, 1, 1, 1]
    assert body["messages"][1]["content"][0] == {
        "reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "c2ln"}}
    }
    assert body["messages"][3]["content"][0] == {"reasoningContent": {"redactedContent": "aGk="}}
    assert losses == ("thinking_history", "thinking_state")


@pytest.mark.parametrize(("replay", "kept"), [("always", 2), ("tool_turns", 1), ("signed", 0)])
def test_a_row_says_which_bare_reasoning_is_sent(replay: str, kept: int) -> None:
    body, _ = sent(
        ask(
            HELLO,
            answer_with(Thinking("Hm.")),
            user(Text("And?")),
            Message("assistant", (Thinking("Tool."), *CALL.parts)),
            RESULT,
            tools=(WEATHER,),
        ),
        quirks={"reasoning_replay": replay},
    )
    blocks = [block for turn in body["messages"] for block in turn["content"]]
    assert sum("reasoningContent" in block for block in blocks) == kept


# Cache marks


def test_cache_marks_become_blocks_behind_what_they_mark() -> None:
    body, losses = sent(
        ask(
            Message("system", (Text("Long.", cache=CacheMark("1h")),)),
            user(Text("Hello", cache=CacheMark())),
            tools=(Tool("weather", "d", OBJECT, cache=CacheMark("30m")),),
        )
    )
    assert body["system"][1] == {"cachePoint": {"type": "default", "ttl": "1h"}}
    assert body["messages"][0]["content"][1] == {"cachePoint": {"type": "default"}}
    assert body["toolConfig"]["tools"][1] == {"cachePoint": {"type": "default"}}
    assert losses == ()


def test_marks_beyond_the_most_go_from_the_front() -> None:
    parts = tuple(Text(f"p{i}", cache=CacheMark()) for i in range(6))
    body, losses = sent(ask(user(*parts)))
    kinds = [next(iter(block)) for block in body["messages"][0]["content"]]
    assert kinds == ["text", "text", *["text", "cachePoint"] * 4]
    assert losses == ("cache_marks",)


def test_a_model_without_a_cache_gets_no_marks() -> None:
    body, losses = sent(ask(user(Text("Hello", cache=CacheMark()))), cached=None)
    assert body["messages"][0]["content"] == [{"text": "Hello"}]
    assert losses == ("cache_marks",)


# The rest


def test_what_converse_has_no_field_for_is_reported_once() -> None:
    _, losses = sent(
        ask(
            Message("user", (Text("Hello"),), name="Ann"),
            Message("assistant", (Text("Cited", (Citation(title="t"),)), Foreign("cohere", Raw(b"{}")))),
            user(Text("And?"), Media("image", "image/png", "aGk=", detail="high")),
            tools=(WEATHER,),
            parallel_tools=False,
            sampling=Sampling(
                temperature=1.5, top_k=3, min_p=0.1, frequency_penalty=1.0, presence_penalty=1.0,
                seed=1, stop=(" ",), logit_bias=Raw(b"{}"), logprobs=True, choices=1,
            ),
            verbosity="low",
            user="u1",
            store=True,
            cache_key="k",
            metadata={"a": "ü"},
            service_tier="scale",
            extra={"x": Raw(b"1"), "y": Raw(b"2")},
        )
    )  # fmt: skip
    assert set(losses) == {
        "message_name", "citations", "foreign_part", "image_detail", "parallel_tools",
        "temperature", "top_k", "min_p", "frequency_penalty", "presence_penalty", "seed", "stop",
        "logit_bias", "logprobs", "verbosity", "user", "store", "cache_key", "metadata",
        "service_tier", "unknown_field",
    }  # fmt: skip
    assert len(losses) == len(set(losses))


@pytest.mark.parametrize(
    "fields",
    [
        {"sampling": Sampling(choices=2)},
        {"modalities": ("text", "audio")},
        {"audio": Raw(b'{"voice":"x"}')},
    ],
)
def test_what_would_change_the_meaning_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest, match="cannot take"):
        upstream().encode(ask(**fields))


def test_neutral_values_are_no_loss() -> None:
    body, losses = sent(
        ask(
            sampling=Sampling(choices=1, logprobs=False),
            verbosity="medium",
            store=False,
            service_tier="auto",
            format=OutputFormat("text"),
        )
    )
    assert body == {"messages": [{"role": "user", "content": [{"text": "Hello"}]}]}
    assert losses == ()


def test_metadata_and_tiers_have_a_place() -> None:
    body, losses = sent(ask(metadata={"team": "a-b"}, service_tier="priority"))
    assert body["requestMetadata"] == {"team": "a-b"}
    assert body["serviceTier"] == {"type": "priority"}
    assert losses == ()


def test_a_rows_quirks_shape_the_body() -> None:
    body, losses = sent(
        ask(sampling=Sampling(temperature=0.5, top_p=0.5, top_k=7), max_output=9),
        quirks={
            "sampling": "drop",
            "default": {"performanceConfig": {"latency": "standard"}, "stopSequences": ["X"]},
            "set": {"maxTokens": 5},
        },
    )
    assert body["inferenceConfig"] == {"maxTokens": 5, "stopSequences": ["X"]}
    assert body["performanceConfig"] == {"latency": "standard"}
    assert losses == ("temperature", "top_p", "top_k")


@pytest.mark.parametrize(
    ("way", "extra"),
    [("top_k", {"top_k": 7}), ("inferenceConfig.topK", {"inferenceConfig": {"topK": 7}})],
)
def test_top_k_stands_where_the_row_says(way: str, extra: dict[str, Any]) -> None:
    body, losses = sent(ask(sampling=Sampling(top_k=7)), quirks={"extra_fields": {"top_k": way}})
    assert body["additionalModelRequestFields"] == extra
    assert losses == ()


def test_the_operators_defaults_stand_in_for_what_nobody_said() -> None:
    body, _ = sent(ask(), max_tokens_default=77, temperature_default=0.1)
    assert body["inferenceConfig"] == {"maxTokens": 77, "temperature": 0.1}
    body, _ = sent(ask(max_output=5), max_tokens_default=77)
    assert body["inferenceConfig"] == {"maxTokens": 5}


@pytest.mark.parametrize("address", ["ftp://x", "https://{region}.test", "https://u@x.test", "//x"])
def test_an_address_that_cannot_be_used_is_refused(address: str) -> None:
    provider = Provider("acme", "Acme", Tier.CLOUD, "bedrock", address)
    with pytest.raises(ValueError, match="base address"):
        prepare(Deployment("a/m", provider, Model("m"), usable=True), Settings())


def test_no_repr_shows_a_secret() -> None:
    made = prepare(
        Deployment("a/m", Provider("a", "A", Tier.CLOUD, "bedrock", "https://x.test"), Model("m"), usable=True),
        Settings(),
        headers=((b"authorization", b"Bearer very-secret"),),
        secret="very-secret",
    )  # fmt: skip
    assert "very-secret" not in repr(made) + repr(made.wire)


# The same dialect: read and written anew where a content check asks for it


def test_a_clients_own_call_survives_being_read_and_written() -> None:
    body = {
        "messages": [
            {
                "role": "user",
                "content": [
                    {"text": "Hi"},
                    {"cachePoint": {"type": "default", "ttl": "1h"}},
                    {"guardContent": {"text": {"text": "guarded", "qualifiers": ["query"]}}},
                    {
                        "document": {
                            "format": "pdf",
                            "name": "a b",
                            "source": {"bytes": "aGk="},
                            "context": "why",
                            "citations": {"enabled": True},
                        }
                    },
                    {
                        "document": {
                            "name": "c",
                            "format": "txt",
                            "source": {"content": [{"text": "x"}, {"text": "y"}]},
                        }
                    },
                    {"audio": {"format": "mpga", "source": {"bytes": "aGk="}}},
                    {
                        "video": {
                            "format": "mp4",
                            "source": {"s3Location": {"uri": "s3://bucket/v"}},
                        }
                    },
                    {
                        "searchResult": {
                            "source": "s",
                            "title": "t",
                            "content": [{"text": "x"}],
                        }
                    },
                ],
            },
            {
                "role": "assistant",
                "content": [
                    {"reasoningContent": {"reasoningText": {"text": "h", "signature": "c2ln"}}},
                    {"reasoningContent": {"redactedContent": "aGk="}},
                    {
                        "citationsContent": {
                            "content": [{"text": "cited"}],
                            "citations": [
                                {
                                    "title": "t",
                                    "sourceContent": [{"text": "q"}],
                                    "location": {
                                        "documentPage": {"documentIndex": 0, "start": 1, "end": 2}
                                    },
                                }
                            ],
                        }
                    },
                    {
                        "toolUse": {
                            "toolUseId": "s1",
                            "name": "nova_grounding",
                            "input": {},
                            "type": "server_tool_use",
                        }
                    },
                    {"toolResult": {"toolUseId": "s1", "content": [{"text": "found"}]}},
                    {"toolUse": {"toolUseId": "t1", "name": "w", "input": {"a": 1}}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {
                        "toolResult": {
                            "toolUseId": "t1",
                            "content": [{"json": {"x": 1}}, {"text": "y"}],
                            "status": "error",
                        }
                    },
                    {"text": "go on"},
                ],
            },
        ],
        "system": [{"text": "sys"}, {"cachePoint": {"type": "default"}}],
        "inferenceConfig": {"maxTokens": 9000, "topP": 0.5, "stopSequences": ["x"]},
        "toolConfig": {
            "tools": [
                {"toolSpec": {"name": "w", "inputSchema": {"json": {"type": "object"}}}},
                {"cachePoint": {"type": "default"}},
                {"systemTool": {"name": "nova_grounding"}},
            ],
            "toolChoice": {"auto": {}},
        },
        "additionalModelRequestFields": {
            "thinking": {"type": "enabled", "budget_tokens": 2000},
            "anthropic_beta": ["x"],
        },
        "additionalModelResponseFieldPaths": ["/stop_sequence"],
        "requestMetadata": {"a": "b"},
        "serviceTier": {"type": "flex"},
        "performanceConfig": {"latency": "optimized"},
        "promptVariables": {"v": {"text": "x"}},
        "outputConfig": {
            "textFormat": {
                "type": "json_schema",
                "structure": {"jsonSchema": {"schema": '{"type":"object"}', "name": "n"}},
            },
            "effort": "high",
        },
        "guardrailConfig": {"guardrailIdentifier": "abc", "guardrailVersion": "1"},
    }
    del body["inferenceConfig"]["topP"]  # type: ignore[attr-defined]
    request = ClientRequest("POST", f"/model/{MODEL}/converse", "", {}, msgspec.json.encode(body))
    parsed = CLIENT.parse(request, CLIENT.glance(request))
    encoded = upstream().encode(parsed)
    written = check_request(encoded.request.target, encoded.request.body, model=MODEL)
    assert written == body
    assert encoded.losses == ()
