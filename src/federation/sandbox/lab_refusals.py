"""What the lab says where it gives no answer: each language's own shape of a refusal.

References: https://platform.openai.com/docs/guides/error-codes,
https://docs.anthropic.com/en/api/errors, https://ai.google.dev/gemini-api/docs/troubleshooting
and, for prompts that a filter stops, https://ai.google.dev/api/generate-content#promptfeedback
"""

from __future__ import annotations

from typing import Final

import msgspec

from federation.errors import FederationError, InvalidRequest
from federation.sandbox import replies
from federation.sandbox.asking import Asked
from federation.sandbox.lab_plays import STATUS, Play
from federation.sandbox.lab_voices import REFUSE, Voice, continuation
from federation.schema.http import ClientReply

_EVENT_NAMES: Final = {"anthropic": b"event: error\n", "openai_responses": b"event: error\n"}
_WORDS: Final = {
    401: ("incorrect API key provided", "invalid_api_key"),
    402: ("the account has no funds left", "insufficient_quota"),
    403: ("this key may not use the model", "permission_denied"),
    404: ("the model has been retired", "model_not_found"),
    408: ("the request took too long", "request_timeout"),
    429: ("rate limit reached, try again later", "rate_limit_exceeded"),
    503: ("the engine is currently overloaded", "overloaded"),
    529: ("the engine is currently overloaded", "overloaded"),
}
_OTHER: Final = ("the server had an error while processing your request", "server_error")
FAILURE: Final = FederationError(_OTHER[0], status=500, code=_OTHER[1])
"""What an answer breaks with from the inside."""
_TOO_LONG: Final = {
    "openai": "this model's maximum context length is {limit} tokens, "
    "your messages resulted in {asked} tokens",
    "anthropic": "prompt is too long: {asked} tokens > {limit} maximum",
    "gemini": "the input token count ({asked}) exceeds the maximum number of tokens "
    "allowed ({limit})",
}
_FILTERED: Final = {
    "openai": "the response was filtered due to the prompt triggering the content management "
    "policy",
    "anthropic": "Output blocked by content filtering policy",
}


def refusal(play: Play, dialect: str, asked: Asked, voice: Voice) -> FederationError | None:
    """Why a request is refused; None where it is answered, or broken off on the wire."""
    if play.word == STATUS:
        return status_error(play.status, play.after_s)
    if play.word == "context" or asked.input_tokens > voice.context:
        limit = min(voice.context, max(asked.input_tokens - 1, 1))
        said = _TOO_LONG.get(dialect, _TOO_LONG["openai"])
        message = said.format(limit=limit, asked=asked.input_tokens)
        return InvalidRequest(message, param="messages", code="context_length_exceeded")
    if play.word == "filter-refused":
        message = _FILTERED.get(dialect, _FILTERED["openai"])
        return InvalidRequest(message, param="prompt", code="content_filter")
    begun = continuation(asked)
    if begun.kind == "prefill" and voice.prefill == REFUSE:
        return InvalidRequest(
            "this model does not support assistant message prefill, the conversation must end "
            "with a user message",
            param="messages",
        )
    if begun.kind == "prefill" and dialect == "anthropic" and begun.begun != begun.begun.rstrip():
        return InvalidRequest(
            "messages: final assistant content cannot end with trailing whitespace",
            param="messages",
        )
    return None


def status_error(status: int, after_s: float | None = None) -> FederationError:
    """A plain failure with this status."""
    message, code = _WORDS.get(status, _OTHER)
    return FederationError(message, code=code, status=status, retry_after_s=after_s)


def stopped_prompt(*, stream: bool) -> ClientReply:
    """How one language says that the prompt was filtered: a 200 without an answer."""
    body = msgspec.json.encode(
        {
            "promptFeedback": {"blockReason": "SAFETY"},
            "usageMetadata": {"promptTokenCount": 10, "totalTokenCount": 10},
            "modelVersion": "simulated",
        }
    )
    if not stream:
        return replies.rendered(body)
    reply = replies.rendered(b"data: %b\n\n" % body)
    reply.headers[0] = (b"content-type", replies.SSE)
    return reply


def as_piece(body: bytes, dialect: str, *, stream: bool) -> bytes:
    """An error's body as a piece of an answer."""
    if not stream:
        return body
    return b"%bdata: %b\n\n" % (_EVENT_NAMES.get(dialect, b""), body)
