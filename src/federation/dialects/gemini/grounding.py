"""Where an answer's text comes from: the vendor's grounding and recitation as citations, and back.

The wire counts bytes of UTF-8 within a part, the canonical form characters. An answer of
this dialect to a client of this dialect keeps the grounding itself; what is made of it here
is for the others.

Reference: https://ai.google.dev/api/generate-content#GroundingMetadata
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import Raw

from federation.dialects.gemini.names import NULL
from federation.schema.parts import Citation

_MOST: Final = 500


class _Source(msgspec.Struct):
    uri: str | None = None
    title: str | None = None


class _Chunk(msgspec.Struct, rename="camel"):
    web: _Source | None = None
    maps: _Source | None = None
    retrieved_context: _Source | None = None


class _Segment(msgspec.Struct, rename="camel"):
    part_index: int | None = None
    start_index: int | None = None
    end_index: int | None = None
    text: str | None = None


class _Support(msgspec.Struct, rename="camel"):
    segment: _Segment | None = None
    grounding_chunk_indices: list[int] | None = None


class _Grounding(msgspec.Struct, rename="camel"):
    grounding_chunks: list[_Chunk] | None = None
    grounding_supports: list[_Support] | None = None
    web_search_queries: list[str] | None = None


class _Cited(msgspec.Struct, rename="camel"):
    start_index: int | None = None
    end_index: int | None = None
    uri: str | None = None
    title: str | None = None


class _Recited(msgspec.Struct, rename="camel"):
    citations: list[_Cited] | None = None
    citation_sources: list[_Cited] | None = None


_GROUNDING: Final = msgspec.json.Decoder(_Grounding)
_RECITED: Final = msgspec.json.Decoder(_Recited)
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def read_citations(
    grounding: Raw, recited: Raw, texts: Sequence[str]
) -> list[tuple[int, Citation]]:
    """Citations with the index of the part that each belongs to; `texts` are the parts' words,
    empty for what is no text. What cannot be read gives none."""
    found = _read_grounding(grounding, texts) if grounding != NULL else []
    if recited != NULL:
        first = next((place for place, text in enumerate(texts) if text), 0)
        text = texts[first] if texts else ""
        found += [(first, citation) for citation in _read_recited(recited, text)]
    return found


def _read_grounding(raw: Raw, texts: Sequence[str]) -> list[tuple[int, Citation]]:
    try:
        found = _GROUNDING.decode(raw)
    except _UNREADABLE:
        return []
    chunks = found.grounding_chunks or []
    citations: list[tuple[int, Citation]] = []
    encoded = [text.encode() for text in texts]
    for support in found.grounding_supports or ():
        segment = support.segment or _Segment()
        part = _place(segment, encoded)
        text = texts[part] if part < len(texts) else ""
        for number in support.grounding_chunk_indices or ():
            source = _source(chunks[number]) if 0 <= number < len(chunks) else None
            if source is not None and len(citations) < _MOST:
                citations.append((part, _citation(source, segment, text)))
    return citations


def _place(segment: _Segment, texts: Sequence[bytes]) -> int:
    """The part that a segment is of. The vendor seldom says which, and counts thoughts or does
    not: where the named one is no text, or has other words there, another that has them."""
    named = segment.part_index or 0
    words = (segment.text or "").encode()
    span = slice(max(segment.start_index or 0, 0), segment.end_index)
    if words and not (named < len(texts) and texts[named][span] == words):
        found = (place for place, text in enumerate(texts) if text[span] == words)
        named = next(found, named)
    if 0 <= named < len(texts) and texts[named]:
        return named
    return next((place for place, text in enumerate(texts) if text), 0)


def _source(chunk: _Chunk) -> _Source | None:
    return chunk.web or chunk.retrieved_context or chunk.maps


def _citation(source: _Source, segment: _Segment, text: str) -> Citation:
    start, end = segment.start_index or 0, segment.end_index
    return Citation(
        source.title or "",
        source.uri or "",
        segment.text or "",
        _characters(text, start),
        _characters(text, end) if end is not None else None,
    )


def _read_recited(raw: Raw, text: str) -> list[Citation]:
    try:
        found = _RECITED.decode(raw)
    except _UNREADABLE:
        return []
    return [
        Citation(
            item.title or "",
            item.uri or "",
            start=_characters(text, item.start_index or 0),
            end=_characters(text, item.end_index) if item.end_index is not None else None,
        )
        for item in (found.citation_sources or found.citations or ())[:_MOST]
    ]


def count_searches(raw: Raw) -> int:
    """How many searches stand behind an answer; they are billed."""
    if raw == NULL:
        return 0
    try:
        return len(_GROUNDING.decode(raw).web_search_queries or ())
    except _UNREADABLE:
        return 0


def _characters(text: str, place: int) -> int:
    """The character that begins at a byte of a text."""
    if place <= 0 or text.isascii():
        return max(place, 0)
    return len(text.encode()[:place].decode(errors="ignore"))


def write_citations(cited: Sequence[tuple[str, Citation]], *, long_form: bool) -> dict[str, Any]:
    """Citations in this dialect's words, each with the text of the part that it belongs to.
    The two forms of the interface name the list differently."""
    items = []
    for text, citation in cited:
        item: dict[str, Any] = {}
        if citation.start is not None:
            item["startIndex"] = _bytes(text, citation.start)
        if citation.end is not None:
            item["endIndex"] = _bytes(text, citation.end)
        if citation.url:
            item["uri"] = citation.url
        if citation.title and long_form:
            item["title"] = citation.title
        items.append(item)
    return {"citations" if long_form else "citationSources": items}


def _bytes(text: str, place: int) -> int:
    return place if text.isascii() else len(text[:place].encode())
