"""Embeddings in the words of Gemini: one content (embedContent) or a list of whole requests.

What a newcomer would get wrong: each entry of a batch carries its own model, task type and
dimensions. The entries' models must be the path's; when the name changes on the way, it
changes in every entry. Names may come in camel case or with underscores (proto3 JSON).

Reference: https://ai.google.dev/api/embeddings
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import Raw, structs

from federation.dialects.gemini.paths import EMBEDDINGS as METHODS
from federation.dialects.gemini.paths import asked
from federation.dialects.losses import Losses
from federation.dialects.operations import fields, losses, replies
from federation.dialects.operations.embeddings import batches, gemini_requests, purposes, vectors
from federation.dialects.operations.embeddings.gemini_requests import BATCHED, SINGLE
from federation.dialects.operations.embeddings.openai import asked_form
from federation.dialects.operations.faces import Encoded
from federation.dialects.operations.wire import OperationWire, edits_for, post, rendered
from federation.dialects.splice import splice
from federation.errors import InvalidRequest
from federation.schema.glance import Answer
from federation.schema.http import ClientRequest, WireReply, WireRequest
from federation.schema.operations import (
    CUT_NONE,
    CUT_START,
    EMBEDDINGS,
    FLOAT,
    EmbeddingInput,
    EmbeddingRequest,
    EmbeddingResponse,
    Mixed,
    OperationGlance,
    Tokens,
)
from federation.schema.parts import Media, Text
from federation.schema.usage import Usage

DIALECT: Final = "gemini"
BATCH: Final = 100
PATH: Final = "/models/{model}:{method}"
LOSSES: Final = losses.table(
    "https://ai.google.dev/api/embeddings",
    "embedding_form",
    "embedding_purpose",
    "token_input",
    "truncate",
    "unknown_field",
    "user",
)


class _Vector(msgspec.Struct):
    values: Raw = replies.NULL


class _Counts(msgspec.Struct):
    promptTokenCount: replies.Number = None  # noqa: N815 (the vendor's name)


class _Whole(msgspec.Struct):
    embedding: _Vector | None = None
    embeddings: list[_Vector] | None = None
    usageMetadata: _Counts | None = None  # noqa: N815 (the vendor's name)


_WHOLE: Final = msgspec.json.Decoder(_Whole)


def glance(request: ClientRequest) -> OperationGlance:
    """Look at a call. Raises `InvalidRequest` with the field, `PayloadTooLarge`."""
    model, method = asked(request, METHODS)
    body = fields.look(
        request, gemini_requests.KNOWN_BATCH if method == BATCHED else gemini_requests.KNOWN
    )
    entries = gemini_requests.read(body, method, model)
    dimensions = entries[0].dimensions
    images = sum([entry.media > 0 for entry in entries])
    needs = (
        *(("image_input",) if images else ()),
        *(("dimensions",) if dimensions else ()),
        *(("mixed_input",) if any(len(entry.parts) > 1 for entry in entries) else ()),
    )
    return OperationGlance(
        EMBEDDINGS,
        DIALECT,
        model,
        body.ask,
        variant=method,
        items=len(entries),
        text_bytes=sum([entry.text_bytes for entry in entries]),
        images=images,
        media_bytes=sum([entry.media for entry in entries]),
        dimensions=dimensions,
        formats=(FLOAT,),
        needs=needs,
        governed=body.governed + gemini_requests.governed(entries),
        unlisted=body.unlisted + gemini_requests.unlisted(entries),
        user=body.ask.user,
        spans=body.spans,
        end=body.end,
    )


def parse(request: ClientRequest, seen: OperationGlance) -> EmbeddingRequest:
    """Read a glanced-at call. Raises `InvalidRequest` where the entries of a batch differ in
    more than their content: other languages say the rest once for all."""
    body = fields.look(
        request, gemini_requests.KNOWN_BATCH if seen.variant == BATCHED else gemini_requests.KNOWN
    )
    entries = gemini_requests.read(body, seen.variant, seen.model or "")
    first = entries[0]
    for entry in entries:
        if (entry.task, entry.title, entry.dimensions) != (
            first.task,
            first.title,
            first.dimensions,
        ):
            raise InvalidRequest(
                "The deployment that would serve this call takes one taskType, title and "
                "outputDimensionality for all requests. Send those that differ apart.",
                code="not_expressible",
                param="requests",
            )
    return EmbeddingRequest(
        DIALECT,
        seen.model or "",
        tuple([gemini_requests.canonical(entry) for entry in entries]),
        dimensions=first.dimensions,
        purpose=purposes.read(first.task),
        title=first.title,
        variant=seen.variant,
        extra=first.extra,
    )


def render(response: EmbeddingResponse, request: EmbeddingRequest) -> bytes:
    """Write an answer in the shape of the method that was called."""
    found = vectors.in_form(response.vectors, FLOAT)
    lists = [b'{"values":%b}' % bytes(vector) for vector in found]
    usage = b""
    if response.usage is not None:
        usage = b',"usageMetadata":{"promptTokenCount":%d,"totalTokenCount":%d}' % (
            response.usage.input,
            response.usage.input,
        )
    if request.variant == SINGLE:
        return b'{"embedding":%b%b}' % (lists[0], usage)
    return b'{"embeddings":[%b]%b}' % (b",".join(lists), usage)


def encode(wire: OperationWire, request: EmbeddingRequest) -> Encoded:
    """Write a canonical request, as a batch whatever its size. Raises `InvalidRequest`."""
    noted = losses.begun(LOSSES)
    asked_form(request, noted)
    for feature, said in (
        ("user", request.user),
        ("truncate", request.truncate in (CUT_NONE, CUT_START)),
        ("unknown_field", request.extra),
    ):
        if said:
            noted.note(feature)
    shared = {
        "model": f"models/{wire.model}",
        "taskType": purposes.write(request.purpose, purposes.GEMINI, noted, "input_type"),
        "title": request.title or None,
        "outputDimensionality": request.dimensions,
    }
    shared = {name: value for name, value in shared.items() if value is not None}
    requests = []
    for piece in batches.cut(request.inputs, wire.batch):
        entries = [{**shared, "content": {"parts": _parts(item, noted)}} for item in piece]
        written = post(wire, rendered(wire, {"requests": entries}))
        requests.append(_at(written, BATCHED))
    return Encoded(tuple(requests), noted.found())


def decode(
    wire: OperationWire, request: EmbeddingRequest, answers: Sequence[WireReply]
) -> EmbeddingResponse:
    """Read the answers to one call's requests. Raises `UpstreamGarbled`."""
    found: list[Raw] = []
    used: list[Usage | None] = []
    for reply in answers:
        answer = replies.read(wire, _WHOLE, reply.body)
        found += _values(wire, answer)
        used.append(_usage(answer))
    settled = vectors.settle({FLOAT: tuple(found)}, request)
    return EmbeddingResponse(wire.model, settled, usage=batches.total(used))


