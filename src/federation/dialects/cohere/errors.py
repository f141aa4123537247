"""Errors in this language, both ways: a provider's into our tree, ours into the client's format.

Two statuses mean something else than at other vendors: 498 says that a token on a deny list
stands in the prompt or the answer, 499 that the call was cancelled. The body is a message and
nothing more, so what went wrong is read off its words where the status leaves it open.

Reference: https://docs.cohere.com/reference/errors
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from federation.dialects.cohere.wire import Wire
from federation.dialects.error_reply import error_headers, reasons
from federation.dialects.upstream_errors import (
    by_status,
    decoded,
    rejected,
    scrubbed,
    short,
)
from federation.errors import (
    FederationError,
    UpstreamError,
    UpstreamFailed,
    UpstreamRejected,
    UpstreamTimeout,
)
from federation.schema.http import ClientReply, Headers

_DENIED_TOKEN: Final = 498

_SAYS_BAD_KEY = re.compile(r"invalid api (?:token|key)|no api key", re.IGNORECASE)
_SAYS_NO_MODEL = re.compile(r"model .{0,200}(?:not found|was removed|retired)", re.IGNORECASE)
_SAYS_TOO_LONG = re.compile(r"too many tokens|maximum context|context length", re.IGNORECASE)
_SAYS_MODERATED = re.compile(r"blocked (?:input|output|prompt)|deny-?list|toxic", re.IGNORECASE)


def decode_error(wire: Wire, status: int, headers: Headers, body: bytes) -> UpstreamError:
    """The error that an answer with this status means. Never raises."""
    body = scrubbed(body, wire.secrets)
    said = _message(body)
    found = by_status(
        wire,
        status,
        headers,
        said,
        bad_key=_SAYS_BAD_KEY.search(said) is not None,
        no_model=_SAYS_NO_MODEL.search(said) is not None,
    )
    if found is not None:
        return found
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
    return rejected(wire.deployment, status, said, code, body)


def _message(body: bytes) -> str:
    found = decoded(body)
    if not isinstance(found, dict):
        return ""
    values = (found.get(name) for name in ("message", "detail", "error"))
    return short(next((value for value in values if value is not None), None))


def render_error(error: FederationError, call_id: str = "") -> ClientReply:
    """An error as the official clients expect it: an id and a message, and our code beside."""
    headers = error_headers(error, call_id)
    details: dict[str, Any] = {"id": call_id} if call_id else {}
    details |= {"message": error.message, "code": error.code} | reasons(error)
    return ClientReply(error.status, headers, msgspec.json.encode(details))


def stream_error(error: FederationError) -> bytes:
    """An error as the event that ends a stream whose status was sent long ago."""
    end = {
        "type": "message-end",
        "delta": {"finish_reason": "ERROR", "error": error.message, "code": error.code},
    }
    return b"event: message-end\ndata: %b\n\n" % msgspec.json.encode(end)
