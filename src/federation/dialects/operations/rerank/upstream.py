"""Rerank towards providers: Cohere, Jina and the open hosts that repeat it, Voyage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import Raw, structs

from federation.dialects.operations import fields, losses, replies
from federation.dialects.operations.embeddings import cohere
from federation.dialects.operations.faces import Encoded
from federation.dialects.operations.rerank.shapes import COHERE, JINA, SHAPES, VOYAGE
from federation.dialects.operations.wire import OperationWire, post, rendered
from federation.dialects.tokenizer import members
from federation.schema.glance import Answer
from federation.schema.http import WireReply
from federation.schema.operations import OperationGlance, Ranked, RerankRequest, RerankResponse
from federation.schema.usage import Usage


class _Place(msgspec.Struct):
    index: int
    relevance_score: Raw = replies.NULL
    score: Raw = replies.NULL


class _Counts(msgspec.Struct):
    total_tokens: replies.Number = None
    prompt_tokens: replies.Number = None


class _Whole(msgspec.Struct):
    results: list[_Place] | None = None
    data: list[_Place] | None = None
    id: str | None = None
    model: str | None = None
    usage: _Counts | None = None
    meta: cohere.Meta | None = None
    error: Raw = replies.NULL
    base_resp: Raw = replies.NULL


_WHOLE: Final = msgspec.json.Decoder(_Whole)
_NUMBERS: Final = frozenset(b"%d" % digit for digit in range(10)) | {b"-"}


def encode_cohere(wire: OperationWire, request: RerankRequest) -> Encoded:
    """Write a canonical request in Cohere's words. Raises `InvalidRequest`."""
    return _encode(wire, request, COHERE)


def encode_jina(wire: OperationWire, request: RerankRequest) -> Encoded:
    """Write a canonical request in Jina's words. Raises `InvalidRequest`."""
    return _encode(wire, request, JINA)


def encode_voyage(wire: OperationWire, request: RerankRequest) -> Encoded:
    """Write a canonical request in Voyage's words. Raises `InvalidRequest`."""
    return _encode(wire, request, VOYAGE)


def decode(
    wire: OperationWire, request: RerankRequest, answers: Sequence[WireReply]
) -> RerankResponse:
    """Read the answer, best place first. Raises `UpstreamGarbled` also for a place outside of
    the documents, or named twice; and the error that an answer holds."""
    answer, places = _read(wire, answers[0].body)
    _check(wire, places, len(request.documents))
    results = tuple([Ranked(place.index, _score(place)) for place in places])
    return RerankResponse(answer.model or "", results, answer.id or "", _usage(answer))


def read(wire: OperationWire, seen: OperationGlance, reply: WireReply) -> Answer:
    """What matters of an answer that is forwarded. Raises as `decode` does."""
    answer, places = _read(wire, reply.body)
    _check(wire, places, seen.items)
    return Answer(answer.model or "", "", _usage(answer))


def _encode(wire: OperationWire, request: RerankRequest, dialect: str) -> Encoded:
    shape = SHAPES[dialect]
    noted = losses.begun(shape.loses)
    for place, document in enumerate(request.documents):
        if fields.first_byte(document.raw) == b"{" and len(members(bytes(document.raw))) > 1:
            noted.note("document_objects", f"documents[{place}]")
    # Documents are never asked for: whoever asked has them.
    body: dict[str, Any] = {
        "model": wire.model,
        "query": request.query,
        "documents": [document.text for document in request.documents],
        shape.top: request.top,
    }
    if shape.returns:
        body[shape.returns] = False
    if shape.truncates:
        body[shape.truncates] = request.truncate
    elif request.truncate is False:
        noted.note("truncate", "truncation")
    if shape.limits:
        body[shape.limits] = request.max_tokens_per_doc
    elif request.max_tokens_per_doc is not None:
        noted.note("max_tokens_per_doc")
    if request.extra:
        noted.note("unknown_field")
    return Encoded((post(wire, rendered(wire, body)),), noted.found())


def _read(wire: OperationWire, body: bytes) -> tuple[_Whole, list[_Place]]:
    answer = replies.read(wire, _WHOLE, body)
    replies.refuse_error(wire, answer.error, answer.base_resp, body)
    places = answer.results if answer.results is not None else answer.data
    if places is None:
        raise replies.garbled(wire, "without an order")
    return answer, places


def _check(wire: OperationWire, places: list[_Place], documents: int) -> None:
    if documents and not places:
        raise replies.garbled(wire, "with no place for any document")
    seen = {place.index for place in places}
    if len(seen) != len(places) or not seen <= set(range(documents)):
        raise replies.garbled(wire, "with a place that is not one of the documents")
    if any(fields.first_byte(_score(place)) not in _NUMBERS for place in places):
        raise replies.garbled(wire, "with a score that is not a number")


def _score(place: _Place) -> Raw:
    return place.relevance_score if place.relevance_score != replies.NULL else place.score


def _usage(answer: _Whole) -> Usage | None:
    counts = answer.usage
    tokens = counts.total_tokens or counts.prompt_tokens if counts is not None else None
    billed = cohere.usage_of(answer.meta)
    if billed is not None:
        return structs.replace(billed, input=billed.input or replies.whole(tokens))
    return None if tokens is None else Usage(input=replies.whole(tokens))
