"""Errors of the Responses dialect, both ways, and answers that cannot be read."""

from __future__ import annotations

import json

import pytest
from responses_world import Body, check_response, encoded, parsed, upstream

from federation.dialects.openai_responses.client import CLIENT
from federation.errors import (
    InvalidRequest,
    NotEligible,
    RateLimited,
    UpstreamDenied,
    UpstreamError,
    UpstreamFailed,
    UpstreamGarbled,
    UpstreamMissing,
    UpstreamRateLimited,
    UpstreamRejected,
)
from federation.schema.parts import ToolCall


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (400, {"message": "bad", "code": "invalid_value", "param": "input"}, UpstreamRejected),
        (401, {"message": "Incorrect API key"}, UpstreamDenied),
        (404, {"message": "no", "code": "model_not_found"}, UpstreamMissing),
        (429, {"message": "slow", "code": "rate_limit_exceeded"}, UpstreamRateLimited),
        (500, {"message": "oops"}, UpstreamFailed),
    ],
)
def test_a_refusal_is_understood(status: int, error: Body, kind: type[UpstreamError]) -> None:
    found = upstream().decode_error(status, {}, encoded({"error": error}))
    assert type(found) is kind
    assert found.upstream_status == status


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("rate_limit_exceeded", UpstreamRateLimited),
        ("insufficient_quota", UpstreamDenied),
        ("server_error", UpstreamFailed),
        ("vector_store_timeout", UpstreamFailed),
        ("invalid_prompt", UpstreamRejected),
        ("invalid_image_url", UpstreamRejected),
        ("image_too_large", UpstreamRejected),
        ("bio_policy", UpstreamRejected),
        ("misalignment_policy_violation", UpstreamRejected),
        ("failed_to_download_image", UpstreamRejected),
        ("context_length_exceeded", UpstreamRejected),
        ("something_new", UpstreamFailed),
    ],
)
def test_a_failed_response_means_what_its_code_means(code: str, kind: type[UpstreamError]) -> None:
    body = encoded({"status": "failed", "error": {"code": code, "message": "It failed."}})
    with pytest.raises(kind) as caught:
        upstream().decode(body)
    assert "status 500" not in caught.value.message


def test_a_secret_in_a_failed_response_is_not_handed_on() -> None:
    error = {"code": "invalid_prompt", "message": "key sk-secret-1 is odd"}
    body = encoded({"status": "failed", "error": error})
    with pytest.raises(UpstreamRejected) as caught:
        upstream(secret="sk-secret-1").decode(body)
    assert "sk-secret-1" not in caught.value.message + caught.value.body.decode()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"<html>",
        b'{"id":"x"}',
        b'{"output":5}',
        b'{"output":[5]}',
        b'{"output":[],"id":"\\ud800"}',
        b'{"output":' + b"[" * 5000,
        b"\xff",
    ],
)
def test_what_is_no_response_is_garbled(body: bytes) -> None:
    for read in (upstream().decode, upstream().read_answer):
        if body.startswith(b'{"output":[5]') and read == upstream().read_answer:
            continue
        with pytest.raises(UpstreamGarbled):
            read(body)


@pytest.mark.parametrize(
    "item",
    [
        {"type": "message", "content": [{"type": "output_new", "x": 1}]},
        {"type": "reasoning", "summary": "text"},
        {"type": None},
        {},
    ],
)
def test_an_item_that_cannot_be_read_goes_along_as_it_came(item: Body) -> None:
    body = encoded({"output": [item], "status": "completed"})
    response = upstream().decode(body)
    shown = json.loads(CLIENT.render(response, parsed({"input": "a"})))
    assert shown["output"] == [item]


@pytest.mark.parametrize(
    "item",
    [
        {"type": "message"},
        {"type": "message", "content": None},
        {"type": "message", "content": [{"type": "output_text", "text": None}]},
        {"type": "function_call", "name": "f", "arguments": "{}"},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": [1]},
        {"type": "custom_tool_call", "call_id": "c", "name": "f"},
    ],
)
def test_a_message_or_call_that_cannot_be_read_is_no_answer(item: Body) -> None:
    with pytest.raises(UpstreamGarbled):
        upstream().decode(encoded({"output": [item], "status": "completed"}))


def test_arguments_that_are_an_object_are_read_as_its_text() -> None:
    item = {"type": "function_call", "call_id": "c", "name": "f", "arguments": {"a": "ü"}}
    response = upstream().decode(encoded({"output": [item], "status": "completed"}))
    (call,) = response.choices[0].parts
    assert isinstance(call, ToolCall)
    assert json.loads(call.arguments) == {"a": "ü"}
    assert response.choices[0].finish == "tool_calls"


