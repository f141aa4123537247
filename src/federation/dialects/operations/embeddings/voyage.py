"""Embeddings in the words of Voyage and of Jina: OpenAI's answer, other names in the request.

References: https://docs.voyageai.com/reference/embeddings-api, https://api.jina.ai/redoc
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from federation.dialects.losses import Losses
from federation.dialects.operations import losses
from federation.dialects.operations.embeddings import batches, openai, purposes
from federation.dialects.operations.faces import Encoded
from federation.dialects.operations.wire import OperationWire, post, rendered
from federation.schema.http import WireReply
from federation.schema.operations import (
    BASE64,
    BINARY,
    CUT_END,
    CUT_NONE,
    CUT_START,
    FLOAT,
    INT8,
    UBINARY,
    UINT8,
    EmbeddingInput,
    EmbeddingRequest,
    EmbeddingResponse,
    Mixed,
)
from federation.schema.parts import IMAGE, Text

VOYAGE, JINA = "voyage", "jina"
VOYAGE_BATCH: Final = 1000
JINA_BATCH: Final = 512
_CUTS: Final = {CUT_END: True, CUT_START: True, CUT_NONE: False}
_QUANTIZED: Final = (INT8, UINT8, BINARY, UBINARY)
_SHARED: Final = ("embedding_form", "embedding_purpose", "embedding_title", "token_input",
                  "truncate", "unknown_field", "user")  # fmt: skip
_VOYAGE_LOSSES: Final = losses.table(
    "https://docs.voyageai.com/reference/embeddings-api", "mixed_input", *_SHARED
)
_JINA_LOSSES: Final = losses.table("https://api.jina.ai/redoc", "mixed_input", *_SHARED)


def encode_voyage(wire: OperationWire, request: EmbeddingRequest) -> Encoded:
    """Write a canonical request. Raises `InvalidRequest` for what cannot be said."""
    noted = losses.begun(_VOYAGE_LOSSES)
    form = _form(request, (FLOAT, BASE64, *_QUANTIZED), noted)
    openai.check_inputs(request, noted)
    return _requests(
        wire,
        request,
        noted,
        {
            "input_type": purposes.write(request.purpose, purposes.VOYAGE, noted, "input_type"),
            "truncation": _CUTS.get(request.truncate),
            "output_dimension": request.dimensions,
            "output_dtype": form if form in _QUANTIZED else None,
            "encoding_format": form if form == BASE64 else None,
        },
    )


def encode_jina(wire: OperationWire, request: EmbeddingRequest) -> Encoded:
    """Write a canonical request. Raises `InvalidRequest` for what cannot be said."""
    noted = losses.begun(_JINA_LOSSES)
    form = _form(request, (FLOAT, BASE64, BINARY, UBINARY), noted)
    if batches.first_of(request.inputs)[0]:
        noted.note("token_input", "input")
    return _requests(
        wire,
        request,
        noted,
        {
            "task": purposes.write(request.purpose, purposes.JINA, noted, "input_type"),
            "truncate": _CUTS.get(request.truncate),
            "dimensions": request.dimensions,
            "embedding_type": form,
        },
    )


def decode(
    wire: OperationWire, request: EmbeddingRequest, answers: Sequence[WireReply]
) -> EmbeddingResponse:
    """Read the answers to one call's requests. Raises as OpenAI's decoder does."""
    form = request.formats[0] if request.formats[0] in _QUANTIZED else ""
    return openai.decode(wire, request, answers, form)


def _form(request: EmbeddingRequest, known: tuple[str, ...], noted: Losses) -> str:
    """The one form to ask for; each answer is in one."""
    wanted = set(request.formats)
    if wanted == {FLOAT, BASE64}:
        return FLOAT
    form = request.formats[0]
    if len(wanted) > 1 or form not in known:
        noted.note("embedding_form", "embedding_types")
    return form


def _requests(
    wire: OperationWire, request: EmbeddingRequest, noted: Losses, more: Mapping[str, Any]
) -> Encoded:
    for feature, said in (
        ("embedding_title", request.title),
        ("user", request.user),
        ("truncate", request.truncate == CUT_START),
        ("unknown_field", request.extra),
    ):
        if said:
            noted.note(feature)
    requests = [
        post(
            wire,
            rendered(
                wire,
                {"model": wire.model, "input": [_written(item, noted) for item in piece], **more},
            ),
        )
        for piece in batches.cut(request.inputs, wire.batch)
    ]
    return Encoded(tuple(requests), noted.found())


def _written(item: EmbeddingInput, noted: Losses) -> str | dict[str, str]:
    if isinstance(item, str):
        return item
    if isinstance(item, Mixed) and len(item.parts) == 1:
        part = item.parts[0]
        if isinstance(part, Text):
            return part.text
        if part.kind == IMAGE:
            # A remote address is taken as it is; inline data is plain base64.
            return {"image": part.url or part.data}
    noted.note("mixed_input", "inputs")
    return ""
