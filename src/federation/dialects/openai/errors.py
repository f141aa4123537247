"""Errors in this language, both ways: a provider's into our tree, ours into the client's format.

A status says little by itself: the same 400 is a bad request, a wrong key at one host and a
refused prompt at another, and a host that answers 200 may hold an error inside. The code
and the message decide where they are known to mean something.

Reference: https://platform.openai.com/docs/guides/error-codes
"""

from __future__ import annotations

import math
import re
from typing import Any, Final

import msgspec
from msgspec import Raw

from federation.dialects.openai.wire import Wire
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
)
from federation.schema.http import ClientReply, Headers

_LONGEST_MESSAGE: Final = 4096
_LONGEST_DETAILS: Final = 16_384
_MOST_REMOVED: Final = 50

_TYPES: Final = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "insufficient_quota",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    429: "rate_limit_error",
    504: "timeout_error",
}

_NO_FUNDS: Final = frozenset(
    (
        "insufficient_quota",
        "billing_hard_limit_reached",
        "billing_not_active",
        "insufficient_balance",
    )
)
_BAD_KEY: Final = frozenset(("invalid_api_key", "api_key_invalid", "account_deactivated"))
_NO_MODEL: Final = frozenset(
    ("model_not_found", "model_decommissioned", "model_not_available", "deploymentnotfound")
)
_MODERATED: Final = frozenset(
    ("content_filter", "content_policy_violation", "moderation", "moderation_blocked",
     "responsibleaipolicyviolation", "data_inspection_failed", "content_blocked")
)  # fmt: skip
_TOO_LONG: Final = frozenset(("context_length_exceeded", "string_above_max_length"))

_SAYS_BAD_KEY = re.compile(
    r"(?:incorrect|invalid|not a valid) api[ _-]?key|api key not valid", re.IGNORECASE
)
_SAYS_MODERATED = re.compile(
    r"content (?:management )?polic|content filter|moderation|flagged", re.IGNORECASE
)
_SAYS_TOO_LONG = re.compile(
    r"maximum context length|context (?:length|window|size)|prompt is too long|too many tokens"
    r"|input is too long|exceeds? the (?:maximum|max) (?:number of )?tokens",
    re.IGNORECASE,
)

_BODY_STATUS: Final = {1002: 429, 1004: 401, 1008: 402, 1039: 400, 2013: 400, 1026: 403, 1027: 403}
"""`base_resp.status_code` of the host that answers errors with 200, as the status it means."""


class _Said(msgspec.Struct):
    """What a provider's error says, wherever it stood."""

    message: str = ""
    code: str = ""
    kind: str = ""
    param: str | None = None
    status: int = 0


def decode_error(wire: Wire, status: int, headers: Headers, body: bytes) -> UpstreamError:
    """The error that an answer with this status means. Never raises."""
    said = _read_body(_scrubbed(wire, body))
    return _classify(wire, status, said, headers, body)


def error_in_answer(wire: Wire, error: Raw, base_resp: Raw, body: bytes) -> UpstreamError | None:
    """The error that stands inside an answer of status 200 or a stream, if there is one."""
    text = _scrubbed(wire, bytes(error))
    found = _decoded(text)
    if found:
        said = _read_error(found)
        return _classify(wire, said.status or 500, said, {}, b'{"error":%b}' % text)
    found = _decoded(bytes(base_resp))
    number = found.get("status_code") if isinstance(found, dict) else None
    if not isinstance(number, int) or number == 0:
        return None
    said = _Said(message=_short(found.get("status_msg")), code=str(number))
    if number in (1026, 1027):
        said.code = "content_filter"
    return _classify(wire, _BODY_STATUS.get(number, 500), said, {}, body)


def render_error(error: FederationError, call_id: str = "") -> ClientReply:
    """An error as the official clients expect it, with the headers that they obey."""
    headers = [(b"content-type", b"application/json")]
    if call_id:
        headers.append((b"x-request-id", call_id.encode()))
        headers.append((b"x-federation-call-id", call_id.encode()))
        headers.append((b"x-federation-attempts", b"%d" % error.attempts))
    if isinstance(error, NotEligible):
        # The official clients retry a 503 by themselves; what rules removed stays removed.
        headers.append((b"x-should-retry", b"false"))
    if error.retry_after_s is not None:
        milliseconds = math.ceil(error.retry_after_s * 1000.0)
        headers.append((b"retry-after", b"%d" % math.ceil(error.retry_after_s)))
        headers.append((b"retry-after-ms", b"%d" % milliseconds))
    return ClientReply(error.status, headers, _rendered(error))


def render_stream_error(error: FederationError) -> bytes:
    """An error as an event in a stream whose status was sent long ago."""
    return b"data: %b\n\n" % _rendered(error)


