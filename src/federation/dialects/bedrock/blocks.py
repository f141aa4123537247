"""Reads content blocks, of clients and of providers, into canonical parts.

A block is a union: an object with one member, whose name is its kind. A cache point is a
block of its own here and a mark of the part before it in the canonical form. A kind that is
not known, or has no canonical place, becomes a `Foreign` part that is written back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec
from msgspec import Raw, structs

from federation.dialects.bedrock.citations import read_citation
from federation.dialects.bedrock.media import read_media
from federation.dialects.bedrock.tables import NAME
from federation.dialects.tokenizer import wrong_type
from federation.errors import InvalidRequest
from federation.schema.parts import (
    CacheMark,
    Fields,
    Foreign,
    Media,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)

_NULL: Final = Raw(b"null")
_TRUE: Final = Raw(b"true")


class _Mark(msgspec.Struct):
    type: str | None = None
    ttl: str | None = None


class _ToolUse(msgspec.Struct, rename="camel"):
    tool_use_id: str
    name: str
    input: Raw = Raw(b"{}")
    type: str | None = None


class _ToolResult(msgspec.Struct, rename="camel"):
    tool_use_id: str
    content: list[dict[str, Raw]] | None = None
    status: str | None = None
    type: str | None = None


class _Reasoned(msgspec.Struct):
    text: str | None = None
    signature: str | None = None


class _Reasoning(msgspec.Struct, rename="camel"):
    reasoning_text: _Reasoned | None = None
    redacted_content: str | None = None


class _Piece(msgspec.Struct):
    text: str | None = None


class _Cited(msgspec.Struct):
    content: list[_Piece] | None = None
    citations: list[Raw] | None = None


_STRING: Final = msgspec.json.Decoder(str)
_MARK: Final = msgspec.json.Decoder(_Mark)
_TOOL_USE: Final = msgspec.json.Decoder(_ToolUse)
_TOOL_RESULT: Final = msgspec.json.Decoder(_ToolResult)
_REASONING: Final = msgspec.json.Decoder(_Reasoning)
_CITED: Final = msgspec.json.Decoder(_Cited)


def read_blocks(blocks: list[dict[str, Raw]], where: str, *, is_answer: bool = False) -> list[Part]:
    """The parts in a list of blocks. Raises `InvalidRequest` that names the block.

    In an answer (`is_answer`) a tool's result is one that the provider itself ran.
    """
    parts: list[Part] = []
    for index, block in enumerate(blocks):
        text = block.get("text")
        if text is not None and len(block) == 1:
            try:
                parts.append(Text(_STRING.decode(text)))
            except msgspec.ValidationError as error:
                raise wrong_type(error, f"{where}[{index}].text") from None
            continue
        kind, raw = _only(block, where, index)
        try:
            _read_one(kind, raw, parts, is_answer)
        except msgspec.ValidationError as error:
            raise wrong_type(error, f"{where}[{index}].{kind}") from None
    return parts


def _only(block: dict[str, Raw], where: str, index: int) -> tuple[str, Raw]:
    given = [(kind, raw) for kind, raw in block.items() if raw != _NULL]
    if len(given) != 1:
        param = f"{where}[{index}]"
        raise InvalidRequest(
            f"'{param}' must have exactly one member, which says what kind of content it is.",
            code="invalid_value",
            param=param,
        )
    return given[0]


def _read_one(kind: str, raw: Raw, parts: list[Part], is_answer: bool) -> None:
    if kind == "cachePoint":
        _mark(raw, parts)
        return
    if kind == "reasoningContent":
        _read_reasoning(raw, parts)
        return
    reader = _READERS.get(kind) if not (is_answer and kind == "toolResult") else None
    parts.append(reader(raw) if reader is not None else _foreign(kind, raw))


def _mark(raw: Raw, parts: list[Part]) -> None:
    mark = _MARK.decode(raw)
    last = parts[-1] if parts else None
    if last is None or isinstance(last, Foreign | Refusal) or last.cache is not None:
        parts.append(_foreign("cachePoint", raw))
    else:
        parts[-1] = structs.replace(last, cache=CacheMark(mark.ttl or ""))


def _read_reasoning(raw: Raw, parts: list[Part]) -> None:
    found = _REASONING.decode(raw)
    if found.redacted_content is not None:
        parts.append(Thinking(sealed=found.redacted_content))
    elif found.reasoning_text is not None:
        inner = found.reasoning_text
        parts.append(Thinking(inner.text or "", signature=inner.signature or ""))
    else:
        parts.append(_foreign("reasoningContent", raw))


def _read_call(raw: Raw) -> Part:
    found = _TOOL_USE.decode(raw)
    if found.type is not None:
        return _foreign("toolUse", raw)
    return ToolCall(found.tool_use_id, found.name, arguments_of(found.input))


def arguments_of(raw: Raw) -> str:
    """The text of a call's input. A string stands for arguments that were no JSON."""
    data = bytes(raw)
    if data[:1] == b'"':
        return _STRING.decode(data)
    return "{}" if data == b"null" else data.decode()


def _read_result(raw: Raw) -> Part:
    found = _TOOL_RESULT.decode(raw)
    parts: list[Text | Media | Foreign] = []
    for block in found.content or ():
        kind, value = next(((k, v) for k, v in block.items() if v != _NULL), ("", _NULL))
        if kind == "text":
            parts.append(Text(_STRING.decode(value)))
        elif kind == "json":
            parts.append(Text(bytes(value).decode(), extra={"json": _TRUE}))
        elif kind in _MEDIA:
            parts.append(read_media(kind, value))
        elif kind:
            parts.append(_foreign(kind, value))
    extra: Fields = {} if found.type is None else {"type": Raw(msgspec.json.encode(found.type))}
    return ToolResult(found.tool_use_id, tuple(parts), error=found.status == "error", extra=extra)


_MEDIA: Final = frozenset(("image", "document", "video", "audio"))


def _read_cited(raw: Raw) -> Part:
    found = _CITED.decode(raw)
    text = "".join(piece.text or "" for piece in found.content or ())
    return Text(text, tuple(read_citation(item) for item in found.citations or ()))


def _read_text(raw: Raw) -> Part:
    return Text(_STRING.decode(raw))


def _media_reader(name: str) -> Callable[[Raw], Part]:
    return lambda raw: read_media(name, raw)


_READERS: Final[dict[str, Callable[[Raw], Part]]] = {
    "text": _read_text,
    "toolUse": _read_call,
    "toolResult": _read_result,
    "citationsContent": _read_cited,
    **{name: _media_reader(name) for name in _MEDIA},
}


def _foreign(kind: str, raw: Raw) -> Foreign:
    return Foreign(NAME, Raw(b"{%b:%b}" % (msgspec.json.encode(kind), raw)))


def is_blank(text: str) -> bool:
    """Whether a text is one that the vendor refuses as blank."""
    return not text or text.isspace()
