"""Exceptions of the vendor in our tree, before and inside of a stream."""

from __future__ import annotations

import json

import pytest
from bedrock_vendor import operation
from bedrock_world import upstream
from hypothesis import given, settings
from hypothesis import strategies as st

from federation import errors
from federation.dialects.aws_eventstream import write_frame, write_headers
from federation.dialects.bedrock.client import CLIENT
from federation.errors import FederationError, NotEligible, Recovery

CASES: list[tuple[int, str, str, str]] = [
    (429, "ThrottlingException", "Too many requests", "UpstreamRateLimited"),
    (429, "ThrottlingException", "Too many tokens, please wait", "UpstreamRateLimited"),
    (400, "ServiceQuotaExceededException", "quota", "UpstreamRateLimited"),
    (400, "ThrottlingException", "Rate exceeded", "UpstreamRateLimited"),
    (429, "ModelNotReadyException", "not ready", "UpstreamFailed"),
    (403, "AccessDeniedException", "You don't have access to the model", "UpstreamDenied"),
    (403, "UnrecognizedClientException", "token invalid", "UpstreamDenied"),
    (403, "ExpiredTokenException", "expired", "UpstreamDenied"),
    (403, "InvalidSignatureException", "signature", "UpstreamDenied"),
    (400, "IncompleteSignature", "signature", "UpstreamDenied"),
    (403, "", "Forbidden", "UpstreamDenied"),
    (404, "ResourceNotFoundException", "Could not resolve", "UpstreamMissing"),
    (400, "ValidationException", "The provided model identifier is invalid.", "UpstreamMissing"),
    (400, "ValidationException",
     "Invocation of model ID x with on-demand throughput isn't supported.", "UpstreamMissing"),
    (404, "ResourceNotFoundException", "This model version has reached the end of its life.",
     "UpstreamMissing"),
    (404, "UnknownOperationException", "", "UpstreamMissing"),
    (408, "ModelTimeoutException", "Model timed out", "UpstreamTimeout"),
    (424, "ModelErrorException", "failed", "UpstreamFailed"),
    (500, "InternalServerException", "oops", "UpstreamFailed"),
    (503, "ServiceUnavailableException", "busy", "UpstreamFailed"),
    (502, "", "", "UpstreamFailed"),
    (400, "ValidationException", "messages: roles must alternate", "UpstreamRejected"),
    (413, "", "Request entity too large", "UpstreamRejected"),
]  # fmt: skip


@pytest.mark.parametrize(("status", "name", "message", "kind"), CASES)
@pytest.mark.parametrize("place", ["header", "type", "code"])
def test_an_exception_has_its_place_in_the_tree(
    status: int, name: str, message: str, kind: str, place: str
) -> None:
    headers = {b"x-amzn-errortype": f"{name}:http://internal.test/x".encode()}
    body = {"message": message}
    if place == "type":
        headers, body = {}, {"__type": f"com.amazon.coral#{name}", "Message": message}
    elif place == "code":
        headers, body = {}, {"code": name, "message": message}
    if not name:
        headers = {}
    error = upstream().decode_error(status, headers, json.dumps(body).encode())
    assert type(error).__name__ == kind
    assert error.upstream_status == status


def test_a_refused_request_hands_the_vendors_words_on() -> None:
    body = b'{"message":"The input is too long for the requested model."}'
    error = upstream().decode_error(400, {b"x-amzn-errortype": b"ValidationException"}, body)
    assert error.message == "The input is too long for the requested model."
    assert error.code == "context_length_exceeded"
    assert error.recovery is Recovery.FAIL
    assert error.body == body


def test_the_wait_is_read_and_a_secret_never_shown() -> None:
    made = upstream(secret="AKIAEXAMPLEEXAMPLE12:secret-secret-secret")
    error = made.decode_error(429, {b"retry-after": b"3"}, b"{}")
    assert error.retry_after_s == 3.0
    body = b'{"message":"The key AKIAEXAMPLEEXAMPLE12 with secret-secret-secret is odd"}'
    error = made.decode_error(400, {b"x-amzn-errortype": b"ValidationException"}, body)
    assert "AKIAEXAMPLEEXAMPLE12" not in error.message + error.body.decode()
    assert "secret-secret-secret" not in error.message + error.body.decode()


