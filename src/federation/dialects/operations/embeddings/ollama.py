"""Embeddings in the words of Ollama: `/api/embed`, always a list of vectors, always numbers.

Reference: https://docs.ollama.com/api/embed
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Raw

from federation.dialects.operations import fields, losses, replies
from federation.dialects.operations.embeddings import batches, vectors
from federation.dialects.operations.embeddings.openai import asked_form, check_inputs
from federation.dialects.operations.faces import Encoded
from federation.dialects.operations.wire import OperationWire, post, rendered
from federation.errors import InvalidRequest
from federation.schema.glance import Answer
from federation.schema.http import ClientRequest, WireReply
from federation.schema.operations import (
    CUT_END,
    CUT_NONE,
    CUT_START,
    EMBEDDINGS,
    FLOAT,
    EmbeddingRequest,
    EmbeddingResponse,
    OperationGlance,
)
from federation.schema.usage import Usage

DIALECT: Final = "ollama"
KNOWN: Final = fields.known(
    {
        "dimensions": fields.Count | None,
        "input": str | list[str] | None,
        "keep_alive": str | float | None,
        "model": fields.Name | None,
        "options": fields.Object | None,
        "truncate": bool | None,
    }
)
_READ: Final = frozenset(("dimensions", "input", "model", "truncate"))
LOSSES: Final = losses.table(
    "https://docs.ollama.com/api/embed",
    "embedding_form",
    "embedding_purpose",
    "embedding_title",
    "image_input",
    "mixed_input",
    "token_input",
    "truncate",
    "unknown_field",
    "user",
)


class _Whole(msgspec.Struct):
    embeddings: list[Raw] | None = None
    model: str | None = None
    prompt_eval_count: replies.Number = None
    error: Raw = replies.NULL


_WHOLE: Final = msgspec.json.Decoder(_Whole)


def glance(request: ClientRequest) -> OperationGlance:
    """Look at a call. Raises `InvalidRequest` with the field, `PayloadTooLarge`."""
    body = fields.look(request, KNOWN)
    fields.required(body, "input")
    given = body.values["input"]
    texts = [given] if isinstance(given, str) else given
    if not texts:
        raise InvalidRequest("'input' is empty.", param="input")
    dimensions = body.values.get("dimensions")
    return OperationGlance(
        EMBEDDINGS,
        DIALECT,
        body.values.get("model"),
        body.ask,
        items=len(texts),
        text_bytes=fields.utf8_size(texts),
        dimensions=dimensions,
        formats=(FLOAT,),
        needs=("dimensions",) if dimensions else (),
        governed=body.governed,
        unlisted=body.unlisted,
        user=body.ask.user,
        spans=body.spans,
        end=body.end,
    )


def parse(request: ClientRequest, seen: OperationGlance) -> EmbeddingRequest:
    """Read a glanced-at call."""
    body = fields.look(request, KNOWN)
    given = body.values["input"]
    cut = body.values.get("truncate")
    return EmbeddingRequest(
        DIALECT,
        seen.model or "",
        (given,) if isinstance(given, str) else tuple(given),
        dimensions=seen.dimensions,
        truncate="" if cut is None else (CUT_END if cut else CUT_NONE),
        extra=fields.extras(body.found, _READ),
    )


def render(response: EmbeddingResponse, request: EmbeddingRequest) -> bytes:
    """Write an answer."""
    found = vectors.in_form(response.vectors, FLOAT)
    return b'{"model":%b,"embeddings":[%b],"total_duration":0,"load_duration":0,%b}' % (
        msgspec.json.encode(request.model),
        b",".join([bytes(vector) for vector in found]),
        b'"prompt_eval_count":%d' % (response.usage.input if response.usage else 0),
    )


def encode(wire: OperationWire, request: EmbeddingRequest) -> Encoded:
    """Write a canonical request. Raises `InvalidRequest` for what cannot be said."""
    noted = losses.begun(LOSSES)
    asked_form(request, noted)
    check_inputs(request, noted)
    for feature, said in (
        ("embedding_purpose", request.purpose),
        ("embedding_title", request.title),
        ("user", request.user),
        ("truncate", request.truncate == CUT_START),
        ("unknown_field", request.extra),
    ):
        if said:
            noted.note(feature)
    cut = {CUT_END: True, CUT_START: True, CUT_NONE: False}.get(request.truncate)
    requests = [
        post(
            wire,
            rendered(
                wire,
                {
                    "model": wire.model,
                    "input": piece,
                    "dimensions": request.dimensions,
                    "truncate": cut,
                },
            ),
        )
        for piece in batches.cut(request.inputs, wire.batch)
    ]
    return Encoded(tuple(requests), noted.found())


def decode(
    wire: OperationWire, request: EmbeddingRequest, answers: Sequence[WireReply]
) -> EmbeddingResponse:
    """Read the answers to one call's requests. Raises `UpstreamGarbled`."""
    found: list[Raw] = []
    used: list[Usage | None] = []
    model = ""
    for reply in answers:
        answer = _read(wire, reply.body)
        found += answer.embeddings or []
        used.append(_usage(answer))
        model = model or answer.model or ""
    settled = vectors.settle({FLOAT: tuple(found)}, request)
    return EmbeddingResponse(model, settled, usage=batches.total(used))


def read(wire: OperationWire, seen: OperationGlance, reply: WireReply) -> Answer:
    """What matters of an answer that is forwarded. Raises as `decode` does."""
    answer = _read(wire, reply.body)
    found = answer.embeddings or []
    if len(found) != seen.items:
        raise replies.garbled(wire, f"with {len(found)} vectors for {seen.items} inputs")
    vectors.check(found, seen.dimensions)
    return Answer(answer.model or "", "", _usage(answer))


def _read(wire: OperationWire, body: bytes) -> _Whole:
    answer = replies.read(wire, _WHOLE, body)
    replies.refuse_error(wire, answer.error, replies.NULL, body)
    if answer.embeddings is None:
        raise replies.garbled(wire, "without vectors")
    return answer


def _usage(answer: _Whole) -> Usage | None:
    count = answer.prompt_eval_count
    return None if count is None else Usage(input=replies.whole(count))
