"""Calls of clients that speak another language, written for this one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from anthropic_vendor import OLDER, VendorRequests, make_request, make_upstream
from msgspec import Raw

from federation.dialects.anthropic.client import CLIENT
from federation.dialects.anthropic.losses import LOSSES
from federation.dialects.anthropic.schemas import fitted
from federation.dialects.losses import FEATURES
from federation.domain.catalogue import Ability, Auth
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
from federation.schema.parts import (
    AUDIO,
    FILE,
    IMAGE,
    VIDEO,
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

SCHEMA = Raw(b'{"type":"object","properties":{"a":{"type":"string"}},"additionalProperties":false}')
TOOL = Tool("look", "Looks.", SCHEMA)
NEWER: dict[str, object] = {"sampling": "drop", "reasoning_control": "adaptive"}
NEW_ABILITIES = frozenset((Ability.TOOLS, Ability.JSON_SCHEMA, Ability.REASONING))
HI = Message("user", (Text("Hi"),))


@pytest.fixture(scope="module")
def vendor() -> VendorRequests:
    return VendorRequests()


def asking(*messages: Message, **fields: Any) -> ChatRequest:
    return ChatRequest("openai", "any", messages or (HI,), **fields)


def write(request: ChatRequest, **row: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
    encoded = make_upstream(**row).encode(request)
    body: dict[str, Any] = json.loads(encoded.request.body)
    return body, encoded.losses


def turns(*messages: Message, **row: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = write(asking(*messages), **row)[0]["messages"]
    return found


def test_every_loss_is_in_the_vocabulary() -> None:
    assert set(LOSSES) <= set(FEATURES)


def test_a_call_of_another_language_is_a_valid_request(vendor: VendorRequests) -> None:
    request = asking(
        Message("system", (Text("Be brief."),)),
        Message("developer", (Text("And kind."),)),
        Message("user", (Text("Look"), Media(IMAGE, data="iVBORw0KGgo="))),
        Message(
            "assistant",
            (
                Thinking("hm"),
                Text("  "),
                ToolCall("functions.look:0", "look", '{"a": "b"}'),
                ToolCall("functions/look:0", "look", ""),
            ),
        ),
        Message("tool", (ToolResult("functions.look:0", (Text("seen"),)),)),
        Message("tool", (ToolResult("functions/look:0", (Text("x"), Text("y")), error=True),)),
        Message("user", (Text("So?"),), name="bob"),
        tools=(TOOL,),
        tool_choice=ToolChoice("required"),
        parallel_tools=False,
        max_output=100,
        user="u-1",
        stream=True,
    )
    body, losses = write(request)
    vendor.check(body)
    assert losses == ("thinking_history", "message_name")
    assert body == {
        "model": "claude-x",
        "max_tokens": 100,
        "system": [{"type": "text", "text": "Be brief."}, {"type": "text", "text": "And kind."}],
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Look"},
                    {
                        "type": "image",
                        "source": {
                            "type": "base64",
                            "media_type": "image/png",
                            "data": "iVBORw0KGgo=",
                        },
                    },
                ],
            },
            {
                "role": "assistant",
                "content": [
                    {
                        "type": "tool_use",
                        "id": "functions_look_0",
                        "name": "look",
                        "input": {"a": "b"},
                    },
                    {"type": "tool_use", "id": "functions_look_0_1", "name": "look", "input": {}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "functions_look_0", "content": "seen"},
                    {
                        "type": "tool_result",
                        "tool_use_id": "functions_look_0_1",
                        "content": [{"type": "text", "text": "x"}, {"type": "text", "text": "y"}],
                        "is_error": True,
                    },
                    {"type": "text", "text": "So?"},
                ],
            },
        ],
        "tool_choice": {"type": "any", "disable_parallel_tool_use": True},
        "tools": [
            {"name": "look", "description": "Looks.", "input_schema": json.loads(bytes(SCHEMA))}
        ],
        "metadata": {"user_id": "u-1"},
        "stream": True,
    }


def test_arguments_that_are_no_object_are_refused_with_the_message() -> None:
    for arguments in ("[1]", "{oops", "null", '"x"'):
        call = Message("assistant", (ToolCall("a", "look", arguments),))
        with pytest.raises(InvalidRequest) as caught:
            write(asking(HI, call, HI))
        assert caught.value.param == "messages[1]"


def test_big_numbers_in_arguments_keep_their_text() -> None:
    call = Message(
        "assistant", (ToolCall("a", "look", '{"n": 12345678901234567890123, "f": 1.10}'),)
    )
    result = Message("tool", (ToolResult("a", (Text("x"),)),))
    encoded = make_upstream().encode(asking(HI, call, result))
    assert b'{"n": 12345678901234567890123, "f": 1.10}' in encoded.request.body


@pytest.mark.parametrize(
    ("parts", "expected", "loss"),
    [
        ((Text(" \n"), Text("x")), [{"type": "text", "text": "x"}], None),
        ((Refusal("No."), Text("x")), [{"type": "text", "text": "No."}], None),
        (
            (Foreign("openai", Raw(b"{}")), Text("x")),
            [{"type": "text", "text": "x"}],
            "foreign_part",
        ),
        (
            (Media(FILE, "application/pdf", data="JVBERi0=", name="a.pdf"),),
            [
                {
                    "type": "document",
                    "source": {
                        "type": "base64",
                        "media_type": "application/pdf",
                        "data": "JVBERi0=",
                    },
                    "title": "a.pdf",
                }
            ],
            None,
        ),
        (
            (Media(FILE, "text/csv", data="YSxi", name="a.csv", cite=True),),
            [
                {
                    "type": "document",
                    "source": {"type": "text", "media_type": "text/plain", "data": "a,b"},
                    "title": "a.csv",
                    "citations": {"enabled": True},
                }
            ],
            None,
        ),
        (
            (Media(IMAGE, url="https://a.test/x.png", detail="high"),),
            [{"type": "image", "source": {"type": "url", "url": "https://a.test/x.png"}}],
            "image_detail",
        ),
        (
            (Text("x", citations=(Citation("t", "u"),)),),
            [{"type": "text", "text": "x"}],
            "citations",
        ),
        (
            (Text("x", cache=CacheMark("24h")),),
            [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral", "ttl": "5m"}}],
            None,
        ),
    ],
)
def test_a_part_is_written_as_the_nearest_block(
    parts: tuple[Part, ...], expected: list[Any], loss: str | None, vendor: VendorRequests
) -> None:
    body, losses = write(asking(Message("user", (*parts, Text("end")))))
    vendor.check(body)
    assert body["messages"][0]["content"][: len(expected)] == expected
    assert losses == ((loss,) if loss else ())


@pytest.mark.parametrize(
    ("part", "row"),
    [
        (Media(AUDIO, "audio/wav", data="UklGRg=="), {}),
        (Media(VIDEO, "video/mp4", data="AAAA"), {}),
        (Media(IMAGE, "image/heic", data="AAAA"), {}),
        (Media(IMAGE, url="https://a.test/x.png"), {"quirks": {"image_urls": False}}),
        (Media(FILE, url="https://a.test/x.pdf"), {"quirks": {"image_urls": False}}),
        (Media(FILE, "application/zip", data="AAAA"), {}),
        (Media(FILE, "text/plain", data="//79"), {}),
        (Media(FILE, file_id="file-1"), {}),
    ],
)
def test_content_that_cannot_be_sent_is_refused(part: Media, row: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest) as caught:
        write(asking(Message("user", (part,))), **row)
    assert (caught.value.code, caught.value.param) == ("not_expressible", "messages[0]")


def test_system_text_after_the_first_turn_moves_up_and_says_so() -> None:
    body, losses = write(
        asking(
            Message("system", (Text("A"),)),
            HI,
            Message("system", (Text("B"),)),
            HI,
        )
    )
    assert body["system"] == [{"type": "text", "text": "A"}, {"type": "text", "text": "B"}]
    assert [turn["role"] for turn in body["messages"]] == ["user"]
    assert losses == ("system_place",)


def test_instructions_alone_become_what_the_user_says() -> None:
    body, losses = write(asking(Message("system", (Text("Say hi."),))))
    assert "system" not in body
    assert body["messages"] == [{"role": "user", "content": "Say hi."}]
    assert losses == ("system_place",)


def test_a_conversation_that_says_nothing_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        write(asking(Message("user", (Text(" "),))))


def test_a_conversation_begins_with_the_user() -> None:
    said = turns(Message("assistant", (Text("Welcome."),)), HI)
    assert [turn["role"] for turn in said] == ["user", "assistant", "user"]
    assert said[0]["content"].strip()


def test_neighbors_of_one_role_are_merged_and_empty_turns_vanish() -> None:
    said = turns(HI, Message("assistant", (Thinking("hm"),)), Message("user", (Text("Ho"),)))
    assert said == [
        {
            "role": "user",
            "content": [{"type": "text", "text": "Hi"}, {"type": "text", "text": "Ho"}],
        }
    ]


def test_an_answer_that_the_caller_began_loses_its_last_space() -> None:
    said = turns(HI, Message("assistant", (Text("The answer is \n"),)))
    assert said[-1] == {"role": "assistant", "content": "The answer is"}


def test_an_answer_that_the_caller_began_is_refused_by_models_that_cannot_go_on() -> None:
    with pytest.raises(InvalidRequest) as caught:
        turns(HI, Message("assistant", (Text("The"),)), abilities=NEW_ABILITIES)
    assert caught.value.param == "messages[1]"


def test_a_pause_is_gone_on_from_by_every_model() -> None:
    body = {
        "model": "m",
        "max_tokens": 9,
        "messages": [
            {"role": "user", "content": "x"},
            {
                "role": "assistant",
                "content": [
                    {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
                ],
            },
        ],
    }
    request = make_request(body)
    seen = CLIENT.glance(request)
    assert "prefill" not in seen.needs
    written = make_upstream(abilities=NEW_ABILITIES).encode(CLIENT.parse(request, seen))
    assert json.loads(written.request.body)["messages"] == body["messages"]


# Limits and sampling


@pytest.mark.parametrize(
    ("asked", "row", "expected"),
    [
        (100, {}, 100),
        (0, {}, 0),
        (900_000, {}, 64_000),
        (None, {}, 64_000),
        (None, {"max_output": None}, 4096),
        (None, {"settings": Settings(max_tokens_default=500)}, 500),
        (None, {"settings": Settings(max_tokens_default=500_000)}, 64_000),
        (900_000, {"max_output": None}, 900_000),
    ],
)
def test_the_limit_is_always_sent(asked: int | None, row: dict[str, Any], expected: int) -> None:
    assert write(asking(max_output=asked), **row)[0]["max_tokens"] == expected


@pytest.mark.parametrize(
    ("sampling", "row", "expected", "losses"),
    [
        (Sampling(temperature=0.5, top_k=3), {}, {"temperature": 0.5, "top_k": 3}, ()),
        (Sampling(temperature=1.5), {}, {"temperature": 1.0}, ("temperature",)),
        (Sampling(temperature=0.5, top_p=0.9), {}, {"temperature": 0.5}, ("top_p",)),
        (Sampling(temperature=0.5, top_p=1), {}, {"temperature": 0.5}, ()),
        (Sampling(top_p=0.9), {}, {"top_p": 0.9}, ()),
        (
            Sampling(temperature=0.5, top_p=0.9, top_k=1),
            {"quirks": NEWER},
            {},
            ("temperature", "top_p", "top_k"),
        ),
        (Sampling(temperature=1, top_p=1), {"quirks": NEWER}, {}, ()),
        (Sampling(stop=("END", "\n")), {}, {"stop_sequences": ["END"]}, ("stop",)),
        (
            Sampling(
                min_p=0.1,
                frequency_penalty=1,
                presence_penalty=1,
                seed=1,
                logit_bias=Raw(b"{}"),
                logprobs=True,
            ),
            {},
            {},
            ("min_p", "frequency_penalty", "presence_penalty", "seed", "logit_bias", "logprobs"),
        ),
    ],
)
def test_sampling_is_sent_as_far_as_the_model_takes_it(
    sampling: Sampling, row: dict[str, Any], expected: dict[str, Any], losses: tuple[str, ...]
) -> None:
    body, lost = write(asking(sampling=sampling), **row)
    rest = {n: v for n, v in body.items() if n not in ("model", "max_tokens", "messages")}
    assert (rest, lost) == (expected, losses)


def test_the_newest_api_version_has_no_sampling() -> None:
    auth = Auth("header", "x-api-key", "", {"anthropic-version": "2026-10-21"})
    body, losses = write(asking(sampling=Sampling(temperature=0.2)), auth=auth)
    assert "temperature" not in body
    assert losses == ("temperature",)


def test_an_operators_temperature_fills_in_unless_the_model_thinks() -> None:
    row = {"settings": Settings(temperature_default=0.3)}
    assert write(asking(), **row)[0]["temperature"] == 0.3
    assert "temperature" not in write(asking(reasoning=Reasoning("low")), **row)[0]


def test_more_than_one_answer_is_refused() -> None:
    with pytest.raises(InvalidRequest) as caught:
        write(asking(sampling=Sampling(choices=2)))
    assert caught.value.param == "n"


# Tools and the answer's form


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (None, None),
        (ToolChoice("auto"), {"type": "auto"}),
        (ToolChoice("none"), {"type": "none"}),
        (ToolChoice("required"), {"type": "any"}),
        (ToolChoice("named", "look"), {"type": "tool", "name": "look"}),
    ],
)
def test_the_choice_among_tools_is_written(
    choice: ToolChoice | None, expected: Any, vendor: VendorRequests
) -> None:
    body, _ = write(asking(tools=(TOOL,), tool_choice=choice))
    vendor.check(body)
    assert body.get("tool_choice") == expected
    assert "tool_choice" not in write(asking(tool_choice=choice))[0]


def test_allowed_tools_are_the_ones_that_are_sent() -> None:
    choice = ToolChoice("auto", allowed=("b",))
    body, losses = write(asking(tools=(TOOL, Tool("b")), tool_choice=choice))
    assert [tool["name"] for tool in body["tools"]] == ["b"]
    assert losses == ()


@pytest.mark.parametrize(
    "fields",
    [
        {"tools": (TOOL,), "tool_choice": ToolChoice("required")},
        {"tools": (TOOL,), "tool_choice": ToolChoice("named", "look")},
        {"tools": (Tool("free", kind="custom"),)},
        {"tools": (Tool("web", kind="hosted", raw=Raw(b"{}")),)},
        {"tools": (Tool("with space"),)},
        {"modalities": ("text", "audio")},
    ],
)
def test_what_would_change_the_call_badly_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest) as caught:
        write(asking(**fields), abilities=NEW_ABILITIES)
    assert caught.value.code == "not_expressible"


def test_a_tool_without_a_schema_takes_an_object() -> None:
    body, _ = write(asking(tools=(Tool("a"), Tool("b", schema=Raw(b'{"properties":{}}')))))
    assert [tool["input_schema"]["type"] for tool in body["tools"]] == ["object", "object"]
    with pytest.raises(InvalidRequest):
        write(asking(tools=(Tool("a", schema=Raw(b"[]")),)))


def test_strictness_is_kept_where_the_model_has_it(vendor: VendorRequests) -> None:
    open_schema = Raw(b'{"type":"object","properties":{"n":{"type":"integer","minimum":3}}}')
    request = asking(tools=(Tool("a", schema=open_schema, strict=True),))
    body, losses = write(request)
    vendor.check(body)
    assert losses == ()
    assert body["tools"][0]["strict"] is True
    assert body["tools"][0]["input_schema"] == {
        "type": "object",
        "properties": {"n": {"type": "integer", "description": "{minimum: 3}"}},
        "additionalProperties": False,
    }
    body, losses = write(request, abilities=frozenset((Ability.TOOLS,)))
    assert "strict" not in body["tools"][0]
    assert losses == ("strict_tools",)


def test_an_answer_after_a_schema_is_asked_by_the_field_for_it(vendor: VendorRequests) -> None:
    body, losses = write(asking(format=OutputFormat("schema", SCHEMA, "x", strict=True)))
    vendor.check(body)
    assert losses == ()
    assert body["output_config"] == {
        "format": {"type": "json_schema", "schema": json.loads(bytes(SCHEMA))}
    }


def test_an_older_model_answers_after_a_schema_by_a_forced_tool(vendor: VendorRequests) -> None:
    row: dict[str, Any] = {
        "abilities": frozenset((Ability.TOOLS, Ability.FORCED_TOOLS, Ability.REASONING))
    }
    wanted = OutputFormat("schema", SCHEMA)
    upstream = make_upstream(**row)
    body, losses = write(asking(format=wanted, reasoning=Reasoning("high")), **row)
    vendor.check(body)
    assert losses == ("reasoning",)
    assert body["tool_choice"] == {"type": "tool", "name": "federation_answer"}
    assert "thinking" not in body
    answer = {
        "id": "m",
        "type": "message",
        "role": "assistant",
        "model": "x",
        "stop_reason": "tool_use",
        "content": [
            {"type": "tool_use", "id": "t", "name": "federation_answer", "input": {"a": "b"}}
        ],
        "usage": {"input_tokens": 1, "output_tokens": 1},
    }
    choice = upstream.decode(json.dumps(answer).encode()).choices[0]
    assert choice.parts == (Text('{"a": "b"}'),)
    assert choice.finish == "stop"
    with pytest.raises(InvalidRequest):
        write(asking(format=wanted, tools=(TOOL,)), **row)
    with pytest.raises(InvalidRequest):
        write(asking(format=wanted), abilities=frozenset((Ability.TOOLS,)))


def test_any_object_as_the_answer_is_left_to_the_prompt() -> None:
    body, losses = write(asking(format=OutputFormat("json")))
    assert losses == ("json_mode",)
    assert "output_config" not in body
    assert write(asking(format=OutputFormat("text")))[1] == ()


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (
            {
                "type": "object",
                "properties": {"a": {"oneOf": [{"type": "string", "maxLength": 3}]}},
            },
            {
                "type": "object",
                "properties": {
                    "a": {"anyOf": [{"type": "string", "description": "{maxLength: 3}"}]}
                },
                "additionalProperties": False,
            },
        ),
        (
            {"type": "array", "items": {"type": "object"}, "minItems": 4, "description": "Few."},
            {
                "type": "array",
                "items": {"type": "object", "additionalProperties": False},
                "description": "Few.\n\n{minItems: 4}",
            },
        ),
        (
            {"$ref": "#/$defs/x", "$defs": {"x": {"type": "string", "format": "regex"}}},
            {
                "$ref": "#/$defs/x",
                "$defs": {"x": {"type": "string", "description": "{format: regex}"}},
            },
        ),
    ],
)
def test_a_schema_is_fitted_to_what_the_vendor_holds(schema: Any, expected: Any) -> None:
    assert json.loads(bytes(fitted(Raw(json.dumps(schema).encode())))) == expected


def test_a_schema_that_fits_is_handed_on_as_it_is() -> None:
    assert fitted(SCHEMA) is SCHEMA


def test_a_bottomless_schema_is_refused() -> None:
    deep = b'{"items":' * 300 + b"{}" + b"}" * 300
    with pytest.raises(InvalidRequest):
        write(asking(format=OutputFormat("schema", Raw(deep))))
    nested = b'{"items":' * 5000 + b"{}" + b"}" * 5000
    with pytest.raises(InvalidRequest):
        write(asking(format=OutputFormat("schema", Raw(nested))))


def test_fields_without_a_place_are_named() -> None:
    body, losses = write(
        asking(
            metadata={"a": "b"},
            verbosity="low",
            store=True,
            cache_key="k",
            service_tier="flex",
            extra={"prediction": Raw(b"{}")},
        )
    )
    assert set(losses) == {
        "metadata",
        "verbosity",
        "store",
        "cache_key",
        "service_tier",
        "unknown_field",
    }
    assert set(body) == {"model", "max_tokens", "messages"}
    assert write(asking(service_tier="default"))[0]["service_tier"] == "standard_only"


def test_the_last_marks_are_kept_where_there_are_too_many() -> None:
    marked = [Message("user", (Text(f"{n}", cache=CacheMark()), Text("x"))) for n in range(6)]
    body, losses = write(asking(*marked))
    content = body["messages"][0]["content"]
    assert [n for n, block in enumerate(content) if "cache_control" in block] == [4, 6, 8, 10]
    assert losses == ("cache_marks",)


# Thinking


@pytest.mark.parametrize(
    ("wish", "row", "thinking", "effort", "losses"),
    [
        (None, {}, None, None, ()),
        (Reasoning("low"), {}, {"type": "enabled", "budget_tokens": 2048}, None, ()),
        (Reasoning("max"), {}, {"type": "enabled", "budget_tokens": 62_976}, None, ()),
        (Reasoning(budget=5000), {}, {"type": "enabled", "budget_tokens": 5000}, None, ()),
        (Reasoning(budget=10), {}, {"type": "enabled", "budget_tokens": 1024}, None, ()),
        (Reasoning(enabled=True), {}, {"type": "enabled", "budget_tokens": 16_384}, None, ()),
        (Reasoning("none"), {}, None, None, ()),
        (Reasoning("high"), {"quirks": NEWER}, {"type": "adaptive"}, "high", ()),
        (
            Reasoning("minimal"),
            {"quirks": {**NEWER, "effort_levels": ["low", "high"]}},
            {"type": "adaptive"},
            "low",
            (),
        ),
        (
            Reasoning("xhigh"),
            {"quirks": {**NEWER, "effort_levels": ["low", "high", "max"]}},
            {"type": "adaptive"},
            "high",
            (),
        ),
        (
            Reasoning(budget=5000),
            {"quirks": NEWER},
            {"type": "adaptive"},
            "medium",
            ("reasoning_budget",),
        ),
        (
            Reasoning("high", summary="auto"),
            {"quirks": NEWER},
            {"type": "adaptive", "display": "summarized"},
            "high",
            (),
        ),
        (Reasoning(enabled=False), {"quirks": NEWER}, {"type": "disabled"}, None, ()),
        (
            Reasoning("none"),
            {"quirks": {**NEWER, "thinking_always_on": True}},
            None,
            "low",
            ("reasoning_off",),
        ),
        (
            Reasoning("none"),
            {"quirks": {**NEWER, "thinking_always_on": True, "effort_none_value": "between_tools"}},
            {"type": "between_tools"},
            None,
            (),
        ),
        (Reasoning("high"), {"abilities": frozenset((Ability.TOOLS,))}, None, None, ("reasoning",)),
    ],
)
def test_thinking_is_asked_for_in_the_models_own_way(
    wish: Reasoning | None,
    row: dict[str, Any],
    thinking: Any,
    effort: str | None,
    losses: tuple[str, ...],
    vendor: VendorRequests,
) -> None:
    body, lost = write(asking(reasoning=wish), **row)
    vendor.check(body)
    assert body.get("thinking") == thinking
    assert body.get("output_config", {}).get("effort") == effort
    assert lost == losses


@pytest.mark.parametrize(
    ("limit", "budget"),
    [(20_000, 16_384), (16_384, 15_360), (2048, 1536), (1400, 1050), (1024, None)],
)
def test_a_budget_stays_below_the_limit_which_stays_what_it_was(
    limit: int, budget: int | None
) -> None:
    body, losses = write(asking(reasoning=Reasoning("high"), max_output=limit))
    assert body["max_tokens"] == limit
    assert body.get("thinking", {}).get("budget_tokens") == budget
    assert losses == (() if budget else ("reasoning",))


def test_no_sampling_beside_thinking() -> None:
    sampling = Sampling(temperature=0.2, top_k=5, top_p=0.5)
    body, losses = write(asking(reasoning=Reasoning("low"), sampling=sampling))
    assert not {"temperature", "top_k", "top_p"} & set(body)
    assert losses == ("temperature", "top_p", "top_k")
    body, losses = write(asking(reasoning=Reasoning("low"), sampling=Sampling(top_p=0.97)))
    assert (body["top_p"], losses) == (0.97, ())


@pytest.mark.parametrize("row", [{}, {"quirks": {"reasoning_control": "adaptive"}}])
def test_a_forced_tool_wins_over_thinking(row: dict[str, Any]) -> None:
    body, losses = write(
        asking(reasoning=Reasoning("high"), tools=(TOOL,), tool_choice=ToolChoice("required")),
        **row,
    )
    assert body.get("thinking", {"type": "disabled"}) == {"type": "disabled"}
    assert losses == ("reasoning",)


def test_an_answer_that_the_caller_began_wins_over_thinking() -> None:
    begun = Message("assistant", (Text("The"),))
    body, losses = write(asking(HI, begun, reasoning=Reasoning("high")))
    assert "thinking" not in body
    assert losses == ("reasoning",)


def test_a_turn_that_was_cut_off_while_thinking_loses_its_thoughts() -> None:
    cut = Message("assistant", (Text("x"), Thinking("hm", "s")))
    only = Message("assistant", (Thinking("hm", "s"),))
    body, losses = write(asking(HI, cut, HI, only, HI))
    assert [turn["content"] for turn in body["messages"]] == [
        "Hi",
        "x",
        [{"type": "text", "text": "Hi"}, {"type": "text", "text": "Hi"}],
    ]
    assert losses == ("thinking_history",)


def test_results_stand_first_in_their_turn() -> None:
    body, _ = write(asking(HI, Message("assistant", (CALL,)), HI, RESULT))
    kinds = [block["type"] for block in body["messages"][2]["content"]]
    assert kinds == ["tool_result", "text"]


CALL = ToolCall("a", "look", "{}")
RESULT = Message("tool", (ToolResult("a", (Text("x"),)),))


@pytest.mark.parametrize(
    ("history", "thinks"),
    [
        ((HI,), True),
        ((HI, Message("assistant", (Text("x"),)), HI), True),
        ((HI, Message("assistant", (CALL,)), RESULT), False),
        ((HI, Message("assistant", (Thinking("hm"), CALL)), RESULT), False),
        ((HI, Message("assistant", (Thinking("hm", "s"), CALL)), RESULT), True),
        ((HI, Message("assistant", (Thinking(sealed="s"), CALL)), RESULT), True),
        (
            (
                HI,
                Message("assistant", (Thinking("hm", "s"), CALL)),
                RESULT,
                Message("assistant", (CALL,)),
                RESULT,
            ),
            True,
        ),
        ((HI, Message("assistant", (CALL,)), RESULT, HI), False),
        ((HI, Message("assistant", (CALL,)), RESULT, Message("assistant", (Text("x"),)), HI), True),
    ],
)
def test_a_turn_of_calls_without_its_thinking_is_answered_without_thinking(
    history: tuple[Message, ...], thinks: bool
) -> None:
    body, losses = write(asking(*history, reasoning=Reasoning("low"), tools=(TOOL,)))
    assert ("thinking" in body) == thinks
    assert ("thinking_state" in losses) == (not thinks)
    adaptive, losses = write(
        asking(*history, reasoning=Reasoning("low"), tools=(TOOL,)), quirks=NEWER
    )
    assert adaptive["thinking"] == {"type": "adaptive"}
    assert "thinking_state" not in losses


# Rows


def test_a_row_changes_fields_by_its_quirks() -> None:
    quirks: dict[str, object] = {
        "rename": {"stop_sequences": "stops"},
        "default": {"mode": "quick"},
        "set": {"region": "eu"},
        "drop": ["metadata"],
    }
    body, _ = write(asking(sampling=Sampling(stop=("X",)), user="u"), quirks=quirks)
    assert (body["stops"], body["mode"], body["region"]) == (["X"], "quick", "eu")
    assert "metadata" not in body


VERTEX: dict[str, Any] = {
    "base_url": "https://eu-aiplatform.googleapis.test/v1/projects/p/locations/eu/publishers/"
    "anthropic/models/{model}:rawPredict",
    "model": "claude-sonnet-4-5@20250929",
    "quirks": {
        "model_in_path": True,
        "set": {"anthropic_version": "vertex-2023-10-16"},
        "drop": ["model"],
    },
}


def test_a_cloud_has_the_model_in_the_path_and_the_version_in_the_body(
    vendor: VendorRequests,
) -> None:
    row = {**VERTEX, "auth": Auth("oauth", "authorization", "Bearer ")}
    upstream = make_upstream(**row)
    folder = "/v1/projects/p/locations/eu/publishers/anthropic/models/"
    whole = upstream.encode(asking()).request
    assert whole.target == f"{folder}claude-sonnet-4-5@20250929:rawPredict"
    body = json.loads(whole.body)
    assert "model" not in body
    assert body["anthropic_version"] == "vertex-2023-10-16"
    vendor.check({**body, "model": "x"})
    assert b"anthropic-version" not in dict(whole.headers)
    streamed = upstream.encode(asking(stream=True)).request
    assert streamed.target == f"{folder}claude-sonnet-4-5@20250929:streamRawPredict"
    assert json.loads(streamed.body)["stream"] is True
    request = make_request(
        {
            "model": "m",
            "max_tokens": 5,
            "messages": [{"role": "user", "content": "x"}],
            "stream": True,
        }
    )
    seen = CLIENT.glance(request)
    forwarded = upstream.forward(seen, request.body)
    assert forwarded.target == streamed.target
    assert json.loads(forwarded.body) == {
        "max_tokens": 5,
        "messages": [{"role": "user", "content": "x"}],
        "stream": True,
        "anthropic_version": "vertex-2023-10-16",
    }
    assert upstream.dropped_fields(seen) == ()
    count = upstream.forward_count(seen, request.body)
    assert count.target == f"{folder}count-tokens:rawPredict"
    assert json.loads(count.body) == {
        "model": "claude-sonnet-4-5@20250929",
        "messages": [{"role": "user", "content": "x"}],
        "anthropic_version": "vertex-2023-10-16",
    }


def test_a_count_takes_what_the_vendor_takes(vendor: VendorRequests) -> None:
    upstream = make_upstream()
    encoded = upstream.encode_count(
        asking(
            tools=(TOOL,), sampling=Sampling(temperature=0.1), reasoning=Reasoning("low"), user="u"
        )
    )
    assert encoded.request.target == "/v1/messages/count_tokens"
    vendor.check(json.loads(encoded.request.body), "count")
    assert upstream.decode_count(b'{"input_tokens": 12}') == 12


def test_a_forwarded_call_changes_only_what_must() -> None:
    body = (
        b'{"model":"any", "max_tokens":5,"federation":{"session":"s"},'
        b'"messages":[{"role":"user","content":"x"}],"temperature":1.0,"new_thing":[1.0]}'
    )
    request = make_request(body)
    seen = CLIENT.glance(request)
    plain = make_upstream().forward(seen, body)
    assert plain.body == (
        b'{"model":"claude-x", "max_tokens":5,'
        b'"messages":[{"role":"user","content":"x"}],"temperature":1.0,"new_thing":[1.0]}'
    )
    headers = dict(plain.headers)
    assert headers[b"anthropic-version"] == b"2023-06-01"
    assert plain.target == "/v1/messages"
    newer = make_upstream(quirks=NEWER)
    assert b"temperature" not in newer.forward(seen, body).body
    assert newer.dropped_fields(seen) == ("temperature",)


def test_a_forwarded_call_without_a_limit_gets_one() -> None:
    body = b'{"model":"any","messages":[{"role":"user","content":"x"}]}'
    sent = make_upstream().forward(CLIENT.glance(make_request(body)), body)
    assert json.loads(sent.body)["max_tokens"] == 64_000


def test_what_our_face_handed_out_for_others_is_taken_out_on_the_way() -> None:
    body = {
        "model": "any",
        "max_tokens": 5,
        "messages": [
            {"role": "user", "content": "x"},
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "of another", "signature": ""},
                    {"type": "thinking", "thinking": "its own", "signature": "s"},
                    {"type": "tool_use", "id": "f.x:0", "name": "x", "input": {}, "signature": "g"},
                ],
            },
            {
                "role": "user",
                "content": [{"type": "tool_result", "tool_use_id": "f.x:0", "content": "y"}],
            },
            {"role": "assistant", "content": [{"type": "thinking", "thinking": "a"}]},
            {"role": "user", "content": 'say "signature"'},
        ],
    }
    request = make_request(body)
    sent = json.loads(make_upstream().forward(CLIENT.glance(request), request.body).body)
    assert [turn["role"] for turn in sent["messages"]] == ["user", "assistant", "user", "user"]
    assert sent["messages"][1]["content"] == [
        {"type": "thinking", "thinking": "its own", "signature": "s"},
        {"type": "tool_use", "id": "f_x_0", "name": "x", "input": {}},
    ]
    assert sent["messages"][2]["content"][0]["tool_use_id"] == "f_x_0"


def test_bytes_that_need_no_repair_stay() -> None:
    body = (
        b'{"model":"any","max_tokens":5,"messages":[{"role":"assistant","content":['
        b'{"type":"thinking" , "thinking":"a","signature":"s"},'
        b'{"type":"tool_use","id":"a-B_9","name":"x","input":{"id":"a b","signature":""}}]}]}'
    )
    sent = make_upstream().forward(CLIENT.glance(make_request(body)), body)
    assert sent.body == body.replace(b'"any"', b'"claude-x"')


def test_an_unusable_address_is_refused() -> None:
    for address in ("ftp://x", "https://", "https://a.test/{model}", "https://u@a.test"):
        with pytest.raises(ValueError, match="base address"):
            make_upstream(base_url=address)


def test_no_repr_shows_a_secret() -> None:
    upstream = make_upstream(secret="sk-very-secret")
    assert "sk-very" not in repr(upstream) + repr(upstream.wire)


def test_everything_is_tried_with_a_model_of_which_nothing_is_known() -> None:
    request = asking(
        tools=(TOOL,), tool_choice=ToolChoice("required"), format=OutputFormat("schema", SCHEMA)
    )
    body, losses = write(request, abilities=frozenset())
    assert (body["tool_choice"], losses) == ({"type": "any"}, ())
    assert OLDER
