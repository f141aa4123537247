"""Errors in this language, both ways: a provider's into our tree, ours into the client's format.

An error is one text, as the answer or as a line in a stream that had begun.

Reference: https://docs.ollama.com/api/errors
"""

from __future__ import annotations

import math
import re
from typing import Any, Final

import msgspec
from msgspec import Raw

from federation.dialects.ollama.wire import Wire
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

_SAYS_NO_MODEL = re.compile(r"model .{0,200}not found|try pulling it", re.IGNORECASE)
_SAYS_TOO_LONG = re.compile(
    r"context (?:length|size|window)|prompt is too long|input length exceeds", re.IGNORECASE
)


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
    if status in (401, 403):
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
    too_long = _SAYS_TOO_LONG.search(said)
    return UpstreamRejected(
        said or f"{wire.deployment} refused the request with status {status}.",
        code="context_length_exceeded" if too_long else "upstream_rejected",
        status=status,
        upstream_status=status,
        body=body[:_LONGEST_DETAILS],
        content_type=b"application/json",
    )


def error_in_answer(wire: Wire, error: Raw) -> UpstreamError:
    """The failure that an answer of status 200 or a line of a stream reports."""
    if _SAYS_NO_MODEL.search(_message(b'{"error":%b}' % bytes(error))):
        return UpstreamMissing(f"{wire.deployment} is not there any more.", upstream_status=200)
    return UpstreamFailed(f"{wire.deployment} failed while it answered.", upstream_status=200)


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
    value = found.get("error") if isinstance(found, dict) else None
    if isinstance(value, dict):
        value = value.get("message", value)
    if value is None:
        return ""
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text[:_LONGEST_MESSAGE]


def render_error(error: FederationError, call_id: str = "") -> ClientReply:
    """An error as the official clients expect it: a text, with our code beside it."""
    headers = [(b"content-type", b"application/json")]
    if call_id:
        headers.append((b"x-request-id", call_id.encode()))
        headers.append((b"x-federation-call-id", call_id.encode()))
        headers.append((b"x-federation-attempts", b"%d" % error.attempts))
    if error.retry_after_s is not None:
        milliseconds = math.ceil(error.retry_after_s * 1000.0)
        headers.append((b"retry-after", b"%d" % math.ceil(error.retry_after_s)))
        headers.append((b"retry-after-ms", b"%d" % milliseconds))
    return ClientReply(error.status, headers, _rendered(error))


def stream_error(error: FederationError) -> bytes:
    """An error as the line that ends a stream whose status was sent long ago."""
    return _rendered(error) + b"\n"


def _rendered(error: FederationError) -> bytes:
    details: dict[str, Any] = {"error": error.message, "code": error.code}
    if error.param is not None:
        details["param"] = error.param
    if isinstance(error, NotEligible):
        details["removed"] = dict(list(error.removed.items())[:_MOST_REMOVED])
    return msgspec.json.encode(details)
