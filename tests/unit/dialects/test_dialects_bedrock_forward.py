"""Forwarding of a client's bytes to Converse, the classifier's words, and counting."""

from __future__ import annotations

import json
from typing import Any

import pytest
from bedrock_vendor import check_request
from bedrock_world import MODEL, call, upstream

from federation.dialects.bedrock.client import CLIENT
from federation.dialects.bedrock.count import (
    converse_of,
    decode_count,
    encode_count,
    render_count,
)
from federation.errors import InvalidRequest, UpstreamGarbled
from federation.schema.glance import Glance

HELLO: dict[str, Any] = {"messages": [{"role": "user", "content": [{"text": "Hello"}]}]}


def glance(body: bytes | dict[str, Any], **parts: Any) -> Glance:
    return CLIENT.glance(call(body, **parts))


def said(*content: dict[str, Any], role: str = "user", **fields: Any) -> dict[str, Any]:
    return {"messages": [{"role": role, "content": list(content)}], **fields}


def forwarded(body: dict[str, Any], **row: Any) -> dict[str, Any]:
    request = call(body)
    seen = CLIENT.glance(request)
    sent = upstream(**row).forward(seen, request.body)
    return check_request(sent.target, sent.body, model=MODEL)


def test_a_body_is_forwarded_byte_by_byte() -> None:
    body = b'{ "messages" : [ {"role":"user","content":[{"text":"Hi \\u00e9"}]} ] }'
    request = call(body, stream=True)
    sent = upstream().forward(CLIENT.glance(request), body)
    assert sent.body == body
    assert sent.target == "/model/eu.acme.large-v1%3A0/converse-stream"


def test_our_own_object_goes_and_counts() -> None:
    body = {**HELLO, "federation": {"user": "u1", "strict": True}}
    seen = glance(body, headers={b"x-federation-session": b"s"})
    assert (seen.user, seen.ask.strict, seen.ask.session) == ("u1", True, "s")
    assert forwarded(body) == HELLO


def test_a_row_without_sampling_takes_it_out_and_says_so() -> None:
    body = {**HELLO, "inferenceConfig": {"temperature": 0.5, "maxTokens": 5, "topP": 0.1}}
    row: dict[str, Any] = {"quirks": {"sampling": "drop"}}
    assert forwarded(body, **row) == {**HELLO, "inferenceConfig": {"maxTokens": 5}}
    assert upstream(**row).dropped_fields(glance(body)) == (
        "inferenceConfig.temperature", "inferenceConfig.topP",
    )  # fmt: skip
    assert forwarded(HELLO, **row) == HELLO
    assert upstream(**row).dropped_fields(glance(HELLO)) == ()


def test_defaults_are_put_where_the_client_said_nothing() -> None:
    row: dict[str, Any] = {"max_tokens_default": 50, "temperature_default": 0.5}
    assert forwarded(HELLO, **row)["inferenceConfig"] == {"maxTokens": 50, "temperature": 0.5}
    body = {**HELLO, "inferenceConfig": {"maxTokens": 7}}
    assert forwarded(body, **row)["inferenceConfig"] == {"maxTokens": 7, "temperature": 0.5}


def test_a_row_can_drop_and_set_fields() -> None:
    body = {**HELLO, "requestMetadata": {"a": "b"}}
    row: dict[str, Any] = {
        "quirks": {
            "drop": ["requestMetadata"],
            "set": {"serviceTier": {"type": "flex"}, "maxTokens": 3},
        }
    }
    assert forwarded(body, **row) == {
        **HELLO,
        "serviceTier": {"type": "flex"},
        "inferenceConfig": {"maxTokens": 3},
    }
    assert upstream(**row).dropped_fields(glance(body)) == ("requestMetadata",)


def test_the_last_question_and_the_setting_are_what_is_classified() -> None:
    body = {
        "messages": [
            {"role": "user", "content": [{"text": "Translate this poem, please."}]},
            {"role": "assistant", "content": [{"text": "Done."}]},
            {"role": "user", "content": [{"text": "And in French?"}]},
            {"role": "assistant", "content": [{"toolUse": {"toolUseId": "t", "name": "w"}}]},
            {"role": "user", "content": [{"toolResult": {"toolUseId": "t", "content": []}}]},
        ],
        "system": [{"text": "You translate."}, {"cachePoint": {"type": "default"}}],
    }
    request = call(body)
    assert CLIENT.prompt(request, CLIENT.glance(request)) == (
        "Translate this poem, please.\nAnd in French?\n\nYou translate."
    )


def test_a_long_question_is_cut_and_needs_no_other() -> None:
    request = call(said({"text": "x" * 9000}))
    assert CLIENT.prompt(request, CLIENT.glance(request)) == "x" * 8192


def test_tokens_are_counted_by_the_vendors_own_operation() -> None:
    asked = {"input": {"converse": {**HELLO, "system": [{"text": "s"}]}}}
    request = call(asked)
    request = type(request)("POST", f"/model/{MODEL}/count-tokens", "", {}, request.body)
    inner = converse_of(request)
    parsed = CLIENT.parse(inner, CLIENT.glance(inner))
    encoded = encode_count(upstream().wire, parsed)
    assert encoded.request.target == "/model/eu.acme.large-v1%3A0/count-tokens"
    assert json.loads(encoded.request.body) == asked
    assert decode_count(upstream().wire, b'{"inputTokens":7}') == 7
    assert render_count(7) == b'{"inputTokens":7}'
    with pytest.raises(UpstreamGarbled):
        decode_count(upstream().wire, b'{"inputTokens":"x"}')


@pytest.mark.parametrize(
    "body", [b"{}", b'{"input":{"invokeModel":{"body":"e30="}}}', b'{"input":1}']
)
def test_counting_anything_else_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        converse_of(call(body))
