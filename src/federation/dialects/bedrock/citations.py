"""Citations between the canonical form and the vendor's.

A place inside of a document counts characters, pages or chunks of the document and not of
the answer's text, so it stays in the raw form; what every dialect knows is the title, the
address and the words that are quoted.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Raw

from federation.schema.parts import Citation


class _Words(msgspec.Struct):
    text: str | None = None


class _Web(msgspec.Struct):
    url: str | None = None


class _Location(msgspec.Struct):
    web: _Web | None = None


class _Citation(msgspec.Struct, rename="camel"):
    title: str | None = None
    source: str | None = None
    source_content: list[_Words] | None = None
    location: _Location | None = None


_CITATION: Final = msgspec.json.Decoder(_Citation)
_OBJECT: Final = msgspec.json.Decoder(dict[str, Raw])
_MEMBERS: Final = frozenset(("title", "source", "sourceContent", "location"))


def read_citation(raw: Raw) -> Citation:
    """A citation. Raises `msgspec.ValidationError`."""
    found = _CITATION.decode(raw)
    url = ""
    if found.location is not None and found.location.web is not None:
        url = found.location.web.url or ""
    elif found.source and found.source.startswith(("http://", "https://")):
        url = found.source
    return Citation(
        title=found.title or "",
        url=url,
        quote="".join(words.text or "" for words in found.source_content or ()),
        raw=Raw(bytes(raw)),
    )


def write_citation(citation: Citation) -> Any:
    """A citation in the vendor's form: the raw one where it is in that form already."""
    if citation.raw is not None and _is_ours(citation.raw):
        return citation.raw
    written: dict[str, Any] = {}
    if citation.title:
        written["title"] = citation.title
    if citation.url:
        written["source"] = citation.url
        written["location"] = {"web": {"url": citation.url}}
    if citation.quote:
        written["sourceContent"] = [{"text": citation.quote}]
    return written


def _is_ours(raw: Raw) -> bool:
    """Whether a raw citation has this vendor's members and no other: nothing else tells from
    which dialect it came."""
    try:
        return _MEMBERS.issuperset(_OBJECT.decode(raw))
    except (msgspec.DecodeError, RecursionError):
        return False
