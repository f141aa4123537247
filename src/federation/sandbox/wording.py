"""In which words a simulated provider is asked and answers: one class for each way.

OpenAI's words are written by hand here (`asking`, `replies`, `streams`), independent of our
own dialect, so that a misreading of ours is not repeated. Every other language uses our
client face of it, which is checked against the official SDKs elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

import msgspec

from federation.dialects.anthropic import listing as anthropic_listing
from federation.dialects.faces import ClientFace
from federation.dialects.gemini import listing as gemini_listing
from federation.dialects.ollama import listing as ollama_listing
from federation.dialects.table import CLIENTS
from federation.domain.catalogue import Model
from federation.errors import FederationError, MethodNotAllowed
from federation.gateway.paths import chat_dialect
from federation.sandbox import asking, replies, telling
from federation.sandbox.asking import Asked
from federation.sandbox.profiles import Profile
from federation.sandbox.reading import asked_of
from federation.sandbox.script import Script
from federation.sandbox.streams import GARBLED, events
from federation.schema.chat import ChatRequest
from federation.schema.http import ClientReply, ClientRequest

OPENAI: Final = "openai"
_LISTS: Final = {
    OPENAI: "/v1/models",
    "anthropic": "/v1/models",
    "gemini": "/v1beta/models",
    "ollama": "/api/tags",
}
"""Where a language lists models; the others have no list in their API."""
_EVENTS: Final = b"text/event-stream"

Parts = list[tuple[float, bytes]]


class Question(Protocol):
    """A request that was read, and the way to answer it."""

    @property
    def asked(self) -> Asked:
        """What the simulation needs of it."""
        ...

    def whole(self, script: Script) -> bytes:
        """The whole answer."""
        ...

    def parts(self, script: Script) -> Parts:
        """The stream's pieces, each with the seconds to wait before it."""
        ...

    @property
    def kind(self) -> bytes:
        """The content type of a stream."""
        ...

    @property
    def garbled(self) -> bytes:
        """A piece of a stream that is not the protocol."""
        ...


class Wording(Protocol):
    """One language, as a provider speaks it."""

    def question(self, request: ClientRequest) -> Question | None:
        """Read a chat call; None for another path. Raises `InvalidRequest`."""
        ...

    def listing(self, request: ClientRequest) -> str | None:
        """The model that a listing is asked for, empty for all; None for another path."""
        ...

    def models(self, profile: Profile, name: str, request: ClientRequest) -> bytes:
        """The list, or the one model that is asked for by name."""
        ...

    def error(self, error: FederationError) -> ClientReply:
        """An error, without the marks of the simulation."""
        ...


def wording(dialect: str) -> Wording:
    """The words of a dialect; `KeyError` for one that has no client face."""
    return OpenAIWords() if dialect == OPENAI else FaceWords(CLIENTS[dialect])


def _listed(path: str, root: str | None) -> str | None:
    if root is None or not (path == root or path.startswith(f"{root}/")):
        return None
    return path.removeprefix(root).strip("/")


@dataclass(frozen=True, slots=True)
class OpenAIQuestion:
    """A chat completion."""

    asked: Asked
    kind: bytes = replies.SSE
    garbled: bytes = GARBLED

    def whole(self, script: Script) -> bytes:
        """The whole answer."""
        return msgspec.json.encode(replies.completion(script))

    def parts(self, script: Script) -> Parts:
        """The stream's pieces."""
        return list(events(script))


class OpenAIWords:
    """OpenAI's chat completions."""

    def question(self, request: ClientRequest) -> Question | None:
        """Read a chat call."""
        if request.path != "/v1/chat/completions":
            return None
        _post_only(request)
        return OpenAIQuestion(asking.read(request.body))

    def listing(self, request: ClientRequest) -> str | None:
        """The model that a listing is asked for."""
        return _listed(request.path, _LISTS[OPENAI])

    def models(self, profile: Profile, name: str, request: ClientRequest) -> bytes:
        """GET /v1/models, or one of them."""
        found = replies.model_object(profile, name) if name else replies.model_list(profile)
        return msgspec.json.encode(found)

    def error(self, error: FederationError) -> ClientReply:
        """An error as OpenAI words it."""
        return replies.render_error(error, "")


@dataclass(frozen=True, slots=True)
class FaceQuestion:
    """A chat call in the language of a client face."""

    face: ClientFace
    request: ChatRequest
    asked: Asked
    kind: bytes

    @property
    def garbled(self) -> bytes:
        """A piece of a stream that is not the protocol."""
        return b'data: {"simulated": "ind\n\n' if self.kind == _EVENTS else b'{"simulated": "ind\n'

    def whole(self, script: Script) -> bytes:
        """The whole answer."""
        return self.face.render(telling.response(script, self.face.name), self.request)

    def parts(self, script: Script) -> Parts:
        """The stream's pieces. What a renderer holds back keeps its wait."""
        renderer = self.face.renderer(self.request)
        made: Parts = []
        owed = 0.0
        for wait, chunks in telling.steps(script, self.face.name):
            owed += wait
            piece = renderer.render(chunks)
            if piece:
                made.append((owed, piece))
                owed = 0.0
        last = renderer.close()
        return [*made, (owed, last)] if last else made


class FaceWords:
    """The language of one of our client faces."""

    def __init__(self, face: ClientFace) -> None:
        self._face = face

    def question(self, request: ClientRequest) -> Question | None:
        """Read a chat call."""
        face = self._face
        if chat_dialect(request.path) != face.name:
            return None
        _post_only(request)
        read = face.parse(request, face.glance(request))
        return FaceQuestion(face, read, asked_of(read), face.stream_type(request))

    def listing(self, request: ClientRequest) -> str | None:
        """The model that a listing is asked for."""
        return _listed(request.path, _LISTS.get(self._face.name))

    def models(self, profile: Profile, name: str, request: ClientRequest) -> bytes:
        """The list, or one of it."""
        named = [(one.id, _model(profile, one.id)) for one in profile.models]
        match self._face.name:
            case "anthropic" if name:
                return anthropic_listing.render_model(name, dict(named)[name])
            case "anthropic":
                return anthropic_listing.render_models(named, {})
            case "gemini" if name:
                return gemini_listing.render_model(name, dict(named)[name])
            case "gemini":
                return gemini_listing.render_models(named, {})
            case _:
                return ollama_listing.render_tags(named, telling.CREATED)

    def error(self, error: FederationError) -> ClientReply:
        """An error in the language's own words."""
        return self._face.render_error(replies.marked(error), "")


def _model(profile: Profile, name: str) -> Model | None:
    known = profile.model(name)
    if known is None:
        return None
    return Model(
        id=known.id,
        name=known.name,
        family=profile.id,
        context=known.context,
        max_output=known.max_output,
        input_modalities=known.modalities,
    )


def _post_only(request: ClientRequest) -> None:
    if request.method != "POST":
        raise MethodNotAllowed(f"{request.path} takes POST")
