"""The glance at a Converse call, forwarding by splicing, and what a client may not send."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from bedrock_world import MODEL, call, upstream
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.dialects.bedrock.client import CLIENT
from federation.dialects.bedrock.paths import COUNT, Route, route, target
from federation.dialects.bedrock.tables import GOVERNED
from federation.errors import CallerError, InvalidRequest, NotFound
from federation.schema.glance import Glance

HELLO: dict[str, Any] = {"messages": [{"role": "user", "content": [{"text": "Hello"}]}]}


def glance(body: bytes | dict[str, Any], **parts: Any) -> Glance:
    return CLIENT.glance(call(body, **parts))


def said(*content: dict[str, Any], role: str = "user", **fields: Any) -> dict[str, Any]:
    return {"messages": [{"role": role, "content": list(content)}], **fields}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/model/acme.large-v1:0/converse", Route("acme.large-v1:0", "converse")),
        ("/model/acme/converse-stream", Route("acme", "converse-stream")),
        (
            "/model/arn:aws:bedrock:eu-west-1:1:inference-profile/eu.x/converse",
            Route("arn:aws:bedrock:eu-west-1:1:inference-profile/eu.x", "converse"),
        ),
        ("/model/a/converse/converse", Route("a/converse", "converse")),
        ("/model/acme/count-tokens", Route("acme", COUNT)),
        ("/model//converse", None),
        ("/model/converse", None),
        ("/model/acme/invoke", None),
        ("/models/acme/converse", None),
        ("/", None),
    ],
)
def test_a_path_names_model_and_operation(path: str, found: Route | None) -> None:
    assert route(path) == found


def test_a_model_is_encoded_so_that_it_is_one_segment() -> None:
    assert target("arn:x:y/z~ü", "converse") == "/model/arn%3Ax%3Ay%2Fz~%C3%BC/converse"


def test_a_call_elsewhere_is_not_found() -> None:
    request = call(HELLO)
    with pytest.raises(NotFound, match="converse-stream"):
        CLIENT.glance(type(request)("POST", "/model/x/invoke", "", {}, request.body))


def test_a_glance_counts_what_is_attached_and_asked() -> None:
    body = said(
        {"text": "Hello"},
        {"image": {"format": "png", "source": {"bytes": "aGk=" * 1000}}},
        {"document": {"format": "pdf", "name": "n", "source": {"bytes": "aGk="}}},
        {"document": {"format": "txt", "name": "n", "source": {"text": "x" * 500}}},
        {"video": {"format": "mp4", "source": {"bytes": "aGk="}}},
        {"audio": {"format": "wav", "source": {"bytes": "aGk="}}},
        {
            "toolResult": {
                "toolUseId": "t",
                "content": [{"image": {"format": "png", "source": {"bytes": "aGk=" * 1000}}}],
            }
        },
        inferenceConfig={"maxTokens": 9},
        toolConfig={
            "tools": [{"toolSpec": {"name": "w", "inputSchema": {"json": {}}}}],
            "toolChoice": {"any": {}},
        },
        outputConfig={"textFormat": {"type": "json_schema"}, "effort": "low"},
    )
    seen = glance(body, stream=True)
    assert (seen.model, seen.stream, seen.usage_asked, seen.max_output) == (MODEL, True, True, 9)
    assert (seen.images, seen.files, seen.audio, seen.tools, seen.messages) == (2, 3, 1, 1, 1)
    assert seen.needs == ("tools", "forced_tools", "json_schema", "reasoning")
    assert 505 <= seen.text_bytes < 1500
    assert seen.governed == seen.unlisted == ()


@pytest.mark.parametrize(
    ("extra", "needs"),
    [
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, ("reasoning",)),
        ({"thinking": {"type": "adaptive"}}, ("reasoning",)),
        ({"thinking": {"type": "disabled"}}, ()),
        ({"reasoning_effort": "high"}, ("reasoning",)),
        ({"reasoning_effort": "none"}, ()),
        ({"top_k": 3}, ()),
    ],
)
def test_the_makers_own_fields_can_ask_for_reasoning(
    extra: dict[str, Any], needs: tuple[str, ...]
) -> None:
    seen = glance({**HELLO, "additionalModelRequestFields": extra})
    assert seen.needs == needs
    assert seen.governed == ()


def test_an_answer_that_was_begun_needs_a_model_that_goes_on() -> None:
    body = {"messages": [*HELLO["messages"], {"role": "assistant", "content": [{"text": "{"}]}]}
    assert glance(body).needs == ("prefill",)


@pytest.mark.parametrize(
    ("fields", "governed"),
    [
        ({"guardrailConfig": {"guardrailIdentifier": "x"}}, ("guardrailConfig",)),
        ({"promptVariables": {"a": {"text": "b"}}}, ("promptVariables",)),
        ({"performanceConfig": {"latency": "optimized"}}, ("performanceConfig",)),
        ({"performanceConfig": {"latency": "standard"}}, ()),
        ({"serviceTier": {"type": "flex"}}, ("serviceTier",)),
        ({"serviceTier": {"type": "default"}}, ()),
        ({"additionalModelRequestFields": {"anthropic_beta": ["x"]}},
         ("additionalModelRequestFields",)),
        ({"additionalModelRequestFields": {"top_k": 1}}, ()),
        ({"additionalModelRequestFields": None, "guardrailConfig": None}, ()),
        ({"system": [{"text": "s"}, {"cachePoint": {"type": "default", "ttl": "1h"}}]},
         ("cachePoint",)),
        ({"system": [{"text": "s"}, {"cachePoint": {"type": "default", "ttl": "5m"}}]}, ()),
        ({"toolConfig": {"tools": [{"systemTool": {"name": "nova_grounding"}}]}},
         ("tools.nova_grounding",)),
        ({"toolConfig": {"tools": [{"cachePoint": {"type": "default", "ttl": "1h"}}]}},
         ("cachePoint",)),
    ],
)  # fmt: skip
def test_governed_fields_are_seen_unless_neutral(
    fields: dict[str, Any], governed: tuple[str, ...]
) -> None:
    assert glance({**HELLO, **fields}).governed == governed
    assert all(name in GOVERNED or name.startswith("tools.") for name in governed)


@pytest.mark.parametrize("kind", ["image", "document", "video", "audio"])
def test_a_buckets_file_is_governed_wherever_it_stands(kind: str) -> None:
    block = {kind: {"format": "png", "source": {"s3Location": {"uri": "s3://bucket/x"}}}}
    assert glance(said({"text": "x"}, block)).governed == ("s3Location",)
    inner = {"toolResult": {"toolUseId": "t", "content": [block]}}
    assert glance(said(inner)).governed == ("s3Location",)


def test_what_no_list_names_is_reported() -> None:
    body = said({"text": "x"}, {"hologram": {}}, toolConfig={"tools": [{"robot": {}}]}, newField=1)
    body["messages"][0]["mood"] = "good"
    assert glance(body).unlisted == (
        "content.hologram", "messages.mood", "newField", "tools.robot",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"{}", "messages"),
        (b'{"messages":[]}', "messages"),
        (b'{"messages":"x"}', "messages"),
        (b'{"messages":[1]}', "messages[0]"),
        (b'{"messages":[{"content":[]}]}', "messages[0].role"),
        (b'{"messages":[{"role":"tool","content":[]}]}', "messages[0].role"),
        (b'{"messages":[{"role":null,"content":[]}]}', "messages[0].role"),
        (b'{"messages":[{"role":"user"}]}', "messages[0].content"),
        (b'{"messages":[{"role":"user","content":"x"}]}', "messages[0].content"),
        (b'{"messages":[{"role":"user","content":[1]}]}', "messages[0].content[0]"),
        (b'{"messages":[{"role":"user","content":[{"text":1}]}]}', "messages[0].content[0].text"),
        (b'{"messages":[{"role":"user","content":[{"image":1}]}]}',
         "messages[0].content[0].image"),
        (b'{"messages":[{"role":"user","content":[{"text":"a","text":"b"}]}]}',
         "messages[0].content[0].text"),
        (b'{"messages":[{"role":"user","role":"user","content":[]}]}', "messages[0].role"),
        (b'{"messages":[],"messages":[]}', "messages"),
    ],
)  # fmt: skip
def test_a_malformed_conversation_is_refused_by_name(body: bytes, param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        CLIENT.glance(call(body))
    assert caught.value.param == param
    assert caught.value.message


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"inferenceConfig": {"maxTokens": "9"}}, "inferenceConfig.maxTokens"),
        ({"inferenceConfig": {"maxTokens": 0}}, "inferenceConfig.maxTokens"),
        ({"inferenceConfig": 1}, "inferenceConfig"),
        ({"system": "be brief"}, "system"),
        ({"system": [1]}, "system[0]"),
        ({"toolConfig": {}}, "toolConfig"),
        ({"toolConfig": {"tools": [1]}}, "toolConfig.tools[0]"),
        ({"requestMetadata": {"a": 1}}, "requestMetadata[...]"),
        ({"serviceTier": {}}, "serviceTier"),
        ({"outputConfig": {"effort": 1}}, "outputConfig.effort"),
        ({"additionalModelRequestFields": []}, "additionalModelRequestFields"),
    ],
)
def test_a_field_of_the_wrong_type_is_refused_by_name(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        glance({**HELLO, **fields})
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("content", "param"),
    [
        ([{}], "messages[0].content[0]"),
        ([{"text": "a", "image": {}}], "messages[0].content[0]"),
        ([{"toolUse": {"toolUseId": "t", "name": "w"}}], "messages[0].content"),
        ([{"toolResult": {"content": []}}], "messages[0].content[0].toolResult"),
        ([{"image": {"format": "png"}}], "messages[0].content[0].image"),
        ([{"image": {"source": {}}}], "messages[0].content[0].image.source"),
        ([{"image": {"source": {"bytes": 1}}}], "messages[0].content[0].image.source.bytes"),
        ([{"reasoningContent": {"redactedContent": 1}}],
         "messages[0].content[0].reasoningContent.redactedContent"),
        ([{"citationsContent": {"citations": [1]}}], "messages[0].content[0].citationsContent"),
    ],
)  # fmt: skip
def test_malformed_content_is_refused_when_it_is_read(content: list[Any], param: str) -> None:
    request = call(said(*content))
    with pytest.raises(InvalidRequest) as caught:
        CLIENT.parse(request, CLIENT.glance(request))
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"toolConfig": {"tools": [{"toolSpec": {}}]}}, "toolConfig.tools[0].toolSpec"),
        ({"toolConfig": {"tools": [{}]}}, "toolConfig.tools[0]"),
        ({"toolConfig": {"tools": [], "toolChoice": {"some": {}}}}, "toolConfig.toolChoice"),
        ({"toolConfig": {"tools": [], "toolChoice": {"tool": {}}}}, "toolConfig.toolChoice.tool"),
        ({"outputConfig": {"textFormat": {"type": "x"}}}, "outputConfig.textFormat"),
        ({"outputConfig": {"textFormat": {"structure": {"jsonSchema": {"schema": "["}}}}},
         "outputConfig.textFormat.structure.jsonSchema.schema"),
        ({"additionalModelRequestFields": {"thinking": 1}}, "additionalModelRequestFields"),
        ({"additionalModelRequestFields": {"top_k": "x"}}, "additionalModelRequestFields"),
    ],
)  # fmt: skip
def test_malformed_fields_are_refused_when_they_are_read(
    fields: dict[str, Any], param: str
) -> None:
    request = call({**HELLO, **fields})
    with pytest.raises(InvalidRequest) as caught:
        CLIENT.parse(request, CLIENT.glance(request))
    assert caught.value.param == param


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["", "x", "1h", "aGk="]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["text", "image", "document", "toolUse", "toolResult", "cachePoint", "source", "bytes",
             "content", "toolUseId", "name", "input", "format", "reasoningContent", "type",
             "reasoningText", "citationsContent", "citations", "json", "s3Location", "ttl", "uri"]
        ),
        inner,
        max_size=3,
    ),
    max_leaves=12,
)  # fmt: skip
BODIES = st.fixed_dictionaries(
    {"messages": st.lists(st.fixed_dictionaries(
        {"role": st.sampled_from(["user", "assistant", "system", "x"]),
         "content": st.lists(JSON, max_size=3) | JSON}), max_size=3) | JSON},
    optional={
        name: JSON | st.lists(JSON, max_size=2)
        for name in ("system", "inferenceConfig", "toolConfig", "outputConfig", "serviceTier",
                     "additionalModelRequestFields", "requestMetadata", "federation")
    },
)  # fmt: skip


@settings(deadline=None, max_examples=400)
@given(body=BODIES)
def test_no_body_ends_in_anything_but_an_answer_or_a_refusal(body: dict[str, Any]) -> None:
    request = call(body)
    with contextlib.suppress(CallerError):
        seen = CLIENT.glance(request)
        CLIENT.prompt(request, seen)
        upstream().forward(seen, request.body)
        upstream().encode(CLIENT.parse(request, seen))


def test_a_model_id_has_an_end() -> None:
    assert glance(HELLO, model="m" * 2048).model == "m" * 2048
    with pytest.raises(InvalidRequest) as refused:
        glance(HELLO, model="m" * 2049)
    assert refused.value.param == "modelId"
