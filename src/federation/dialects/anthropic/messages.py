"""Counts a conversation of this language: how much text, what is attached, what is governed.

Contents stay JSON: a text's length is that of its bytes, escapes included, which makes it a
few percent too long; a bound may be. Parts inside a tool's result count like any other.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Raw

from federation.dialects.anthropic.fields import GOVERNED
from federation.dialects.anthropic.tables import ROLES
from federation.dialects.malformed import check_number, missing, read_role, read_string
from federation.dialects.storage import FILE_FIELD, names_storage
from federation.dialects.tokenizer import (
    Members,
    check_objects,
    members,
    objects,
    objects_unchecked,
    wrong_type,
)
from federation.errors import InvalidRequest

_STRING: Final = msgspec.json.Decoder(str)
_OBJECT: Final = msgspec.json.Decoder(dict[str, Raw])
_ROLES: Final = {f'"{role}"'.encode(): role for role in ROLES}
_QUOTE, _BRACKET, _BACKSLASH = 0x22, 0x5B, 0x5C
_PLAIN: Final = len('{"role":,"content":}')
"""What a message of just these two members has around their values, in compact text."""
_SAMPLE: Final = 512
_DEEPEST: Final = 4
"""Levels of parts in parts: a document's pages in a tool's result in a message."""
MESSAGES: Final = 10_000
"""Most messages in a call, the same at every face: the vendor's limit is ten times as high,
what a million tokens of context hold is less."""

_TEXTUAL: Final = frozenset(("text", "thinking", "redacted_thinking", "compaction"))
_NESTED: Final = frozenset(("tool_result", "search_result", "mcp_tool_result"))
_KNOWN: Final = (
    _TEXTUAL
    | _NESTED
    | frozenset(
        [
            "image",
            "document",
            "tool_use",
            "server_tool_use",
            "mcp_tool_use",
            "container_upload",
            "tool_reference",
            "web_search_tool_result",
            "web_fetch_tool_result",
            "code_execution_tool_result",
            "bash_code_execution_tool_result",
            "text_editor_code_execution_tool_result",
            "tool_search_tool_result",
            "advisor_tool_result",
            "fallback",
            "browser_state",
            "tool_addition",
            "tool_removal",
            "mcp_tool_listing",
        ]
    )
)
_REQUIRED: Final = {"text": "text", "image": "source", "document": "source", "tool_use": "input"}


class Tally(msgspec.Struct):
    """What a conversation holds."""

    messages: int = 0
    text: int = 0
    """UTF-8 bytes, at most."""
    images: int = 0
    files: int = 0
    prefill: bool = False
    """The last turn is the model's own, so the caller began the answer."""
    governed: dict[str, None] = {}
    unlisted: dict[str, None] = {}


def read_messages(raw: Raw) -> Tally:
    """Count a conversation. Raises `InvalidRequest` that names the message and member."""
    items = objects_unchecked(raw, "messages")
    check_number(items, "messages", MESSAGES)
    tally = Tally(len(items))
    length = len(items) + 1
    role, content = "", None
    for index, item in enumerate(items):
        role = read_role(item.get("role"), index, _ROLES)
        content = item.get("content")
        if content is None:
            if role != "system" or "output_config" not in item:
                raise missing(f"messages[{index}].content")
        else:
            read_content(content, f"messages[{index}].content", tally)
            if len(item) == 2:
                length += len(role) + 2 + len(content) + _PLAIN
                continue
        length += 1
        for name, value in item.items():
            length += len(name) + len(value) + 4
    if length != len(raw):
        check_objects(bytes(raw), items, "messages")
    tally.prefill = role == "assistant" and not _is_paused(content)
    return tally


def _is_paused(content: Raw | None) -> bool:
    """Whether a last turn is the model's own pause (`pause_turn`), which every model goes on
    from, and not an answer that the caller began."""
    data = bytes(content or b"")
    return b'"server_tool_use"' in data or b'"mcp_tool_use"' in data


def read_content(raw: Raw, where: str, tally: Tally, depth: int = 0) -> None:
    """Count a content: a string or an array of parts."""
    data = bytes(raw)
    if data[0] == _QUOTE:
        tally.text += _length(raw, data)
    elif data[0] == _BRACKET:
        if depth >= _DEEPEST:
            raise InvalidRequest(f"'{where}' holds parts too deep in parts.", param=where)
        for index, part in enumerate(objects(raw, where)):
            _read_part(part, f"{where}[{index}]", tally, depth)
    else:
        raise InvalidRequest(
            f"'{where}' must be a string or an array of parts.", code="invalid_type", param=where
        )


def read_kind(part: Members, place: str) -> str:
    """The `type` of an object. Raises `InvalidRequest` where it has none."""
    raw = part.get("type")
    if raw is None:
        raise missing(f"{place}.type")
    return read_string(raw, f"{place}.type")


def _read_part(part: Members, place: str, tally: Tally, depth: int) -> None:
    kind = read_kind(part, place)
    required = _REQUIRED.get(kind)
    if required is not None and required not in part:
        raise missing(f"{place}.{required}")
    if kind == "text":
        raw = part["text"]
        if bytes(raw)[0] != _QUOTE:
            raise InvalidRequest(
                f"Wrong value for '{place}.text': expected str.",
                code="invalid_type",
                param=f"{place}.text",
            )
        tally.text += _length(raw, bytes(raw))
    elif kind in ("image", "document"):
        _read_source(part["source"], kind, place, tally, depth)
    elif kind in _NESTED:
        content = part.get("content")
        if content is not None and content != _NULL:
            read_content(content, f"{place}.content", tally, depth + 1)
    elif kind == "container_upload":
        tally.governed["content.container_upload"] = None
    else:
        if kind not in _KNOWN:
            tally.unlisted[f"content.{kind[:64]}"] = None
        for name, value in part.items():
            if name not in ("type", "id", "cache_control"):
                tally.text += len(value)
    mark = part.get("cache_control")
    if mark is not None:
        _note_mark(mark, tally)


_NULL: Final = Raw(b"null")


def _read_source(raw: Raw, kind: str, place: str, tally: Tally, depth: int) -> None:
    if kind == "image":
        tally.images += 1
    else:
        tally.files += 1
    try:
        source = _OBJECT.decode(raw)
    except msgspec.ValidationError as error:
        raise wrong_type(error, f"{place}.source") from None
    form = read_kind(source, f"{place}.source")
    if len(raw) < _SAMPLE or form not in ("base64", "text"):
        members(bytes(raw), f"{place}.source")
    if form == "file" or (form == "url" and names_storage(source, f"{place}.source")):
        tally.governed[FILE_FIELD] = None
    elif form == "text":
        tally.text += len(source.get("data", b""))
    elif form == "content" and "content" in source:
        read_content(source["content"], f"{place}.source.content", tally, depth + 1)


def _note_mark(raw: Raw, tally: Tally) -> None:
    if b"".join(bytes(raw).split()) not in GOVERNED["cache_control"].neutral:
        tally.governed["cache_control"] = None


def _length(raw: Raw, data: bytes) -> int:
    """A text's UTF-8 bytes, at most. Text that begins with `\\u` escapes is decoded, because it
    is likely to be full of them."""
    if _BACKSLASH in data and b"\\u" in data[:_SAMPLE]:
        text = _STRING.decode(raw)
        return len(text) if text.isascii() else len(text.encode())
    return len(data) - 2
