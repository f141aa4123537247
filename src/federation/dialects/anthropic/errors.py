"""Errors in this language, both ways: a provider's into our tree, ours into the client's format.

The type in the body says more than the status, and the message sometimes more than both: an
empty account is a 400 here, and so is a prompt that is too long. An overloaded provider is
529, or an event in a stream whose status was 200.

Reference: https://platform.claude.com/docs/en/api/errors, types.shared of the official SDK
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec
from msgspec import Raw

from federation.dialects.anthropic.wire import Wire
from federation.dialects.error_reply import error_headers, reasons, should_retry
from federation.dialects.retry_after import read_retry_after
from federation.dialects.upstream_errors import (
    ANSWERED,
    decoded,
    denied,
    failed,
    gone,
    late,
    rejected,
    scrubbed,
    short,
    slow_down,
)
from federation.errors import (
    FederationError,
    UpstreamError,
    UpstreamRejected,
)
from federation.schema.http import ClientReply, Headers

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
ID_HEADER: Final = b"request-id"
_SLOW: Final = frozenset((429, 498, 529))


class _Said(msgspec.Struct):
    """What a provider's error says, wherever it stood."""

    message: str = ""
    kind: str = ""
    code: str = ""


def decode_error(wire: Wire, status: int, headers: Headers, body: bytes) -> UpstreamError:
    """The error that an answer with this status means. Never raises."""
    clean = scrubbed(body, wire.secrets)
    return _classify(wire, status, _read_body(clean), headers, clean)


def error_in_stream(wire: Wire, error: Raw) -> UpstreamError:
    """The error that an event of a stream, or an answer of status 200, holds."""
    clean = scrubbed(bytes(error), wire.secrets)
    said = _read_error(decoded(clean))
    status = _STATUSES.get(said.kind, ANSWERED)
    return _classify(wire, status, said, {}, b'{"type":"error","error":%b}' % clean)


def render_error(error: FederationError, call_id: str = "") -> ClientReply:
    """An error as the official clients expect it, with the headers that they obey."""
    headers = error_headers(error, call_id, id_header=ID_HEADER)
    headers += should_retry(error)
    return ClientReply(error.status, headers, _rendered(error, call_id))


def stream_error(error: FederationError) -> bytes:
    """An error as an event in a stream whose status was sent long ago."""
    return b"event: error\ndata: %b\n\n" % _rendered(error, error.call_id)


def _rendered(error: FederationError, call_id: str) -> bytes:
    details = {"error_code": error.code} | reasons(error)
    kind = TYPES.get(error.status)
    if kind is None:
        kind = "api_error" if error.status >= 500 else "invalid_request_error"
    said = {"type": kind, "message": error.message, "details": details}
    return msgspec.json.encode({"type": "error", "error": said, "request_id": call_id or None})


def _classify(wire: Wire, status: int, said: _Said, headers: Headers, body: bytes) -> UpstreamError:
    words = said.message
    if status in wire.unpaid or status == 402 or _is_broke(status, said):
        return denied(wire.deployment, status, "is out of funds or at its spend limit")
    if status in wire.throttles or status in _SLOW or said.kind == "overloaded_error":
        return slow_down(wire.deployment, status, read_retry_after(headers, words))
    moderated = status in (400, 403) and _SAYS_MODERATED.search(words) is not None
    if status == 401 or (status == 403 and not moderated):
        return denied(wire.deployment, status, "refuses our credential")
    if status in (404, 405, 410) or 300 <= status < 400:
        return gone(wire.deployment, status)
    if status == 504 or (status >= 500 and said.kind == "timeout_error"):
        return late(wire.deployment, status)
    if status in wire.loading or status in (408, 409, 425) or not 400 <= status < 500:
        return failed(wire.deployment, status, read_retry_after(headers, words))
    return _rejected(wire, status, said, moderated, body)


def _is_broke(status: int, said: _Said) -> bool:
    if said.kind == "billing_error" or said.code in _NO_FUNDS:
        return True
    return status in (400, 403, 429) and _SAYS_NO_FUNDS.search(said.message) is not None


def _rejected(
    wire: Wire, status: int, said: _Said, moderated: bool, body: bytes
) -> UpstreamRejected:
    code = said.code or said.kind or "upstream_rejected"
    if _SAYS_TOO_LONG.search(said.message):
        code = "context_length_exceeded"
    elif moderated:
        code = "content_filter"
    return rejected(wire.deployment, status, said.message, code, body)


def _read_body(body: bytes) -> _Said:
    """From the vendor's object, or from a cloud's that stands before it."""
    found = decoded(body)
    if isinstance(found, list) and found:
        found = found[0]
    if not isinstance(found, dict):
        return _Said(short(found))
    error = found.get("error")
    return _read_error(error if error is not None else found)


def _read_error(error: Any) -> _Said:
    if not isinstance(error, dict):
        return _Said(short(error))
    message = short(error.get("message") or error.get("Message") or error.get("detail"))
    kind, details = error.get("type") or error.get("status"), error.get("details")
    code = details.get("error_code") if isinstance(details, dict) else error.get("code")
    return _Said(
        message,
        kind if isinstance(kind, str) else "",
        code if isinstance(code, str) else "",
    )
