"""What a text is embedded for, in the words of each wire language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from federation.dialects.losses import Losses
from federation.schema.operations import (
    CLASSIFICATION,
    CLUSTERING,
    CODE_QUERY,
    DOCUMENT,
    FACT_CHECK,
    QUERY,
    QUESTION,
    SIMILARITY,
)

COHERE: Final = {
    QUERY: "search_query",
    DOCUMENT: "search_document",
    CLASSIFICATION: "classification",
    CLUSTERING: "clustering",
}
GEMINI: Final = {
    QUERY: "RETRIEVAL_QUERY",
    DOCUMENT: "RETRIEVAL_DOCUMENT",
    SIMILARITY: "SEMANTIC_SIMILARITY",
    CLASSIFICATION: "CLASSIFICATION",
    CLUSTERING: "CLUSTERING",
    QUESTION: "QUESTION_ANSWERING",
    FACT_CHECK: "FACT_VERIFICATION",
    CODE_QUERY: "CODE_RETRIEVAL_QUERY",
}
VOYAGE: Final = {QUERY: "query", DOCUMENT: "document"}
JINA: Final = {
    QUERY: "retrieval.query",
    DOCUMENT: "retrieval.passage",
    SIMILARITY: "text-matching",
    CLASSIFICATION: "classification",
    CLUSTERING: "separation",
}

ASKING: Final = frozenset((CODE_QUERY, QUESTION, FACT_CHECK))
"""Purposes for which a text is a query, where a language has no finer word."""

_READ: Final = {
    word: purpose for words in (COHERE, GEMINI, VOYAGE, JINA) for purpose, word in words.items()
} | {"passage": DOCUMENT, "code.query": CODE_QUERY, "nl2code.query": CODE_QUERY}


def read(word: str) -> str:
    """The purpose that a word of any language names; empty for a word that none has."""
    return _READ.get(word, "")


def write(purpose: str, words: Mapping[str, str], losses: Losses, field: str) -> str | None:
    """The language's word for a purpose; None where it has none, which is then noted."""
    if not purpose:
        return None
    word = words.get(purpose)
    if word is None and purpose in ASKING:
        word = words.get(QUERY)
    if word is None:
        losses.note("embedding_purpose", field)
    return word


def offered(words: tuple[str, ...]) -> dict[str, str]:
    """A row's own words for the purposes that they name."""
    return {purpose: word for word in words if (purpose := read(word))}