def test_an_answer_that_is_no_text_is_none() -> None:
    body = encoded({"output": [], "status": "completed", "model": "ü"})
    for read in (upstream().decode, upstream().read_answer):
        with pytest.raises(UpstreamGarbled):
            read(body.replace("ü".encode(), b"\xfc"))


@pytest.mark.parametrize(
    "usage",
    [None, 5, {}, {"input_tokens": "7"}, {"input_tokens": -1, "output_tokens": 2}, []],
)
def test_usage_that_makes_no_sense_is_none(usage: object) -> None:
    body = encoded({"output": [], "status": "completed", "usage": usage})
    assert upstream().decode(body).usage is None
    assert (
        check_response(CLIENT.render(upstream().decode(body), parsed({"input": "a"}))).usage is None
    )


def test_usage_follows_the_habits_of_the_row() -> None:
    def usage(counts: Body, **quirks: object) -> tuple[int, int, int, int]:
        body = encoded({"output": [], "status": "completed", "usage": counts})
        found = upstream(quirks=quirks).read_answer(body).usage
        assert found is not None
        return found.input, found.output, found.cached, found.reasoning

    counts: Body = {
        "input_tokens": 10,
        "input_tokens_details": {"cached_tokens": 4},
        "output_tokens": 5,
        "output_tokens_details": {"reasoning_tokens": 3},
    }
    assert usage(counts) == (10, 5, 4, 3)
    assert usage(counts, usage_excludes_reasoning=True) == (10, 8, 4, 3)
    assert usage(counts, usage_excludes_cached=True) == (14, 5, 4, 3)
    both = {"cached_tokens": 4, "cache_write_tokens": 2}
    written = {**counts, "input_tokens_details": both}
    assert usage(written) == (10, 5, 4, 3)
    assert usage(written, usage_excludes_cached=True) == (16, 5, 4, 3)
    assert usage({**counts, "total_tokens": 18}) == (10, 8, 4, 3)
    assert usage({**counts, "total_tokens": 15}, usage_excludes_reasoning=True) == (10, 5, 4, 3)


def test_a_cost_that_the_host_states_is_read_exactly() -> None:
    raw = b'{"output":[],"usage":{"input_tokens":1,"output_tokens":1,"cost":0.000123}}'
    found = upstream(quirks={"cost_field": "usage.cost"}).read_answer(raw).usage
    assert found is not None
    assert found.reported_nano == 123_000


def test_searches_are_counted_where_nobody_states_them() -> None:
    search = {"type": "web_search_call", "id": "ws", "status": "completed"}
    usage = {"input_tokens": 1, "output_tokens": 1}
    found = upstream().read_answer(encoded({"output": [search, search], "usage": usage})).usage
    assert found is not None
    assert found.units == {"web_search": 2}


def test_an_error_is_told_as_the_clients_expect_it() -> None:
    reply = CLIENT.render_error(RateLimited("Slow down.", retry_after_s=1.5), "call-1")
    assert reply.status == 429
    assert isinstance(reply.body, bytes)
    assert json.loads(reply.body)["error"] == {
        "message": "Slow down.",
        "type": "rate_limit_error",
        "param": None,
        "code": "rate_limit_exceeded",
    }
    assert (b"retry-after", b"2") in reply.headers
    refused = CLIENT.render_error(NotEligible("No.", removed={"a/b": "region"}), "")
    assert (b"x-should-retry", b"false") in refused.headers


def test_metadata_is_put_into_an_answer() -> None:
    body = encoded({"id": "resp_1", "output": []})
    assert json.loads(CLIENT.with_metadata(body, b'{"a":1}')) == {
        "id": "resp_1",
        "output": [],
        "router_metadata": {"a": 1},
    }
    with pytest.raises(UpstreamGarbled):
        CLIENT.with_metadata(b'{"a":1,"a":2}', b"{}")


def test_a_stream_is_known_by_its_type() -> None:
    assert upstream().is_stream({b"content-type": b"text/event-stream; charset=utf-8"})
    assert not upstream().is_stream({b"content-type": b"application/json"})


def test_the_refusal_of_a_field_says_which() -> None:
    with pytest.raises(InvalidRequest) as caught:
        parsed({"input": [{"role": "user", "content": [{"type": "refusal"}]}]})
    assert caught.value.param == "input[0].content[0].refusal"
