"""Errors in the words of languages for which only other operations are spoken here.

Each is one object: `{"message"}`, `{"detail"}`, `{"error": text}` or Google's status object. The
headers are those that every face sends.
"""

from __future__ import annotations

import math
from typing import Any, Final

import msgspec

from federation.dialects.openai.errors import render_error as render_openai
from federation.errors import FederationError
from federation.schema.http import ClientReply

_STATUS_WORDS: Final = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


def as_message(error: FederationError, call_id: str = "") -> ClientReply:
    """`{"message": ...}`, as Cohere's clients read it."""
    return _reply(error, call_id, {"message": error.message, "code": error.code})


def as_detail(error: FederationError, call_id: str = "") -> ClientReply:
    """`{"detail": ...}`, as Jina's and Voyage's clients read it."""
    return _reply(error, call_id, {"detail": error.message, "code": error.code})


def as_error_text(error: FederationError, call_id: str = "") -> ClientReply:
    """`{"error": "..."}`, as Ollama's clients read it."""
    return _reply(error, call_id, {"error": error.message, "code": error.code})


def as_status(error: FederationError, call_id: str = "") -> ClientReply:
    """Google's status object, with a `RetryInfo` where we know when to come back."""
    word = _STATUS_WORDS.get(
        error.status, "INTERNAL" if error.status >= 500 else "INVALID_ARGUMENT"
    )
    details: list[dict[str, Any]] = [
        {
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": error.code.upper(),
            "domain": "federation",
        }
    ]
    if error.retry_after_s is not None:
        details.append(
            {
                "@type": "type.googleapis.com/google.rpc.RetryInfo",
                "retryDelay": f"{math.ceil(error.retry_after_s)}s",
            }
        )
    status = {"code": error.status, "message": error.message, "status": word, "details": details}
    return _reply(error, call_id, {"error": status})


def _reply(error: FederationError, call_id: str, body: dict[str, Any]) -> ClientReply:
    reply = render_openai(error, call_id)
    reply.body = msgspec.json.encode(body)
    return reply