def forward(wire: OperationWire, seen: OperationGlance, request: ClientRequest) -> WireRequest:
    """The client's body to the same method; the model's name is replaced where it stands."""
    edits = edits_for(wire, seen, named=False)
    if seen.model != wire.model:
        values = gemini_requests.renamed(request.body, seen.spans, wire.model)
        edits = structs.replace(edits, set={**edits.set, **values})
    body = splice(request.body, seen.spans, seen.end, edits)
    return _at(post(wire, body), seen.variant)


def read(wire: OperationWire, seen: OperationGlance, reply: WireReply) -> Answer:
    """What matters of an answer that is forwarded. Raises as `decode` does."""
    answer = replies.read(wire, _WHOLE, reply.body)
    found = _values(wire, answer)
    if len(found) != seen.items:
        raise replies.garbled(wire, f"with {len(found)} vectors for {seen.items} inputs")
    vectors.check(found, seen.dimensions)
    return Answer("", "", _usage(answer))


def _at(request: WireRequest, method: str) -> WireRequest:
    return structs.replace(request, target=request.target.replace("{method}", method))


def _values(wire: OperationWire, answer: _Whole) -> list[Raw]:
    found = [answer.embedding] if answer.embedding is not None else answer.embeddings
    if not found or any(fields.first_byte(vector.values) != b"[" for vector in found):
        raise replies.garbled(wire, "without vectors")
    return [vector.values for vector in found]


def _usage(answer: _Whole) -> Usage | None:
    count = answer.usageMetadata.promptTokenCount if answer.usageMetadata is not None else None
    return None if count is None else Usage(input=replies.whole(count))


def _parts(item: EmbeddingInput, noted: Losses) -> list[dict[str, Any]]:
    if isinstance(item, Tokens):
        noted.note("token_input", "input")
        return []
    parts = item.parts if isinstance(item, Mixed) else (Text(item),)
    return [_part(part) for part in parts]


def _part(part: Text | Media) -> dict[str, Any]:
    if isinstance(part, Text):
        return {"text": part.text}
    if part.data:
        return {"inlineData": {"mimeType": part.media_type or "image/png", "data": part.data}}
    return {"fileData": {"fileUri": part.url, **_typed(part)}}


def _typed(part: Media) -> dict[str, str]:
    return {"mimeType": part.media_type} if part.media_type else {}
