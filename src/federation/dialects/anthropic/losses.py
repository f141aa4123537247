"""What the Messages API cannot be told, with the rule for each.

Some features are lost only at some rows (a model without sampling, a host without remote
pictures); the table names those too, and the encoder reports them only where they happen.
"""

from __future__ import annotations

from typing import Final

from federation.dialects.losses import DROP, REFUSE, Rule, Table
from federation.dialects.untold import no_place

_API: Final = "https://platform.claude.com/docs/en/api/messages"
_GUIDE: Final = "https://platform.claude.com/docs/en/build-with-claude/"
_TOOLS: Final = "https://platform.claude.com/docs/en/agents-and-tools/tool-use/"
_PARAMS: Final = "anthropic SDK 2.11, types.message_create_params"

_NO_FIELD: Final = "The API has no such field."


def _none(source: str = _PARAMS) -> Rule:
    return Rule(DROP, _NO_FIELD, source)


def _cannot(why: str, source: str = _PARAMS) -> Rule:
    return Rule(REFUSE, why, source)


LOSSES: Final[Table] = {
    # Sampling
    "temperature": Rule(
        DROP,
        "Claude 4.7 and later take no sampling; older ones take 0 to 1, and none while thinking.",
        _GUIDE + "extended-thinking",
    ),
    "top_p": Rule(
        DROP,
        "Claude 4.7 and later take no sampling; older ones not beside a temperature.",
        _GUIDE + "extended-thinking",
    ),
    "top_k": Rule(DROP, "Claude 4.7 and later take no sampling.", _GUIDE + "extended-thinking"),
    "min_p": _none(),
    "frequency_penalty": _none(),
    "presence_penalty": _none(),
    "seed": _none(),
    "stop": Rule(DROP, "A stop sequence of white space is refused.", _API),
    "logit_bias": _none(),
    "logprobs": _none(),
    "choices": _cannot("The API gives one answer."),
    # Tools
    "tools": _cannot("A tool's name may hold letters, digits, _ and - only.", _TOOLS + "overview"),
    "tool_choice_required": _cannot(
        "The model refuses forced tools.",
        "https://platform.claude.com/docs/en/models/opus-5-5/whats-new-opus-5-5",
    ),
    "tool_choice_named": _cannot(
        "The model refuses forced tools.",
        "https://platform.claude.com/docs/en/models/opus-5-5/whats-new-opus-5-5",
    ),
    "tool_arguments": Rule(
        DROP, "An object; other text goes along inside of one.", _TOOLS + "overview"
    ),
    "strict_tools": Rule(
        DROP,
        "The model has no structured outputs, or the schema's objects cannot be closed.",
        _GUIDE + "structured-outputs",
    ),
    "custom_tools": _cannot("A tool's input is a JSON object.", _TOOLS + "overview"),
    "hosted_tools": _cannot("Another provider's tools do not run here.", _TOOLS + "server-tools"),
    # Content
    "image": _cannot("Pictures are JPEG, PNG, GIF or WebP.", _GUIDE + "vision"),
    "image_url": _cannot("The host takes pictures inline only.", _GUIDE + "vision"),
    "image_detail": Rule(DROP, _NO_FIELD, "anthropic SDK 2.11, types.image_block_param"),
    "audio": _cannot("The API takes no sound.", "anthropic SDK 2.11, types.content_block_param"),
    "video": _cannot("The API takes no films.", "anthropic SDK 2.11, types.content_block_param"),
    "file": _cannot("Documents are PDF or text.", _GUIDE + "pdf-support"),
    "file_url": _cannot("The host takes documents inline only.", _GUIDE + "pdf-support"),
    "file_id": _cannot("A file of another provider is not here.", _GUIDE + "files"),
    "citations": Rule(
        DROP, "Citations of other providers are not readable here.", _GUIDE + "citations"
    ),
    "cache_marks": Rule(DROP, "A request takes four marks.", _GUIDE + "prompt-caching"),
    "message_name": Rule(DROP, _NO_FIELD, "anthropic SDK 2.11, types.message_param"),
    "system_place": Rule(
        DROP,
        "Most models take system text before the first turn only, so it is moved there.",
        _GUIDE + "mid-conversation-system-messages",
    ),
    "prefill": _cannot(
        "Claude 4.6 and later refuse an answer that the caller began.",
        "https://platform.claude.com/docs/en/api/errors",
    ),
    "foreign_part": Rule(DROP, "The part belongs to another provider's API.", _API),
    "thinking_history": Rule(
        DROP, "Thinking is taken with its signature only.", _GUIDE + "extended-thinking"
    ),
    "thinking_state": Rule(
        DROP,
        "With a thinking budget a turn of tool calls must come back with its thinking; without "
        "it, thinking is switched off for the call.",
        _GUIDE + "extended-thinking",
    ),
    # The answer's form
    "json_mode": Rule(
        DROP,
        "A schema must close its objects, so that `any object` has none, and a forced tool cannot "
        "stand beside others; the prompt still asks.",
        _GUIDE + "structured-outputs",
    ),
    "json_schema": _cannot(
        "The model has neither structured outputs for such a schema (its objects must be closed) "
        "nor forced tools, or other tools stand beside.",
        _GUIDE + "structured-outputs",
    ),
    "verbosity": _none(),
    "audio_output": _cannot("The API gives no sound."),
    "reasoning": Rule(
        DROP,
        "The model does not think, or not while a tool is forced.",
        _GUIDE + "extended-thinking",
    ),
    "reasoning_effort": Rule(
        DROP, "The model takes a budget of thinking and no effort.", _GUIDE + "effort"
    ),
    "reasoning_budget": Rule(
        DROP,
        "Claude 4.7 and later take an effort; the nearest stands for the budget.",
        _GUIDE + "adaptive-thinking",
    ),
    "reasoning_off": Rule(
        DROP, "The model always thinks; the least effort is asked.", _GUIDE + "thinking"
    ),
    # The call
    "metadata": Rule(
        DROP, "Only a user's id is taken.", "anthropic SDK 2.11, types.metadata_param"
    ),
    "service_tier": Rule(DROP, "Tiers are auto and standard_only.", _PARAMS),
    "store": _none(),
    "cache_key": _none(),
    "unknown_field": Rule(DROP, "The field belongs to another provider's API.", _PARAMS),
}
"""Feature to rule. What is not here can be said: tools, parallel_tools, documents, thinking,
an error in a tool's result, ..."""

DROPPED: Final = {
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "stop_sequences": "stop",
    "tools": "tools",
    "thinking": "reasoning",
    "metadata": "metadata",
    "service_tier": "service_tier",
}
"""Which feature goes when a row does not take a field; others are `unknown_field`."""

UNTOLD: Final[Table] = no_place(
    "anthropic SDK 2.11, types.content_block",
    "image", "audio", "video", "file", "late_citations", "logprobs", "foreign_part",
)  # fmt: skip
"""What an answer to a client of this language cannot say. A stream's blocks are closed one
after the other, and a citation stands in its block."""
