"""Errors in both directions, beside the golden ones: what is hidden, and what is handed on."""

from __future__ import annotations

import json
from typing import Any

import pytest
from native_dialects import make_upstream

from federation.dialects.gemini.client import CLIENT
from federation.dialects.gemini.errors import STATUSES
from federation.dialects.gemini.upstream import prepare
from federation.errors import (
    NotEligible,
    NotFound,
    RateLimited,
    UpstreamDenied,
    UpstreamFailed,
    UpstreamGarbled,
    UpstreamMissing,
    UpstreamRateLimited,
    UpstreamRejected,
)
from federation.schema.http import ClientReply

BASE = "https://api.acme.test/v1beta"
FACE = make_upstream(
    prepare, "gemini", base_url=BASE, secret="sk-very-secret", quirks={"throttle_status": [418]}
)


def body_of(reply: ClientReply) -> Any:
    assert isinstance(reply.body, bytes)
    return json.loads(reply.body)["error"]


def said(message: str, **more: Any) -> bytes:
    return json.dumps({"error": {"code": 400, "message": message, **more}}).encode()


def test_our_credential_never_reaches_a_client() -> None:
    details = [{"@type": "x", "reason": "OTHER", "metadata": {"key": "sk-very-secret"}}]
    body = said("Bad sk-very-secret.", status="INVALID_ARGUMENT", details=details)
    error = FACE.decode_error(400, {}, body)
    assert isinstance(error, UpstreamRejected)
    assert "very-secret" not in error.message
    reply = CLIENT.render_error(error, "call-1")
    assert isinstance(reply.body, bytes)
    assert b"very-secret" not in reply.body
    assert "very-secret" not in repr(FACE)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (418, b"", UpstreamRateLimited),
        (429, b"<html>slow</html>", UpstreamRateLimited),
        (404, b"<html>404</html>", UpstreamMissing),
        (301, b"", UpstreamMissing),
        (500, b"", UpstreamFailed),
        (502, b"\xff\xfe", UpstreamFailed),
        (402, b"", UpstreamDenied),
        (403, b"", UpstreamDenied),
        (400, b"", UpstreamRejected),
        (400, said("This violates the prohibited use policy."), UpstreamRejected),
        (403, said("The prompt goes against the usage guidelines."), UpstreamRejected),
        (400, b'{"error": "Wrong."}', UpstreamRejected),
        (400, b'{"error": [1]}', UpstreamRejected),
        (400, b"[" * 5000, UpstreamRejected),
    ],
)
def test_the_status_and_the_words_decide(status: int, body: bytes, kind: type) -> None:
    assert type(FACE.decode_error(status, {}, body)) is kind


def test_how_long_to_wait_stands_in_the_body_or_the_head() -> None:
    info = [{"@type": "t/google.rpc.RetryInfo", "retryDelay": "2.5s"}]
    inside = FACE.decode_error(429, {b"retry-after": b"9"}, said("x", details=info))
    assert inside.retry_after_s == 2.5
    assert FACE.decode_error(429, {b"retry-after": b"9"}, b"").retry_after_s == 9.0
    words = said("Please retry in 40.5s.")
    assert FACE.decode_error(429, {}, words).retry_after_s == 40.5


def test_the_providers_details_are_handed_on() -> None:
    details = [{"@type": "t/google.rpc.BadRequest", "fieldViolations": [{"field": "a"}]}]
    error = FACE.decode_error(400, {}, said("No.", status="INVALID_ARGUMENT", details=details))
    found = body_of(CLIENT.render_error(error, ""))
    assert found == {
        "code": 400,
        "message": "No.",
        "status": "INVALID_ARGUMENT",
        "details": details,
    }


def test_what_rules_removed_is_told() -> None:
    removed = {f"acme/{number}": "region" for number in range(99)}
    found = body_of(CLIENT.render_error(NotEligible("None.", removed=removed), ""))
    assert found["status"] == "PERMISSION_DENIED"
    info = found["details"][0]
    assert info["reason"] == "NO_ELIGIBLE_DEPLOYMENT"
    assert len(info["metadata"]) == 50


def test_the_head_says_whose_error_it_is_and_when_to_come_back() -> None:
    error = RateLimited("Slow.", retry_after_s=0.25)
    error.attempts = 2
    reply = CLIENT.render_error(error, "call-1")
    head = dict(reply.headers)
    assert head[b"x-request-id"] == head[b"x-federation-call-id"] == b"call-1"
    assert head[b"x-federation-attempts"] == b"2"
    assert head[b"retry-after"] == b"1"
    assert body_of(reply)["details"][1]["retryDelay"] == "0.25s"


@pytest.mark.parametrize(
    "status", [400, 401, 403, 404, 405, 408, 413, 415, 429, 431, 500, 502, 508]
)
def test_every_status_has_a_word(status: int) -> None:
    error = NotFound("x", status=status)
    word = body_of(CLIENT.render_error(error, ""))["status"]
    assert word in {*STATUSES.values()}


def test_an_event_begins_as_official_clients_look_for_it() -> None:
    assert CLIENT.stream_error(NotFound("x")).startswith(b'data: {"error":{"code":404,')


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"{}", b'{"candidates":[]}', b'{"candidates":null}', b"[]", b"\xff", b"null"],
)
def test_what_is_no_answer_is_garbled(body: bytes) -> None:
    for read in (FACE.decode, FACE.read_answer):
        with pytest.raises(UpstreamGarbled):
            read(body)


def test_an_answer_that_is_not_text_is_garbled_and_so_is_such_an_event() -> None:
    body = b'{"candidates":[{"content":{"parts":[{"text":"\xff"}]},"finishReason":"STOP"}]}'
    with pytest.raises(UpstreamGarbled):
        FACE.decode(body)
    decoder = FACE.decoder()
    with pytest.raises(UpstreamGarbled):
        decoder.feed(b"data: %b\n\n" % body)
    assert not decoder.complete


def test_a_stream_that_ends_early_is_not_whole() -> None:
    event = b'data: {"candidates":[{"content":{"parts":[{"text":"a"}]}}]}\r\n\r\n'
    decoder = FACE.decoder()
    decoder.feed(event)
    assert decoder.close() == []
    assert decoder.started
    assert not decoder.complete
    tap = FACE.tap(withhold_usage=False, choices=1)
    assert tap.feed(event + event[:20]) == event
    assert tap.close() == b""
    assert not tap.complete


def test_an_error_after_the_beginning_is_a_chunk_and_ends_the_stream() -> None:
    event = b'data: {"candidates":[{"content":{"parts":[{"text":"a"}]}}]}\r\n\r\n'
    error = b'data: {"error":{"code":503,"message":"Busy.","status":"UNAVAILABLE"}}\r\n\r\n'
    decoder = FACE.decoder()
    kinds = [type(chunk).__name__ for chunk in decoder.feed(event + error + event)]
    assert kinds == ["Begun", "PartBegun", "Delta", "Failed"]
    assert decoder.close() == []
    assert not decoder.complete
    tap = FACE.tap(withhold_usage=False, choices=1)
    assert tap.feed(event + error) == event + error
    assert isinstance(tap.error, UpstreamFailed)
    assert not tap.complete
