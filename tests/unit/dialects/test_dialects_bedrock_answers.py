"""Whole answers of Converse, both ways, and what they say was used."""

from __future__ import annotations

import json
from typing import Any

import pytest
from bedrock_vendor import parse_answer
from bedrock_world import MODEL, call, upstream
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw, structs

from federation.dialects.bedrock.client import CLIENT
from federation.dialects.bedrock.tables import JSON_ANSWER, STOP_REASONS
from federation.dialects.bedrock.usage import read_usage, write_usage
from federation.dialects.carriage import unwrap, wrap
from federation.errors import UpstreamGarbled
from federation.schema.chat import ChatRequest, ChatResponse, Choice, Message
from federation.schema.parts import (
    AUDIO,
    Citation,
    Foreign,
    Media,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
)
from federation.schema.usage import Usage

ASKED = ChatRequest("bedrock", "m", (Message("user", (Text("Hello"),)),))


def answer(*content: dict[str, Any], stop: str = "end_turn", **fields: Any) -> bytes:
    body = {
        "output": {"message": {"role": "assistant", "content": list(content)}},
        "stopReason": stop,
        "usage": {"inputTokens": 3, "outputTokens": 2, "totalTokens": 5},
        "metrics": {"latencyMs": 12},
        **fields,
    }
    return json.dumps(body).encode()


def rendered(*parts: Part, finish: str = "stop", **fields: Any) -> dict[str, Any]:
    response = ChatResponse("openai", "r", "m", (Choice(0, parts, finish, **fields),))
    body = CLIENT.render(response, ASKED)
    parse_answer(body)
    found: dict[str, Any] = json.loads(body)
    return found


def content_of(*parts: Part) -> Any:
    return rendered(*parts)["output"]["message"]["content"]


def test_an_answer_is_read() -> None:
    response = upstream().decode(
        answer({"text": "Hi."}, {"toolUse": {"toolUseId": "t", "name": "w", "input": {"a": 1.10}}})
    )
    (choice,) = response.choices
    assert response.model == MODEL
    assert choice.parts == (Text("Hi."), ToolCall("t", "w", '{"a": 1.1}'))
    assert (choice.finish, choice.reason) == ("tool_calls", "end_turn")
    assert response.usage == Usage(3, 2)


def test_arguments_keep_the_text_of_their_numbers() -> None:
    body = answer({"toolUse": {"toolUseId": "t", "name": "w", "input": {}}}, stop="tool_use")
    body = body.replace(b'"input": {}', b'"input": {"n": 1.10}')
    (part,) = upstream().decode(body).choices[0].parts
    assert part == ToolCall("t", "w", '{"n": 1.10}')


@pytest.mark.parametrize(("reason", "finish"), sorted(STOP_REASONS.items()))
def test_every_stop_reason_is_read_and_written_back(reason: str, finish: str) -> None:
    tool = {"toolUse": {"toolUseId": "t", "name": "w", "input": {}}}
    content = [tool] if reason == "tool_use" else [{"text": "x"}]
    response = upstream().decode(answer(*content, stop=reason))
    assert response.choices[0].finish == finish
    assert json.loads(CLIENT.render(response, ASKED))["stopReason"] == reason


@pytest.mark.parametrize(
    ("finish", "reason", "sequence", "word"),
    [
        ("stop", "stop", None, "end_turn"),
        ("stop", "stop_sequence", "END", "stop_sequence"),
        ("stop", "STOP", "END", "stop_sequence"),
        ("length", "MAX_TOKENS", None, "max_tokens"),
        ("tool_calls", "tool_calls", None, "tool_use"),
        ("filter", "SAFETY", None, "content_filtered"),
        ("pause", "pause_turn", None, "end_turn"),
        ("other", "error", None, "end_turn"),
        ("length", "model_context_window_exceeded", None, "model_context_window_exceeded"),
        ("stop", "max_tokens", None, "end_turn"),
    ],
)
def test_other_providers_ends_have_a_word(
    finish: str, reason: str, sequence: str | None, word: str
) -> None:
    body = rendered(Text("x"), finish=finish, reason=reason, stop_sequence=sequence)
    assert body["stopReason"] == word


