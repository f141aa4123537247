"""Rerank towards clients: Cohere's, Jina's and Voyage's calls and answers.

Jina's and Voyage's clients call the same path. A body that says `top_k` or `truncation` is
Voyage's; any other is Jina's, whose shape open hosts and their clients repeat.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Raw

from federation.dialects.openai.errors import render_error as render_openai
from federation.dialects.operations import fields
from federation.dialects.operations.rerank.shapes import COHERE, JINA, SHAPES, VOYAGE
from federation.dialects.tokenizer import members, wrong_type
from federation.errors import FederationError, InvalidRequest
from federation.schema.http import ClientReply, ClientRequest
from federation.schema.operations import (
    RERANK,
    OperationGlance,
    RankedDocument,
    RerankRequest,
    RerankResponse,
)
from federation.schema.usage import Usage

KNOWN: Final = fields.known(
    {
        "documents": list[Raw] | None,
        "max_tokens_per_doc": fields.Count | None,
        "model": fields.Name | None,
        "priority": int | None,
        "query": str | None,
        "return_documents": bool | None,
        "top_k": fields.Count | None,
        "top_n": fields.Count | None,
        "truncation": bool | None,
    },
    listed=(
        "max_chunks_per_doc",
        "max_doc_length",
        "max_query_length",
        "rank_fields",
        "relevant_spans",
        "return_embeddings",
        "truncate_prompt_tokens",
    ),
)
_READ: Final = frozenset(KNOWN.types) - {"priority"}
_VOYAGES: Final = frozenset(("top_k", "truncation"))
_STRING: Final = msgspec.json.Decoder(str)


def glance_cohere(request: ClientRequest) -> OperationGlance:
    """Look at a call in Cohere's words. Raises `InvalidRequest`, `PayloadTooLarge`."""
    return _glance(request, COHERE)


def glance_shared(request: ClientRequest) -> OperationGlance:
    """Look at a call on the path that Jina's and Voyage's clients share. Raises as above."""
    return _glance(request, "")


def glance_voyage(request: ClientRequest) -> OperationGlance:
    """Look at a call that is known to be in Voyage's words. Raises as above."""
    return _glance(request, VOYAGE)


def parse(request: ClientRequest, seen: OperationGlance) -> RerankRequest:
    """Read a glanced-at call. Raises `InvalidRequest` with the field."""
    body = fields.look(request, KNOWN)
    get = body.values.get
    shape = SHAPES[seen.dialect]
    returned = get("return_documents")
    return RerankRequest(
        seen.dialect,
        seen.model or "",
        body.values["query"],
        tuple([_document(raw, index) for index, raw in enumerate(body.values["documents"])]),
        top=get("top_n") or get("top_k"),
        return_documents=shape.returned_by_default if returned is None else returned,
        max_tokens_per_doc=get("max_tokens_per_doc"),
        truncate=get("truncation"),
        extra=fields.extras(body.found, _READ),
    )


def render(response: RerankResponse, request: RerankRequest) -> bytes:
    """Write an answer in the client's shape; scores stay the text that the provider wrote."""
    shape = SHAPES[request.dialect]
    results = [
        {
            "index": item.index,
            "relevance_score": item.score,
            **_echo(request, item.index, as_text=shape.returned_as_text),
        }
        for item in response.results[: request.top]
    ]
    model = response.model or request.model
    usage = response.usage or Usage()
    tokens = {"total_tokens": usage.input}
    body: dict[str, Any]
    if request.dialect == COHERE:
        meta = {"api_version": {"version": "2"}, "billed_units": _billed(usage)}
        body = {"id": response.id, "results": results, "meta": meta}
    elif request.dialect == VOYAGE:
        body = {"object": "list", "data": results, "model": model, "usage": tokens}
    else:
        body = {"model": model, "results": results, "usage": tokens}
    return msgspec.json.encode(body)


def render_detail(error: FederationError, call_id: str = "") -> ClientReply:
    """An error as Jina's and Voyage's clients read it: a `detail`, with our code beside it."""
    reply = render_openai(error, call_id)
    reply.body = msgspec.json.encode({"detail": error.message, "code": error.code})
    return reply


def _glance(request: ClientRequest, dialect: str) -> OperationGlance:
    body = fields.look(request, KNOWN)
    fields.required(body, "query", "documents")
    if not dialect:
        dialect = JINA if _VOYAGES.isdisjoint(body.found) else VOYAGE
    if body.values.get("top_n") is not None and body.values.get("top_k") is not None:
        raise InvalidRequest("Send one of 'top_n' and 'top_k'.", param="top_n")
    query, documents = body.values["query"], body.values["documents"]
    if not documents:
        raise InvalidRequest("'documents' is empty.", param="documents")
    objects = sum([fields.first_byte(raw) == b"{" for raw in documents])
    if objects:
        for index, raw in enumerate(documents):
            if fields.first_byte(raw) == b"{":
                members(bytes(raw), f"documents[{index}]")
    return OperationGlance(
        RERANK,
        dialect,
        body.values.get("model"),
        body.ask,
        items=len(documents),
        # The query is read again beside every document, and providers bill it so.
        text_bytes=fields.utf8_size([query]) * len(documents) + sum(map(len, documents)),
        needs=("document_objects",) if objects else (),
        governed=body.governed,
        unlisted=body.unlisted,
        user=body.ask.user,
        spans=body.spans,
        end=body.end,
    )


def _document(raw: Raw, index: int) -> RankedDocument:
    data, where = bytes(raw), f"documents[{index}]"
    try:
        if data[:1] != b"{":
            return RankedDocument(_STRING.decode(data), raw)
        text = members(data, where).get("text")
        if text is None:
            raise InvalidRequest(
                f"'{where}' has no text. Send documents as texts or as objects with a text.",
                code="not_expressible",
                param=where,
            )
        return RankedDocument(_STRING.decode(text), raw)
    except msgspec.ValidationError as error:
        raise wrong_type(error, where) from None


def _echo(request: RerankRequest, index: int, *, as_text: bool) -> dict[str, Any]:
    if not request.return_documents or index >= len(request.documents):
        return {}
    document = request.documents[index]
    return {"document": document.text if as_text else {"text": document.text}}


def _billed(usage: Usage) -> dict[str, int]:
    billed = {"search_units": usage.units["search"]} if "search" in usage.units else {}
    return billed | ({"input_tokens": usage.input} if usage.input else {})
