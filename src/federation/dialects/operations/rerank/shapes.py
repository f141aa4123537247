"""How the languages of reranking differ, as data: names of fields, and what they cannot say.

References: https://docs.cohere.com/reference/rerank, https://api.jina.ai/redoc,
https://docs.voyageai.com/reference/reranker-api
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from federation.dialects.losses import Table
from federation.dialects.operations import losses

COHERE, JINA, VOYAGE = "cohere", "jina", "voyage"


@dataclass(frozen=True, slots=True)
class Shape:
    """One language's words. An empty name: there is no such field."""

    dialect: str
    top: str
    results: str
    """Where an answer has the order."""
    returns: str
    truncates: str
    limits: str
    returned_by_default: bool
    """Documents come back where the caller says nothing."""
    returned_as_text: bool
    """A document comes back as a string, not as an object with a text."""
    loses: Table


SHAPES: Final[dict[str, Shape]] = {
    COHERE: Shape(
        COHERE,
        top="top_n",
        results="results",
        returns="",
        truncates="",
        limits="max_tokens_per_doc",
        returned_by_default=False,
        returned_as_text=False,
        loses=losses.table(
            "https://docs.cohere.com/reference/rerank",
            "document_objects",
            "truncate",
            "unknown_field",
        ),
    ),
    JINA: Shape(
        JINA,
        top="top_n",
        results="results",
        returns="return_documents",
        truncates="",
        limits="",
        returned_by_default=True,
        returned_as_text=False,
        loses=losses.table(
            "https://api.jina.ai/redoc",
            "document_objects",
            "max_tokens_per_doc",
            "truncate",
            "unknown_field",
        ),
    ),
    VOYAGE: Shape(
        VOYAGE,
        top="top_k",
        results="data",
        returns="return_documents",
        truncates="truncation",
        limits="",
        returned_by_default=False,
        returned_as_text=True,
        loses=losses.table(
            "https://docs.voyageai.com/reference/reranker-api",
            "document_objects",
            "max_tokens_per_doc",
            "unknown_field",
        ),
    ),
}
