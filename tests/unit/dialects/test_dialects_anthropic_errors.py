"""Errors: a provider's in our tree, ours in the client's words."""

from __future__ import annotations

import json
from typing import Any

import pytest
from anthropic_vendor import make_upstream

from federation import errors
from federation.dialects.anthropic.client import CLIENT
from federation.errors import Recovery, UpstreamRejected

UPSTREAM = make_upstream(quirks={"throttle_status": [529]}, secret="sk-secret-1")


def said(kind: str, message: str = "Something.", **more: Any) -> bytes:
    return json.dumps(
        {"type": "error", "error": {"type": kind, "message": message, **more}, "request_id": "req"}
    ).encode()


CASES: list[tuple[int, bytes, str, Recovery, str | None]] = [
    (
        400,
        said("invalid_request_error", "max_tokens: required"),
        "UpstreamRejected",
        Recovery.FAIL,
        "invalid_request_error",
    ),
    (
        400,
        said("invalid_request_error", "prompt is too long: 250000 tokens > 200000 maximum"),
        "UpstreamRejected",
        Recovery.FAIL,
        "context_length_exceeded",
    ),
    (
        400,
        said(
            "invalid_request_error", "input length and `max_tokens` exceed context limit: 1 + 2 > 2"
        ),
        "UpstreamRejected",
        Recovery.FAIL,
        "context_length_exceeded",
    ),
    (
        400,
        said("invalid_request_error", "Your credit balance is too low to access the API."),
        "UpstreamDenied",
        Recovery.FALLBACK,
        None,
    ),
    (
        400,
        said("invalid_request_error", "You have reached your specified API usage limits."),
        "UpstreamDenied",
        Recovery.FALLBACK,
        None,
    ),
    (
        400,
        said("invalid_request_error", "Output blocked by content filtering policy"),
        "UpstreamRejected",
        Recovery.FAIL,
        "content_filter",
    ),
    (
        400,
        said("invalid_request_error", "No.", details={"error_code": "tool_name_conflict"}),
        "UpstreamRejected",
        Recovery.FAIL,
        "tool_name_conflict",
    ),
    (
        401,
        said("authentication_error", "invalid x-api-key"),
        "UpstreamDenied",
        Recovery.FALLBACK,
        None,
    ),
    (402, said("billing_error"), "UpstreamDenied", Recovery.FALLBACK, None),
    (403, said("permission_error"), "UpstreamDenied", Recovery.FALLBACK, None),
    (404, said("not_found_error", "model: claude-0"), "UpstreamMissing", Recovery.FALLBACK, None),
    (408, said("timeout_error"), "UpstreamFailed", Recovery.RETRY, None),
    (409, said("conflict_error"), "UpstreamFailed", Recovery.RETRY, None),
    (
        413,
        said("request_too_large", "Request exceeds the maximum size"),
        "UpstreamRejected",
        Recovery.FAIL,
        "request_too_large",
    ),
    (429, said("rate_limit_error", "Slow down."), "UpstreamRateLimited", Recovery.FALLBACK, None),
    (
        429,
        said("rate_limit_error", "x", details={"error_code": "contract_spend_limit_reached"}),
        "UpstreamDenied",
        Recovery.FALLBACK,
        None,
    ),
    (500, said("api_error"), "UpstreamFailed", Recovery.RETRY, None),
    (502, b"<html>", "UpstreamFailed", Recovery.RETRY, None),
    (504, said("timeout_error"), "UpstreamTimeout", Recovery.FALLBACK, None),
    (529, said("overloaded_error", "Overloaded"), "UpstreamRateLimited", Recovery.FALLBACK, None),
    (503, said("overloaded_error", "Overloaded"), "UpstreamRateLimited", Recovery.FALLBACK, None),
    (
        429,
        b'[{"error":{"code":429,"message":"Quota exceeded","status":"RESOURCE_EXHAUSTED"}}]',
        "UpstreamRateLimited",
        Recovery.FALLBACK,
        None,
    ),
    (
        400,
        b'{"error":{"code":400,"message":"Bad","status":"INVALID_ARGUMENT"}}',
        "UpstreamRejected",
        Recovery.FAIL,
        "INVALID_ARGUMENT",
    ),
    (
        403,
        b'{"message":"The security token included in the request is invalid."}',
        "UpstreamDenied",
        Recovery.FALLBACK,
        None,
    ),
    (302, b"", "UpstreamMissing", Recovery.FALLBACK, None),
]


