"""Errors in this language, both ways: a provider's into our tree, ours into the client's format.

An error is one text, as the answer or as a line in a stream that had begun.

Reference: https://docs.ollama.com/api/errors
"""

from __future__ import annotations

import re

import msgspec
from msgspec import Raw

from federation.dialects.error_reply import error_headers, reasons
from federation.dialects.ollama.wire import Wire
from federation.dialects.upstream_errors import (
    by_status,
    decoded,
    gone,
    rejected,
    scrubbed,
    short,
)
from federation.errors import (
    FederationError,
    UpstreamError,
    UpstreamFailed,
)
from federation.schema.http import ClientReply, Headers

_SAYS_NO_MODEL = re.compile(r"model .{0,200}not found|try pulling it", re.IGNORECASE)
_SAYS_TOO_LONG = re.compile(
    r"context (?:length|size|window)|prompt is too long|input length exceeds", re.IGNORECASE
)


def decode_error(wire: Wire, status: int, headers: Headers, body: bytes) -> UpstreamError:
    """The error that an answer with this status means. Never raises."""
    body = scrubbed(body, wire.secrets)
    said = _message(body)
    found = by_status(
        wire,
        status,
        headers,
        said,
        bad_key=False,
        no_model=_SAYS_NO_MODEL.search(said) is not None,
    )
    if found is not None:
        return found
    too_long = _SAYS_TOO_LONG.search(said)
    return rejected(
        wire.deployment,
        status,
        said,
        "context_length_exceeded" if too_long else "upstream_rejected",
        body,
    )


def error_in_answer(wire: Wire, error: Raw) -> UpstreamError:
    """The failure that an answer of status 200 or a line of a stream reports."""
    if _SAYS_NO_MODEL.search(_message(b'{"error":%b}' % bytes(error))):
        return gone(wire.deployment, 200)
    return UpstreamFailed(f"{wire.deployment} failed while it answered.", upstream_status=200)


def _message(body: bytes) -> str:
    found = decoded(body)
    value = found.get("error") if isinstance(found, dict) else None
    if isinstance(value, dict):
        value = value.get("message", value)
    return short(value)


def render_error(error: FederationError, call_id: str = "") -> ClientReply:
    """An error as the official clients expect it: a text, with our code beside it."""
    headers = error_headers(error, call_id)
    return ClientReply(error.status, headers, _rendered(error))


def stream_error(error: FederationError) -> bytes:
    """An error as the line that ends a stream whose status was sent long ago."""
    return _rendered(error) + b"\n"


def _rendered(error: FederationError) -> bytes:
    details = {"error": error.message, "code": error.code} | reasons(error)
    return msgspec.json.encode(details)
