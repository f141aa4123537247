"""Calls of clients that speak another language, written for this one: the conversation."""

from __future__ import annotations

import json
from typing import Any

import pytest
from anthropic_calls import HI, NEW_ABILITIES, SCHEMA, TOOL, asking, write
from anthropic_vendor import VendorRequests, make_request, make_upstream
from msgspec import Raw

from federation.dialects.anthropic.client import CLIENT
from federation.dialects.anthropic.losses import LOSSES
from federation.dialects.losses import FEATURES
from federation.errors import InvalidRequest
from federation.schema.chat import (
    Message,
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


@pytest.fixture(scope="module")
def vendor() -> VendorRequests:
    return VendorRequests()


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


def test_arguments_that_are_no_object_go_along_in_one() -> None:
    for arguments in ("[1]", "{oops", "null", '"x"'):
        call = Message("assistant", (ToolCall("a", "look", arguments),))
        result = Message("tool", (ToolResult("a", (Text("x"),)),))
        assert "tool_arguments" in make_upstream().encode(asking(HI, call, result)).losses


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
