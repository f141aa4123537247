"""Rows with quirks, a cloud, counts, and bodies that are forwarded."""

from __future__ import annotations

import json
from typing import Any

import pytest
from anthropic_calls import NEWER, SCHEMA, TOOL, asking, write
from anthropic_vendor import OLDER, VendorRequests, make_request, make_upstream

from federation.dialects.anthropic.client import CLIENT
from federation.domain.catalogue import Auth
from federation.schema.chat import (
    OutputFormat,
    Reasoning,
    Sampling,
    ToolChoice,
)


@pytest.fixture(scope="module")
def vendor() -> VendorRequests:
    return VendorRequests()


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
    count = upstream.encode_count(CLIENT.parse(request, seen)).request
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
