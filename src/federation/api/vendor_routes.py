"""The inference routes in other words than chat's, for the OpenAPI page: workers serve them.

Their bodies are their vendors' and are described there: a copy here would be out of date. What
the page holds is that the gateway answers these paths, and where to read on.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from federation.api.inference_models import Loose
from federation.api.served import FORM, Served

_ASKED: Final = (400, 401, 403, 404, 413, 429, 502, 503, 504)
_FOUND: Final = (401, 403, 404)


class VendorBody(Loose):
    """As the vendor's reference has it."""


class VendorAnswer(Loose):
    """As the vendor's reference has it, and errors, too."""


def _post(path: str, summary: str, about: str, *, streams: bool = False) -> Served:
    return Served(
        "post",
        path,
        "inference",
        summary,
        about,
        VendorAnswer,
        VendorBody,
        streams=streams,
        failures=_ASKED,
        error=VendorAnswer,
    )


def _other(method: str, path: str, summary: str, about: str) -> Served:
    return replace(_post(path, summary, about), method=method, body=None, failures=_FOUND)


_RESPONSES: Final = "https://platform.openai.com/docs/api-reference/responses"
_GEMINI: Final = "https://ai.google.dev/api/generate-content"
_BEDROCK: Final = (
    "https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html"
)
_IMAGES: Final = "https://platform.openai.com/docs/api-reference/images"
_AUDIO: Final = "https://platform.openai.com/docs/api-reference/audio"
_OLLAMA: Final = "https://docs.ollama.com/api/chat"
_RESPONSE: Final = "/v1/responses/{response}"

VENDORS: Final = (
    _post(
        "/v1/completions",
        "Completions",
        "https://platform.openai.com/docs/api-reference/completions",
        streams=True,
    ),
    _post("/v1/responses", "Responses", _RESPONSES, streams=True),
    _post("/v1/responses/input_tokens", "Count tokens of a response", _RESPONSES),
    _other("get", _RESPONSE, "Stored response", _RESPONSES),
    _other("delete", _RESPONSE, "Delete a stored response", _RESPONSES),
    _other("get", f"{_RESPONSE}/input_items", "Input items of a response", _RESPONSES),
    replace(_post(f"{_RESPONSE}/cancel", "Cancel a response", _RESPONSES), body=None),
    _post(
        "/v1/messages", "Messages", "https://platform.claude.com/docs/en/api/messages", streams=True
    ),
    _post(
        "/v1/messages/count_tokens",
        "Count tokens of messages",
        "https://platform.claude.com/docs/en/api/messages",
    ),
    _post("/v1beta/models/{model}:generateContent", "Generate content", _GEMINI),
    _post(
        "/v1beta/models/{model}:streamGenerateContent",
        "Stream generated content",
        f"An array of JSON, or with `alt=sse` events. {_GEMINI}",
        streams=True,
    ),
    _post(
        "/v1beta/models/{model}:countTokens",
        "Count tokens of content",
        "https://ai.google.dev/api/tokens",
    ),
    _post(
        "/v1beta/models/{model}:embedContent",
        "Embed content",
        "https://ai.google.dev/api/embeddings",
    ),
    _post(
        "/v1beta/models/{model}:batchEmbedContents",
        "Embed contents",
        "https://ai.google.dev/api/embeddings",
    ),
    _other(
        "get", "/v1beta/models", "Models for Gemini clients", "https://ai.google.dev/api/models"
    ),
    _post("/model/{model}/converse", "Converse", _BEDROCK),
    replace(
        _post("/model/{model}/converse-stream", "Converse stream", _BEDROCK),
        answered="application/vnd.amazon.eventstream",
    ),
    _post(
        "/model/{model}/count-tokens",
        "Count tokens of a conversation",
        "https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_CountTokens.html",
    ),
    _post("/v2/chat", "Cohere chat", "https://docs.cohere.com/reference/chat", streams=True),
    _post("/api/chat", "Ollama chat", f"A stream is lines of JSON. {_OLLAMA}"),
    _post("/api/generate", "Ollama generate", "https://docs.ollama.com/openapi.yaml"),
    _post("/api/show", "Model for Ollama clients", "https://docs.ollama.com/api-reference/show"),
    _other("get", "/api/tags", "Models for Ollama clients", "https://docs.ollama.com/api/tags"),
    _other("get", "/api/version", "Version for Ollama clients", "https://docs.ollama.com/api"),
    _post(
        "/v1/embeddings", "Embeddings", "https://platform.openai.com/docs/api-reference/embeddings"
    ),
    _post("/v2/embed", "Cohere embed", "https://docs.cohere.com/reference/embed"),
    _post("/api/embed", "Ollama embed", "https://docs.ollama.com/api/embed"),
    _post(
        "/v1/rerank",
        "Rerank",
        "Jina's words (https://api.jina.ai/redoc), with `top_k` Voyage's.",
    ),
    _post("/v2/rerank", "Cohere rerank", "https://docs.cohere.com/reference/rerank"),
    _post("/voyage/v1/rerank", "Voyage rerank", "https://docs.voyageai.com/reference/reranker-api"),
    _post("/v1/images/generations", "Images", _IMAGES),
    replace(_post("/v1/images/edits", "Edit images", _IMAGES), sent=FORM),
    replace(_post("/v1/audio/speech", "Speech", _AUDIO), answered="audio/*"),
    replace(_post("/v1/audio/transcriptions", "Transcription", _AUDIO), sent=FORM),
    replace(_post("/v1/audio/translations", "Audio translation", _AUDIO), sent=FORM),
    _post(
        "/v1/moderations",
        "Moderations",
        "https://platform.openai.com/docs/api-reference/moderations",
    ),
    *(
        replace(
            _post(
                "/passthrough/{provider}/{path}",
                f"Pass-through {method.upper()}",
                "To a provider as it stands, where the operator lists method and path.",
            ),
            method=method,
            body=None,
        )
        for method in ("get", "post", "put", "patch", "delete")
    ),
)
