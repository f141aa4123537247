"""Errors in this language, both ways: `google.rpc.Status` in an `error` member.

A status says little by itself: a wrong key is a 400, and so is a country that is not served
or an account without billing. The reason stands in `details`, and so does how long to wait.
A stream that is no server-sent events answers an error inside of an array.

Reference: https://ai.google.dev/gemini-api/docs/troubleshooting and
https://cloud.google.com/apis/design/errors
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from federation.dialects.error_reply import budget, error_headers, removed
from federation.dialects.gemini.wire import Wire
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
    UpstreamError,
    UpstreamRejected,
)
from federation.schema.http import ClientReply, Headers

_LONGEST_WAIT_S: Final = 86_400.0
_TYPE: Final = "type.googleapis.com/google.rpc."

STATUSES: Final = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    402: "FAILED_PRECONDITION",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    405: "UNIMPLEMENTED",
    408: "DEADLINE_EXCEEDED",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_CODES: Final = {name: status for status, name in reversed(STATUSES.items())} | {
    "DEADLINE_EXCEEDED": 504,
    "UNAVAILABLE": 503,
    "FAILED_PRECONDITION": 400,
    "OUT_OF_RANGE": 400,
    "ALREADY_EXISTS": 409,
    "UNKNOWN": 500,
    "DATA_LOSS": 500,
}

_BAD_KEY: Final = re.compile(r"API_?KEY|CREDENTIAL|ACCESS_TOKEN|CONSUMER_|BILLING|SERVICE_DISABLED")
_SAYS_BAD_KEY: Final = re.compile(
    r"api key (?:not valid|expired|not found|was reported)|pass a valid api key"
    r"|billing|location is not supported|free tier is not available",
    re.IGNORECASE,
)
_SAYS_NO_FUNDS: Final = re.compile(
    r"prepa(?:id|yment)|credits? (?:are|is|have been|has been) (?:depleted|exhausted)"
    r"|insufficient (?:funds|balance)|billing account",
    re.IGNORECASE,
)
_SAYS_TOO_LONG: Final = re.compile(
    r"token count[^.]{0,40}exceeds|exceeds the maximum number of (?:input )?tokens"
    r"|input context is too long|maximum context length",
    re.IGNORECASE,
)
_SAYS_MODERATED: Final = re.compile(
    r"prohibited (?:use|content)|safety (?:polic|filter)|usage guidelines", re.IGNORECASE
)
_DELAY: Final = re.compile(r"(\d+(?:\.\d+)?)s")


class _Said(msgspec.Struct):
    """What a provider's error says."""

    message: str = ""
    status: str = ""
    code: int = 0
    reasons: tuple[str, ...] = ()
    param: str | None = None
    delay_s: float | None = None


def decode_error(wire: Wire, status: int, headers: Headers, body: bytes) -> UpstreamError:
    """The error that an answer with this status means. Never raises."""
    clean = scrubbed(body, wire.secrets)
    return _classify(wire, status, _read(_error_of(decoded(clean))), headers, clean)


def error_in_answer(wire: Wire, body: bytes) -> UpstreamError | None:
    """The error that stands inside an answer of status 200 or an event, if there is one."""
    clean = scrubbed(body, wire.secrets)
    found = _error_of(decoded(clean))
    if not found:
        return None
    said = _read(found)
    return _classify(wire, said.code or _CODES.get(said.status, ANSWERED), said, {}, clean)


def render_error(error: FederationError, call_id: str = "") -> ClientReply:
    """An error as the official clients expect it."""
    headers = error_headers(
        error, call_id, kind=b"application/json; charset=UTF-8", milliseconds=False
    )
    return ClientReply(error.status, headers, rendered(error))


def render_stream_error(error: FederationError) -> bytes:
    """An error as an event in a stream whose status was sent long ago."""
    return b"data: %b\r\n\r\n" % rendered(error)


def rendered(error: FederationError) -> bytes:
    """The error's JSON. It begins with the member by which official clients know an error
    among the events of a stream."""
    said: dict[str, Any] = {
        "code": error.status,
        "message": error.message,
        "status": STATUSES.get(error.status) or _family(error.status),
    }
    said["details"] = _handed_on(error) or _details(error)
    return msgspec.json.encode({"error": said})


def _family(status: int) -> str:
    return "INTERNAL" if status >= 500 else "INVALID_ARGUMENT"


