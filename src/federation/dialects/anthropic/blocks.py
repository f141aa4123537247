"""Content blocks of this language as canonical parts, in requests and in answers.

A newcomer would get wrong that a block may hold members which only this language knows
(`caller`, `context`, `transformations`): they are kept in `extra` as they came, and written
back by nobody else. A block that is unknown as a whole is a `Foreign` part.

Reference: types.content_block_param and types.content_block of the official SDK 2.11
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec import Raw

from federation.dialects.anthropic.tables import ANSWER_TOOL, NAME
from federation.dialects.foreign_parts import refuse_stranger
from federation.dialects.tokenizer import Members, wrong_type
from federation.errors import InvalidRequest
from federation.schema.parts import (
    FILE,
    IMAGE,
    CacheMark,
    Citation,
    Fields,
    Foreign,
    Media,
    Part,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)

_STRING: Final = msgspec.json.Decoder(str)
_TEXT: Final = msgspec.json.Decoder(str | None)
_FLAG: Final = msgspec.json.Decoder(bool | None)
_OBJECT: Final = msgspec.json.Decoder(dict[str, Raw])
_CONTENT: Final = msgspec.json.Decoder(str | list[dict[str, Raw]] | None)
_NULL: Final = Raw(b"null")
_NOTHING: Final[Fields] = {}


class _Mark(msgspec.Struct):
    ttl: str | None = None


class _Cited(msgspec.Struct):
    type: str = ""
    cited_text: str | None = None
    title: str | None = None
    document_title: str | None = None
    url: str | None = None
    source: str | None = None


class _Cite(msgspec.Struct):
    enabled: bool | None = None


_MARK: Final = msgspec.json.Decoder(_Mark | None)
_CITATIONS: Final = msgspec.json.Decoder(list[Raw] | None)
_CITED: Final = msgspec.json.Decoder(_Cited)
_CITE: Final = msgspec.json.Decoder(_Cite | None)


_UNREAD: Final = ("container_upload",)
"""Kinds of this language that no other can say."""


def read_content(raw: Raw, where: str) -> tuple[Part, ...]:
    """The parts of a content, a string or an array. Raises `InvalidRequest` with the place."""
    data = bytes(raw)
    if data[:1] == b'"':
        return (Text(_read(_STRING, raw, where)),)
    found = _read(_CONTENT, raw, where)
    if found is None:
        return ()
    if isinstance(found, str):
        return (Text(found),)
    return tuple([read_block(block, f"{where}[{i}]") for i, block in enumerate(found)])


def read_block(block: Members, where: str) -> Part:
    """One block as a part. Raises `InvalidRequest` with the place."""
    kind = _read(_STRING, block.get("type", _NULL), f"{where}.type")
    reader = _READERS.get(kind)
    if reader is None:
        refuse_stranger(kind, where, _UNREAD, "text, image or document")
        return Foreign(NAME, Raw(msgspec.json.encode(block)))
    return reader(block, where)


def read_mark(raw: Raw | None, where: str) -> CacheMark | None:
    """A `cache_control` as a mark."""
    if raw is None:
        return None
    mark = _read(_MARK, raw, where)
    return CacheMark(mark.ttl or "") if mark is not None else None


def read_citation(raw: Raw) -> Citation:
    """A citation, kept whole beside what every dialect can show of it. Its places count other
    things than characters of the answer, so they stay in `raw`."""
    cited = _CITED.decode(raw)
    url = cited.url or ""
    source = cited.source or ""
    if not url and source.startswith(("http://", "https://")):
        url = source
    return Citation(
        cited.title or cited.document_title or "", url, cited.cited_text or "", raw=Raw(bytes(raw))
    )


def rest(block: Members, known: frozenset[str]) -> Fields:
    """The members that are not among the known ones; nulls say nothing."""
    if len(block) <= len(known) and block.keys() <= known:
        return _NOTHING
    return {
        name: Raw(bytes(raw)) for name, raw in block.items() if name not in known and raw != _NULL
    }


def _read(decoder: msgspec.json.Decoder[Any], raw: Raw, where: str) -> Any:
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as error:
        raise wrong_type(error, where) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise InvalidRequest(f"'{where}' is not readable.", param=where) from None


_TEXT_KNOWN: Final = frozenset(("type", "text", "citations", "cache_control", "signature"))


def _text(block: Members, where: str) -> Text:
    text = _read(_STRING, block.get("text", _NULL), f"{where}.text")
    if len(block) == 2:
        return Text(text)
    citations: tuple[Citation, ...] = ()
    if "citations" in block:
        try:
            found = _CITATIONS.decode(block["citations"]) or ()
            citations = tuple([read_citation(raw) for raw in found])
        except msgspec.ValidationError as error:
            raise wrong_type(error, f"{where}.citations") from None
    return Text(
        text,
        citations,
        read_mark(block.get("cache_control"), f"{where}.cache_control"),
        _read(_TEXT, block.get("signature", _NULL), f"{where}.signature") or "",
        extra=rest(block, _TEXT_KNOWN),
    )


_MEDIA_KNOWN: Final = frozenset(("type", "source", "cache_control", "title", "citations"))


def _image(block: Members, where: str) -> Part:
    return _media(IMAGE, block, where)


def _document(block: Members, where: str) -> Part:
    return _media(FILE, block, where)


def _media(kind: str, block: Members, where: str) -> Part:
    source = _read(_OBJECT, block.get("source", _NULL), f"{where}.source")

    def said(name: str) -> str:
        return _read(_TEXT, source.get(name, _NULL), f"{where}.source.{name}") or ""

    form = said("type")
    extra = rest(block, _MEDIA_KNOWN)
    given: dict[str, str] = {}
    if form == "base64":
        given = {"data": said("data"), "media_type": said("media_type")}
    elif form == "url":
        given = {"url": said("url")}
    elif form == "file":
        given = {"file_id": said("file_id")}
    elif form == "text":
        given = {"text": said("data"), "media_type": said("media_type") or "text/plain"}
    elif form == "content":
        text = _plain(source.get("content", _NULL), f"{where}.source.content")
        if text is None:
            return Foreign(NAME, Raw(msgspec.json.encode(block)))
        given = {"text": text, "media_type": "text/plain"}
        extra = {**extra, "source": Raw(bytes(block["source"]))}
    else:
        return Foreign(NAME, Raw(msgspec.json.encode(block)))
    cite = _read(_CITE, block.get("citations", _NULL), f"{where}.citations")
    return Media(
        kind,
        name=_read(_TEXT, block.get("title", _NULL), f"{where}.title") or "",
        cite=cite is not None and cite.enabled is True,
        cache=read_mark(block.get("cache_control"), f"{where}.cache_control"),
        extra=extra,
        **given,
    )


def _plain(raw: Raw, where: str) -> str | None:
    """The text of a content that holds nothing but text."""
    parts = read_content(raw, where)
    texts = [part.text for part in parts if isinstance(part, Text)]
    return "\n".join(texts) if len(texts) == len(parts) else None


def _search_result(block: Members, where: str) -> Part:
    """As a text document for everybody else, and whole for us."""
    text = _plain(block.get("content", _NULL), f"{where}.content")
    if text is None:
        return Foreign(NAME, Raw(msgspec.json.encode(block)))
    cite = _read(_CITE, block.get("citations", _NULL), f"{where}.citations")
    whole = {name: raw for name, raw in block.items() if name != "cache_control"}
    return Media(
        FILE,
        "text/plain",
        text=text,
        name=_read(_TEXT, block.get("title", _NULL), f"{where}.title") or "",
        cite=cite is not None and cite.enabled is True,
        cache=read_mark(block.get("cache_control"), f"{where}.cache_control"),
        extra={"search_result": Raw(msgspec.json.encode(whole))},
    )


_THINKING_KNOWN: Final = frozenset(("type", "thinking", "signature", "cache_control"))


def _thinking(block: Members, where: str) -> Thinking:
    return Thinking(
        _read(_TEXT, block.get("thinking", _NULL), f"{where}.thinking") or "",
        _read(_TEXT, block.get("signature", _NULL), f"{where}.signature") or "",
        extra=rest(block, _THINKING_KNOWN),
    )


def _redacted(block: Members, where: str) -> Thinking:
    return Thinking(sealed=_read(_STRING, block.get("data", _NULL), f"{where}.data"))


_CALL_KNOWN: Final = frozenset(("type", "id", "name", "input", "cache_control", "signature"))


def _tool_use(block: Members, where: str) -> Part:
    name = _read(_STRING, block.get("name", _NULL), f"{where}.name")
    raw = block.get("input", _NULL)
    _read(_OBJECT, raw, f"{where}.input")
    arguments = bytes(raw).decode()
    if name == ANSWER_TOOL:
        return Text(arguments)
    return ToolCall(
        _read(_STRING, block.get("id", _NULL), f"{where}.id"),
        name,
        arguments,
        signature=_read(_TEXT, block.get("signature", _NULL), f"{where}.signature") or "",
        cache=read_mark(block.get("cache_control"), f"{where}.cache_control"),
        extra=rest(block, _CALL_KNOWN),
    )


_RESULT_KNOWN: Final = frozenset(("type", "tool_use_id", "content", "is_error", "cache_control"))


def _tool_result(block: Members, where: str) -> ToolResult:
    parts = read_content(block.get("content", _NULL), f"{where}.content")
    for i, part in enumerate(parts):
        if not isinstance(part, Text | Media | Foreign):
            raise InvalidRequest(
                f"'{where}.content[{i}]' cannot stand in a tool's result.",
                code="invalid_value",
                param=f"{where}.content[{i}].type",
            )
    return ToolResult(
        _read(_STRING, block.get("tool_use_id", _NULL), f"{where}.tool_use_id"),
        parts,  # type: ignore[arg-type]  # the loop refused every other kind
        error=_read(_FLAG, block.get("is_error", _NULL), f"{where}.is_error") is True,
        cache=read_mark(block.get("cache_control"), f"{where}.cache_control"),
        extra=rest(block, _RESULT_KNOWN),
    )


_READERS: Final[dict[str, Callable[[Members, str], Part]]] = {
    "text": _text,
    "image": _image,
    "document": _document,
    "search_result": _search_result,
    "thinking": _thinking,
    "redacted_thinking": _redacted,
    "tool_use": _tool_use,
    "tool_result": _tool_result,
}
