"""Errors in this language, both ways: a provider's into our tree, ours into the client's format.

The type in the body says more than the status, and the message sometimes more than both: an
empty account is a 400 here, and so is a prompt that is too long. An overloaded provider is
529, or an event in a stream whose status was 200.

Reference: https://platform.claude.com/docs/en/api/errors, types.shared of the official SDK
"""

from __future__ import annotations

import math
import re
from typing import Any, Final

import msgspec
from msgspec import Raw

from federation.dialects.anthropic.wire import Wire
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
_LONGEST_BODY: Final = 16_384
_MOST_REMOVED: Final = 50

TYPES: Final = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}
"""Status to the vendor's type."""
_STATUSES: Final = {kind: status for status, kind in TYPES.items() if status != 408}

_SAYS_TOO_LONG: Final = re.compile(
    r"prompt is too long|exceed(?:s|ed)? (?:the )?(?:context|model'?s?) (?:limit|window|maximum)"
    r"|context (?:window|length|limit)|input length and `?max_tokens`? exceed",
    re.IGNORECASE,
)
_SAYS_NO_FUNDS: Final = re.compile(
    r"credit balance is too low|(?:specified )?api usage limits|spend(?:ing)? limit"
    r"|purchase credits|organization has been disabled",
    re.IGNORECASE,
)
_SAYS_MODERATED: Final = re.compile(
    r"content filtering policy|blocked by (?:our )?content|usage polic", re.IGNORECASE
)
_NO_FUNDS: Final = frozenset(
    (
        "contract_spend_limit_reached",
        "enforced_spend_limit_reached",
        "linked_organization_spend_limit_reached",
        "linked_organization_billing_unavailable",
    )
)
_SLOW: Final = frozenset((429, 498, 529))


class _Said(msgspec.Struct):
    """What a provider's error says, wherever it stood."""

    message: str = ""
    kind: str = ""
    code: str = ""


def decode_error(wire: Wire, status: int, headers: Headers, body: bytes) -> UpstreamError:
    """The error that an answer with this status means. Never raises."""
    clean = _scrubbed(wire, body)
    return _classify(wire, status, _read_body(clean), headers, clean)


def error_in_stream(wire: Wire, error: Raw) -> UpstreamError:
    """The error that an event of a stream, or an answer of status 200, holds."""
    clean = _scrubbed(wire, bytes(error))
    said = _read_error(_decoded(clean))
    status = _STATUSES.get(said.kind, 500)
    return _classify(wire, status, said, {}, b'{"type":"error","error":%b}' % clean)


def render_error(error: FederationError, call_id: str = "") -> ClientReply:
    """An error as the official clients expect it, with the headers that they obey."""
    headers = [(b"content-type", b"application/json")]
    if call_id:
        headers.append((b"request-id", call_id.encode()))
        headers.append((b"x-federation-call-id", call_id.encode()))
        headers.append((b"x-federation-attempts", b"%d" % error.attempts))
    if isinstance(error, NotEligible):
        # The official clients retry a 503 by themselves; what rules removed stays removed.
        headers.append((b"x-should-retry", b"false"))
    if error.retry_after_s is not None:
        milliseconds = math.ceil(error.retry_after_s * 1000.0)
        headers.append((b"retry-after", b"%d" % math.ceil(error.retry_after_s)))
        headers.append((b"retry-after-ms", b"%d" % milliseconds))
    return ClientReply(error.status, headers, _rendered(error, call_id))


def stream_error(error: FederationError) -> bytes:
    """An error as an event in a stream whose status was sent long ago."""
    return b"event: error\ndata: %b\n\n" % _rendered(error, error.call_id)


def _rendered(error: FederationError, call_id: str) -> bytes:
    details: dict[str, Any] = {"error_code": error.code}
    if error.param:
        details["param"] = error.param
    if isinstance(error, NotEligible):
        details["removed"] = dict(list(error.removed.items())[:_MOST_REMOVED])
    kind = TYPES.get(error.status)
    if kind is None:
        kind = "api_error" if error.status >= 500 else "invalid_request_error"
    said = {"type": kind, "message": error.message, "details": details}
    return msgspec.json.encode({"type": "error", "error": said, "request_id": call_id or None})


def _classify(wire: Wire, status: int, said: _Said, headers: Headers, body: bytes) -> UpstreamError:
    words = said.message
    if status in wire.unpaid or status == 402 or _is_broke(status, said):
        return _denied(wire, status, "is out of funds or at its spend limit")
    if status in wire.throttles or status in _SLOW or said.kind == "overloaded_error":
        return UpstreamRateLimited(
            f"{wire.deployment} asks to slow down.",
            retry_after_s=read_retry_after(headers, words),
            upstream_status=status,
        )
    moderated = status in (400, 403) and _SAYS_MODERATED.search(words) is not None
    if status == 401 or (status == 403 and not moderated):
        return _denied(wire, status, "refuses our credential")
    if status in (404, 405, 410) or 300 <= status < 400:
        return UpstreamMissing(f"{wire.deployment} is not there any more.", upstream_status=status)
    if status == 504 or (status >= 500 and said.kind == "timeout_error"):
        return UpstreamTimeout(f"{wire.deployment} did not answer in time.", upstream_status=status)
    if status in wire.loading or status in (408, 409, 425) or not 400 <= status < 500:
        return UpstreamFailed(
            f"{wire.deployment} failed with status {status}.",
            retry_after_s=read_retry_after(headers, words),
            upstream_status=status,
        )
    return _rejected(wire, status, said, moderated, body)


def _is_broke(status: int, said: _Said) -> bool:
    if said.kind == "billing_error" or said.code in _NO_FUNDS:
        return True
    return status in (400, 403, 429) and _SAYS_NO_FUNDS.search(said.message) is not None


def _denied(wire: Wire, status: int, problem: str) -> UpstreamDenied:
    return UpstreamDenied(f"{wire.deployment} {problem}.", upstream_status=status)


def _rejected(
    wire: Wire, status: int, said: _Said, moderated: bool, body: bytes
) -> UpstreamRejected:
    code = said.code or said.kind or "upstream_rejected"
    if _SAYS_TOO_LONG.search(said.message):
        code = "context_length_exceeded"
    elif moderated:
        code = "content_filter"
    return UpstreamRejected(
        said.message or f"{wire.deployment} refused the request with status {status}.",
        code=code[:64],
        status=status,
        upstream_status=status,
        body=body[:_LONGEST_BODY],
        content_type=b"application/json",
    )


def _scrubbed(wire: Wire, body: bytes) -> bytes:
    for secret in wire.secrets:
        body = body.replace(secret, b"[credential]")
    return body


def _decoded(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _read_body(body: bytes) -> _Said:
    """From the vendor's object, or from a cloud's that stands before it."""
    found = _decoded(body)
    if isinstance(found, list) and found:
        found = found[0]
    if not isinstance(found, dict):
        return _Said(_short(found))
    error = found.get("error")
    return _read_error(error if error is not None else found)


def _read_error(error: Any) -> _Said:
    if not isinstance(error, dict):
        return _Said(_short(error))
    message = _short(error.get("message") or error.get("Message") or error.get("detail"))
    kind, details = error.get("type") or error.get("status"), error.get("details")
    code = details.get("error_code") if isinstance(details, dict) else error.get("code")
    return _Said(
        message,
        kind if isinstance(kind, str) else "",
        code if isinstance(code, str) else "",
    )


def _short(message: Any) -> str:
    if isinstance(message, str):
        return message[:_LONGEST_MESSAGE]
    return "" if message is None else msgspec.json.encode(message).decode()[:_LONGEST_MESSAGE]
