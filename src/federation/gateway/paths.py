"""Which dialect a path speaks: for choosing the endpoint, and for errors in the client's words."""

from __future__ import annotations

from typing import Final

from federation.dialects.bedrock import paths as bedrock_paths
from federation.dialects.gemini import paths as gemini_paths
from federation.dialects.operations.passthrough import PREFIX
from federation.dialects.operations.table import find_client

CHATS: Final[dict[str, str]] = {
    "/v1/chat/completions": "openai",
    "/chat/completions": "openai",
    "/v1/completions": "openai_completions",
    "/completions": "openai_completions",
    "/v1/responses": "openai_responses",
    "/responses": "openai_responses",
    "/v1/messages": "anthropic",
    "/messages": "anthropic",
    "/v2/chat": "cohere",
    "/api/chat": "ollama",
    "/api/generate": "ollama_generate",
}
"""Paths with one meaning. The model stands in the body."""

COUNTS: Final[dict[str, str]] = {
    "/v1/messages/count_tokens": "anthropic",
    "/messages/count_tokens": "anthropic",
    "/v1/responses/input_tokens": "openai_responses",
    "/responses/input_tokens": "openai_responses",
}

_FAMILIES: Final = (
    ("/v1/messages", "anthropic"),
    ("/messages", "anthropic"),
    ("/v1/responses", "openai_responses"),
    ("/model/", "bedrock"),
    ("/v2/", "cohere"),
    ("/api/", "ollama"),
)
"""How the paths of a dialect begin, where it is not OpenAI's."""


def chat_dialect(path: str) -> str:
    """The dialect of a chat endpoint; empty where the path is none."""
    known = CHATS.get(path)
    if known is not None:
        return known
    if path.startswith("/v1"):
        found = gemini_paths.route(path)
        return "gemini" if found is not None and found[1] != gemini_paths.COUNT else ""
    if path.startswith("/model/"):
        asked = bedrock_paths.route(path)
        return "bedrock" if asked is not None and asked.operation != bedrock_paths.COUNT else ""
    return ""


def count_dialect(path: str) -> str:
    """The dialect of an endpoint that counts tokens; empty where the path is none."""
    known = COUNTS.get(path)
    if known is not None:
        return known
    found = gemini_paths.route(path)
    if found is not None and found[1] == gemini_paths.COUNT:
        return "gemini"
    asked = bedrock_paths.route(path)
    return "bedrock" if asked is not None and asked.operation == bedrock_paths.COUNT else ""


def is_operation(path: str) -> bool:
    """Whether an operation other than chat answers this path."""
    return find_client(path) is not None


def is_model(path: str) -> bool:
    """Whether the path is that of one model, and not of something that a model could do."""
    return path.startswith("/v1/models/") and not gemini_paths.speaks(path)


def is_passage(path: str) -> bool:
    """Whether a request to this path goes to a provider untranslated."""
    return path.startswith(PREFIX)


def error_dialect(path: str) -> str:
    """The dialect in whose words an error on this path is written."""
    if gemini_paths.speaks(path):
        return "gemini"
    for prefix, dialect in _FAMILIES:
        if path.startswith(prefix):
            return dialect
    return "openai"


def keyed_by_query(path: str) -> bool:
    """Whether the clients of this path may put their key into the query."""
    return gemini_paths.speaks(path)