def test_a_finish_agrees_with_the_calls_that_came() -> None:
    assert upstream().decode(answer({"text": "x"}, stop="tool_use")).choices[0].finish == "stop"
    assert upstream().decode(answer({"text": "x"}, stop="new_one")).choices[0].finish == "other"


def test_our_json_tool_is_text_again() -> None:
    block = {"toolUse": {"toolUseId": "t", "name": JSON_ANSWER, "input": {"a": 1}}}
    (choice,) = upstream().decode(answer(block, stop="tool_use")).choices
    assert choice.parts == (Text('{"a": 1}'),)
    assert choice.finish == "stop"


def test_what_only_the_vendor_says_comes_back_to_its_clients() -> None:
    body = answer(
        {"reasoningContent": {"reasoningText": {"text": "h", "signature": "c2ln"}}},
        {"reasoningContent": {"redactedContent": "aGk="}},
        {
            "citationsContent": {
                "content": [{"text": "cited"}],
                "citations": [
                    {
                        "title": "t",
                        "source": "https://example.com",
                        "sourceContent": [{"text": "q"}, {"text": "r"}],
                        "location": {"documentChar": {"documentIndex": 0, "start": 1, "end": 2}},
                    }
                ],
            }
        },
        {
            "toolUse": {
                "toolUseId": "s",
                "name": "nova_grounding",
                "input": {"q": 1},
                "type": "server_tool_use",
            }
        },
        {"toolResult": {"toolUseId": "s", "content": [{"text": "found"}], "status": "success"}},
        {"image": {"format": "webp", "source": {"bytes": "aGk="}}},
        {"text": "So."},
        serviceTier={"type": "flex"},
        performanceConfig={"latency": "standard"},
        additionalModelResponseFields={"stop_sequence": "END"},
        trace={
            "promptRouter": {
                "invokedModelId": "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.a.b"
            }
        },
    )
    response = upstream().decode(body)
    assert response.service_tier == "flex"
    assert response.model == "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.a.b"
    assert response.choices[0].stop_sequence == "END"
    cited = response.choices[0].parts[2]
    assert isinstance(cited, Text)
    (citation,) = cited.citations
    assert (citation.title, citation.url, citation.quote) == ("t", "https://example.com", "qr")
    written = CLIENT.render(response, ASKED)
    expected = json.loads(body)
    assert parse_answer(written)["stopReason"] == "end_turn"
    assert json.loads(written) == {
        **expected,
        "usage": expected["usage"] | {"cacheReadInputTokens": 0, "cacheWriteInputTokens": 0},
    }


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b"{}",
        b"\xff\xfe",
        b'{"output":null}',
        b'{"output":{"message":null}}',
        b'{"output":{"message":{"content":[{"text":1}]}}}',
        b'{"output":{"message":{"content":[{}]}}}',
        b'{"output":{"message":{"content":[{"toolUse":{"name":"w"}}]}}}',
        b'{"output":{"message":{"content":"x"}}}',
    ],
)
def test_something_else_than_an_answer_is_garbled(body: bytes) -> None:
    with pytest.raises(UpstreamGarbled):
        upstream().decode(body)


def test_null_members_and_unknown_kinds_are_no_fault() -> None:
    response = upstream().decode(
        b'{"output":{"message":{"content":[{"text":"x","image":null},{"hologram":{"a":1}}]}},'
        b'"stopReason":null,"usage":null,"trace":null}'
    )
    (choice,) = response.choices
    assert choice.parts == (Text("x"), Foreign("bedrock", Raw(b'{"hologram":{"a":1}}')))
    assert choice.finish == ""
    assert response.usage is None


def test_a_glimpse_of_a_forwarded_answer() -> None:
    seen = upstream().read_answer(answer({"text": "Hi."}, stop="max_tokens"))
    assert (seen.model, seen.finish, seen.usage) == ("", "max_tokens", Usage(3, 2))
    for body in (b"{}", b"x", b"\xff"):
        with pytest.raises(UpstreamGarbled):
            upstream().read_answer(body)