def test_parts_of_a_credential_in_json_are_hidden_too() -> None:
    secret = '{"AWS_SECRET_ACCESS_KEY":"secret-secret-secret","AWS_REGION":"eu-west-1"}'
    body = b'{"message":"secret-secret-secret in eu-west-1"}'
    error = upstream(secret=secret).decode_error(400, {}, body)
    assert error.message == "[credential] in eu-west-1"


def test_a_row_may_name_further_statuses() -> None:
    made = upstream({"throttle_status": [509], "payment_status": [410], "loading_status": [418]})
    kinds = [type(made.decode_error(status, {}, b"")).__name__ for status in (509, 410, 418)]
    assert kinds == ["UpstreamRateLimited", "UpstreamDenied", "UpstreamFailed"]


@settings(deadline=None, max_examples=200)
@given(
    status=st.integers(300, 599),
    name=st.binary(max_size=30),
    body=st.binary(max_size=60) | st.sampled_from([b"[]", b'{"message":1}', b'{"__type":{}}']),
)
def test_no_refusal_makes_it_stumble(status: int, name: bytes, body: bytes) -> None:
    error = upstream().decode_error(status, {b"x-amzn-errortype": name}, body)
    assert error.message


def exception(name: str, payload: bytes = b'{"message":"m"}', kind: str = "exception") -> bytes:
    headers = {":message-type": kind, ":content-type": "application/json"}
    if kind == "exception":
        headers[":exception-type"] = name
    else:
        headers |= {":error-code": name, ":error-message": "m"}
    return write_frame(write_headers(headers), payload)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("throttlingException", "UpstreamRateLimited"),
        ("validationException", "UpstreamRejected"),
        ("internalServerException", "UpstreamFailed"),
        ("modelStreamErrorException", "UpstreamFailed"),
        ("serviceUnavailableException", "UpstreamFailed"),
        ("modelTimeoutException", "UpstreamTimeout"),
        ("somethingNew", "UpstreamFailed"),
    ],
)
def test_an_exception_at_the_start_of_a_stream_lets_another_answer(name: str, kind: str) -> None:
    for reader in (upstream().decoder(), upstream().tap(withhold_usage=False, choices=1)):
        with pytest.raises(getattr(errors, kind)):
            reader.feed(exception(name))


def test_an_error_frame_is_read_by_its_code_and_message() -> None:
    with pytest.raises(errors.UpstreamRejected) as caught:
        upstream().decoder().feed(exception("ValidationException", b"", kind="error"))
    assert caught.value.message == "m"


def test_every_exception_that_we_send_is_one_of_the_vendors() -> None:
    names = {shape.name for shape in operation("Converse").error_shapes}
    stream = operation("ConverseStream").output_shape.members["stream"].members
    for status in (400, 401, 403, 404, 413, 415, 422, 429, 500, 502, 503, 504, 508):
        error = FederationError("m", status=status)
        reply = CLIENT.render_error(error, "id")
        assert dict(reply.headers)[b"x-amzn-errortype"].decode() in names
        frame = CLIENT.stream_error(error)
        assert any(f"{name}".encode() in frame for name in stream if "Exception" in name)


def test_removed_deployments_and_the_wait_are_told() -> None:
    reply = CLIENT.render_error(NotEligible("No.", removed={"a/b": "region"}), "")
    assert isinstance(reply.body, bytes)
    assert json.loads(reply.body) == {
        "message": "No.",
        "federation": {"code": "no_eligible_deployment", "removed": {"a/b": "region"}},
    }
    slow = errors.RateLimited("Slow.", retry_after_s=1.2)
    assert (b"retry-after", b"2") in CLIENT.render_error(slow, "").headers
