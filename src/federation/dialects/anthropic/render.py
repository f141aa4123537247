"""A canonical answer as the body of a `Message`.

The first choice is the answer: the language knows no other, and a client of it cannot ask for
more. A model that answers in refusals only is said to have refused.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Raw

from federation.dialects.anthropic.show import show, stop_details, stop_reason
from federation.dialects.anthropic.tables import NAME
from federation.dialects.anthropic.usage import from_usage
from federation.schema.chat import ChatRequest, ChatResponse, Choice
from federation.schema.parts import Refusal

_NONE: Final = Choice(0, ())


def render(response: ChatResponse, request: ChatRequest) -> bytes:
    """Write a whole answer. `request` is not needed by this language."""
    own = response.dialect == NAME
    choice = response.choices[0] if response.choices else _NONE
    content: list[Any] = []
    refused = False
    for part in choice.parts:
        content += show(part, own=own)
        refused = refused or isinstance(part, Refusal)
    body: dict[str, Any] = {
        "id": response.id,
        "type": "message",
        "role": "assistant",
        "model": response.model,
        "content": content,
        "stop_reason": stop_reason(
            choice.finish, choice.reason, choice.stop_sequence, refused=refused
        ),
        "stop_sequence": choice.stop_sequence or None,
    }
    details = stop_details(choice.detail)
    if details is not None:
        body["stop_details"] = details
    if own:
        body.update(choice.extra)
        body.update(response.extra)
    body["usage"] = from_usage(response.usage, response.service_tier)
    return msgspec.json.encode(body)


def render_count(tokens: int) -> bytes:
    """The answer of `/v1/messages/count_tokens`."""
    return b'{"input_tokens":%d}' % tokens


def message_head(name: str, model: str, usage: dict[str, Any]) -> bytes:
    """The message of a stream's `message_start`: everything but what is still to come."""
    return msgspec.json.encode(
        {
            "id": name,
            "type": "message",
            "role": "assistant",
            "model": model,
            "content": Raw(b"[]"),
            "stop_reason": None,
            "stop_sequence": None,
            "usage": usage,
        }
    )
