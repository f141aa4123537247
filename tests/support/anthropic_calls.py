"""Calls of clients that speak another language, and what the Messages dialect makes of them."""

from __future__ import annotations

import json
from typing import Any, Final

from anthropic_vendor import make_upstream
from msgspec import Raw

from federation.domain.catalogue import Ability
from federation.schema.chat import ChatRequest, Message, Tool
from federation.schema.parts import Text

SCHEMA: Final = Raw(
    b'{"type":"object","properties":{"a":{"type":"string"}},"additionalProperties":false}'
)
TOOL: Final = Tool("look", "Looks.", SCHEMA)
NEWER: Final[dict[str, object]] = {"sampling": "drop", "reasoning_control": "adaptive"}
"""The quirks of models that take no sampling and decide themselves how much they think."""
NEW_ABILITIES: Final = frozenset((Ability.TOOLS, Ability.JSON_SCHEMA, Ability.REASONING))
HI: Final = Message("user", (Text("Hi"),))


def asking(*messages: Message, **fields: Any) -> ChatRequest:
    """A call of a client of another dialect."""
    return ChatRequest("openai", "any", messages or (HI,), **fields)


def write(request: ChatRequest, **row: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The body that a provider with this row gets, and what was lost on the way."""
    encoded = make_upstream(**row).encode(request)
    body: dict[str, Any] = json.loads(encoded.request.body)
    return body, encoded.losses
