"""The words of the Messages language: roles, stop reasons, efforts, kinds of blocks.

What a newcomer would get wrong: the effort table is ours, because the vendor states no
budget for an effort. Claude 4.5 and older take a budget, newer ones an effort only, so one
request may have to be said in either way (`EFFORT_BUDGETS`, `budget_effort`).

Reference: https://platform.claude.com/docs/en/api/messages, the types of the official SDK
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from federation.schema import chat

NAME: Final = "anthropic"
VERSION: Final = "2023-06-01"
"""The API version that is spoken where a row names none. From `STRICT_VERSION` on the vendor
refuses sampling parameters even for models that take them."""
STRICT_VERSION: Final = "2026-10-21"
VERSIONS: Final = frozenset((VERSION, STRICT_VERSION))

SYSTEM, USER, ASSISTANT = "system", "user", "assistant"
ROLES: Final = frozenset((SYSTEM, USER, ASSISTANT))

FINISHES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "end_turn": chat.STOP,
        "stop_sequence": chat.STOP,
        "max_tokens": chat.LENGTH,
        "model_context_window_exceeded": chat.LENGTH,
        "tool_use": chat.TOOL_CALLS,
        "refusal": chat.FILTER,
        "pause_turn": chat.PAUSE,
        "compaction": chat.PAUSE,
    }
)
"""The vendor's stop reason to ours."""

STOP_REASONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        chat.STOP: "end_turn",
        chat.LENGTH: "max_tokens",
        chat.TOOL_CALLS: "tool_use",
        chat.FILTER: "refusal",
        chat.PAUSE: "pause_turn",
        chat.OTHER: "end_turn",
    }
)
"""Our finish reason to the vendor's; every value is in `StopReason` of the official SDK."""

IMAGE_TYPES: Final = frozenset(("image/jpeg", "image/png", "image/gif", "image/webp"))
IMAGE_STARTS: Final = (
    ("/9j/", "image/jpeg"),
    ("iVBORw0KGgo", "image/png"),
    ("R0lGOD", "image/gif"),
    ("UklGR", "image/webp"),
)
"""How base64 of a picture begins, for pictures that come without their type."""

EFFORTS: Final = ("low", "medium", "high", "xhigh", "max")
EFFORT_BUDGETS: Final[Mapping[str, int]] = MappingProxyType(
    {
        "minimal": 1024,
        "low": 2048,
        "medium": 8192,
        "high": 16_384,
        "xhigh": 32_768,
        "max": 63_999,
    }
)
"""Tokens of thinking that stand for an effort where a model takes a budget."""
LEAST_BUDGET: Final = 1024
"""What the vendor accepts at least."""
LEAST_ROOM: Final = 1024
"""Tokens of an answer that a budget leaves free, where `max_tokens` is large enough."""
MAX_TOKENS: Final = 4096
"""`max_tokens` where neither the call, the operator nor the catalogue says any."""

TOOL_ID: Final = re.compile(r"[a-zA-Z0-9_-]+")
TOOL_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,128}")
ODD: Final = re.compile(r"[^a-zA-Z0-9_-]")
DATED: Final = re.compile(r"_\d{8}$")

CLIENT_TOOLS: Final = frozenset(
    (
        "custom",
        "bash",
        "computer",
        "computer_toolset",
        "browser_toolset",
        "memory",
        "text_editor",
    )
)
"""Kinds of tools, without the date, that the caller runs. Any other runs at the provider."""

ANSWER_TOOL: Final = "federation_answer"
"""The tool that carries an answer after a schema, for models without structured outputs."""

STARTER: Final = "(start)"
"""The user's turn before a conversation that begins with the model's."""


def budget_effort(budget: int) -> str:
    """The least effort whose budget is not below this one; `high` at most, because the two
    above it are no longer a question of how much a caller would like to spend."""
    for effort in ("low", "medium"):
        if budget <= EFFORT_BUDGETS[effort]:
            return effort
    return "high"


def tool_kind(kind: str) -> str:
    """A typed tool's kind without the date of its version."""
    return DATED.sub("", kind)
