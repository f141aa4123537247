"""What there is, told in the words of clients that do not speak OpenAI's."""

from __future__ import annotations

from urllib.parse import parse_qsl

from federation.dialects.anthropic import listing as anthropic
from federation.dialects.gemini import listing as gemini
from federation.dialects.ollama import listing as ollama
from federation.domain.access import VirtualKey
from federation.domain.catalogue import Model
from federation.errors import InvalidRequest, NotFound
from federation.gateway.listing import named_models
from federation.gateway.world import Situation
from federation.schema.http import ClientRequest

_TERMS = 20
_CLAUDE, _GOOGLE = b"anthropic-version", b"x-goog-api-key"
"""What tells the clients of `/v1/models` apart; without either they are OpenAI's."""
_CHATS = frozenset(("chat",))
_CHATS_AND_VECTORS = frozenset(("chat", "embeddings"))
"""What the clients of a dialect can ask a model for."""


def tells(request: ClientRequest) -> bool:
    """Whether a `GET` is answered here: it asks in another dialect what there is."""
    path = request.path
    return (
        path in ("/api/version", "/api/tags", "/v1beta/models")
        or path.startswith("/v1beta/models/")
        or (_asks_for_models(path) and (_CLAUDE in request.headers or _GOOGLE in request.headers))
    )


def told(situation: Situation, key: VirtualKey, request: ClientRequest) -> bytes:
    """The body for such a request. Raises `NotFound`, `InvalidRequest`."""
    path = request.path
    if path == "/api/version":
        return ollama.render_version()
    claude = _asks_for_models(path) and _GOOGLE not in request.headers
    asked = _CHATS if claude else _CHATS_AND_VECTORS
    models = [
        (name, model)
        for name, model in named_models(situation, key)
        if model is None or not asked.isdisjoint(model.operations)
    ]
    if path == "/api/tags":
        return ollama.render_tags(models)
    name = path.partition("/models")[2].removeprefix("/")
    if name:
        found = _find(models, name)
        return anthropic.render_model(name, found) if claude else gemini.render_model(name, found)
    terms = _terms(request.query)
    return anthropic.render_models(models, terms) if claude else gemini.render_models(models, terms)


def shown(situation: Situation, key: VirtualKey, request: ClientRequest) -> bytes:
    """The body for `POST /api/show`. Raises `NotFound`, `InvalidRequest`."""
    name = ollama.read_show(request.body)
    return ollama.render_show(_find(named_models(situation, key), name))


def _asks_for_models(path: str) -> bool:
    return path == "/v1/models" or path.startswith("/v1/models/")


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
