"""OpenAI's shapes: completions, chunks, model lists and errors, each marked as simulated.

Reference: https://platform.openai.com/docs/api-reference/chat/object
"""

from __future__ import annotations

import copy
from typing import Any

import msgspec

from federation.errors import FederationError, NotFound
from federation.sandbox.profiles import MARK, Profile
from federation.sandbox.script import Choice, Script
from federation.schema.http import ByteStream, ClientReply

SIMULATED = (b"x-federation-simulated", b"true")
JSON = b"application/json"
SSE = b"text/event-stream; charset=utf-8"
_TYPE = b"content-type"
_CREATED = 1_767_225_600
"""2026-01-01: a moment that never moves, so that the same request has the same bytes."""
_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    429: "rate_limit_error",
    500: "server_error",
    503: "server_error",
}
DONE = b"data: [DONE]\n\n"


def rendered(body: bytes, *more: tuple[bytes, bytes], status: int = 200) -> ClientReply:
    """A reply with a JSON body."""
    return ClientReply(status, [(_TYPE, JSON), SIMULATED, *more], body)


def streamed(body: ByteStream, kind: bytes, *more: tuple[bytes, bytes]) -> ClientReply:
    """A reply of this content type whose body comes piece by piece."""
    return ClientReply(200, [(_TYPE, kind), SIMULATED, *more], body)


def marked(error: FederationError) -> FederationError:
    """The same error, whose message says that it is simulated."""
    same = copy.copy(error)
    same.message = f"(simulated) {error.message}"
    return same


def render_error(error: FederationError, path: str) -> ClientReply:
    """An error as OpenAI words it; also what the listener itself refuses."""
    kind = _TYPES.get(error.status, "invalid_request_error")
    code = error.code if error.status != 400 or error.code != "invalid_request" else None
    body = {
        "error": {
            "message": marked(error).message,
            "type": kind,
            "param": error.param,
            "code": code,
        }
    }
    more = []
    if error.retry_after_s is not None:
        more.append((b"retry-after", b"%d" % error.retry_after_s))
    return rendered(msgspec.json.encode(body), *more, status=error.status)


def model_list(profile: Profile) -> dict[str, Any]:
    """GET /v1/models."""
    return {"object": "list", "data": [model_object(profile, one.id) for one in profile.models]}


def model_object(profile: Profile, model: str) -> dict[str, Any]:
    """GET /v1/models/{id}."""
    return {
        "id": model,
        "object": "model",
        "created": _CREATED,
        "owned_by": profile.id,
        MARK: True,
    }


def completion(script: Script) -> dict[str, Any]:
    """A whole answer."""
    return {
        **_envelope(script, "chat.completion"),
        "choices": [
            {
                "index": index,
                "message": _message(choice),
                "logprobs": None,
                "finish_reason": choice.finish,
            }
            for index, choice in enumerate(script.choices)
        ],
        "usage": usage(script),
    }


def usage(script: Script) -> dict[str, Any]:
    """Counts that add up: reasoning is part of the completion."""
    return {
        "prompt_tokens": script.input_tokens,
        "completion_tokens": script.output_tokens,
        "total_tokens": script.input_tokens + script.output_tokens,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": script.reasoning_tokens,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _envelope(script: Script, kind: str) -> dict[str, Any]:
    return {
        "id": script.id,
        "object": kind,
        "created": _CREATED,
        "model": script.model,
        "system_fingerprint": f"fp_{MARK}",
    }


def _message(choice: Choice) -> dict[str, Any]:
    message: dict[str, Any] = {
        "role": "assistant",
        "content": None if choice.calls else "".join(choice.pieces),
        "refusal": None,
    }
    if choice.calls:
        message["tool_calls"] = [
            {"id": call, "type": "function", "function": {"name": name, "arguments": arguments}}
            for call, name, arguments in choice.calls
        ]
    return message


def chunk(script: Script, index: int, delta: dict[str, Any], finish: str | None = None) -> bytes:
    """One event of a stream. With usage asked for, every event has the member."""
    body = _envelope(script, "chat.completion.chunk")
    body["choices"] = [{"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}]
    if script.include_usage:
        body["usage"] = None
    return event(body)


def usage_chunk(script: Script) -> bytes:
    """The event that ends a stream whose caller asked for usage."""
    return event(
        {**_envelope(script, "chat.completion.chunk"), "choices": [], "usage": usage(script)}
    )


def event(body: object) -> bytes:
    """Server-sent event framing."""
    return b"data: %b\n\n" % msgspec.json.encode(body)


def no_model(name: str) -> NotFound:
    """A model that nobody is."""
    return NotFound(
        f"the model '{name}' does not exist or you have no access to it",
        param="model",
        code="model_not_found",
    )
