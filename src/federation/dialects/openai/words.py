"""Words of this language that both directions share: names, finish reasons, efforts, formats.

A finish reason that is not listed is `other`; the host's own word stays beside it.
"""

from __future__ import annotations

from typing import Final

from federation.schema.chat import FILTER, LENGTH, OTHER, PAUSE, STOP, TOOL_CALLS

NAME: Final = "openai"

FINISHES: Final = {
    "stop": STOP,
    "eos": STOP,
    "end_turn": STOP,
    "stop_sequence": STOP,
    "length": LENGTH,
    "max_tokens": LENGTH,
    "model_length": LENGTH,
    "model_context_window_exceeded": LENGTH,
    "tool_calls": TOOL_CALLS,
    "tool_use": TOOL_CALLS,
    "function_call": TOOL_CALLS,
    "content_filter": FILTER,
    "sensitive": FILTER,
    "safety": FILTER,
}
"""A host's word to ours."""

FINISH_WORDS: Final = {
    STOP: "stop",
    LENGTH: "length",
    TOOL_CALLS: "tool_calls",
    FILTER: "content_filter",
    PAUSE: "stop",
    OTHER: "stop",
}
"""Our word to the client's: the official clients know no others."""

AUDIO_TYPES: Final = {"wav": "audio/wav", "mp3": "audio/mpeg"}
"""The `format` of a sound to its media type; any other is `audio/<format>`."""
AUDIO_FORMATS: Final = {
    "audio/wav": "wav",
    "audio/x-wav": "wav",
    "audio/wave": "wav",
    "audio/mpeg": "mp3",
    "audio/mp3": "mp3",
}

EFFORTS: Final = {
    "none": 0,
    "instant": 0,
    "minimal": 1,
    "low": 2,
    "medium": 3,
    "high": 4,
    "xhigh": 5,
    "max": 6,
}
"""Efforts in their order; `instant` is one host's word for no thinking."""

REASONING_FIELDS: Final = ("reasoning_content", "reasoning", "thinking")
"""Members of a message that hold reasoning as plain text, by host."""

REASONING_WORDS: Final = frozenset(
    (
        "reasoning",
        "thinking",
        "enable_thinking",
        "thinking_budget",
        "chat_template_kwargs",
        "include_reasoning",
        "think",
    )
)
"""Fields by which hosts switch reasoning, beside the vendor's `reasoning_effort`."""

LEGACY: Final = "legacy_function"
"""Marks, in a tool's `extra`, one that came in the deprecated `functions`: its calls are
answered as `function_call`."""
