"""Errors in this language, both ways: an exception's name into our tree, ours into one.

The name of the exception stands in a header, or in the body, sometimes with a namespace
before and an address behind it; in a stream it stands in the frame's headers. The official
clients choose their exception class by that name alone and retry by name and status.

Reference: https://docs.aws.amazon.com/bedrock/latest/userguide/troubleshooting-api-error-codes.html
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from federation.dialects.aws_eventstream import write_frame, write_headers
from federation.dialects.bedrock.wire import Wire
from federation.dialects.error_reply import error_headers, reasons
from federation.dialects.retry_after import read_retry_after
from federation.dialects.upstream_errors import (
    ANSWERED,
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
)
from federation.schema.http import ClientReply, Headers

ID_HEADER: Final = b"x-amzn-requestid"
_THROTTLED: Final = frozenset(
    ("throttling", "throttlingexception", "toomanyrequestsexception", "requestlimitexceeded",
     "servicequotaexceededexception", "limitexceededexception", "provisionedthroughputexceeded")
)  # fmt: skip
_DENIED: Final = frozenset(
    ("accessdeniedexception", "accessdenied", "unrecognizedclientexception", "optinrequired",
     "expiredtokenexception", "expiredtoken", "invalidsignatureexception", "invalidclienttokenid",
     "incompletesignature", "incompletesignatureexception", "signaturedoesnotmatch",
     "missingauthenticationtoken", "missingauthenticationtokenexception", "notauthorized",
     "requestexpired", "invalidaccesskeyid", "unauthorizedexception")
)  # fmt: skip
_MISSING: Final = frozenset(
    ("resourcenotfoundexception", "unknownoperationexception", "modelnotfoundexception")
)
_FAILED: Final = frozenset(
    ("internalserverexception", "internalfailure", "internalserviceexception",
     "serviceunavailableexception", "serviceunavailable", "modelnotreadyexception",
     "modelerrorexception", "modelstreamerrorexception", "conflictexception")
)  # fmt: skip
_LATE: Final = frozenset(("modeltimeoutexception", "requesttimeout", "requesttimeoutexception"))
_REJECTED: Final = frozenset(("validationexception", "validationerror", "serializationexception"))
_STATUSES: Final = {"throttlingexception": 429, "serviceunavailableexception": 503}

_SAYS_MISSING: Final = re.compile(
    r"model identifier is invalid|on-demand throughput isn.t supported|end of its life"
    r"|model (?:is )?not (?:found|supported in)",
    re.IGNORECASE,
)
_SAYS_TOO_LONG: Final = re.compile(
    r"input is too long|too many (?:input )?tokens|prompt is too long|context (?:length|window)"
    r"|exceeds? the (?:maximum|model)",
    re.IGNORECASE,
)

_EXCEPTIONS: Final = {
    401: (403, "AccessDeniedException"),
    402: (403, "AccessDeniedException"),
    403: (403, "AccessDeniedException"),
    404: (404, "ResourceNotFoundException"),
    408: (408, "RequestTimeoutException"),
    429: (429, "ThrottlingException"),
    503: (503, "ServiceUnavailableException"),
    504: (408, "ModelTimeoutException"),
}
"""Our status to the vendor's status and exception; other 4xx are a `ValidationException`,
other 5xx an `InternalServerException`."""

_IN_STREAM: Final = {
    "ThrottlingException": "throttlingException",
    "ServiceUnavailableException": "serviceUnavailableException",
    "ModelTimeoutException": "modelStreamErrorException",
    "InternalServerException": "internalServerException",
}
"""The exceptions that a stream can end with; any other is a `validationException`."""


class _Said(msgspec.Struct):
    message: Any = None
    Message: Any = None
    type: Any = msgspec.field(default=None, name="__type")
    code: Any = None
    error: Any = None


_SAID: Final = msgspec.json.Decoder(_Said)


def decode_error(wire: Wire, status: int, headers: Headers, body: bytes) -> UpstreamError:
    """The error that an answer with this status means. Never raises."""
    body = scrubbed(body, wire.secrets)
    said = _read_body(body)
    name = headers.get(b"x-amzn-errortype", b"").decode("latin-1") or _text(said.type or said.code)
    return _classify(wire, status, _bare(name), _message(said), headers, body)


def exception_in_stream(wire: Wire, name: str, message: str, payload: bytes) -> UpstreamError:
    """The error that an exception frame (or an error frame, with its code) means."""
    body = scrubbed(payload, wire.secrets)
    bare = _bare(name)
    words = _message(_read_body(body)) or scrubbed(message.encode(), wire.secrets).decode()
    status = 400 if bare in _REJECTED else _STATUSES.get(bare, ANSWERED)
    return _classify(wire, status, bare, words, {}, body)


def render_error(error: FederationError, call_id: str = "") -> ClientReply:
    """An error as the official clients expect it, with the headers that they obey."""
    status, name = _exception(error)
    headers = error_headers(error, call_id, id_header=ID_HEADER, milliseconds=False)
    headers.append((b"x-amzn-errortype", name.encode()))
    return ClientReply(status, headers, _rendered(error))


def render_stream_error(error: FederationError) -> bytes:
    """An error as the frame that ends a stream whose status was sent long ago."""
    name = _IN_STREAM.get(_exception(error)[1], "validationException")
    headers = write_headers(
        {
            ":exception-type": name,
            ":content-type": "application/json",
            ":message-type": "exception",
        }
    )
    return write_frame(headers, _rendered(error))


def _exception(error: FederationError) -> tuple[int, str]:
    known = _EXCEPTIONS.get(error.status)
    if known is not None:
        return known
    if error.status >= 500:
        return 500, "InternalServerException"
    return error.status, "ValidationException"


def _rendered(error: FederationError) -> bytes:
    ours = {"code": error.code} | reasons(error)
    return msgspec.json.encode({"message": error.message, "federation": ours})


def _classify(
    wire: Wire, status: int, name: str, message: str, headers: Headers, body: bytes
) -> UpstreamError:
    where = wire.deployment
    if name in _THROTTLED or (status in wire.throttles) or (status == 429 and name not in _FAILED):
        return slow_down(where, status, read_retry_after(headers, message))
    if status in wire.unpaid or status == 402:
        return denied(where, status, "asks for payment")
    if name in _DENIED or (status in (401, 403) and name not in _REJECTED):
        return denied(where, status, "refuses our credential")
    if name in _LATE:
        return late(where, status)
    missing = name in _MISSING or (name in _REJECTED and _SAYS_MISSING.search(message))
    if missing or (not name and status in (404, 405, 410)) or 300 <= status < 400:
        return gone(where, status)
    broken = name in _FAILED or status in wire.loading or status in (408, 409, 424, 425)
    if broken or not 400 <= status < 500:
        return failed(where, status, read_retry_after(headers, message))
    return rejected(
        where,
        status,
        message,
        "context_length_exceeded" if _SAYS_TOO_LONG.search(message) else "upstream_rejected",
        body,
    )


def _read_body(body: bytes) -> _Said:
    try:
        return _SAID.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _Said()


def _message(said: _Said) -> str:
    if isinstance(said.error, dict):
        return _text(said.error.get("message"))
    return _text(said.message or said.Message or said.error)


def _text(value: Any) -> str:
    return short(value) if isinstance(value, str) else ""


def _bare(name: str) -> str:
    """An exception's name without namespace and address, in small letters."""
    return name.partition(":")[0].rpartition("#")[2].strip().lower()