@pytest.mark.parametrize(("status", "body", "kind", "recovery", "code"), CASES)
def test_a_providers_error_has_its_place_in_the_tree(
    status: int, body: bytes, kind: str, recovery: Recovery, code: str | None
) -> None:
    error = UPSTREAM.decode_error(status, {}, body)
    assert type(error).__name__ == kind
    assert error.recovery is recovery
    assert error.upstream_status == status
    if code:
        assert error.code == code


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe",
        b"null",
        b"3",
        b'"x"',
        b"[]",
        b"[[]]",
        b'{"error":null}',
        b'{"error":3}',
        b'{"error":{"type":4,"message":{"a":1},"details":[]}}',
        b"[" * 4000,
        b'{"error":{"message":null}}',
    ],
)
@pytest.mark.parametrize("status", [200, 400, 401, 429, 500, 529, 599])
def test_no_error_body_breaks_anything(status: int, body: bytes) -> None:
    assert isinstance(UPSTREAM.decode_error(status, {}, body), errors.UpstreamError)


def test_the_wait_and_the_secret() -> None:
    error = UPSTREAM.decode_error(429, {b"retry-after": b"7"}, said("rate_limit_error"))
    assert error.retry_after_s == 7
    error = UPSTREAM.decode_error(400, {}, said("invalid_request_error", "key sk-secret-1 is odd"))
    assert "sk-secret-1" not in error.message
    assert b"sk-secret-1" not in error.body


RENDERED: list[tuple[errors.FederationError, int, str]] = [
    (errors.InvalidRequest("x", param="messages[0]"), 400, "invalid_request_error"),
    (errors.Unauthorized("x"), 401, "authentication_error"),
    (errors.Forbidden("x"), 403, "permission_error"),
    (errors.NotEligible("x", removed={"a/b": "residency"}), 403, "permission_error"),
    (errors.NotFound("x"), 404, "not_found_error"),
    (errors.MethodNotAllowed("x"), 405, "invalid_request_error"),
    (errors.RequestTimeout("x"), 408, "timeout_error"),
    (errors.PayloadTooLarge("x"), 413, "request_too_large"),
    (errors.UnsupportedMedia("x"), 415, "invalid_request_error"),
    (errors.RateLimited("x", retry_after_s=1.5), 429, "rate_limit_error"),
    (errors.UpstreamRateLimited("x"), 429, "rate_limit_error"),
    (errors.UpstreamDenied("x"), 502, "api_error"),
    (errors.UpstreamTimeout("x"), 504, "timeout_error"),
    (errors.Unavailable("x"), 503, "api_error"),
    (errors.InvalidRequest("x", status=402), 402, "billing_error"),
    (errors.FederationError("x"), 500, "api_error"),
]


@pytest.mark.parametrize(("error", "status", "kind"), RENDERED)
def test_our_error_is_told_in_the_clients_words(
    error: errors.FederationError, status: int, kind: str
) -> None:
    reply = CLIENT.render_error(error, "call-1")
    assert reply.status == status
    headers = dict(reply.headers)
    assert headers[b"request-id"] == b"call-1"
    assert isinstance(reply.body, bytes)
    told = json.loads(reply.body)
    assert (told["type"], told["request_id"]) == ("error", "call-1")
    assert told["error"]["type"] == kind
    assert told["error"]["message"] == "x"
    assert told["error"]["details"]["error_code"] == error.code
    if error.retry_after_s:
        assert (headers[b"retry-after"], headers[b"retry-after-ms"]) == (b"2", b"1500")


def test_removed_deployments_and_the_field_are_named() -> None:
    reply = CLIENT.render_error(errors.NotEligible("x", removed={"a/b": "residency"}), "")
    assert json.loads(reply.body)["error"]["details"]["removed"] == {"a/b": "residency"}  # type: ignore[arg-type]
    assert (b"x-should-retry", b"false") in reply.headers
    reply = CLIENT.render_error(errors.InvalidRequest("x", param="tools[0].name"), "")
    assert json.loads(reply.body)["error"]["details"]["param"] == "tools[0].name"  # type: ignore[arg-type]


def test_a_providers_own_words_reach_the_client() -> None:
    error = UPSTREAM.decode_error(400, {}, said("invalid_request_error", "max_tokens: too large"))
    assert isinstance(error, UpstreamRejected)
    reply = CLIENT.render_error(error, "c")
    assert json.loads(reply.body)["error"]["message"] == "max_tokens: too large"  # type: ignore[arg-type]


def test_an_error_in_a_stream_is_an_event() -> None:
    error = errors.UpstreamRateLimited("Slow.", status=529)
    raw = CLIENT.stream_error(error)
    assert raw.startswith(b"event: error\ndata: {")
    assert raw.endswith(b"}\n\n")
    assert json.loads(raw[19:])["error"]["type"] == "overloaded_error"
