"""Errors in this language, both ways: a provider's into our tree, ours into the client's format.

Two statuses mean something else than at other vendors: 498 says that a token on a deny list
stands in the prompt or the answer, 499 that the call was cancelled. The body is a message and
nothing more, so what went wrong is read off its words where the status leaves it open.

Reference: https://docs.cohere.com/reference/errors
"""

from __future__ import annotations

import math
import re
from typing import Any, Final

import msgspec

from federation.dialects.cohere.wire import Wire
from federation.dialects.retry_after import read_retry_after
from federation.errors import (
    FederationError,
    NotEligible,
    UpstreamDenied,
    UpstreamError,
    UpstreamFailed,
    UpstreamMissing,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamTimeout,
)
from federation.schema.http import ClientReply, Headers

_LONGEST_MESSAGE: Final = 4096
_LONGEST_DETAILS: Final = 16_384
_MOST_REMOVED: Final = 50
_DENIED_TOKEN: Final = 498

_SAYS_BAD_KEY = re.compile(r"invalid api (?:token|key)|no api key", re.IGNORECASE)
_SAYS_NO_MODEL = re.compile(r"model .{0,200}(?:not found|was removed|retired)", re.IGNORECASE)
_SAYS_TOO_LONG = re.compile(r"too many tokens|maximum context|context length", re.IGNORECASE)
_SAYS_MODERATED = re.compile(r"blocked (?:input|output|prompt)|deny-?list|toxic", re.IGNORECASE)


def decode_error(wire: Wire, status: int, headers: Headers, body: bytes) -> UpstreamError:
    """The error that an answer with this status means. Never raises."""
    body = _scrubbed(wire, body)
    said = _message(body)
    if status in wire.throttles or status == 429:
        return UpstreamRateLimited(
            f"{wire.deployment} asks to slow down.",
            retry_after_s=read_retry_after(headers, said),
            upstream_status=status,
        )
    if status in wire.unpaid or status == 402:
        return _denied(wire, status, "asks for payment")
    if status in (401, 403) or (status == 400 and _SAYS_BAD_KEY.search(said)):
        return _denied(wire, status, "refuses our credential")
    missing = status in (404, 405, 410, 501) or 300 <= status < 400
    if missing or (status == 400 and _SAYS_NO_MODEL.search(said)):
        return UpstreamMissing(f"{wire.deployment} is not there any more.", upstream_status=status)
    if status == 504:
        return UpstreamTimeout(f"{wire.deployment} did not answer in time.", upstream_status=status)
    if status in wire.loading or status in (408, 409, 425, 499) or not 400 <= status < 500:
        return UpstreamFailed(
            f"{wire.deployment} failed with status {status}.",
            retry_after_s=read_retry_after(headers, said),
            upstream_status=status,
        )
    return _rejected(wire, status, said, body)


def error_in_answer(wire: Wire, reason: str) -> UpstreamError:
    """The failure that an answer of status 200 or a stream reports by this finish reason."""
    if reason == "TIMEOUT":
        return UpstreamTimeout(f"{wire.deployment} did not finish in time.", upstream_status=200)
    return UpstreamFailed(f"{wire.deployment} failed while it answered.", upstream_status=200)


def _rejected(wire: Wire, status: int, said: str, body: bytes) -> UpstreamRejected:
    code = "upstream_rejected"
    if status == _DENIED_TOKEN or _SAYS_MODERATED.search(said):
        code = "content_filter"
    elif _SAYS_TOO_LONG.search(said):
        code = "context_length_exceeded"
    return UpstreamRejected(
        said or f"{wire.deployment} refused the request with status {status}.",
        code=code,
        status=status,
        upstream_status=status,
        body=body[:_LONGEST_DETAILS],
        content_type=b"application/json",
    )


def _denied(wire: Wire, status: int, problem: str) -> UpstreamDenied:
    return UpstreamDenied(f"{wire.deployment} {problem}.", upstream_status=status)


def _scrubbed(wire: Wire, body: bytes) -> bytes:
    for secret in wire.secrets:
        body = body.replace(secret, b"[credential]")
    return body


def _message(body: bytes) -> str:
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    if not isinstance(found, dict):
        return ""
    for name in ("message", "detail", "error"):
        value = found.get(name)
        if isinstance(value, str):
            return value[:_LONGEST_MESSAGE]
        if value is not None:
            return msgspec.json.encode(value).decode()[:_LONGEST_MESSAGE]
    return ""


def render_error(error: FederationError, call_id: str = "") -> ClientReply:
    """An error as the official clients expect it: an id and a message, and our code beside."""
    headers = [(b"content-type", b"application/json")]
    if call_id:
        headers.append((b"x-request-id", call_id.encode()))
        headers.append((b"x-federation-call-id", call_id.encode()))
        headers.append((b"x-federation-attempts", b"%d" % error.attempts))
    if error.retry_after_s is not None:
        milliseconds = math.ceil(error.retry_after_s * 1000.0)
        headers.append((b"retry-after", b"%d" % math.ceil(error.retry_after_s)))
        headers.append((b"retry-after-ms", b"%d" % milliseconds))
    details: dict[str, Any] = {"id": call_id} if call_id else {}
    details |= {"message": error.message, "code": error.code}
    if error.param is not None:
        details["param"] = error.param
    if isinstance(error, NotEligible):
        details["removed"] = dict(list(error.removed.items())[:_MOST_REMOVED])
    return ClientReply(error.status, headers, msgspec.json.encode(details))


def stream_error(error: FederationError) -> bytes:
    """An error as the event that ends a stream whose status was sent long ago."""
    end = {
        "type": "message-end",
        "delta": {"finish_reason": "ERROR", "error": error.message, "code": error.code},
    }
    return b"event: message-end\ndata: %b\n\n" % msgspec.json.encode(end)
