"""What calls of other dialects become in this one, and what of them cannot be said."""

from __future__ import annotations

import json
from typing import Any

import pytest
from gemini_vendor import check_body
from msgspec import Raw
from native_dialects import Case, canonical, golden, make_upstream

from federation.dialects.bound import CountingUpstream
from federation.dialects.faces import Counter
from federation.dialects.gemini.losses import LOSSES
from federation.dialects.gemini.upstream import GeminiUpstream, prepare
from federation.dialects.losses import FEATURES
from federation.domain.catalogue import Ability, Deployment, Model, Provider, Tier
from federation.domain.routes import Settings
from federation.errors import InvalidRequest, UpstreamGarbled
from federation.schema.chat import ChatRequest, Message, Reasoning, Tool
from federation.schema.parts import (
    CacheMark,
    Citation,
    Foreign,
    Media,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)


def upstream(case: Case) -> GeminiUpstream:
    made = make_upstream(
        prepare,
        "gemini",
        base_url="https://api.acme.test/v1beta",
        quirks=case.get("quirks"),
    )
    assert isinstance(made, CountingUpstream)
    return made


def cases(kind: str) -> list[Any]:
    return [pytest.param(case, id=name) for name, case in golden("gemini", kind).items()]


@pytest.mark.parametrize("case", cases("foreign"))
def test_a_foreign_call_is_sent_as_it_says(case: Case) -> None:
    encoded = upstream(case).encode(canonical(case["request"]))
    sent = json.loads(encoded.request.body)
    assert sent == case["sent"]
    assert sorted(encoded.losses) == sorted(case["losses"])
    check_body(sent)


@pytest.mark.parametrize("case", cases("refused"))
def test_what_would_change_the_meaning_is_refused(case: Case) -> None:
    with pytest.raises(InvalidRequest, match=FEATURES[case["feature"]]) as caught:
        upstream(case).encode(canonical(case["request"]))
    assert caught.value.code == "not_expressible"


def test_a_model_that_cannot_reason_is_not_asked_to() -> None:
    row = Provider("acme", "Acme", Tier.FRONTIER, "gemini", "https://api.acme.test/v1beta")
    model = Model("m", abilities=frozenset({Ability.TOOLS}))
    face = prepare(
        Deployment("acme/m", row, model, usable=True),
        Settings(),
        headers=(),
        query="",
        secret="",
        private=False,
    )
    messages = (Message("user", (Text("Hi"),)),)
    for asked, losses in ((Reasoning("high"), ("reasoning",)), (Reasoning("none"), ())):
        encoded = face.encode(ChatRequest("openai", "m", messages, reasoning=asked))
        assert "generationConfig" not in json.loads(encoded.request.body)
        assert encoded.losses == losses


def test_every_loss_is_of_the_vocabulary() -> None:
    assert set(LOSSES) <= set(FEATURES)


@pytest.mark.parametrize("arguments", ["[1]", "{", "null", '"a"', "{} x"])
def test_arguments_that_are_no_object_go_along_in_one(arguments: str) -> None:
    messages = (Message("assistant", (ToolCall("a", "f", arguments),)),)
    encoded = upstream({}).encode(ChatRequest("openai", "m", messages))
    assert "tool_arguments" in encoded.losses


def test_a_result_without_a_call_is_named() -> None:
    messages = (Message("tool", (ToolResult("a", (Text("x"),)),)),)
    with pytest.raises(InvalidRequest, match="answers no call") as caught:
        upstream({}).encode(ChatRequest("openai", "m", messages))
    assert caught.value.param == "messages[0]"


def test_empty_turns_and_texts_are_left_out() -> None:
    messages = (
        Message("user", (Text("Hi"), Text(""))),
        Message("assistant", (Text(""),)),
        Message("user", (Text("Well?"),)),
    )
    sent = json.loads(upstream({}).encode(ChatRequest("openai", "m", messages)).request.body)
    assert sent["contents"] == [
        {"role": "user", "parts": [{"text": "Hi"}]},
        {"role": "user", "parts": [{"text": "Well?"}]},
    ]


