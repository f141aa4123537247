"""Citations: a list beside the content on the wire, members of the cited text in ours.

An entry names the block it belongs to by `content_index`; older answers leave that out and
mean the first text. What cites a plan or thinking has no place in the canonical form and is
kept as it came, for a client of this dialect.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec
from msgspec import Raw, structs

from federation.schema.parts import Citation, Part, Text

_LONGEST_QUOTE: Final = 4096


class _Source(msgspec.Struct):
    type: str = ""
    id: str | None = None
    document: dict[str, Any] | None = None
    tool_output: dict[str, Any] | None = None


class _Citation(msgspec.Struct):
    start: int | None = None
    end: int | None = None
    text: str | None = None
    sources: list[_Source] | None = None
    content_index: int | None = None
    type: str | None = None


_CITATION: Final = msgspec.json.Decoder(_Citation)


def read_citation(raw: Raw) -> tuple[Citation | None, int | None]:
    """A citation of answer text, and the index of its block where it says one; None for one
    that cites something else or cannot be read."""
    try:
        found = _CITATION.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None, None
    if found.type is not None and found.type != "TEXT_CONTENT":
        return None, found.content_index
    title = url = quote = ""
    for source in found.sources or ():
        data = source.document or source.tool_output or {}
        title = _word(data, "title") or source.id or ""
        url = _word(data, "url")
        quote = _word(data, "snippet") or _word(data, "text")
        break
    citation = Citation(title, url, quote[:_LONGEST_QUOTE], found.start, found.end, raw)
    return citation, found.content_index


def attach(parts: list[Part], raws: Iterable[Raw]) -> list[Raw]:
    """Put citations into the content parts that they cite; what is left over is returned."""
    left: list[Raw] = []
    cited: dict[int, list[Citation]] = {}
    for raw in raws:
        citation, index = read_citation(raw)
        place = _place(parts, index) if citation is not None else None
        if citation is None or place is None:
            left.append(raw)
        else:
            cited.setdefault(place, []).append(citation)
    for place, citations in cited.items():
        part = parts[place]
        if isinstance(part, Text):
            parts[place] = structs.replace(part, citations=tuple(citations))
    return left


def _place(parts: Sequence[Part], index: int | None) -> int | None:
    if index is not None:
        inside = 0 <= index < len(parts) and isinstance(parts[index], Text)
        return index if inside else None
    return next((place for place, part in enumerate(parts) if isinstance(part, Text)), None)


def write_citation(citation: Citation, index: int, *, own: bool, text: str = "") -> Any:
    """A citation in this dialect's words: as it came where it is its own."""
    if own and citation.raw is not None:
        return citation.raw
    document = {
        name: value
        for name, value in (
            ("title", citation.title),
            ("url", citation.url),
            ("snippet", citation.quote),
        )
        if value
    }
    start, end = citation.start, citation.end
    return {
        "start": start,
        "end": end,
        "text": text[start:end] if start is not None and end is not None else "",
        "sources": [
            {
                "type": "document",
                "id": citation.url or citation.title or "source",
                "document": document,
            }
        ],
        "content_index": index,
        "type": "TEXT_CONTENT",
    }


def is_own(citation: Citation) -> bool:
    """Whether a citation came in this dialect's words. A stream does not say whose it is."""
    if citation.raw is None:
        return False
    try:
        return _CITATION.decode(citation.raw).sources is not None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False


def _word(data: dict[str, Any], name: str) -> str:
    value = data.get(name)
    return value if isinstance(value, str) else ""
