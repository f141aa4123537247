"""Which wire languages this build speaks to providers, by name, without loading any of them.

Control, and commands that only list providers, ask this: loading the languages themselves
(`table`, `operations.table`) is a tenth of a second that every start would wait for. A test
holds these names and those tables equal.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from federation.schema.operations import (
    AUDIO_TRANSLATION,
    EMBEDDINGS,
    IMAGE,
    IMAGE_EDIT,
    MODERATIONS,
    RERANK,
    SPEECH,
    TRANSCRIPTION,
)

CHAT_UPSTREAMS: Final = frozenset(
    {"openai", "openai_responses", "anthropic", "gemini", "vertex", "bedrock", "cohere", "ollama"}
)
"""Those that a conversation can be held in."""

OPERATION_UPSTREAMS: Final[dict[str, frozenset[str]]] = {
    EMBEDDINGS: frozenset({"openai", "cohere", "gemini", "ollama", "bedrock", "voyage", "jina"}),
    RERANK: frozenset({"openai", "cohere", "jina", "voyage"}),
} | dict.fromkeys(
    (IMAGE, IMAGE_EDIT, SPEECH, TRANSCRIPTION, AUDIO_TRANSLATION, MODERATIONS),
    frozenset({"openai"}),
)
"""Those that each other operation can be asked for in."""


def speaks(dialect: str, operations: Iterable[str]) -> bool:
    """Whether a model with these operations can be asked for any of them in this language."""
    return dialect in CHAT_UPSTREAMS or any(
        dialect in OPERATION_UPSTREAMS.get(operation, ()) for operation in operations
    )