def test_parts_of_every_kind_are_written_or_told() -> None:
    mark = CacheMark("5m")
    messages = (
        Message("user", (Media("file", "application/pdf", data="AAAA", cite=True, cache=mark),)),
        Message(
            "assistant",
            (
                Refusal("No."),
                Refusal(""),
                Text("", signature="QUJD", citations=(Citation("A"),), cache=mark),
                Text("", cache=mark),
                Thinking(sealed="x"),
                Foreign("openai", Raw(b"{}")),
                ToolCall("a", "f", " ", cache=mark),
            ),
        ),
        Message("tool", (ToolResult("a", (Foreign("openai", Raw(b"{}")),), cache=mark),)),
    )
    encoded = upstream({}).encode(ChatRequest("openai", "m", messages))
    sent = json.loads(encoded.request.body)
    check_body(sent)
    assert [turn["parts"] for turn in sent["contents"]] == [
        [{"inlineData": {"mimeType": "application/pdf", "data": "AAAA"}}],
        [
            {"text": "No."},
            {"text": "", "thoughtSignature": "QUJD"},
            {"functionCall": {"id": "a", "name": "f", "args": {}}},
        ],
        [{"functionResponse": {"id": "a", "name": "f", "response": {}}}],
    ]
    assert sorted(encoded.losses) == ["cache_marks", "citations", "foreign_part", "thinking_state"]


def test_a_row_that_takes_no_tools_refuses_them() -> None:
    face = upstream({"quirks": {"drop": ["tools"]}})
    messages = (Message("user", (Text("Hi"),)),)
    request = ChatRequest("openai", "m", messages, tools=(Tool("f"),))
    with pytest.raises(InvalidRequest, match="tools"):
        face.encode(request)


def test_a_stream_is_asked_for_as_events() -> None:
    request = ChatRequest("openai", "m", (Message("user", (Text("Hi"),)),), stream=True)
    wire = upstream({}).encode(request).request
    assert wire.target == "/v1beta/models/acme-large:streamGenerateContent?alt=sse"
    assert dict(wire.headers)[b"authorization"] == b"Bearer key"


def test_a_key_in_the_query_stands_beside_the_framing() -> None:
    face = make_upstream(prepare, "gemini", base_url="https://api.acme.test/v1beta/models")
    request = ChatRequest("openai", "m", (Message("user", (Text("Hi"),)),))
    assert face.encode(request).request.target == "/v1beta/models/acme-large:generateContent"


def test_tokens_are_counted_of_the_whole_call() -> None:
    face = upstream({})
    request = ChatRequest(
        "openai", "m", (Message("system", (Text("A"),)), Message("user", (Text("Hi"),)))
    )
    wire = face.encode_count(request).request
    assert wire.target == "/v1beta/models/acme-large:countTokens"
    asked = json.loads(wire.body)["generateContentRequest"]
    assert asked.pop("model") == "models/acme-large"
    check_body(asked)
    assert face.decode_count(b'{"totalTokens": 31, "promptTokensDetails": []}') == 31
    for body in (b"{}", b"", b'{"totalTokens": null}', b'{"totalTokens": -1}'):
        with pytest.raises(UpstreamGarbled):
            face.decode_count(body)


def test_the_longer_form_counts_members_of_its_own() -> None:
    base = "https://api.acme.test/v1/projects/p/locations/eu"
    face = make_upstream(prepare, "vertex", base_url=base)
    assert isinstance(face, Counter)
    request = ChatRequest(
        "openai", "m", (Message("system", (Text("A"),)), Message("user", (Text("Hi"),)))
    )
    wire = face.encode_count(request).request
    assert wire.target.endswith("/publishers/google/models/acme-large:countTokens")
    assert json.loads(wire.body) == {
        "contents": [{"role": "user", "parts": [{"text": "Hi"}]}],
        "systemInstruction": {"parts": [{"text": "A"}]},
    }