def test_router_metadata_is_put_into_an_answer_once() -> None:
    body = answer({"text": "x"})
    marked = CLIENT.with_metadata(CLIENT.with_metadata(body, b'{"a":1}'), b'{"b":2}')
    assert json.loads(marked) == json.loads(body) | {"router_metadata": {"b": 2}}
    parse_answer(marked)
    with pytest.raises(UpstreamGarbled):
        CLIENT.with_metadata(b'{"a":1,"a":2}', b"{}")


# Rendering for clients of this dialect


def test_parts_of_every_kind_have_their_block() -> None:
    cited = Text("c", (Citation("t", "https://x.test/", "q", 0, 1, Raw(b'{"type":"other"}')),))
    assert content_of(
        Thinking("h", signature="c2ln"),
        Thinking("", signature="c2ln"),
        Thinking(sealed="aGk="),
        Thinking("bare"),
        Text(""),
        cited,
        Refusal("No."),
        ToolCall("t", "w", ""),
        Media("image", "image/png", "aGk="),
        Media("image", "image/png", url="https://x.test/a.png"),
        Media(AUDIO, "audio/wav", "aGk="),
        Foreign("openai", Raw(b"{}")),
    ) == [
        {"reasoningContent": {"reasoningText": {"text": "h", "signature": "c2ln"}}},
        {"reasoningContent": {"reasoningText": {"text": "", "signature": "c2ln"}}},
        {"reasoningContent": {"redactedContent": "aGk="}},
        {"reasoningContent": {"reasoningText": {"text": "bare"}}},
        {
            "citationsContent": {
                "content": [{"text": "c"}],
                "citations": [
                    {
                        "title": "t",
                        "source": "https://x.test/",
                        "location": {"web": {"url": "https://x.test/"}},
                        "sourceContent": [{"text": "q"}],
                    }
                ],
            }
        },
        {"text": "No."},
        {"toolUse": {"toolUseId": "t", "name": "w", "input": {}}},
        {"image": {"format": "png", "source": {"bytes": "aGk="}}},
    ]


@pytest.mark.parametrize("arguments", ['{"city": "Li', "[1,2]", "Lima"])
def test_arguments_that_are_no_object_come_back_as_they_were(arguments: str) -> None:
    (block,) = content_of(ToolCall("t", "w", arguments))
    assert block["toolUse"]["input"] == arguments
    request = call(
        {
            "messages": [
                {"role": "user", "content": [{"text": "x"}]},
                {"role": "assistant", "content": [block]},
            ]
        }
    )
    parsed = CLIENT.parse(request, CLIENT.glance(request))
    assert parsed.messages[1].parts == (ToolCall("t", "w", arguments),)


@pytest.mark.parametrize(
    "part",
    [
        Thinking("why", signature="c2ln", sealed="not base64", id="rs_1"),
        Thinking(sealed="gAAAA_", id="rs_1"),
        ToolCall("call_1", "w", "{}", signature="c2ln"),
    ],
)
def test_other_makers_states_survive_a_client_of_this_dialect(part: Part) -> None:
    key = b"k" * 32
    response = ChatResponse("gemini", "r", "m", (Choice(0, (part,), "stop"),))
    carried = wrap(response, "gemini/acme", key, "bedrock", ids=True)
    # An id that carries a state is longer than the vendor's own; its clients do not mind.
    content = json.loads(CLIENT.render(carried, ASKED))["output"]["message"]["content"]
    turns = [
        {"role": "user", "content": [{"text": "x"}]},
        {"role": "assistant", "content": content},
    ]
    request = call({"messages": turns})
    parsed = unwrap(CLIENT.parse(request, CLIENT.glance(request)), key)
    (again,) = parsed.messages[1].parts
    assert not isinstance(again, Media | Refusal | Foreign)
    assert structs.replace(again, maker="") == part


