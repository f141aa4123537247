"""Errors both ways: what a provider's mean, and what a client sees of ours."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw
from openai.types.shared import ErrorObject

from federation.dialects.openai.errors import (
    decode_error,
    error_in_answer,
    render_error,
    render_stream_error,
)
from federation.dialects.openai.wire import Wire
from federation.errors import (
    FederationError,
    Forbidden,
    InvalidRequest,
    NotEligible,
    NotFound,
    PayloadTooLarge,
    RateLimited,
    Recovery,
    Unauthorized,
    Unavailable,
    UpstreamDenied,
    UpstreamError,
    UpstreamFailed,
    UpstreamMissing,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamTimeout,
)

MakeWire = Callable[..., Wire]
SECRET = "sk-very-secret-0123456789"


def said(message: str = "", **members: Any) -> bytes:
    return json.dumps({"error": {"message": message, **members}}).encode()


def parsed(body: bytes | object) -> dict[str, Any]:
    assert isinstance(body, bytes)
    error = json.loads(body)["error"]
    assert isinstance(error, dict)
    return error


@pytest.fixture(scope="session")
def wire(make_wire: MakeWire) -> Wire:
    """A row with the odd statuses of some hosts."""
    return make_wire(
        quirks={"throttle_status": [430], "payment_status": [431], "loading_status": [432]},
        secret=SECRET,
    )


MEANINGS = [
    (429, said("Slow down"), UpstreamRateLimited),
    (498, b"", UpstreamRateLimited),
    (529, b"", UpstreamRateLimited),
    (430, b"", UpstreamRateLimited),
    (429, said(code="insufficient_quota"), UpstreamDenied),
    (429, said(type="insufficient_quota"), UpstreamDenied),
    (401, said("Incorrect API key provided"), UpstreamDenied),
    (402, b"", UpstreamDenied),
    (431, b"", UpstreamDenied),
    (403, b"", UpstreamDenied),
    (400, said("Incorrect API key provided: xai***"), UpstreamDenied),
    (400, b'[{"error":{"code":400,"message":"API key not valid. Pass one."}}]', UpstreamDenied),
    (403, said(code="content_filter"), UpstreamRejected),
    (403, said("Input flagged", metadata={"reasons": ["violence"]}, code=403), UpstreamRejected),
    (400, said("Blocked by content management policy"), UpstreamRejected),
    (404, b"", UpstreamMissing),
    (405, b"", UpstreamMissing),
    (410, b"", UpstreamMissing),
    (307, b"", UpstreamMissing),
    (400, said(code="model_not_found"), UpstreamMissing),
    (400, said(code="model_decommissioned"), UpstreamMissing),
    (408, b"", UpstreamFailed),
    (409, b"", UpstreamFailed),
    (425, b"", UpstreamFailed),
    (432, b"", UpstreamFailed),
    (500, b"<html>oops</html>", UpstreamFailed),
    (503, b"", UpstreamFailed),
    (504, b"", UpstreamFailed),
    (101, b"", UpstreamFailed),
    (400, said("No such parameter"), UpstreamRejected),
    (413, b"", UpstreamRejected),
    (422, b'{"detail":[{"loc":["body","n"],"msg":"too many"}]}', UpstreamRejected),
    (451, b"", UpstreamRejected),
]


@pytest.mark.parametrize(("status", "body", "kind"), MEANINGS)
def test_a_providers_answer_means_this(
    wire: Wire, status: int, body: bytes, kind: type[UpstreamError]
) -> None:
    error = decode_error(wire, status, {}, body)
    assert type(error) is kind
    assert error.upstream_status == status
    assert error.recovery in Recovery
    render_error(error)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (said("Mend it"), "Mend it"),
        (b'{"error":"Mend it"}', "Mend it"),
        (b'{"message":"Mend it"}', "Mend it"),
        (b'{"error":true,"message":"Mend it"}', "Mend it"),
        (b'{"detail":"Mend it"}', "Mend it"),
        (b'{"error":{"detail":"Mend it"}}', "Mend it"),
        (b'{"error":{"type":"x"},"message":"Mend it"}', "Mend it"),
        (b'{"detail":[{"msg":"a"}]}', '[{"msg":"a"}]'),
        (b"[]", "acme/acme-large refused the request with status 400."),
        (b"oops", "acme/acme-large refused the request with status 400."),
        (b"[" * 100_000, "acme/acme-large refused the request with status 400."),
        (b'{"error":"\xff"}', "acme/acme-large refused the request with status 400."),
    ],
)
def test_the_message_is_found_wherever_hosts_put_it(wire: Wire, body: bytes, message: str) -> None:
    assert decode_error(wire, 400, {}, body).message == message


@pytest.mark.parametrize(
    "body",
    [
        said("This model's maximum context length is 8192 tokens."),
        said("Prompt is too long"),
        said("x", code="context_length_exceeded"),
        said("Your input exceeds the context window of this model", code="invalid_value"),
    ],
)
def test_a_prompt_that_is_too_long_has_one_code(wire: Wire, body: bytes) -> None:
    error = decode_error(wire, 400, {}, body)
    assert error.code == "context_length_exceeded"
    assert parsed(render_error(error).body)["code"] == "context_length_exceeded"


def test_a_refused_prompt_has_the_code_of_a_content_filter(wire: Wire) -> None:
    assert decode_error(wire, 400, {}, said("Blocked by content filter")).code == "content_filter"
    kept = decode_error(wire, 400, {}, said("No", code="content_policy_violation"))
    assert kept.code == "content_policy_violation"


def test_the_wait_is_read_from_headers_and_words(wire: Wire) -> None:
    assert decode_error(wire, 429, {b"retry-after": b"7"}, b"").retry_after_s == 7.0
    assert decode_error(wire, 429, {}, said("Please try again in 2s.")).retry_after_s == 2.0
    assert decode_error(wire, 503, {b"retry-after": b"7"}, b"").retry_after_s == 7.0


def test_what_a_provider_says_of_the_request_is_handed_on(wire: Wire) -> None:
    body = said(
        "Bad thing", type="invalid_request_error", param="tools[0]", code="bad", extra={"why": 1}
    )
    reply = render_error(decode_error(wire, 422, {}, body), "call-1")
    assert reply.status == 422
    assert parsed(reply.body) == {
        "message": "Bad thing",
        "type": "invalid_request_error",
        "param": "tools[0]",
        "code": "bad",
        "extra": {"why": 1},
    }


def test_odd_members_of_a_handed_on_error_are_put_right(wire: Wire) -> None:
    body = said("Bad thing", type=None, param=7, code=400)
    error = parsed(render_error(decode_error(wire, 400, {}, body)).body)
    assert error == {
        "message": "Bad thing",
        "type": "invalid_request_error",
        "param": None,
        "code": "upstream_rejected",
    }


def test_our_credential_is_never_handed_on(wire: Wire) -> None:
    body = said(f"You sent {SECRET}", header=f"Bearer {SECRET}")
    error = decode_error(wire, 400, {}, body)
    reply = render_error(error)
    assert SECRET not in error.message
    assert isinstance(reply.body, bytes)
    assert SECRET.encode() not in reply.body
    assert SECRET.encode() not in error.body


def test_our_credential_is_not_handed_on_from_inside_an_answer_either(wire: Wire) -> None:
    inside = json.dumps({"code": 400, "message": f"You sent {SECRET}"}).encode()
    error = error_in_answer(wire, Raw(inside), Raw(b"null"), b"")
    assert isinstance(error, UpstreamRejected)
    assert SECRET not in error.message
    assert SECRET.encode() not in error.body


def test_our_credential_is_not_handed_on_from_a_status_inside_an_answer(wire: Wire) -> None:
    inside = json.dumps({"status_code": 2013, "status_msg": f"You sent {SECRET}"}).encode()
    error = error_in_answer(wire, Raw(b"null"), Raw(inside), b'{"base_resp":%b}' % inside)
    assert isinstance(error, UpstreamRejected)
    assert error.message.startswith("You sent ")
    assert SECRET not in error.message
    assert SECRET.encode() not in error.body


@pytest.mark.parametrize(
    ("number", "kind", "status"),
    [
        (1001, UpstreamFailed, 200),
        (1002, UpstreamRateLimited, 429),
        (1004, UpstreamDenied, 401),
        (1033, UpstreamFailed, 200),
        (1039, UpstreamRateLimited, 429),
        (1041, UpstreamRateLimited, 429),
        (1042, UpstreamRejected, 400),
        (2045, UpstreamRateLimited, 429),
        (2049, UpstreamDenied, 401),
        (2056, UpstreamRateLimited, 429),
    ],
)
def test_a_status_inside_an_answer_means_what_its_host_says(
    wire: Wire, number: int, kind: type[UpstreamError], status: int
) -> None:
    inside = Raw(b'{"status_code":%d,"status_msg":"x"}' % number)
    error = error_in_answer(wire, Raw(b"null"), inside, b"")
    assert type(error) is kind
    assert error.upstream_status == status


def test_a_huge_error_is_cut(wire: Wire) -> None:
    reply = render_error(decode_error(wire, 400, {}, said("x" * 100_000)))
    assert isinstance(reply.body, bytes)
    assert len(reply.body) < 20_000


@settings(deadline=None)
@given(status=st.integers(100, 599), body=st.binary(max_size=60) | st.builds(
    lambda value: json.dumps(value).encode(),
    st.recursive(st.none() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner)
                 | st.dictionaries(st.sampled_from(["error", "message", "code", "metadata",
                                                    "reasons", "type"]), inner), max_leaves=6),
))  # fmt: skip
def test_no_answer_of_a_provider_breaks_us(wire: Wire, status: int, body: bytes) -> None:
    error = decode_error(wire, status, {}, body)
    reply = render_error(error)
    assert 400 <= reply.status < 600
    ErrorObject.model_validate(parsed(reply.body))


# Our own errors

OURS = [
    (InvalidRequest("No", param="n"), 400, "invalid_request_error", "invalid_request"),
    (Unauthorized("No"), 401, "authentication_error", "invalid_api_key"),
    (Forbidden("No"), 403, "permission_error", "permission_denied"),
    (NotFound("No"), 404, "not_found_error", "not_found"),
    (PayloadTooLarge("No"), 413, "invalid_request_error", "request_too_large"),
    (RateLimited("No", retry_after_s=1.2), 429, "rate_limit_error", "rate_limit_exceeded"),
    (UpstreamDenied("No"), 502, "server_error", "upstream_credential_refused"),
    (UpstreamTimeout("No"), 504, "timeout_error", "upstream_timeout"),
    (Unavailable("No"), 503, "server_error", "unavailable"),
    (FederationError("No"), 500, "server_error", "internal_error"),
    (UpstreamRejected("No"), 400, "invalid_request_error", "upstream_rejected"),
]


@pytest.mark.parametrize(("error", "status", "kind", "code"), OURS)
def test_an_error_has_the_form_of_the_official_clients(
    error: FederationError, status: int, kind: str, code: str
) -> None:
    reply = render_error(error, "call-1")
    assert reply.status == status
    assert (b"x-request-id", b"call-1") in reply.headers
    assert (b"content-type", b"application/json") in reply.headers
    details = ErrorObject.model_validate(parsed(reply.body))
    assert (details.message, details.type, details.code) == ("No", kind, code)
    assert details.param == error.param


def test_the_wait_is_told_in_seconds_and_milliseconds() -> None:
    headers = dict(render_error(RateLimited("No", retry_after_s=1.2)).headers)
    assert headers[b"retry-after"] == b"2"
    assert headers[b"retry-after-ms"] == b"1200"
    assert b"retry-after" not in dict(render_error(RateLimited("No")).headers)


def test_a_refusal_by_rules_names_them() -> None:
    error = NotEligible("No", removed={f"d{i}": "residency" for i in range(80)})
    details = parsed(render_error(error).body)
    assert details["removed"]["d0"] == "residency"
    assert len(details["removed"]) == 50


def test_an_error_in_a_stream_is_one_event() -> None:
    event = render_stream_error(UpstreamTimeout("Too slow"))
    assert event.startswith(b"data: {")
    assert event.endswith(b"}\n\n")
    assert parsed(event[6:])["message"] == "Too slow"
