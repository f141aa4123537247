"""Who speaks what, written out: a missing key is "not supported".

Clients are found by path. An upstream is found by operation and the dialect of a row. Most
hosts of the OpenAI family rerank in the shape that Jina's clients know.
"""

from __future__ import annotations

from typing import Any, Final

from federation.dialects.cohere.errors import render_error as cohere_error
from federation.dialects.gemini import paths as gemini_paths
from federation.dialects.gemini.errors import render_error as gemini_error
from federation.dialects.ollama.errors import render_error as ollama_error
from federation.dialects.openai.errors import render_error as openai_error
from federation.dialects.openai.errors import render_stream_error as openai_stream_error
from federation.dialects.operations import (
    formfields,
    images,
    moderations,
    speech,
    taps,
    transcription,
    wire,
)
from federation.dialects.operations.embeddings import bedrock, cohere, gemini, ollama, voyage
from federation.dialects.operations.embeddings import openai as openai_embeddings
from federation.dialects.operations.faces import Codec, OperationClient
from federation.dialects.operations.rerank import client as rerank_client
from federation.dialects.operations.rerank import upstream as rerank_upstream
from federation.dialects.operations.rerank.client import render_detail
from federation.schema.operations import (
    AUDIO_TRANSLATION,
    EMBEDDINGS,
    IMAGE,
    IMAGE_EDIT,
    MODERATIONS,
    RERANK,
    SPEECH,
    TRANSCRIPTION,
    OperationGlance,
)

Key = tuple[str, str]
"""An operation and a dialect."""

CLIENT_PATHS: Final[dict[str, Key]] = {
    "/v1/embeddings": (EMBEDDINGS, "openai"),
    "/embeddings": (EMBEDDINGS, "openai"),
    "/v2/embed": (EMBEDDINGS, "cohere"),
    "/api/embed": (EMBEDDINGS, "ollama"),
    "/v1/rerank": (RERANK, "jina"),
    "/rerank": (RERANK, "jina"),
    "/v2/rerank": (RERANK, "cohere"),
    "/voyage/v1/rerank": (RERANK, "voyage"),
    "/v1/images/generations": (IMAGE, "openai"),
    "/v1/images/edits": (IMAGE_EDIT, "openai"),
    "/v1/audio/speech": (SPEECH, "openai"),
    "/v1/audio/transcriptions": (TRANSCRIPTION, "openai"),
    "/v1/audio/translations": (AUDIO_TRANSLATION, "openai"),
    "/v1/moderations": (MODERATIONS, "openai"),
}
"""Paths of clients, all with POST."""

_CLIENTS: Final[tuple[OperationClient[Any, Any], ...]] = (
    OperationClient(
        EMBEDDINGS,
        "openai",
        openai_embeddings.glance,
        openai_error,
        parse=openai_embeddings.parse,
        render=openai_embeddings.render,
    ),
    OperationClient(
        EMBEDDINGS,
        "cohere",
        cohere.glance,
        cohere_error,
        parse=cohere.parse,
        render=cohere.render,
    ),
    OperationClient(
        EMBEDDINGS,
        "gemini",
        gemini.glance,
        gemini_error,
        parse=gemini.parse,
        render=gemini.render,
    ),
    OperationClient(
        EMBEDDINGS,
        "ollama",
        ollama.glance,
        ollama_error,
        parse=ollama.parse,
        render=ollama.render,
    ),
    OperationClient(
        RERANK,
        "cohere",
        rerank_client.glance_cohere,
        cohere_error,
        parse=rerank_client.parse,
        render=rerank_client.render,
    ),
    OperationClient(
        RERANK,
        "jina",
        rerank_client.glance_shared,
        render_detail,
        parse=rerank_client.parse,
        render=rerank_client.render,
    ),
    OperationClient(
        RERANK,
        "voyage",
        rerank_client.glance_voyage,
        render_detail,
        parse=rerank_client.parse,
        render=rerank_client.render,
    ),
    OperationClient(IMAGE, "openai", images.glance, openai_error, stream_error=openai_stream_error),
    OperationClient(
        IMAGE_EDIT, "openai", images.glance_edit, openai_error, stream_error=openai_stream_error
    ),
    OperationClient(SPEECH, "openai", speech.glance, openai_error),
    OperationClient(
        TRANSCRIPTION,
        "openai",
        transcription.glance,
        openai_error,
        stream_error=openai_stream_error,
    ),
    OperationClient(
        AUDIO_TRANSLATION,
        "openai",
        transcription.glance_translation,
        openai_error,
        stream_error=openai_stream_error,
    ),
    OperationClient(MODERATIONS, "openai", moderations.glance, openai_error),
)
OPERATION_CLIENTS: Final[dict[Key, OperationClient[Any, Any]]] = {
    (face.operation, face.dialect): face for face in _CLIENTS
}

