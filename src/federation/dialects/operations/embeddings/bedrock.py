"""Embeddings behind InvokeModel: the body is in the words of the model's maker.

The row says whose words (`invoke_body`). Titan embeds one text a request, so a call with
several becomes several. The count of tokens may stand in a response header instead of the body.

References:
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-embed.html
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModel.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Raw, structs

from federation.dialects.operations import fields, losses, replies
from federation.dialects.operations.embeddings import batches, cohere, vectors
from federation.dialects.operations.embeddings.openai import asked_form, check_inputs
from federation.dialects.operations.faces import Encoded
from federation.dialects.operations.wire import OperationWire, post, rendered
from federation.errors import InvalidRequest
from federation.schema.http import Headers, WireReply
from federation.schema.operations import (
    BASE64,
    CUT_END,
    CUT_START,
    FLOAT,
    EmbeddingRequest,
    EmbeddingResponse,
)
from federation.schema.usage import Usage

BATCH: Final = 96
TITAN, COHERE = "titan", "cohere"
_TOKENS: Final = b"x-amzn-bedrock-input-token-count"
_TITAN_LOSSES: Final = losses.table(
    "https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html",
    "embedding_form",
    "embedding_purpose",
    "embedding_title",
    "mixed_input",
    "token_input",
    "truncate",
    "unknown_field",
    "user",
)


class _Titan(msgspec.Struct):
    embedding: Raw = replies.NULL
    inputTextTokenCount: replies.Number = None  # noqa: N815 (the vendor's name)


_TITAN: Final = msgspec.json.Decoder(_Titan)


def encode(wire: OperationWire, request: EmbeddingRequest) -> Encoded:
    """Write a canonical request. Raises `InvalidRequest` for what cannot be said."""
    if wire.body == COHERE:
        return _encode_cohere(wire, request)
    if wire.body == TITAN:
        return _encode_titan(wire, request)
    raise InvalidRequest(
        "The row of this deployment does not say in whose words its body is written "
        "(quirk invoke_body). Name another model.",
        code="not_expressible",
    )


def decode(
    wire: OperationWire, request: EmbeddingRequest, answers: Sequence[WireReply]
) -> EmbeddingResponse:
    """Read the answers to one call's requests. Raises `UpstreamGarbled`."""
    if wire.body == COHERE:
        response = cohere.decode(wire, request, answers)
        usage = response.usage or batches.total([_counted(reply.headers) for reply in answers])
        return structs.replace(response, usage=usage)
    found: list[Raw] = []
    used: list[Usage | None] = []
    for reply in answers:
        answer = replies.read(wire, _TITAN, reply.body)
        if fields.first_byte(answer.embedding) != b"[":
            raise replies.garbled(wire, "without a vector")
        found.append(answer.embedding)
        count = answer.inputTextTokenCount
        used.append(_counted(reply.headers) if count is None else Usage(input=replies.whole(count)))
    settled = vectors.settle({FLOAT: tuple(found)}, request)
    return EmbeddingResponse(wire.model, settled, usage=batches.total(used))


def _encode_titan(wire: OperationWire, request: EmbeddingRequest) -> Encoded:
    noted = losses.begun(_TITAN_LOSSES)
    asked_form(request, noted)
    check_inputs(request, noted)
    for feature, said in (
        ("embedding_purpose", request.purpose),
        ("embedding_title", request.title),
        ("user", request.user),
        ("truncate", request.truncate in (CUT_START, CUT_END)),
        ("unknown_field", request.extra),
    ):
        if said:
            noted.note(feature)
    requests = [
        post(
            wire,
            rendered(wire, {"inputText": piece[0], "dimensions": request.dimensions}),
        )
        for piece in batches.cut(request.inputs, 1)
    ]
    return Encoded(tuple(requests), noted.found())


def _encode_cohere(wire: OperationWire, request: EmbeddingRequest) -> Encoded:
    noted = losses.begun(cohere.LOSSES)
    shared = cohere.common_fields(request, noted)
    # base64 is not among the forms here; it is made from the numbers.
    forms = [FLOAT if form == BASE64 else form for form in request.formats]
    requests = [
        post(
            wire,
            rendered(
                wire,
                {
                    **cohere.input_fields(piece, noted),
                    **shared,
                    "embedding_types": list(dict.fromkeys(forms)),
                },
            ),
        )
        for piece in batches.cut(request.inputs, wire.batch)
    ]
    return Encoded(tuple(requests), noted.found())


def _counted(headers: Headers) -> Usage | None:
    text = headers.get(_TOKENS, b"").strip()
    return Usage(input=int(text)) if text.isdigit() and len(text) <= 12 else None
