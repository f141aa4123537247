"""What can be asked of a model besides a chat: embeddings, rerank, pictures, speech, checks.

A glance is enough to route, price and forward a call; canonical requests and answers exist
only for the operations that several wire languages have (embeddings, rerank). Numbers of a
vector and scores stay the text that the provider wrote: a float that is read and written
again may come out longer, and a client may compare.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import msgspec
from msgspec import Raw

from federation.schema.glance import Ask, Span
from federation.schema.parts import Fields, Media, Text
from federation.schema.usage import Usage

EMBEDDINGS: Final = "embeddings"
RERANK: Final = "rerank"
IMAGE: Final = "image"
IMAGE_EDIT: Final = "image_edit"
SPEECH: Final = "speech"
TRANSCRIPTION: Final = "transcription"
AUDIO_TRANSLATION: Final = "audio_translation"
MODERATIONS: Final = "moderations"
"""Operations, in the words of the catalogue's `operations`."""

FLOAT, BASE64, INT8, UINT8, BINARY, UBINARY = (
    "float",
    "base64",
    "int8",
    "uint8",
    "binary",
    "ubinary",
)
"""Forms of a vector. `base64` is the same as `float`: float32, little-endian, in base64."""

QUERY, DOCUMENT, SIMILARITY, CLASSIFICATION, CLUSTERING, CODE_QUERY, QUESTION, FACT_CHECK = (
    "query",
    "document",
    "similarity",
    "classification",
    "clustering",
    "code_query",
    "question",
    "fact_check",
)
"""What a text is embedded for."""

CUT_START, CUT_END, CUT_NONE = "start", "end", "none"
"""What is cut off a text that is too long; `none`: an error instead."""


class FormPart(msgspec.Struct, frozen=True, array_like=True):
    """A part of a multipart body: `body[opening:end]` is the part from its delimiter line on,
    `body[value:end]` its content."""

    name: str
    filename: str | None
    media_type: str
    opening: int
    value: int
    end: int


class Form(msgspec.Struct, frozen=True):
    """Where the parts of a multipart body stand."""

    boundary: bytes
    parts: tuple[FormPart, ...]
    closing: int
    """Offset of the line break before the closing delimiter."""


class OperationGlance(msgspec.Struct, frozen=True):
    """One call, as far as anyone but the provider needs to know it."""

    operation: str
    dialect: str
    model: str | None
    ask: Ask
    stream: bool = False
    """The answer is to be handed on as it arrives."""
    variant: str = ""
    """Which of a dialect's methods for the operation was called."""
    items: int = 1
    """Texts to embed, documents to rank, things to check."""
    text_bytes: int = 0
    """UTF-8 bytes of all text, a bound on its tokens."""
    characters: int = 0
    """Characters of the text to be spoken."""
    tokens: int = 0
    """Tokens of input that came as token numbers."""
    images: int = 0
    """Pictures given."""
    media_bytes: int = 0
    """Bytes of the files given."""
    outputs: int = 1
    """Pictures asked for."""
    size: str = ""
    quality: str = ""
    seconds: float | None = None
    """Length of the sound, where its header says it."""
    dimensions: int | None = None
    """Asked of the vectors; None: the model's own."""
    formats: tuple[str, ...] = ()
    """Forms of the answer that were asked for."""
    needs: tuple[str, ...] = ()
    """What a deployment must be able to do: image_input, token_input, dimensions, ..."""
    governed: tuple[str, ...] = ()
    unlisted: tuple[str, ...] = ()
    user: str = ""
    spans: dict[str, Span] = {}
    end: int = 0
    """Offset of the closing brace of a JSON body."""
    form: Form | None = None
    """Of a multipart body."""


class Tokens(msgspec.Struct, frozen=True):
    """An input that the client took apart into token numbers: a JSON array of integers."""

    ids: Raw
    count: int


class Mixed(msgspec.Struct, frozen=True):
    """An input of several parts, pictures among them, that becomes one vector."""

    parts: tuple[Text | Media, ...]


EmbeddingInput: TypeAlias = str | Tokens | Mixed


class EmbeddingRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """Things to be turned into vectors. `dialect` is the client's."""

    dialect: str
    model: str
    inputs: tuple[EmbeddingInput, ...]
    formats: tuple[str, ...] = (FLOAT,)
    dimensions: int | None = None
    purpose: str = ""
    title: str = ""
    """Of the document that the texts are from."""
    truncate: str = ""
    user: str = ""
    variant: str = ""
    """Which of the dialect's methods the client called; its answer has that method's shape."""
    extra: Fields = {}


class EmbeddingResponse(msgspec.Struct, frozen=True, omit_defaults=True):
    """Vectors in the order of the inputs, for each form that the provider sent.

    A vector is JSON text: an array of numbers, or a string for `base64`.
    """

    model: str
    """The response model: what the provider says answered; may be empty."""
    vectors: dict[str, tuple[Raw, ...]]
    id: str = ""
    usage: Usage | None = None


class RankedDocument(msgspec.Struct, frozen=True, omit_defaults=True):
    """A document to rank. `raw` is what the client wrote: a string or an object."""

    text: str
    raw: Raw


class RerankRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """Documents to be put in order by how much they say about a query."""

    dialect: str
    model: str
    query: str
    documents: tuple[RankedDocument, ...]
    top: int | None = None
    return_documents: bool = False
    max_tokens_per_doc: int | None = None
    truncate: bool | None = None
    extra: Fields = {}


class Ranked(msgspec.Struct, frozen=True):
    """A place in the order; `score` is the number's text."""

    index: int
    score: Raw


class RerankResponse(msgspec.Struct, frozen=True, omit_defaults=True):
    """The order, best first. Documents are not in it: whoever asked has them."""

    model: str
    results: tuple[Ranked, ...]
    id: str = ""
    usage: Usage | None = None