_CODECS: Final[tuple[Codec[Any, Any], ...]] = (
    Codec(
        EMBEDDINGS,
        "openai",
        "/embeddings",
        openai_embeddings.read,
        forwards="openai",
        forward=wire.forward_json,
        encode=openai_embeddings.encode,
        decode=openai_embeddings.decode,
        batch=openai_embeddings.BATCH,
    ),
    Codec(
        EMBEDDINGS,
        "cohere",
        "/embed",
        cohere.read,
        forwards="cohere",
        forward=wire.forward_json,
        encode=cohere.encode,
        decode=cohere.decode,
        batch=cohere.BATCH,
    ),
    Codec(
        EMBEDDINGS,
        "gemini",
        gemini.PATH,
        gemini.read,
        forwards="gemini",
        forward=gemini.forward,
        encode=gemini.encode,
        decode=gemini.decode,
        batch=gemini.BATCH,
    ),
    Codec(
        EMBEDDINGS,
        "ollama",
        "/api/embed",
        ollama.read,
        forwards="ollama",
        forward=wire.forward_json,
        encode=ollama.encode,
        decode=ollama.decode,
    ),
    Codec(
        EMBEDDINGS,
        "bedrock",
        "/model/{model}/invoke",
        cohere.read,
        encode=bedrock.encode,
        decode=bedrock.decode,
        batch=bedrock.BATCH,
    ),
    Codec(
        EMBEDDINGS,
        "voyage",
        "/embeddings",
        openai_embeddings.read,
        encode=voyage.encode_voyage,
        decode=voyage.decode,
        batch=voyage.VOYAGE_BATCH,
    ),
    Codec(
        EMBEDDINGS,
        "jina",
        "/embeddings",
        openai_embeddings.read,
        encode=voyage.encode_jina,
        decode=voyage.decode,
        batch=voyage.JINA_BATCH,
    ),
    Codec(
        RERANK,
        "cohere",
        "/rerank",
        rerank_upstream.read,
        forwards="cohere",
        forward=wire.forward_json,
        encode=rerank_upstream.encode_cohere,
        decode=rerank_upstream.decode,
    ),
    Codec(
        RERANK,
        "jina",
        "/rerank",
        rerank_upstream.read,
        forwards="jina",
        forward=wire.forward_json,
        encode=rerank_upstream.encode_jina,
        decode=rerank_upstream.decode,
    ),
    Codec(
        RERANK,
        "openai",
        "/rerank",
        rerank_upstream.read,
        forwards="jina",
        forward=wire.forward_json,
        encode=rerank_upstream.encode_jina,
        decode=rerank_upstream.decode,
    ),
    Codec(
        RERANK,
        "voyage",
        "/rerank",
        rerank_upstream.read,
        forwards="voyage",
        forward=wire.forward_json,
        encode=rerank_upstream.encode_voyage,
        decode=rerank_upstream.decode,
    ),
    Codec(
        IMAGE,
        "openai",
        "/images/generations",
        images.read,
        forwards="openai",
        forward=wire.forward_json,
        tap=taps.open_tap,
    ),
    Codec(
        IMAGE_EDIT,
        "openai",
        "/images/edits",
        images.read,
        forwards="openai",
        forward=formfields.forward_form,
        tap=taps.open_tap,
    ),
    Codec(
        SPEECH,
        "openai",
        "/audio/speech",
        speech.read,
        forwards="openai",
        forward=speech.forward,
        tap=taps.open_tap,
    ),
    Codec(
        TRANSCRIPTION,
        "openai",
        "/audio/transcriptions",
        transcription.read,
        forwards="openai",
        forward=formfields.forward_form,
        tap=taps.open_tap,
    ),
    Codec(
        AUDIO_TRANSLATION,
        "openai",
        "/audio/translations",
        transcription.read,
        forwards="openai",
        forward=formfields.forward_form,
        tap=taps.open_tap,
    ),
    Codec(
        MODERATIONS,
        "openai",
        "/moderations",
        moderations.read,
        forwards="openai",
        forward=wire.forward_json,
    ),
)
OPERATION_UPSTREAMS: Final[dict[Key, Codec[Any, Any]]] = {
    (codec.operation, codec.dialect): codec for codec in _CODECS
}


def find_client(path: str) -> OperationClient[Any, Any] | None:
    """The client face that a path belongs to, or None. Faces of one path may hand a call on:
    use `client_of` once it was glanced at."""
    key = CLIENT_PATHS.get(path)
    if key is None and gemini_paths.route(path, gemini_paths.EMBEDDINGS) is not None:
        key = (EMBEDDINGS, "gemini")
    return None if key is None else OPERATION_CLIENTS[key]


def client_of(glance: OperationGlance) -> OperationClient[Any, Any]:
    """The client face whose words a call turned out to be in."""
    return OPERATION_CLIENTS[glance.operation, glance.dialect]


def serves(operation: str, client: str, upstream: str) -> bool:
    """Whether a row of dialect `upstream` can serve this operation for clients of `client`:
    by forwarding, or by translating."""
    face = OPERATION_CLIENTS.get((operation, client))
    codec = OPERATION_UPSTREAMS.get((operation, upstream))
    if face is None or codec is None:
        return False
    return codec.forwards == client or (face.parse is not None and codec.encode is not None)