def _details(error: FederationError) -> list[dict[str, Any]]:
    info: dict[str, Any] = {
        "@type": f"{_TYPE}ErrorInfo",
        "reason": error.code.upper(),
        "domain": "federation",
    }
    if isinstance(error, NotEligible):
        info["metadata"] = removed(error)
    elif isinstance(error, BudgetExceeded):
        info["metadata"] = budget(error)
    details = [info]
    if error.param:
        fields = [{"field": error.param, "description": error.message}]
        details.append({"@type": f"{_TYPE}BadRequest", "fieldViolations": fields})
    if error.retry_after_s is not None:
        delay = f"{error.retry_after_s:.3f}".rstrip("0").rstrip(".")
        details.append({"@type": f"{_TYPE}RetryInfo", "retryDelay": f"{delay}s"})
    return details


def _handed_on(error: FederationError) -> list[Any] | None:
    """The provider's own details of a request that it refused, where they are in our form."""
    if not isinstance(error, UpstreamRejected) or len(error.body) > LONGEST_BODY:
        return None
    details = _error_of(decoded(error.body)).get("details")
    return details if isinstance(details, list) and details else None


def _classify(wire: Wire, status: int, said: _Said, headers: Headers, body: bytes) -> UpstreamError:
    words = said.message
    wait_s = said.delay_s if said.delay_s is not None else read_retry_after(headers, words)
    if status == 429 or status in wire.throttles or said.status == "RESOURCE_EXHAUSTED":
        if _SAYS_NO_FUNDS.search(words):
            return denied(wire.deployment, status, "has no funds left")
        return slow_down(wire.deployment, status, wait_s)
    if status == 402 or status in wire.unpaid:
        return denied(wire.deployment, status, "asks for payment")
    if status == 401 or (status in (400, 403) and _is_ours(status, said)):
        return denied(wire.deployment, status, "refuses our credential")
    if status in (404, 405, 410) or 300 <= status < 400:
        return gone(wire.deployment, status)
    if status in (408, 409, 425, 499) or not 400 <= status < 500:
        return failed(wire.deployment, status, wait_s)
    return _rejected(wire, status, said, body)


def _is_ours(status: int, said: _Said) -> bool:
    """Whether the refusal is about our account and not about the request."""
    if any(_BAD_KEY.search(reason) for reason in said.reasons):
        return True
    if _SAYS_MODERATED.search(said.message):
        return False
    return status == 403 or _SAYS_BAD_KEY.search(said.message) is not None


def _rejected(wire: Wire, status: int, said: _Said, body: bytes) -> UpstreamRejected:
    code = said.status.lower() or "upstream_rejected"
    if _SAYS_TOO_LONG.search(said.message):
        code = "context_length_exceeded"
    elif _SAYS_MODERATED.search(said.message):
        code = "content_filter"
    return rejected(wire.deployment, status, said.message, code, body, said.param)


def _error_of(found: Any) -> dict[str, Any]:
    """The error in a body or in an array of them; empty where there is none."""
    if isinstance(found, list):
        found = next((one for one in found if isinstance(one, dict) and one.get("error")), None)
    error = found.get("error") if isinstance(found, dict) else None
    if isinstance(error, str) and error:
        return {"message": error}
    return error if isinstance(error, dict) else {}


def _read(error: dict[str, Any]) -> _Said:
    message, status, code = error.get("message"), error.get("status"), error.get("code")
    if isinstance(message, str) and message.lstrip()[:1] == "{":
        # A gateway of the vendor puts the whole error of another into the message.
        inner = _error_of(decoded(message.encode("utf-8", "replace")))
        message = inner.get("message", message)
    said = _Said(
        short(message) if isinstance(message, str) else "",
        status if isinstance(status, str) else "",
        code if isinstance(code, int) and 400 <= code < 600 else 0,
    )
    details = error.get("details")
    for detail in details if isinstance(details, list) else ():
        if isinstance(detail, dict):
            _read_detail(detail, said)
    return said


def _read_detail(detail: dict[str, Any], said: _Said) -> None:
    reason, delay = detail.get("reason"), detail.get("retryDelay")
    if isinstance(reason, str):
        said.reasons += (reason.upper(),)
    if isinstance(delay, str) and (match := _DELAY.fullmatch(delay)):
        said.delay_s = min(float(match[1]), _LONGEST_WAIT_S)
    violations = detail.get("fieldViolations")
    if isinstance(violations, list) and violations and isinstance(violations[0], dict):
        field = violations[0].get("field")
        said.param = field[:256] if isinstance(field, str) and field else said.param
