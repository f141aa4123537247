"""Lists of models for clients of other dialects than OpenAI's, in the form that each expects."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple
from urllib.parse import parse_qsl

from federation.dialects.anthropic import listing as anthropic
from federation.dialects.cohere import listing as cohere
from federation.dialects.gemini import listing as gemini
from federation.dialects.ollama import listing as ollama
from federation.domain.catalogue import Model
from federation.errors import InvalidRequest, NotFound
from federation.gateway.listing import Reach, named_models
from federation.gateway.paths import error_dialect
from federation.schema.http import ClientRequest

_TERMS = 20
_CLAUDE, _GOOGLE = b"anthropic-version", b"x-goog-api-key"
_SDK, _COHERES = b"x-fern-sdk-name", b"cohere"
"""What tells the clients of `/v1/models` apart; without any they are OpenAI's."""


class _Tongue(NamedTuple):
    """How the clients of a dialect read the list, and what they can ask a model for."""

    dialect: str
    render_models: Callable[[Sequence[anthropic.Named], dict[str, str]], bytes]
    render_model: Callable[[str, Model | None], bytes]
    operations: frozenset[str]


_ANTHROPIC = _Tongue(
    "anthropic", anthropic.render_models, anthropic.render_model, frozenset(("chat",))
)
_GEMINI = _Tongue(
    "gemini", gemini.render_models, gemini.render_model, frozenset(("chat", "embeddings"))
)
_COHERE = _Tongue(
    "cohere", cohere.render_models, cohere.render_model, frozenset(("chat", "embeddings", "rerank"))
)


def tells(request: ClientRequest) -> bool:
    """Whether a `GET` is answered here: it asks in another dialect what there is."""
    path = request.path
    return (
        path in ("/api/version", "/api/tags", "/v1beta/models")
        or path.startswith("/v1beta/models/")
        or (_asks_for_models(path) and _tongue(request) is not None)
    )


def told(reach: Reach, request: ClientRequest) -> bytes:
    """The body for such a request. Raises `NotFound`, `InvalidRequest`."""
    path = request.path
    if path == "/api/version":
        return ollama.render_version()
    tongue = _tongue(request) or _GEMINI
    models = [
        (name, model)
        for name, model in named_models(reach)
        if model is None or not tongue.operations.isdisjoint(model.operations)
    ]
    if path == "/api/tags":
        return ollama.render_tags(models)
    name = path.partition("/models")[2].removeprefix("/")
    if name:
        return tongue.render_model(name, _find(models, name))
    return tongue.render_models(models, _terms(request.query))


def asker(request: ClientRequest) -> str:
    """The dialect of whoever asks so, for errors: `/v1/models` is the path of several."""
    tongue = _tongue(request)
    return error_dialect(request.path) if tongue is None else tongue.dialect


def shown(reach: Reach, request: ClientRequest) -> bytes:
    """The body for `POST /api/show`. Raises `NotFound`, `InvalidRequest`."""
    name = ollama.read_show(request.body)
    return ollama.render_show(_find(named_models(reach), name))


def _asks_for_models(path: str) -> bool:
    return path == "/v1/models" or path.startswith("/v1/models/")


def _tongue(request: ClientRequest) -> _Tongue | None:
    """Whose clients ask, None for OpenAI's and for paths that only one dialect has."""
    if not _asks_for_models(request.path):
        return None
    if _GOOGLE in request.headers:
        return _GEMINI
    if _CLAUDE in request.headers:
        return _ANTHROPIC
    return _COHERE if request.headers.get(_SDK, b"").startswith(_COHERES) else None


def _find(models: list[anthropic.Named], name: str) -> Model | None:
    for known, model in models:
        if name == known or (model is not None and name in (model.id, *model.aliases)):
            return model
    raise NotFound(f"The model {name[:200]!r} does not exist.", code="model_not_found")


def _terms(query: str) -> dict[str, str]:
    try:
        return dict(parse_qsl(query, max_num_fields=_TERMS))
    except ValueError:
        raise InvalidRequest("The query has too many terms.") from None