def test_a_stop_sequence_is_told_to_clients_that_asked_for_it() -> None:
    asked = ChatRequest(
        "bedrock", "m", ASKED.messages,
        extra={"additionalModelResponseFieldPaths": Raw(b'["/stop_sequence"]')},
    )  # fmt: skip
    response = ChatResponse("anthropic", "r", "m", (Choice(0, (), "stop", stop_sequence="END"),))
    found = json.loads(CLIENT.render(response, asked))
    assert found["additionalModelResponseFields"] == {"stop_sequence": "END"}
    assert "additionalModelResponseFields" not in json.loads(CLIENT.render(response, ASKED))


def test_an_answer_without_choices_or_usage_is_still_one() -> None:
    body = CLIENT.render(ChatResponse("openai", "r", "m", ()), ASKED)
    found = parse_answer(body)
    assert found["output"]["message"]["content"] == []
    assert found["usage"] == {"inputTokens": 0, "outputTokens": 0, "totalTokens": 0}


# What is billed


USAGES: list[tuple[dict[str, Any], Usage]] = [
    ({"inputTokens": 10, "outputTokens": 5, "totalTokens": 15}, Usage(10, 5)),
    ({"inputTokens": 0, "outputTokens": 0, "totalTokens": 0}, Usage()),
    (
        {"inputTokens": 4, "outputTokens": 100, "totalTokens": 2104, "cacheReadInputTokens": 2000,
         "cacheWriteInputTokens": 0},
        Usage(2004, 100, 2000),
    ),
    (
        {"inputTokens": 4, "outputTokens": 1, "totalTokens": 1505, "cacheReadInputTokens": 0,
         "cacheWriteInputTokens": 1500, "cacheDetails": [{"ttl": "5m", "inputTokens": 1500}]},
        Usage(1504, 1, 0, 1500),
    ),
    (
        {"inputTokens": 4, "outputTokens": 1, "totalTokens": 1805, "cacheReadInputTokens": 300,
         "cacheWriteInputTokens": 1500, "cacheDetails": [{"ttl": "1h", "inputTokens": 1000},
                                                         {"ttl": "5m", "inputTokens": 500}]},
        Usage(1804, 1, 300, 1500, cache_write_long=1000),
    ),
    (
        {"inputTokens": 7, "outputTokens": 2, "totalTokens": 9, "cacheReadInputTokens": None,
         "cacheDetails": None},
        Usage(7, 2),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("counts", "usage"), USAGES)
def test_cached_tokens_are_part_of_the_whole_input(counts: dict[str, Any], usage: Usage) -> None:
    assert read_usage(upstream().wire, Raw(json.dumps(counts).encode())) == usage


def test_a_row_may_say_that_the_input_includes_cached_tokens() -> None:
    wire = upstream({"usage_excludes_cached": False}).wire
    counts = {"inputTokens": 4995, "outputTokens": 19, "totalTokens": 10007,
              "cacheWriteInputTokens": 4993}  # fmt: skip
    assert read_usage(wire, Raw(json.dumps(counts).encode())) == Usage(4995, 19, 0, 4993)


@pytest.mark.parametrize(
    "raw", [b"{}", b"[]", b'{"inputTokens":"x","outputTokens":1}', b'{"inputTokens":-1}', b"\xff"]
)
def test_counts_that_make_no_sense_are_no_usage(raw: bytes) -> None:
    assert read_usage(upstream().wire, Raw(raw)) is None


@settings(deadline=None, max_examples=100)
@given(
    plain=st.integers(0, 10**6),
    output=st.integers(0, 10**6),
    cached=st.integers(0, 10**6),
    written=st.integers(0, 10**6),
    share=st.integers(0, 10**6),
)
def test_usage_written_is_the_usage_read(
    plain: int, output: int, cached: int, written: int, share: int
) -> None:
    usage = Usage(
        plain + cached + written, output, cached, written, cache_write_long=min(share, written)
    )
    counts = write_usage(usage)
    assert counts["totalTokens"] == usage.input + usage.output
    assert read_usage(upstream().wire, Raw(json.dumps(counts).encode())) == usage