def _rendered(error: FederationError) -> bytes:
    details: dict[str, Any] = {
        "message": error.message,
        "type": _TYPES.get(error.status) or _type_of(error.status),
        "param": error.param,
        "code": error.code,
    }
    if isinstance(error, UpstreamRejected):
        details |= _handed_on(error.body) | {"code": error.code}
    elif isinstance(error, NotEligible):
        details["removed"] = dict(list(error.removed.items())[:_MOST_REMOVED])
    return msgspec.json.encode({"error": details})


def _type_of(status: int) -> str:
    return "server_error" if status >= 500 else "invalid_request_error"


def _handed_on(body: bytes) -> dict[str, Any]:
    """The provider's own words about a request that it refused, where they are in our form."""
    found = _decoded(body) if len(body) <= _LONGEST_DETAILS else None
    details = found.get("error") if isinstance(found, dict) else None
    if not isinstance(details, dict) or not isinstance(details.get("message"), str):
        return {}
    return {
        name: value
        for name, value in details.items()
        if name not in ("code", "param", "type") or isinstance(value, str)
    }


def _classify(wire: Wire, status: int, said: _Said, headers: Headers, body: bytes) -> UpstreamError:
    codes = {said.code.lower(), said.kind.lower()}
    words = said.message
    if status in wire.throttles or status in (429, 498, 529):
        if codes & _NO_FUNDS:
            return _denied(wire, status, "has no funds left")
        return UpstreamRateLimited(
            f"{wire.deployment} asks to slow down.",
            retry_after_s=read_retry_after(headers, words),
            upstream_status=status,
        )
    if status in wire.unpaid or status == 402:
        return _denied(wire, status, "asks for payment")
    moderated = codes & _MODERATED or (status in (400, 403) and _SAYS_MODERATED.search(words))
    if status == 401 or codes & _BAD_KEY or (status == 400 and _SAYS_BAD_KEY.search(words)):
        return _denied(wire, status, "refuses our credential")
    if status == 403 and not moderated:
        return _denied(wire, status, "refuses our credential")
    if status in (404, 405, 410) or codes & _NO_MODEL or 300 <= status < 400:
        return UpstreamMissing(f"{wire.deployment} is not there any more.", upstream_status=status)
    if status in wire.loading or status in (408, 409, 425) or not 400 <= status < 500:
        return UpstreamFailed(
            f"{wire.deployment} failed with status {status}.",
            retry_after_s=read_retry_after(headers, words),
            upstream_status=status,
        )
    return _rejected(wire, status, said, bool(moderated), body)


def _denied(wire: Wire, status: int, problem: str) -> UpstreamDenied:
    return UpstreamDenied(f"{wire.deployment} {problem}.", upstream_status=status)


def _rejected(
    wire: Wire, status: int, said: _Said, moderated: bool, body: bytes
) -> UpstreamRejected:
    codes = {said.code.lower(), said.kind.lower()}
    code = said.code or said.kind or "upstream_rejected"
    if codes & _TOO_LONG or _SAYS_TOO_LONG.search(said.message):
        code = "context_length_exceeded"
    elif moderated and not codes & _MODERATED:
        code = "content_filter"
    return UpstreamRejected(
        said.message or f"{wire.deployment} refused the request with status {status}.",
        code=code[:64],
        param=said.param,
        status=status,
        upstream_status=status,
        body=_scrubbed(wire, body)[:_LONGEST_DETAILS],
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
    found = _decoded(body)
    if isinstance(found, list) and found:
        found = found[0]
    if not isinstance(found, dict):
        return _Said()
    error = found.get("error")
    if error is None or error is True:
        error = found
    said = _read_error(error)
    return said if said.message else _Said(_short(found.get("message")), said.code, said.kind)


def _read_error(error: Any) -> _Said:
    """From an error object, a bare string, or the validation list of a Python server."""
    if not isinstance(error, dict):
        return _Said(_short(error))
    message = error.get("message") or error.get("msg") or error.get("detail")
    inner = error.get("metadata")
    if isinstance(inner, dict) and inner.get("reasons"):
        return _Said(_short(message), "moderation", status=_status(error.get("code")))
    code, kind, param = error.get("code"), error.get("type"), error.get("param")
    return _Said(
        _short(message),
        code if isinstance(code, str) else "",
        kind if isinstance(kind, str) else str(error.get("status") or ""),
        param if isinstance(param, str) else None,
        _status(code),
    )


def _status(code: Any) -> int:
    number = int(code) if isinstance(code, str) and code.isdecimal() and len(code) == 3 else code
    return number if isinstance(number, int) and 400 <= number < 600 else 0


def _short(message: Any) -> str:
    if isinstance(message, str):
        return message[:_LONGEST_MESSAGE]
    return "" if message is None else msgspec.json.encode(message).decode()[:_LONGEST_MESSAGE]
