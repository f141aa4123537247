"""Errors in this language, both ways: a provider's into our tree, ours into the client's format.

A status says little by itself: the same 400 is a bad request, a wrong key at one host and a
refused prompt at another, and a host that answers 200 may hold an error inside. The code
and the message decide where they are known to mean something.

Reference: https://platform.openai.com/docs/guides/error-codes
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec
from msgspec import Raw

from federation.dialects.error_reply import error_headers, reasons, should_retry
from federation.dialects.openai.wire import Wire
from federation.dialects.retry_after import read_retry_after
from federation.dialects.upstream_errors import (
    ANSWERED,
    LONGEST_BODY,
    decoded,
    denied,
    failed,
    gone,
    rejected,
    scrubbed,
    short,
    slow_down,
)
from federation.errors import (
    BudgetExceeded,
    FederationError,
    NotEligible,
    RateLimited,
    UpstreamError,
    UpstreamRejected,
)
from federation.schema.http import ClientReply, Headers

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

_BODY_STATUS: Final = {
    1002: 429,  # requests per minute
    1004: 401,
    1008: 402,
    1026: 403,  # the prompt was moderated
    1027: 403,  # the answer was
    1039: 429,  # tokens per minute
    1041: 429,  # connections
    1042: 400,
    2013: 400,
    2045: 429,  # too steep a rise
    2049: 401,
    2056: 429,  # the plan's window is used up
}
"""`base_resp.status_code` of the host that answers errors with 200, as the status it means. What
is not listed is a failure of the host.

Reference: https://platform.minimax.io/docs/api-reference/errorcode"""


class _Said(msgspec.Struct):
    """What a provider's error says, wherever it stood."""

    message: str = ""
    code: str = ""
    kind: str = ""
    param: str | None = None
    status: int = 0


def decode_error(wire: Wire, status: int, headers: Headers, body: bytes) -> UpstreamError:
    """The error that an answer with this status means. Never raises."""
    said = _read_body(scrubbed(body, wire.secrets))
    return _classify(wire, status, said, headers, body)


def error_in_answer(wire: Wire, error: Raw, base_resp: Raw, body: bytes) -> UpstreamError | None:
    """The error that stands inside an answer of status 200 or a stream, if there is one."""
    text = scrubbed(bytes(error), wire.secrets)
    found = decoded(text)
    if found:
        said = _read_error(found)
        return _classify(wire, said.status or ANSWERED, said, {}, b'{"error":%b}' % text)
    found = decoded(scrubbed(bytes(base_resp), wire.secrets))
    number = found.get("status_code") if isinstance(found, dict) else None
    if not isinstance(number, int) or number == 0:
        return None
    said = _Said(message=short(found.get("status_msg")), code=str(number))
    if number in (1026, 1027):
        said.code = "content_filter"
    return _classify(wire, _BODY_STATUS.get(number, ANSWERED), said, {}, body)


def render_error(error: FederationError, call_id: str = "") -> ClientReply:
    """An error as the official clients expect it, with the headers that they obey."""
    headers = error_headers(error, call_id)
    headers += should_retry(error)
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
    elif isinstance(error, NotEligible | BudgetExceeded | RateLimited):
        details |= reasons(error)
    return msgspec.json.encode({"error": details})


def _type_of(status: int) -> str:
    return "server_error" if status >= 500 else "invalid_request_error"


def _handed_on(body: bytes) -> dict[str, Any]:
    """The provider's own words about a request that it refused, where they are in our form."""
    found = decoded(body) if len(body) <= LONGEST_BODY else None
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
            return denied(wire.deployment, status, "has no funds left")
        return slow_down(wire.deployment, status, read_retry_after(headers, words))
    if status in wire.unpaid or status == 402:
        return denied(wire.deployment, status, "asks for payment")
    moderated = codes & _MODERATED or (status in (400, 403) and _SAYS_MODERATED.search(words))
    if status == 401 or codes & _BAD_KEY or (status == 400 and _SAYS_BAD_KEY.search(words)):
        return denied(wire.deployment, status, "refuses our credential")
    if status == 403 and not moderated:
        return denied(wire.deployment, status, "refuses our credential")
    if status in (404, 405, 410) or codes & _NO_MODEL or 300 <= status < 400:
        return gone(wire.deployment, status)
    if status in wire.loading or status in (408, 409, 425) or not 400 <= status < 500:
        return failed(wire.deployment, status, read_retry_after(headers, words))
    return _rejected(wire, status, said, bool(moderated), body)


def _rejected(
    wire: Wire, status: int, said: _Said, moderated: bool, body: bytes
) -> UpstreamRejected:
    codes = {said.code.lower(), said.kind.lower()}
    code = said.code or said.kind or "upstream_rejected"
    if codes & _TOO_LONG or _SAYS_TOO_LONG.search(said.message):
        code = "context_length_exceeded"
    elif moderated and not codes & _MODERATED:
        code = "content_filter"
    return rejected(
        wire.deployment, status, said.message, code, scrubbed(body, wire.secrets), said.param
    )


def _read_body(body: bytes) -> _Said:
    found = decoded(body)
    if isinstance(found, list) and found:
        found = found[0]
    if not isinstance(found, dict):
        return _Said()
    error = found.get("error")
    if error is None or error is True:
        error = found
    said = _read_error(error)
    return said if said.message else _Said(short(found.get("message")), said.code, said.kind)


def _read_error(error: Any) -> _Said:
    """From an error object, a bare string, or the validation list of a Python server."""
    if not isinstance(error, dict):
        return _Said(short(error))
    message = error.get("message") or error.get("msg") or error.get("detail")
    inner = error.get("metadata")
    if isinstance(inner, dict) and inner.get("reasons"):
        return _Said(short(message), "moderation", status=_status(error.get("code")))
    code, kind, param = error.get("code"), error.get("type"), error.get("param")
    return _Said(
        short(message),
        code if isinstance(code, str) else "",
        kind if isinstance(kind, str) else str(error.get("status") or ""),
        param if isinstance(param, str) else None,
        _status(code),
    )


def _status(code: Any) -> int:
    number = int(code) if isinstance(code, str) and code.isdecimal() and len(code) == 3 else code
    return number if isinstance(number, int) and 400 <= number < 600 else 0
