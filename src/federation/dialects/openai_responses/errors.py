"""Errors in this language, both ways. Refusals by status are those of Chat Completions.

What differs: an answer of status 200 can be a response that `failed`, with a code in it and
no status; and a stream ends a broken answer with an event of its own. A code stands for the
status that the API would have answered with.

Reference: `ResponseError` and `ResponseErrorEvent` of the official SDK.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Raw

from federation.dialects.openai import errors as chat_errors
from federation.dialects.openai_responses.wire import Wire
from federation.dialects.upstream_errors import ANSWERED
from federation.errors import (
    CallerError,
    FederationError,
    RateLimited,
    UpstreamError,
    UpstreamRateLimited,
    UpstreamRejected,
)
from federation.schema.http import ClientReply, Headers

_STATUS: Final = {
    "rate_limit_exceeded": 429,
    "insufficient_quota": 429,
    "invalid_api_key": 401,
    "model_not_found": 404,
}
_REJECTED: Final = 400
_BEFORE_ALL: Final = 0


class _Code(msgspec.Struct):
    code: str | None = None
    type: str | None = None


_CODE: Final = msgspec.json.Decoder(_Code)


def decode_error(wire: Wire, status: int, headers: Headers, body: bytes) -> UpstreamError:
    """The error that an answer with this status means. Never raises."""
    return chat_errors.decode_error(wire.host, status, headers, body)


def error_inside(wire: Wire, error: Raw) -> UpstreamError:
    """The error of a response that failed, or of an event that says so."""
    try:
        found = _CODE.decode(error)
    except (msgspec.DecodeError, UnicodeDecodeError):
        found = _Code()
    code = found.code or ""
    status = _STATUS.get(code)
    if status is None:
        known = _is_callers(code) or found.type == "invalid_request_error"
        status = _REJECTED if known else ANSWERED
    return decode_error(wire, status, {}, b'{"error":%b}' % bytes(error))


def _is_callers(code: str) -> bool:
    """Whether a code speaks of the request: of the prompt, its pictures or a policy."""
    words = ("invalid_", "image_", "empty_image", "unsupported_", "failed_to_download")
    return code.startswith(words) or code.endswith(("_policy", "_violation", "_exceeded"))


def render_error(error: FederationError, call_id: str = "") -> ClientReply:
    """An error as the official clients expect it."""
    return chat_errors.render_error(error, call_id)


def failure_item(error: FederationError) -> dict[str, Any]:
    """The `error` of a response that failed. The API knows only these codes for our case."""
    match error:
        case UpstreamRateLimited() | RateLimited():
            code = "rate_limit_exceeded"
        case CallerError() | UpstreamRejected():
            code = "invalid_prompt"
        case _:
            code = "server_error"
    return {"code": code, "message": error.message}


def error_event(error: FederationError, sequence: int) -> bytes:
    """The event `error` at a place of a stream."""
    found = {
        "type": "error",
        "code": error.code,
        "message": error.message,
        "param": error.param,
        "sequence_number": sequence,
    }
    return b"event: error\ndata: %b\n\n" % msgspec.json.encode(found)


def stream_error(error: FederationError) -> bytes:
    """The event that ends a forwarded stream which broke.

    The number of the last event is not known here, so this one has none that counts. The
    member `error` makes the official clients raise instead of ending quietly.
    """
    details = {
        "type": "server_error" if error.status >= 500 else "invalid_request_error",
        "code": error.code,
        "message": error.message,
        "param": error.param,
    }
    found = {
        **details,
        "type": "error",
        "sequence_number": _BEFORE_ALL,
        "error": details,
    }
    return b"event: error\ndata: %b\n\n" % msgspec.json.encode(found)
